// What supervision does to a lakehouse run: cost and its ledger, budgets that warn, pause and stop, alerts, and actions.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { timeSkippingExecutable } from '../../dev/setup/temporal.ts';
import { createAlertActivities } from '../../src/activities/alerts.ts';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createMonitoringActivities } from '../../src/activities/monitoring.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import { TemporalToldAlerts } from '../../src/client/told-alerts.ts';
import { signatureOf } from '../../src/config/request-signature.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Alert } from '../../src/core/monitoring/alert.ts';
import type { PriceTable } from '../../src/core/monitoring/cost.ts';
import type { LedgerEntry } from '../../src/core/monitoring/supervision.ts';
import type { LakehouseProgress, RunFigures, RunLakehouseOutput } from '../../src/core/run.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { eventually } from '../support/emr-stand-in.ts';
import { keepHistory } from '../support/keep-history.ts';
import { MemoryLake } from '../support/memory-lake.ts';
import { MemorySpark } from '../support/memory-spark.ts';

/** On demand 1.00 and spot 0.50 an hour, EMR 0.25: MemorySpark's three machines cost 2.75 an hour. */
const PRICES: PriceTable = {
  source: 'test',
  asOf: '2026-11-01',
  currency: 'USD',
  estimate: false,
  spotFactor: 0.5,
  dbuPrice: 0,
  photonFactor: 1,
  instances: { 'r5.xlarge': { ec2: 1, emr: 0.25 } },
};
const HOURLY = 2.75;
const KEY = 'a-signing-key-for-tests-only';
const HOUR = 3_600_000;

interface Tiny {
  stages: Record<string, Record<string, unknown> | undefined>;
  budget?: object;
  monitoring?: object;
}

