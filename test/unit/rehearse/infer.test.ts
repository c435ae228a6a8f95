// What expressions demand of the values they read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inferText, inferUntil } from '../../../dev/rehearse/infer/infer-expression.ts';
import { Shape, settle } from '../../../dev/rehearse/infer/shape.ts';
import { kindOf, valueFor } from '../../../dev/rehearse/infer/values.ts';
import { needTable, noNeeds, type StoreRef } from '../../../dev/rehearse/needs.ts';

function scoped(): { output: Shape; scope: Parameters<typeof inferText>[1] } {
  const output = new Shape('output');
  return { output, scope: { roots: {}, variable: () => new Shape(), activity: () => output } };
}

test('what is read of an element of array(row) must be in the row', () => {
  const { output, scope } = scoped();
  const list = inferText("@array(activity('Details').output.firstRow)", scope);
  list.element().property('tenantId');
  settle([output, list]);
  assert.ok(output.property('output').property('firstRow').properties.has('tenantid'));
});

test('what is read of an element of array(rows) must be in a row', () => {
  const { output, scope } = scoped();
  inferText("@array(activity('Months').output.value)", scope).element().property('year');
  settle([output]);
  assert.ok(output.property('output').property('value').element().properties.has('year'));
});

test('what a statement sets without quotes is a number, whatever its name; what it quotes need not be', () => {
  const { output, scope } = scoped();
  inferText("update t set a=@{activity('A').output.load_time}, b='@{activity('A').output.note}'", scope);
  assert.equal(kindOf(output.property('output').property('load_time')), 'integer');
  assert.equal(kindOf(output.property('output').property('note')), undefined);
});

test('a loop that polls ends with the first answer, and well', () => {
  const ended = (condition: string, also = ''): unknown => {
    const { output, scope } = scoped();
    inferUntil({ type: 'Expression', value: condition }, scope);
    inferText(also, scope);
    settle([output]);
    const status = output.property('output').property('status');
    return valueFor(status, 'status', { seed: 1, index: 0 });
  };
  const status = "activity('A').output.status";
  assert.equal(ended(`@equals(${status}, 'Done')`, `@equals(${status}, 'Running')`), 'Done');
  assert.equal(ended(`@not(equals('inProgress', ${status}))`, `@equals(${status}, 'failed')`), 'Succeeded');
  assert.equal(ended(`@or(equals(${status}, 'Failed'), equals(${status}, 'Finished'))`), 'Finished');
  assert.equal(ended(`@not(or(equals(${status}, 'Queued'), equals(${status}, 'Running')))`), 'Succeeded');
  assert.equal(ended(`@not(equals(${status}, true))`), false);
});

test('a list of tables that is read is noted, and is no table to make', () => {
  const store: StoreRef = { kind: 'sql-server', linkedService: 'LS', database: 'Shop', schema: 'dbo' };
  const needs = noNeeds();
  assert.equal(needTable(needs, store, ['information_schema', 'tables']), undefined);
  assert.deepEqual([...needs.catalogs], ['sql-server|shop']);
});
