// The example's lakehouse pipeline with real Spark: real Temporal server, S3 and EMR stand-ins, real spark-submit.
// Eight JVMs in all, one at a time.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ListClustersCommand, ListStepsCommand } from '@aws-sdk/client-emr';
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
import { type Compute, createCompute } from '../../src/compute/registry.ts';
import { DEFAULT_PRICES } from '../../src/core/monitoring/prices.ts';
import { jobMetrics } from '../../src/core/monitoring/thresholds.ts';
import type { LakehouseProgress, RunLakehouseInput, RunLakehouseOutput } from '../../src/core/run.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { credentials, type EmrStandIn, startEmr } from '../support/emr-stand-in.ts';
import { type LandedRows, landDays, writeSparkOnlyFactory } from '../support/lakehouse-fixture.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';

const DAYS = 2;
const input: RunLakehouseInput = { name: 'nycflights', window: '2013', parameters: {}, trigger: 'client' };

describe('lakehouse on real Spark', () => {
  let directory: string;
  let s3: RunningS3;
  let emr: EmrStandIn;
  let environment: TestWorkflowEnvironment;
  let compute: Compute;
  let landed: LandedRows;
  let bundle: { code: string };

  before(
    async () => {
      const installing = ensurePython(console.error);
      const [python, jars] = await Promise.all([installing, ensureJars(console.error, installing)]);
      const classData = await ensureClassData(console.error, python, jars);
      directory = await mkdtemp(join(tmpdir(), 'waybill-lakehouse-'));
      s3 = await startS3({
        python: python.python,
        stateDirectory: join(directory, 's3'),
        buckets: ['waybill-lake', 'waybill-code', 'waybill-logs'],
        credentials,
      });
      emr = await startEmr({
        'state-dir': join(directory, 'emr'),
        'spark-home': python.sparkHome,
        python: python.python,
        jars,
        's3-endpoint': s3.endpoint,
        ...(classData && { 'class-data': classData }),
      });
      compute = createCompute({
        region: 'us-east-1',
        emrEndpoint: emr.endpoint,
        s3Endpoint: s3.endpoint,
        lookAgainAfter: 500,
        logWait: 5_000,
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
    await emr?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const withWorker = async <T>(factoryDirectory: string, work: () => Promise<T>): Promise<T> => {
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
    return worker.runUntil(work);
  };

  const clusters = async () => (await emr.client.send(new ListClustersCommand({}))).Clusters ?? [];
  const stepsOf = async (ClusterId: string): Promise<string[]> =>
    ((await emr.client.send(new ListStepsCommand({ ClusterId }))).Steps ?? [])
      .map((step) => step.Name?.split('#')[0] ?? '')
      .reverse();

  it('brings landed files to gold, compacts, and leaves no cluster', { timeout: 600_000 }, async () => {
    const factory = await writeSparkOnlyFactory(directory);
    const output = await withWorker(
      factory,
      () =>
        environment.client.workflow.execute('runLakehouse', {
          workflowId: 'lakehouse/nycflights/2013',
          taskQueue: 'waybill',
          args: [input],
        }) as Promise<RunLakehouseOutput>,
    );
    for (const stage of output.stages) {
      assert.deepEqual(stage.state, 'done', stage.stage);
      assert.deepEqual(
        stage.checks.filter((check) => !check.passed),
        [],
      );
    }
    const rows = new Map(
      output.stages.flatMap((stage) => stage.tables.map(({ table, rows }) => [table, rows])),
    );
    assert.equal(rows.get('bronze/flights'), landed.flights);
    assert.equal(rows.get('silver/planes'), landed.planes);
    assert.ok((rows.get('gold/delays_by_route_carrier') ?? 0) > 0);
    assert.ok(output.stages.flatMap((stage) => stage.checks).length > 10);

    const all = await clusters();
    assert.deepEqual(
      all.map((cluster) => cluster.Status?.State),
      ['TERMINATED'],
    );
    assert.equal(output.cluster?.id, all[0]?.Id);
    assert.deepEqual(await stepsOf(all[0]?.Id ?? ''), ['bronze', 'silver', 'gold', 'optimize']);

    // What it cost, by the machines that EMR told of; and what Spark said of each job.
    const { cost } = output;
    assert.ok(cost && cost.onDemand > 0 && cost.spot > 0 && cost.service > 0, JSON.stringify(cost));
    assert.deepEqual([cost.unpriced, cost.estimate, cost.clusters], [[], true, [all[0]?.Id]]);
    const read = async (prefix: string): Promise<Record<string, unknown>[]> => {
      const found: Record<string, unknown>[] = [];
      for await (const page of compute.storage.list(prefix))
        for (const { uri } of page)
          found.push(JSON.parse(String(await compute.storage.read(uri))) as Record<string, unknown>);
      return found;
    };
    const [entry] = await read('s3://waybill-logs/results/nycflights/cost-ledger/2013/');
    assert.deepEqual([entry?.['amount'], entry?.['final']], [cost.amount, true]);
    const results = (await read('s3://waybill-logs/results/nycflights/2013/')).filter(
      ({ waybill }) => waybill,
    );
    assert.equal(results.length, 4);
    for (const { job, metrics } of results) {
      const figures = jobMetrics(String(job), metrics);
      assert.ok(figures && figures.executorRunSeconds > 0, JSON.stringify(metrics));
      assert.equal(figures.failedStages, 0);
    }
  });

  it('puts the tables back when a later step fails, tells why, and leaves no cluster', {
    timeout: 600_000,
  }, async () => {
    const before = await newestCommit('bronze/flights');
    // A new window adds rows to bronze; then silver fails, for it is given no moment that it could read.
    const python = await ensurePython(console.error);
    await landDays(compute.storage, python.python, '2014', DAYS);
    const factory = await writeSparkOnlyFactory(directory, ({ stages }) => {
      stages.process.retries = 0;
      const silver = stages.process.jobs.find(({ job }) => job === 'silver');
      if (silver) silver.arguments['as-of'] = 'yesterday';
    });
    const failure = await withWorker(factory, async () => {
      const handle = await environment.client.workflow.start('runLakehouse', {
        workflowId: 'lakehouse/nycflights/2014',
        taskQueue: 'waybill',
        args: [{ ...input, window: '2014' }],
      });
      const error = await handle.result().catch((reason: Error) => reason.cause as Error & { type?: string });
      const progress = await handle.query<LakehouseProgress>('progress');
      return { error, progress };
    });
    const { type, message } = failure.error as Error & { type?: string };
    assert.equal(type, 'STEP_FAILED', message);
    assert.match(message, /Step silver#/);
    assert.match(message, /a moment is written/);
    assert.match(message, /Full log: s3:\/\/waybill-logs\/emr\/j-\w+\/steps\/s-\w+\//);
    assert.match(message, /process: restored \d+ tables/);
    assert.equal(failure.progress.stages.find(({ stage }) => stage === 'process')?.state, 'compensated');

    // Bronze took the window's rows in, and gave them back.
    const after = await newestCommit('bronze/flights');
    assert.equal(after.version, before.version + 2);
    assert.equal(after.operation, 'RESTORE');
    assert.equal(after.restoredTo, String(before.version));
    const all = await clusters();
    assert.deepEqual(
      all.map((cluster) => cluster.Status?.State),
      ['TERMINATED', 'TERMINATED'],
    );
  });

  /** What the newest entry of a table's Delta log says. */
  async function newestCommit(
    table: string,
  ): Promise<{ version: number; operation: string; restoredTo?: string }> {
    const log: string[] = [];
    for await (const page of compute.storage.list(`s3://waybill-lake/lake/${table}/_delta_log/`)) {
      log.push(...page.map(({ uri }) => uri).filter((uri) => /\/\d{20}\.json$/.test(uri)));
    }
    const newest = log.sort().at(-1) ?? assert.fail(`${table} has no log`);
    const lines = (await compute.storage.read(newest))?.toString().trim().split('\n') ?? [];
    const info = lines
      .map(
        (line) =>
          JSON.parse(line) as {
            commitInfo?: { operation: string; operationParameters: { version?: string } };
          },
      )
      .find((entry) => entry.commitInfo !== undefined)?.commitInfo;
    const restoredTo = info?.operationParameters.version;
    return {
      version: Number(/(\d{20})\.json$/.exec(newest)?.[1]),
      operation: info?.operation ?? '',
      ...(restoredTo == null ? {} : { restoredTo: String(restoredTo) }),
    };
  }
});
