// What a statement needs, read out of SQL as real pipelines hold it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanSql } from '../../../dev/rehearse/sql/scan-sql.ts';

const tablesOf = (sql: string): Record<string, string[]> =>
  Object.fromEntries(
    scanSql(sql).tables.map(({ path, columns }) => [path.join('.'), [...columns.keys()].sort()]),
  );

test('tables, aliases and columns of a join', () => {
  const sql = `select b.book_ref, book_date, tf.amount from bookings.bookings b
    join bookings.ticket_flights tf on b.book_ref = tf.book_ref where extract(year from tf.departed) = 2024`;
  assert.deepEqual(tablesOf(sql), {
    'bookings.bookings': ['book_date', 'book_ref'],
    'bookings.ticket_flights': ['amount', 'book_ref', 'departed'],
  });
});

test('conditions tell values and kinds', () => {
  const [table] = scanSql(
    "SELECT * FROM [ctl].[Tables] WHERE Enabled = 1 AND Name IN ('a','b') AND Changed > '2024-01-01'",
  ).tables;
  assert.deepEqual(table?.columns.get('enabled'), { name: 'Enabled', equals: [1], kind: 'integer' });
  assert.deepEqual(table?.columns.get('name')?.equals, ['a', 'b']);
  assert.equal(table?.columns.get('changed')?.kind, 'date');
  const [filled] = scanSql(
    "SELECT ISNULL(likes_by_date, 0) + COALESCE(c.Note, ''), ISNULL(x, y) FROM c",
  ).tables;
  const kinds = ['likes_by_date', 'note', 'x'].map((name) => filled?.columns.get(name)?.kind);
  assert.deepEqual(kinds, ['integer', 'text', undefined]);
  assert.deepEqual(filled?.columns.get('likes_by_date')?.equals, []);
});

test('what the list shows, and which column it is of', () => {
  const use = scanSql('SELECT TOP 5 a.Id, MAX(Changed) AS Newest, [Long Name] label, 1 AS one FROM t a');
  assert.deepEqual(use.output, [
    { name: 'Id', column: 'Id' },
    { name: 'Newest' },
    { name: 'label', column: 'Long Name' },
    { name: 'one' },
  ]);
  assert.equal(use.star, false);
  assert.equal(scanSql('select t.* from t').star, true);
});

test('common table expressions and derived tables are no tables', () => {
  const sql = `WITH recent AS (SELECT id, changed FROM dbo.orders WHERE changed > GETDATE())
    SELECT r.id, d.total FROM recent r JOIN (SELECT order_id, SUM(price) AS total FROM dbo.lines GROUP BY order_id) d
    ON d.order_id = r.id`;
  assert.deepEqual(tablesOf(sql), { 'dbo.orders': ['changed', 'id'], 'dbo.lines': ['order_id', 'price'] });
});

test('a table that a query names inside and outside has the columns of both', () => {
  const sql = `select d.*, e.name from (select b.k, max(b.t) t from (select a.* from s.files a left join (select k, max(t) newest from s.files group by k) n on n.k = a.k where state = 1 and newest > 0) b group by b.k) d
    left join s.files e on d.k = e.k`;
  assert.deepEqual(tablesOf(sql), { 's.files': ['k', 'name', 'state', 't'] });
});

test('an INSERT names its columns, or says how many there are', () => {
  const sql = `INSERT INTO stat(scoring_group_id, date, value) SELECT g.id, x.date, NOW() AS created FROM grp g
    JOIN x ON x.id = g.id`;
  assert.deepEqual(tablesOf(sql)['stat'], ['date', 'scoring_group_id', 'value']);
  const [table] = scanSql("insert into log values ('a', 1, '2024-02-03 04:05:06', getdate())").tables;
  assert.deepEqual(table?.values, ['text', 'integer', 'date', undefined]);
  assert.equal(table?.written, true);
  const [typed] = scanSql("insert into run (run_id, n) values ('3f2a', 7)").tables;
  assert.deepEqual(
    [...(typed?.columns.values() ?? [])].map(({ kind }) => kind),
    ['text', 'integer'],
  );
});

