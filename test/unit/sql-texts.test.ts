// Texts of SQL: what only reads, and where a script's statements and parameters are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { integerValue, momentValue, singleValue } from '../../src/connectors/common/json-values.ts';
import { prepareStatements, type ScriptLexis } from '../../src/connectors/common/script-text.ts';
import type { SqlParameter } from '../../src/connectors/sql-commands.ts';
import { isPureQuery, lookupOnlyReads } from '../../src/core/pipeline/query-kind.ts';

test('a query is pure when it can be nothing but a reading', () => {
  const pure = [
    'SELECT 1',
    "  (select * from t where name = 'delete from x; drop')  ;",
    'WITH a AS (SELECT 1 AS n) SELECT * FROM a -- update nothing',
    'SELECT [update], "into" FROM dbo.t WITH (NOLOCK)',
    "SELECT REPLACE(name, 'a', 'b'), GETDATE() FROM t ORDER BY 1 OFFSET 0 ROWS",
  ];
  const other = [
    'UPDATE t SET a = 1; SELECT 1',
    'SELECT 1; SELECT 2',
    'SELECT * INTO copy FROM t',
    'EXEC dbo.p',
    'WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d',
    'SELECT * FROM t FOR UPDATE',
    'DECLARE @x int = 1 SELECT @x',
    "SELECT nextval('s')",
    '',
  ];
  for (const text of pure) assert.equal(isPureQuery(text), true, text);
  for (const text of other) assert.equal(isPureQuery(text), false, text);
});

test('a Lookup may be repeated by itself when it only reads', () => {
  assert.equal(lookupOnlyReads({ source: { type: 'AzureSqlSource' } }), true);
  assert.equal(lookupOnlyReads({ source: { type: 'AzureSqlSource', sqlReaderQuery: 'SELECT 1' } }), true);
  assert.equal(lookupOnlyReads({ source: { query: 'UPDATE t SET a = 1; SELECT 1 AS done' } }), false);
  assert.equal(lookupOnlyReads({ source: { sqlReaderStoredProcedureName: 'dbo.p' } }), false);
});

const LEXIS: ScriptLexis = {
  tokens:
    /(?<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|::|\w+)|(?<comment>--[^\n]*|\/\*)|(?<end>;)|(?<mark>\?)|[@:](?<name>[A-Za-z_]\w*)/y,
  nestedComments: true,
};
const given = (...names: string[]): SqlParameter[] =>
  names.map((name) => ({ name, value: name, direction: 'Input' }));
const prepared = (text: string, parameters: SqlParameter[], reuse: boolean) =>
  prepareStatements(text, parameters, LEXIS, (i) => `$${i + 1}`, { reuse }).map((statement) => [
    statement.text,
    statement.parameters.map(({ name }) => name),
  ]);

test('statements end where the store sees their end', () => {
  assert.deepEqual(
    prepared("SELECT ';' AS a; /* ; /* ; */ ; */ SELECT 2 -- ;\n;;\n-- nothing\n", [], false),
    [
      ["SELECT ';' AS a", []],
      ['/* ; /* ; */ ; */ SELECT 2 -- ;', []],
    ],
  );
});

test('declared names become placeholders; literals, comments, casts and other names stay', () => {
  const text = "SELECT @a, :B, ':a', x::a, @other, email@a /* @a */ FROM t WHERE y = @A";
  assert.deepEqual(prepared(text, given('a', 'b'), true), [
    ["SELECT $1, $2, ':a', x::a, @other, email$1 /* @a */ FROM t WHERE y = $1", ['a', 'b']],
  ]);
  assert.deepEqual(prepared('VALUES (@a, @a)', given('a'), false), [['VALUES ($1, $2)', ['a', 'a']]]);
});

test('marks are parameters by their place, over all statements', () => {
  assert.deepEqual(prepared('SELECT ?; SELECT ?', given('a', 'b'), false), [
    ['SELECT $1', ['a']],
    ['SELECT $1', ['b']],
  ]);
  assert.throws(() => prepared('SELECT ?, ?', given('a'), false), { code: 'PARAMETER_INVALID' });
});

test('numbers and moments keep what they say', () => {
  assert.equal(integerValue('9007199254740991'), 9_007_199_254_740_991);
  assert.equal(integerValue('9007199254740993'), '9007199254740993');
  assert.equal(singleValue(Math.fround(1.1)), 1.1);
  assert.equal(momentValue('2024-02-29 13:14:15.120000'), '2024-02-29T13:14:15.12');
  assert.equal(momentValue('2024-02-29 13:14:15.000'), '2024-02-29T13:14:15');
  assert.equal(momentValue('2024-02-29'), '2024-02-29T00:00:00');
});