describe('supervision of a lakehouse run', () => {
  let directory: string;
  let environment: TestWorkflowEnvironment;
  let bundle: { code: string };
  let receiver: Server;
  /** Alerts whose signature is right, and how many requests were refused before. */
  let told: Alert[];
  let refusals: number;
  let lake: MemoryLake;
  let spark: MemorySpark;
  let events: string[];
  /** Hours since the clusters began, by the clock that cost is reckoned by. */
  let hours: number;
  let number = 0;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'waybill-supervision-'));
    environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: await timeSkippingExecutable() },
    });
    await environment.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: { WaybillStage: 2, WaybillWindowStart: 6 },
    });
    bundle = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('../support/lakehouse-workflows.js', import.meta.url)),
    });
    receiver = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const body = Buffer.concat(parts);
      if (refusals > 0) {
        refusals -= 1;
        response.writeHead(503).end();
        return;
      }
      const time = String(request.headers['x-waybill-timestamp']);
      const genuine = request.headers['x-waybill-signature'] === signatureOf(KEY, time, body);
      if (genuine) told.push(JSON.parse(body.toString()) as Alert);
      response.writeHead(genuine ? 204 : 401).end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  });

  after(async () => {
    receiver?.close();
    await environment?.teardown();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  beforeEach(() => {
    number += 1;
    events = [];
    told = [];
    refusals = 0;
    hours = 0.1;
    lake = new MemoryLake();
    spark = new MemorySpark(lake, events);
    spark.now = () => spark.createdAt + hours * HOUR;
    Object.assign(spark.outcomes, { first: { 't/a': 1 }, second: { 't/a': 1 }, restore: {} });
  });

  const base: Tiny['stages'] = {
    process: {
      jobs: [
        { name: 'first', job: 'first' },
        { name: 'second', job: 'second' },
      ],
      compensation: {
        kind: 'restoreTables',
        job: 'restore',
        tables: [{ table: 't/a', location: 's3://lake/t/a' }],
      },
    },
  };

  async function run<T>(parts: Partial<Tiny>, work: (handle: WorkflowHandle) => Promise<T>): Promise<T> {
    const factory = join(directory, `factory-${number}`);
    await mkdir(join(factory, 'lakehouse'), { recursive: true });
    const tiny = JSON.parse(
      await readFile(projectPath('test', 'fixtures', 'lakehouse', 'tiny.json'), 'utf8'),
    ) as Tiny;
    const definition = { ...tiny, stages: base, ...parts };
    await writeFile(join(factory, 'lakehouse', 'tiny.json'), JSON.stringify(definition));
    const taskQueue = `supervision-${number}`;
    const runners = { emr: spark, 'emr-serverless': spark, databricks: spark };
    const { port } = receiver.address() as AddressInfo;
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowBundle: bundle,
      activities: {
        ...createSparkActivities({ runners, storage: lake, pollInterval: 20 }),
        ...createLakehouseActivities({
          storage: lake,
          factoryDirectory: factory,
          jobsDirectory: projectPath('jobs'),
          currency: 'USD',
          alertChannels: ['ops', 'gone'],
        }),
        ...createMonitoringActivities({
          runners,
          storage: lake,
          prices: PRICES,
          metrics: { hdfsUtilization: async () => 0.95 },
          interval: 20,
          now: () => spark.now(),
        }),
        ...createAlertActivities({
          channels: {
            ops: {
              type: 'webhook',
              url: `http://127.0.0.1:${port}/alerts`,
              signingKey: { env: 'OPS' },
            },
            gone: { type: 'sns', topicArn: 'arn:aws:sns:us-east-1:000000000000:gone' },
          },
          notifier: {
            publish: async () => {
              throw new WaybillError('COMPUTE_REFUSED', 'SNS refused Publish: Topic does not exist');
            },
          },
          told: new TemporalToldAlerts(environment.client, taskQueue),
          secret: () => KEY,
        }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
      maxHeartbeatThrottleInterval: '50ms',
    });
    return worker.runUntil(async () => {
      const handle = await environment.client.workflow.start('runLakehouse', {
        workflowId: `lakehouse/tiny/${number}`,
        taskQueue,
        args: [{ name: 'tiny', window: `w${number}`, parameters: {}, trigger: 'client' }],
      });
      const result = await work(handle);
      const history = await handle.fetchHistory();
      await Worker.runReplayHistory({ workflowBundle: bundle }, history, handle.workflowId);
      return result;
    });
  }

  const succeeded = (handle: WorkflowHandle): Promise<RunLakehouseOutput> => handle.result();
  const progressOf = (handle: WorkflowHandle): Promise<LakehouseProgress> => handle.query('progress');
  const failed = async (handle: WorkflowHandle): Promise<ApplicationFailure> =>
    handle.result().then(
      () => assert.fail('the run succeeded'),
      (reason: Error) => reason.cause as ApplicationFailure,
    );
  const ledger = (): LedgerEntry[] =>
    lake
      .under('s3://lake/results/cost-ledger/')
      .map((uri) => JSON.parse(String(lake.objects.get(uri))) as LedgerEntry);
  const monitoring = { alerts: ['ops'] };
  /** Of the process stage, whose second job hangs until the clock has gone on. */
  const budget = (onExceeded: string) => ({ amount: 10, currency: 'USD', warnAt: 0.5, onExceeded });

  it('tells what every run cost: in its result, its memo and the ledger, spot and on-demand apart', async () => {
    const { output, memo } = await run({}, async (handle) => ({
      output: await succeeded(handle),
      memo: (await handle.describe()).memo?.['waybillFigures'] as RunFigures,
    }));
    const { cost } = output;
    assert.equal(cost?.amount, HOURLY);
    assert.equal(cost.onDemand, 1);
    assert.equal(cost.spot, 1);
    assert.equal(cost.service, 0.75);
    assert.equal(cost.instanceHours, 3);
    assert.deepEqual(cost.clusters, ['j-1']);
    assert.equal(cost.estimate, false);
    assert.deepEqual(memo, { rows: 0, bytes: 0, cost: HOURLY, currency: 'USD', estimate: false });
    const [entry, ...more] = ledger();
    assert.equal(more.length, 0);
    assert.equal(entry?.amount, HOURLY);
    assert.equal(entry.final, true);
    assert.equal(entry.workflowId, `lakehouse/tiny/${number}`);
    assert.deepEqual(
      entry.lines.map(({ charge, role, market, quantity }) => `${charge} ${role} ${market} ${quantity}`),
      ['ec2 MASTER onDemand 1', 'emr MASTER onDemand 1', 'ec2 TASK spot 2', 'emr TASK spot 2'],
    );
  });

  it('names a machine without a price instead of counting it for nothing', async () => {
    const usage = spark.usage.bind(spark);
    spark.usage = async (id) => {
      const used = await usage(id);
      return { ...used, machines: used.machines.map((one) => ({ ...one, type: 'x9.metal' })) };
    };
    const { cost } = await run({}, succeeded);
    assert.equal(cost?.amount, 0);
    assert.deepEqual(cost.unpriced, ['x9.metal']);
    assert.equal(cost.estimate, true);
  });

  it('does not fail a run for a service that does not say what there was', async () => {
    spark.usage = async () => {
      throw new Error('not allowed');
    };
    const progress = await run({}, async (handle) => {
      await succeeded(handle);
      return progressOf(handle);
    });
    assert.equal(progress.cost, undefined);
    assert.match(progress.notes?.[0] ?? '', /^cost: .*not allowed/);
  });

  it('warns of a budget once, then says that it is spent, and goes on', async () => {
    spark.outcomes['second'] = 'hang';
    refusals = 2;
    const progress = await run({ monitoring, budget: budget('alert') }, async (handle) => {
      await eventually('second runs', async () => (events.includes('run second') ? true : undefined));
      hours = 5.5 / HOURLY;
      await eventually('the warning', async () => (told.length === 1 ? true : undefined));
      hours = 11 / HOURLY;
      await eventually('the budget is spent', async () => (told.length === 2 ? true : undefined));
      spark.complete('second');
      await succeeded(handle);
      return progressOf(handle);
    });
    assert.deepEqual(
      told.map(({ kind, severity, title }) => [kind, severity, title]),
      [
        ['budget', 'warning', `tiny w${number} has cost 5.50 of 10.00 USD`],
        ['budget', 'critical', `tiny w${number} has cost 11.00 of 10.00 USD`],
      ],
    );
    assert.equal(told[1]?.facts['spot'], 4);
    assert.equal(progress.budget, 'exceeded');
    assert.deepEqual(
      progress.alerts?.map((alert) => alert.told),
      [['ops'], ['ops']],
    );
  });

  it('pauses without a cluster, refuses too small an amount, and goes on by resumeBudget', async () => {
    spark.outcomes['first'] = 'hang';
    const output = await run(
      {
        monitoring,
        budget: budget('pause'),
        // Less than the pause takes: waiting for an answer is not the stage's time.
        stages: { process: { ...base['process'], timeout: '0.01:00:00' } },
      },
      async (handle) => {
        await eventually('first runs', async () => (events.includes('run first') ? true : undefined));
        hours = 4;
        await eventually('it is told', async () => (told.length > 0 ? true : undefined));
        spark.usedHours = 4;
        spark.complete('first');
        await eventually('it waits', async () =>
          (await progressOf(handle)).budget === 'paused' && spark.active.length === 0 ? true : undefined,
        );
        await environment.sleep('3h');
        assert.equal((await progressOf(handle)).budget, 'paused');
        assert.ok(!events.includes('run second'));
        await assert.rejects(
          handle.executeUpdate('resumeBudget', { args: [{ amount: 11 }] }),
          (error) =>
            error instanceof WorkflowUpdateFailedError &&
            /above the 11\.00 that the run has cost/.test((error.cause as Error).message),
        );
        await handle.executeUpdate('resumeBudget', { args: [{ amount: 100 }] });
        const result = await succeeded(handle);
        await keepHistory('runLakehouse.budget', handle);
        return result;
      },
    );
    assert.deepEqual(events, [
      'open cluster',
      'run first',
      'end cluster',
      'open cluster',
      'run second',
      'end cluster',
    ]);
    assert.deepEqual(output.cost?.clusters, ['j-1', 'j-2']);
    assert.equal(ledger().length, 2);
  });

  it('stops a run that its budget says to stop, and undoes it', async () => {
    spark.outcomes['second'] = 'hang';
    const submit = spark.submit.bind(spark);
    spark.submit = (...args) => {
      lake.put(`s3://lake/t/a/_delta_log/${'0'.repeat(20)}.json`);
      return submit(...args);
    };
    const { error, progress } = await run({ monitoring, budget: budget('stop') }, async (handle) => {
      await eventually('second runs', async () => (events.includes('run second') ? true : undefined));
      hours = 4;
      return { error: await failed(handle), progress: await progressOf(handle) };
    });
    assert.equal(error.type, 'BUDGET_EXCEEDED');
    assert.match(
      error.message,
      /The run has cost 11\.00 USD of a budget of 10\.00\.\nUndone: process: restored 1 tables/,
    );
    assert.deepEqual(events.slice(2), ['run second', 'cancel second', 'run restore', 'end cluster']);
    assert.equal(progress.status, 'Failed');
    assert.deepEqual(
      told.map(({ kind }) => kind),
      ['budget', 'runFailed'],
    );
    assert.equal(told[1]?.facts['code'], 'BUDGET_EXCEEDED');
    assert.equal(ledger()[0]?.final, true);
  });

  it('tells of what a job says while it runs and at its end, each once, and of what one channel could not be told', async () => {
    spark.outcomes['first'] = 'hang';
    const spilled = {
      inputBytes: 10_000_000,
      diskSpilledBytes: 6_000_000,
      peakMemoryShare: 0.95,
      failedStages: 0,
    };
    const progress = await run(
      { monitoring: { alerts: ['ops', 'gone'], spill: { above: 0.5 } } },
      async (handle) => {
        await eventually('first runs', async () => (events.includes('run first') ? true : undefined));
        const place = spark.resultOf('first').replace(/[^/]*$/, '');
        lake.put(`${place}first.metrics.json`, JSON.stringify(spilled));
        await eventually('both are told', async () => (told.length === 2 ? true : undefined));
        spark.complete('first', { metrics: { ...spilled, failedStages: 2 } });
        await succeeded(handle);
        return progressOf(handle);
      },
    );
    assert.deepEqual(told.map(({ kind }) => kind).sort(), ['executorMemory', 'failedStages', 'spill']);
    assert.match(
      told.find(({ kind }) => kind === 'spill')?.text ?? '',
      /first: spilled 60 % of its input to disk/,
    );
    assert.match(progress.alerts?.[0]?.failed[0] ?? '', /^gone: SNS refused Publish: Topic does not exist/);
  });

  it('ends an idle cluster, and opens another for the next job', async () => {
    // The first job has ended long ago by the clock, and the stage after it has not begun its own.
    const slow = {
      process: { jobs: [{ name: 'first', job: 'first' }] },
      optimize: { jobs: [{ name: 'second', job: 'second' }] },
    };
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    lake.exists = async (uri) => {
      // uploadJobs of the second stage waits, as a long copy would.
      if (events.includes('run first') && uri.endsWith('main.py')) await held;
      return lake.objects.has(uri);
    };
    await run(
      { stages: slow, monitoring: { alerts: ['ops'], idle: { action: 'terminateIdle' } } },
      async (handle) => {
        await eventually('first has ended', async () =>
          (await progressOf(handle)).stages[0]?.state === 'done' ? true : undefined,
        );
        hours = 0.7;
        await eventually('the cluster is gone', async () =>
          events.includes('end cluster') ? true : undefined,
        );
        // By the test's clock every cluster began at zero: the next one is new.
        hours = 0.1;
        release();
        return succeeded(handle);
      },
    );
    assert.deepEqual(events, [
      'open cluster',
      'run first',
      'end cluster',
      'open cluster',
      'run second',
      'end cluster',
    ]);
    assert.deepEqual(
      told.map(({ kind, facts }) => [kind, facts['done']]),
      [['idle', 'cluster ended']],
    );
  });

  it('makes a cluster larger where memory runs short, to the limit and no further', async () => {
    spark.outcomes['first'] = 'hang';
    await run(
      {
        monitoring: {
          alerts: ['ops'],
          cloudWatch: true,
          resize: { step: 3, maximum: 4 },
          executorMemory: { action: 'resize' },
          hdfs: { action: 'resize' },
        },
      },
      async (handle) => {
        await eventually('hdfs is told', async () => (told.length === 1 ? true : undefined));
        const place = spark.resultOf('first').replace(/[^/]*$/, '');
        lake.put(`${place}first.metrics.json`, JSON.stringify({ peakMemoryShare: 0.97 }));
        await eventually('both are told', async () => (told.length === 2 ? true : undefined));
        spark.complete('first');
        return succeeded(handle);
      },
    );
    assert.deepEqual(
      told.map(({ kind, facts }) => [kind, facts['done']]),
      [
        ['hdfs', 'resized from 2 to 4'],
        ['executorMemory', '4 machines are as many as allowed'],
      ],
    );
    assert.deepEqual(
      events.filter((event) => event.startsWith('resize')),
      ['resize 4'],
    );
  });

  it('refuses a budget in another currency, and an alert that the settings do not have, before anything begins', async () => {
    const currency = await run({ budget: { ...budget('stop'), currency: 'EUR' } }, failed);
    assert.equal(currency.type, 'DEFINITION_INVALID');
    number += 1;
    const alert = await run({ monitoring: { alerts: ['nobody'] } }, failed);
    assert.equal(alert.type, 'REFERENCE_MISSING');
    assert.deepEqual(events, []);
  });
});
