// What superviseStream does with a stream whose job fails, loses its cluster, falls behind, is drained, stopped, cancelled.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { timeSkippingExecutable } from '../../dev/setup/temporal.ts';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import { createStreamActivities } from '../../src/activities/streams.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Alert } from '../../src/core/monitoring/alert.ts';
import type { ClusterSnapshot } from '../../src/core/spark.ts';
import type { StreamStatus } from '../../src/core/streams.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { eventually } from '../support/emr-stand-in.ts';
import { keepHistory } from '../support/keep-history.ts';
import { MemoryLake } from '../support/memory-lake.ts';
import { MemorySpark } from '../support/memory-spark.ts';

const BASE = 's3://lake/results/streams/orders';

/** Jobs that end when their drain is asked for, as those of the package do. */
class StreamSpark extends MemorySpark {
  readonly #files: MemoryLake;
  /** Whether jobs look for the request. */
  obedient = true;

  constructor(lake: MemoryLake, events: string[]) {
    super(lake, events);
    this.#files = lake;
  }

  override async snapshot(clusterId: string): Promise<ClusterSnapshot> {
    for (const { jobs } of this.clusters)
      for (const job of jobs) {
        const fence = job.request.name.split('#')[1];
        if (
          !this.obedient ||
          job.state !== 'running' ||
          !this.#files.objects.has(`${BASE}/control/drain-${fence}`)
        )
          continue;
        job.state = 'completed';
        this.events.push('drained');
      }
    return super.snapshot(clusterId);
  }

  get jobs() {
    return this.clusters.flatMap(({ jobs }) => jobs);
  }
}

