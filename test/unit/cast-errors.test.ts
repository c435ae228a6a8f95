// What leaves an activity as an error: code, message, facts, next step; never a remembered secret.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rememberSecret } from '../../src/config/redaction.ts';
import { WaybillError } from '../../src/core/errors.ts';
import { toApplicationFailure } from '../../src/interceptors/cast-errors.ts';

test('a WaybillError keeps its code, facts and retryability', () => {
  const failure = toApplicationFailure(
    new WaybillError('OBJECT_MISSING', 'no table dbo.x', { table: 'dbo.x' }),
  );
  assert.equal(failure.type, 'OBJECT_MISSING');
  assert.equal(failure.nonRetryable, true);
  assert.equal((failure.details?.[0] as { table?: string } | undefined)?.table, 'dbo.x');
  assert.match((failure.details?.[0] as { next?: string } | undefined)?.next ?? '', /Create it/);
});

test('an unforeseen error is INTERNAL and may be tried again', () => {
  const failure = toApplicationFailure(new TypeError('x is not a function'));
  assert.equal(failure.type, 'INTERNAL');
  assert.equal(failure.nonRetryable, false);
});

test('a secret in a driver message is replaced, also URI-encoded', () => {
  rememberSecret('s3cr3t/&=');
  const failure = toApplicationFailure(
    new WaybillError(
      'CONNECTION_FAILED',
      `login with s3cr3t/&= or ${encodeURIComponent('s3cr3t/&=')} refused`,
    ),
  );
  assert.equal(failure.message, 'login with [secret] or [secret] refused');
  assert.ok(!JSON.stringify(failure).includes('s3cr3t'));
});
