// What runLakehouse does when all goes well, and what it undoes when it does not: at every stage, by failure, by a failed check,
// by time, by cancellation, by the loss of the cluster.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { timeSkippingExecutable } from '../../dev/setup/temporal.ts';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createMonitoringActivities } from '../../src/activities/monitoring.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import type { CopyInput, CopyOutput } from '../../src/core/copy.ts';
import type { DbtNode, DbtStepInput, DbtStepResult } from '../../src/core/dbt.ts';
import { locationUri } from '../../src/core/lakehouse/location.ts';
import { DEFAULT_PRICES } from '../../src/core/monitoring/prices.ts';
import type { LakehouseProgress, RunLakehouseInput, RunLakehouseOutput } from '../../src/core/run.ts';
import { clusterWorkflowId, sparkWorkflowId } from '../../src/core/workflow-ids.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { applicationRequest, serverlessJob } from '../support/cluster-request.ts';
import { eventually } from '../support/emr-stand-in.ts';
import { keepHistory } from '../support/keep-history.ts';
import { MemoryLake } from '../support/memory-lake.ts';
import { MemorySpark } from '../support/memory-spark.ts';

interface Tiny {
  engine: Record<string, unknown>;
  stages: Record<'ingest' | 'process' | 'load' | 'optimize', Record<string, unknown>> & {
    serve?: Record<string, unknown>;
  };
}

const GOOD = { silver: { 'silver/a': 90, 'quarantine/a': 10 }, compact: { 'silver/a': 90 }, restore: {} };

