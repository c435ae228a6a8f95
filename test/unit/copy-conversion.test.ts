// Conversions between column types: what is kept, what is checked, what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalText as postgresText } from '../../src/connectors/postgres/types.ts';
import { canonicalText as snowflakeText } from '../../src/connectors/snowflake/types.ts';
import { canonicalText as sqlServerText } from '../../src/connectors/sql-server/types.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column, InterimType } from '../../src/core/types/column.ts';
import { conversionBetween } from '../../src/core/types/conversion.ts';

const column = (type: InterimType, more: Partial<Column> = {}): Column => ({
  name: 'c',
  type,
  nullable: true,
  native: type,
  ...more,
});

const convert = (from: Column, to: Column, text: string): string => {
  const conversion = conversionBetween(from, to);
  assert.ok(conversion, `${from.type} into ${to.type} is refused`);
  return conversion.convert?.(text) ?? text;
};

const overflows = (from: Column, to: Column, text: string): void => {
  assert.throws(
    () => convert(from, to, text),
    (error) =>
      error instanceof WaybillError && error.code === 'SINK_TYPE_OVERFLOW' && !error.message.includes(text),
    `${text} must not fit ${to.type}, and the message must not quote it`,
  );
};

const decimal = (precision: number, scale: number): Column => column('Decimal', { precision, scale });

test('integers widen as they are and narrow with a check', () => {
  assert.equal(conversionBetween(column('Int16'), column('Int64'))?.fidelity, 'widened');
  assert.equal(conversionBetween(column('Int64'), column('Int32'))?.fidelity, 'checked');
  assert.equal(convert(column('Int64'), column('Int32'), '-2147483648'), '-2147483648');
  overflows(column('Int64'), column('Int32'), '9999999999');
  assert.equal(convert(column('Int32'), decimal(38, 2), '-7'), '-7.00');
});

test('decimals get exactly the scale of the sink, and lose no digit that counts', () => {
  assert.equal(convert(decimal(10, 2), decimal(18, 4), '1.50'), '1.5000');
  assert.equal(convert(decimal(18, 4), decimal(10, 2), '1.5000'), '1.50');
  assert.equal(convert(decimal(38, 10), decimal(38, 10), '.5'), '.5');
  assert.equal(convert(column('String'), decimal(10, 2), '-0.00'), '0.00');
  assert.equal(convert(column('String'), decimal(10, 2), '.5'), '0.50');
  overflows(decimal(18, 4), decimal(10, 2), '1.5049');
  overflows(decimal(38, 0), decimal(10, 2), '123456789');
  overflows(column('String'), decimal(10, 2), '12e3');
  assert.equal(
    convert(decimal(38, 0), column('Int64'), '9223372036854775807'),
    '9223372036854775807',
    'no detour through a double',
  );
});

test('date-times keep the digits both ends have and refuse what is finer', () => {
  const from = column('DateTime', { scale: 7 });
  assert.equal(
    convert(from, column('DateTime', { scale: 9 }), '2013-01-01T05:00:00.1234567'),
    '2013-01-01T05:00:00.123456700',
  );
  assert.equal(
    convert(from, column('DateTime', { scale: 6 }), '2013-01-01T05:00:00.1234560'),
    '2013-01-01T05:00:00.123456',
  );
  overflows(from, column('DateTime', { scale: 6 }), '2013-01-01T05:00:00.1234567');
  overflows(from, column('DateTime', { scale: 0 }), '2013-01-01T05:00:00.5000000');
  const offset = column('DateTimeOffset');
  assert.equal(convert(column('String'), offset, '2013-01-01T05:00:00+05:30'), '2012-12-31T23:30:00.000000Z');
  overflows(column('String'), offset, '2013-01-01T05:00:00');
  assert.equal(convert(column('Date'), column('DateTime'), '2024-02-29'), '2024-02-29T00:00:00.000000');
});

test('text from files is checked against the type it claims', () => {
  const text = column('String');
  assert.equal(convert(text, column('Boolean'), 'TRUE'), '1');
  assert.equal(convert(text, column('Guid'), '6F9619FF-8B86-D011-B42D-00C04FC964FF').slice(0, 8), '6f9619ff');
  assert.equal(convert(text, column('Double'), '1e+20'), '100000000000000000000');
  overflows(text, column('Boolean'), 'yes');
  overflows(text, column('Int32'), '1.5');
  overflows(text, column('Date'), '2024-02-29T01:00:00');
  overflows(text, column('Byte[]'), 'ABC');
});

test('pairs that could lose something are refused before the first row', () => {
  assert.equal(conversionBetween(decimal(10, 2), column('Double')), undefined);
  assert.equal(conversionBetween(column('Double'), decimal(10, 2)), undefined);
  assert.equal(conversionBetween(column('Int64'), column('Double')), undefined);
  assert.equal(conversionBetween(column('Byte[]'), column('Guid')), undefined);
  assert.equal(conversionBetween(column('Guid'), column('String'))?.fidelity, 'widened');
});

test('stores print as many digits of a second as the interim form of the column has', () => {
  const at = (scale: number, native: string): Column => column('DateTime', { scale, native });
  assert.equal(
    sqlServerText(at(7, 'datetime2'), 'c'),
    "REPLACE(CONVERT(varchar(27), CONVERT(datetime2(7), c), 121), ' ', 'T')",
  );
  assert.equal(
    sqlServerText(at(3, 'datetime2'), 'c'),
    "REPLACE(CONVERT(varchar(26), CONVERT(datetime2(6), c), 121), ' ', 'T')",
  );
  assert.equal(snowflakeText(at(9, 'TIMESTAMP_NTZ'), 'c'), `TO_VARCHAR(c, 'YYYY-MM-DD"T"HH24:MI:SS.FF9')`);
  assert.equal(
    snowflakeText(at(7, 'TIMESTAMP_NTZ'), 'c'),
    `LEFT(TO_VARCHAR(c, 'YYYY-MM-DD"T"HH24:MI:SS.FF9'), 27)`,
    'Snowflake prints three, six or nine',
  );
  assert.equal(snowflakeText(at(0, 'TIMESTAMP_NTZ'), 'c'), `TO_VARCHAR(c, 'YYYY-MM-DD"T"HH24:MI:SS.FF6')`);
  assert.match(postgresText(at(6, 'timestamp without time zone'), 'c'), /HH24:MI:SS\.US/);
});
