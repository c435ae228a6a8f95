// One way into or out of Snowflake, in a process of its own, so that its memory and CPU are its own. Prints one JSON line.
// Arguments: path, rows, directory for files in passing. BENCH_SNOWFLAKE holds the linked service's properties as JSON.
import snowflake, { type Connection, type RowStatement } from 'snowflake-sdk';
import { measureRows } from '../../src/connectors/common/measured-rows.ts';
import { findTable } from '../../src/connectors/snowflake/catalog.ts';
import { snowflakeConfig } from '../../src/connectors/snowflake/config.ts';
import { SnowflakeConnection } from '../../src/connectors/snowflake/connection.ts';
import { unloadOptions } from '../../src/connectors/snowflake/copy-options.ts';
import { SnowflakeSource } from '../../src/connectors/snowflake/reader.ts';
import { InternalStage } from '../../src/connectors/snowflake/stage.ts';
import { SnowflakeStore } from '../../src/connectors/snowflake/writer.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Row } from '../../src/core/types/column.ts';

/** Rows of one INSERT with array binds. Above 65,280 values the driver stages them as files by itself. */
const INLINE_ROWS = 5_000;
const STAGED_ROWS = 10_000;
/** waybill plans chunks of about this size; every one is a file, a COPY INTO and a commit. */
const CHUNK_ROWS = 75_000;

const [, , path = '', count = '0', directory = '.'] = process.argv;
const rows = Number(count);
const properties = JSON.parse(process.env['BENCH_SNOWFLAKE'] ?? '{}') as JsonObject;
const service = { name: 'bench', type: 'SnowflakeV2', properties };
const signal = new AbortController().signal;
const text = (name: string): string => String(properties[name]);

/** Ten columns, as canonical texts: what a source hands over. */
const rowOf = (i: number): Row => [
  String(i),
  `customer ${i % 5_000}`,
  `${i % 100_000}.${String(i % 10_000).padStart(4, '0')}`,
  String((i % 1_000) / 8),
  i % 3 === 0 ? '1' : '0',
  `20${String(10 + (i % 15)).padStart(2, '0')}-0${1 + (i % 9)}-${String(1 + (i % 28)).padStart(2, '0')}`,
  `2024-01-${String(1 + (i % 28)).padStart(2, '0')}T12:${String(i % 60).padStart(2, '0')}:00.${String(i % 1_000_000).padStart(6, '0')}000`,
  `note, with "quotes" and ${'text '.repeat(i % 8)}`,
  `{"k": ${i % 10}}`,
  i % 4 === 0 ? null : String(i % 77),
];

async function* batches(from: number, to: number): AsyncGenerator<Row[]> {
  for (let at = from; at < to; at += 1_000) {
    yield Array.from({ length: Math.min(1_000, to - at) }, (_, i) => rowOf(at + i));
  }
}

const driverConnection = (): Promise<Connection> => {
  snowflake.configure({ logLevel: 'OFF', additionalLogToConsole: false });
  const connection = snowflake.createConnection({
    account: text('accountIdentifier'),
    accessUrl: text('host'),
    username: text('user'),
    password: text('password'),
    database: text('database'),
    schema: 'PUBLIC',
  });
  return new Promise((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve(connection)));
  });
};

const execute = (
  connection: Connection,
  sqlText: string,
  binds?: (string | null)[][],
): Promise<RowStatement> =>
  new Promise((resolve, reject) => {
    connection.execute({
      sqlText,
      ...(binds === undefined ? {} : { binds: binds as never }),
      complete: (error, statement) => (error ? reject(error) : resolve(statement as RowStatement)),
    });
  });

