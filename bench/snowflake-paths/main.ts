// `npm run bench -- snowflake-paths [--rows N] [--rounds N]`: files both ways beside what the driver offers for rows, against the
// local Snowflake stand-in, each path in a process of its own. Prints medians and ratios.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { worldDown, worldUp } from '../../dev/world/lifecycle.ts';
import type { World } from '../../dev/world/world.ts';
import { formatTable } from '../../src/client/format.ts';
import { snowflakeConfig } from '../../src/connectors/snowflake/config.ts';
import { SnowflakeConnection } from '../../src/connectors/snowflake/connection.ts';
import type { JsonObject } from '../../src/core/json.ts';

const WORLD = 'bench-snowflake';
const COLUMNS =
  'ID NUMBER(38,0), CUSTOMER VARCHAR, AMOUNT NUMBER(18,4), RATIO FLOAT, FLAG BOOLEAN, DAY DATE, SEEN TIMESTAMP_NTZ(6), ' +
  'NOTE VARCHAR, DETAIL VARCHAR, EXTRA NUMBER(38,0), WB NUMBER(10,0)';
/** In this order: `unload` and `streamRows` read what `load` wrote. */
const PATHS = ['load', 'inlineBinds', 'stagedBinds', 'unload', 'streamRows'] as const;

interface Figures {
  readonly rows: number;
  readonly wall: number;
  readonly cpu: number;
  readonly rssMb: number;
}

const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const propertiesOf = ({ snowflake, env }: World): JsonObject => ({
  host: snowflake.url,
  accountIdentifier: snowflake.account,
  user: snowflake.user,
  password: env[snowflake.passwordEnv] ?? '',
  database: 'BENCH',
});

/** Empty tables of a database of the bench's own. */
async function prepare(properties: JsonObject): Promise<void> {
  const service = { name: 'bench', type: 'SnowflakeV2', properties };
  const open = () =>
    SnowflakeConnection.open(snowflakeConfig(service), 'bench', new AbortController().signal);
  const admin = await open();
  await admin.execute('CREATE DATABASE IF NOT EXISTS BENCH', 'preparing');
  await admin.close();
  const connection = await open();
  for (const table of ['LOADED', 'BOUND']) {
    await connection.execute(`CREATE OR REPLACE TABLE PUBLIC.${table} (${COLUMNS})`, 'preparing');
  }
  await connection.close();
}

async function run(path: string, rows: number, properties: JsonObject, directory: string): Promise<Figures> {
  const program = join(import.meta.dirname, 'path.js');
  const { stdout } = await promisify(execFile)(process.execPath, [program, path, String(rows), directory], {
    env: { ...process.env, BENCH_SNOWFLAKE: JSON.stringify(properties) },
  });
  const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Figures;
  if (figures.rows !== rows) throw new Error(`${path} moved ${figures.rows} of ${rows} rows`);
  return figures;
}

const rows = option('--rows', 300_000);
const rounds = option('--rounds', 3);
const directory = await mkdtemp(join(tmpdir(), 'waybill-bench-'));
try {
  const world = await worldUp({ name: WORLD, engines: ['snowflake'], report: () => undefined });
  const properties = propertiesOf(world);
  const all = new Map<string, Figures[]>(PATHS.map((path) => [path, []]));
  for (let round = 1; round <= rounds; round++) {
    await prepare(properties);
    for (const path of PATHS) {
      const figures = await run(path, rows, properties, directory);
      all.get(path)?.push(figures);
      console.log(
        `round ${round} ${path}: ${figures.wall.toFixed(1)} s, CPU ${figures.cpu.toFixed(1)} s, ${figures.rssMb.toFixed(0)} MB`,
      );
    }
  }
  const of = (path: string, pick: (one: Figures) => number): number =>
    median((all.get(path) ?? []).map(pick));
  const table = [['medians', 'wall s', 'rows/s', 'client CPU s', 'peak MB']];
  for (const path of PATHS) {
    const wall = of(path, (one) => one.wall);
    table.push([
      path,
      wall.toFixed(1),
      Math.round(rows / wall).toLocaleString('en'),
      of(path, (one) => one.cpu).toFixed(1),
      of(path, (one) => one.rssMb).toFixed(0),
    ]);
  }
  console.log(`\n${rows.toLocaleString('en')} rows × 10 columns, ${rounds} rounds`);
  for (const line of formatTable(table, [1, 2, 3, 4])) console.log(`  ${line}`);
  const ratios = ([mine, other]: readonly [string, string]) => ({
    wall: of(other, (one) => one.wall) / of(mine, (one) => one.wall),
    cpu: of(other, (one) => one.cpu) / of(mine, (one) => one.cpu),
  });
  const pairs = [
    ['load', 'inlineBinds'],
    ['load', 'stagedBinds'],
    ['unload', 'streamRows'],
  ] as const;
  const compared = pairs.map((pair) => ({ pair, ...ratios(pair) }));
  console.log('');
  for (const { pair, wall, cpu } of compared) {
    console.log(
      `${pair[0]} is ${wall.toFixed(1)}× as fast as ${pair[1]}, at 1/${cpu.toFixed(1)} of the client's CPU`,
    );
  }
  const results = join(import.meta.dirname, '../../../bench/results');
  await mkdir(results, { recursive: true });
  const machine = {
    loadAverage: loadavg()[0],
    cpus: cpus().length,
    model: cpus()[0]?.model,
    memoryGb: Math.round(totalmem() / 2 ** 30),
  };
  await writeFile(
    join(results, `snowflake-paths-${rows}.json`),
    `${JSON.stringify({ machine, node: process.version, rows, rounds: Object.fromEntries(all), ratios: compared }, null, 2)}\n`,
  );
} finally {
  await worldDown(WORLD, { destroy: true });
  await rm(directory, { recursive: true, force: true });
}
