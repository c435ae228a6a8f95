// What Data Factory teams do with a landing folder, on real engines with a real worker: wait for it, list it, copy each file
// to another store, and delete what was copied.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import type { World } from '../../dev/world/world.ts';
import { startRun } from '../../src/client/start.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { RunPipelineOutput } from '../../src/core/run.ts';
import { type TemporaryFactory, writeFactory } from '../support/factory-files.ts';
import { azurePlace, s3Place } from '../support/file-places.ts';
import { after1, forEach } from '../support/pipeline-harness.ts';
import { sharedWorld } from '../support/world.ts';

const CONTAINER = 'files-e2e';
const from = azurePlace(CONTAINER);
const to = s3Place(CONTAINER);

const expression = (value: string): object => ({ value, type: 'Expression' });
const reference = (referenceName: string, file?: string): object => ({
  referenceName,
  type: 'DatasetReference',
  ...(file === undefined ? {} : { parameters: { file: expression(file) } }),
});
const dataset = (linkedService: string, location: object, named: boolean): object => ({
  properties: {
    type: 'Binary',
    linkedServiceName: { referenceName: linkedService, type: 'LinkedServiceReference' },
    ...(named ? { parameters: { file: { type: 'string' } } } : {}),
    typeProperties: {
      location: { ...location, ...(named ? { fileName: expression('@dataset().file') } : {}) },
    },
  },
});

const MOVE = {
  properties: {
    activities: [
      {
        name: 'Wait for files',
        type: 'Validation',
        typeProperties: {
          dataset: reference('landing'),
          timeout: '0.00:02:00',
          sleep: 1,
          childItems: true,
        },
      },
      {
        name: 'List',
        type: 'GetMetadata',
        ...after1('Wait for files', 'Succeeded'),
        typeProperties: { dataset: reference('landing'), fieldList: ['childItems', 'exists'] },
      },
      {
        ...forEach('Each', "@activity('List').output.childItems", [
          {
            name: 'Copy it',
            type: 'Copy',
            inputs: [reference('landing_file', '@item().name')],
            outputs: [reference('store_file', "@concat('copy of ', item().name)")],
            typeProperties: {
              source: { type: 'BinarySource', storeSettings: { type: 'AzureBlobStorageReadSettings' } },
              sink: { type: 'BinarySink', storeSettings: { type: 'AmazonS3WriteSettings' } },
            },
          },
          {
            name: 'Delete it',
            type: 'Delete',
            ...after1('Copy it', 'Succeeded'),
            typeProperties: { dataset: reference('landing_file', '@item().name'), enableLogging: false },
          },
        ]),
        ...after1('List', 'Succeeded'),
      },
      {
        name: 'Look again',
        type: 'GetMetadata',
        ...after1('Each', 'Succeeded'),
        typeProperties: { dataset: reference('landing'), fieldList: ['exists'] },
      },
    ],
  },
};

describe('GetMetadata, ForEach, Copy, Delete', { timeout: 300_000 }, () => {
  let world: World;
  let factory: TemporaryFactory;
  let connection: Connection;
  let worker: WorkerProcess;
  const taskQueue = `files-activities-${process.pid}`;
  const folder = `landing-${process.pid}`;

  before(async () => {
    world = await sharedWorld(['temporal', 's3', 'azure-blob']);
    await from.start(world);
    await to.start(world);
    const azure = { type: 'AzureBlobStorageLocation', container: CONTAINER, folderPath: folder };
    const s3 = { type: 'AmazonS3Location', bucketName: CONTAINER, folderPath: folder };
    factory = writeFactory({
      'linkedService/ls_azure.json': { properties: { type: 'AzureBlobStorage', typeProperties: {} } },
      'linkedService/ls_s3.json': { properties: { type: 'AmazonS3', typeProperties: {} } },
      'dataset/landing.json': dataset('ls_azure', azure, false),
      'dataset/landing_file.json': dataset('ls_azure', azure, true),
      'dataset/store_file.json': dataset('ls_s3', s3, true),
      'pipeline/move.json': MOVE,
    });
    const settings = join(factory.directory, 'waybill.toml');
    await writeFile(
      settings,
      [
        `factoryDirectory = ${JSON.stringify(factory.directory)}`,
        '[linkedService.ls_azure]',
        `serviceEndpoint = "${world.azureBlob.endpoint}"`,
        `accountKey = { env = "${world.azureBlob.accountKeyEnv}" }`,
        '[linkedService.ls_s3]',
        `serviceUrl = "${world.s3.endpoint}"`,
      ].join('\n'),
    );
    worker = new WorkerProcess(
      { ...process.env, ...world.env, WAYBILL_CONFIG: settings, WAYBILL_TASK_QUEUE: taskQueue },
      join(world.directory, 'logs', 'worker-files-activities.log'),
    );
    worker.start();
    connection = await Connection.connect({ address: world.temporal.address });
  });

  after(async () => {
    await worker?.stop();
    await connection?.close();
    await from.stop();
    await to.stop();
    factory?.remove();
  });

  it('moves what lands from Azure to S3, once it lands', async () => {
    const client = new Client({ connection });
    const { handle } = await startRun(client, {
      kind: 'pipeline',
      name: 'move',
      key: `${process.pid}`,
      parameters: {},
      trigger: 'test',
      taskQueue,
    });
    const names = Array.from({ length: 5 }, (_, i) => `file ${i}.bin`);
    for (const name of names.slice(1)) await from.put(`${folder}-other/${name}`, 'stays');
    // It waits: only then do files land.
    for (const deadline = Date.now() + 60_000; ; ) {
      const { events } = await handle.fetchHistory();
      const looked = (events ?? []).filter((event) => event.activityTaskCompletedEventAttributes);
      if (looked.length >= 3) break;
      assert.ok(Date.now() < deadline, 'it looks');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    for (const name of names) await from.put(`${folder}/${name}`, `body of ${name}`);
    const { activityRuns } = (await Promise.race([handle.result(), worker.failure()])) as RunPipelineOutput;
    const outputs = (name: string): JsonObject[] =>
      activityRuns.filter((run) => run.activityName === name).map(({ output }) => output as JsonObject);
    const [list] = outputs('List');
    // Some may land after the look that let it go on: each that it listed is moved, the others stay.
    const listed = ((list?.['childItems'] ?? []) as { name: string }[]).map(({ name }) => name);
    assert.ok(listed.length > 0);
    assert.equal(list?.['exists'], true);
    assert.deepEqual(
      await to.keys(`${folder}/copy`),
      listed.map((name) => `${folder}/copy of ${name}`),
    );
    for (const name of listed)
      assert.equal((await to.content(`${folder}/copy of ${name}`)).toString(), `body of ${name}`);
    assert.deepEqual(
      await from.keys(`${folder}/`),
      names.filter((name) => !listed.includes(name)).map((name) => `${folder}/${name}`),
    );
    assert.equal((await from.keys(`${folder}-other/`)).length, 4);
    for (const output of outputs('Copy it')) {
      assert.deepEqual([output['filesRead'], output['filesWritten'], output['rowsRead']], [1, 1, undefined]);
      assert.equal(output['dataRead'], output['dataWritten']);
    }
    for (const output of outputs('Delete it')) assert.equal(output['filesDeleted'], 1);
    assert.equal(outputs('Wait for files')[0]?.['exists'], true);
    assert.equal(outputs('Wait for files')[0]?.['$waybillValid'], undefined);
  });
});
