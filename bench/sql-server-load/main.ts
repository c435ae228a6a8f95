// `npm run bench -- sql-server-load [--rows 200000] [--rounds 3]`: waybill's load into SQL Server beside a bare tedious
// bulk loop, on the same rows, in turn, in one process. Prints ratios: seconds on a shared machine say little.
import '../../src/config/quiet-aws.ts';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { worldDown, worldUp } from '../../dev/world/lifecycle.ts';
import type { World } from '../../dev/world/world.ts';
import { formatTable } from '../../src/client/format.ts';
import { measureRows } from '../../src/connectors/common/measured-rows.ts';
import type { LoadRequest } from '../../src/connectors/common/sql-store.ts';
import { sqlServerConfig } from '../../src/connectors/sql-server/config.ts';
import { SqlServerConnection } from '../../src/connectors/sql-server/connection.ts';
import { SqlServerStore } from '../../src/connectors/sql-server/writer.ts';
import type { Column, MappedColumn, Row } from '../../src/core/types/column.ts';
import { type BareColumn, loadBare } from './bare-tedious.ts';

const WORLD = 'bench-load';
const DATABASE = 'bench_load';
const ROWS_PER_CHUNK = 75_000;
const ROWS_PER_BATCH = 1000;

const { values: flags } = parseArgs({
  args: process.argv.slice(2).filter((one) => one !== 'sql-server-load'),
  options: { rows: { type: 'string', default: '200000' }, rounds: { type: 'string', default: '3' } },
});
const rows = Number(flags.rows);

const column = (name: string, type: Column['type'], native: string, more: Partial<Column> = {}): Column => ({
  ...{ name, type, native, nullable: true },
  ...more,
});
const COLUMNS: readonly Column[] = [
  column('id', 'Int32', 'int'),
  column('big', 'Int64', 'bigint'),
  column('name', 'String', 'nvarchar', { length: 50 }),
  column('city', 'String', 'nvarchar', { length: 30 }),
  column('price', 'Decimal', 'decimal', { precision: 18, scale: 2 }),
  column('small', 'Int16', 'smallint'),
  column('flag', 'Boolean', 'bit'),
  column('ratio', 'Double', 'float'),
  column('at', 'DateTime', 'datetime2', { scale: 6 }),
  column('day', 'Date', 'date'),
];
const BARE: readonly BareColumn[] = [
  { name: 'id', type: 'Int' },
  { name: 'big', type: 'BigInt' },
  { name: 'name', type: 'NVarChar', options: { length: 50 } },
  { name: 'city', type: 'NVarChar', options: { length: 30 } },
  { name: 'price', type: 'Decimal', options: { precision: 18, scale: 2 } },
  { name: 'small', type: 'SmallInt' },
  { name: 'flag', type: 'Bit' },
  { name: 'ratio', type: 'Float' },
  { name: 'at', type: 'DateTime2', options: { scale: 6 } },
  { name: 'day', type: 'Date' },
];

const START = Date.UTC(2020, 0, 1);
/** The row as tedious takes it: JavaScript values. */
const bareRow = (i: number): unknown[] => [
  i,
  i * 1_000_003,
  `customer number ${i}`,
  `city ${i % 997}`,
  ((i * 37) % 1_000_000) / 100,
  i % 30_000,
  i % 2 === 0,
  i / 7,
  new Date(START + i * 1000),
  new Date(START + (i % 1000) * 86_400_000),
];
/** The same row as waybill's sources hand it over: canonical text. */
const textRow = (i: number): Row => [
  String(i),
  String(i * 1_000_003),
  `customer number ${i}`,
  `city ${i % 997}`,
  (((i * 37) % 1_000_000) / 100).toFixed(2),
  String(i % 30_000),
  i % 2 === 0 ? '1' : '0',
  String(i / 7),
  `${new Date(START + i * 1000).toISOString().slice(0, 23)}000`,
  new Date(START + (i % 1000) * 86_400_000).toISOString().slice(0, 10),
];

const chunks = Array.from({ length: Math.ceil(rows / ROWS_PER_CHUNK) }, (_, chunk) => ({
  from: chunk * ROWS_PER_CHUNK,
  to: Math.min(rows, (chunk + 1) * ROWS_PER_CHUNK),
}));

function* bareRows(made: readonly unknown[][], from: number, to: number): Generator<unknown[]> {
  for (let i = from; i < to; i++) yield made[i] as unknown[];
}

async function* textRows(made: readonly Row[], from: number, to: number): AsyncGenerator<Row[]> {
  for (let i = from; i < to; i += ROWS_PER_BATCH) yield made.slice(i, Math.min(to, i + ROWS_PER_BATCH));
}

interface Measured {
  readonly wall: number;
  readonly cpu: number;
}

