// The example's lakehouse pipeline on Databricks with real Spark: real Temporal server, S3 and Databricks stand-ins.
// Six JVMs in all, one at a time.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WorkflowFailedError } from '@temporalio/client';
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
import { createMonitoringActivities } from '../../src/activities/monitoring.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import { databricksWorkspace } from '../../src/compute/databricks/workspace.ts';
import { type Compute, createCompute } from '../../src/compute/registry.ts';
import { DEFAULT_PRICES } from '../../src/core/monitoring/prices.ts';
import type { RunLakehouseInput, RunLakehouseOutput } from '../../src/core/run.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import {
  clientId,
  clientSecret,
  type DatabricksStandIn,
  startDatabricks,
} from '../support/databricks-stand-in.ts';
import { credentials } from '../support/emr-stand-in.ts';
import {
  type LandedRows,
  landDays,
  onDatabricks,
  writeSparkOnlyFactory,
} from '../support/lakehouse-fixture.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';

const DAYS = 2;
const input: RunLakehouseInput = { name: 'nycflights', window: '2013', parameters: {}, trigger: 'client' };

describe('lakehouse on Databricks with real Spark', () => {
  let directory: string;
  let s3: RunningS3;
  let databricks: DatabricksStandIn;
  let environment: TestWorkflowEnvironment;
  let compute: Compute;
  let landed: LandedRows;
  let python: string;
  let bundle: { code: string };

  before(
    async () => {
      const installing = ensurePython(console.error);
      const [home, jars] = await Promise.all([installing, ensureJars(console.error, installing)]);
      const classData = await ensureClassData(console.error, home, jars);
      python = home.python;
      directory = await mkdtemp(join(tmpdir(), 'waybill-lakehouse-databricks-'));
      s3 = await startS3({
        python,
        stateDirectory: join(directory, 's3'),
        buckets: ['waybill-lake', 'waybill-code', 'waybill-logs'],
        credentials,
      });
      databricks = await startDatabricks({
        stateDirectory: join(directory, 'databricks'),
        python: home,
        flags: { jars, 's3-endpoint': s3.endpoint, ...(classData && { 'class-data': classData }) },
      });
      compute = createCompute({
        region: 'us-east-1',
        s3Endpoint: s3.endpoint,
        lookAgainAfter: 300,
        ...databricksWorkspace({
          DATABRICKS_HOST: databricks.endpoint,
          DATABRICKS_CLIENT_ID: clientId,
          DATABRICKS_CLIENT_SECRET: clientSecret,
        }),
      });
      landed = await landDays(compute.storage, python, input.window, DAYS);
      environment = await TestWorkflowEnvironment.createLocal({
        server: {
          executable: await temporalExecutable(),
          searchAttributes: [
            defineSearchAttributeKey('WaybillStage', 'KEYWORD'),
            defineSearchAttributeKey('WaybillWindowStart', 'DATETIME'),
          ],
        },
      });
      bundle = await bundleWorkflowCode({
        workflowsPath: fileURLToPath(new URL('../support/lakehouse-workflows.js', import.meta.url)),
      });
    },
    { timeout: 600_000 },
  );

  after(async () => {
    await environment?.teardown();
    await databricks?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const run = async (factoryDirectory: string, window: string): Promise<RunLakehouseOutput> => {
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: 'waybill',
      workflowBundle: bundle,
      activities: {
        ...createSparkActivities({ ...compute, pollInterval: 500 }),
        ...createLakehouseActivities({ ...compute, factoryDirectory, jobsDirectory: projectPath('jobs') }),
        ...createMonitoringActivities({ ...compute, prices: DEFAULT_PRICES, interval: 1_000 }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
      maxHeartbeatThrottleInterval: '1s',
    });
    return worker.runUntil(
      () =>
        environment.client.workflow.execute('runLakehouse', {
          workflowId: `lakehouse/nycflights/${window}`,
          taskQueue: 'waybill',
          args: [{ ...input, window }],
        }) as Promise<RunLakehouseOutput>,
    );
  };
  const clusters = async () =>
    (
      await databricks.call<{ clusters: { state: string; custom_tags: Record<string, string> }[] }>(
        'GET',
        '2.1/clusters/list',
      )
    ).clusters;
  const activeRuns = async (): Promise<number> =>
    (await databricks.call<{ runs: unknown[] }>('GET', '2.2/jobs/runs/list', { active_only: true })).runs
      .length;
  const jobsRun = async (): Promise<string[]> =>
    (await databricks.requests('runs/submit')).map(({ name }) => name.split('#')[0] ?? '');

  it('brings landed files to gold, compacts, and leaves no cluster', { timeout: 600_000 }, async () => {
    // Answers are lost where something is made: there must be one cluster and one run of each job all the same.
    await databricks.fault(
      { operation: 'POST /clusters/create', kind: 'lost', times: 1 },
      { operation: 'POST /jobs/runs/submit', kind: 'lost', times: 2 },
      { operation: 'GET /jobs/runs/list', kind: 'throttled', times: 3 },
    );
    const output = await run(await writeSparkOnlyFactory(directory, onDatabricks), '2013');
    for (const stage of output.stages) {
      assert.equal(stage.state, 'done', stage.stage);
      assert.deepEqual(
        stage.checks.filter((check) => !check.passed),
        [],
      );
    }
    const tables = new Map(
      output.stages.flatMap(({ tables }) => tables).map((table) => [table.table, table]),
    );
    assert.equal(tables.get('bronze/flights')?.rows, landed.flights);
    assert.deepEqual(await jobsRun(), ['bronze', 'silver', 'gold', 'optimize']);
    assert.ok(output.cost && output.cost.dbus > 0 && output.cost.spot > 0, JSON.stringify(output.cost));
    assert.deepEqual(output.cost.unpriced, []);
    const [cluster, ...more] = await clusters();
    assert.deepEqual(more, []);
    assert.equal(cluster?.state, 'TERMINATED');
    assert.equal(cluster?.custom_tags['waybill:owner'], 'lakehouse/nycflights/2013');
    assert.equal(await activeRuns(), 0);
  });

  it('puts the tables back when a job fails, and tells why', { timeout: 600_000 }, async () => {
    // A new window adds rows to bronze; then silver fails, for it is given no moment that it could read.
    await landDays(compute.storage, python, '2014', DAYS);
    const factory = await writeSparkOnlyFactory(directory, (definition) => {
      onDatabricks(definition);
      definition.stages.process.retries = 0;
      const silver = definition.stages.process.jobs.find(({ job }) => job === 'silver');
      if (silver) silver.arguments['as-of'] = 'yesterday';
    });
    await assert.rejects(run(factory, '2014'), (error: unknown) => {
      assert.ok(error instanceof WorkflowFailedError);
      const { message } = error.cause as Error;
      assert.match(message, /Step silver#\S+ \(\d+ on \S+\) failed/);
      assert.match(message, /a moment is written/);
      assert.match(message, /Full log: http/);
      assert.match(message, /process: restored \d+ tables/);
      return true;
    });
    assert.deepEqual((await jobsRun()).slice(4), ['bronze', 'silver', 'restore']);
    const all = await clusters();
    assert.deepEqual(
      all.map(({ state }) => state),
      ['TERMINATED', 'TERMINATED'],
    );
    assert.equal(await activeRuns(), 0);
  });
});
