// The example's lakehouse, small, moves from EMR to Databricks with real Spark: real Temporal server, S3, EMR and Databricks
// stand-ins. In parity first; then a row and a value are changed behind its back, and each is found by name.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ListClustersCommand } from '@aws-sdk/client-emr';
import type { WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensureClassData } from '../../dev/setup/class-data.ts';
import { ensureJars } from '../../dev/setup/jars.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createMigrationActivities } from '../../src/activities/migration.ts';
import { createMonitoringActivities } from '../../src/activities/monitoring.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import { TemporalLakehouseRuns } from '../../src/client/lakehouse-runs.ts';
import { databricksWorkspace } from '../../src/compute/databricks/workspace.ts';
import { type Compute, createCompute } from '../../src/compute/registry.ts';
import { readPrices } from '../../src/config/prices.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { DatasetPointer, MigrationStatus } from '../../src/core/migration.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import {
  clientId,
  clientSecret,
  type DatabricksStandIn,
  newCluster,
  startDatabricks,
} from '../support/databricks-stand-in.ts';
import { credentials, type EmrStandIn, eventually, startEmr } from '../support/emr-stand-in.ts';
import { landDays, writeSparkOnlyFactory } from '../support/lakehouse-fixture.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';

const EMR = 's3://waybill-lake/lake';
const THEIRS = 's3://waybill-lake/databricks';
const STATE = 's3://waybill-lake/migration';

const dataset = (name: string, table: string, more: JsonObject = {}): JsonObject => ({
  name,
  emr: { format: 'delta', location: `${EMR}/${table}` },
  databricks: { location: `${THEIRS}/${table}` },
  keys: ['tailnum'],
  ...more,
});

const definition: JsonObject = {
  name: 'small',
  lakehouse: 'nycflights',
  databricks: {
    engine: {
      name: 'nycflights',
      configuration: { 'spark.sql.shuffle.partitions': '2' },
      cluster: { sparkVersion: '17.3.x-scala2.13', nodeTypeId: 'r6id.2xlarge', workers: 2 },
    },
    locations: [{ emr: EMR, databricks: THEIRS }],
  },
  storage: { state: STATE },
  datasets: [
    dataset('bronze_planes', 'bronze/planes', { ignore: ['_ingested_at'] }),
    dataset('planes', 'silver/planes', { keys: ['tailnum', 'valid_from'] }),
    dataset('airlines', 'silver/airlines', { keys: ['carrier'] }),
  ],
  windows: ['2013'],
  afterCutOver: { windows: 0 },
};

/** Changes a Delta table as someone in the workspace would. */
const SCRIPT = `import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
for statement in sys.argv[1:]:
    spark.sql(statement)
`;