const measured = async (run: () => Promise<number>): Promise<Measured> => {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const loaded = await run();
  const wall = (performance.now() - start) / 1000;
  if (loaded !== rows) throw new Error(`${loaded} of ${rows} rows were loaded.`);
  const { user, system } = process.cpuUsage(cpu);
  return { wall, cpu: (user + system) / 1e6 };
};

const connect = (world: World, database: string): Promise<SqlServerConnection> => {
  const { server, port, user, passwordEnv, caFile } = world.sqlServer;
  const properties = {
    ...{ server: `${server},${port}`, database, userName: user, caFile },
    password: world.env[passwordEnv] ?? '',
  };
  const service = { name: 'bench', type: 'SqlServer', properties };
  return SqlServerConnection.open(sqlServerConfig(service), new AbortController().signal);
};

/** The connector's chunks, each in a transaction of its own; `verified` has the server hash them before the commit. */
const loadWaybill = async (world: World, made: readonly Row[], verified: boolean): Promise<number> => {
  const store = new SqlServerStore(await connect(world, DATABASE));
  const { dialect } = store;
  const staging = { schema: 'dbo', name: 'staged' };
  const mapped: MappedColumn[] = COLUMNS.map((one) => ({ source: one, sink: one }));
  await store.execute(dialect.dropTable(staging));
  await store.execute(dialect.createStaging(staging, COLUMNS, 'chunk'));
  let loaded = 0;
  for (const [chunk, { from, to }] of chunks.entries()) {
    const request: LoadRequest = { staging, columns: mapped, chunkColumn: 'chunk', chunk, generation: 1 };
    const passing = measureRows(textRows(made, from, to), mapped, { verify: verified, progress: () => {} });
    await store.begin();
    loaded += (await store.load(request, passing)).rows;
    if (verified) {
      const [found] = await store.query(dialect.checksum(staging, COLUMNS, 'chunk', chunk));
      if (String(found?.['c']) !== passing.figures().checksum) throw new Error('The checksums differ.');
    }
    await store.commit();
  }
  await store.close();
  return loaded;
};

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

const world = await worldUp({
  name: WORLD,
  engines: ['postgres', 'sqlserver'],
  report: (line) => console.error(line),
});
try {
  const master = await connect(world, 'master');
  await master.query(`DROP DATABASE IF EXISTS ${DATABASE}`, 'preparing');
  await master.query(`CREATE DATABASE ${DATABASE}`, 'preparing');
  await master.close();
  const bare = Array.from({ length: rows }, (_, i) => bareRow(i));
  const text = Array.from({ length: rows }, (_, i) => textRow(i));
  const contenders: Readonly<Record<string, () => Promise<Measured>>> = {
    'bare tedious': async () => {
      const connection = await connect(world, DATABASE);
      const { dialect } = new SqlServerStore(connection);
      const table = { schema: 'dbo', name: 'bare' };
      await connection.query(dialect.dropTable(table), 'preparing');
      await connection.query(dialect.createTable(table, COLUMNS), 'preparing');
      await connection.close();
      const sources = chunks.map(
        ({ from, to }) =>
          () =>
            bareRows(bare, from, to),
      );
      return measured(() => loadBare(world, DATABASE, '[dbo].[bare]', BARE, sources));
    },
    'waybill, row tokens': () => measured(() => loadWaybill(world, text, false)),
    'waybill, verified': () => measured(() => loadWaybill(world, text, true)),
  };
  const names = Object.keys(contenders);
  const results = new Map<string, Measured[]>(names.map((name) => [name, []]));
  // One round to warm up, not counted.
  for (let round = 0; round <= Number(flags.rounds); round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round) % names.length] ?? '';
      const result = await contenders[name]?.();
      if (round > 0 && result !== undefined) results.get(name)?.push(result);
    }
  }
  const figures = names.map((name) => {
    const all = results.get(name) ?? [];
    return { name, wall: median(all.map(({ wall }) => wall)), cpu: median(all.map(({ cpu }) => cpu)) };
  });
  const [floor] = figures;
  const table = figures.map(({ name, wall, cpu }) => [
    name,
    wall.toFixed(2),
    cpu.toFixed(2),
    Math.round(rows / wall).toLocaleString('en'),
    `${(((floor?.wall ?? 0) / wall) * 100).toFixed(0)} %`,
    `${(((floor?.cpu ?? 0) / cpu) * 100).toFixed(0)} %`,
  ]);
  console.log(
    formatTable([
      ['', 'wall s', 'CPU s', 'rows/s', 'speed of bare', 'rows per CPU s of bare'],
      ...table,
    ]).join('\n'),
  );
  const folder = join(import.meta.dirname, '../../../bench/results');
  await mkdir(folder, { recursive: true });
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, memory: totalmem(), node: process.version };
  await writeFile(
    join(folder, 'sql-server-load.json'),
    `${JSON.stringify({ at: new Date().toISOString(), rows, rounds: Number(flags.rounds), machine, figures }, null, 2)}\n`,
  );
} finally {
  await worldDown(WORLD, { destroy: true });
}
