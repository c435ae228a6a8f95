// Reads how far a run is: the workflows' own answers for what is committed, heartbeats for what is in flight.
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { ChunkHeartbeat, CopyProgress } from '../core/copy.ts';
import type { DbtBeat, DbtProgress } from '../core/dbt.ts';
import type { LakehouseProgress, PipelineProgress } from '../core/run.ts';

/** One copy as it stands: committed figures plus those in flight. */
export interface CopySnapshot {
  readonly workflowId: string;
  readonly progress: CopyProgress;
  /** The chunks at work, as their last heartbeats had them. */
  readonly inFlight: readonly ChunkInFlight[];
  readonly rowsInFlight: number;
  readonly bytesInFlight: number;
  /** Last failure of an attempt that is being retried, if any. */
  readonly lastFailure?: string;
}

export interface ChunkInFlight extends ChunkHeartbeat {
  readonly attempt: number;
}

/** One run of dbt as it stands. */
export interface DbtSnapshot {
  readonly workflowId: string;
  readonly progress: DbtProgress;
  /** What the call of dbt that goes on has said last. */
  readonly beat?: DbtBeat;
}

export interface RunSnapshot {
  readonly workflowId: string;
  /** Temporal's status: RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED, TIMED_OUT. */
  readonly status: string;
  /** Absent while no worker answers queries. */
  readonly progress?: AnyProgress;
  readonly copies: readonly CopySnapshot[];
  readonly dbts: readonly DbtSnapshot[];
}

type AnyProgress = PipelineProgress | LakehouseProgress | CopyProgress | DbtProgress;

/** Queries are answered by a worker; after this long without one, progress is shown as unknown. */
const QUERY_TIMEOUT_MS = 3000;

async function query<Result>(client: Client, workflowId: string): Promise<Result | undefined> {
  try {
    return await client.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () =>
      client.workflow.getHandle(workflowId).query<Result>('progress'),
    );
  } catch {
    return undefined;
  }
}

async function describe(
  client: Client,
  workflowId: string,
): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await client.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () =>
      client.workflow.getHandle(workflowId).describe(),
    );
  } catch {
    return undefined;
  }
}

function childrenOf(progress: RunSnapshot['progress']): string[] {
  if (progress?.kind === 'pipeline') return progress.activities.flatMap(({ workflowId }) => workflowId ?? []);
  return progress?.kind === 'lakehouse' ? progress.stages.flatMap(({ children }) => children) : [];
}

/** Workflow ids of the copies a run has started, running ones and finished ones. */
export const copiesOf = (progress: RunSnapshot['progress']): string[] =>
  childrenOf(progress).filter((id) => id.includes('/copy/'));

/** Workflow ids of the runs of dbt that a run has started. */
export const dbtRunsOf = (progress: RunSnapshot['progress']): string[] =>
  childrenOf(progress).filter((id) => id.includes('/dbt/'));

/** Copies that are done do not change: they are read once and kept here. */
export class SnapshotReader {
  readonly #client: Client;
  readonly #finished = new Map<string, CopySnapshot>();
  readonly #finishedDbts = new Map<string, DbtSnapshot>();

  constructor(client: Client) {
    this.#client = client;
  }

  async read(workflowId: string): Promise<RunSnapshot> {
    const [description, progress] = await Promise.all([
      describe(this.#client, workflowId),
      query<AnyProgress>(this.#client, workflowId),
    ]);
    const status = description?.status.name ?? 'UNKNOWN';
    if (progress === undefined) {
      const [copies, dbts] = [[...this.#finished.values()], [...this.#finishedDbts.values()]];
      return { workflowId, status, copies, dbts };
    }
    const whole = progress.kind === 'pipeline' ? await this.#withSlice(progress) : progress;
    const ids = whole.kind === 'copy' ? [workflowId] : copiesOf(whole);
    const runs = whole.kind === 'dbt' ? [workflowId] : dbtRunsOf(whole);
    const [copies, dbts] = await Promise.all([
      Promise.all(ids.map((id) => this.#readCopy(id))),
      Promise.all(runs.map((id) => this.#readDbt(id))),
    ]);
    return {
      workflowId,
      status,
      progress: whole,
      copies: copies.filter((copy) => copy !== undefined),
      dbts: dbts.filter((dbt) => dbt !== undefined),
    };
  }

  async #readDbt(workflowId: string): Promise<DbtSnapshot | undefined> {
    const known = this.#finishedDbts.get(workflowId);
    if (known !== undefined) return known;
    const [progress, description] = await Promise.all([
      query<DbtProgress>(this.#client, workflowId),
      describe(this.#client, workflowId),
    ]);
    if (progress === undefined) return undefined;
    const payload = description?.raw.pendingActivities?.[0]?.heartbeatDetails?.payloads?.[0];
    const beat = payload && defaultPayloadConverter.fromPayload<DbtBeat>(payload);
    const snapshot = { workflowId, progress, ...(beat ? { beat } : {}) };
    if (progress.status !== 'InProgress') this.#finishedDbts.set(workflowId, snapshot);
    return snapshot;
  }

  /** With what goes on in the children that run the iterations of long loops. */
  async #withSlice(progress: PipelineProgress): Promise<PipelineProgress> {
    const slices = progress.activities.flatMap(({ status, slices }) =>
      status === 'InProgress' ? (slices?.at(-1) ?? []) : [],
    );
    const inner = await Promise.all(
      slices.map(async (id) => {
        const slice = await query<PipelineProgress>(this.#client, id);
        return slice === undefined ? [] : (await this.#withSlice(slice)).activities;
      }),
    );
    const going = inner.flat().filter(({ status }) => status === 'InProgress' || status === 'Failed');
    return { ...progress, activities: [...progress.activities, ...going] };
  }

  async #readCopy(workflowId: string): Promise<CopySnapshot | undefined> {
    const known = this.#finished.get(workflowId);
    if (known !== undefined) return known;
    const [progress, description] = await Promise.all([
      query<CopyProgress>(this.#client, workflowId),
      describe(this.#client, workflowId),
    ]);
    if (progress === undefined) return undefined;
    const pending = description?.raw.pendingActivities ?? [];
    const inFlight = pending.flatMap((activity): ChunkInFlight[] => {
      const payload = activity.heartbeatDetails?.payloads?.[0];
      if (activity.activityType?.name !== 'copyChunk' || payload === undefined) return [];
      const beat = defaultPayloadConverter.fromPayload<ChunkHeartbeat>(payload);
      return [{ ...beat, attempt: activity.attempt ?? 1 }];
    });
    const lastFailure = pending.map((activity) => activity.lastFailure?.message).find((message) => message);
    const snapshot: CopySnapshot = {
      workflowId,
      progress,
      inFlight,
      rowsInFlight: inFlight.reduce((sum, beat) => sum + beat.rows, 0),
      bytesInFlight: inFlight.reduce((sum, beat) => sum + beat.bytes, 0),
      ...(lastFailure ? { lastFailure } : {}),
    };
    if (progress.state === 'done' || progress.state === 'failed') this.#finished.set(workflowId, snapshot);
    return snapshot;
  }
}
