// Values on their way into and out of MySQL: types, the text of LOAD DATA, decoding, errors without values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowDecoder } from '../../src/connectors/mysql/decoders.ts';
import { mysqlDialect } from '../../src/connectors/mysql/dialect.ts';
import { mysqlError } from '../../src/connectors/mysql/errors.ts';
import {
  insertStatements,
  loadColumns,
  loadLines,
  loadStatement,
} from '../../src/connectors/mysql/load-text.ts';
import { columnFromFacts, sourceColumn, targetColumn } from '../../src/connectors/mysql/types.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column, InterimType } from '../../src/core/types/column.ts';

const rules = { zeroDates: 'refuse', tinyAsBoolean: true } as const;
const column = (type: InterimType, native = '', name = 'c'): Column => ({
  name,
  type,
  native,
  nullable: true,
});
const coded = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof WaybillError && error.code === code && text.test(error.message);

test('every type of MySQL has its interim type', () => {
  const shape = (type: string): string => {
    const {
      type: interim,
      precision,
      scale,
      length,
    } = columnFromFacts({ name: 'c', type, nullable: true }, rules);
    return [interim, precision, scale, length].filter((part) => part !== undefined).join(' ');
  };
  for (const [type, expected] of [
    ['tinyint(1)', 'Boolean'],
    ['tinyint(4)', 'Int16'],
    ['tinyint(1) unsigned', 'Int16'],
    ['smallint(6)', 'Int16'],
    ['smallint unsigned', 'Int32'],
    ['mediumint(8) unsigned', 'Int32'],
    ['int', 'Int32'],
    ['int(10) unsigned zerofill', 'Int64'],
    ['bigint(20)', 'Int64'],
    ['bigint unsigned', 'Decimal 20 0'],
    ['decimal(10,2)', 'Decimal 10 2'],
    ['float', 'Single'],
    ['double', 'Double'],
    ['bit(1)', 'Boolean'],
    ['bit(12)', 'Byte[] 2'],
    ['year(4)', 'Int16'],
    ['date', 'Date'],
    ['datetime', 'DateTime 0'],
    ['datetime(6)', 'DateTime 6'],
    ['timestamp(3)', 'DateTimeOffset 3'],
    ['time(6)', 'TimeSpan 6'],
    ['uuid', 'Guid'],
    ['varbinary(20)', 'Byte[] 20'],
    ['mediumblob', 'Byte[]'],
    ['varchar(20)', 'String 20'],
    ['longtext', 'String'],
    ['json', 'String'],
    ["enum('a','b(2)')", 'String'],
    ["set('x','y')", 'String'],
  ] as const)
    assert.equal(shape(type), expected, type);
  const wide = { name: 'c', type: 'decimal(65,30)', nullable: true };
  assert.equal(sourceColumn(wide, rules).type, 'String');
  assert.equal(targetColumn(wide, rules).precision, 65);
  assert.equal(sourceColumn({ ...wide, type: 'datetime' }, { ...rules, zeroDates: 'text' }).type, 'String');
  assert.equal(targetColumn({ ...wide, type: 'datetime' }, { ...rules, zeroDates: 'text' }).type, 'DateTime');
  assert.equal(
    sourceColumn({ name: 'c', type: 'date', nullable: false }, { ...rules, zeroDates: 'null' }).nullable,
    true,
  );
});

test('a row of LOAD DATA tells NULL, an empty text and the word NULL apart, and keeps what separates', () => {
  const columns = loadColumns([
    column('String'),
    column('Int32'),
    column('DateTimeOffset'),
    column('Byte[]'),
  ]);
  const lines = loadLines(
    [
      [null, null, null, null],
      ['', '-1', '2024-02-29T01:02:03.500000Z', ''],
      ['a\tb\nc\\N\0d\r', '0', null, '00FF'],
      ['NULL', '1', null, null],
    ],
    columns,
    7,
  );
  assert.deepEqual(lines.split('\n'), [
    '\\N\t\\N\t\\N\t\\N\t7',
    '\t-1\t2024-02-29T01:02:03.500000\t\t8',
    'a\\tb\\nc\\\\N\\0d\r\t0\t\\N\t00FF\t9',
    'NULL\t1\t\\N\t\\N\t10',
    '',
  ]);
});

