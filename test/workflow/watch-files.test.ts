// A trigger that looks for files itself, in a real folder: what is new fires once, what is being written waits.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import { createWatchActivities } from '../../src/activities/watch.ts';
import { TriggerKeeper } from '../../src/client/trigger-keeper.ts';
import { watcherOf } from '../../src/client/trigger-watchers.ts';
import type { RunPipelineInput } from '../../src/core/run.ts';
import type { WatchActivities } from '../../src/core/trigger/activities.ts';
import { compileTrigger } from '../../src/core/trigger/compile.ts';
import { lookAtFiles, type WatchState } from '../../src/core/trigger/watched-files.ts';
import { keepHistory } from '../support/keep-history.ts';
import type { RunScript } from '../support/trigger-workflows.ts';

const taskQueue = `watch-${process.pid}`;
let environment: TestWorkflowEnvironment;
let directory: string;

before(async () => {
  environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: await temporalExecutable() },
  });
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { WaybillPipeline: 2, WaybillTrigger: 2, WaybillStage: 2, WaybillWindowStart: 6 },
  });
  directory = await mkdtemp(join(tmpdir(), 'waybill-watch-'));
});
after(async () => {
  await environment?.teardown();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

async function until(what: string, look: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!look()) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('files that come fire once each, whole; those that were there and those that do not match do not', async () => {
  const runs: RunPipelineInput[] = [];
  let looks = 0;
  const watch = createWatchActivities({
    resolveLinkedService: async (name) => ({ name, type: 'FileServer', properties: { host: directory } }),
  });
  const activities: WatchActivities & RunScript = {
    lookForFiles: async (look) => {
      const found = await watch.lookForFiles(look);
      looks += 1;
      return found;
    },
    scriptRun: async (input) => {
      runs.push(input);
      return { seconds: 0 };
    },
  };
  const workflowsPath = fileURLToPath(new URL('../support/trigger-workflows.js', import.meta.url));
  const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle,
    activities,
  });
  const { trigger, faults } = compileTrigger('tr_files', {
    type: 'BlobEventsTrigger',
    runtimeState: 'Started',
    pipelines: [
      {
        pipelineReference: { referenceName: 'pl' },
        parameters: { file: '@triggerBody().fileName', folder: '@triggerBody().folderPath' },
      },
    ],
    typeProperties: {
      blobPathBeginsWith: '/share/blobs/in/',
      blobPathEndsWith: '.csv',
      events: ['Microsoft.Storage.BlobCreated'],
    },
  });
  assert.deepEqual(faults, []);
  assert.ok(trigger !== undefined);
  const settings = { trigger: { TR_FILES: { linkedService: 'ls', pollSeconds: 1 } } };
  const keeper = new TriggerKeeper(environment.client, taskQueue, watcherOf(settings));
  const file = (name: string): string => join(directory, 'in', name);
  await mkdir(join(directory, 'in', 'deeper'), { recursive: true });
  await writeFile(file('before.csv'), 'a\n');
  await worker.runUntil(async () => {
    await keeper.put(trigger, { dataFactory: 'f', globalParameters: {} }, undefined);
    await until('the first look', () => looks >= 1);
    await writeFile(file('a.csv'), 'a\n');
    await writeFile(file('deeper/b.CSV'), 'b\n');
    await writeFile(file('empty.csv'), '');
    await writeFile(file('note.txt'), 'no\n');
    await until('two files', () => runs.length >= 2);
    // It grows from look to look, and then stops.
    for (let step = 0; step < 4; step++) {
      await appendFile(file('grows.csv'), `${step}\n`);
      const at = looks;
      await until('the next look', () => looks > at);
      assert.equal(runs.length, 2, 'a file that grows has fired');
    }
    await until('the file that grew', () => runs.length >= 3);
    await writeFile(file('a.csv'), 'another content\n');
    await until('the changed file', () => runs.length >= 4);
    const at = looks;
    await until('further looks', () => looks > at + 2);
    const seen = runs.map(({ parameters }) => `${parameters['folder']}/${parameters['file']}`);
    assert.deepEqual(seen.slice(0, 2).sort(), ['share/in/a.csv', 'share/in/deeper/b.CSV']);
    assert.deepEqual(seen.slice(2), ['share/in/grows.csv', 'share/in/a.csv']);

    const kept = (await keeper.find('tr_files')) ?? assert.fail();
    assert.equal(kept.started, true);
    await keeper.setStarted(kept, false);
    const handle = environment.client.workflow.getHandle('trigger/tr_files');
    await Worker.runReplayHistory({ workflowBundle }, await handle.fetchHistory(), handle.workflowId);
    await keepHistory('watchFiles', handle);
    await keeper.remove(kept);
  });
});

test('what is remembered stays small, and no file fires twice or is missed, also beyond what one look takes', () => {
  const start = Date.UTC(2026, 0, 1);
  const minute = 60_000;
  let state: WatchState | undefined = lookAtFiles([], undefined, { now: start, settles: false }).state;
  const files: { key: string; bytes: number; etag: string; modified: number }[] = [];
  const fired: string[] = [];
  let largest = 0;
  for (let look = 0; look < 400; look++) {
    const now = start + look * 10 * minute;
    // Now and then many at once, and each listed up to 50 minutes late.
    for (let count = 0; count < (look % 50 === 0 ? 950 : 3); count++)
      files.push({ key: `f${files.length}`, bytes: 1, etag: 'e', modified: now - (count % 5) * 10 * minute });
    for (;;) {
      const found = lookAtFiles(files, state, { now, settles: false });
      fired.push(...found.fresh.map(({ key }) => key));
      state = JSON.parse(JSON.stringify(found.state)) as WatchState;
      largest = Math.max(largest, state.seen.length);
      if (!found.more) break;
    }
  }
  // Those modified before the start's overlap do not count as new.
  assert.equal(new Set(fired).size, fired.length);
  assert.equal(fired.length, files.length);
  assert.ok(largest < 1_200, `${largest} hashes`);
});
