// What the example factories need, and with which values their pipelines are started.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Needs } from '../../../dev/rehearse/needs.ts';
import { makeRows } from '../../../dev/rehearse/rows.ts';
import { setStage } from '../../../dev/rehearse/simulate/frame.ts';
import { type Simulation, simulate } from '../../../dev/rehearse/simulate/simulate.ts';
import { compileFactory } from '../../../src/definitions/compile-factory.ts';
import { readFactory } from '../../../src/definitions/factory.ts';

const directory = fileURLToPath(new URL('../../../../test/fixtures/rehearse', import.meta.url));

function simulated(name: string, seed = 1): Simulation {
  const compiled = compileFactory(readFactory(directory), () => []);
  const stage = setStage(compiled, seed, Date.UTC(2026, 10, 23, 4));
  const pipeline = compiled.pipelines.find(({ resource }) => resource.name === name);
  assert.ok(pipeline, name);
  return simulate(stage, pipeline);
}

const tablesOf = ({ tables }: Needs): Record<string, string> =>
  Object.fromEntries(
    [...tables.values()].map(({ store, schema, name, columns }) => [
      `${store.database}/${schema}.${name}`,
      [...columns.values()].map((column) => `${column.name}:${column.kind}`).join(' '),
    ]),
  );

test('a control table has rows that its query finds, and the tables they name exist', () => {
  const { needs, parameters, derived } = simulated('PL_Metadata_Copy');
  assert.deepEqual(derived, ['SystemName', 'RunDate']);
  // Both come from the trigger's definition.
  assert.deepEqual(parameters, { SystemName: 'crm', RunDate: '2024-01-01T00:00:00.000Z' });
  const control = [...needs.tables.values()].find(({ name }) => name === 'Tables');
  assert.deepEqual(control?.control[0], {
    SourceSchema: 'dbo',
    SourceTable: 'table_1',
    TargetFolder: 'folder_1',
    IsEnabled: 1,
    SystemName: 'crm',
  });
  const names = [...needs.tables.values()].map(({ schema, name }) => `${schema}.${name}`);
  assert.deepEqual(names, ['ctl.Tables', 'dbo.table_1', 'dbo.table_2', 'dbo.table_3']);
  assert.deepEqual(
    [...needs.containers.values()].map(({ container }) => container),
    ['landing'],
  );
});

test('a watermark lies before the data, and mappings say what the columns hold', () => {
  const { needs } = simulated('PL_Incremental');
  const tables = tablesOf(needs);
  assert.equal(tables['sales/dbo.orders_source'], 'LastModifytime:date OrderId:integer Amount:number');
  assert.match(tables['sales/stg.Orders'] ?? '', /OrderId:integer Amount:number LastModifytime:date/);
  const watermark = [...needs.tables.values()].find(({ name }) => name === 'watermark');
  assert.deepEqual(watermark?.control, [
    { WatermarkValue: '2023-12-01T00:00:00Z', TableName: 'orders_source' },
  ]);
  const [procedure] = needs.procedures.values();
  assert.deepEqual(
    [...(procedure?.parameters.values() ?? [])].map(({ name, kind }) => `${name}:${kind}`),
    ['LastModifiedtime:date', 'TableName:text'],
  );
});

test('a folder holds files whose names pass the filter', () => {
  const { needs } = simulated('PL_Land_Files');
  const files = [...needs.files.values()];
  assert.deepEqual(
    files.map(({ path }) => path),
    ['orders/file_1.csv', 'orders/file_2.csv', 'orders/file_3.csv'],
  );
  assert.deepEqual(
    [...(files[0]?.columns.values() ?? [])].map(({ name }) => name),
    ['OrderId', 'Amount', 'OrderedAt'],
  );
});

test('procedures answer what is read of them, and calls to outside too', () => {
  const { needs } = simulated('PL_Framework');
  const rows = Object.fromEntries([...needs.procedures.values()].map(({ name, rows }) => [name, rows]));
  assert.deepEqual(rows['ExecutionWrapper'], [{ ExecutionId: '00000000-0000-4000-8000-000000000001' }]);
  assert.deepEqual(rows['GetStages'], [{ StageId: 1 }, { StageId: 2 }, { StageId: 3 }]);
  const [stub] = needs.stubs.values();
  assert.deepEqual(stub, { activity: 'Ask the worker', response: { status: 'Done' } });
});

test('a pipeline that others call is started with what they give it', () => {
  const compiled = compileFactory(readFactory(directory), () => []);
  const stage = setStage(compiled, 1, 0);
  const find = (name: string) => compiled.pipelines.find(({ resource }) => resource.name === name);
  const [caller, callee] = [find('PL_Framework'), find('PL_Framework_Stage')];
  assert.ok(caller && callee);
  simulate(stage, caller);
  assert.deepEqual(simulate(stage, callee).parameters, {
    StageId: 1,
    ExecutionId: '00000000-0000-4000-8000-000000000001',
  });
});

test('rows are the same for the same seed, and others for another', () => {
  const columns = [
    { name: 'Amount', kind: 'number' as const, isKnown: true, equals: [] },
    { name: 'Region', kind: 'text' as const, isKnown: true, equals: ['EU', 'US'] },
  ];
  const rows = makeRows(columns, [], 7);
  assert.equal(rows.length, 100);
  assert.deepEqual(rows, makeRows(columns, [], 7));
  assert.notDeepEqual(rows, makeRows(columns, [], 8));
  assert.deepEqual(
    rows.slice(0, 3).map(([, region]) => region),
    ['EU', 'US', 'EU'],
  );
});
