// The workflows of the runPipeline tests: the real ones, and a `copyData` that asks the test what a copy does.
import { proxyActivities, sleep } from '@temporalio/workflow';
import type { CopyInput } from '../../src/core/copy.ts';
import type { JsonObject } from '../../src/core/json.ts';

export { pipelineLoop } from '../../src/workflows/pipeline-loop.ts';
export { pipelineSlots } from '../../src/workflows/pipeline-slots.ts';
export { runDbt } from '../../src/workflows/run-dbt.ts';
export { runLakehouse } from '../../src/workflows/run-lakehouse.ts';
export { runPipeline } from '../../src/workflows/run-pipeline.ts';
export { sparkCluster } from '../../src/workflows/spark-cluster.ts';
export { sparkJob } from '../../src/workflows/spark-job.ts';

export interface CopyScript {
  /** Called by each copy: its output, and how long it takes; below 0 until it is cancelled. Throws to make the copy fail. */
  scriptCopy(input: CopyInput): Promise<{ output: JsonObject; seconds: number }>;
}

const { scriptCopy } = proxyActivities<CopyScript>({ startToCloseTimeout: '1m' });

export async function copyData(input: CopyInput): Promise<JsonObject> {
  const { output, seconds } = await scriptCopy(input);
  // The clock that skips waits for no cancellation that is on its way. Without a timer here it would skip to the run's
  // own end, ten years on; with one that ends the copy, to that. So it goes round, an hour at a time.
  while (seconds < 0) await sleep('1h');
  await sleep(seconds * 1000);
  return output;
}
