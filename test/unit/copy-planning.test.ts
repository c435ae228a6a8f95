// Planning of copies: ranges, mappings, names, row text and checksum.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ChecksumSum } from '../../src/connectors/common/checksum.ts';
import { quoteIdentifier, stagingName } from '../../src/connectors/common/identifier.ts';
import { partitionColumn, planRanges, rangeCondition } from '../../src/connectors/common/integer-plan.ts';
import { datasetTable } from '../../src/connectors/common/settings.ts';
import { mapColumns } from '../../src/core/copy/mapping.ts';
import { splitIntegerRange } from '../../src/core/copy/ranges.ts';
import { fieldText, rowText } from '../../src/core/copy/row-text.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column, Row } from '../../src/core/types/column.ts';

const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
const column = (name: string, type: Column['type'] = 'String'): Column => ({
  name,
  type,
  nullable: true,
  native: type,
});

test('ranges cover every integer exactly once and stay open outside', () => {
  for (const [min, max, count] of [
    [1n, 10n, 3],
    [-5n, 5n, 4],
    [7n, 7n, 5],
    [0n, 9_223_372_036_854_775_807n, 7],
    [1n, 336_776n, 5],
  ] as const) {
    const ranges = splitIntegerRange(min, max, count);
    assert.equal(ranges[0]?.lower, null);
    assert.equal(ranges.at(-1)?.upper, null);
    assert.ok(ranges.length <= count);
    for (let i = 1; i < ranges.length; i++) {
      assert.equal(ranges[i]?.lower, ranges[i - 1]?.upper);
      if (i > 1) assert.ok(BigInt(ranges[i]?.lower ?? 0) > BigInt(ranges[i - 1]?.lower ?? 0));
    }
  }
});

test("ADF's bounds set the stride and filter nothing", () => {
  const settings = {
    partitionOption: 'DynamicRange',
    partitionSettings: { partitionColumnName: 'ID', partitionLowerBound: '20', partitionUpperBound: '80' },
  };
  const id = partitionColumn(settings, [column('id', 'Int32')], undefined);
  const plan = planRanges(settings, id, { rows: 300_000, min: '1', max: '1000' }, 4);
  assert.deepEqual(
    plan.ranges.map((range) => rangeCondition('[id]', range)),
    ['([id] < 35 OR [id] IS NULL)', '[id] >= 35 AND [id] < 50', '[id] >= 50 AND [id] < 65', '[id] >= 65'],
  );
  assert.throws(() => partitionColumn(settings, [column('id')], undefined), coded('DEFINITION_UNSUPPORTED'));
  assert.throws(() => rangeCondition('[id]', { lower: '1; DROP TABLE x', upper: null }), coded('INTERNAL'));
});

test('columns are mapped by name without case, or by the translator, and nothing is dropped in silence', () => {
  const source = [column('Id', 'Int32'), column('Name')];
  const sink = [column('NAME'), column('ID', 'Int64'), column('Extra')];
  assert.deepEqual(
    mapColumns(source, sink).map((pair) => `${pair.source.name}>${pair.sink.name}`),
    ['Id>ID', 'Name>NAME'],
  );
  assert.throws(() => mapColumns([...source, column('Other')], sink), coded('OBJECT_MISSING'));
  const mappings = [{ source: { name: 'Name' }, sink: { name: 'Extra' } }];
  assert.deepEqual(
    mapColumns(source, sink, { type: 'TabularTranslator', mappings }).map((pair) => pair.sink.name),
    ['Extra'],
  );
  assert.throws(
    () => mapColumns([column('x', 'Double')], [column('x', 'Decimal')]),
    coded('TYPE_UNSUPPORTED'),
  );
});

test('identifiers are quoted or refused', () => {
  const rule = { open: '[', close: ']', limit: 10, unit: 'characters' } as const;
  assert.equal(quoteIdentifier('a]; --', rule), '[a]]; --]');
  for (const bad of ['', '  ', 'a\0b', 'elevenchars']) {
    assert.throws(() => quoteIdentifier(bad, rule), coded('IDENTIFIER_INVALID'));
  }
  const name = stagingName('é'.repeat(60), 'copy', 63);
  assert.ok(Buffer.byteLength(name) <= 63);
  assert.match(name, /__wb_[0-9a-f]{8}$/);
  assert.deepEqual(datasetTable({ tableName: '[dbo].[a.b]' }, 'x'), { schema: 'dbo', name: 'a.b' });
});

test('two different rows never have the same text', () => {
  const columns = [column('a'), column('b'), column('c')];
  const fields = columns.map(fieldText);
  const values = [null, '', 'N', 'V', '|', '||', 'a|', '|b', 'a|Vb', 'a||Vb'];
  const seen = new Map<string, string>();
  for (const a of values) {
    for (const b of values) {
      for (const c of values) {
        const row: Row = [a, b, c];
        const text = rowText(row, fields);
        assert.equal(seen.get(text), undefined, `${JSON.stringify(row)} and ${seen.get(text)}`);
        seen.set(text, JSON.stringify(row));
      }
    }
  }
});

test('the checksum is the exact sum of the upper halves of MD5', () => {
  const texts = Array.from({ length: 5_000 }, (_, i) => `Vé🙂|V${i}`);
  const sum = new ChecksumSum();
  let expected = 0n;
  for (const text of texts) {
    sum.add(text);
    expected += createHash('md5').update(text, 'utf8').digest().readBigUInt64BE(0);
  }
  assert.equal(sum.total(), expected.toString());
});
