// What a SQL Server source makes of its query, its settings and the driver's values.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatRowDecoders } from '../../src/connectors/sql-server/decoders.ts';
import { parseSourceQuery } from '../../src/connectors/sql-server/source-query.ts';
import {
  isolationPrefix,
  procedureParameters,
  sourceText,
  statementMilliseconds,
} from '../../src/connectors/sql-server/source-settings.ts';
import { columnFromFacts, refuseOpaque, resultDeclaration } from '../../src/connectors/sql-server/types.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Column } from '../../src/core/types/column.ts';

const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
const source = (settings: JsonObject, dataset: JsonObject = { schema: 'dbo', table: 't' }) =>
  sourceText({ linkedService: 'ls', datasetType: 'SqlServerTable', dataset, settings });
const column = (native: string, more: object = {}): Column =>
  columnFromFacts({ name: 'c', native, nullable: true, ...more });

describe('a source query', () => {
  test('is taken apart at its outermost words only', () => {
    assert.deepEqual(parseSourceQuery('SELECT a FROM t'), {
      ...{ ctes: '', body: 'SELECT a FROM t', orderBy: '', option: '' },
    });
    assert.deepEqual(
      parseSourceQuery(
        'WITH x AS (SELECT 1 AS a ORDER BY 1 OFFSET 0 ROWS) SELECT a FROM x ORDER BY a OPTION (RECOMPILE);  -- done',
      ),
      {
        ctes: 'WITH x AS (SELECT 1 AS a ORDER BY 1 OFFSET 0 ROWS) ',
        body: 'SELECT a FROM x',
        orderBy: 'ORDER BY a',
        option: 'OPTION (RECOMPILE)',
      },
    );
    const quoted = "SELECT 'it''s; ORDER BY' AS a, [order by], \"option\" FROM t /* nested /* ; */ SELECT */";
    assert.equal(parseSourceQuery(quoted)?.body, quoted.slice(0, quoted.indexOf(' /*')));
    const windowed = 'SELECT ROW_NUMBER() OVER (ORDER BY a) AS n FROM t';
    assert.equal(parseSourceQuery(windowed)?.orderBy, '');
  });

  test('keeps an order that chooses rows with its body', () => {
    for (const text of [
      'SELECT TOP (5) a FROM t ORDER BY a',
      'SELECT DISTINCT TOP 5 a FROM t ORDER BY a',
      'SELECT a FROM t ORDER BY a OFFSET 5 ROWS',
    ]) {
      const parsed = parseSourceQuery(`${text};`);
      assert.equal(parsed?.body, text);
      assert.equal(parsed?.orderBy, '');
    }
  });

  test('that is more than one SELECT is not one', () => {
    for (const text of [
      'DECLARE @a int = 1; SELECT @a AS a',
      'EXEC dbo.p',
      'SELECT 1 AS a; SELECT 2 AS b',
      'SELECT a INTO #t FROM t',
      'SELECT a FROM t FOR JSON AUTO',
      'WITH x AS (SELECT 1 AS a) DELETE FROM x',
      '',
    ])
      assert.equal(parseSourceQuery(text), undefined, text);
  });
});

describe('source settings', () => {
  test('a procedure wins over a query, a query over the table', () => {
    assert.equal(source({}).kind, 'table');
    assert.equal(source({ sqlReaderQuery: 'SELECT 1 AS a' }).kind, 'query');
    assert.equal(source({ query: 'EXEC p' }).kind, 'batch');
    const called = source({
      sqlReaderStoredProcedureName: '[my schema].[p]',
      storedProcedureParameters: {
        a: { value: "it's", type: 'String' },
        '@b': { value: null },
        c: 5,
        d: { value: true },
      },
    });
    assert.deepEqual(called, {
      kind: 'batch',
      label: 'SQL Server procedure my schema.p',
      text: "EXEC [my schema].[p] @a = N'it''s', @b = NULL, @c = N'5', @d = N'1'",
    });
    assert.throws(() => source({}, {}), coded('DEFINITION_INVALID'));
    assert.throws(
      () => procedureParameters({ storedProcedureParameters: { 'a = 1; DROP TABLE t --': 1 } }),
      coded('IDENTIFIER_INVALID'),
    );
  });

  test('isolation levels and timeouts', () => {
    assert.equal(isolationPrefix({}), '');
    assert.equal(
      isolationPrefix({ isolationLevel: 'Snapshot' }),
      'SET TRANSACTION ISOLATION LEVEL SNAPSHOT;\n',
    );
    assert.throws(
      () => isolationPrefix({ isolationLevel: 'READ COMMITTED; DROP' }),
      coded('DEFINITION_INVALID'),
    );
    assert.equal(statementMilliseconds({ queryTimeout: '02:00:00' }), 7_200_000);
    assert.equal(statementMilliseconds({ queryTimeout: '1.00:00:01' }), 86_401_000);
    assert.equal(statementMilliseconds({}), 0);
    assert.throws(() => statementMilliseconds({ queryTimeout: 'soon' }), coded('DEFINITION_INVALID'));
  });
});

describe("the driver's values", () => {
  const decoded = (one: Column, value: unknown) => formatRowDecoders([one])([value])[0];
  const precise = (text: string, delta: number) => Object.assign(new Date(text), { nanosecondsDelta: delta });

  test('moments keep every digit', () => {
    const at = precise('2024-02-29T13:14:15.123Z', 0.0004567);
    assert.equal(decoded(column('datetime2', { scale: 7 }), at), '2024-02-29T13:14:15.1234567');
    assert.equal(
      decoded(column('datetime2', { scale: 6 }), precise('2024-02-29T13:14:15.123Z', 0.000456)),
      '2024-02-29T13:14:15.123456',
    );
    assert.equal(
      decoded(column('datetime'), new Date('2024-02-29T13:14:15.123Z')),
      '2024-02-29T13:14:15.123000',
    );
    assert.equal(decoded(column('datetimeoffset', { scale: 7 }), at), '2024-02-29T13:14:15.1234567Z');
    assert.equal(
      decoded(column('time', { scale: 7 }), precise('1970-01-01T23:59:59.999Z', 0.0009999)),
      '23:59:59.9999999',
    );
    assert.equal(decoded(column('date'), new Date('0001-01-01T00:00:00Z')), '0001-01-01');
  });

  test('money is exact or refused', () => {
    assert.equal(decoded(column('money'), -0.5), '-0.5000');
    assert.equal(decoded(column('money'), 900719925474), '900719925474.0000');
    assert.equal(decoded(column('money'), '922337203685477.5807'), '922337203685477.5807');
    assert.throws(() => decoded(column('money'), 922337203685477.6), coded('TYPE_UNSUPPORTED'));
  });

  test('types without an exact text are refused by name', () => {
    for (const native of ['sql_variant', 'geography', 'geometry']) {
      assert.throws(() => refuseOpaque(column(native)), coded('TYPE_UNSUPPORTED'));
      assert.throws(() => resultDeclaration(column(native)), coded('TYPE_UNSUPPORTED'));
    }
    assert.equal(resultDeclaration(column('decimal', { precision: 38, scale: 10 })), 'varchar(41)');
    assert.equal(resultDeclaration(column('nvarchar', { length: -1 })), 'nvarchar(max)');
    assert.equal(resultDeclaration(column('time', { scale: 7 })), 'time(7)');
    assert.equal(resultDeclaration(column('hierarchyid')), 'nvarchar(4000)');
  });
});