describe('superviseStream', () => {
  let directory: string;
  let environment: TestWorkflowEnvironment;
  let bundle: { code: string };
  let lake: MemoryLake;
  let spark: StreamSpark;
  let events: string[];
  let told: string[];
  let factory: string;
  let number = 0;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'waybill-streams-'));
    environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: await timeSkippingExecutable() },
    });
    bundle = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('../support/lakehouse-workflows.js', import.meta.url)),
    });
  });

  after(async () => {
    await environment?.teardown();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    number += 1;
    events = [];
    told = [];
    lake = new MemoryLake();
    spark = new StreamSpark(lake, events);
    spark.outcomes['ingest_kafka'] = 'hang';
    factory = join(directory, `factory-${number}`);
    await mkdir(join(factory, 'streams'), { recursive: true });
    await define(() => undefined);
  });

  async function define(change: (definition: Record<string, JsonObject>) => void): Promise<void> {
    const text = await readFile(projectPath('test', 'fixtures', 'lakehouse', 'stream.json'), 'utf8');
    const definition = JSON.parse(text) as Record<string, JsonObject>;
    Object.assign(definition['restart'] ?? {}, { intervalInSeconds: 1 });
    change(definition);
    await writeFile(join(factory, 'streams', 'orders.json'), JSON.stringify(definition));
  }

  async function run<T>(work: (handle: WorkflowHandle) => Promise<T>, maxEvents?: number): Promise<T> {
    const taskQueue = `streams-${number}`;
    const runners = { emr: spark, 'emr-serverless': spark, databricks: spark };
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowBundle: bundle,
      activities: {
        ...createSparkActivities({ runners, storage: lake, pollInterval: 20 }),
        ...createStreamActivities({
          runners,
          storage: lake,
          factoryDirectory: factory,
          pollInterval: 20,
          refresh: 200,
        }),
        ...createLakehouseActivities({
          storage: lake,
          factoryDirectory: factory,
          jobsDirectory: projectPath('jobs'),
        }),
        raiseAlert: async ({ channel, alert }: { channel: string; alert: Alert }) => {
          if (channel === 'broken')
            throw ApplicationFailure.nonRetryable('no such channel', 'SETTINGS_INVALID');
          told.push(`${channel}: ${alert.severity} ${alert.title}`);
          return { channel, outcome: 'sent' };
        },
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
      maxHeartbeatThrottleInterval: '50ms',
    });
    return worker.runUntil(async () => {
      const handle = await environment.client.workflow.start('superviseStream', {
        workflowId: `stream/orders-${number}`,
        taskQueue,
        args: [{ name: 'orders', parameters: {}, ...(maxEvents === undefined ? {} : { maxEvents }) }],
      });
      const result = await work(handle);
      const { runId } = await handle.describe();
      const history = await environment.client.workflow.getHandle(handle.workflowId, runId).fetchHistory();
      await Worker.runReplayHistory({ workflowBundle: bundle }, history, handle.workflowId);
      return result;
    });
  }

  const status = (handle: WorkflowHandle): Promise<StreamStatus> => handle.query<StreamStatus>('stream');
  const until = (
    handle: WorkflowHandle,
    what: string,
    good: (now: StreamStatus) => boolean,
  ): Promise<StreamStatus> =>
    eventually(what, async () => {
      const now = await status(handle).catch(() => undefined);
      return now !== undefined && good(now) ? now : undefined;
    });
  const running = (handle: WorkflowHandle, starts = 1): Promise<StreamStatus> =>
    until(handle, `start ${starts} runs`, (now) => now.phase === 'running' && now.starts === starts);

  const failed = (handle: WorkflowHandle): Promise<ApplicationFailure> =>
    handle.result().then(
      () => assert.fail('it did not fail'),
      (reason: Error) => reason.cause as ApplicationFailure,
    );

  it('starts a failed job anew, on the same cluster and from the same checkpoint, and stops when told', async () => {
    spark.outcomes['ingest_kafka'] = ['fail', 'hang'];
    const ended = await run(async (handle) => {
      const now = await running(handle, 2);
      assert.deepEqual(
        now.failures.map(({ code }) => code),
        ['STEP_FAILED'],
      );
      assert.match(now.failures[0]?.reason ?? '', /failed: Unknown Error.*ValueError: kaput/s);
      const stopped = (await handle.executeUpdate('stop')) as StreamStatus;
      assert.equal(stopped.phase, 'stopped');
      await keepHistory('superviseStream', handle);
      return (await handle.result()) as StreamStatus;
    });
    assert.equal(ended.phase, 'stopped');
    assert.deepEqual(events, [
      'open cluster',
      'run ingest_kafka',
      'run ingest_kafka',
      'drained',
      'end cluster',
    ]);
    const [first, second] = spark.jobs.map(({ request }) => request);
    const value = (name: string, of = second): string =>
      of?.arguments[of.arguments.indexOf(`--${name}`) + 1] ?? '';
    assert.deepEqual(
      [value('table'), value('interval'), value('control'), value('progress'), value('lease-seconds')],
      ['bronze/orders', '10 seconds', `${BASE}/control`, `${BASE}/progress.json`, '1800'],
    );
    assert.ok(Number(value('generation')) > Number(value('generation', first)));
    assert.equal(second?.name, `orders#${value('generation')}`);
    const lease = JSON.parse(lake.objects.get(`${BASE}/control/lease.json`)?.toString() ?? '') as JsonObject;
    assert.equal(lease['generation'], Number(value('generation')));
  });

  it('gives up by name after too many failures in the window, and leaves no cluster', async () => {
    await define((definition) => Object.assign(definition, { alerts: ['team'] }));
    spark.outcomes['ingest_kafka'] = ['fail', 'fail', 'fail', 'hang'];
    const error = await run(failed);
    assert.deepEqual(told, ['team: critical stream orders failed']);
    assert.equal(error.type, 'STREAM_FAILED');
    assert.match(
      error.message,
      /orders failed 3 times within 60 min; 2 are started anew.*ValueError: kaput/s,
    );
    assert.equal(spark.jobs.length, 3);
    assert.deepEqual(spark.active, []);
  });

  it('forgets failures that lie outside of the window', async () => {
    await define(({ restart }) =>
      Object.assign(restart ?? {}, { maximum: 1, window: '0.00:00:01', intervalInSeconds: 2 }),
    );
    spark.outcomes['ingest_kafka'] = ['fail', 'fail', 'fail', 'hang'];
    await run(async (handle) => {
      const now = await running(handle, 4);
      assert.equal(now.failures.length, 1);
      await handle.executeUpdate('stop');
    });
  });

  it('takes another cluster when the one it had is lost', async () => {
    spark.outcomes['ingest_kafka'] = ['lose-cluster', 'hang'];
    await run(async (handle) => {
      const now = await running(handle, 2);
      assert.match(now.failures[0]?.reason ?? '', /Cluster j-1 ended under the stream: INSTANCE_FAILURE/);
      assert.equal(now.cluster, 'j-2');
      await handle.executeUpdate('stop');
    });
    assert.deepEqual(spark.active, []);
  });

  it('is drained onto new code and a new definition, and not onto one that is wrong', async () => {
    await run(async (handle) => {
      await running(handle);
      await define(({ job }) => Object.assign(job ?? {}, { intervall: '1 second' }));
      await assert.rejects(handle.executeUpdate('drain'), (error: Error) =>
        /"intervall" is not a property.*interval/s.test(String((error.cause as Error)?.message)),
      );
      assert.deepEqual([(await status(handle)).starts, spark.jobs[0]?.state], [1, 'running']);
      await define(({ job }) => Object.assign(job ?? {}, { interval: '1 second' }));
      const drained = (await handle.executeUpdate('drain')) as StreamStatus;
      assert.deepEqual([drained.phase, drained.starts, drained.failures], ['running', 2, []]);
      await handle.executeUpdate('stop');
    });
    assert.deepEqual(events, [
      'open cluster',
      'run ingest_kafka',
      'drained',
      'run ingest_kafka',
      'drained',
      'end cluster',
    ]);
    assert.ok(spark.jobs[1]?.request.arguments.includes('1 second'));
  });

  it('is drained while it waits to start anew, at once', async () => {
    await define(({ restart }) => Object.assign(restart ?? {}, { intervalInSeconds: 3600 }));
    spark.outcomes['ingest_kafka'] = ['fail', 'hang'];
    await run(async (handle) => {
      await until(
        handle,
        'it waits or has gone on',
        ({ phase, starts }) => phase === 'waiting' || starts === 2,
      );
      const now = (await handle.executeUpdate('drain')) as StreamStatus;
      assert.equal(now.phase, 'running');
      await handle.executeUpdate('stop');
    });
  });

  it('cuts a batch off that does not end in time', async () => {
    await define((definition) => Object.assign(definition, { drainTimeout: '0.00:00:01' }));
    spark.obedient = false;
    await run(async (handle) => {
      await running(handle);
      assert.equal(((await handle.executeUpdate('stop')) as StreamStatus).phase, 'stopped');
    });
    assert.deepEqual(events, ['open cluster', 'run ingest_kafka', 'cancel ingest_kafka', 'end cluster']);
  });

  it('ends job and cluster when it is cancelled', async () => {
    await run(async (handle) => {
      await running(handle);
      await handle.cancel();
      await assert.rejects(handle.result());
      assert.equal((await status(handle)).phase, 'cancelled');
      await keepHistory('superviseStream.cancelled', handle);
    });
    assert.deepEqual(events, ['open cluster', 'run ingest_kafka', 'cancel ingest_kafka', 'end cluster']);
  });

  it('says that it falls behind, and that it has caught up, and tells those who want to know', async () => {
    await define((definition) => Object.assign(definition, { alerts: ['broken', 'team'] }));
    await run(async (handle) => {
      await running(handle);
      const fence = Number(spark.jobs[0]?.request.name.split('#')[1]);
      const tell = (offsets: number, generation = fence): void => {
        const at = new Date().toISOString();
        const report = {
          generation,
          at,
          batch: 1,
          batchSeconds: 1,
          rows: 5,
          rowsPerSecond: 5,
          behind: { offsets },
        };
        lake.put(`${BASE}/progress.json`, JSON.stringify(report));
      };
      tell(5_000, fence - 1);
      assert.equal((await status(handle)).health, 'starting');
      tell(5_000);
      const behind = await until(handle, 'it is behind', ({ health }) => health === 'lagging');
      assert.equal(behind.reason, 'messages waiting 5000, at most 1000');
      assert.equal(behind.progress?.behind.offsets, 5_000);
      tell(10);
      await until(handle, 'it has caught up', ({ health }) => health === 'ok');
      await handle.executeUpdate('stop');
    });
    assert.deepEqual(told, [
      'team: warning stream orders is lagging',
      'team: info stream orders keeps up again',
    ]);
  });

  it('leaves a cluster alone that it is attached to, and fails when that one ends', async () => {
    const own = { engine: 'emr', name: 'shared', owner: 'somebody', generation: 1 } as Parameters<
      MemorySpark['openCluster']
    >[0];
    await spark.openCluster(own);
    await define(({ engine }) => {
      delete engine?.['cluster'];
      Object.assign(engine ?? {}, { attach: 'j-1' });
    });
    await run(async (handle) => {
      await running(handle);
      await handle.executeUpdate('stop');
      await handle.result();
    });
    assert.equal(spark.active.length, 1);
    number += 1;
    spark.outcomes['ingest_kafka'] = 'lose-cluster';
    const error = await run(failed);
    assert.equal(error.type, 'CLUSTER_FAILED');
  });

  it('continues as new while its job goes on', async () => {
    await run(async (handle) => {
      const first = (await handle.describe()).runId;
      await running(handle);
      await eventually('another execution', async () =>
        (await handle.describe()).runId === first ? undefined : true,
      );
      await until(
        handle,
        'the answer of the next execution',
        ({ starts, job }) => starts === 1 && job !== undefined,
      );
      assert.equal(spark.jobs.length, 1);
      await handle.executeUpdate('stop');
    }, 30);
    assert.deepEqual(events, ['open cluster', 'run ingest_kafka', 'drained', 'end cluster']);
  });
});
