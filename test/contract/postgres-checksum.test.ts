// The checksum over binary tuples equals the one PostgreSQL computes over the rows, for every type; and notices changes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { findTable } from '../../src/connectors/postgres/catalog.ts';
import { frameChecksumSql, hashKind } from '../../src/connectors/postgres/checksum-sql.ts';
import { PostgresConnection } from '../../src/connectors/postgres/connection.ts';
import { FrameChecksum } from '../../src/connectors/postgres/frame-checksum.ts';
import type { Column } from '../../src/core/types/column.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres-for-tests.ts';

/** A reproducible sequence of numbers from 0 to below `n` (mulberry32). */
const numbers = (seed: number): ((n: number) => number) => {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) % n;
  };
};

const pick = numbers(20_261_122);
const one = (...values: readonly string[]): string => values[pick(values.length)] ?? '';
const digits = (n: number): string => Array.from({ length: n }, () => String(pick(10))).join('');
const sign = (): string => one('', '-');
const letters = ['a', 'é', '漢', '🙂', ' ', '|', "''", 'Z', '\t'];
const text = (most: number): string =>
  Array.from({ length: pick(most + 1) }, () => letters[pick(letters.length)] ?? '').join('');
const bytes = (n: number): string =>
  Array.from({ length: n }, () => pick(256).toString(16).padStart(2, '0')).join('');
const year = (): string => String(1 + pick(9999)).padStart(4, '0');
const date = (): string =>
  one('infinity', '-infinity', '0044-03-15 BC', `${year()}-0${1 + pick(9)}-1${pick(10)}`);
const clock = (): string => `1${pick(10)}:${pick(6)}${pick(10)}:0${pick(10)}.${digits(6)}`;

/** A random literal's text by type. */
const TYPES: Readonly<Record<string, () => string>> = {
  smallint: () => one('-32768', '32767', '0', String(pick(60_000) - 30_000)),
  integer: () => one('-2147483648', '2147483647', '-1', String(pick(4_000_000_000) - 2_000_000_000)),
  bigint: () => one('-9223372036854775808', '9223372036854775807', '-1', '0', sign() + digits(1 + pick(18))),
  'numeric(20,6)': () =>
    one('0', 'NaN', `${sign()}${digits(1 + pick(13))}.${digits(6)}`, '0.000100', '10000', '-0.5'),
  numeric: () =>
    one(
      'NaN',
      'Infinity',
      '-Infinity',
      '0.00',
      `${sign()}${digits(1 + pick(60))}.${digits(1 + pick(60))}`,
      '1.10',
    ),
  real: () =>
    one('0', '-0', 'NaN', 'Infinity', '-Infinity', `${sign()}${digits(3)}.${digits(4)}e${pick(30) - 15}`),
  'double precision': () =>
    one('0', '-0', 'NaN', 'Infinity', `${sign()}${digits(8)}.${digits(9)}e${pick(400) - 200}`),
  boolean: () => one('true', 'false'),
  date,
  timestamp: () => one('infinity', '-infinity', 'epoch', `${year()}-02-1${pick(10)} ${clock()}`),
  timestamptz: () => one('infinity', '-infinity', `${year()}-02-1${pick(10)} ${clock()}+0${pick(10)}`),
  time: () => one('24:00:00', '00:00:00', clock()),
  timetz: () => `${clock()}${one('+', '-')}0${pick(10)}`,
  uuid: () => bytes(16),
  bytea: () => `\\x${bytes(pick(40))}`,
  text: () => one(text(30), text(400), ''),
  'varchar(50)': () => text(50),
  'char(12)': () => one('', 'a  ', text(10)),
  json: () => one('{"a":  1}', '[]', 'null', '"é"'),
  jsonb: () => one('{"a":  1}', '[]', 'null', `{"k": "${bytes(150)}"}`),
  inet: () => one(`10.0.0.${pick(256)}/8`, '::1', `192.168.0.${pick(256)}`),
  cidr: () => `10.0.${pick(256)}.0/24`,
  macaddr: () => bytes(6),
  macaddr8: () => bytes(8),
  interval: () => `${sign()}${pick(100)} mon ${pick(100)} days ${clock()}`,
  'bit(5)': () => one('00000', '10101', '11111'),
  'bit varying(9)': () => one('', '1', '010101010'),
};

