// A worker process for tests that kill it: the lakehouse's workflows and activities, settings as one JSON argument.
import { NativeConnection, Worker } from '@temporalio/worker';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createMonitoringActivities } from '../../src/activities/monitoring.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import { createCompute } from '../../src/compute/registry.ts';
import { DEFAULT_PRICES } from '../../src/core/monitoring/prices.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';

export interface LakehouseWorkerSettings {
  readonly address: string;
  readonly taskQueue: string;
  readonly bundle: string;
  readonly emrEndpoint?: string;
  readonly emrServerlessEndpoint?: string;
  readonly s3Endpoint: string;
  readonly factoryDirectory: string;
  readonly jobsDirectory: string;
}

const settings = JSON.parse(process.argv[2] ?? '') as LakehouseWorkerSettings;
const { emrEndpoint, emrServerlessEndpoint, s3Endpoint, factoryDirectory, jobsDirectory } = settings;
const compute = createCompute({
  region: 'us-east-1',
  ...(emrEndpoint === undefined ? {} : { emrEndpoint }),
  ...(emrServerlessEndpoint === undefined ? {} : { emrServerlessEndpoint }),
  s3Endpoint,
  lookAgainAfter: 500,
  logWait: 5_000,
});
const worker = await Worker.create({
  connection: await NativeConnection.connect({ address: settings.address }),
  taskQueue: settings.taskQueue,
  workflowBundle: { codePath: settings.bundle },
  activities: {
    ...createSparkActivities({ ...compute, pollInterval: 300 }),
    ...createLakehouseActivities({ ...compute, factoryDirectory, jobsDirectory }),
    ...createMonitoringActivities({ ...compute, prices: DEFAULT_PRICES, interval: 1_000 }),
  },
  interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
  maxHeartbeatThrottleInterval: '500ms',
});
process.stdout.write('{"ready":true}\n');
await worker.run();
