// A backfill with real pipelines, whose worker is killed three times: every window once, in order, and never more at a
// time than allowed. WAYBILL_TEST_WINDOWS=2000 makes it as large as it is judged by.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import { applyTriggers } from '../../src/client/trigger-apply.ts';
import { TriggerKeeper } from '../../src/client/trigger-keeper.ts';
import { type TumblingWindowView, WINDOWS } from '../../src/core/trigger/messages.ts';
import { clientDataConverter } from '../../src/interceptors/data-converter.ts';
import { type TemporaryFactory, writeFactory } from '../support/factory-files.ts';
import { sharedWorld } from '../support/world.ts';

const COUNT = Number(process.env['WAYBILL_TEST_WINDOWS'] ?? 240);
const AT_ONCE = 7;
const KILLS = 3;
const START = Date.UTC(2025, 0, 1);
const HOUR = 3_600_000;
const name = `tr_backfill_${process.pid}`;
const taskQueue = `backfill-${process.pid}`;

let factory: TemporaryFactory;
let directory: string;
let client: Client;
let worker: WorkerProcess;

before(async () => {
  const { temporal } = await sharedWorld(['temporal']);
  directory = await mkdtemp(join(tmpdir(), 'waybill-backfill-'));
  factory = writeFactory({
    'pipeline/pl.json': {
      name: `pl_${process.pid}`,
      properties: {
        parameters: { from: { type: 'string' } },
        variables: { day: { type: 'String' } },
        activities: [
          {
            name: 'Set',
            type: 'SetVariable',
            typeProperties: {
              variableName: 'day',
              value: "@formatDateTime(pipeline().parameters.from, 'yyyy-MM-dd')",
            },
          },
          {
            name: 'Wait',
            type: 'Wait',
            dependsOn: [{ activity: 'Set', dependencyConditions: ['Succeeded'] }],
            typeProperties: { waitTimeInSeconds: 1 },
          },
        ],
      },
    },
    'trigger/tr.json': {
      name,
      properties: {
        type: 'TumblingWindowTrigger',
        runtimeState: 'Started',
        pipeline: {
          pipelineReference: { referenceName: `pl_${process.pid}`, type: 'PipelineReference' },
          parameters: { from: '@trigger().outputs.windowStartTime' },
        },
        typeProperties: {
          frequency: 'Hour',
          interval: 1,
          startTime: new Date(START).toISOString(),
          endTime: new Date(START + COUNT * HOUR).toISOString(),
          maxConcurrency: AT_ONCE,
        },
      },
    },
  });
  const connection = await Connection.connect({ address: temporal.address });
  client = new Client({ connection, dataConverter: clientDataConverter({ payloadKeys: [] }, process.env) });
  const env = {
    ...process.env,
    TEMPORAL_ADDRESS: temporal.address,
    WAYBILL_FACTORY_DIRECTORY: factory.directory,
    WAYBILL_TASK_QUEUE: taskQueue,
  };
  worker = new WorkerProcess(env, join(directory, 'worker.log'));
});
after(async () => {
  await worker?.stop();
  await client?.connection.close();
  factory?.remove();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

test(`${COUNT} windows are backfilled once each, in order, while the worker is killed ${KILLS} times`, {
  timeout: COUNT * 3_000 + 300_000,
}, async () => {
  worker.start();
  await applyTriggers(new TriggerKeeper(client, taskQueue), factory.directory, {
    names: [],
    prune: false,
    dryRun: false,
  });
  const handle = client.workflow.getHandle(`trigger/${name}`);
  const runsOf = `WorkflowType = 'runPipeline' AND WaybillTrigger = '${name}'`;
  const done = async (): Promise<number> =>
    (await client.workflow.count(`${runsOf} AND ExecutionStatus = 'Completed'`)).count;
  const deadline = Date.now() + COUNT * 3_000 + 240_000;
  for (let kill = 1; kill <= KILLS + 1; kill++) {
    const wanted = Math.floor((COUNT * kill) / (KILLS + 1));
    while ((await done()) < wanted) {
      assert.ok(Date.now() < deadline, `only ${await done()} of ${COUNT} windows`);
      await sleep(250);
    }
    if (kill <= KILLS) {
      await worker.kill();
      worker.start();
    }
  }
  let view: TumblingWindowView;
  do {
    view = await handle.query<TumblingWindowView>(WINDOWS);
    assert.ok(Date.now() < deadline, JSON.stringify(view.counts));
  } while (view.counts.Succeeded < COUNT && (await sleep(500)) === undefined);
  assert.deepEqual(view.ended.length, 1);

  const runs: { window: string; start: number; end: number }[] = [];
  for await (const run of client.workflow.list({ query: runsOf }))
    runs.push({
      window: run.workflowId.split(`${name}-`)[1] ?? '',
      start: run.startTime.getTime(),
      end: run.closeTime?.getTime() ?? Number.POSITIVE_INFINITY,
    });
  // Their ids begin alike, so their order by text is that of the windows.
  runs.sort((a, b) => a.start - b.start || (a.window < b.window ? -1 : 1));
  const wanted = Array.from(
    { length: COUNT },
    (_, index) => `${new Date(START + index * HOUR).toISOString().slice(0, 19)}Z`,
  );
  assert.deepEqual(
    runs.map(({ window }) => window),
    wanted,
  );
  const steps = runs.flatMap(({ start, end }) => [
    { at: start, by: 1 },
    { at: end, by: -1 },
  ]);
  // What ends at the same millisecond made place for what begins.
  steps.sort((a, b) => a.at - b.at || a.by - b.by);
  let [now, most] = [0, 0];
  for (const { by } of steps) {
    now += by;
    most = Math.max(most, now);
  }
  assert.equal(most, AT_ONCE);
  await handle.terminate();
});
