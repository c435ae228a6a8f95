// Pipelines' runs as Temporal knows them: slots asked for and held, and what an earlier run tells of itself.
import {
  type Client,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { EarlierRun, RerunActivities } from '../core/pipeline/rerun.ts';
import {
  type RunReference,
  SLOT_STAGES,
  type SlotActivities,
  type SlotRequest,
  type SlotsInput,
} from '../core/pipeline/slots.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import { slotsWorkflowId } from '../core/workflow-ids.ts';
import { quoted } from './visibility.ts';

/** How soon a terminated run's slot is free for those who wait, at the latest. */
const CHECK_SECONDS = 30;

export class TemporalPipelineRuns implements SlotActivities, RerunActivities {
  readonly #client: Client;
  readonly #taskQueue: string;
  readonly #checkSeconds: number;

  constructor(client: Client, taskQueue: string, checkSeconds = CHECK_SECONDS) {
    this.#client = client;
    this.#taskQueue = taskQueue;
    this.#checkSeconds = checkSeconds;
  }

  async requestSlot({ pipeline, ...request }: SlotRequest & { pipeline: string }): Promise<void> {
    await this.#client.workflow.signalWithStart<(input: SlotsInput) => Promise<void>, [SlotRequest]>(
      'pipelineSlots',
      {
        workflowId: slotsWorkflowId(pipeline),
        taskQueue: this.#taskQueue,
        args: [{ pipeline, checkSeconds: this.#checkSeconds }],
        signal: 'requestSlot',
        signalArgs: [request],
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
        staticSummary: `slots of ${pipeline}`,
      },
    );
  }

  async endedRuns(runs: readonly RunReference[]): Promise<RunReference[]> {
    const ended: RunReference[] = [];
    for (const run of runs) if (!(await this.#isRunning(run))) ended.push(run);
    return ended;
  }

  async runsWithSlot(pipeline: string): Promise<RunReference[]> {
    const query =
      `WorkflowType = 'runPipeline' AND ExecutionStatus = 'Running' AND ${SEARCH_ATTRIBUTES.pipeline} = ${quoted(pipeline)} ` +
      `AND ${SEARCH_ATTRIBUTES.stage} = '${SLOT_STAGES.granted}'`;
    const runs: RunReference[] = [];
    for await (const { workflowId, runId } of this.#client.workflow.list({ query }))
      runs.push({ workflowId, runId });
    return runs;
  }

  async loadEarlierRun({ workflowId, runId }: RunReference): Promise<EarlierRun | JsonObject> {
    try {
      return await this.#client.workflow
        .getHandle(workflowId, runId)
        .query<EarlierRun | JsonObject>('resume');
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new WaybillError(
        'OBJECT_MISSING',
        `Temporal no longer has the history of run ${runId} of "${workflowId}", so nothing of it can be reused.`,
        { workflowId, runId },
      );
    }
  }

  async #isRunning({ workflowId, runId }: RunReference): Promise<boolean> {
    try {
      return (await this.#client.workflow.getHandle(workflowId, runId).describe()).status.name === 'RUNNING';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }
}
