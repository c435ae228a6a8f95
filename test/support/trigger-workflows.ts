// The workflows of triggers as they are, and a `runPipeline` that asks the test what a run does and how long it takes.
import { ApplicationFailure } from '@temporalio/common';
import { proxyActivities, sleep } from '@temporalio/workflow';
import type { RunPipelineInput, RunPipelineOutput } from '../../src/core/run.ts';

export { startTriggered } from '../../src/workflows/start-triggered.ts';
export { tumblingWindow } from '../../src/workflows/tumbling-window.ts';
export { watchChanges } from '../../src/workflows/watch-changes.ts';
export { watchFiles } from '../../src/workflows/watch-files.ts';

export interface RunScript {
  /** Called by each run: seconds it takes, and whether it then fails. */
  scriptRun(input: RunPipelineInput): Promise<{ seconds: number; fails?: boolean }>;
}

const { scriptRun } = proxyActivities<RunScript>({ startToCloseTimeout: '1m' });

export async function runPipeline(input: RunPipelineInput): Promise<RunPipelineOutput> {
  const { seconds, fails } = await scriptRun(input);
  await sleep(seconds * 1000);
  if (fails === true) throw ApplicationFailure.nonRetryable('on purpose', 'ACTIVITY_FAILED');
  return { status: 'Succeeded', activityRuns: [], returnValue: {} };
}
