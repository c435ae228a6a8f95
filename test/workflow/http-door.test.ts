// The HTTP door before a real Temporal server: who may start runs, what counts as an event, and that each counts once.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Client, Connection } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import { createDefinitionActivities } from '../../src/activities/definitions.ts';
import { createRunActivities } from '../../src/activities/runs.ts';
import { TemporalPipelineRuns } from '../../src/client/pipeline-runs.ts';
import { applyTriggers } from '../../src/client/trigger-apply.ts';
import { TriggerKeeper } from '../../src/client/trigger-keeper.ts';
import { TemporalTriggerStates } from '../../src/client/trigger-states.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { RunPipelineOutput } from '../../src/core/run.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { pipelineOf, writeFactory } from '../support/factory-files.ts';
import { type DoorUnderTest, startDoor } from '../support/http-door.ts';

const ACCOUNT = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/lake';
const TOPIC = '/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/topics/orders';
/** The promise is tried with 1,000 by WAYBILL_TEST_EVENTS=1000, which takes minutes. */
const EVENTS = Number(process.env['WAYBILL_TEST_EVENTS'] ?? 150);

const returns = (names: string[], more: object[] = []): object =>
  pipelineOf(
    [
      {
        name: 'tell',
        type: 'SetVariable',
        typeProperties: {
          variableName: 'pipelineReturnValue',
          setSystemVariable: true,
          value: names.map((key) => ({
            key,
            value: { type: 'Expression', content: `@pipeline().parameters.${key}` },
          })),
        },
      },
      ...more,
    ],
    { parameters: Object.fromEntries(names.map((name) => [name, { type: 'string', defaultValue: 'none' }])) },
  );

const trigger = (
  type: string,
  pipeline: string,
  typeProperties: object,
  parameters: object = {},
  runtimeState = 'Started',
): object => ({
  properties: {
    type,
    runtimeState,
    typeProperties,
    pipelines: [{ pipelineReference: { referenceName: pipeline, type: 'PipelineReference' }, parameters }],
  },
});

const created = ['Microsoft.Storage.BlobCreated'];
const file = { file: '@triggerBody().fileName', folder: "@concat(trigger().outputs.body.folderPath, '')" };
const definitions = {
  'pipeline/pl_file.json': returns(['file', 'folder']),
  'pipeline/pl_order.json': returns(['order']),
  'pipeline/pl_fails.json': pipelineOf([
    { name: 'no', type: 'Fail', typeProperties: { message: 'on purpose', errorCode: '7' } },
  ]),
  'pipeline/pl_waits.json': pipelineOf([
    { name: 'wait', type: 'Wait', typeProperties: { waitTimeInSeconds: 86_400 } },
  ]),
  'trigger/tr_landing.json': trigger(
    'BlobEventsTrigger',
    'pl_file',
    { scope: ACCOUNT, events: created, blobPathBeginsWith: '/landing/blobs/in/', blobPathEndsWith: '.csv' },
    file,
  ),
  'trigger/tr_kept.json': trigger('BlobEventsTrigger', 'pl_order', {
    scope: '/kept',
    events: created,
    blobPathEndsWith: '.csv',
  }),
  'trigger/tr_stopped.json': trigger(
    'BlobEventsTrigger',
    'pl_file',
    { scope: ACCOUNT, events: created },
    file,
    'Stopped',
  ),
  'trigger/tr_fails.json': trigger('BlobEventsTrigger', 'pl_fails', {
    scope: ACCOUNT,
    events: created,
    blobPathBeginsWith: '/landing/blobs/bad/',
  }),
  'trigger/tr_bucket.json': trigger(
    'BlobEventsTrigger',
    'pl_file',
    { scope: 's3://raw', events: [...created, 'Microsoft.Storage.BlobDeleted'] },
    file,
  ),
  'trigger/tr_orders.json': trigger(
    'CustomEventsTrigger',
    'pl_order',
    { scope: TOPIC, events: ['OrderPlaced'], subjectBeginsWith: 'shop/' },
    { order: '@triggerBody().event.data.order' },
  ),
};

const blob = (path: string, etag: string, more: JsonObject = {}): JsonObject => ({
  topic: ACCOUNT,
  subject: `/blobServices/default/containers/landing/blobs/${path}`,
  eventType: created[0] as string,
  id: `event-${etag}`,
  eventTime: '2026-01-02T03:04:05Z',
  data: { eTag: etag, contentLength: 10, url: `https://lake.blob.core.windows.net/landing/${path}` },
  ...more,
});

interface Report {
  readonly started: number;
  readonly repeated: number;
  readonly unmatched: number;
  readonly ignored: number;
  readonly failed: { reason: string }[];
}

