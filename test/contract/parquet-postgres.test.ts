// A real PostgreSQL's COPY BINARY into Parquet: what the file holds is what the table holds, and what the path by rows
// would have written.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { parquetFormat } from '../../src/connectors/common/parquet/parquet-format.ts';
import type { CopySource } from '../../src/connectors/connector.ts';
import { postgres as connector } from '../../src/connectors/postgres/index.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Column, Row } from '../../src/core/types/column.ts';
import { boundaryRows, bytesOf, EVERY_TYPE, memoryFile, randomRows } from '../support/parquet-samples.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres-for-tests.ts';

const format = parquetFormat();

const typeIn = ({ native, precision, scale, length }: Column): string => {
  if (native === 'numeric') return `numeric(${precision},${scale})`;
  return length === undefined ? native : `${native}(${length})`;
};

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (column: Column, value: string | null | undefined): string => {
  if (value === null || value === undefined) return 'NULL';
  const text = column.type === 'Byte[]' ? `\\x${value}` : value;
  return `'${text.replaceAll("'", "''")}'::${column.native}`;
};

describe('PostgreSQL to Parquet', { timeout: 300_000 }, () => {
  let server: TestPostgres;
  let db: pg.Client;

  before(async () => {
    server = await startTestPostgres();
    db = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' });
    await db.connect();
    await db.query("SET timezone = 'UTC'");
  });
  after(async () => {
    await db?.end();
    await server?.stop();
  });

  const open = (settings: JsonObject): Promise<CopySource> =>
    connector.openSource({
      linkedService: {
        name: 'pg',
        type: 'PostgreSqlV2',
        properties: {
          server: '127.0.0.1',
          port: server.port,
          username: 'postgres',
          database: 'postgres',
          sslMode: 'disable',
        },
      },
      endpoint: { linkedService: 'pg', datasetType: 'PostgreSqlV2Table', dataset: {}, settings },
      copyId: 'parquet',
      workDirectory: '/tmp',
      signal: new AbortController().signal,
    });

  /** Rows of the file that the query's frames make, and rows as the source reads them itself. */
  const both = async (query: string): Promise<{ columns: Column[]; stored: Row[]; read: Row[] }> => {
    const source = await open({ query });
    try {
      const columns = await source.columns();
      const { ranges, sourceState } = await source.plan(1);
      const [range] = ranges;
      assert(range !== undefined && ranges.length === 1);
      const mapped = columns.map((column) => ({ source: column, sink: column }));
      assert(source.wireFormats?.(columns).includes('pg-binary'));
      assert(format.acceptsFrames('pg-binary', mapped));
      const frames = source.readFrames?.('pg-binary', columns, range, sourceState);
      assert(frames !== undefined);
      const encoded = format.encodeFrames?.('pg-binary', mapped, frames);
      assert(encoded !== undefined);
      const file = memoryFile(await bytesOf(encoded));
      assert.deepEqual(await format.verify?.(file), encoded.figures());
      const stored: Row[] = [];
      for await (const batch of format.read(file, columns, { part: null })) stored.push(...batch);
      const read: Row[] = [];
      for await (const batch of source.read(columns, range, sourceState)) read.push(...batch);
      return { columns, stored, read };
    } finally {
      await source.close();
    }
  };

  test('every type, bounds and seeded random values', async () => {
    const rows = [...boundaryRows(EVERY_TYPE), ...randomRows(EVERY_TYPE, 1_500, 7)].map((row) =>
      row.map((value, i) => value?.slice(0, EVERY_TYPE[i]?.length) ?? null),
    );
    const fields = EVERY_TYPE.map((column) => `${quoted(column.name)} ${typeIn(column)}`);
    await db.query(`CREATE TABLE kinds (n serial, ${fields.join(', ')})`);
    const names = EVERY_TYPE.map(({ name }) => quoted(name)).join(', ');
    for (let at = 0; at < rows.length; at += 200) {
      const tuples = rows
        .slice(at, at + 200)
        .map((row) => `(${EVERY_TYPE.map((column, i) => literal(column, row[i])).join(', ')})`);
      await db.query(`INSERT INTO kinds (${names}) VALUES ${tuples.join(', ')}`);
    }
    const { stored, read } = await both(`SELECT ${names} FROM kinds ORDER BY n`);
    assert.equal(stored.length, rows.length);
    assert.deepEqual(stored, rows);
    // PostgreSQL prints some floats with more digits than it takes to tell them apart: numbers are compared.
    const numbers = (some: Row[]): unknown[][] =>
      some.map((row) =>
        row.map((value, i) =>
          value !== null && EVERY_TYPE[i]?.type === 'Single'
            ? Math.fround(Number(value))
            : value === '-0'
              ? '0'
              : value,
        ),
      );
    assert.deepEqual(numbers(read), numbers(stored));
  });

  test('what the declared types leave open: numerics without precision, char(n), an empty result', async () => {
    const query = `SELECT i AS id, (i * 1000003.25)::numeric AS loose, 'x'::char(9) AS padded, i::numeric(38,0) * 9007199254740993 AS wide
      FROM generate_series(-50, 50) AS i`;
    const { stored, read } = await both(query);
    assert.equal(stored.length, 101);
    assert.deepEqual(stored, read);
    assert.deepEqual(stored[50], ['0', '0.0000000000', 'x', stored[50]?.[3]]);
    assert.deepEqual((await both(`${query} WHERE false`)).stored, []);
  });

  test('values without a place in the file fail, naming the column', async () => {
    const values: [string, RegExp][] = [
      ["'NaN'::numeric(9,2)", /column bad .*NaN/],
      ["'infinity'::timestamptz", /column bad .*infinity/],
      ["'-infinity'::date", /column bad .*infinity/],
      ["'24:00'::time", /column bad .*24:00/],
      ['1e-11::numeric', /column bad .*digits after the point/],
    ];
    for (const [value, message] of values) {
      await assert.rejects(both(`SELECT ${value} AS bad FROM generate_series(1, 3)`), {
        code: 'SINK_TYPE_OVERFLOW',
        message,
      });
    }
  });
});
