// One run of a Data Factory pipeline: loads the definition once, then interprets it.
import { ApplicationFailure } from '@temporalio/common';
import {
  CancellationScope,
  defineQuery,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { pipelineDetails } from '../core/pipeline/details.ts';
import { RunLog } from '../core/pipeline/run-log.ts';
import type { DefinitionActivities, LoadedPipeline } from '../core/pipeline/snapshot.ts';
import type { PipelineProgress, RunPipelineInput, RunPipelineOutput } from '../core/run.ts';
import { activityFailure } from './pipeline-failure.ts';
import { PipelineInterpreter } from './pipeline-interpreter.ts';

const { loadPipeline } = proxyActivities<DefinitionActivities>({
  startToCloseTimeout: '1m',
  summary: 'read and check the definition',
  retry: { maximumAttempts: 5 },
});

/** Runs with more activities than this show their table once a workflow task. */
const ALWAYS_SHOWN = 100;

export const pipelineProgressQuery = defineQuery<PipelineProgress>('progress');

/**
 * Runs a pipeline as Data Factory would. The definition is read once, at the start: an edit never changes a run in
 * flight. Cancelling cancels what runs and waits for it to clean up.
 *
 * Fails with the code of `loadPipeline` before anything ran, or with ACTIVITY_FAILED naming the activity.
 */
export async function runPipeline(input: RunPipelineInput): Promise<RunPipelineOutput> {
  const log = new RunLog();
  let status: PipelineProgress['status'] = 'InProgress';
  setHandler(pipelineProgressQuery, () => ({
    kind: 'pipeline',
    pipeline: input.pipeline,
    status,
    activities: log.runs(),
  }));
  let shownAt = 0;
  const show = (): void => {
    // Workflow time stands still within one task: a long loop in it need not draw its table at every step.
    if (log.size > ALWAYS_SHOWN && Date.now() === shownAt) return;
    shownAt = Date.now();
    setCurrentDetails(pipelineDetails(input.pipeline, log.runs(), shownAt));
  };
  try {
    const interpreter = new PipelineInterpreter(input, await load(input), log, show);
    await interpreter.run();
    status = 'Succeeded';
    return { status, activityRuns: log.runs(), returnValue: interpreter.returnValue };
  } catch (error) {
    const cancelled = isCancellation(error) && CancellationScope.current().consideredCancelled;
    status = cancelled ? 'Cancelled' : 'Failed';
    throw error;
  } finally {
    shownAt = 0;
    show();
  }
}

async function load(input: RunPipelineInput): Promise<LoadedPipeline> {
  try {
    return await loadPipeline({
      pipeline: input.pipeline,
      parameters: input.parameters,
      ignoreUnknownParameters: workflowInfo().parent !== undefined,
    });
  } catch (error) {
    const failure = activityFailure(error);
    // The reason itself, not "activity task failed": it is what a person has to read.
    if (failure === undefined || isCancellation(error)) throw error;
    throw ApplicationFailure.create({
      type: failure.errorCode,
      message: failure.message,
      nonRetryable: true,
      details: failure.details,
    });
  }
}
