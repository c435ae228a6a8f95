// The workflow bundle of the lakehouse's own tests: its workflows, and a copy that one activity stands for.
import { proxyActivities } from '@temporalio/workflow';
import type { CopyInput, CopyOutput } from '../../src/core/copy.ts';

export { migrateToDatabricks } from '../../src/workflows/migrate-to-databricks.ts';
export { rememberRequest } from '../../src/workflows/remember-request.ts';
export { runDataFlow } from '../../src/workflows/run-data-flow.ts';
export { runDbt } from '../../src/workflows/run-dbt.ts';
export { runLakehouse } from '../../src/workflows/run-lakehouse.ts';
export { sparkCluster } from '../../src/workflows/spark-cluster.ts';
export { sparkJob } from '../../src/workflows/spark-job.ts';
export { superviseStream } from '../../src/workflows/supervise-stream.ts';

const { copyAll } = proxyActivities<{ copyAll(input: CopyInput): Promise<CopyOutput> }>({
  startToCloseTimeout: '1m',
  heartbeatTimeout: '10s',
  retry: { maximumAttempts: 1 },
});

export const copyData = (input: CopyInput): Promise<CopyOutput> => copyAll(input);
