// The workflows of the runPipeline test: the real runPipeline, and a `copyData` that asks the test what a copy does.
import { condition, proxyActivities, sleep } from '@temporalio/workflow';
import type { CopyInput } from '../../src/core/copy.ts';
import type { JsonObject } from '../../src/core/json.ts';

export { pipelineLoop } from '../../src/workflows/pipeline-loop.ts';
export { pipelineSlots } from '../../src/workflows/pipeline-slots.ts';
export { runPipeline } from '../../src/workflows/run-pipeline.ts';

export interface CopyScript {
  /** Called by each copy: its output, and how long it takes; below 0 until it is cancelled. Throws to make the copy fail. */
  scriptCopy(input: CopyInput): Promise<{ output: JsonObject; seconds: number }>;
}

const { scriptCopy } = proxyActivities<CopyScript>({ startToCloseTimeout: '1m' });

export async function copyData(input: CopyInput): Promise<JsonObject> {
  const { output, seconds } = await scriptCopy(input);
  // The clock that skips waits for no cancellation that is on its way: such a copy has no timer to skip to.
  if (seconds < 0) await condition(() => false);
  await sleep(seconds * 1000);
  return output;
}
