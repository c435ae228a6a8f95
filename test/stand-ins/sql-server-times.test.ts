// The SQL Server stand-in's times at the ends of their ranges: by bulk load, as parameters and as results, exactly.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import sql from 'mssql';
import pg from 'pg';
import { type SqlServerUnderTest, startSqlServer } from '../support/sql-server-stand-in.ts';

// tedious checks the years of bulk loaded dates in local time: west of Greenwich it refuses 0001-01-01.
process.env['TZ'] = 'UTC';

/** tedious's Date: milliseconds, and what is finer in seconds beside it. */
type FineDate = Date & { nanosecondsDelta?: number; nanosecondDelta?: number };

const TIMES = [
  '0001-01-01 00:00:00.000000',
  '0001-01-01 00:00:00.000001',
  '1714-06-11 12:34:56.654321',
  '1899-12-31 23:59:59.999999',
  '1969-12-31 23:59:59.999999',
  '1970-01-01 00:00:00.000000',
  '1970-01-01 00:00:00.000001',
  '1999-12-31 23:59:59.999999',
  '2000-01-01 00:00:00.000000',
  '2285-06-05 23:47:34.740993',
  '2286-01-01 00:00:00.000001',
  '9999-12-31 00:00:00.000001',
  '9999-12-31 23:59:59.999999',
];

const fine = (text: string): FineDate => {
  const date: FineDate = new Date(`${text.slice(0, 23).replace(' ', 'T')}Z`);
  date.nanosecondDelta = Number(text.slice(23)) / 1e6;
  return date;
};

/** The text of a value that was read, to the microsecond. */
const shown = (value: FineDate): string => {
  const micros = Math.round((value.nanosecondsDelta ?? 0) * 1e6);
  return `${value.toISOString().replace('T', ' ').slice(0, 23)}${String(micros).padStart(3, '0')}`;
};

describe('times at the ends of their ranges', () => {
  let server: SqlServerUnderTest;
  let pool: sql.ConnectionPool;
  let held: pg.Client;
  const stored = async (table: string): Promise<string[][]> => {
    const { rows } = await held.query({
      text: `SELECT at::text, zoned AT TIME ZONE 'UTC', day::text, clock::text FROM ${table} ORDER BY id`,
      rowMode: 'array',
      types: { getTypeParser: () => (text: string) => text },
    });
    return rows;
  };
  const bare = (text: string): string =>
    text.replace(/\.(\d*?)0+$/, (_, digits: string) => (digits === '' ? '' : `.${digits}`));
  const expected = TIMES.map((text) =>
    [text, text, text.slice(0, 10), text.slice(11)].map((part, i) => (i === 2 ? part : bare(part))),
  );
  const seen = (rows: string[][]): string[][] =>
    rows.map((row) => row.map((part, i) => (i === 2 ? part : bare(part))));

  before(async () => {
    server = await startSqlServer();
    pool = await server.pool('master');
    await pool.request().query('CREATE DATABASE times');
    pool = await server.pool('times');
    const shape =
      '(id int NOT NULL, at datetime2(6) NULL, zoned datetimeoffset(6) NULL, day date NULL, clock time(6) NULL)';
    await pool.request().query(`CREATE TABLE dbo.loaded ${shape}; CREATE TABLE dbo.bound ${shape}`);
    const found = new pg.Client({
      port: server.postgres.port,
      host: '127.0.0.1',
      user: 'postgres',
      database: 'postgres',
    });
    await found.connect();
    const { rows } = await found.query("SELECT datname FROM pg_database WHERE datname LIKE '%times%'");
    await found.end();
    held = new pg.Client({
      port: server.postgres.port,
      host: '127.0.0.1',
      user: 'postgres',
      database: rows[0].datname,
    });
    await held.connect();
  });
  after(async () => {
    await held?.end();
    await server?.stop();
  });

  test('by bulk load', async () => {
    const table = new sql.Table('dbo.loaded');
    table.columns.add('id', sql.Int, { nullable: false });
    table.columns.add('at', sql.DateTime2(6), { nullable: true });
    table.columns.add('zoned', sql.DateTimeOffset(6), { nullable: true });
    table.columns.add('day', sql.Date, { nullable: true });
    table.columns.add('clock', sql.Time(6), { nullable: true });
    for (const [id, text] of TIMES.entries())
      table.rows.add(id, fine(text), fine(text), fine(text), fine(text));
    assert.equal((await pool.request().bulk(table)).rowsAffected, TIMES.length);
    assert.deepEqual(seen(await stored('dbo.loaded')), expected);
  });

  test('as parameters', async () => {
    for (const [id, text] of TIMES.entries()) {
      await pool
        .request()
        .input('id', sql.Int, id)
        .input('at', sql.DateTime2(6), fine(text))
        .input('zoned', sql.DateTimeOffset(6), fine(text))
        .input('day', sql.Date, fine(text))
        .input('clock', sql.Time(6), fine(text))
        .query('INSERT INTO dbo.bound (id, at, zoned, day, clock) VALUES (@id, @at, @zoned, @day, @clock)');
    }
    assert.deepEqual(seen(await stored('dbo.bound')), expected);
  });

  test('as results', async () => {
    const { recordset } = await pool
      .request()
      .query('SELECT at, zoned, day, clock FROM dbo.bound ORDER BY id');
    const rows = (recordset as unknown as Record<'at' | 'zoned' | 'day' | 'clock', FineDate>[]).map((row) => [
      shown(row.at),
      shown(row.zoned),
      row.day.toISOString().slice(0, 10),
      shown(row.clock).slice(11),
    ]);
    assert.deepEqual(
      rows,
      TIMES.map((text) => [text, text, text.slice(0, 10), text.slice(11)]),
    );
  });

  test('datetime keeps 1/300 s from 1753 to 9999', async () => {
    const { recordset } = await pool
      .request()
      .query(
        "SELECT CAST('1753-01-01 00:00:00.003' AS datetime) AS low, CAST('1969-12-31 23:59:59.997' AS datetime) AS old, CAST('9999-12-31 23:59:59.997' AS datetime) AS high",
      );
    const row = recordset[0] as unknown as Record<'low' | 'old' | 'high', Date>;
    assert.deepEqual(
      [row.low.toISOString(), row.old.toISOString(), row.high.toISOString()],
      ['1753-01-01T00:00:00.003Z', '1969-12-31T23:59:59.997Z', '9999-12-31T23:59:59.997Z'],
    );
  });
});
