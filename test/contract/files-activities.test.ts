// GetMetadata, Validation, Delete and copies of files as they are, on every store of files, by the activities themselves.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createFileActivities, type FileActivities } from '../../src/activities/files.ts';
import type { CopyEndpoint } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { TaskActivity, TaskInput, TaskResult } from '../../src/core/pipeline/task.ts';
import { VALID } from '../../src/core/pipeline/validation.ts';
import { azurePlace, type FilePlace, folderPlace, s3Place } from '../support/file-places.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';

const CONTAINER = 'files-activities';
const places: FilePlace[] = [s3Place(CONTAINER), azurePlace(CONTAINER), folderPlace()];
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const coded =
  (code: string) =>
  (error: unknown): boolean =>
    (error instanceof WaybillError && error.code === code) ||
    (error instanceof ApplicationFailure && error.type === code);

describe('activities on files', { timeout: 600_000 }, () => {
  let workDirectory: string;
  let activities: FileActivities;
  let runner: CopyRunner;
  const serviceOf = (name: string) => {
    const place = places.find(({ type }) => type === name);
    assert.ok(place, name);
    return place.service();
  };

  before(async () => {
    const world = await sharedWorld(places.flatMap(({ engines }) => engines));
    for (const place of places) await place.start(world);
    workDirectory = await mkdtemp(join(tmpdir(), 'waybill-files-'));
    activities = createFileActivities({
      resolveLinkedService: async (name) => serviceOf(name),
      workDirectory,
    });
    runner = await CopyRunner.start(`files_activities_${process.pid}`, serviceOf);
  });
  after(async () => {
    await runner?.stop();
    for (const place of places) await place.stop();
    if (workDirectory !== undefined) await rm(workDirectory, { recursive: true, force: true });
  });

  const perform = async (
    type: 'GetMetadata' | 'Validation' | 'Delete',
    place: FilePlace,
    location: JsonObject,
    typeProperties: JsonObject,
    datasetType = 'Binary',
  ): Promise<JsonObject> => {
    const run: TaskActivity = activities[`perform${type}`];
    const { output } = await new MockActivityEnvironment().run<[TaskInput], TaskResult, TaskActivity>(run, {
      runId: 'run',
      pipelineWorkflowId: 'pipeline/p/run',
      pipeline: 'p',
      activity: type,
      type,
      typeProperties,
      datasets: {
        dataset: {
          name: 'files',
          type: datasetType,
          typeProperties: { location, firstRowAsHeader: true },
          linkedService: { name: place.type },
        },
      },
      attemptKey: `run/${type}/${JSON.stringify(location)}`,
    });
    const { effectiveIntegrationRuntime, billingReference, durationInQueue, ...own } = output;
    return own;
  };
  const end = (
    place: FilePlace,
    folder: string,
    settings: JsonObject = {},
    fileName?: string,
  ): CopyEndpoint => ({
    linkedService: place.type,
    datasetType: 'Binary',
    dataset: { location: place.location(folder, fileName) },
    settings: { storeSettings: settings },
  });

  for (const place of places) {
    describe(`on ${place.type}`, { timeout: 300_000 }, () => {
      test('GetMetadata tells what a file and a folder are, and whether they are', async () => {
        await place.put('meta/b.csv', 'id,name\n1,a\n');
        await place.put('meta/a.csv', 'id,name\n1,a\n2,b\n');
        await place.put('meta/sub/c.csv', 'x\n1\n');
        await place.put('metadata/other.csv', 'x\n1\n');
        const folder = await perform('GetMetadata', place, place.location('meta'), {
          fieldList: ['childItems', 'exists', 'itemName', 'itemType', 'lastModified'],
        });
        assert.deepEqual(folder['childItems'], [
          { name: 'a.csv', type: 'File' },
          { name: 'b.csv', type: 'File' },
          { name: 'sub', type: 'Folder' },
        ]);
        assert.deepEqual(
          [folder['exists'], folder['itemName'], folder['itemType']],
          [true, 'meta', 'Folder'],
        );
        assert.match(String(folder['lastModified']), MOMENT);
        const file = await perform(
          'GetMetadata',
          place,
          place.location('meta', 'a.csv'),
          { fieldList: ['itemName', 'itemType', 'size', 'LASTMODIFIED', 'structure', 'columnCount'] },
          'DelimitedText',
        );
        const { lastModified, ...rest } = file;
        assert.match(String(lastModified), MOMENT);
        assert.deepEqual(rest, {
          itemName: 'a.csv',
          itemType: 'File',
          size: 16,
          structure: [
            { name: 'id', type: 'String' },
            { name: 'name', type: 'String' },
          ],
          columnCount: 2,
        });
        for (const missing of [place.location('meta', 'none.csv'), place.location('nowhere')]) {
          assert.deepEqual(await perform('GetMetadata', place, missing, { fieldList: ['exists', 'size'] }), {
            exists: false,
          });
          await assert.rejects(
            perform('GetMetadata', place, missing, { fieldList: ['itemName'] }),
            coded('OBJECT_MISSING'),
          );
        }
        await assert.rejects(
          perform('GetMetadata', place, place.location('meta', 'a.csv'), { fieldList: ['childItems'] }),
          coded('DEFINITION_INVALID'),
        );
        const none = { modifiedDatetimeStart: '2200-01-01T00:00:00Z' };
        assert.deepEqual(
          await perform('GetMetadata', place, place.location('meta'), {
            fieldList: ['childItems'],
            storeSettings: none,
          }),
          { childItems: [] },
        );
      });

      test('Validation looks at size and at what a folder holds', async () => {
        await place.put('valid/a.csv', '12345');
        const look = async (location: JsonObject, more: JsonObject): Promise<unknown> =>
          (await perform('Validation', place, location, more))[VALID];
        const file = place.location('valid', 'a.csv');
        assert.equal(await look(file, {}), true);
        assert.equal(await look(file, { minimumSize: 5 }), true);
        assert.equal(await look(file, { minimumSize: 6 }), false);
        assert.equal(await look(place.location('valid', 'b.csv'), {}), false);
        assert.equal(await look(place.location('valid'), { childItems: true }), true);
        assert.equal(await look(place.location('valid'), { childItems: false }), false);
        assert.equal(await look(place.location('invalid'), {}), false);
      });

      test('Delete removes what is named and nothing beside it, and is done when there is nothing', async () => {
        const names = ['del/a.csv', 'del/b.txt', 'del/_c.csv', 'del/sub/d.csv', 'delta/e.csv', 'del.csv'];
        for (const name of names) await place.put(name, name);
        const remove = (location: JsonObject, more: JsonObject = {}): Promise<JsonObject> =>
          perform('Delete', place, location, more);
        const wild = await remove(place.location('del'), {
          storeSettings: { recursive: true, wildcardFileName: '*.txt' },
        });
        assert.deepEqual([wild['filesDeleted'], wild['isWildcardUsed'], wild['recursive']], [1, true, true]);
        const flat = await remove(place.location('del'), {
          enableLogging: true,
          logStorageSettings: {
            linkedServiceName: { referenceName: place.type, type: 'LinkedServiceReference' },
            path: place.type === 'FileServer' ? 'logs' : `${CONTAINER}/logs`,
          },
        });
        assert.deepEqual([flat['filesDeleted'], flat['recursive']], [2, false]);
        const key = String(flat['logPath']).replace(`${CONTAINER}/`, '');
        const log = (await place.content(key)).toString().trim().split('\n');
        assert.deepEqual(log.slice(0, 1).concat(log.slice(1).sort()), [
          'Name,Category,Status,Error',
          'del/_c.csv,File,Deleted,',
          'del/a.csv,File,Deleted,',
        ]);
        assert.deepEqual(await place.keys('del'), ['del.csv', 'del/sub/d.csv', 'delta/e.csv']);
        const all = await remove(place.location('del'), { recursive: true });
        assert.equal(all['filesDeleted'], 1);
        assert.deepEqual(await place.keys('del'), ['del.csv', 'delta/e.csv']);
        assert.deepEqual(
          (await perform('GetMetadata', place, place.location('del'), { fieldList: ['exists'] }))['exists'],
          false,
        );
        assert.equal((await remove(place.location('del'), { recursive: true }))['filesDeleted'], 0);
        assert.equal((await remove(place.location('', 'del.csv')))['filesDeleted'], 1);
        assert.equal((await remove(place.location('', 'del.csv')))['filesDeleted'], 0);
        await assert.rejects(
          remove(place.location('del/../delta'), { recursive: true }),
          coded('IDENTIFIER_INVALID'),
        );
        assert.deepEqual(await place.keys('del'), ['delta/e.csv']);
      });

      const other = places[(places.indexOf(place) + 1) % places.length] as FilePlace;
      test(`files go as they are to ${other.type}: hierarchy kept, flattened, merged; read ones may go`, async () => {
        const base = `bin-${place.type}`;
        const big = Buffer.alloc(9 * 1_048_576, 'waybill!');
        const files: Record<string, Buffer> = {
          'a.bin': Buffer.from([0, 255, 13, 10]),
          '_b.txt': Buffer.from('b'),
        };
        files['empty'] = Buffer.alloc(0);
        files['x/big.bin'] = big;
        files['x/y/c.txt'] = Buffer.from('c');
        for (const [name, body] of Object.entries(files)) await place.put(`${base}/${name}`, body);
        const copied = async (folder: string): Promise<string[]> =>
          (await other.keys(`${folder}/`))
            .filter((key) => !key.includes('/_waybill/'))
            .map((key) => key.slice(folder.length + 1));

        const kept = await runner.copy(
          `${base}/kept`,
          end(place, base, { recursive: true }),
          end(other, `${base}-kept`),
        );
        assert.deepEqual((await copied(`${base}-kept`)).sort(), Object.keys(files).sort());
        for (const [name, body] of Object.entries(files))
          assert.ok(body.equals(await other.content(`${base}-kept/${name}`)), name);
        const total = Object.values(files).reduce((sum, { length }) => sum + length, 0);
        assert.deepEqual(
          [kept.published.rows, kept.published.files, kept.published.bytesRead, kept.published.bytesWritten],
          [5, 5, total, total],
        );
        assert.equal(kept.published.sourceChecksum, kept.published.sinkChecksum);
        assert.deepEqual((await runner.run('planCopy', kept.input)).published, true);
        const again = await runner.run('copyChunk', { copy: kept.input, chunk: 0, epoch: kept.plan.epoch });
        assert.equal(again.resumed, true);

        await runner.copy(
          `${base}/flat`,
          end(place, base, { recursive: true, wildcardFileName: '*.txt' }),
          end(other, `${base}-flat`, { copyBehavior: 'FlattenHierarchy' }),
        );
        const flat = await copied(`${base}-flat`);
        assert.equal(flat.length, 2);
        for (const name of flat) assert.match(name, /^data_[0-9a-f-]{36}\.txt$/);

        await runner.copy(
          `${base}/merged`,
          end(place, base, { recursive: true, wildcardFileName: '*.txt' }),
          end(other, `${base}-merged`, { copyBehavior: 'MergeFiles' }, 'all.txt'),
        );
        assert.equal((await other.content(`${base}-merged/all.txt`)).toString(), 'bc');

        await runner.copy(
          `${base}/moved`,
          end(place, base, {
            recursive: true,
            wildcardFolderPath: `${base}/x*`,
            wildcardFileName: '*',
            deleteFilesAfterCompletion: true,
          }),
          end(other, `${base}-moved`),
        );
        assert.deepEqual((await copied(`${base}-moved`)).sort(), ['x/big.bin', 'x/y/c.txt']);
        assert.deepEqual((await place.keys(`${base}/`)).sort(), [
          `${base}/_b.txt`,
          `${base}/a.bin`,
          `${base}/empty`,
        ]);

        const input = runner.input(`${base}/none`, end(place, base, {}, 'none'), end(other, `${base}-none`));
        await assert.rejects(runner.run('planCopy', input), coded('OBJECT_MISSING'));
        const onto = runner.input(`${base}/onto`, end(place, base), end(place, base));
        await assert.rejects(runner.run('planCopy', onto), coded('DEFINITION_INVALID'));
      });
    });
  }
});
