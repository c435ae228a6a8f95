// The example's lakehouse pipeline on Databricks with real Spark: real Temporal server, S3 and Databricks stand-ins.
// Seven JVMs in all, one at a time.
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
import { createSparkActivities } from '../../src/activities/spark.ts';
import { databricksWorkspace } from '../../src/compute/databricks/workspace.ts';
import { type Compute, createCompute } from '../../src/compute/registry.ts';
import type { RunLakehouseInput, RunLakehouseOutput } from '../../src/core/run.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import {
  clientId,
  clientSecret,
  type DatabricksStandIn,
  startDatabricks,
} from '../support/databricks-stand-in.ts';
import { credentials, eventually } from '../support/emr-stand-in.ts';
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
  let bundle: { code: string };

  before(
    async () => {
      const installing = ensurePython(console.error);
      const [python, jars] = await Promise.all([installing, ensureJars(console.error, installing)]);
      const classData = await ensureClassData(console.error, python, jars);
      directory = await mkdtemp(join(tmpdir(), 'waybill-lakehouse-databricks-'));
      s3 = await startS3({
        python: python.python,
        stateDirectory: join(directory, 's3'),
        buckets: ['waybill-lake', 'waybill-code', 'waybill-logs'],
        credentials,
      });
      databricks = await startDatabricks({
        stateDirectory: join(directory, 'databricks'),
        python,
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
      landed = await landDays(compute.storage, python.python, input.window, DAYS);
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

  const run = async (factoryDirectory: string, key: string): Promise<RunLakehouseOutput> => {
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: 'waybill',
      workflowBundle: bundle,
      activities: {
        ...createSparkActivities({ ...compute, pollInterval: 500 }),
        ...createLakehouseActivities({ ...compute, factoryDirectory, jobsDirectory: projectPath('jobs') }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
      maxHeartbeatThrottleInterval: '1s',
    });
    return worker.runUntil(
      () =>
        environment.client.workflow.execute('runLakehouse', {
          workflowId: `lakehouse/nycflights/${key}`,
          taskQueue: 'waybill',
          args: [input],
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
    const [cluster, ...more] = await clusters();
    assert.deepEqual(more, []);
    assert.equal(cluster?.state, 'TERMINATED');
    assert.equal(cluster?.custom_tags['waybill:owner'], 'lakehouse/nycflights/2013');
    assert.equal(await activeRuns(), 0);
  });

  it('puts the tables back when a job fails, and tells why', { timeout: 600_000 }, async () => {
    const factory = await writeSparkOnlyFactory(directory, (definition) => {
      onDatabricks(definition);
      const { process } = definition.stages;
      process.retries = 0;
      process.jobs = process.jobs.slice(0, 1).concat({
        name: 'broken',
        job: 'silver',
        arguments: { lake: 's3://no-such-bucket/lake', run: '2013', 'as-of': '2026-01-01T00:00:00Z' },
        resultTables: [],
      });
      process.checks = [];
      delete definition.stages.optimize;
    });
    await assert.rejects(run(factory, '2013-again'), (error: unknown) => {
      assert.ok(error instanceof WorkflowFailedError);
      const { message } = error.cause as Error;
      assert.match(message, /Step broken#\S+ \(\d+ on \S+\) failed/);
      assert.match(message, /Full log: http/);
      assert.match(message, /no-such-bucket|NoSuchBucket/);
      assert.match(message, /Undone: /);
      return true;
    });
    assert.deepEqual((await jobsRun()).slice(4), ['bronze', 'broken', 'restore']);
    await eventually('no cluster is left', async () =>
      (await clusters()).every(({ state }) => state === 'TERMINATED') ? true : undefined,
    );
    assert.equal(await activeRuns(), 0);
  });
});
