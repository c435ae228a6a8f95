// What may follow a query goes; what only looks like it stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareQuery, transactionWord } from '../../src/connectors/postgres/query-text.ts';

const cases: readonly (readonly [given: string, bare: string])[] = [
  ['SELECT 1', 'SELECT 1'],
  ['SELECT 1;', 'SELECT 1'],
  [' SELECT 1 ;; \n', ' SELECT 1'],
  ['SELECT 1 -- one', 'SELECT 1'],
  ['SELECT 1; -- one;\n/* two /* nested; */ ; */ ;', 'SELECT 1'],
  ["SELECT ';--' ;", "SELECT ';--'"],
  ["SELECT 'it''s; -- '", "SELECT 'it''s; -- '"],
  ["SELECT E'\\';--' -- x", "SELECT E'\\';--'"],
  ['SELECT 1 AS "a;--""b" ; --', 'SELECT 1 AS "a;--""b"'],
  ['SELECT $$;-- $1$$ ; -- x', 'SELECT $$;-- $1$$'],
  ['SELECT $tag$ $$ ; /* $tag$ -- x', 'SELECT $tag$ $$ ; /* $tag$'],
  ['SELECT 1 -- one\n + 2 -- two', 'SELECT 1 -- one\n + 2'],
  ['SELECT 1 /* one */ + 2', 'SELECT 1 /* one */ + 2'],
];

for (const [given, bare] of cases) {
  test(`bare query of ${JSON.stringify(given)}`, () => assert.equal(bareQuery(given), bare));
}

test('a script that would leave its transaction is told from one that only looks like it', () => {
  assert.equal(transactionWord('TRUNCATE t; COMMIT'), 'commit');
  assert.equal(transactionWord('/* x */ Begin; DELETE FROM t; -- ;\n end'), 'begin');
  assert.equal(transactionWord("DELETE FROM t WHERE a = '; COMMIT;' -- ; ROLLBACK\n; ANALYZE t;"), undefined);
  assert.equal(transactionWord('DO $$ BEGIN PERFORM 1; END $$; UPDATE "commit" SET begin = 1'), undefined);
});
