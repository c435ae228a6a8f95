// Runs a pipeline again: whole, from what failed, or from a chosen activity; in the same group of runs.
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '@temporalio/client';
import { WaybillError } from '../core/errors.ts';
import type { Rerun, RunPipelineInput } from '../core/run.ts';
import { findPipelineRun } from './records.ts';
import { inputOf } from './run-history.ts';
import { type StartedRun, searchAttributesFor } from './start.ts';

/**
 * Starts a rerun under the same workflow id, so that its copies go on where they were. `id`: a workflow id, whose newest
 * run is repeated, or a run id. The rerun has the parameters of the run it repeats and the definition as it is now.
 * Throws OBJECT_MISSING, or RUN_IN_PROGRESS while a run under that id goes on.
 */
export async function rerunPipeline(client: Client, id: string, from: Rerun['from']): Promise<StartedRun> {
  const { workflowId, runId, taskQueue } = await findPipelineRun(client, id);
  const input = await inputOf<RunPipelineInput>(client, { workflowId, runId });
  const again: RunPipelineInput = {
    ...input,
    rerun: { runId, groupId: input.rerun?.groupId ?? runId, from },
  };
  try {
    const handle = await client.workflow.start<(input: RunPipelineInput) => Promise<unknown>>('runPipeline', {
      workflowId,
      taskQueue,
      args: [again],
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      typedSearchAttributes: searchAttributesFor({
        name: input.pipeline,
        trigger: input.trigger,
        ...(input.windowStart === undefined ? {} : { windowStart: input.windowStart }),
      }),
      staticSummary: `pipeline ${input.pipeline} · rerun ${describe(from)}`,
    });
    return { handle, workflowId, runId: handle.firstExecutionRunId, isNew: true };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new WaybillError('RUN_IN_PROGRESS', `"${workflowId}" is still going on.`, { id: workflowId });
  }
}

const describe = (from: Rerun['from']): string =>
  from === 'all' ? 'of everything' : from === 'failed' ? 'of what failed' : `from ${from.activity}`;