/** waybill's own path in, without workflow and ledger: files, PUT, COPY INTO, and the checksum computed in the table. */
const load = async (): Promise<number> => {
  const connection = await SnowflakeConnection.open(snowflakeConfig(service), 'bench', signal);
  const stage = new InternalStage(connection, 'PUBLIC', `bench-${process.pid}`, directory);
  const store = new SnowflakeStore(connection, stage);
  const found = await findTable(connection, { schema: 'PUBLIC', name: 'LOADED' });
  const columns = (found?.columns ?? []).slice(0, 10).map((sink) => ({ source: sink, sink }));
  let loaded = 0;
  for (let chunk = 0; chunk * CHUNK_ROWS < rows; chunk++) {
    const request = {
      staging: { schema: 'PUBLIC', name: 'LOADED' },
      columns,
      chunkColumn: 'WB',
      chunk,
      generation: 1,
    };
    const range = batches(chunk * CHUNK_ROWS, Math.min(rows, (chunk + 1) * CHUNK_ROWS));
    const measured = measureRows(range, columns, { verify: true, progress: () => undefined });
    const files = await store.stage(request, measured);
    await store.begin();
    loaded += (await store.load(request, measured, files)).rows;
    const sql = store.dialect.checksum(
      request.staging,
      columns.map(({ sink }) => sink),
      'WB',
      chunk,
    );
    const [sum] = await store.query(sql);
    if (String(sum?.['c']) !== measured.figures().checksum) throw new Error(`chunk ${chunk} differs`);
    await store.commit();
  }
  await store.removeStaged();
  await store.close();
  return loaded;
};

/** What drivers' users write: INSERT with array binds. */
const binds = async (atOnce: number): Promise<number> => {
  const connection = await driverConnection();
  const places = Array.from({ length: 11 }, () => '?').join(', ');
  let inserted = 0;
  for (let at = 0; at < rows; at += atOnce) {
    const values: (string | null)[][] = [];
    for (let i = at; i < Math.min(rows, at + atOnce); i++) values.push([...rowOf(i), '0']);
    const statement = await execute(connection, `INSERT INTO PUBLIC.BOUND VALUES (${places})`, values);
    inserted += statement.getNumUpdatedRows() ?? 0;
  }
  return inserted;
};

const unload = async (): Promise<number> => {
  const connection = await SnowflakeConnection.open(snowflakeConfig(service), 'bench', signal);
  const copyId = `bench-${process.pid}`;
  const stage = new InternalStage(connection, 'PUBLIC', copyId, directory);
  const endpoint = {
    linkedService: 'bench',
    datasetType: 'SnowflakeV2Table',
    dataset: { schema: 'PUBLIC', table: 'LOADED' },
    settings: {},
  };
  const context = { linkedService: service, endpoint, copyId, workDirectory: directory, signal };
  const source = new SnowflakeSource(connection, stage, context, 'PUBLIC', unloadOptions({}));
  const columns = (await source.columns()).slice(0, 10);
  let read = 0;
  for await (const batch of source.read(columns, { lower: null, upper: null }, {})) read += batch.length;
  await source.close();
  return read;
};

/** The driver's own way to read a large result: objects from streamRows. */
const streamRows = async (): Promise<number> => {
  const connection = await driverConnection();
  const statement = await new Promise<RowStatement>((resolve, reject) => {
    connection.execute({
      sqlText: 'SELECT * FROM PUBLIC.LOADED',
      streamResult: true,
      complete: (error, done) => (error ? reject(error) : resolve(done as RowStatement)),
    });
  });
  let read = 0;
  for await (const row of statement.streamRows()) if (row !== undefined) read++;
  return read;
};

const paths: Readonly<Record<string, () => Promise<number>>> = {
  load,
  inlineBinds: () => binds(INLINE_ROWS),
  stagedBinds: () => binds(STAGED_ROWS),
  unload,
  streamRows,
};
const run = paths[path];
if (run === undefined) throw new Error(`There is no path "${path}".`);
let peak = 0;
const timer = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 100);
const cpu = process.cpuUsage();
const started = performance.now();
const moved = await run();
const wall = (performance.now() - started) / 1_000;
const used = process.cpuUsage(cpu);
clearInterval(timer);
console.log(
  JSON.stringify({
    rows: moved,
    wall,
    cpu: (used.user + used.system) / 1e6,
    rssMb: Math.max(peak, process.memoryUsage.rss()) / 1_048_576,
  }),
);
process.exit(0);
