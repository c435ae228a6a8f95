// The type matrix: every pair of interim types is declared, and conversion does just what is declared.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column, InterimType } from '../../src/core/types/column.ts';
import { assessPair, conversionBetween } from '../../src/core/types/conversion.ts';
import { declaredFidelity, INTERIM_TYPES } from '../../src/core/types/matrix.ts';
import { momentFormat } from '../../src/core/types/moment-format.ts';
import {
  DEFAULT_TYPE_SETTINGS,
  type TypeSettings,
  typeSettings,
} from '../../src/core/types/type-settings.ts';

const column = (type: InterimType, more: Partial<Column> = {}): Column => ({
  name: 'c',
  type,
  nullable: true,
  native: type,
  ...more,
});

/** Boundary values of each type, as canonical texts of a column of that type with its default facets. */
const VALUES: Record<InterimType, readonly string[]> = {
  Int16: ['0', '1', '-32768', '32767'],
  Int32: ['0', '1', '-2147483648', '2147483647'],
  Int64: ['0', '1', '-9223372036854775808', '9223372036854775807'],
  Decimal: ['0', '1', `-${'9'.repeat(38)}`, '9'.repeat(38)],
  Single: ['0', '1', '1.5', '3.4028235e+38', '-0.1', 'NaN', 'Infinity'],
  Double: ['0', '1', '1e+300', '5e-324', '-Infinity', 'NaN', '0.1'],
  Boolean: ['0', '1'],
  String: ['', 'x', 'é🙂漢', '1', '2024-02-29', 'true'],
  Date: ['0001-01-01', '2024-02-29', '9999-12-31'],
  DateTime: ['0001-01-01T00:00:00.000000', '2024-02-29T23:59:59.999999', '9999-12-31T00:00:00.000000'],
  DateTimeOffset: ['0001-01-01T00:00:00.000000Z', '2024-02-29T23:59:59.999999Z'],
  TimeSpan: ['00:00:00.000000', '23:59:59.999999'],
  Guid: ['00000000-0000-0000-0000-000000000000', '6f9619ff-8b86-d011-b42d-00c04fc964ff'],
  'Byte[]': ['', '00FF10'],
};

/** What a canonical text of the type looks like. */
const CANONICAL: Record<InterimType, RegExp> = {
  Int16: /^-?\d+$/,
  Int32: /^-?\d+$/,
  Int64: /^-?\d+$/,
  Decimal: /^-?\d+$/,
  Single: /^(-?(\d+(\.\d+)?(e[+-]\d+)?|Infinity)|NaN)$/,
  Double: /^(-?(\d+(\.\d+)?(e[+-]\d+)?|Infinity)|NaN)$/,
  Boolean: /^[01]$/,
  String: /^.*$/su,
  Date: /^\d{4}-\d\d-\d\d$/,
  DateTime: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/,
  DateTimeOffset: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/,
  TimeSpan: /^\d\d:\d\d:\d\d\.\d{6}$/,
  Guid: /^[0-9a-f-]{36}$/,
  'Byte[]': /^([0-9A-F]{2})*$/,
};

const CUT: TypeSettings = { ...DEFAULT_TYPE_SETTINGS, allowDataTruncation: true };

describe('the matrix', () => {
  for (const from of INTERIM_TYPES) {
    for (const to of INTERIM_TYPES) {
      test(`${from} into ${to}: ${declaredFidelity(from, to)}`, () => {
        const declared = declaredFidelity(from, to);
        const strict = assessPair(column(from), column(to));
        const allowed = assessPair(column(from), column(to), CUT);
        assert.equal(
          strict.fidelity,
          declared === 'lossy' ? 'refused' : declared === 'refused' ? 'refused' : strict.fidelity,
        );
        if (declared === 'refused') assert.equal(allowed.fidelity, 'refused');
        else
          assert.notEqual(
            allowed.fidelity,
            'refused',
            'what is not refused for good passes where loss is allowed',
          );
        if (declared === 'lossy')
          assert.ok(strict.note?.includes('allowDataTruncation'), 'the refusal says what to do');
        if (strict.fidelity === 'refused') {
          assert.equal(conversionBetween(column(from), column(to)), undefined);
          return;
        }
        for (const text of VALUES[from]) {
          let converted: string;
          try {
            converted = strict.convert?.(text) ?? text;
          } catch (error) {
            assert.ok(error instanceof WaybillError && error.code === 'SINK_TYPE_OVERFLOW', String(error));
            assert.equal(strict.fidelity, 'checked', `${text} fails although the pair is ${strict.fidelity}`);
            assert.ok(text.length < 3 || !error.message.includes(`'${text}'`), 'the message quotes no value');
            continue;
          }
          assert.match(converted, CANONICAL[to], `${text} became ${converted}`);
          if (from === to) assert.equal(converted, text);
        }
      });
    }
  }

  test('what widens comes back unchanged', () => {
    for (const from of INTERIM_TYPES) {
      for (const to of INTERIM_TYPES) {
        if (declaredFidelity(from, to) !== 'widened') continue;
        const out = assessPair(column(from), column(to));
        const back = assessPair(column(to), column(from));
        if (back.fidelity === 'refused') continue;
        for (const text of VALUES[from]) {
          const there = out.convert?.(text) ?? text;
          assert.equal(back.convert?.(there) ?? there, text, `${from} ${text} through ${to} ${there}`);
        }
      }
    }
  });
});

