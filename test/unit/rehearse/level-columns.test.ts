// Columns that only all activities together tell: of folders, and of copies without a mapping.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANY_COLUMNS, declaredColumns } from '../../../dev/rehearse/columns.ts';
import { type FileNeed, needColumn, needTable, noNeeds, type StoreRef } from '../../../dev/rehearse/needs.ts';
import { createTable, trackedKey, withLsns } from '../../../dev/rehearse/provision/sql-types.ts';
import { levelColumns, levelHoldings, levelRows } from '../../../dev/rehearse/simulate/level-columns.ts';
import type { JsonValue } from '../../../src/core/json.ts';

const store: StoreRef = { kind: 'sql-server', linkedService: 'ls', database: 'db', schema: 'dbo' };

test('a sink has the columns that its source turns out to have, down a chain of copies', () => {
  const needs = noNeeds();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => needTable(needs, store, [name]));
  assert.ok(a && b && c);
  needs.flows.push({ from: b, to: c }, { from: a, to: b });
  needColumn(a.columns, 'ModifiedDate', 'date', true);
  levelColumns(needs);
  assert.deepEqual([...c.columns.keys()], ['modifieddate']);
  // What the copy makes by itself is left to it.
  c.isMade = true;
  needColumn(a.columns, 'More', 'text', true);
  levelColumns(needs);
  assert.deepEqual([...c.columns.keys()], ['modifieddate']);
});

test('a text that the last of several copies reads as a number is one in the first source, whatever it is called', () => {
  const needs = noNeeds();
  const [raw, staged, out] = ['raw', 'staged', 'out'].map((name) => needTable(needs, store, [name]));
  assert.ok(raw && staged && out);
  const first = needColumn(raw.columns, 'Electric Range', 'text', true);
  const other = needColumn(raw.columns, 'Make', 'text', true);
  const second = needColumn(staged.columns, 'Range', 'text', true);
  second.holds = 'integer';
  needColumn(out.columns, 'Range', 'integer', true);
  needs.passages.push(
    { from: staged, to: out },
    { from: raw, to: staged, names: new Map([['electric range', 'range']]) },
  );
  levelHoldings(needs);
  assert.deepEqual([first.holds, other.holds], ['integer', undefined]);
});

test('files of which nothing is known get the columns of those beside them', () => {
  const needs = noNeeds();
  const file = (path: string, names: readonly string[]): FileNeed => {
    const need: FileNeed = {
      ...{ store: { ...store, kind: 'azure-blob' as const }, container: 'c', path, format: 'DelimitedText' },
      ...{ dataset: {}, columns: new Map(), control: [] },
    };
    for (const name of names) needColumn(need.columns, name, 'text', false);
    needs.files.set(path, need);
    return need;
  };
  const any = ANY_COLUMNS.map(({ name }) => name);
  file('in/a.csv', ['OrderId', 'Amount']);
  const beside = file('in/b.csv', any);
  const elsewhere = file('out/b.csv', any);
  levelColumns(needs);
  assert.deepEqual([...beside.columns.keys()], ['orderid', 'amount']);
  assert.deepEqual([...elsewhere.columns.keys()], any);
  // What a copy adds itself, by additionalColumns, is in no file already.
  beside.without = new Set(['amount']);
  levelColumns(needs);
  assert.deepEqual([...beside.columns.keys()], ['orderid']);
});

test("an Avro dataset's schema says what its columns hold", () => {
  const type = (logicalType: string): object => ({ type: 'long', logicalType });
  const fields = [
    { name: 'Id', type: 'long' },
    { name: 'At', type: ['null', type('timestamp-micros')] },
    { name: 'Note', type: ['null', 'string'] },
    { name: 'Flag', type: 'boolean' },
    { name: 'Any', type: ['null', 'string', 'long'] },
  ] as unknown as JsonValue;
  const columns = declaredColumns({ type: 'record', name: 'Line', fields });
  assert.deepEqual(
    columns.map(({ name, kind, isKnown }) => `${name} ${kind} ${isKnown}`),
    ['Id integer true', 'At date true', 'Note text true', 'Flag boolean true', 'Any text false'],
  );
});

test('a table whose changes are read has a key', () => {
  const needs = noNeeds();
  const table = needTable(needs, store, ['people']);
  assert.ok(table);
  needColumn(table.columns, 'Name', 'text', true);
  needColumn(table.columns, 'PersonID', 'integer', true);
  assert.deepEqual(trackedKey(table), []);
  table.tracked = ['personid'];
  assert.deepEqual(trackedKey(table), ['PersonID']);
  assert.match(createTable(table), /\[PersonID\] \w+ NOT NULL, PRIMARY KEY \(\[PersonID\]\)/);
  table.tracked = [];
  assert.deepEqual(trackedKey(table), ['Name']);
});

test('a table that steers has a row for each value that a loop asks it for', () => {
  const needs = noNeeds();
  const marks = needTable(needs, store, ['watermarks']);
  assert.ok(marks);
  needColumn(marks.columns, 'TableName', 'text', true).equals.push('a', 'b');
  needColumn(marks.columns, 'Enabled', 'integer', true).equals.push(1);
  marks.control.push({ TableName: 'a', Mark: '2023-12-01' });
  levelRows(needs);
  assert.deepEqual(marks.control, [
    { TableName: 'a', Mark: '2023-12-01' },
    { TableName: 'b', Mark: '2023-12-01' },
  ]);
});

test('a table whose given numbers are asked for gives them', () => {
  const log = needTable(noNeeds(), store, ['log']);
  assert.ok(log);
  needColumn(log.columns, 'Name', 'text', true);
  assert.doesNotMatch(createTable(log), /IDENTITY/);
  log.isNumbered = true;
  assert.match(createTable(log), /"?\[?waybill_number\]?"? int IDENTITY\(1,1\) NOT NULL\)$/);
});

test('log sequence numbers stand for those around the rows that are captured', () => {
  const statement = "INSERT INTO t VALUES (N'0x00000000000000000001', 0x7FFFFFFFFFFFFFFFFFFF)";
  assert.equal(
    withLsns(statement, 'dbo_t'),
    "INSERT INTO t VALUES (CONVERT(varchar(100), sys.fn_cdc_get_min_lsn(N'dbo_t'), 1), sys.fn_cdc_get_max_lsn())",
  );
  assert.equal(withLsns(statement, undefined), statement);
});