describe('runLakehouse', () => {
  let directory: string;
  let environment: TestWorkflowEnvironment;
  let bundle: { code: string };
  let lake: MemoryLake;
  let spark: MemorySpark;
  /** What was done to the outside, in order. */
  let events: string[];
  /** Copies that do not end well, by name. */
  let copies: Record<string, 'fail' | 'hang' | 'lose-rows'>;
  /** What dbt's nodes come to, call by call. */
  let dbt: DbtNode[][];
  /** Nodes that each call of dbt was for; undefined: all. */
  let dbtNodes: (readonly string[] | undefined)[];
  let number = 0;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'waybill-run-lakehouse-'));
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
  });

  after(async () => {
    await environment?.teardown();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  beforeEach(() => {
    number += 1;
    events = [];
    copies = {};
    dbt = [];
    dbtNodes = [];
    lake = new MemoryLake();
    spark = new MemorySpark(lake, events);
    Object.assign(spark.outcomes, structuredClone(GOOD));
    lake.put('s3://lake/landing/weather/2013-01-01.json');
    // The table was at version 1 before the run.
    lake.put(`s3://lake/tables/silver/a/_delta_log/${'0'.repeat(20)}.json`);
    lake.put(`s3://lake/tables/silver/a/_delta_log/${'1'.padStart(20, '0')}.json`);
  });

  /** A copy that lands a file where its sink is a folder. */
  async function copyAll(input: CopyInput): Promise<CopyOutput> {
    events.push(`copy ${input.activity}`);
    const fate = copies[input.activity];
    const folder = locationUri(input.sink.dataset);
    if (folder !== '') lake.put(`${folder}/part-00000.csv.gz`);
    while (fate === 'hang') {
      Context.current().heartbeat();
      await Context.current().sleep(50);
    }
    if (fate === 'fail') throw ApplicationFailure.nonRetryable('the sink refused', 'QUERY_FAILED');
    return {
      dataRead: 1_000,
      dataWritten: 500,
      rowsRead: 100,
      rowsCopied: 100,
      rowsSkipped: 0,
      copyDuration: 1,
      throughput: 1,
      usedParallelCopies: 1,
      errors: [],
      executionDetails: [],
      dataConsistencyVerification: { VerificationResult: 'Verified', InconsistentData: 'None' },
      waybill: {
        copyId: input.copyId,
        chunks: 1,
        sourceChecksum: '42',
        sinkChecksum: '42',
        sinkRows: fate === 'lose-rows' ? 99 : 100,
        from: 'source',
        to: 'sink',
      },
    };
  }

  async function performDbtStep({ nodes: only }: DbtStepInput): Promise<DbtStepResult> {
    events.push('dbt');
    dbtNodes.push(only);
    const nodes = dbt.shift() ?? [];
    const counts: Record<string, number> = {};
    for (const { status } of nodes) counts[status] = (counts[status] ?? 0) + 1;
    return { nodes, counts, left: 0 };
  }

  const serve = (tiny: Tiny): void => {
    const marts = { name: 'marts', linkedService: 'ls', target: 'snowflake' };
    tiny.stages.serve = { retries: 2, retryIntervalInSeconds: 1, dbt: [marts] };
  };
  const node = (name: string, status: string, message?: string): DbtNode => ({
    node: `model.p.${name}`,
    status,
    seconds: 1,
    ...(message === undefined ? {} : { message }),
  });

  /** A job that writes: the table's log gets a version that the run must be able to take back. */
  const write = (): void => lake.put(`s3://lake/tables/silver/a/_delta_log/${'2'.padStart(20, '0')}.json`);

  async function run<T>(
    work: (handle: WorkflowHandle) => Promise<T>,
    options: { change?: (tiny: Tiny) => void; input?: Partial<RunLakehouseInput>; workflowId?: string } = {},
  ): Promise<T> {
    const factory = join(directory, `factory-${number}`);
    await mkdir(join(factory, 'lakehouse'), { recursive: true });
    await mkdir(join(factory, 'linkedService'), { recursive: true });
    const tiny = JSON.parse(
      await readFile(projectPath('test', 'fixtures', 'lakehouse', 'tiny.json'), 'utf8'),
    ) as Tiny;
    options.change?.(tiny);
    await writeFile(join(factory, 'lakehouse', 'tiny.json'), JSON.stringify(tiny));
    const service = { properties: { type: 'AmazonS3', typeProperties: {} } };
    await writeFile(join(factory, 'linkedService', 'ls.json'), JSON.stringify({ name: 'ls', ...service }));

    const taskQueue = `lakehouse-${number}`;
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowBundle: bundle,
      activities: {
        copyAll,
        performDbtStep,
        ...createSparkActivities({
          runners: { emr: spark, 'emr-serverless': spark, databricks: spark },
          storage: lake,
          pollInterval: 20,
        }),
        ...createMonitoringActivities({
          runners: { emr: spark, 'emr-serverless': spark, databricks: spark },
          storage: lake,
          prices: DEFAULT_PRICES,
          metrics: { hdfsUtilization: async () => undefined },
          interval: 20,
        }),
        ...createLakehouseActivities({
          storage: lake,
          factoryDirectory: factory,
          jobsDirectory: projectPath('jobs'),
        }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
      maxHeartbeatThrottleInterval: '50ms',
    });
    return worker.runUntil(async () => {
      const handle = await environment.client.workflow.start('runLakehouse', {
        workflowId: options.workflowId ?? `lakehouse/tiny/${number}`,
        taskQueue,
        args: [{ name: 'tiny', window: `w${number}`, parameters: {}, trigger: 'client', ...options.input }],
      });
      const result = await work(handle);
      await replay(handle.workflowId);
      return result;
    });
  }

  /** Whatever a run and its children did, replaying their histories must do again: a worker's restart relies on it. */
  async function replay(workflowId: string): Promise<void> {
    const children = [clusterWorkflowId('tiny', workflowId), sparkWorkflowId(workflowId, 'silver')];
    for (const id of [workflowId, ...(spark.clusters.length > 0 ? children : [])]) {
      const history = await environment.client.workflow.getHandle(id).fetchHistory();
      await Worker.runReplayHistory({ workflowBundle: bundle }, history, id);
    }
  }

  interface Ended {
    readonly type: string;
    readonly message: string;
    readonly progress: LakehouseProgress;
    readonly states: string;
  }

  /** Waits for a run that must not succeed. */
  async function failed(handle: WorkflowHandle): Promise<Ended> {
    const error = await handle.result().then(
      () => assert.fail('the run succeeded'),
      (reason: Error) => reason.cause as ApplicationFailure,
    );
    const progress = await handle.query<LakehouseProgress>('progress');
    const states = progress.stages.map(({ stage, state }) => `${stage} ${state}`).join(', ');
    return { type: error.type ?? error.name, message: error.message, progress, states };
  }

  const landedFiles = (): string[] => lake.under(`s3://lake/landing/a/w${number}/`);

  function assertNothingLeft(): void {
    assert.deepEqual(spark.active, [], 'no cluster is left');
    assert.deepEqual(landedFiles(), [], 'no landed file is left');
  }

  it('serves by dbt: what failed for a reason that passes is run again, with what it held up, and nothing else', async () => {
    dbt = [
      [node('a', 'success'), node('b', 'error', '250001: Could not connect'), node('c', 'skipped')],
      [node('b', 'success'), node('c', 'success')],
    ];
    const output = await run((handle) => handle.result() as Promise<RunLakehouseOutput>, { change: serve });
    assert.deepEqual(dbtNodes, [undefined, ['model.p.b', 'model.p.c']]);
    const stage = output.stages.find((one) => one.stage === 'serve');
    assert.deepEqual(stage?.checks, [
      { name: 'marts: dbt build', passed: true, detail: '2 success, attempt 2' },
    ]);
    assert.ok(events.indexOf('dbt') > events.indexOf('copy out'));
    assert.ok(events.indexOf('dbt') < events.indexOf('run compact'));
  });

  it('fails by the name of a dbt node that is wrong, without another try', async () => {
    dbt = [[node('a', 'error', 'invalid identifier'), node('b', 'error', 'Connection reset by peer')]];
    const { type, message } = await run(failed, { change: serve });
    assert.equal(type, 'DBT_FAILED');
    assert.match(message, /model\.p\.a: invalid identifier; model\.p\.b: /);
    assert.equal(dbtNodes.length, 1);
    assert.deepEqual(spark.active, []);
  });

  it('gives up on a dbt node that goes on failing once its retries are used up', async () => {
    const lost = [node('b', 'error', 'Connection reset by peer')];
    dbt = [lost, lost, lost, lost];
    const { type } = await run(failed, { change: serve });
    assert.equal(type, 'DBT_FAILED');
    assert.equal(dbtNodes.length, 3);
  });

  it('runs all stages in order, checks them, and ends the cluster', async () => {
    const output = await run((handle) => handle.result() as Promise<RunLakehouseOutput>);
    assert.deepEqual(events, [
      'copy a',
      'open cluster',
      'run silver',
      'copy out',
      'run compact',
      'end cluster',
    ]);
    assert.deepEqual(
      output.stages.map(({ stage, state }) => `${stage} ${state}`),
      ['ingest done', 'process done', 'load done', 'optimize done'],
    );
    const checks = output.stages.flatMap((stage) => stage.checks);
    assert.deepEqual(
      checks.filter(({ passed }) => !passed),
      [],
    );
    for (const name of [
      'a: content is equal',
      'weather: has landed',
      'silver + quarantine = landed',
      'cluster is gone',
    ]) {
      assert.ok(
        checks.some((check) => check.name === name),
        name,
      );
    }
    assert.deepEqual(output.cluster, { id: 'j-1', state: 'terminated', seconds: 60 });
    assert.deepEqual(output.stages[1]?.tables, [
      { table: 'silver/a', rows: 90 },
      { table: 'quarantine/a', rows: 10 },
    ]);
    assert.equal(lake.rules.get('lake/tiny')?.length, 1);
    assert.equal(spark.clusters[0]?.request.owner, `lakehouse/tiny/${number}`);
    const [job] = spark.clusters[0]?.jobs ?? [];
    assert.deepEqual(job?.request.arguments.slice(0, 3), ['silver', '--run', `w${number}`]);
    assert.match(job?.request.main ?? '', /^s3:\/\/code\/jobs\/[0-9a-f]{16}\/main\.py$/);
    assert.ok(lake.objects.has(job?.request.pyFiles[0] ?? ''));
  });

  it('deletes what it landed when a copy of ingest fails', async () => {
    copies['a'] = 'fail';
    const { type, message, states } = await run(failed);
    assert.equal(type, 'QUERY_FAILED', message);
    assert.match(message, /the sink refused\nUndone: ingest: deleted 1 landed files\./);
    assert.equal(states, 'ingest compensated, process waiting, load waiting, optimize waiting');
    assert.deepEqual(spark.clusters, []);
    assertNothingLeft();
  });

  it('restores tables and deletes what landed when a job fails, after as many tries as it is given', async () => {
    spark.outcomes['silver'] = ['fail', 'fail'];
    const submit = spark.submit.bind(spark);
    spark.submit = (...args) => {
      write();
      return submit(...args);
    };
    const { type, message, states } = await run(failed);
    assert.equal(type, 'STEP_FAILED');
    assert.match(message, /Step silver#[0-9a-f]{8}\.2 \(s-2 on j-1\) failed: Unknown Error\./);
    assert.match(message, /Full log: s3:\/\/logs\/j-1\/steps\/s-2\/\n\[stderr\]\nValueError: kaput/);
    assert.equal(states, 'ingest compensated, process compensated, load waiting, optimize waiting');
    assert.deepEqual(events.slice(1), [
      'open cluster',
      'run silver',
      'run silver',
      'run restore',
      'end cluster',
    ]);
    const restore = spark.clusters[0]?.jobs.at(-1)?.request.arguments ?? [];
    assert.equal(restore[restore.indexOf('--versions') + 1], '{"silver/a":1}');
    assertNothingLeft();
  });

  it('undoes process and ingest, in this order, when load fails', async () => {
    copies['out'] = 'fail';
    const submit = spark.submit.bind(spark);
    spark.submit = (...args) => {
      write();
      return submit(...args);
    };
    const { type, message, states } = await run(failed);
    assert.equal(type, 'QUERY_FAILED');
    assert.match(message, /Undone: ingest: deleted 1 landed files; process: restored 1 tables\./);
    assert.equal(states, 'ingest compensated, process compensated, load failed, optimize waiting');
    assert.deepEqual(events.slice(2), ['run silver', 'copy out', 'run restore', 'end cluster']);
    assertNothingLeft();
  });

  it('undoes everything when optimize fails, unless load was a pivot', async () => {
    spark.outcomes['compact'] = 'fail';
    const { states } = await run(failed);
    assert.equal(states, 'ingest compensated, process compensated, load done, optimize failed');
    assertNothingLeft();
  });

  it('keeps what a pivot has made final', async () => {
    spark.outcomes['compact'] = 'fail';
    const { type, states } = await run(failed, {
      change: ({ stages }) => {
        stages.load['pivot'] = true;
      },
    });
    assert.equal(type, 'STEP_FAILED');
    assert.equal(states, 'ingest done, process done, load done, optimize failed');
    assert.equal(landedFiles().length, 1);
    assert.deepEqual(spark.active, []);
  });

  it('takes a check that does not hold for a failure', async () => {
    spark.outcomes['silver'] = { 'silver/a': 90, 'quarantine/a': 9 };
    const { type, message, states } = await run(failed);
    assert.equal(type, 'CHECK_FAILED');
    assert.match(message, /silver \+ quarantine = landed: 99, not 100/);
    assert.equal(states, 'ingest compensated, process compensated, load waiting, optimize waiting');
    assertNothingLeft();
  });

  it('does not believe a copy whose sink holds fewer rows', async () => {
    copies['a'] = 'lose-rows';
    const { type, message } = await run(failed);
    assert.equal(type, 'CHECK_FAILED');
    assert.match(message, /a: source rows = sink rows: 100 read, 0 skipped, 99 in the sink/);
    assertNothingLeft();
  });

  it('fails when nothing has landed where something should', async () => {
    lake.objects.delete('s3://lake/landing/weather/2013-01-01.json');
    const { type, message } = await run(failed);
    assert.equal(type, 'OBJECT_MISSING');
    assert.match(message, /Input weather needs 1 files under s3:\/\/lake\/landing\/weather and has 0/);
    assertNothingLeft();
  });

  it('goes on with a new cluster when the first is lost', async () => {
    spark.outcomes['silver'] = ['lose-cluster', GOOD.silver];
    const output = await run((handle) => handle.result() as Promise<RunLakehouseOutput>);
    assert.deepEqual(events.slice(1, 5), ['open cluster', 'run silver', 'lose cluster', 'open cluster']);
    assert.equal(output.cluster?.id, 'j-2');
    assert.equal(spark.clusters[1]?.request.generation, 2);
    assert.deepEqual(spark.active, []);
  });

  it('waits out throttling', async () => {
    spark.refusals = 4;
    const output = await run((handle) => handle.result() as Promise<RunLakehouseOutput>);
    assert.equal(output.status, 'Succeeded');
    assert.equal(spark.clusters.length, 1);
  });

  it('cancels the job, undoes, and ends the cluster when the run is cancelled', async () => {
    spark.outcomes['silver'] = 'hang';
    const { type, states, progress } = await run(async (handle) => {
      await eventually('silver runs', async () => (events.includes('run silver') ? true : undefined));
      await handle.cancel();
      return failed(handle);
    });
    assert.equal(type, 'CancelledFailure');
    assert.equal(progress.status, 'Cancelled');
    assert.equal(states, 'ingest compensated, process compensated, load waiting, optimize waiting');
    assert.deepEqual(events.slice(2), ['run silver', 'cancel silver', 'end cluster']);
    assertNothingLeft();
  });

  it('stops the copy and deletes what it landed when the run is cancelled during ingest', async () => {
    copies['a'] = 'hang';
    const { type, states } = await run(async (handle) => {
      await eventually('the copy runs', async () => (landedFiles().length > 0 ? true : undefined));
      await handle.cancel();
      return failed(handle);
    });
    assert.equal(type, 'CancelledFailure');
    assert.equal(states, 'ingest compensated, process waiting, load waiting, optimize waiting');
    assertNothingLeft();
  });

  it('ends a stage that takes too long', async () => {
    spark.outcomes['silver'] = 'hang';
    const { type, message } = await run(failed, {
      change: ({ stages }) => {
        stages.process['timeout'] = '00:00:03';
      },
    });
    assert.equal(type, 'STAGE_TIMEOUT');
    assert.match(message, /Stage process took longer than its 3 s\./);
    assert.ok(events.includes('cancel silver'));
    assertNothingLeft();
  });

  it('refuses a definition that is wrong before anything is done', async () => {
    const { type, message } = await run(failed, {
      change: ({ stages }) => {
        stages.process['job'] = [];
      },
    });
    assert.equal(type, 'DEFINITION_INVALID');
    assert.match(
      message,
      /lakehouse\/tiny\.json#\/stages\/process\/job: "job" is not a property that belongs here\. Did you mean "jobs"\?/,
    );
    assert.deepEqual(events, []);
  });

  describe('on EMR Serverless', () => {
    const serverless = async (): Promise<(tiny: Tiny) => void> => {
      const file = projectPath('test', 'fixtures', 'lakehouse', 'serverless-engine.json');
      const engine = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
      return (tiny) => {
        tiny.engine = engine;
      };
    };
    const names = (): string[] =>
      spark.clusters.flatMap(({ jobs }) => jobs).map(({ request }) => request.name.replace(/#.*/, ''));

    it('makes an application, runs the jobs on it, and deletes it', async () => {
      const output = await run(
        async (handle) => {
          const result = (await handle.result()) as RunLakehouseOutput;
          await keepHistory('runLakehouse.serverless', handle);
          return result;
        },
        { change: await serverless() },
      );
      assert.equal(output.status, 'Succeeded');
      assert.deepEqual(output.cluster, { id: 'j-1', state: 'terminated', seconds: 60 });
      assert.deepEqual(names(), ['silver', 'compact']);
      const [application] = spark.clusters;
      const request = application?.request;
      assert.ok(request?.engine === 'emr-serverless');
      assert.equal(request.profile.architecture, 'ARM64');
      assert.match(request.run ?? '', /^[0-9a-f]{8}$/);
      const job = application?.jobs[0]?.request;
      assert.equal(job?.serverless?.executionRoleArn, 'arn:aws:iam::000000000000:role/lake-jobs');
      assert.equal(job?.serverless?.owner, `lakehouse/tiny/${number}`);
      assert.equal(job?.configuration['spark.sql.shuffle.partitions'], '8');
      // The zip, as on EMR's clusters.
      assert.match(job?.pyFiles[0] ?? '', /waybill_jobs\.zip$/);
      assert.deepEqual(spark.active, []);
    });

    it('cancels the job and deletes the application when the run is cancelled', async () => {
      spark.outcomes['silver'] = 'hang';
      const { type, states } = await run(
        async (handle) => {
          await eventually('silver runs', async () => (events.includes('run silver') ? true : undefined));
          await handle.cancel();
          return failed(handle);
        },
        { change: await serverless() },
      );
      assert.equal(type, 'CancelledFailure');
      assert.equal(states, 'ingest compensated, process compensated, load waiting, optimize waiting');
      assert.deepEqual(events.slice(2), ['run silver', 'cancel silver', 'end cluster']);
      assertNothingLeft();
    });

    it('cancels the job and deletes the application when the stage takes too long', async () => {
      spark.outcomes['silver'] = 'hang';
      const engine = await serverless();
      const { type } = await run(failed, {
        change: (tiny) => {
          engine(tiny);
          tiny.stages.process['timeout'] = '00:00:03';
        },
      });
      assert.equal(type, 'STAGE_TIMEOUT');
      assert.deepEqual(events.slice(2), ['run silver', 'cancel silver', 'end cluster']);
      assertNothingLeft();
    });

    it('tells the log of a job that failed, after as many tries as it is given', async () => {
      spark.outcomes['silver'] = ['fail', 'fail'];
      const { type, message } = await run(failed, { change: await serverless() });
      assert.equal(type, 'STEP_FAILED');
      assert.match(message, /Step silver#[0-9a-f]{8}\.2 .*failed: Unknown Error\./);
      assert.match(message, /\[stderr\]\nValueError: kaput/);
      assertNothingLeft();
    });

    it('leaves an application that it is attached to, and the jobs of others on it; its own are cancelled', async () => {
      const engine = await serverless();
      const own = { ...applicationRequest('somebody'), owner: 'somebody' };
      const other = { id: 's-0', request: { ...serverlessJob('silver#other.1') }, reason: '' } as const;
      spark.clusters.push({
        id: '00fshared',
        request: own,
        state: 'running',
        reason: '',
        jobs: [{ ...other, state: 'running' }],
      });
      spark.outcomes['silver'] = 'hang';
      const { type } = await run(
        async (handle) => {
          await eventually('silver runs', async () => (events.includes('run silver') ? true : undefined));
          await handle.cancel();
          return failed(handle);
        },
        {
          change: (tiny) => {
            engine(tiny);
            const { application: _, ...rest } = tiny.engine;
            tiny.engine = { ...rest, attach: '00fshared' };
          },
        },
      );
      assert.equal(type, 'CancelledFailure');
      assert.deepEqual(events.slice(1), ['run silver', 'cancel silver']);
      const [shared] = spark.clusters;
      assert.equal(shared?.state, 'running');
      assert.deepEqual(
        shared?.jobs.map(({ state }) => state),
        ['running', 'cancelled'],
      );
      // What is asked of the service is limited to this run's jobs.
      assert.ok(spark.asked.length > 0);
      assert.ok(spark.asked.every(({ since }) => typeof since === 'number'));
      assert.deepEqual(spark.costAskedOf, [shared?.jobs[1]?.request.name.replace(/^silver|\d+$/g, '')]);
    });
  });

  it('takes its window from the time it was scheduled for', async () => {
    const workflowId = `lakehouse/tiny/scheduled-2026-11-22T20:05:00Z`;
    const options = { workflowId, input: { window: '' } };
    const progress = await run(async (handle) => {
      await handle.result();
      return handle.query<LakehouseProgress>('progress');
    }, options);
    assert.equal(progress.window, '20261122T200500Z');
    assert.deepEqual(lake.under('s3://lake/landing/a/'), [
      's3://lake/landing/a/20261122T200500Z/part-00000.csv.gz',
    ]);
  });

  it('fails without a window', async () => {
    const { type } = await run(failedEarly, { input: { window: '' } });
    assert.equal(type, 'PARAMETER_MISSING');
  });

  async function failedEarly(handle: WorkflowHandle): Promise<{ type: string }> {
    const cause = await handle.result().then(
      () => assert.fail('the run succeeded'),
      (reason: Error) => reason.cause as ApplicationFailure,
    );
    return { type: cause.type ?? '' };
  }
});