test('facets refine the declaration', () => {
  const decimal = (precision: number, scale: number): Column => column('Decimal', { precision, scale });
  assert.equal(assessPair(decimal(10, 2), decimal(10, 2)).fidelity, 'exact');
  assert.equal(assessPair(decimal(10, 2), decimal(12, 2)).fidelity, 'widened');
  assert.equal(assessPair(decimal(10, 2), decimal(12, 4)).fidelity, 'widened');
  assert.equal(assessPair(decimal(10, 2), decimal(10, 4)).fidelity, 'checked');
  assert.equal(assessPair(decimal(10, 4), decimal(10, 2)).fidelity, 'checked');
  assert.equal(assessPair(decimal(10, 4), decimal(10, 2), CUT).fidelity, 'lossy');
  assert.equal(assessPair(decimal(15, 0), column('Double')).fidelity, 'widened');
  assert.equal(assessPair(decimal(16, 0), column('Double')).fidelity, 'refused');
  assert.equal(assessPair(column('Int64'), decimal(10, 0)).fidelity, 'checked');
  const text = (length?: number): Column => column('String', length === undefined ? {} : { length });
  assert.equal(assessPair(text(50), text(50)).fidelity, 'exact');
  assert.equal(assessPair(text(51), text(50)).fidelity, 'checked');
  assert.equal(assessPair(text(), text(50)).fidelity, 'checked');
  assert.equal(assessPair(column('Guid'), text(36)).fidelity, 'widened');
  assert.equal(assessPair(column('Guid'), text(35)).fidelity, 'checked');
  const at = (scale: number): Column => column('DateTime', { scale });
  assert.equal(assessPair(at(7), at(9)).fidelity, 'exact');
  assert.equal(assessPair(at(7), at(6)).fidelity, 'checked');
  assert.equal(assessPair(at(7), at(6), CUT).fidelity, 'lossy');
});

test('lengths count characters, as stores do, or UTF-16 units where the store does', () => {
  const into = (native: string, text: string): string =>
    assessPair(column('String'), column('String', { length: 3, native })).convert?.(text) ?? text;
  assert.equal(into('character varying', '🙂🙂🙂'), '🙂🙂🙂');
  assert.throws(() => into('nvarchar', '🙂🙂🙂'), WaybillError);
  assert.throws(() => into('character varying', 'four'), /4 characters, the column takes 3/);
  const bytes = assessPair(column('Byte[]'), column('Byte[]', { length: 2 })).convert;
  assert.equal(bytes?.('00FF'), '00FF');
  assert.throws(() => bytes?.('00FF00'), /3 bytes/);
});

test('what may be cut is cut toward zero, and whole digits never are', () => {
  const cut = (from: Column, to: Column, text: string): string =>
    assessPair(from, to, CUT).convert?.(text) ?? text;
  const amount = column('Decimal', { precision: 10, scale: 4 });
  assert.equal(cut(amount, column('Decimal', { precision: 8, scale: 2 }), '-1.9999'), '-1.99');
  assert.equal(cut(amount, column('Int32'), '2.9999'), '2');
  assert.equal(cut(column('Double'), column('Int64'), '1.5e+3'), '1500');
  assert.equal(cut(column('Double'), column('Decimal', { precision: 10, scale: 3 }), '1.23456e-2'), '0.012');
  assert.equal(cut(column('Double'), column('Single'), '0.123456789'), '0.12345679');
  assert.throws(() => cut(column('Double'), column('Single'), '1e+300'), WaybillError);
  assert.throws(() => cut(amount, column('Decimal', { precision: 3, scale: 2 }), '12.3400'), WaybillError);
  assert.equal(
    cut(column('DateTime', { scale: 7 }), column('DateTime', { scale: 3 }), '2024-01-01T00:00:00.1239999'),
    '2024-01-01T00:00:00.123000',
  );
  assert.equal(cut(column('DateTime'), column('Date'), '2024-01-01T23:00:00.000000'), '2024-01-01');
});

