// A pipeline's `concurrency`: so many runs have a slot, the others wait in the order in which they came.

/** One execution of the workflow `runPipeline`. */
export interface RunReference {
  readonly workflowId: string;
  readonly runId: string;
}

export interface SlotRequest extends RunReference {
  /** The pipeline's `concurrency`, as this run's definition has it. The newest request's holds. */
  readonly limit: number;
}

/** Input of the workflow `pipelineSlots`. */
export interface SlotsInput {
  readonly pipeline: string;
  /** Seconds between two looks whether runs that hold a slot still go on, while others wait. */
  readonly checkSeconds: number;
  /** Set when it continues as new; else it asks who holds a slot already. */
  readonly queue?: SlotQueueState;
}

export interface SlotQueueState {
  readonly limit: number;
  readonly holders: readonly RunReference[];
  readonly waiting: readonly RunReference[];
}

/** The activities around slots. */
export interface SlotActivities {
  /** Tells `pipelineSlots` of the pipeline, starting it where it does not run, that a run wants a slot. */
  requestSlot(request: SlotRequest & { readonly pipeline: string }): Promise<void>;
  /** Those of the runs that have closed, or that Temporal knows no more. */
  endedRuns(runs: readonly RunReference[]): Promise<RunReference[]>;
  /** The pipeline's runs that go on and have had a slot. */
  runsWithSlot(pipeline: string): Promise<RunReference[]>;
}

/** WaybillStage of a run that waits for a slot, and of one that has one. */
export const SLOT_STAGES = { waiting: 'queued', granted: 'running' } as const;

/** Who holds a slot and who waits. Runs are known by their run id. */
export class SlotQueue {
  private limit: number;
  private readonly holders: Map<string, RunReference>;
  private waiting: RunReference[];
  /** Holders that are to be told of their slot. */
  private untold: RunReference[] = [];

  constructor(state: SlotQueueState) {
    this.limit = state.limit;
    this.holders = new Map(state.holders.map((run) => [run.runId, run]));
    this.waiting = [...state.waiting];
  }

  request({ limit, workflowId, runId }: SlotRequest): void {
    this.limit = Math.max(1, limit);
    const holder = this.holders.get(runId);
    // It asks again, so it has not heard.
    if (holder !== undefined) this.untold.push(holder);
    else if (!this.waiting.some((run) => run.runId === runId)) this.waiting.push({ workflowId, runId });
  }

  hold(run: RunReference): void {
    this.waiting = this.waiting.filter(({ runId }) => runId !== run.runId);
    this.holders.set(run.runId, run);
  }

  release(runId: string): void {
    this.holders.delete(runId);
    this.waiting = this.waiting.filter((run) => run.runId !== runId);
    this.untold = this.untold.filter((run) => run.runId !== runId);
  }

  /** Gives free slots to those who wait longest, and returns whom to tell. */
  grant(): RunReference[] {
    while (this.holders.size < this.limit && this.waiting.length > 0) {
      const run = this.waiting.shift() as RunReference;
      this.holders.set(run.runId, run);
      this.untold.push(run);
    }
    const told = this.untold;
    this.untold = [];
    return told;
  }

  /** Whether `grant` would return somebody. */
  get canGrant(): boolean {
    return this.untold.length > 0 || (this.holders.size < this.limit && this.waiting.length > 0);
  }

  get isEmpty(): boolean {
    return this.holders.size === 0 && this.waiting.length === 0;
  }

  get someWait(): boolean {
    return this.waiting.length > 0;
  }

  state(): SlotQueueState {
    return { limit: this.limit, holders: [...this.holders.values()], waiting: this.waiting };
  }
}
