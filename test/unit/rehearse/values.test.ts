// What names give away, and what texts hold that become something else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Shape } from '../../../dev/rehearse/infer/shape.ts';
import { valueFor } from '../../../dev/rehearse/infer/values.ts';
import { makeRows } from '../../../dev/rehearse/rows.ts';

test('a delimiter is no number though "limit" stands in its name; a watermark column is that of unknown tables', () => {
  const of = (name: string): unknown => valueFor(new Shape(name), name, { seed: 1, index: 0 });
  assert.equal(of('delimiter'), ',');
  assert.equal(of('ColumnDelimiter'), ',');
  assert.equal(of('rowLimit'), 1);
  assert.equal(of('WaterMark_Column'), 'modified_at');
  assert.equal(of('key_column'), 'id');
  assert.match(String(of('last_lsn')), /^0x0{19}1$/);
  assert.match(String(of('currentLsn')), /^0x7F{19}$/);
});

test('a text that is copied into a date, a number or a flag can be read as one', () => {
  const column = (holds: 'date' | 'integer' | 'boolean') => ({
    ...{ name: 'c', kind: 'text' as const, isKnown: true, equals: [] },
    holds,
  });
  const [row] = makeRows([column('date'), column('integer'), column('boolean')], [], 1, 1);
  assert.deepEqual(row?.slice(0, 2), ['2024-01-01T00:00:00', '1']);
  assert.match(String(row?.[2]), /^(true|false)$/);
});
