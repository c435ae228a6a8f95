// dbt on Spark and Delta by `waybill dbt`: marts, tests, seed, snapshot and freshness on tables in S3; the second build
// merges the new day alone; a model that fails is named, and it alone and what depends on it is run again.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { projectPath } from '../../dev/cache.ts';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import { ensureDbt } from '../../dev/setup/dbt.ts';
import type { World } from '../../dev/world/world.ts';
import type { DbtCall } from '../../src/core/dbt.ts';
import { type TemporaryFactory, writeFactory } from '../support/factory-files.ts';
import { sharedWorld } from '../support/world.ts';

const BUCKET = `dbt-${process.pid}`;
const DAYS = 20;
const VARS = JSON.stringify({
  lake: `s3a://${BUCKET}/lake`,
  marts_location: `s3a://${BUCKET}/marts`,
  source_schema: `lake_${process.pid}`,
});
const SCHEMA = `marts_${process.pid}`;
const FLIGHT = [
  ['flight_id', 'long'],
  ['carrier', 'string'],
  ['origin', 'string'],
  ['dest', 'string'],
  ['dep_delay', 'long'],
  ['arr_delay', 'long'],
  ['air_time', 'long'],
  ['time_hour', 'timestamp'],
] as const;

interface Commit {
  readonly operation: string;
  readonly operationMetrics: Readonly<Record<string, string>>;
}