test('statements name every column, and turn texts that are no values into them', () => {
  const columns = loadColumns([
    column('String', '', 'a`b'),
    column('Byte[]', 'varbinary(9)', 'raw'),
    column('Byte[]', 'bit(12)', 'bits'),
    column('Boolean', 'bit(1)', 'flag'),
  ]);
  const target = { table: '`d`.`t`', chunkColumn: '_wb_chunk', chunk: 3, generation: 9 };
  const statement = loadStatement(target, columns);
  assert.match(statement, /\(`a``b`, @v1, @v2, @v3, `_wb_row`\) SET `raw` = UNHEX\(@v1\), /);
  assert.match(
    statement,
    /`bits` = CAST\(CONV\(@v2, 16, 10\) AS UNSIGNED\), `flag` = CAST\(@v3 AS UNSIGNED\), /,
  );
  assert.match(statement, /`_wb_chunk` = 3, `_wb_attempt` = 9$/);
  const rows = [
    ["it's \\ 'x'\0", '00FF', '0AAA', '1'],
    [null, null, null, null],
  ];
  const inserts = [...insertStatements(rows, columns, target, 0, 1)];
  assert.equal(inserts.length, 2);
  assert.match(
    inserts[0] ?? '',
    /VALUES \('it''s \\\\ ''x''\\0', UNHEX\('00FF'\), CAST\(CONV\('0AAA', 16, 10\) AS UNSIGNED\), CAST\('1' AS UNSIGNED\), 3, 9, 0\)$/,
  );
  assert.match(inserts[1] ?? '', /VALUES \(NULL, NULL, NULL, NULL, 3, 9, 1\)$/);
});

test('what the driver hands over becomes canonical text', () => {
  const types: InterimType[] = [
    'Int32',
    'Boolean',
    'DateTime',
    'DateTimeOffset',
    'TimeSpan',
    'Single',
    'Double',
    'Byte[]',
  ];
  const decode = rowDecoder(
    types.map((type) => column(type)),
    'refuse',
    undefined,
  );
  assert.deepEqual(
    decode([
      5,
      1,
      '2024-02-29 13:14:15',
      '2024-02-29 13:14:15.5',
      '01:02:03',
      '0.10000000149011612',
      '1e300',
      Buffer.from('00ff', 'hex'),
    ]),
    [
      '5',
      '1',
      '2024-02-29T13:14:15.000000',
      '2024-02-29T13:14:15.500000Z',
      '01:02:03.000000',
      '0.1',
      '1e+300',
      '00FF',
    ],
  );
  assert.deepEqual(
    decode(types.map(() => null)),
    types.map(() => null),
  );
  const single = rowDecoder([column('Single')], 'refuse', undefined);
  for (const [text, expected] of [
    ['16777216', '16777216'],
    ['3.4028234663852886e38', '3.4028235e+38'],
    ['1.401298464324817e-45', '1e-45'],
    ['-2.5', '-2.5'],
  ] as const) {
    assert.deepEqual(single([text]), [expected]);
    assert.equal(Math.fround(Number(expected)), Math.fround(Number(text)));
  }
});

