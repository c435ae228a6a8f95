// The SQL Server sink's own bulk encoding: the ends of every type arrive as they went, and what does not fit is refused.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { quote, sqlServerDialect } from '../../src/connectors/sql-server/dialect.ts';
import { canonicalText } from '../../src/connectors/sql-server/types.ts';
import { SqlServerStore } from '../../src/connectors/sql-server/writer.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column, Row } from '../../src/core/types/column.ts';
import { openProduct, type SqlServerUnderTest, startSqlServer } from '../support/sql-server-stand-in.ts';

// A zone in which local years differ from UTC's at both ends of the calendar's range.
process.env['TZ'] = 'America/New_York';

type Facts = Partial<Column> & Pick<Column, 'type'>;

/** Per column the texts that must come back as they are, then texts that do not fit. */
const CASES: Readonly<Record<string, { column: Facts; held: string[]; refused: string[] }>> = {
  tinyint: { column: { type: 'Int16', native: 'tinyint' }, held: ['0', '255'], refused: ['-1', '256', 'x'] },
  smallint: { column: { type: 'Int16' }, held: ['-32768', '-1', '32767'], refused: ['-32769', '32768'] },
  int: { column: { type: 'Int32' }, held: ['-2147483648', '0', '2147483647'], refused: ['2147483648'] },
  bigint: {
    column: { type: 'Int64' },
    held: ['-9223372036854775808', '-1', '999999999999999', '9007199254740993', '9223372036854775807'],
    refused: ['9223372036854775808', '1.5', 'x'],
  },
  small_decimal: {
    column: { type: 'Decimal', precision: 9, scale: 2 },
    held: ['-9999999.99', '0.00', '-0.01', '9999999.99'],
    refused: ['10000000.00', '0.001', 'NaN', 'Infinity'],
  },
  decimal19: {
    column: { type: 'Decimal', precision: 19, scale: 4 },
    held: ['-999999999999999.9999', '922337203685477.5807', '0.0001'],
    refused: ['1000000000000000.0000'],
  },
  decimal28: {
    column: { type: 'Decimal', precision: 28, scale: 0 },
    held: ['-9999999999999999999999999999', '79228162514264337593543950', '4294967296'],
    refused: ['10000000000000000000000000000'],
  },
  decimal38: {
    column: { type: 'Decimal', precision: 38, scale: 10 },
    held: [
      '-9999999999999999999999999999.9999999999',
      '0.0000000001',
      '1234567890123456789012345678.0123456789',
    ],
    refused: ['10000000000000000000000000000.0000000000'],
  },
  flag: { column: { type: 'Boolean' }, held: ['0', '1'], refused: [] },
  day: {
    column: { type: 'Date' },
    held: ['0001-01-01', '1900-02-28', '1969-12-31', '2024-02-29', '9999-12-31'],
    refused: ['0000-01-01', '10000-01-01', 'infinity'],
  },
  at: {
    column: { type: 'DateTime', scale: 6 },
    held: [
      '0001-01-01T00:00:00.000001',
      '1969-12-31T23:59:59.999999',
      '1970-01-01T00:00:00.000000',
      '9999-12-31T23:59:59.999999',
    ],
    refused: ['infinity', '0044-03-15T00:00:00 BC'.slice(1)],
  },
  moment: {
    column: { type: 'DateTimeOffset', scale: 6 },
    held: ['0001-01-01T00:00:00.000001Z', '1969-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
    refused: ['-infinity'],
  },
  third: {
    column: { type: 'DateTime', native: 'datetime', scale: 3 },
    held: ['1753-01-01T00:00:00.003000', '1899-12-31T23:59:59.997000', '9999-12-31T23:59:59.997000'],
    refused: ['2024-01-01T00:00:00.001000', '2024-01-01T00:00:00.003001'],
  },
  minute: {
    column: { type: 'DateTime', native: 'smalldatetime', scale: 3 },
    held: ['1900-01-01T00:00:00.000000', '2079-06-06T23:59:00.000000'],
    refused: [
      '1899-12-31T23:59:00.000000',
      '2079-06-07T00:00:00.000000',
      '2024-01-01T00:00:01.000000',
      '2024-01-01T00:00:00.003000',
    ],
  },
  clock: {
    column: { type: 'TimeSpan', scale: 6 },
    held: ['00:00:00.000000', '23:59:59.999999'],
    refused: ['x'],
  },
  coarse: {
    column: { type: 'TimeSpan', scale: 0 },
    held: ['00:00:00.000000', '23:59:59.000000'],
    refused: [],
  },
  token: {
    column: { type: 'Guid' },
    held: ['6f9619ff-8b86-d011-b42d-00c04fc964ff', '00000000-0000-0000-0000-000000000000'],
    refused: ['6f9619ff8b86d011b42d00c04fc964ff', 'x'],
  },
  raw: { column: { type: 'Byte[]', length: 4 }, held: ['', '00FF10AB'], refused: ['0011223344', 'XX'] },
  long_raw: { column: { type: 'Byte[]' }, held: ['', '00FF', 'AB'.repeat(20_000)], refused: ['0'] },
  name: {
    column: { type: 'String', length: 30 },
    held: ['', 'é 🙂 漢字', 'x'.repeat(30)],
    refused: ['x'.repeat(31)],
  },
  note: { column: { type: 'String' }, held: ['', 'é 🙂 漢字', '🙂'.repeat(100_000)], refused: [] },
  code: {
    column: { type: 'String', native: 'varchar', length: 5 },
    held: ['', 'žluť', 'abcde'],
    refused: [],
  },
};

describe('bulk loading SQL Server', () => {
  let server: SqlServerUnderTest;
  let store: SqlServerStore;
  const table = (name: string) => ({ schema: 'dbo', name });
  const load = (name: string, columns: readonly Column[], rows: readonly Row[]) =>
    store.load(
      {
        staging: table(name),
        columns: columns.map((sink) => ({ source: sink, sink })),
        chunkColumn: 'chunk',
        chunk: 7,
        generation: 1,
      },
      {
        batches: (async function* () {
          for (const row of rows) yield [[...row]];
        })(),
        figures: () => ({ rows: rows.length, bytes: 0, checksum: '0' }),
      },
    );

  before(async () => {
    server = await startSqlServer();
    const connection = await openProduct(server, {});
    store = new SqlServerStore(connection);
  });
  after(async () => {
    await store?.close();
    await server?.stop();
  });

  for (const [name, { column: facts, held, refused }] of Object.entries(CASES)) {
    test(name, async () => {
      const column: Column = { name, nullable: true, native: '', ...facts };
      await store.execute(sqlServerDialect.createStaging(table(name), [column], 'chunk'));
      assert.equal(
        (
          await load(
            name,
            [column],
            [...held, null].map((value) => [value]),
          )
        ).rows,
        held.length + 1,
      );
      const rows = await store.query(
        `SELECT ${canonicalText(column, sqlServerDialect.fromStaging(column))} AS t FROM dbo.${quote(name)} WHERE ${quote(name)} IS NOT NULL AND chunk = 7`,
      );
      assert.deepEqual(rows.map((row) => row['t']).sort(), [...held].sort());
      for (const text of refused) {
        await assert.rejects(load(name, [column], [[held[0] ?? null], [text]]), (error: unknown) => {
          assert.ok(error instanceof WaybillError);
          assert.equal(error.code, 'SINK_TYPE_OVERFLOW');
          assert.ok(text.length < 6 || !error.message.includes(text), 'the message shows no value');
          return true;
        });
      }
      const [count] = await store.query(`SELECT COUNT(*) AS n FROM dbo.${quote(name)}`);
      assert.equal(count?.['n'], held.length + 1);
    });
  }

  test('floats keep every bit, and infinity is refused', async () => {
    const columns: Column[] = [
      { name: 'd', type: 'Double', nullable: true, native: '' },
      { name: 'r', type: 'Single', nullable: true, native: '' },
    ];
    await store.execute(sqlServerDialect.createStaging(table('floats'), columns, 'chunk'));
    await load('floats', columns, [
      ['0.1', '0.1'],
      ['1.7976931348623157e+308', '3.4028235e+38'],
      ['5e-324', '-1e-45'],
    ]);
    const rows = await store.query('SELECT d, r FROM dbo.floats ORDER BY d');
    assert.deepEqual(rows, [
      { d: 5e-324, r: Math.fround(-1e-45) },
      { d: 0.1, r: Math.fround(0.1) },
      { d: Number.MAX_VALUE, r: Math.fround(3.4028235e38) },
    ]);
    for (const row of [
      ['Infinity', null],
      [null, '1e39'],
      ['NaN', null],
    ]) {
      await assert.rejects(load('floats', columns, [row]), { code: 'SINK_TYPE_OVERFLOW' });
    }
  });

  test('no rows, and more rows than a batch holds', async () => {
    const columns: Column[] = [{ name: 'n', type: 'Int32', nullable: true, native: '' }];
    await store.execute(sqlServerDialect.createStaging(table('many'), columns, 'chunk'));
    assert.equal((await load('many', columns, [])).rows, 0);
    const rows = Array.from({ length: 50_000 }, (_, n) => [String(n)]);
    assert.equal((await load('many', columns, rows)).rows, 50_000);
    const [found] = await store.query(
      'SELECT COUNT(DISTINCT n) AS n, SUM(CAST(n AS bigint)) AS s FROM dbo.many',
    );
    assert.deepEqual([found?.['n'], String(found?.['s'])], [50_000, String((50_000 * 49_999) / 2)]);
  });
});
