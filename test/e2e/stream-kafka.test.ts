// Kafka to a bronze Delta table under supervision, for real: Kafka, Spark, S3 and EMR stand-ins, Temporal. The driver is
// killed in the middle of it, the stream drained and stopped; every message is in the table once.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ListClustersCommand } from '@aws-sdk/client-emr';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { parquetReadObjects } from 'hyparquet';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensureClassData } from '../../dev/setup/class-data.ts';
import { ensureJars, ensureKafka } from '../../dev/setup/jars.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import { createStreamActivities } from '../../src/activities/streams.ts';
import { type Compute, createCompute } from '../../src/compute/registry.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { StreamStatus } from '../../src/core/streams.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { credentials, type EmrStandIn, eventually, startEmr } from '../support/emr-stand-in.ts';
import { type RunningKafka, startKafka } from '../support/kafka.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';

const TABLE = 's3://lake/tables/bronze/orders';

describe('a supervised stream of a real Kafka', () => {
  let directory: string;
  let s3: RunningS3;
  let emr: EmrStandIn;
  let kafka: RunningKafka;
  let environment: TestWorkflowEnvironment;
  let compute: Compute;
  let worker: Worker;
  let working: Promise<void>;

  before(
    async () => {
      const installing = ensurePython(console.error);
      const [python, jars, kafkaJars] = await Promise.all([
        installing,
        ensureJars(console.error, installing),
        ensureKafka(console.error, installing),
      ]);
      const classData = await ensureClassData(console.error, python, jars);
      directory = await mkdtemp(join(tmpdir(), 'waybill-stream-'));
      kafka = await startKafka(kafkaJars, join(directory, 'kafka'));
      const buckets = ['lake', 'code', 'logs'];
      s3 = await startS3({
        python: python.python,
        stateDirectory: join(directory, 's3'),
        buckets,
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
      const endpoints = { region: 'us-east-1', emrEndpoint: emr.endpoint, s3Endpoint: s3.endpoint };
      compute = createCompute({ ...endpoints, lookAgainAfter: 500, logWait: 5_000 });
      environment = await TestWorkflowEnvironment.createLocal({
        server: { executable: await temporalExecutable() },
      });
      const factoryDirectory = await writeFactory();
      worker = await Worker.create({
        connection: environment.nativeConnection,
        taskQueue: 'streams',
        workflowBundle: await bundleWorkflowCode({
          workflowsPath: fileURLToPath(new URL('../support/lakehouse-workflows.js', import.meta.url)),
        }),
        activities: {
          ...createSparkActivities({ ...compute, pollInterval: 500 }),
          ...createStreamActivities({ ...compute, factoryDirectory, pollInterval: 500, refresh: 2_000 }),
          ...createLakehouseActivities({ ...compute, factoryDirectory, jobsDirectory: projectPath('jobs') }),
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
    await emr?.stop();
    await s3?.stop();
    await kafka?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  async function writeFactory(): Promise<string> {
    const text = await readFile(projectPath('test', 'fixtures', 'lakehouse', 'stream.json'), 'utf8');
    const definition = JSON.parse(text) as Record<string, JsonObject>;
    const job = definition['job'] ?? {};
    Object.assign(job, { interval: '1 second' });
    Object.assign(job['arguments'] ?? {}, {
      servers: kafka.servers,
      'max-offsets': '400',
      hints: 'id BIGINT',
    });
    Object.assign(definition['restart'] ?? {}, { intervalInSeconds: 1 });
    const factory = join(directory, 'factory');
    await mkdir(join(factory, 'streams'), { recursive: true });
    await writeFile(join(factory, 'streams', 'orders.json'), JSON.stringify(definition));
    return factory;
  }

  const send = (from: number, to: number): Promise<void> =>
    kafka.send(
      'orders',
      Array.from({ length: to - from }, (_, at) =>
        JSON.stringify({ id: from + at, text: `message ${from + at}` }),
      ),
    );

  /** The JVM of a step: it carries the step's id in its environment. */
  function driverOf(step: string): number {
    for (const entry of readdirSync('/proc')) {
      try {
        const isStep = readFileSync(`/proc/${entry}/environ`, 'utf8')
          .split('\0')
          .includes(`EMR_STEP_ID=${step}`);
        const [program] = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
        if (isStep && program?.endsWith('java')) return Number(entry);
      } catch {
        // Not a process, or one that has just ended.
      }
    }
    return 0;
  }

  async function commits(): Promise<string[]> {
    const found: string[] = [];
    for await (const page of compute.storage.list(`${TABLE}/_delta_log/`))
      found.push(...page.map(({ uri }) => uri).filter((uri) => /\/\d{20}\.json$/.test(uri)));
    return found.sort();
  }

  /** The table's rows, by its log: what was added and not removed. */
  async function rows(): Promise<{ id: bigint; _partition: number; _offset: bigint }[]> {
    const files = new Set<string>();
    for (const uri of await commits()) {
      const text = (await compute.storage.read(uri))?.toString('utf8') ?? '';
      for (const line of text.split('\n').filter(Boolean)) {
        const action = JSON.parse(line) as { add?: { path: string }; remove?: { path: string } };
        if (action.add) files.add(action.add.path);
        if (action.remove) files.delete(action.remove.path);
      }
    }
    const read: { id: bigint; _partition: number; _offset: bigint }[] = [];
    for (const path of files) {
      const body = await compute.storage.read(`${TABLE}/${path}`);
      assert.ok(body, path);
      const file = new Uint8Array(body).buffer;
      read.push(
        ...((await parquetReadObjects({ file, columns: ['id', '_partition', '_offset'] })) as typeof read),
      );
    }
    return read;
  }

  it('has every message once after a killed driver, a drain and a stop', { timeout: 600_000 }, async () => {
    await send(0, 1_000);
    const handle = await environment.client.workflow.start('superviseStream', {
      workflowId: 'stream/orders',
      taskQueue: 'streams',
      args: [{ name: 'orders', parameters: {} }],
    });
    const until = (what: string, good: (now: StreamStatus) => boolean): Promise<StreamStatus> =>
      eventually(
        what,
        async () => {
          const now = await handle.query<StreamStatus>('stream').catch(() => undefined);
          return now !== undefined && good(now) ? now : undefined;
        },
        180,
      );
    const first = await until('the first start', ({ job }) => job !== undefined);
    await eventually('a batch', async () => ((await commits()).length >= 1 ? true : undefined), 180);
    const driver = driverOf(first.job?.id ?? '');
    assert.ok(driver > 0, 'the driver runs');
    process.kill(driver, 'SIGKILL');
    const killedAt = (await commits()).length;
    await send(1_000, 1_200);

    const second = await until(
      'all has been taken',
      ({ starts, health, progress }) =>
        starts === 2 && health === 'ok' && progress?.behind.offsets === 0 && progress.rows > 0,
    );
    assert.deepEqual(
      second.failures.map(({ code }) => code),
      ['STEP_FAILED'],
    );
    assert.ok(killedAt < 3, 'it was killed before the end');
    const drained = (await handle.executeUpdate('drain')) as StreamStatus;
    assert.equal(drained.starts, 3);
    await send(1_200, 1_300);
    await until(
      'the last have been taken',
      ({ starts, progress }) => starts === 3 && (progress?.rows ?? 0) >= 100,
    );
    const stopped = (await handle.executeUpdate('stop')) as StreamStatus;
    assert.equal(stopped.phase, 'stopped');
    await handle.result();

    const found = await rows();
    assert.deepEqual(
      found.map(({ id }) => Number(id)).sort((a, b) => a - b),
      Array.from({ length: 1_300 }, (_, id) => id),
    );
    assert.equal(new Set(found.map((row) => `${row._partition}/${row._offset}`)).size, 1_300);
    const { Clusters: clusters = [] } = await emr.client.send(new ListClustersCommand({}));
    assert.deepEqual(
      clusters.map(({ Status }) => Status?.State),
      ['TERMINATED'],
    );
  });
});