test('a value that no other store keeps is refused with its column and row', () => {
  const key = { ...column('Int32'), name: 'id' };
  const refused = (one: Column, value: unknown, text: RegExp): void => {
    const decode = rowDecoder([key, { ...one, name: 'seen' }], 'refuse', 'id');
    assert.throws(() => decode([42, value]), coded('SINK_TYPE_OVERFLOW', text), String(value));
  };
  for (const zero of ['0000-00-00', '2024-00-01', '2024-01-00'])
    refused(column('Date', 'date'), zero, /column seen \(date\) of the row where id is 42 holds a zero date/);
  refused(column('DateTime', 'datetime'), '0000-00-00 00:00:00', /convertZeroDateTime/);
  for (const clock of ['24:00:00', '-01:00:00', '838:59:59.000000'])
    refused(column('TimeSpan', 'time'), clock, /a time outside/);
  refused(column('Boolean', 'tinyint(1)'), 2, /treatTinyAsBoolean/);
  assert.deepEqual(rowDecoder([column('Date')], 'null', undefined)(['0000-00-00']), [null]);
  const second = rowDecoder([column('TimeSpan')], 'refuse', undefined);
  second(['00:00:00']);
  assert.throws(() => second(['99:00:00']), coded('SINK_TYPE_OVERFLOW', /of row 2 of its range/));
});

test('a preCopyScript stays within the transaction, or is refused', () => {
  const statements = (script: string) => [...mysqlDialect.transactional(script)];
  for (const script of [
    'TRUNCATE TABLE `shop`.`a;b`',
    'truncate `shop`.`a;b` ;',
    '# empty; it\nTRUNCATE /* now */ TABLE -- yes\n `shop`.`a;b`;;',
    'TRUNCATE TABLE `shop`.`a;b` /*!50000 , other */',
  ])
    assert.deepEqual(statements(script), ['DELETE FROM `shop`.`a;b`'], script);
  assert.deepEqual(statements(`DELETE FROM t WHERE a = "x;\\";"; UPDATE t SET b = 1--1`), [
    'DELETE FROM t WHERE a = "x;\\";"',
    'UPDATE t SET b = 1--1',
  ]);
  for (const script of [
    'DROP TABLE t',
    'DELETE FROM t; CREATE TABLE u (a int)',
    'SET autocommit = 1',
    'CALL p()',
    'TRUNCATE TABLE a, b',
  ])
    assert.throws(
      () => statements(script),
      coded('DEFINITION_UNSUPPORTED', /would not stay within MySQL's transaction/),
    );
});

test('errors have codes, and no values of rows', () => {
  for (const [number, code] of [
    [1045, 'AUTHENTICATION_FAILED'],
    [1205, 'STORE_BUSY'],
    [1213, 'STORE_BUSY'],
    [1040, 'STORE_BUSY'],
    [3024, 'STORE_BUSY'],
    [1053, 'CONNECTION_FAILED'],
    [2006, 'CONNECTION_FAILED'],
    [2013, 'CONNECTION_FAILED'],
    [1927, 'CONNECTION_FAILED'],
    [1146, 'OBJECT_MISSING'],
    [1264, 'SINK_TYPE_OVERFLOW'],
    [1062, 'CONSTRAINT_VIOLATED'],
    [1064, 'QUERY_FAILED'],
  ] as const)
    assert.equal(mysqlError({ errno: number, message: 'x' }, 'trying').code, code, String(number));
  for (const driver of [
    'ECONNREFUSED',
    'PROTOCOL_CONNECTION_LOST',
    'ETIMEDOUT',
    'EPIPE',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
  ])
    assert.equal(
      mysqlError({ code: driver, errno: -111, message: 'x' }, 'trying').code,
      'CONNECTION_FAILED',
      driver,
    );
  assert.equal(mysqlError({ code: 'HANDSHAKE_NO_SSL_SUPPORT' }, 'connecting').code, 'SETTINGS_INVALID');
  const { message } = mysqlError(
    { errno: 1366, message: "Incorrect integer value: 'a secret's ; value' for column `d`.`t`.`n` at row 7" },
    'loading',
  );
  assert.equal(message, 'MySQL, loading: error 1366 Incorrect integer value for column `d`.`t`.`n` at row 7');
  const truncated = mysqlError(
    { errno: 1292, message: "Truncated incorrect DOUBLE value: 'secret'" },
    'loading',
  );
  assert.ok(!truncated.message.includes('secret'));
});
