// What the tables of a data flow's sources are to have.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setStage } from '../../../dev/rehearse/simulate/frame.ts';
import { simulate } from '../../../dev/rehearse/simulate/simulate.ts';
import { compileFactory } from '../../../src/definitions/compile-factory.ts';
import { readFactory } from '../../../src/definitions/factory.ts';

const linkedServiceName = { referenceName: 'LS', type: 'LinkedServiceReference' };
const dataset = { referenceName: 'DS', type: 'DatasetReference' };
const FILES = {
  'linkedService/LS.json': {
    type: 'AzureSqlDatabase',
    typeProperties: { connectionString: 'Server=tcp:s.database.windows.net;Database=cars' },
  },
  'dataset/DS.json': {
    ...{ linkedServiceName, type: 'AzureSqlTable', schema: [] },
    typeProperties: { schema: 'dbo', table: 'out' },
  },
  'dataflow/DF.json': {
    type: 'MappingDataFlow',
    typeProperties: {
      sources: [{ dataset, name: 'cars' }],
      sinks: [{ dataset, name: 'kept' }],
      transformations: [],
      script: `source(output(make as string, carskey as integer, maxkeys as integer),
        query: 'SELECT c.*, max(carskey) over (partition by 1) maxkeys FROM [dbo].[cars] c', format: 'query') ~> cars
        cars sink(format: 'table') ~> kept`,
    },
  },
  'pipeline/PL.json': {
    activities: [
      {
        ...{ name: 'Flow', type: 'ExecuteDataFlow' },
        typeProperties: { dataflow: { referenceName: 'DF', type: 'DataFlowReference' } },
      },
    ],
  },
};

test('what a query computes beside its star is no column of the table', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-flow-needs-'));
  try {
    for (const [path, properties] of Object.entries(FILES)) {
      const file = join(directory, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify({ name: file.replace(/^.*\/|\.json$/g, ''), properties }));
    }
    const compiled = compileFactory(readFactory(directory), () => []);
    const [pipeline] = compiled.pipelines;
    assert.ok(pipeline);
    const { needs } = simulate(setStage(compiled, 1, Date.UTC(2026, 10, 23)), pipeline);
    const cars = [...needs.tables.values()].find(({ name }) => name === 'cars');
    assert.deepEqual([...(cars?.columns.keys() ?? [])].sort(), ['carskey', 'make']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
