// Runs work: one worker with every workflow and activity, until SIGTERM or SIGINT, then drains.
import './config/quiet-aws.ts';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createAlertActivities } from './activities/alerts.ts';
import { createCopyActivities } from './activities/copy.ts';
import { createDataFlowActivities } from './activities/data-flow.ts';
import { createDatabricksActivities } from './activities/databricks.ts';
import { createDbtActivities } from './activities/dbt.ts';
import { createDefinitionActivities } from './activities/definitions.ts';
import { createDeltaActivities } from './activities/delta.ts';
import { createFileActivities } from './activities/files.ts';
import { createLakehouseActivities } from './activities/lakehouse.ts';
import { createLinkedServices } from './activities/linked-services.ts';
import { createMigrationActivities } from './activities/migration.ts';
import { createMonitoringActivities } from './activities/monitoring.ts';
import { createRunActivities } from './activities/runs.ts';
import { createSparkActivities } from './activities/spark.ts';
import { createSqlActivities } from './activities/sql.ts';
import { createStreamActivities } from './activities/streams.ts';
import { createSweepActivities } from './activities/sweep.ts';
import { createTriggerActivities } from './activities/triggers.ts';
import { createWatchActivities } from './activities/watch.ts';
import { createChangeActivities } from './activities/watch-changes.ts';
import { createWebActivities } from './activities/web.ts';
import { TemporalCopyRuns } from './client/copy-runs.ts';
import { TemporalLakehouseRuns } from './client/lakehouse-runs.ts';
import { TemporalPipelineRuns } from './client/pipeline-runs.ts';
import { ensureSweeper } from './client/sweeper-schedule.ts';
import { TemporalToldAlerts } from './client/told-alerts.ts';
import { TemporalTriggerRuns } from './client/trigger-runs.ts';
import { databricksWorkspace } from './compute/databricks/workspace.ts';
import { createCompute } from './compute/registry.ts';
import { readPrices } from './config/prices.ts';
import { callbackDoor, readKeys } from './config/server-keys.ts';
import { loadSettings } from './config/settings.ts';
import { isLateEndOfMessage } from './connectors/sql-server/driver-defect.ts';
import { CastErrorsInterceptor } from './interceptors/cast-errors.ts';
import { workerDataConverter } from './interceptors/data-converter.ts';
import { createLogger } from './interceptors/logger.ts';

/** The bundle that `npm run build` made; a worker started from elsewhere bundles by itself, which takes seconds. */
function workflowSource(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const bundle = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  return existsSync(bundle)
    ? { workflowBundle: { codePath: bundle } }
    : { workflowsPath: fileURLToPath(new URL('./workflows/index.js', import.meta.url)) };
}