describe('checksum of binary tuples', { timeout: 120_000 }, () => {
  let server: TestPostgres;
  let connection: PostgresConnection;
  let columns: Column[];

  before(async () => {
    server = await startTestPostgres();
    connection = await PostgresConnection.open(
      { host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' },
      new AbortController().signal,
    );
    const names = Object.keys(TYPES);
    await connection.execute(
      `CREATE TABLE kinds (${names.map((type, i) => `c${i} ${type}`).join(', ')})`,
      'creating',
    );
    for (let batch = 0; batch < 20; batch++) {
      const rows = Array.from({ length: 50 }, () => {
        const fields = Object.values(TYPES).map((make) => (pick(7) === 0 ? 'NULL' : `'${make()}'`));
        return `(${fields.join(', ')})`;
      });
      await connection.execute(`INSERT INTO kinds VALUES ${rows.join(', ')}`, 'inserting');
    }
    columns = (await findTable(connection, { schema: 'public', name: 'kinds' }))?.columns ?? [];
    assert.equal(columns.length, names.length);
  });
  after(async () => {
    await connection?.close();
    await server?.stop();
  });

  const ofFrames = async (chosen: readonly Column[], encoding = 'UTF8', from = 'kinds'): Promise<string> => {
    const sum = new FrameChecksum(chosen.map((column) => hashKind(column, encoding)));
    const list = chosen.map(({ name }) => name).join(', ');
    for await (const { data } of connection.binaryCopyOut(
      `COPY (SELECT ${list} FROM ${from}) TO STDOUT (FORMAT binary)`,
    )) {
      sum.add(data);
    }
    return sum.total();
  };
  const inSql = async (
    chosen: readonly Column[],
    facts: { version?: number; encoding?: string } = {},
    from = 'kinds',
  ): Promise<string> => {
    const sql = frameChecksumSql(chosen, { ...connection.server, ...facts }, from);
    return String((await connection.query(sql, 'summing'))[0]?.['c']);
  };

  test('every type by itself, and all together', async () => {
    for (const column of columns) {
      assert.equal(await ofFrames([column]), await inSql([column]), column.native);
    }
    assert.equal(await ofFrames(columns), await inSql(columns));
    assert.equal(await ofFrames(columns.toReversed()), await inSql(columns.toReversed()));
  });

  test('with the functions that PostgreSQL 14 has, and for a server that keeps no UTF-8', async () => {
    assert.equal(await ofFrames(columns), await inSql(columns, { version: 140_000 }));
    assert.equal(await ofFrames(columns, 'LATIN1'), await inSql(columns, { encoding: 'LATIN1' }));
  });

  test('no rows', async () => {
    assert.equal(await ofFrames(columns, 'UTF8', 'kinds WHERE false'), '0');
    assert.equal(await inSql(columns, {}, 'kinds WHERE false'), '0');
  });

  test('a lost row, a doubled row, a value in the wrong row and every changed value are noticed', async () => {
    const whole = await ofFrames(columns);
    await connection.execute('CREATE TABLE other (LIKE kinds)', 'creating');
    const changed = async (what: string, ...statements: readonly string[]): Promise<void> => {
      await connection.execute('TRUNCATE other; INSERT INTO other SELECT * FROM kinds', 'filling');
      assert.equal(await inSql(columns, {}, 'other'), whole);
      for (const statement of statements) assert.ok((await connection.execute(statement, what)) > 0, what);
      assert.notEqual(await inSql(columns, {}, 'other'), whole, what);
    };
    await changed('a lost row', 'DELETE FROM other WHERE ctid = (SELECT min(ctid) FROM other)');
    await changed('a doubled row', 'INSERT INTO other SELECT * FROM other LIMIT 1');
    await changed(
      'a swap',
      'UPDATE other o SET c15 = n.c15 FROM (SELECT ctid, lead(c15, 1, first) OVER (ORDER BY ctid) AS c15 ' +
        "FROM (SELECT ctid, c15, first_value(c15) OVER (ORDER BY ctid) AS first FROM other WHERE c15 <> '' LIMIT 2) x) n WHERE o.ctid = n.ctid",
    );
    for (const [i, type] of Object.keys(TYPES).entries()) {
      const at = `WHERE ctid = (SELECT min(ctid) FROM other WHERE c${i} IS NOT NULL`;
      await changed(`${type} made NULL`, `UPDATE other SET c${i} = NULL ${at})`);
      await changed(
        `another ${type}`,
        `UPDATE other SET c${i} = (SELECT n.c${i} FROM kinds n WHERE n.c${i}::text <> other.c${i}::text AND n.c${i}::text NOT IN ('0', '-0', 'NaN', 'Infinity', '-Infinity') LIMIT 1) ${at})`,
      );
    }
    await changed(
      'a sign',
      'UPDATE other SET c3 = -c3 WHERE ctid = (SELECT min(ctid) FROM other WHERE c3 > 0 AND c3 < 1000000)',
    );
  });

  test('bytes that are no such tuples are refused', () => {
    const sum = new FrameChecksum(['int4', 'int4']);
    assert.throws(() => sum.add(Buffer.from([0, 1, 0, 0, 0, 4, 0, 0, 0, 1])));
    assert.throws(() => sum.add(Buffer.from([0, 2, 0, 0, 0, 4, 0, 0])));
  });
});
