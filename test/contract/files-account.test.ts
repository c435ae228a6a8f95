// A storage account as a whole: GetMetadata without a container, and logs without a path.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { MockActivityEnvironment } from '@temporalio/testing';
import { azureAccount, type RunningAzurite, startAzurite } from '../../dev/azurite/azurite.ts';
import { createFileActivities } from '../../src/activities/files.ts';
import { openFolder } from '../../src/connectors/common/files/file-opener.ts';
import { openerFor } from '../../src/connectors/file-stores.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { TaskActivity, TaskInput, TaskResult } from '../../src/core/pipeline/task.ts';

const coded =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof WaybillError && error.code === code;

describe('a storage account as a whole', { timeout: 120_000 }, () => {
  let directory: string;
  let azurite: RunningAzurite;
  let more: JsonObject = {};
  const service = () => ({
    ...{ name: 'LS_Blob', type: 'AzureBlobStorage' },
    properties: { serviceEndpoint: azurite.endpoint, accountKey: azurite.accountKey, ...more },
  });
  const perform = async (
    type: 'GetMetadata' | 'Delete',
    location: JsonObject,
    typeProperties: JsonObject,
  ): Promise<JsonObject> => {
    const activities = createFileActivities({
      resolveLinkedService: async () => service(),
      workDirectory: directory,
    });
    const run: TaskActivity = activities[`perform${type}`];
    const { output } = await new MockActivityEnvironment().run<[TaskInput], TaskResult, TaskActivity>(run, {
      ...{ runId: 'run', pipelineWorkflowId: 'pipeline/p/run', pipeline: 'p', activity: type, type },
      typeProperties,
      datasets: {
        dataset: {
          ...{ name: 'files', type: 'Binary', typeProperties: { location } },
          linkedService: { name: 'LS_Blob' },
        },
      },
      attemptKey: `run/${type}`,
    });
    return output;
  };
  const client = (container: string): ContainerClient =>
    new ContainerClient(
      `${azurite.endpoint}/${container}`,
      new StorageSharedKeyCredential(azureAccount, azurite.accountKey),
    );

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'waybill-account-'));
    azurite = await startAzurite({ directory, containers: ['bronze', 'landing'] });
  });
  after(async () => {
    await azurite?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  test('its containers are the folders of a dataset that names none', async () => {
    const fields = ['childItems', 'itemName', 'itemType', 'exists'];
    const found = await perform('GetMetadata', { type: 'AzureBlobStorageLocation' }, { fieldList: fields });
    assert.deepEqual(
      fields.map((field) => found[field]),
      [
        [
          { name: 'bronze', type: 'Folder' },
          { name: 'landing', type: 'Folder' },
        ],
        '',
        'Folder',
        true,
      ],
    );
    await assert.rejects(
      perform('GetMetadata', { type: 'AzureBlobStorageLocation' }, { fieldList: ['size'] }),
      /"size" is not known of a whole account/,
    );
    // A folder without a container is no account.
    await assert.rejects(
      perform('GetMetadata', { folderPath: 'a' }, { fieldList: ['childItems'] }),
      /The dataset names no container/,
    );
  });

  test('a log without a path goes into a container that is made for it', async () => {
    await client('landing').getBlockBlobClient('a.csv').upload('a', 1);
    const removed = await perform(
      'Delete',
      { type: 'AzureBlobStorageLocation', container: 'landing' },
      {
        enableLogging: true,
        logStorageSettings: {
          linkedServiceName: { referenceName: 'LS_Blob', type: 'LinkedServiceReference' },
        },
      },
    );
    assert.equal(removed['filesDeleted'], 1);
    const path = String(removed['logPath']);
    assert.match(path, /^waybill\/[^/]+\.csv$/);
    const log = await client('waybill').getBlobClient(path.slice('waybill/'.length)).downloadToBuffer();
    assert.equal(log.toString(), 'Name,Category,Status,Error\na.csv,File,Deleted,\n');
  });

  test('a signature for one container lists no others and makes none', async () => {
    more = { accountKey: '', serviceEndpoint: '', sasUri: `${azurite.endpoint}/landing?sv=1&sig=x` };
    try {
      const opener = await openerFor(service());
      await assert.rejects(async () => opener.containers?.(service()), coded('SETTINGS_INVALID'));
      await assert.rejects(
        openFolder(opener, service(), '', AbortSignal.timeout(10_000)),
        coded('SETTINGS_INVALID'),
      );
    } finally {
      more = {};
    }
  });
});
