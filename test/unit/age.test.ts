// `waybill sweep`: how old a copy must be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAge } from '../../src/client/age.ts';
import { WaybillError } from '../../src/core/errors.ts';

test('an age is a number and a unit', () => {
  assert.deepEqual(
    ['90s', '30m', '24h', ' 7d ', '0s'].map((text) => parseAge(text)),
    [90, 1800, 86_400, 604_800, 0],
  );
  for (const text of ['', '24', 'h', '1.5h', '-1h', '1w'])
    assert.throws(
      () => parseAge(text),
      (error) => error instanceof WaybillError && error.code === 'PARAMETER_INVALID',
      text,
    );
});