describe('dbt on Spark and Delta', { timeout: 900_000 }, () => {
  let world: World;
  let worker: WorkerProcess;
  let factory: TemporaryFactory;
  let s3: S3Client;
  let directory: string;
  let env: NodeJS.ProcessEnv;

  before(async () => {
    await ensureDbt((line) => console.error(line));
    world = await sharedWorld(['temporal', 's3']);
    directory = await mkdtemp(join(tmpdir(), 'waybill-dbt-spark-'));
    await cp(projectPath('dbt'), join(directory, 'dbt'), { recursive: true });
    factory = writeFactory({
      'linkedService/lake.json': { properties: { type: 'AmazonS3', typeProperties: {} } },
    });
    env = {
      ...process.env,
      ...world.env,
      WAYBILL_FACTORY_DIRECTORY: factory.directory,
      WAYBILL_DBT_DIRECTORY: join(directory, 'dbt'),
      WAYBILL_WORK_DIRECTORY: join(directory, 'work'),
      WAYBILL_TASK_QUEUE: `dbt-spark-${process.pid}`,
    };
    s3 = new S3Client({
      endpoint: world.s3.endpoint,
      region: world.s3.region,
      forcePathStyle: true,
      credentials: {
        accessKeyId: world.env['AWS_ACCESS_KEY_ID'] ?? '',
        secretAccessKey: world.env['AWS_SECRET_ACCESS_KEY'] ?? '',
      },
    });
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    const flights = Array.from({ length: DAYS * 30 }, (_, at) =>
      flight(at, 1 + (at % DAYS), at % 3 === 0 ? 'UA' : 'DL'),
    );
    await commit('silver/flights', 0, FLIGHT, flights);
    const airline = [
      ['carrier', 'string'],
      ['name', 'string'],
    ] as const;
    await commit('silver/airlines', 0, airline, [
      ['UA', 'United'],
      ['DL', 'Delta'],
    ]);
    const gold = [
      ['origin', 'string'],
      ['dest', 'string'],
      ['carrier', 'string'],
      ['seats_scheduled', 'long'],
    ] as const;
    await commit('gold/delays_by_route_carrier', 0, gold, [['JFK', 'LAX', 'UA', 100]]);
    worker = new WorkerProcess(env, join(directory, 'worker.log'));
    worker.start();
  });

  after(async () => {
    await worker?.stop();
    s3?.destroy();
    factory?.remove();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const flight = (id: number, day: number, carrier: string): unknown[] => {
    const hour = `2013-01-${String(day).padStart(2, '0')}T05:00:00`;
    return [id, carrier, 'JFK', 'LAX', id % 7, (id % 90) - 10, 100, hour];
  };

  async function commit(
    table: string,
    version: number,
    columns: readonly (readonly [string, string])[],
    rows: readonly (readonly unknown[])[],
  ): Promise<void> {
    const script = projectPath('test', 'support', 'delta_files.py');
    const child = spawn(world.python, [script], { env, stdio: ['pipe', 'inherit', 'inherit'] });
    child.stdin.end(JSON.stringify({ table: `s3://${BUCKET}/lake/${table}`, version, columns, rows }));
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0, `${table} could not be written`);
  }

  /** The commits of a mart's Delta table, oldest first. */
  async function commits(table: string): Promise<Commit[]> {
    const prefix = `marts/${table}/_delta_log/`;
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix }));
    const found: Commit[] = [];
    for (const { Key } of Contents ?? []) {
      if (!/\/\d{20}\.json$/.test(Key ?? '')) continue;
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
      const lines = ((await Body?.transformToString()) ?? '').trim().split('\n');
      const actions = lines.map((line) => JSON.parse(line) as { commitInfo?: Commit });
      found.push(...actions.flatMap(({ commitInfo }) => commitInfo ?? []));
    }
    return found;
  }

  /** `waybill dbt …`: its exit code, its words and, with --json, its answer. */
  async function waybillDbt(...args: string[]): Promise<{ code: number; words: string; answer: Answer }> {
    const program = [projectPath('bin', 'waybill.js'), 'dbt', ...args, '--json'];
    const { stdout, stderr, code } = await promisify(execFile)(process.execPath, program, { env }).then(
      (done) => ({ ...done, code: 0 }),
      (error: { stdout: string; stderr: string; code: number }) => error,
    );
    return { code, words: stderr, answer: JSON.parse(stdout || '{}') as Answer };
  }

  interface Answer {
    readonly workflowId: string;
    readonly result?: { readonly calls: readonly DbtCall[] };
    readonly failure?: { readonly code: string; readonly message: string };
  }

  const onSpark = ['--target', 'spark', '--schema', SCHEMA, '--vars', VARS];
  const named = (call: DbtCall | undefined): string[] =>
    (call?.nodes ?? []).map(({ node }) => node.split('.')[2] ?? '').sort();

  it('builds all, merges what is new, names a model that fails and runs it alone again', async () => {
    const first = await waybillDbt('build', ...onSpark);
    assert.equal(first.code, 0, first.words);
    assert.deepEqual(first.answer.result?.calls[0]?.counts, { success: 7, pass: 12 });

    // A day more, and a carrier by another name; and a model that the new project breaks.
    const late = [flight(9_000, DAYS + 1, 'UA'), flight(9_001, DAYS + 1, 'UA')];
    await commit('silver/flights', 1, FLIGHT, late);
    await commit(
      'silver/airlines',
      1,
      [
        ['carrier', 'string'],
        ['name', 'string'],
      ],
      [['AA', 'American']],
    );
    const model = join(directory, 'dbt', 'models', 'marts', 'mart_carriers.sql');
    const good = await readFile(model, 'utf8');
    await writeFile(model, good.replace('airlines.name as carrier_name', 'airlines.title as carrier_name'));
    const second = await waybillDbt('build', ...onSpark);
    assert.equal(second.code, 1);
    assert.equal(second.answer.failure?.code, 'DBT_FAILED');
    assert.match(second.answer.failure?.message ?? '', /^dbt build: model\.nycflights\.mart_carriers: /);
    assert.match(second.answer.failure?.message ?? '', /title/);

    // From day 18 on, three days before the last: eight rows that are there, and one that is new.
    const merged = (await commits('mart_carrier_days')).at(-1);
    assert.equal(merged?.operation, 'MERGE');
    assert.equal(merged?.operationMetrics['numTargetRowsInserted'], '1');
    assert.equal(merged?.operationMetrics['numTargetRowsUpdated'], '8');
    const names = (await commits('carrier_names')).at(-1);
    assert.equal(names?.operation, 'MERGE');
    assert.equal(names?.operationMetrics['numTargetRowsInserted'], '1');
    assert.equal(names?.operationMetrics['numTargetRowsUpdated'], '0');

    await writeFile(model, good);
    const before = (await commits('mart_routes')).length;
    const retried = await waybillDbt('retry', second.answer.workflowId);
    assert.equal(retried.code, 0, retried.words);
    assert.deepEqual(named(retried.answer.result?.calls[0]), [
      'mart_carriers',
      'marts_hold_every_flight',
      'not_null_mart_carriers_carrier',
      'not_null_mart_carriers_carrier_name',
      'unique_mart_carriers_carrier',
    ]);
    assert.deepEqual(retried.answer.result?.calls[0]?.counts, { success: 1, pass: 4 });
    assert.equal((await commits('mart_routes')).length, before, 'a model that had succeeded was run again');
  });

  it('says which source is stale', async () => {
    const stale = JSON.stringify({ ...(JSON.parse(VARS) as object), flights_error_days: 1 });
    const old = await waybillDbt('source', 'freshness', ...onSpark.slice(0, -1), stale);
    assert.equal(old.code, 1);
    assert.match(old.answer.failure?.message ?? old.words, /source\.nycflights\.warehouse\.flights/);
  });
});