describe('a lakehouse moves from EMR to Databricks', () => {
  let directory: string;
  let s3: RunningS3;
  let emr: EmrStandIn;
  let databricks: DatabricksStandIn;
  let environment: TestWorkflowEnvironment;
  let compute: Compute;
  let worker: Worker;
  let working: Promise<void>;

  before(
    async () => {
      const installing = ensurePython(console.error);
      const [home, jars] = await Promise.all([installing, ensureJars(console.error, installing)]);
      const classData = await ensureClassData(console.error, home, jars);
      directory = await mkdtemp(join(tmpdir(), 'waybill-migrate-e2e-'));
      s3 = await startS3({
        python: home.python,
        stateDirectory: join(directory, 's3'),
        buckets: ['waybill-lake', 'waybill-code', 'waybill-logs'],
        credentials,
      });
      const flags = { jars, 's3-endpoint': s3.endpoint, ...(classData && { 'class-data': classData }) };
      emr = await startEmr({
        'state-dir': join(directory, 'emr'),
        'spark-home': home.sparkHome,
        python: home.python,
        ...flags,
      });
      databricks = await startDatabricks({
        stateDirectory: join(directory, 'databricks'),
        python: home,
        flags,
      });
      compute = createCompute({
        region: 'us-east-1',
        emrEndpoint: emr.endpoint,
        s3Endpoint: s3.endpoint,
        lookAgainAfter: 300,
        logWait: 5_000,
        ...databricksWorkspace({
          DATABRICKS_HOST: databricks.endpoint,
          DATABRICKS_CLIENT_ID: clientId,
          DATABRICKS_CLIENT_SECRET: clientSecret,
        }),
      });
      await landDays(compute.storage, home.python, '2013', 1);
      await compute.storage.write('s3://waybill-code/change.py', Buffer.from(SCRIPT), 'text/x-python');
      environment = await TestWorkflowEnvironment.createLocal({
        server: {
          executable: await temporalExecutable(),
          searchAttributes: [
            ...(['WaybillStage', 'WaybillPipeline', 'WaybillTrigger'] as const).map((name) =>
              defineSearchAttributeKey(name, 'KEYWORD'),
            ),
            defineSearchAttributeKey('WaybillWindowStart', 'DATETIME'),
          ],
        },
      });
      const factoryDirectory = await writeSparkOnlyFactory(directory, ({ stages }) => {
        delete stages.optimize;
        stages.process.jobs = stages.process.jobs
          .filter(({ name }) => name !== 'gold')
          .map((job) => ({
            ...job,
            arguments: { ...job.arguments, tables: 'planes,airlines' },
            resultTables: [],
          }));
        stages.process.checks = [];
      });
      const lakehouse = createLakehouseActivities({
        ...compute,
        factoryDirectory,
        jobsDirectory: projectPath('jobs'),
      });
      const runs = new TemporalLakehouseRuns(environment.client);
      worker = await Worker.create({
        connection: environment.nativeConnection,
        taskQueue: 'waybill',
        workflowBundle: await bundleWorkflowCode({
          workflowsPath: fileURLToPath(new URL('../support/lakehouse-workflows.js', import.meta.url)),
        }),
        activities: {
          ...createSparkActivities({ ...compute, pollInterval: 500 }),
          ...lakehouse,
          ...createMonitoringActivities({ ...compute, prices: readPrices(undefined), interval: 2_000 }),
          ...createMigrationActivities({
            ...compute,
            factoryDirectory,
            uploadJobs: lakehouse.uploadJobs,
            findLakehouseRun: (id) => runs.find(id),
          }),
        },
        interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
        maxHeartbeatThrottleInterval: '1s',
      });
      working = worker.run();
    },
    { timeout: 600_000 },
  );

  after(async () => {
    worker?.shutdown();
    await working;
    await environment?.teardown();
    await databricks?.stop();
    await emr?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  let doing = '';
  /** Waits until the migration waits for a decision, after that many comparisons. */
  const decision = (handle: WorkflowHandle, comparisons: number): Promise<MigrationStatus> =>
    eventually(
      `comparison ${comparisons}`,
      async () => {
        // Before its first task has ended there is nobody to ask.
        const status = await handle.query<MigrationStatus>('status').catch(() => undefined);
        if (status !== undefined && status.doing !== doing) {
          doing = status.doing;
          console.error(`${new Date().toISOString().slice(11, 19)} ${doing}`);
        }
        assert.equal(status?.problem, undefined, JSON.stringify(status?.problem));
        const done = status?.windows[0]?.comparisons === comparisons && status.status === 'Waiting';
        return done ? status : undefined;
      },
      500,
    );
  const ask = (handle: WorkflowHandle, name: string, request: object): Promise<MigrationStatus> =>
    handle.executeUpdate<MigrationStatus, [object]>(name, { args: [request] });
  const change = async (...statements: string[]): Promise<void> => {
    const { run_id: id } = await databricks.call<{ run_id: number }>('POST', '2.2/jobs/runs/submit', {
      run_name: 'somebody changes a table',
      tasks: [
        {
          task_key: 'change',
          new_cluster: newCluster,
          spark_python_task: { python_file: 's3://waybill-code/change.py', parameters: statements },
        },
      ],
    });
    const run = await databricks.ended(id, 120);
    assert.equal(run.state.result_state, 'SUCCESS', run.state.state_message);
  };
  const read = async (uri: string): Promise<string> =>
    (await compute.storage.read(uri))?.toString() ?? assert.fail(`there is no ${uri}`);

  it('in parity; then a row too few and a value that is another are found by name', {
    timeout: 900_000,
  }, async () => {
    const handle = await environment.client.workflow.start('migrateToDatabricks', {
      workflowId: 'migration/small',
      taskQueue: 'waybill',
      args: [{ definition, trigger: 'client' }],
    });
    const first = await decision(handle, 1);
    assert.deepEqual(
      first.datasets.map(({ name, comparisons: [one] }) => [name, one?.equal, one?.reasons]),
      [
        ['bronze_planes', true, []],
        ['planes', true, []],
        ['airlines', true, []],
      ],
    );
    const rows = first.datasets[1]?.comparisons[0]?.rows;
    assert.ok((rows?.emr ?? 0) > 3_000);
    assert.equal(rows?.emr, rows?.databricks);

    // A row less on Databricks.
    await change(`DELETE FROM delta.\`${THEIRS}/silver/planes\` WHERE tailnum = 'N10156'`);
    await ask(handle, 'compare', { window: '2013' });
    const second = await decision(handle, 2);
    const [missing] = second.datasets[1]?.comparisons ?? [];
    assert.deepEqual(missing?.reasons, ['1 rows missing on databricks']);
    assert.match(missing?.named.missing[0] ?? '', /^tailnum=N10156, valid_from=2026-/);
    await assert.rejects(ask(handle, 'approve', { dataset: 'planes', by: 'test' }));

    // That row again, and another value in another.
    await change(
      `RESTORE TABLE delta.\`${THEIRS}/silver/planes\` TO VERSION AS OF 0`,
      `UPDATE delta.\`${THEIRS}/silver/planes\` SET seats = seats + 1 WHERE tailnum = 'N102UW'`,
    );
    await ask(handle, 'compare', { window: '2013' });
    const third = await decision(handle, 3);
    const [differing] = third.datasets[1]?.comparisons ?? [];
    assert.deepEqual(differing?.reasons, ['1 rows differ in seats']);
    assert.equal(differing?.named.differing[0]?.columns.join(), 'seats');
    assert.match(differing?.named.differing[0]?.key ?? '', /^tailnum=N102UW, /);
    assert.deepEqual(
      third.datasets.map(({ comparisons: [one] }) => one?.equal),
      [true, false, true],
    );
    const report = third.reports.at(-1);
    const whole = JSON.parse(await read(report?.json ?? '')) as {
      sides: Record<string, { cost: { amount: number }; clusterSeconds: number }>;
      datasets: { sample: { differing: { values: { seats: { emr: string[]; databricks: string[] } } }[] } }[];
    };
    const seats = whole.datasets[1]?.sample.differing[0]?.values.seats;
    assert.equal(Number(seats?.databricks[0]), Number(seats?.emr[0]) + 1);
    assert.ok(
      (whole.sides['emr']?.clusterSeconds ?? 0) > 0 && (whole.sides['databricks']?.cost.amount ?? 0) > 0,
    );
    const html = await read(report?.html ?? '');
    assert.match(html, /1 of 3 datasets differ: planes/);
    // Values are in the report, and nowhere in the history.
    assert.ok(html.includes(`${seats?.databricks[0]}`));
    if (process.env['WAYBILL_KEEP_REPORT']) {
      const { writeFile } = await import('node:fs/promises');
      await writeFile(process.env['WAYBILL_KEEP_REPORT'], html);
    }

    // The job in the workspace does the same work: for a window that is there, nothing.
    assert.equal(third.job?.name, 'waybill nycflights');
    const { run_id: run } = await databricks.call<{ run_id: number }>('POST', '2.2/jobs/run-now', {
      job_id: third.job?.id,
      job_parameters: { window: '2013', triggerTime: third.windows[0]?.triggerTime },
    });
    const ended = await databricks.ended(run, 150);
    assert.equal(ended.state.result_state, 'SUCCESS', ended.state.state_message);
    assert.deepEqual(
      ended.tasks.map(({ task_key }) => task_key),
      ['bronze', 'silver'],
    );

    await ask(handle, 'reject', { dataset: 'planes', by: 'test', reason: 'seats differ' });
    await ask(handle, 'approve', { dataset: 'bronze_planes', by: 'test' });
    await ask(handle, 'approve', { dataset: 'airlines', by: 'test' });
    const end = (await handle.result()) as MigrationStatus;
    assert.deepEqual(
      end.datasets.map(({ phase }) => phase),
      ['confirmed', 'rejected', 'confirmed'],
    );
    const pointer = JSON.parse(await read(`${STATE}/pointers/airlines.json`)) as DatasetPointer;
    assert.deepEqual([pointer.engine, pointer.location], ['databricks', `${THEIRS}/silver/airlines`]);

    // Nothing is left that costs money.
    const { Clusters = [] } = await emr.client.send(new ListClustersCommand({}));
    assert.deepEqual(
      Clusters.map((cluster) => cluster.Status?.State),
      ['TERMINATED'],
    );
    const { clusters } = await databricks.call<{ clusters: { state: string }[] }>('GET', '2.1/clusters/list');
    assert.deepEqual(
      clusters.filter(({ state }) => state !== 'TERMINATED'),
      [],
    );
  });
});