test("ADF's conversion settings are read, and not where typeConversion is off", () => {
  const given = {
    typeConversionSettings: { allowDataTruncation: 'true', treatBooleanAsNumber: true, culture: 'de-DE' },
  };
  const settings = typeSettings(given);
  assert.deepEqual(
    [settings.allowDataTruncation, settings.treatBooleanAsNumber, settings.decimalPoint],
    [true, true, ','],
  );
  assert.equal(typeSettings({ ...given, typeConversion: false }).allowDataTruncation, false);
  assert.throws(() => typeSettings({ typeConversionSettings: { culture: '!!' } }), WaybillError);
  const price = column('Decimal', { precision: 10, scale: 2 });
  assert.equal(assessPair(column('String'), price, settings).convert?.('1.234,5'), '1234.50');
  assert.equal(assessPair(price, column('String'), settings).convert?.('1234.50'), '1234,50');
  assert.equal(assessPair(column('Boolean'), column('String')).convert?.('1'), 'True');
  assert.equal(assessPair(column('Boolean'), column('String'), settings).convert, undefined, '"1" stays "1"');
});

test('with roundDecimals digits too many are rounded half up, whole digits never lost', () => {
  const settings: TypeSettings = { ...DEFAULT_TYPE_SETTINGS, allowDataTruncation: true, roundDecimals: true };
  const convert = assessPair(
    column('Double'),
    column('Decimal', { precision: 4, scale: 2 }),
    settings,
  ).convert;
  for (const [given, kept] of [
    ['2.674', '2.67'],
    ['2.675', '2.68'],
    ['-2.675', '-2.68'],
    ['-0.001', '0.00'],
    ['0.995', '1.00'],
    ['9.999', '10.00'],
    ['2.6749999999999997e1', '26.75'],
    ['5e-3', '0.01'],
    ['99.99', '99.99'],
  ] as const)
    assert.equal(convert?.(given), kept, given);
  assert.throws(() => convert?.('99.995'), /more than 2 whole digits/);
  const whole = assessPair(
    column('Decimal', { precision: 9, scale: 3 }),
    column('Decimal', { precision: 9 }),
    settings,
  );
  assert.equal(whole.convert?.('41.500'), '42');
  assert.equal(typeSettings({ typeConversionSettings: { roundDecimals: true } }).roundDecimals, true);
});

test('moments are read and written in .NET formats', () => {
  const settings: TypeSettings = {
    ...DEFAULT_TYPE_SETTINGS,
    dateTimeFormat: 'dd/MM/yyyy HH:mm:ss.fff',
    dateTimeOffsetFormat: 'yyyy-MM-dd h:mm:ss tt zzz',
    timeSpanFormat: 'hh\\:mm\\:ss',
  };
  const read = (to: Column, text: string): string | undefined =>
    assessPair(column('String'), to, settings).convert?.(text);
  assert.equal(read(column('DateTime'), '29/02/2024 13:14:15.123'), '2024-02-29T13:14:15.123000');
  assert.equal(read(column('DateTimeOffset'), '2024-02-29 1:14:15 PM +02:00'), '2024-02-29T11:14:15.000000Z');
  assert.equal(read(column('TimeSpan'), '13:14:15'), '13:14:15.000000');
  assert.throws(() => read(column('DateTime'), '2024-02-29T13:14:15'), /format dd\/MM\/yyyy/);
  const write = (from: Column, text: string): string | undefined =>
    assessPair(from, column('String'), settings).convert?.(text);
  assert.equal(write(column('DateTime'), '2024-02-29T13:14:15.123456'), '29/02/2024 13:14:15.123');
  assert.equal(
    write(column('DateTimeOffset'), '2024-02-29T00:05:00.000000Z'),
    '2024-02-29 12:05:00 AM +00:00',
  );
  assert.equal(momentFormat('d MMM yyyy').toIso('5 mar 2024'), '2024-03-05T00:00:00');
  assert.equal(momentFormat("yyyy'T'HHmm").fromCanonical('2024-02-29T13:14:15.000000'), '2024T1314');
  assert.throws(() => momentFormat('yy-MM-dd'), WaybillError, 'two digits name no century');
});
