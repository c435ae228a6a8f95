// Rows of files as a Lookup shows them: nested objects as they are, columns by their types, no more than asked for.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createSqlActivities } from '../../src/activities/sql.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { TaskInput } from '../../src/core/pipeline/task.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waybill-lookup-'));
  await writeFile(join(folder, 'set.json'), '{"Id":"1","deep":{"a":[1,2.5,null]},"on":true}\n{"Id":"2"}\n');
  await writeFile(join(folder, 'array.json'), '\uFEFF[ {"table":"t1"}, {"table":"t2"} ]');
  await writeFile(join(folder, 'list.csv'), 'name,count\n"a, b",3\nc,\n');
});
after(() => rm(folder, { recursive: true, force: true }));

async function lookup(datasetType: string, fileName: string, more: JsonObject = {}): Promise<JsonObject> {
  const { performLookup } = createSqlActivities({
    resolveLinkedService: async (name) => ({ name, type: 'FileServer', properties: { host: folder } }),
    workDirectory: folder,
  });
  const location = { type: 'FileServerLocation', fileName };
  const input: TaskInput = {
    ...{ runId: 'r', pipelineWorkflowId: 'w', pipeline: 'p', activity: 'Look up', type: 'Lookup' },
    typeProperties: { source: { type: `${datasetType}Source` }, ...more },
    datasets: {
      dataset: {
        name: 'ds',
        type: datasetType,
        typeProperties: { location, ...(datasetType === 'DelimitedText' ? { firstRowAsHeader: true } : {}) },
        linkedService: { name: 'ls' },
      },
    },
    attemptKey: 'r/Look up/1',
  };
  const { output } = (await new MockActivityEnvironment().run(performLookup, input)) as {
    output: JsonObject;
  };
  const { count, value, firstRow } = output;
  return {
    ...(count === undefined ? {} : { count, value }),
    ...(firstRow === undefined ? {} : { firstRow }),
  } as JsonObject;
}

test('objects come whole, in sets and in arrays', async () => {
  assert.deepEqual(await lookup('Json', 'set.json'), {
    firstRow: { Id: '1', deep: { a: [1, 2.5, null] }, on: true },
  });
  assert.deepEqual(await lookup('Json', 'set.json', { firstRowOnly: false }), {
    count: 2,
    value: [{ Id: '1', deep: { a: [1, 2.5, null] }, on: true }, { Id: '2' }],
  });
  assert.deepEqual(await lookup('Json', 'array.json', { firstRowOnly: false }), {
    count: 2,
    value: [{ table: 't1' }, { table: 't2' }],
  });
});

test('delimited text gives texts by the names of its header', async () => {
  const { value } = await lookup('DelimitedText', 'list.csv', { firstRowOnly: false });
  assert.deepEqual((value as JsonObject[])[0], { name: 'a, b', count: '3' });
  assert.equal((value as JsonObject[]).length, 2);
});

test('a file that is not there is named', async () => {
  await assert.rejects(lookup('Json', 'nowhere.json'), { code: 'OBJECT_MISSING' });
});