describe('the HTTP door', { timeout: 600_000 }, () => {
  const taskQueue = `door-${process.pid}`;
  const factory = writeFactory(definitions);
  let environment: TestWorkflowEnvironment;
  let client: Client;
  let worker: Worker;
  let running: Promise<void>;
  let door: DoorUnderTest;

  before(async () => {
    environment = await TestWorkflowEnvironment.createLocal({
      server: {
        executable: await temporalExecutable(),
        extraArgs: ['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'],
      },
    });
    client = environment.client;
    await environment.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: { WaybillPipeline: 2, WaybillTrigger: 2, WaybillStage: 2, WaybillWindowStart: 6 },
    });
    worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowBundle: { codePath: fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url)) },
      activities: {
        ...createDefinitionActivities({
          settings: { factoryDirectory: factory.directory, linkedService: {} },
        }),
        ...createRunActivities({ runs: new TemporalPipelineRuns(client, taskQueue) }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
    });
    running = worker.run();
    door = await startDoor({ client, factoryDirectory: factory.directory, taskQueue });
  });
  after(async () => {
    await door?.stop();
    worker?.shutdown();
    await running;
    await environment?.teardown();
    factory.remove();
  });

  const count = async (query: string): Promise<number> => (await client.workflow.count(query)).count;
  const runs = (pipeline: string): Promise<number> =>
    count(`WorkflowType = 'runPipeline' AND WaybillPipeline = '${pipeline}'`);
  const runsOf = (key: string): Promise<number> => count(`WorkflowId = 'pipeline/pl_file/${key}'`);
  /** Visibility follows a little later: polls until a count is as it should be, and fails with what it is. */
  const eventually = async (expected: number, actual: () => Promise<number>): Promise<void> => {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const now = await actual();
      if (now === expected) return;
      if (now > expected || Date.now() > deadline) assert.equal(now, expected);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const returned = async (workflowId: string): Promise<JsonObject> =>
    ((await client.workflow.getHandle(workflowId).result()) as RunPipelineOutput).returnValue;
  const reportOf = async (response: Response, status = 200): Promise<Report> => {
    const text = await response.text();
    assert.equal(response.status, status, text);
    return JSON.parse(text) as Report;
  };
  const errorOf = async (response: Response): Promise<{ code: string; message: string; next: string }> => {
    const { error } = (await response.json()) as { error: { code: string; message: string; next: string } };
    return error;
  };

  describe('starting runs', () => {
    test('a signed request starts a run and says where it is', async () => {
      const response = await door.start('pl_file', { parameters: { file: 'a.csv' }, key: 'signed-1' });
      const answer = (await response.json()) as { runId: string; workflowId: string; isNew: boolean };
      assert.equal(response.status, 202);
      assert.equal(answer.workflowId, 'pipeline/pl_file/signed-1');
      assert.equal(response.headers.get('location'), `/pipelineruns/${answer.runId}`);
      assert.equal(answer.isNew, true);
      assert.deepEqual(await returned(answer.workflowId), { file: 'a.csv', folder: 'none' });
      const { runId } = await client.workflow.getHandle(answer.workflowId).describe();
      assert.equal(answer.runId, runId);
      const again = await door.start('pl_file', { key: 'signed-1', parameters: { file: 'b.csv' } });
      const repeated = (await again.json()) as { runId: string; isNew: boolean };
      assert.deepEqual([again.status, repeated.runId, repeated.isNew], [202, answer.runId, false]);
    });

    test('an Idempotency-Key is a key; without any key the request itself is', async () => {
      const key = { headers: { 'idempotency-key': 'header-key' } };
      const first = (await (await door.start('pl_file', {}, key)).json()) as { workflowId: string };
      assert.equal(first.workflowId, 'pipeline/pl_file/header-key');
      const second = (await (await door.start('pl_file', { parameters: {} })).json()) as {
        workflowId: string;
      };
      assert.match(second.workflowId, /^pipeline\/pl_file\/http-[0-9a-f]{40}$/);
    });

    test('a request that was accepted is accepted once: by any door, for any pipeline, with any key', async () => {
      const at = Math.floor(Date.now() / 1000) - 20;
      const key = `once-${at}`;
      const body = JSON.stringify({ key, parameters: { file: 'once' } });
      assert.equal((await door.start('pl_file', body, { at })).status, 202);
      await eventually(1, () => runsOf(key));
      const before = await runs('pl_file');
      // Another door has the same keys and nothing else in common: it stands for this one after a restart.
      const other = await startDoor({
        client,
        factoryDirectory: factory.directory,
        taskQueue,
        keys: door.keys,
      });
      try {
        for (const again of [door, other]) {
          const replayed = await again.start('pl_file', body, { at });
          assert.equal(replayed.status, 401);
          assert.match((await errorOf(replayed)).message, /has been used/);
          assert.equal(
            (await again.start('pl_fails', body, { at })).status,
            400,
            'pl_fails has no parameter "file"',
          );
          const other = await again.start('pl_file', body, { at, headers: { 'idempotency-key': 'other' } });
          assert.equal(other.status, 401);
        }
      } finally {
        await other.stop();
      }
      assert.equal(await runs('pl_file'), before);
    });

    const now = (): number => Math.floor(Date.now() / 1000);
    const post = (
      headers: Record<string, string>,
      body: string | Buffer,
      path = '/pipelines/pl_fails/runs',
    ): Promise<Response> => fetch(`${door.url}${path}`, { method: 'POST', headers, body });
    const REFUSED: readonly [string, number, () => Promise<Response>][] = [
      ['no signature', 401, () => post({ 'content-type': 'application/json' }, '{}')],
      ['a signature of another key', 401, () => door.start('pl_fails', {}, { key: 'x'.repeat(32) })],
      [
        'an empty signature',
        401,
        () => door.start('pl_fails', {}, { headers: { 'x-waybill-signature': '' } }),
      ],
      [
        'a signature of other length',
        401,
        () => door.start('pl_fails', {}, { headers: { 'x-waybill-signature': 'ab' } }),
      ],
      [
        'two signatures',
        401,
        () =>
          door.start(
            'pl_fails',
            {},
            { headers: { 'x-waybill-signature': `${'a'.repeat(64)}, ${'b'.repeat(64)}` } },
          ),
      ],
      [
        'a timestamp that is none',
        401,
        () => door.start('pl_fails', {}, { headers: { 'x-waybill-timestamp': 'now' } }),
      ],
      [
        'a timestamp that was not signed',
        401,
        () => door.start('pl_fails', {}, { headers: { 'x-waybill-timestamp': String(now() + 1) } }),
      ],
      ['a timestamp 301 s old', 401, () => door.start('pl_fails', {}, { at: now() - 302 })],
      ['a timestamp 301 s ahead', 401, () => door.start('pl_fails', {}, { at: now() + 302 })],
      [
        'a body altered by a byte',
        401,
        () => door.start('pl_fails', '{"parameters":{}}', { sent: '{"parameters":{ }}' }),
      ],
      ['a body of other spelling', 401, () => door.start('pl_fails', '{ }', { sent: '{}' })],
      [
        'a body of 1 MB and a byte',
        413,
        () => door.start('pl_fails', `{"key":"${'x'.repeat(1024 * 1024)}"}`),
      ],
      [
        'a compressed body',
        415,
        () =>
          post(
            { 'content-type': 'application/json', 'content-encoding': 'gzip' },
            gzipSync(Buffer.alloc(10_000_000)),
          ),
      ],
      [
        'another content type',
        415,
        () => door.start('pl_fails', {}, { headers: { 'content-type': 'text/plain' } }),
      ],
      ['no JSON', 400, () => door.start('pl_fails', 'parameters')],
      ['JSON that is no object', 400, () => door.start('pl_fails', '[]')],
      ['an unknown property', 400, () => door.start('pl_fails', { params: {} })],
      ['a parameter that does not exist', 400, () => door.start('pl_fails', { parameters: { nope: 1 } })],
      [
        'a parameter named __proto__',
        400,
        () => door.start('pl_fails', '{"parameters":{"__proto__":{"a":1}}}'),
      ],
      ['a key with a slash', 400, () => door.start('pl_fails', { key: 'a/copy/b' })],
      ['a key that is no text', 400, () => door.start('pl_fails', { key: 5 })],
      ['a pipeline that does not exist', 404, () => door.start('pl_nothing', {})],
      [
        'a path in other letters',
        404,
        () => post({ 'content-type': 'application/json' }, '{}', '/Pipelines/pl_fails/Runs'),
      ],
      ['a path that climbs', 404, () => post({}, '{}', '/pipelines/../../pl_fails/runs')],
      ['a path with a broken escape', 400, () => post({}, '{}', '/pipelines/%zz/runs')],
      ['another method', 405, () => fetch(`${door.url}/pipelines/pl_fails/runs`)],
    ];
    for (const [what, status, send] of REFUSED)
      test(`${what} is refused with ${status}`, async () => {
        const response = await send();
        const { code, message, next } = await errorOf(response);
        assert.equal(response.status, status, `${code} ${message}`);
        assert.ok(message.length > 10 && next.length > 10);
        assert.equal(JSON.stringify([message, next]).includes(door.keys.signing), false);
      });

    test('an endless body is cut off, and whoever sends slowly holds nobody up', async () => {
      const { port } = new URL(door.url);
      const sending = httpRequest({
        port,
        method: 'POST',
        path: '/pipelines/pl_fails/runs',
        headers: { 'content-type': 'application/json' },
      });
      sending.on('error', () => undefined);
      const answered = once(sending, 'response') as Promise<[{ statusCode: number; resume(): void }]>;
      const part = Buffer.alloc(64 * 1024, ' ');
      let open = true;
      sending.on('close', () => {
        open = false;
      });
      const more = (): void => {
        if (open && !sending.destroyed && sending.write(part)) setImmediate(more);
        else if (open && !sending.destroyed) sending.once('drain', more);
      };
      more();
      const [response] = await answered;
      assert.equal(response.statusCode, 413);
      response.resume();
      await once(sending, 'close');
    });

    test('after all of that nothing was started', async () => {
      assert.equal(await runs('pl_fails'), 0);
    });
  });

  describe('Event Grid', () => {
    test('the handshake is answered, for both schemas, to those who know the key', async () => {
      const event = {
        id: '1',
        topic: ACCOUNT,
        subject: '',
        eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
        eventTime: 't',
        data: { validationCode: 'code-5', validationUrl: 'http://127.0.0.1:1/' },
      };
      const response = await door.deliver('/events/eventgrid', [event], {
        'aeg-event-type': 'SubscriptionValidation',
      });
      assert.deepEqual(await response.json(), { validationResponse: 'code-5' });
      const options = (code: string): Promise<Response> =>
        fetch(`${door.url}/events/eventgrid/tr_landing?code=${code}`, {
          method: 'OPTIONS',
          headers: { 'webhook-request-origin': 'eventgrid.azure.net', 'webhook-request-rate': '120' },
        });
      const allowed = await options(door.keys.event);
      assert.deepEqual(
        [
          allowed.status,
          allowed.headers.get('webhook-allowed-origin'),
          allowed.headers.get('webhook-allowed-rate'),
        ],
        [200, 'eventgrid.azure.net', '120'],
      );
      assert.equal((await options('wrong')).status, 401);
      const unknown = await fetch(`${door.url}/events/eventgrid?code=wrong`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([event]),
      });
      assert.equal(unknown.status, 401);
    });

    test('a file that arrives starts its pipeline with file and folder; others, and stopped triggers, do not', async () => {
      const before = await runs('pl_file');
      const report = await reportOf(
        await door.deliver('/events/eventgrid', [
          blob('in/2026/a b.csv', '0x1'),
          blob('in/x.parquet', '0x2'),
          blob('out/x.csv', '0x3'),
          blob('in/empty.csv', '0x4', { data: { eTag: '0x4', contentLength: 0 } }),
          blob('in/gone.csv', '0x5', { eventType: 'Microsoft.Storage.BlobDeleted' }),
          blob('in/other.csv', '0x6', { topic: `${ACCOUNT}2` }),
          { nothing: true },
        ]),
      );
      assert.deepEqual(report, { events: 6, started: 1, repeated: 0, unmatched: 5, ignored: 1, failed: [] });
      await eventually(before + 1, () => runs('pl_file'));
      const [run] = await all("WaybillTrigger = 'tr_landing'");
      assert.match(run ?? '', /^pipeline\/pl_file\/tr_landing-a_b\.csv-[0-9a-f]{32}$/);
      assert.deepEqual(await returned(run as string), { file: 'a b.csv', folder: 'landing/in/2026' });
    });

    const all = async (query: string): Promise<string[]> => {
      const ids: string[] = [];
      for await (const { workflowId } of client.workflow.list({ query })) ids.push(workflowId);
      return ids;
    };

    test('a custom event brings its data; one without what the trigger wants is told, and starts nothing', async () => {
      const order = (id: string, data: JsonObject): JsonObject => ({
        id,
        topic: TOPIC,
        subject: 'shop/1',
        eventType: 'orderplaced',
        eventTime: 't',
        data,
        dataVersion: '1',
      });
      const report = await reportOf(
        await door.deliver('/events/eventgrid', [order('o1', { order: 'n-17' }), order('o2', {})]),
      );
      assert.equal(report.started, 1);
      assert.match(report.failed[0]?.reason ?? '', /EXPRESSION_INVALID.*order/);
      await eventually(1, () => runs('pl_order'));
      const [run] = await all("WaybillTrigger = 'tr_orders'");
      assert.deepEqual(await returned(run as string), { order: 'n-17' });
    });

    test('CloudEvents, in a batch and in binary form', async () => {
      const { data, subject } = blob('in/cloud.csv', '0xc1') as { data: JsonObject; subject: string };
      const cloud = {
        specversion: '1.0',
        id: 'c1',
        type: created[0] as string,
        source: ACCOUNT,
        time: '2026-01-01T00:00:00Z',
        subject,
        data,
      };
      const batch = await door.deliver('/events/eventgrid', [cloud], {
        'content-type': 'application/cloudevents-batch+json; charset=utf-8',
      });
      assert.equal((await reportOf(batch)).started, 1);
      const binary = await door.deliver('/events/eventgrid', data, {
        'ce-specversion': '1.0',
        'ce-id': 'c1',
        'ce-type': created[0] as string,
        'ce-source': ACCOUNT,
        'ce-subject': subject,
      });
      assert.equal((await reportOf(binary)).repeated, 1);
    });

    test('an address of a trigger is for that trigger alone, whatever the scope', async () => {
      const event = blob('in/direct.csv', '0xd1', { topic: '/elsewhere' });
      assert.equal((await reportOf(await door.deliver('/events/eventgrid/tr_landing', event))).started, 1);
      assert.equal((await door.deliver('/events/eventgrid/tr_nothing', event)).status, 404);
      assert.equal((await reportOf(await door.deliver('/events/eventgrid/tr_stopped', event))).unmatched, 1);
    });

    test('a run that failed is not run again because its event comes again', async () => {
      const event = blob('bad/x', '0xb1');
      assert.equal((await reportOf(await door.deliver('/events/eventgrid', [event]))).started, 1);
      await eventually(1, () => count("WaybillPipeline = 'pl_fails' AND ExecutionStatus = 'Failed'"));
      assert.equal((await reportOf(await door.deliver('/events/eventgrid', [event]))).repeated, 1);
      assert.equal(await runs('pl_fails'), 1);
    });

    test('hostile names start runs that see them as they are', async () => {
      const names = [
        '../../etc/passwd',
        "a'; drop table x;--",
        'a\nb',
        'a\u0000b',
        '@pipeline().RunId',
        '@{1}',
        '%2e%2e',
        'x'.repeat(1000),
        'snow☃',
      ];
      const before = await count("WaybillTrigger = 'tr_landing'");
      const report = await reportOf(
        await door.deliver(
          '/events/eventgrid',
          names.map((name, n) => blob(`in/h/${name}.csv`, `0xh${n}`)),
        ),
      );
      assert.deepEqual([report.started, report.failed], [names.length, []]);
      await eventually(before + names.length, () => count("WaybillTrigger = 'tr_landing'"));
      const ids = await all("WaybillTrigger = 'tr_landing' AND ExecutionStatus IN ('Running', 'Completed')");
      const told = await Promise.all(
        ids.map(async (id) => `${(await returned(id))['folder']}/${(await returned(id))['file']}`),
      );
      for (const name of names) assert.ok(told.includes(`landing/in/h/${name}.csv`), JSON.stringify(name));
    });

    test('bad deliveries are refused as what they are', async () => {
      assert.equal((await door.deliver('/events/eventgrid', '"text"')).status, 400);
      assert.equal((await door.deliver('/events/eventgrid', '{')).status, 400);
      assert.equal(
        (await door.deliver('/events/eventgrid', '[]', { 'content-type': 'text/html' })).status,
        415,
      );
      assert.equal((await door.deliver('/events/eventgrid', `["${'x'.repeat(1_300_000)}"]`)).status, 413);
      assert.equal(
        (await reportOf(await door.deliver('/events/eventgrid', '['.repeat(50_000) + ']'.repeat(50_000))))
          .ignored,
        1,
      );
    });

    test(`${EVENTS} events, each delivered one to five times in random order, start ${EVENTS} runs`, async () => {
      const random = seeded(20261123);
      const before = await runs('pl_file');
      const deliveries = Array.from({ length: EVENTS }, (_, n) =>
        blob(`in/many/${n % 40}/${n}.csv`, `0xe${n}`),
      ).flatMap((event) => Array.from({ length: 1 + Math.floor(random() * 5) }, () => event));
      shuffle(deliveries, random);
      let [at, started, repeated] = [0, 0, 0];
      const sender = async (): Promise<void> => {
        while (at < deliveries.length) {
          const size = 1 + Math.floor(random() * 8);
          const batch = deliveries.slice(at, at + size);
          at += size;
          const report = await reportOf(await door.deliver('/events/eventgrid', batch));
          started += report.started;
          repeated += report.repeated;
        }
      };
      await Promise.all([sender(), sender(), sender(), sender()]);
      assert.deepEqual([started, started + repeated], [EVENTS, deliveries.length]);
      await eventually(before + EVENTS, () => runs('pl_file'));
      const ended = "WaybillPipeline = 'pl_file' AND ExecutionStatus = 'Completed'";
      await eventually(before + EVENTS, () => count(ended));
    });
  });

  test('triggers that Temporal keeps fire as they were last told, whatever the file says', async () => {
    const keeper = new TriggerKeeper(client, taskQueue);
    await applyTriggers(keeper, factory.directory, { names: ['tr_kept'], prune: false, dryRun: false });
    const states = new TemporalTriggerStates(client, taskQueue);
    const told = await startDoor({ client, factoryDirectory: factory.directory, taskQueue, states });
    let n = 0;
    const outcome = async (): Promise<string> => {
      const event = blob('in/kept.csv', `0xk${++n}`, { topic: '/kept' });
      const { started } = await reportOf(await told.deliver('/events/eventgrid', event));
      return started === 1 ? 'fires' : 'rests';
    };
    const becomes = async (expected: string): Promise<void> => {
      const deadline = Date.now() + 30_000;
      while ((await outcome()) !== expected) {
        assert.ok(Date.now() < deadline, `it never ${expected}`);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    };
    const kept = await keeper.find('tr_kept');
    assert.ok(kept);
    try {
      assert.equal(await outcome(), 'fires');
      await keeper.setStarted(kept, false);
      await becomes('rests');
      await keeper.setStarted(kept, true);
      await becomes('fires');
    } finally {
      await told.stop();
    }
  });

  describe('S3', () => {
    const record = (key: string, eTag: string): JsonObject => ({
      eventName: 'ObjectCreated:Put',
      eventTime: '2026-01-02T03:04:05Z',
      s3: { bucket: { name: 'raw' }, object: { key, size: 1, eTag, sequencer: 'A1' } },
    });
    const sns = (message: object): object => ({
      Type: 'Notification',
      MessageId: 'm',
      TopicArn: 'arn:aws:sns:us-east-1:1:t',
      Message: JSON.stringify(message),
    });

    test('the same object by a notification, by SNS and by EventBridge is one run', async () => {
      const bridge = {
        id: 'e',
        'detail-type': 'Object Created',
        source: 'aws.s3',
        time: 't',
        detail: {
          bucket: { name: 'raw' },
          object: { key: 'in/a b+c.csv', size: 1, etag: 'e1', sequencer: 'B2' },
        },
      };
      const first = await reportOf(
        await door.deliver('/events/s3', { Records: [record('in/a+b%2Bc.csv', 'e1')] }),
      );
      const second = await reportOf(
        await door.deliver('/events/s3', sns({ Records: [record('in/a+b%2Bc.csv', 'e1')] }), {
          'content-type': 'text/plain; charset=UTF-8',
        }),
      );
      const third = await reportOf(await door.deliver('/events/s3', bridge));
      assert.deepEqual([first.started, second.repeated, third.repeated], [1, 1, 1]);
      for await (const { workflowId } of client.workflow.list({ query: "WaybillTrigger = 'tr_bucket'" }))
        assert.deepEqual(await returned(workflowId), { file: 'a b+c.csv', folder: 'raw/in' });
    });

    test('a subscription is confirmed at SNS and nowhere else', async () => {
      const asked: string[] = [];
      const stranger = createServer((request, response) => {
        asked.push(request.url ?? '');
        response.end();
      });
      await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
      const host = `127.0.0.1:${(stranger.address() as AddressInfo).port}`;
      const request = (address: string): object => ({
        Type: 'SubscriptionConfirmation',
        TopicArn: 'arn:t',
        Token: 't',
        SubscribeURL: address,
      });
      try {
        for (const address of [
          `http://${host}/x`,
          `https://${host}/x`,
          `http://sns.us-east-1.amazonaws.com@${host}/`,
          'http://169.254.169.254/latest',
          'https://sns.evil.com/',
          `https://sns.us-east-1.amazonaws.com.${host}/`,
          'https://sns.us-east-1.amazonaws.com:444/',
          'file:///etc/passwd',
          'no address',
        ])
          assert.equal((await door.deliver('/events/s3', request(address))).status, 400, address);
        assert.deepEqual(asked, []);
        const trusting = await startDoor({
          client,
          factoryDirectory: factory.directory,
          taskQueue,
          snsHosts: [host],
        });
        const response = await trusting.deliver(
          '/events/s3',
          request(`http://${host}/?Action=ConfirmSubscription`),
          { 'content-type': 'text/plain' },
        );
        assert.equal(response.status, 200);
        await trusting.stop();
        assert.deepEqual(asked, ['/?Action=ConfirmSubscription']);
      } finally {
        stranger.close();
      }
    });
  });

  describe('monitoring', () => {
    const ask = (path: string, body?: JsonObject, key = door.keys.api): Promise<Response> =>
      fetch(`${door.url}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const json = async (response: Response): Promise<JsonObject> => {
      assert.equal(response.status, 200, await response.clone().text());
      return (await response.json()) as JsonObject;
    };
    const everything = {
      lastUpdatedAfter: '2000-01-01T00:00:00Z',
      lastUpdatedBefore: '2100-01-01T00:00:00Z',
    };

    test('nothing is told to those without a key', async () => {
      for (const [path, body] of [
        ['/pipelineruns/x', undefined],
        ['/queryPipelineRuns', {}],
        ['/queryTriggerRuns', {}],
        ['/pipelineruns/x/queryActivityruns', {}],
        ['/pipelineruns/x/cancel', {}],
      ] as const) {
        assert.equal((await ask(path, body, 'wrong')).status, 401, path);
        assert.equal((await ask(path, body, door.keys.event)).status, 401, path);
      }
    });

    test('a run and its activities, in the fields that Data Factory gives them', async () => {
      const started = await door.start('pl_file', { key: 'told', parameters: { file: 'told.csv' } });
      const { runId, workflowId } = (await started.json()) as { runId: string; workflowId: string };
      await returned(workflowId);
      const run = await json(await ask(`/pipelineruns/${runId}`));
      assert.deepEqual(
        [run['runId'], run['pipelineName'], run['status'], run['isLatest']],
        [runId, 'pl_file', 'Succeeded', true],
      );
      assert.equal((run['parameters'] as JsonObject)['file'], 'told.csv');
      assert.deepEqual(await json(await ask(`/pipelineruns/${encodeURIComponent(workflowId)}`)), {
        ...run,
        lastUpdated: run['lastUpdated'] as string,
      });
      const { value } = (await json(await ask(`/pipelineruns/${runId}/queryActivityruns`, everything))) as {
        value: JsonObject[];
      };
      assert.deepEqual(
        value.map((activity) => [activity['activityName'], activity['activityType'], activity['status']]),
        [['tell', 'SetVariable', 'Succeeded']],
      );
      const none = {
        ...everything,
        filters: [{ operand: 'Status', operator: 'Equals', values: ['Failed'] }],
      };
      assert.deepEqual(await json(await ask(`/pipelineruns/${runId}/queryActivityruns`, none)), {
        value: [],
      });
      assert.equal((await ask('/pipelineruns/00000000-0000-0000-0000-000000000000')).status, 404);
    });

    test('runs are found by pipeline, status and time', async () => {
      const query = async (filters: JsonObject[], span: JsonObject = everything): Promise<JsonObject[]> =>
        ((await json(await ask('/queryPipelineRuns', { ...span, filters }))) as { value: JsonObject[] })
          .value;
      const pipeline = { operand: 'PipelineName', operator: 'Equals', values: ['pl_fails'] };
      const [failed, ...others] = await query([pipeline]);
      assert.deepEqual(others, []);
      assert.equal(failed?.['status'], 'Failed');
      assert.match(String(failed?.['message']), /Operation on target no failed: on purpose/);
      assert.deepEqual(
        [failed?.['invokedBy']].map((by) => (by as JsonObject)['name']),
        ['tr_fails'],
      );
      assert.deepEqual(
        await query([pipeline, { operand: 'Status', operator: 'NotIn', values: ['Failed'] }]),
        [],
      );
      assert.deepEqual(await query([], { ...everything, lastUpdatedBefore: '2001-01-01T00:00:00Z' }), []);
      const bad = await ask('/queryPipelineRuns', {
        filters: [{ operand: 'Nothing', operator: 'Equals', values: ['x'] }],
      });
      assert.equal(bad.status, 400);
      assert.equal((await ask('/queryPipelineRuns', { lastUpdatedAfter: 'yesterday' })).status, 400);
    });

    test('what triggers fired, each with the run that it started', async () => {
      const filters = [{ operand: 'TriggerName', operator: 'Equals', values: ['tr_orders'] }];
      const { value } = (await json(await ask('/queryTriggerRuns', { ...everything, filters }))) as {
        value: JsonObject[];
      };
      assert.deepEqual(
        value.map((run) => [
          run['triggerType'],
          run['status'],
          Object.keys(run['triggeredPipelines'] as JsonObject),
        ]),
        [['CustomEventsTrigger', 'Succeeded', ['pl_order']]],
      );
    });

    test('a run is cancelled once', async () => {
      const started = await door.start('pl_waits', {});
      const { runId, workflowId } = (await started.json()) as { runId: string; workflowId: string };
      await eventually(1, () => count(`WorkflowId = '${workflowId}'`));
      assert.deepEqual(await json(await ask(`/pipelineruns/${runId}/cancel?isRecursive=true`, {})), {
        cancelling: [workflowId],
      });
      await assert.rejects(client.workflow.getHandle(workflowId).result(), /cancel/i);
      await eventually(1, () => count(`WorkflowId = '${workflowId}' AND ExecutionStatus = 'Canceled'`));
      assert.equal((await ask(`/pipelineruns/${runId}/cancel`, {})).status, 409);
    });
  });

  test('health and metrics need no key and tell no names', async () => {
    assert.equal((await fetch(`${door.url}/healthz`)).status, 200);
    assert.equal((await fetch(`${door.url}/readyz`)).status, 200);
    const text = await (await fetch(`${door.url}/metrics`)).text();
    assert.match(text, /waybill_events_total\{outcome="repeated"\} \d+/);
    assert.match(text, /waybill_http_requests_total\{path="\/pipelines\/<name>\/runs",status="401"\} \d+/);
    assert.equal(/pl_file|tr_landing|lake/.test(text), false);
  });

  test('metrics tell readers with a key of runs, their rows, bytes and cost', async () => {
    const figures = { rows: 5, bytes: 7, cost: 1.5, currency: 'USD', estimate: false };
    const workflowId = 'lakehouse/metered/1';
    const handle = await client.workflow.start('runLakehouse', {
      workflowId,
      taskQueue: 'nobody',
      memo: { waybillFigures: figures },
    });
    await handle.terminate();
    await eventually(1, () => count(`WorkflowId = '${workflowId}' AND ExecutionStatus = 'Terminated'`));
    const scrape = (key: string) =>
      fetch(`${door.url}/metrics`, { headers: { authorization: `Bearer ${key}` } });
    const text = await (await scrape(door.keys.api)).text();
    assert.match(text, /^waybill_lakehouse_cost\{pipeline="metered",currency="USD"\} 1\.5$/m);
    assert.match(text, /^waybill_lakehouse_rows\{pipeline="metered"\} 5$/m);
    assert.match(text, /^waybill_lakehouse_bytes\{pipeline="metered"\} 7$/m);
    assert.match(text, /^waybill_runs\{kind="lakehouse",state="Terminated"\} 1$/m);
    assert.match(text, /^waybill_runs\{kind="pipeline",state="Completed"\} \d+$/m);
    assert.match(text, /^waybill_http_requests_total/m);
    assert.equal((await scrape('x'.repeat(48))).status, 401);
  });

  test('while Temporal is away senders are told to come again', async () => {
    const away = Connection.lazy({ address: '127.0.0.1:1', connectTimeout: '1s' });
    const lonely = await startDoor({
      client: new Client({ connection: away }),
      factoryDirectory: factory.directory,
      taskQueue,
    });
    try {
      const delivered = await lonely.deliver('/events/eventgrid', [blob('in/away.csv', '0xa')]);
      assert.deepEqual([delivered.status, delivered.headers.get('retry-after')], [503, '5']);
      assert.equal((await lonely.start('pl_file', {})).status, 503);
      assert.equal((await fetch(`${lonely.url}/readyz`)).status, 503);
      assert.equal((await fetch(`${lonely.url}/healthz`)).status, 200);
    } finally {
      await lonely.stop();
      await away.close();
    }
  });

  test('as a program it says where it is, and ends when it is asked to', async () => {
    const program = spawn(
      process.execPath,
      [fileURLToPath(new URL('../../src/server.js', import.meta.url))],
      {
        cwd: factory.directory,
        env: {
          PATH: process.env['PATH'],
          WAYBILL_FACTORY_DIRECTORY: factory.directory,
          WAYBILL_SERVER_PORT: '0',
          WAYBILL_EVENT_KEY: 'a-key-for-events',
          TEMPORAL_ADDRESS: environment.address,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let log = '';
    program.stderr?.on('data', (part: Buffer) => {
      log += part.toString();
    });
    const port = await portOf(program);
    const response = await fetch(`http://127.0.0.1:${port}/events/eventgrid?code=a-key-for-events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([blob('in/a%20b.csv', '0x1x')]),
    });
    assert.equal((await reportOf(response)).started, 1);
    const refused = await fetch(`http://127.0.0.1:${port}/pipelines/pl_file/runs`, {
      method: 'POST',
      body: '{}',
    });
    assert.match((await errorOf(refused)).message, /WAYBILL_SIGNING_KEY/);
    program.kill('SIGTERM');
    const [code] = (await once(program, 'exit')) as [number];
    assert.equal(code, 0, log);
    assert.equal(log.includes('a-key-for-events'), false);
  });
});

async function portOf(program: ChildProcess): Promise<number> {
  let text = '';
  for await (const part of program.stdout ?? []) {
    text += String(part);
    if (text.includes('\n')) break;
  }
  return (JSON.parse(text.split('\n')[0] ?? '{}') as { port: number }).port;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function shuffle<T>(list: T[], random: () => number): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j] as T, list[i] as T];
  }
}