test('batches without semicolons are several statements', () => {
  const sql = 'DELETE FROM a WHERE k = 1 INSERT INTO b (c) VALUES (1) UPDATE d SET e = 2 TRUNCATE TABLE f';
  assert.deepEqual(Object.keys(tablesOf(sql)), ['a', 'b', 'd', 'f']);
});

test('procedures with their parameters', () => {
  const [named] = scanSql("EXEC [dbo].[Load] @Name = 'x', @Count = @n OUTPUT").procedures;
  assert.deepEqual(named, {
    path: ['dbo', 'Load'],
    parameters: [
      { name: 'Name', isOutput: false },
      { name: 'Count', isOutput: true },
    ],
  });
  const [positional] = scanSql("call reporting.refresh('a', 2)").procedures;
  assert.deepEqual(
    positional?.parameters.map(({ name }) => name),
    ['p1', 'p2'],
  );
});

test('errors that a statement raises itself, words in texts aside', () => {
  assert.equal(scanSql("RAISERROR('no', 16, 1)").raises, true);
  assert.equal(scanSql("SELECT 'raiserror' AS word").raises, false);
});

test('names without quotes are folded as the database folds them', () => {
  assert.deepEqual(
    scanSql('select Id from Public."Orders"', 'lower').tables.map(({ path }) => path),
    [['public', 'Orders']],
  );
});

test('no text makes it fail', () => {
  for (const sql of [
    '',
    '(((',
    "'open",
    'select',
    'select , from',
    'exec',
    'insert into',
    '-- only\n',
    'merge',
    'with a as (',
  ])
    assert.doesNotThrow(() => scanSql(sql), sql);
});

test('CHANGETABLE tracks its table; what is joined with it is the key', () => {
  const { tables } = scanSql(
    'SELECT t.PersonID, t.Name, CT.SYS_CHANGE_VERSION, SYS_CHANGE_OPERATION FROM people t RIGHT OUTER JOIN CHANGETABLE(CHANGES people, 5) AS CT ON t.PersonID = CT.PersonID WHERE CT.SYS_CHANGE_VERSION <= 9',
  );
  const [people] = tables;
  assert.equal(tables.length, 1);
  assert.deepEqual(people?.tracked, ['PersonID']);
  assert.deepEqual(
    [...(people?.columns.values() ?? [])].map(({ name }) => name),
    ['PersonID', 'Name'],
  );
});

test('an INSERT without a list of columns takes as many as its SELECT shows', () => {
  const valuesOf = (sql: string): unknown => scanSql(sql).tables[0]?.values;
  assert.deepEqual(valuesOf("insert into dbo.Counts\nselect 'raw', 3;\n\nselect 1 as output"), [
    'text',
    'integer',
  ]);
  assert.deepEqual(valuesOf('insert into t select a, max(b, 2), 1 from s where c = 1'), [
    undefined,
    undefined,
    'integer',
  ]);
  assert.deepEqual(valuesOf('insert into t select * from s'), []);
  assert.deepEqual(valuesOf('insert into t select s.* from s'), []);
});

test('Change Data Capture is read by the name of its instance; what it adds is no column of the table', () => {
  const use = scanSql(`DECLARE @from binary(10) = sys.fn_cdc_get_min_lsn('dbo_customers');
    SELECT order_id, c.note, CASE __$operation WHEN 1 THEN 'D' ELSE 'I' END AS op
    FROM cdc.fn_cdc_get_all_changes_dbo_sales_orders(CONVERT(BINARY(10), '0x01', 1), sys.fn_cdc_get_max_lsn(), 'all') AS c
    WHERE quantity > 3;
    SELECT * FROM cdc.lsn_time_mapping`);
  assert.deepEqual(
    use.tables.map(({ path, captured, columns }) => [
      path.join('.'),
      captured,
      [...columns.values()].map(({ name }) => name),
    ]),
    [
      ['dbo.customers', 'dbo_customers', []],
      ['dbo.sales_orders', 'dbo_sales_orders', ['order_id', 'note', 'quantity']],
    ],
  );
});
