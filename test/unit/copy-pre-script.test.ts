// A preCopyScript for Snowflake stays within the transaction that publishes, or is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preCopyStatements } from '../../src/connectors/snowflake/pre-copy-script.ts';
import { WaybillError } from '../../src/core/errors.ts';

test('emptying a table becomes DELETE, whatever comments and separators are around it', () => {
  for (const script of [
    'TRUNCATE TABLE PUBLIC."My;Table"',
    'truncate PUBLIC."My;Table" ;',
    '-- empty it; first\nTRUNCATE TABLE IF EXISTS PUBLIC."My;Table";',
    '/* a; b */ TRUNCATE // why\n TABLE PUBLIC."My;Table";;',
  ])
    assert.deepEqual(preCopyStatements(script), ['DELETE FROM PUBLIC."My;Table"'], script);
});

test('statements of a script are told apart, but not at a semicolon within a text', () => {
  assert.deepEqual(
    preCopyStatements(`DELETE FROM t WHERE a = 'x;''--y'; update t set b = '\\';' where c = $$;$$; -- end`),
    [`DELETE FROM t WHERE a = 'x;''--y'`, `update t set b = '\\';' where c = $$;$$`],
  );
  assert.deepEqual(preCopyStatements(' -- nothing\n ; '), []);
});

test('a statement that would end the transaction is refused by its first word', () => {
  for (const [script, word] of [
    ['CREATE OR REPLACE TABLE t (a INT)', 'CREATE'],
    ['DELETE FROM t; /* then */ ALTER TABLE t ADD b INT', 'ALTER'],
    ['TRUNCATE TABLE t, u', 'TRUNCATE'],
    ['call p()', 'CALL'],
    ['COMMIT', 'COMMIT'],
  ] as const)
    assert.throws(
      () => preCopyStatements(script),
      (error: unknown) =>
        error instanceof WaybillError &&
        error.code === 'DEFINITION_UNSUPPORTED' &&
        error.details['statement'] === word,
      script,
    );
});
