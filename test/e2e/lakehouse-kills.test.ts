// A lakehouse run on real Spark whose worker, Spark driver and job program are killed at seeded random moments: the same
// tables as without a death, each batch committed once, one current row a key, and no cluster left.
// WAYBILL_KILLS: how many (3). WAYBILL_SEED: the same moments again.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ListClustersCommand } from '@aws-sdk/client-emr';
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensureClassData } from '../../dev/setup/class-data.ts';
import { ensureJars } from '../../dev/setup/jars.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import { type Compute, createCompute } from '../../src/compute/registry.ts';
import type { RunLakehouseOutput } from '../../src/core/run.ts';
import { credentials, type EmrStandIn, startEmr } from '../support/emr-stand-in.ts';
import { landDays, writeSparkOnlyFactory } from '../support/lakehouse-fixture.ts';
import type { LakehouseWorkerSettings } from '../support/lakehouse-worker.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';

const KILLS = Number(process.env['WAYBILL_KILLS'] ?? 3);
const SEED = Number(process.env['WAYBILL_SEED'] ?? Math.floor(Math.random() * 1e6));
const LAKES = ['waybill-calm', 'waybill-killed'] as const;
type Lake = (typeof LAKES)[number];
const VICTIMS = ['worker', 'Spark driver', 'job program'] as const;

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe(`a lakehouse under death (WAYBILL_SEED=${SEED} WAYBILL_KILLS=${KILLS})`, () => {
  let directory: string;
  let s3: RunningS3;
  let emr: EmrStandIn;
  let environment: TestWorkflowEnvironment;
  let compute: Compute;
  let settings: LakehouseWorkerSettings;
  const workers: ChildProcess[] = [];

  before(
    async () => {
      const installing = ensurePython(console.error);
      const [python, jars] = await Promise.all([installing, ensureJars(console.error, installing)]);
      const classData = await ensureClassData(console.error, python, jars);
      directory = await mkdtemp(join(tmpdir(), 'waybill-lakehouse-kills-'));
      s3 = await startS3({
        python: python.python,
        stateDirectory: join(directory, 's3'),
        buckets: ['waybill-lake', ...LAKES, 'waybill-code', 'waybill-logs'],
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
      for (const lake of LAKES) await landDays(compute.storage, python.python, '2013', 2, lake);
      environment = await TestWorkflowEnvironment.createLocal({
        server: {
          executable: await temporalExecutable(),
          searchAttributes: [
            defineSearchAttributeKey('WaybillStage', 'KEYWORD'),
            defineSearchAttributeKey('WaybillWindowStart', 'DATETIME'),
          ],
        },
      });
      const { code } = await bundleWorkflowCode({
        workflowsPath: fileURLToPath(new URL('../support/lakehouse-workflows.js', import.meta.url)),
      });
      await writeFile(join(directory, 'bundle.js'), code);
      const factoryDirectory = await writeSparkOnlyFactory(directory, ({ stages }) => {
        // Every kill of a driver costs its stage a try.
        for (const stage of [stages.process, stages.optimize])
          if (stage) Object.assign(stage, { retries: KILLS + 2, retryIntervalInSeconds: 1 });
      });
      settings = {
        address: environment.address,
        taskQueue: 'lakehouse-kills',
        bundle: join(directory, 'bundle.js'),
        emrEndpoint: emr.endpoint,
        s3Endpoint: s3.endpoint,
        factoryDirectory,
        jobsDirectory: projectPath('jobs'),
      };
    },
    { timeout: 600_000 },
  );

  after(async () => {
    for (const child of workers) child.kill('SIGKILL');
    await environment?.teardown();
    await emr?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  async function startWorker(): Promise<ChildProcess> {
    const program = fileURLToPath(new URL('../support/lakehouse-worker.js', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', process.env['VERBOSE'] ? 'inherit' : 'ignore'],
    });
    workers.push(child);
    assert.ok(child.stdout);
    await once(createInterface({ input: child.stdout }), 'line');
    return child;
  }

  const start = (lake: Lake) =>
    environment.client.workflow.start('runLakehouse', {
      workflowId: `lakehouse/${lake}`,
      taskQueue: settings.taskQueue,
      args: [{ name: 'nycflights', window: '2013', parameters: { lakeBucket: lake }, trigger: 'client' }],
    });

  /** The running step's JVM, or the Python program beside it; undefined between steps. */
  function processOfStep(victim: 'Spark driver' | 'job program'): number | undefined {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const command = commandOf(pid);
      if (!command.some((part) => part.startsWith(join(directory, 'emr')))) continue;
      const jvm = command[0]?.endsWith('java') === true;
      if (jvm && !command.includes('org.apache.spark.deploy.SparkSubmit')) continue;
      if (jvm === (victim === 'Spark driver') && (jvm || command[0]?.includes('python'))) return Number(pid);
    }
    return undefined;
  }

  function commandOf(pid: string): string[] {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return [];
    }
  }

  const tablesOf = ({ stages }: RunLakehouseOutput): Record<string, object> =>
    Object.fromEntries(
      stages.flatMap(({ tables }) =>
        tables.map(({ table, rows, ...more }) => [
          table,
          { rows, hash: (more as { contentHash?: string }).contentHash },
        ]),
      ),
    );

  /** Operations of a table's commits, oldest first. */
  async function commitsOf(lake: Lake, table: string): Promise<string[]> {
    const log: string[] = [];
    for await (const page of compute.storage.list(`s3://${lake}/lake/${table}/_delta_log/`))
      log.push(...page.map(({ uri }) => uri).filter((uri) => /\/\d{20}\.json$/.test(uri)));
    const operations: string[] = [];
    for (const uri of log.sort()) {
      const lines = ((await compute.storage.read(uri)) ?? Buffer.from('')).toString().trim().split('\n');
      const entries = lines.map((line) => JSON.parse(line) as { commitInfo?: { operation: string } });
      operations.push(entries.find(({ commitInfo }) => commitInfo)?.commitInfo?.operation ?? '?');
    }
    return operations;
  }

  it('ends as if nobody had died', { timeout: 1_200_000 }, async (t) => {
    let worker = await startWorker();
    const began = Date.now();
    const calm = (await (await start('waybill-calm')).result()) as RunLakehouseOutput;
    const calmly = Date.now() - began;
    t.diagnostic(`without a death: ${calmly} ms`);

    const random = randomOf(SEED);
    const run = await start('waybill-killed');
    let ended = false;
    const result = run.result().finally(() => {
      ended = true;
    }) as Promise<RunLakehouseOutput>;
    result.catch(() => {});
    let killed = 0;
    while (killed < KILLS && !ended) {
      const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] ?? 'worker';
      await new Promise((resolve) => setTimeout(resolve, random() * (calmly / 3)));
      if (victim === 'worker') {
        const exited = once(worker, 'exit');
        worker.kill('SIGKILL');
        await exited;
        worker = await startWorker();
      } else {
        let pid = processOfStep(victim);
        while (pid === undefined && !ended) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          pid = processOfStep(victim);
        }
        if (pid === undefined) break;
        process.kill(pid, 'SIGKILL');
      }
      killed += 1;
      t.diagnostic(`kill ${killed} of ${KILLS}: ${victim}`);
    }
    const output = await result;
    assert.ok(killed > 0, 'the run was over before anybody died');
    assert.deepEqual(
      output.stages.map(({ stage, state }) => [stage, state]),
      calm.stages.map(({ stage, state }) => [stage, state]),
    );
    assert.deepEqual(
      output.stages.flatMap(({ checks }) => checks.filter(({ passed }) => !passed)),
      [],
    );
    assert.deepEqual(tablesOf(output), tablesOf(calm));
    for (const table of Object.keys(tablesOf(calm)))
      assert.deepEqual(
        (await commitsOf('waybill-killed', table)).filter((operation) => !operation.startsWith('VACUUM')),
        (await commitsOf('waybill-calm', table)).filter((operation) => !operation.startsWith('VACUUM')),
        `${table}: each batch is one version`,
      );
    const { Clusters: clusters = [] } = await emr.client.send(new ListClustersCommand({}));
    assert.deepEqual([...new Set(clusters.map(({ Status }) => Status?.State))], ['TERMINATED']);
    assert.equal(processOfStep('Spark driver'), undefined);
    assert.equal(processOfStep('job program'), undefined);
  });
});
