// Every workflow, by name: the one entry of the workflow bundle.
export { copyData } from './copy-data.ts';
export { copyDelta } from './copy-delta.ts';
export { pipelineLoop } from './pipeline-loop.ts';
export { pipelineSlots } from './pipeline-slots.ts';
export { planPipeline } from './plan-pipeline.ts';
export { rememberRequest } from './remember-request.ts';
export { removeOrphan } from './remove-orphan.ts';
export { runDbt } from './run-dbt.ts';
export { runLakehouse } from './run-lakehouse.ts';
export { runPipeline } from './run-pipeline.ts';
export { sparkCluster } from './spark-cluster.ts';
export { sparkJob } from './spark-job.ts';
export { startTriggered } from './start-triggered.ts';
export { sweepOrphans } from './sweep-orphans.ts';
export { tumblingWindow } from './tumbling-window.ts';
export { watchChanges } from './watch-changes.ts';
export { watchFiles } from './watch-files.ts';