async function run(): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  Runtime.install({
    logger: createLogger(process.env['WAYBILL_LOG_LEVEL'] ?? 'info'),
    shutdownSignals: ['SIGTERM', 'SIGINT'],
    ...(settings.metricsAddress === undefined
      ? {}
      : { telemetryOptions: { metrics: { prometheus: { bindAddress: settings.metricsAddress } } } }),
  });
  const dataConverter = workerDataConverter(settings, process.env);
  const config = loadClientConnectConfig();
  const connection = await NativeConnection.connect(config.connectionOptions);
  try {
    const linkedServices = createLinkedServices({ settings, env: process.env });
    const compute = createCompute({
      lookAgainAfter: settings.sparkPollSeconds * 500,
      ...(settings.lakeEncryption === undefined ? {} : { lakeEncryption: settings.lakeEncryption }),
      ...databricksWorkspace(process.env),
    });
    const prices = readPrices(settings.pricesFile);
    const client = new Client({
      connection,
      dataConverter,
      ...(config.namespace === undefined ? {} : { namespace: config.namespace }),
    });
    const runs = new TemporalLakehouseRuns(client);
    const lakehouse = createLakehouseActivities({
      ...compute,
      factoryDirectory: settings.factoryDirectory,
      jobsDirectory: settings.jobsDirectory,
      currency: prices.currency,
      alertChannels: Object.keys(settings.alerts),
    });
    const worker = await Worker.create({
      connection,
      ...(config.namespace === undefined ? {} : { namespace: config.namespace }),
      taskQueue: settings.taskQueue,
      ...workflowSource(),
      dataConverter,
      activities: {
        ...createDefinitionActivities({ settings }),
        ...createRunActivities({ runs: new TemporalPipelineRuns(client, settings.taskQueue) }),
        ...createTriggerActivities({ triggers: new TemporalTriggerRuns(client) }),
        ...createWatchActivities({ resolveLinkedService: linkedServices.resolve }),
        ...createChangeActivities({
          resolveLinkedService: linkedServices.resolve,
          secretsChanged: linkedServices.secretsChanged,
          workDirectory: settings.workDirectory,
        }),
        ...createCopyActivities({
          resolveLinkedService: linkedServices.resolve,
          secretsChanged: linkedServices.secretsChanged,
          workDirectory: settings.workDirectory,
        }),
        ...createSqlActivities({
          resolveLinkedService: linkedServices.resolve,
          secretsChanged: linkedServices.secretsChanged,
          workDirectory: settings.workDirectory,
        }),
        ...createFileActivities({
          resolveLinkedService: linkedServices.resolve,
          workDirectory: settings.workDirectory,
        }),
        ...createDeltaActivities({
          resolveLinkedService: linkedServices.resolve,
          factoryDirectory: settings.factoryDirectory,
        }),
        ...createDataFlowActivities({
          resolveLinkedService: linkedServices.resolve,
          storage: compute.storage,
          factoryDirectory: settings.factoryDirectory,
          ...(settings.dataFlows === undefined ? {} : { settings: settings.dataFlows }),
        }),
        ...createSweepActivities({
          resolveLinkedService: linkedServices.resolve,
          workDirectory: settings.workDirectory,
          runs: new TemporalCopyRuns(client),
        }),
        ...createSparkActivities({ ...compute, pollInterval: settings.sparkPollSeconds * 1000 }),
        ...createStreamActivities({
          ...compute,
          factoryDirectory: settings.factoryDirectory,
          pollInterval: settings.sparkPollSeconds * 1000,
        }),
        ...createWebActivities({
          resolveLinkedService: linkedServices.resolve,
          secret: linkedServices.secret,
          factoryDirectory: settings.factoryDirectory,
          allow: settings.web.allow,
          door: () => callbackDoor(settings.server, process.env),
        }),
        ...createDatabricksActivities({ resolveLinkedService: linkedServices.resolve }),
        ...createDbtActivities({
          resolveLinkedService: linkedServices.resolve,
          executable: settings.dbtExecutable,
          projectDirectory: settings.dbtDirectory,
          workDirectory: settings.workDirectory,
          env: process.env,
        }),
        ...lakehouse,
        ...createMigrationActivities({
          ...compute,
          factoryDirectory: settings.factoryDirectory,
          uploadJobs: lakehouse.uploadJobs,
          findLakehouseRun: (id) => runs.find(id),
        }),
        ...createMonitoringActivities({ ...compute, prices, interval: settings.sparkPollSeconds * 3_000 }),
        ...createAlertActivities({
          channels: settings.alerts,
          notifier: compute.notifier,
          told: new TemporalToldAlerts(client, settings.taskQueue),
          secret: (variable) => readKeys([variable], process.env)[0] ?? '',
        }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
      // A killed worker's activity is found by its missing heartbeat: the beats must leave the process as they are made.
      maxHeartbeatThrottleInterval: '1s',
      defaultHeartbeatThrottleInterval: '1s',
      shutdownGraceTime: '5s',
      maxCachedWorkflows: 200,
    });
    // Work does not wait for it: a namespace in which this worker may make no schedules is swept by hand.
    ensureSweeper(client, settings.taskQueue).catch((error: unknown) =>
      Runtime.instance().logger.warn('no schedule sweeps what copies leave behind: run `waybill sweep`', {
        error: String(error),
      }),
    );
    await worker.run();
  } finally {
    await connection.close();
  }
}

// One broken connection must not end every other copy of this worker. Anything else that nobody caught ends it: its state
// is unknown, and another worker takes over.
process.on('uncaughtException', (error: unknown) => {
  if (isLateEndOfMessage(error)) return;
  console.error(error);
  process.exit(1);
});

run().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
