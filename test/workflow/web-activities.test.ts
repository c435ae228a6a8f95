// WebActivity, AzureFunctionActivity and WebHook in real pipelines against a real HTTP endpoint, on the Temporal server
// that skips time; callbacks come through the HTTP door.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { timeSkippingExecutable } from '../../dev/setup/temporal.ts';
import { createDefinitionActivities } from '../../src/activities/definitions.ts';
import { createLinkedServices } from '../../src/activities/linked-services.ts';
import { createRunActivities } from '../../src/activities/runs.ts';
import { createWebActivities } from '../../src/activities/web.ts';
import { TemporalPipelineRuns } from '../../src/client/pipeline-runs.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import type { RunPipelineOutput } from '../../src/core/run.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { workerDataConverter } from '../../src/interceptors/data-converter.ts';
import { pipelineOf, writeFactory } from '../support/factory-files.ts';
import { type DoorUnderTest, startDoor } from '../support/http-door.ts';

const bundle = { codePath: fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url)) };

const CONVERTER = workerDataConverter({ payloadKeys: ['KEY'] }, { KEY: randomBytes(32).toString('base64') });

interface Hit {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Respond = (hit: Hit, response: ServerResponse, count: number) => void;

const json = (
  response: ServerResponse,
  status: number,
  body: JsonValue,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
};

/** typeProperties of the first of what was sent along. */
function typePropertiesOf(sent: JsonObject[] | undefined): JsonObject {
  const { properties } = (sent?.[0] ?? {}) as { properties?: { typeProperties?: JsonObject } };
  return properties?.typeProperties ?? {};
}

describe('activities that call HTTP endpoints', { timeout: 300_000 }, () => {
  let environment: TestWorkflowEnvironment;
  let endpoint: Server;
  let origin = '';
  let respond: Respond;
  let hits: Hit[] = [];
  let runs = 0;

  before(async () => {
    environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: await timeSkippingExecutable() },
    });
    await environment.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: { WaybillPipeline: 2, WaybillTrigger: 2, WaybillStage: 2, WaybillWindowStart: 6 },
    });
    endpoint = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const hit = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString(),
      };
      hits.push(hit);
      respond(hit, response, hits.length);
    });
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    hits = [];
    respond = (_, response) => json(response, 200, { ok: true });
  });
  after(async () => {
    endpoint?.closeAllConnections();
    endpoint?.close();
    await environment?.teardown();
  });

  interface Run {
    readonly handle: WorkflowHandle;
    readonly door: DoorUnderTest;
    result(): Promise<RunPipelineOutput>;
  }

  /** Runs a pipeline of these activities; whatever it did, its history replays. */
  async function withPipeline<T>(
    activities: object[],
    body: (run: Run) => Promise<T>,
    options: {
      allow?: string[];
      files?: Record<string, unknown>;
      env?: Record<string, string>;
      more?: object;
      /** Payloads are encrypted where they must be, as they are by the real programs. */
      encrypted?: boolean;
    } = {},
  ): Promise<T> {
    const factory = writeFactory({
      'pipeline/pl.json': { name: 'pl', ...pipelineOf(activities, options.more) },
      ...options.files,
    });
    const taskQueue = `web-${++runs}`;
    const dataConverter = options.encrypted === true ? CONVERTER : {};
    const client =
      options.encrypted === true
        ? new Client({ connection: environment.connection, dataConverter })
        : environment.client;
    const settings = { factoryDirectory: factory.directory, linkedService: {} };
    const linkedServices = createLinkedServices({ settings, env: options.env ?? {} });
    const door = await startDoor({ client, factoryDirectory: factory.directory, taskQueue });
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      dataConverter,
      taskQueue,
      workflowBundle: bundle,
      activities: {
        ...createDefinitionActivities({ settings }),
        ...createRunActivities({ runs: new TemporalPipelineRuns(client, taskQueue) }),
        ...createWebActivities({
          resolveLinkedService: linkedServices.resolve,
          secret: linkedServices.secret,
          factoryDirectory: factory.directory,
          allow: options.allow ?? ['127.0.0.0/8'],
          door: () => ({ publicUrl: door.url, signingKey: door.keys.signing }),
        }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
    });
    try {
      return await worker.runUntil(async () => {
        const handle = await client.workflow.start('runPipeline', {
          taskQueue,
          workflowId: `pipeline/pl/web-${runs}`,
          args: [{ pipeline: 'pl', key: `web-${runs}`, parameters: {}, trigger: 'client' }],
        });
        const result = await body({
          handle,
          door,
          result: () => handle.result() as Promise<RunPipelineOutput>,
        });
        await Worker.runReplayHistory(
          { workflowBundle: bundle, dataConverter },
          await handle.fetchHistory(),
          handle.workflowId,
        );
        return result;
      });
    } finally {
      await door.stop();
      factory.remove();
    }
  }

  const web = (typeProperties: object, more: object = {}): object => ({
    name: 'call',
    type: 'WebActivity',
    typeProperties,
    ...more,
  });
  const hook = (typeProperties: object, more: object = {}): object => ({
    name: 'hook',
    type: 'WebHook',
    typeProperties: {
      method: 'POST',
      url: `${origin}/hook`,
      headers: { 'Content-Type': 'application/json' },
      body: { n: 1 },
      ...typeProperties,
    },
    ...more,
  });
  const outputOf = async (run: Run, name = 'call'): Promise<JsonObject> =>
    (await run.result()).activityRuns.find(({ activityName }) => activityName === name)?.output as JsonObject;
  const failureOf = async (run: Run): Promise<ApplicationFailure> => {
    try {
      await run.result();
    } catch (error) {
      assert.ok(
        error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure,
        String(error),
      );
      return error.cause;
    }
    return assert.fail('the run succeeded');
  };
  const historyOf = async ({ handle }: Run): Promise<string> => {
    const texts = JSON.stringify(await handle.fetchHistory(), (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value,
    );
    return texts;
  };

  test('the answer is the output, with what Data Factory adds to it', async () => {
    respond = (_, response) =>
      json(response, 200, { firstName: 'Ada', list: [1, 2] }, { 'X-Request-Id': 'r-1' });
    const url = { value: `@concat('${origin}/api?day=', '2026-01-01')`, type: 'Expression' };
    const output = await withPipeline(
      [
        web({
          method: 'Post',
          url,
          headers: { 'x-one': '@{string(1)}' },
          body: { day: "@toUpper('x')", nested: { a: [1] } },
        }),
      ],
      (run) => outputOf(run),
    );
    const [hit] = hits;
    assert.deepEqual([hit?.method, hit?.url, hit?.headers['x-one']], ['POST', '/api?day=2026-01-01', '1']);
    assert.equal(hit?.headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(hit?.body ?? ''), { day: 'X', nested: { a: [1] } });
    assert.deepEqual([output['firstName'], output['list']], ['Ada', [1, 2]]);
    assert.equal((output['ADFWebActivityResponseHeaders'] as JsonObject)['X-Request-Id'], 'r-1');
    assert.match(String(output['effectiveIntegrationRuntime']), /waybill/);
    assert.equal(typeof output['executionDuration'], 'number');
  });

  for (const [what, body, expected] of [
    ['text', 'plain text', 'plain text'],
    ['nothing', '', ''],
    ['an array', '[1, 2]', '[1, 2]'],
  ] as const)
    test(`an answer of ${what} is in Response`, async () => {
      respond = (_, response) => void response.end(body);
      assert.equal(
        (
          await withPipeline([web({ method: 'GET', url: origin, body: 'never sent' })], (run) =>
            outputOf(run),
          )
        )['Response'],
        expected,
      );
      assert.equal(hits[0]?.body, '');
    });

  test('an error status fails the activity, with what was said; the policy decides whether it is tried again', async () => {
    respond = (_, response, count) =>
      count < 3 ? json(response, 503, { error: 'not yet' }) : json(response, 404, { error: 'no such thing' });
    const activity = web(
      { method: 'POST', url: `${origin}/things?code=canary-query`, body: {} },
      { policy: { retry: 2, retryIntervalInSeconds: 600 } },
    );
    const failure = await withPipeline([activity], failureOf);
    assert.match(
      failure.message,
      /WEB_FAILED POST http:\/\/127\.0\.0\.1:\d+\/things answered 404 Not Found: .*no such thing/,
    );
    assert.equal(failure.message.includes('canary-query'), false);
    assert.equal(hits.length, 3);
  });

  test('credentials reach the endpoint and nothing else', async () => {
    respond = ({ headers }, response) => json(response, 500, { echo: JSON.stringify(headers) });
    const secrets = { WEB_PASSWORD: 'canary-password-1' };
    const authentication = {
      type: 'Basic',
      username: 'ada',
      password: { type: 'SecureString', value: 'canary-password-1' },
    };
    const failure = await withPipeline(
      [web({ method: 'GET', url: origin, headers: { 'x-api-key': 'canary-header-2' }, authentication })],
      failureOf,
      { env: secrets },
    );
    const pair = Buffer.from('ada:canary-password-1').toString('base64');
    assert.equal(hits[0]?.headers.authorization, `Basic ${pair}`);
    assert.match(failure.message, /\[secret\]/);
    for (const canary of [pair, 'canary-password-1', 'canary-header-2'])
      assert.equal(failure.message.includes(canary), false, failure.message);
  });

  test('this machine and metadata services are not called', async () => {
    for (const url of [
      origin,
      'http://169.254.169.254/latest',
      'http://[::ffff:7f00:1]/',
      'file:///etc/passwd',
    ]) {
      const failure = await withPipeline([web({ method: 'GET', url })], failureOf, { allow: [] });
      assert.match(failure.message, /ADDRESS_REFUSED/);
    }
    assert.equal(hits.length, 0);
  });

  test('202 with a Location is asked again, ever less often, for days', async () => {
    const days = 2 * 24 * 3600;
    let [began, looked] = [0, 0];
    respond = (hit, response) => {
      if (hit.method === 'POST') {
        began = Date.now();
        return json(response, 202, {}, { Location: '/status?sig=canary-signature' });
      }
      looked++;
      // How long the wait was is the workflow's own matter: it says so by how often it looked.
      return looked < 60
        ? json(response, 202, {}, { Location: '/status?sig=canary-signature', 'Retry-After': '1800' })
        : json(response, 200, { done: true });
    };
    const activity = web({
      method: 'POST',
      url: `${origin}/long`,
      headers: { Authorization: 'Bearer canary-token' },
      body: {},
    });
    const output = await withPipeline([activity], async (run) => {
      const result = await outputOf(run);
      const { closeTime, startTime } = await run.handle.describe();
      const seconds = ((closeTime?.getTime() ?? 0) - startTime.getTime()) / 1000;
      assert.ok(seconds > 59 * 1800 && seconds < days, `${seconds} s`);
      return result;
    });
    assert.equal(output['done'], true);
    assert.equal(looked, 60);
    assert.ok(Date.now() - began < 120_000);
    assert.equal(hits.at(-1)?.headers.authorization, 'Bearer canary-token');
    assert.equal(hits.at(-1)?.url, '/status?sig=canary-signature');
  });

  test('an answer of 3 MB of text is an output', async () => {
    respond = (_, response) => json(response, 200, { text: 'lorem ipsum '.repeat(262_144) });
    const activity = web({ method: 'GET', url: origin }, { policy: { secureOutput: true } });
    const length = {
      name: 'length',
      type: 'Fail',
      dependsOn: [{ activity: 'call', dependencyConditions: ['Succeeded'] }],
      typeProperties: { message: "@{length(activity('call').output.text)}", errorCode: '1' },
    };
    const failure = await withPipeline([activity, length], failureOf, { encrypted: true });
    assert.match(failure.message, /3145728/);
  });

  test('turnOffAsync takes 202 for the answer', async () => {
    respond = (_, response) => json(response, 202, { accepted: true }, { Location: '/status' });
    const output = await withPipeline(
      [web({ method: 'POST', url: origin, body: {}, turnOffAsync: true })],
      (run) => outputOf(run),
    );
    assert.equal(output['accepted'], true);
    assert.equal(hits.length, 1);
  });

  test('datasets and linked services go along in the body', async () => {
    const files = {
      'linkedService/ls_sql.json': {
        name: 'ls_sql',
        properties: { type: 'SqlServer', typeProperties: { server: 'sql', database: 'db', userName: 'u' } },
      },
      'dataset/ds_sql.json': {
        name: 'ds_sql',
        properties: {
          type: 'SqlServerTable',
          linkedServiceName: { referenceName: 'ls_sql', type: 'LinkedServiceReference' },
          parameters: { table: { type: 'string' } },
          typeProperties: { schema: 'dbo', table: '@dataset().table' },
        },
      },
    };
    const activity = web({
      method: 'POST',
      url: origin,
      body: { myMessage: 'Sample' },
      datasets: [{ referenceName: 'ds_sql', type: 'DatasetReference', parameters: { table: 'orders' } }],
      linkedServices: [{ referenceName: 'ls_sql', type: 'LinkedServiceReference' }],
    });
    await withPipeline([activity], (run) => outputOf(run), { files });
    const { myMessage, datasets, linkedServices } = JSON.parse(hits[0]?.body ?? '{}') as Record<
      string,
      JsonObject[]
    >;
    assert.equal(myMessage, 'Sample');
    assert.deepEqual(typePropertiesOf(datasets), { schema: 'dbo', table: 'orders' });
    assert.equal(typePropertiesOf(linkedServices)['server'], 'sql');
  });

  test('a function is called with its key, and has to answer with an object', async () => {
    const files = {
      'linkedService/ls_fn.json': {
        name: 'ls_fn',
        properties: {
          type: 'AzureFunction',
          typeProperties: {
            functionAppUrl: `${origin}/`,
            functionKey: { type: 'SecureString', value: 'canary-function-key' },
          },
        },
      },
    };
    const call = {
      name: 'call',
      type: 'AzureFunctionActivity',
      linkedServiceName: { referenceName: 'ls_fn', type: 'LinkedServiceReference' },
      typeProperties: {
        functionName: 'HttpTrigger1',
        method: 'POST',
        headers: {},
        body: "@concat('{\"a\":', 1, '}')",
      },
    };
    const output = await withPipeline([call], (run) => outputOf(run), { files });
    assert.deepEqual(
      [hits[0]?.url, hits[0]?.headers['x-functions-key'], hits[0]?.body],
      ['/api/HttpTrigger1', 'canary-function-key', '{"a":1}'],
    );
    assert.equal(output['ok'], true);
    respond = (_, response) => void response.end('"text"');
    const failure = await withPipeline([call], failureOf, { files });
    assert.match(failure.message, /must answer with a JSON object/);
  });

  describe('WebHook', () => {
    const callBack = (body: JsonValue, more: RequestInit = {}): Promise<Response> => {
      const { callBackUri } = JSON.parse(hits[0]?.body ?? '{}') as { callBackUri: string };
      return fetch(callBackUri, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        ...more,
      });
    };
    const called = async (): Promise<void> => {
      const deadline = Date.now() + 60_000;
      while (hits.length === 0) {
        assert.ok(Date.now() < deadline, 'the endpoint was not called');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };

    test('waits for weeks, takes the first call, and puts up with others', async () => {
      const output = await withPipeline([hook({ timeout: '21.00:00:00' })], async (run) => {
        await called();
        assert.deepEqual(JSON.parse(hits[0]?.body ?? '{}')['n'], 1);
        await environment.sleep('20 days');
        const first = await callBack({ Output: { testProp: 'testPropValue' }, extra: true });
        assert.deepEqual([first.status, await first.json()], [200, { status: 'received' }]);
        const result = await outputOf(run, 'hook');
        const late = await callBack({ Output: { testProp: 'other' } });
        assert.deepEqual([late.status, ((await late.json()) as JsonObject)['status']], [200, 'ended']);
        return result;
      });
      assert.deepEqual([output['testProp'], output['extra']], ['testPropValue', true]);
      assert.equal(hits.length, 1);
    });

    test('a call that comes before the endpoint has answered counts', async () => {
      respond = ({ body }, response) => {
        const { callBackUri } = JSON.parse(body) as { callBackUri: string };
        fetch(callBackUri, { method: 'POST' }).then(
          () => json(response, 200, {}),
          () => json(response, 500, {}),
        );
      };
      assert.ok(await withPipeline([hook({})], (run) => outputOf(run, 'hook')));
    });

    test('a status that is reported fails the activity with its own words', async () => {
      const activity = hook({ reportStatusOnCallBack: true });
      const report = {
        Output: { a: 1 },
        Error: { ErrorCode: 'testErrorCode', Message: 'a reason' },
        StatusCode: '403',
      };
      const failure = await withPipeline([activity], async (run) => {
        await called();
        await callBack(report);
        return failureOf(run);
      });
      assert.match(failure.message, /testErrorCode a reason/);
    });

    test('without a call the activity fails when its time is up', async () => {
      const failure = await withPipeline([hook({ timeout: '00:30:00' })], failureOf);
      assert.match(failure.message, /ACTIVITY_TIMEOUT .*not called back within the 1800 s/);
    });

    test('an endpoint that refuses fails it at once', async () => {
      respond = (_, response) => json(response, 400, { no: true });
      assert.match(
        (await withPipeline([hook({ timeout: '7.00:00:00' })], failureOf)).message,
        /answered 400/,
      );
    });

    test('addresses that were not given lead nowhere, and history holds none', async () => {
      await withPipeline([hook({})], async (run) => {
        await called();
        const { callBackUri } = JSON.parse(hits[0]?.body ?? '{}') as { callBackUri: string };
        const token = callBackUri.split('/').at(-1) ?? '';
        const [payload = '', signature = ''] = token.split('.');
        const forged = Buffer.from(JSON.stringify(['pipeline/pl/other', 'x', false])).toString('base64url');
        for (const wrong of [
          `${forged}.${signature}`,
          payload,
          `${payload}.`,
          `${payload}.AAAA`,
          `${token}.x`,
          'x',
        ])
          assert.equal(
            (await callBack({}, {})).ok &&
              (await fetch(`${run.door.url}/callbacks/${wrong}`, { method: 'POST' })).status,
            404,
            wrong,
          );
        const text = await callBack({}, { headers: { 'content-type': 'text/plain' } });
        assert.equal(text.status, 415);
        await run.result();
        assert.equal((await historyOf(run)).includes(signature), false);
      });
    });

    test('what is called back to an activity with secureOutput is read by the pipeline and by nobody else', async () => {
      const tell = {
        name: 'tell',
        type: 'WebActivity',
        dependsOn: [{ activity: 'hook', dependencyConditions: ['Succeeded'] }],
        policy: { secureInput: true, secureOutput: true },
        typeProperties: {
          method: 'POST',
          url: `${origin}/tell`,
          body: { got: "@activity('hook').output.secret" },
        },
      };
      const activities = [hook({}, { policy: { secureOutput: true } }), tell];
      await withPipeline(
        activities,
        async (run) => {
          await called();
          assert.equal((await callBack({ secret: 'canary-called-back' })).status, 200);
          const { activityRuns } = await run.result();
          assert.equal(JSON.stringify(activityRuns).includes('canary'), false);
          assert.equal((await historyOf(run)).includes('canary'), false);
        },
        { encrypted: true },
      );
      assert.deepEqual(JSON.parse(hits.at(-1)?.body ?? '{}'), { got: 'canary-called-back' });
    });

    test('every iteration of a loop waits for its own call', async () => {
      const loop = {
        name: 'each',
        type: 'ForEach',
        typeProperties: {
          items: { value: '@createArray(1, 2, 3)', type: 'Expression' },
          activities: [hook({ body: { item: '@item()' } })],
        },
      };
      respond = (_, response) => json(response, 202, {});
      const output = await withPipeline([loop], async (run) => {
        const deadline = Date.now() + 60_000;
        while (hits.length < 3 && Date.now() < deadline)
          await new Promise((resolve) => setTimeout(resolve, 20));
        for (const { body } of [...hits].reverse()) {
          const { callBackUri, item } = JSON.parse(body) as { callBackUri: string; item: number };
          await fetch(callBackUri, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ answer: item * 10 }),
          });
        }
        return (await run.result()).activityRuns.filter(({ activityName }) => activityName === 'hook');
      });
      assert.deepEqual(
        output.map(({ item, output: told }) => [item, (told as JsonObject)['answer']]),
        [
          ['each/1', 10],
          ['each/2', 20],
          ['each/3', 30],
        ].map(([item, answer]) => [String(item).replace('each/', ''), answer]),
      );
    });
  });
});
