// Copies from REST endpoints and files of HTTP servers: a real server pages, throttles, asks for proof and breaks off.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createOutboundHttp } from '../../src/activities/web/outbound-http.ts';
import { connectorFor } from '../../src/connectors/registry.ts';
import type { CopyEndpoint } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import { type FolderCopies, folderCopies } from '../support/folder-copies.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string, url: URL) => void;

const coded =
  (code: string, part = /./) =>
  (error: unknown) =>
    error instanceof WaybillError && error.code === code && part.test(error.message);

describe('copies from HTTP endpoints', { timeout: 120_000 }, () => {
  let server: Server;
  let base = '';
  let copies: FolderCopies;
  let services: Record<string, ConnectedLinkedService> = {};
  const requests: { url: string; headers: IncomingMessage['headers']; body: string; method: string }[] = [];
  let answer: Answer = () => undefined;

  const service = (
    type: string,
    properties: JsonObject = {},
    allow = ['127.0.0.1'],
  ): ConnectedLinkedService => ({
    name: 'endpoint',
    type,
    properties: { url: base, ...properties },
    http: createOutboundHttp(allow),
  });
  before(async () => {
    server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const body = Buffer.concat(pieces).toString();
        const { url = '/', headers, method = '' } = request;
        requests.push({ url, headers, body, method });
        answer(request, response, body, new URL(url, base));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/api`;
    copies = await folderCopies((name) => services[name]);
  });
  after(async () => {
    await copies.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  beforeEach(() => {
    requests.length = 0;
    services = { rest: service('RestService'), http: service('HttpServer') };
  });

  const json = (response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };
  const rest = (settings: JsonObject = {}, dataset: JsonObject = { relativeUrl: 'items' }): CopyEndpoint => ({
    linkedService: 'rest',
    datasetType: 'RestResource',
    dataset,
    settings: { type: 'RestSource', requestInterval: '00:00:00.010', ...settings },
  });
  const translator = {
    type: 'TabularTranslator',
    collectionReference: "$['value']",
    mappings: [
      { source: { path: "['id']" }, sink: { name: 'id', type: 'Int32' } },
      { source: { path: "['name']['first']" }, sink: { name: 'name' } },
      { source: { path: "$['next']" }, sink: { name: 'next' } },
    ],
  };
  let copied = 0;
  /** Lines behind the header. */
  const lines = async (
    source: CopyEndpoint,
    mapping: JsonObject | undefined = translator,
  ): Promise<string[]> =>
    (
      await copies.lines(`rest${++copied}`, source, mapping === undefined ? {} : { translator: mapping })
    ).slice(1);
  /** Lines of the first column. */
  const ids = async (source: CopyEndpoint): Promise<string> =>
    (await lines(source, { ...translator, mappings: translator.mappings.slice(0, 1) })).join();
  const page = (url: URL, name: string): number => Number(url.searchParams.get(name) ?? 0);

  test('the next address in the body, absolute or relative, is followed to its end', async () => {
    answer = (_, response, __, url) => {
      const at = page(url, 'page');
      const next = at === 2 ? {} : { next: at === 0 ? `${base}/items?page=1&x=a%20b` : '?page=2' };
      json(response, { value: [{ id: at * 2, name: { first: `n${at}` } }, { id: at * 2 + 1 }], ...next });
    };
    const source = rest(
      {
        paginationRules: { AbsoluteUrl: '$.next', supportRFC5988: 'true' },
        additionalHeaders: 'X-A: 1\nX-B: two',
      },
      { relativeUrl: '/items?$top=2' },
    );
    assert.deepEqual(await lines(source), [
      `0,n0,${base}/items?page=1&x=a%20b`,
      `1,,${base}/items?page=1&x=a%20b`,
      '2,n1,?page=2',
      '3,,?page=2',
      '4,n2,',
      '5,,',
    ]);
    assert.deepEqual(
      requests.map(({ url }) => url),
      ['/api/items?$top=2', '/api/items?page=1&x=a%20b', '/api/items?page=2'],
    );
    assert.ok(requests.every(({ headers }) => headers['x-a'] === '1' && headers['x-b'] === 'two'));
  });

  test('query parameters and headers are set from body, headers and ranges', async () => {
    answer = (request, response, __, url) => {
      const at = page(url, 'offset');
      json(
        response,
        { value: [{ id: at }], cursor: { token: at < 4 ? at + 2 : null }, from: request.headers['x-page'] },
        at < 4 ? { 'X-Next': String(at + 2) } : {},
      );
    };
    assert.equal(
      await ids(rest({ paginationRules: { 'QueryParameters.offset': '$.cursor.token' } })),
      '0,2,4',
    );
    assert.equal(
      await ids(
        rest({
          paginationRules: { "QueryParameters['offset']": "Headers['X-Next']", MaxRequestNumber: '2' },
        }),
      ),
      '0,2',
    );
    assert.equal(
      await ids(rest({ paginationRules: { 'QueryParameters.offset': 'Body.cursor.token' } })),
      '0,2,4',
    );
    requests.length = 0;
    assert.equal(
      await ids(
        rest(
          { paginationRules: { 'QueryParameters.{offset}': 'RANGE:0:6:3' } },
          { relativeUrl: 'items?offset={offset}&limit=3' },
        ),
      ),
      '0,3,6',
    );
    assert.deepEqual(
      requests.map(({ url }) => url),
      [0, 3, 6].map((at) => `/api/items?offset=${at}&limit=3`),
    );
    requests.length = 0;
    await ids(
      rest({
        paginationRules: { 'Headers.X-Page': 'RANGE:1:3:1' },
        additionalHeaders: { 'X-Page': 'none', other: 7 },
      }),
    );
    assert.deepEqual(
      requests.map(({ headers }) => `${headers['x-page']} ${headers['other']}`),
      ['1 7', '2 7', '3 7'],
    );
    requests.length = 0;
    await ids(
      rest({ paginationRules: { 'AbsoluteUrl.{id}': 'RANGE:1:2:1' } }, { relativeUrl: 'items/{id}' }),
    );
    assert.deepEqual(
      requests.map(({ url }) => url),
      ['/api/items/1', '/api/items/2'],
    );
  });

  test('conditions end an open range, and a missing answer does', async () => {
    const open = { 'QueryParameters.{offset}': 'RANGE:0::1' };
    const relativeUrl = 'items?offset={offset}';
    answer = (_, response, __, url) => {
      const at = page(url, 'offset');
      if (at === 9) response.writeHead(204).end();
      else
        json(
          response,
          {
            value: at < 3 ? [{ id: at }] : [],
            ...(at < 3 ? { more: { x: 1 } } : {}),
            done: at === 2,
            last: at,
          },
          { complete: String(at) },
        );
    };
    const ended = (rules: JsonObject): Promise<string> =>
      ids(rest({ paginationRules: { ...open, ...rules } }, { relativeUrl }));
    assert.equal(await ended({ 'EndCondition:$.value': 'Empty' }), '0,1,2');
    assert.equal(await ended({ 'EndCondition:$.more': 'NonExist' }), '0,1,2');
    assert.equal(await ended({ 'EndCondition:$.done': 'Const:true' }), '0,1,2');
    assert.equal(await ended({ 'EndCondition:headers.complete': 'Const:1' }), '0,1');
    assert.equal(await ended({ 'EndCondition:$.more': 'Exist' }), '0');
    assert.equal(await ended({}), '0,1,2');
    assert.equal(requests.length, 4 + 4 + 3 + 2 + 1 + 10);
  });

  test('links of RFC 5988 are followed where no rule says otherwise', async () => {
    answer = (_, response, __, url) => {
      const at = page(url, 'page');
      const link = `<${base}/items?page=0>; rel="first", <${base}/items?page=${at + 1}>; rel="next last"`;
      json(response, { value: [{ id: at }] }, at < 2 ? { Link: link } : {});
    };
    assert.equal(await ids(rest()), '0,1,2');
    assert.equal(await ids(rest({ paginationRules: { supportRFC5988: 'false' } })), '0');
    assert.equal(await ids(rest({ paginationRules: { supportRFC5988: 'true' } })), '0,1,2');
  });

  test('a page that names itself ends the copy with an error, and bad rules never begin', async () => {
    answer = (_, response) => json(response, { value: [{ id: 1 }], next: `${base}/items` });
    await assert.rejects(
      ids(rest({ paginationRules: { AbsoluteUrl: '$.next' } })),
      coded('WEB_FAILED', /never end/),
    );
    for (const rules of [
      { AbsolutUrl: '$.next' },
      { 'QueryParameters.x': 'RANGE:0:10:0' },
      { MaxRequestNumber: 'many' },
      { 'EndCondition:nothing': 'Empty' },
      { 'Headers.': '$.a' },
    ])
      await assert.rejects(
        ids(rest({ paginationRules: rules })),
        coded('DEFINITION_INVALID'),
        JSON.stringify(rules),
      );
  });

  test('a body is posted, also as older definitions have it in the dataset', async () => {
    answer = (_, response, body) => json(response, { value: [{ id: body.length }] });
    assert.equal(await ids(rest({ requestMethod: 'POST', requestBody: '{"q":"é"}' })), '9');
    assert.equal(
      await ids(
        rest(
          { type: 'RestSource' },
          {
            relativeUrl: 'items',
            requestMethod: 'POST',
            requestBody: '12345',
            additionalHeaders: { 'X-Old': 'yes' },
          },
        ),
      ),
      '5',
    );
    assert.deepEqual(
      requests.map(({ method, headers }) => [method, headers['content-type'], headers['x-old']]),
      [
        ['POST', 'application/json', undefined],
        ['POST', 'application/json', 'yes'],
      ],
    );
  });

  test('columns are those of the objects where nothing maps them, and documents stay as they are', async () => {
    answer = (_, response) =>
      json(response, [
        { a: 1, b: { c: [1, 2.5] } },
        { a: 'x', b: null },
      ]);
    assert.deepEqual(await copies.lines('plain', rest()), ['a,b', '1,"{\\"c\\":[1,2.5]}"', 'x,']);
    answer = (_, response) => {
      response.writeHead(200).end('{\n "value": [{"a": 1.50,\n "b": {"c": [1, 2.5]}}, {"a": "x"}]\n}');
    };
    const copy = (id: string, collectionReference: string, filePattern: string) =>
      copies.runner.copy(
        id,
        rest(),
        copies.end('Json', `${id}.json`, {}, { formatSettings: { filePattern } }),
        {
          translator: { type: 'TabularTranslator', collectionReference },
        },
      );
    await copy('whole', '', 'setOfObjects');
    assert.equal(
      await copies.text('whole.json'),
      '{  "value": [{"a": 1.50,  "b": {"c": [1, 2.5]}}, {"a": "x"}] }\n'.replaceAll('  "', '  "'),
    );
    await copy('parts', '$.value', 'arrayOfObjects');
    assert.equal(await copies.text('parts.json'), '[{"a": 1.50,  "b": {"c": [1, 2.5]}}\n,{"a": "x"}\n]\n');
  });

  test('who asks is proven: Basic, keys in headers, a client credential; and not to other hosts', async () => {
    answer = (_, response, __, url) =>
      url.pathname === '/api/token'
        ? json(response, { access_token: 'the-token', token_type: 'Bearer' })
        : json(response, { value: [{ id: 1 }] });
    services['rest'] = service('RestService', {
      authenticationType: 'Basic',
      userName: 'u',
      password: 'p:w',
      authHeaders: { 'x-api-key': 'secret-key' },
    });
    await ids(rest());
    assert.equal(requests[0]?.headers.authorization, `Basic ${Buffer.from('u:p:w').toString('base64')}`);
    assert.equal(requests[0]?.headers['x-api-key'], 'secret-key');
    requests.length = 0;
    services['rest'] = service('RestService', {
      authenticationType: 'OAuth2ClientCredential',
      clientId: 'id',
      clientSecret: 'a&b',
      tokenEndpoint: `${base}/token`,
      scope: 'read',
      resource: 'thing',
    });
    await ids(rest());
    const token = requests.find(({ url }) => url === '/api/token');
    assert.deepEqual(Object.fromEntries(new URLSearchParams(token?.body)), {
      grant_type: 'client_credentials',
      client_id: 'id',
      client_secret: 'a&b',
      scope: 'read',
      resource: 'thing',
    });
    assert.equal(requests.find(({ url }) => url === '/api/items')?.headers.authorization, 'Bearer the-token');
    // The same server under another name is another host.
    requests.length = 0;
    services['rest'] = service('RestService', { authHeaders: { 'x-api-key': 'secret-key' } }, [
      '127.0.0.1',
      'localhost',
    ]);
    const other = base.replace('127.0.0.1', 'localhost');
    answer = (_, response, __, url) =>
      json(response, { value: [{ id: 1 }], ...(page(url, 'p') === 0 ? { next: `${other}/items?p=1` } : {}) });
    await ids(
      rest({
        paginationRules: { AbsoluteUrl: '$.next' },
        additionalHeaders: { Authorization: 'own', a: 'b' },
      }),
    );
    assert.deepEqual(
      requests.map(({ headers }) => [headers['x-api-key'], headers.authorization, headers['a']]),
      [
        ['secret-key', 'own', 'b'],
        [undefined, undefined, 'b'],
      ],
    );
    services['rest'] = service('RestService', { authenticationType: 'Windows' });
    await assert.rejects(ids(rest()), coded('DEFINITION_UNSUPPORTED', /Windows/));
    services['rest'] = service('RestService', { authenticationType: 'Basic', userName: 'u' });
    await assert.rejects(ids(rest()), coded('SETTINGS_INVALID', /password/));
  });

  test('throttled and broken answers are asked for again, refusals are not; nothing forbidden is called', async () => {
    let failures = 2;
    answer = (_, response) => {
      if (failures-- > 0) response.writeHead(failures === 0 ? 503 : 429).end('secret');
      else json(response, { value: [{ id: 1 }] });
    };
    assert.equal(await ids(rest()), '1');
    assert.equal(requests.length, 3);
    for (const [status, code] of [
      [401, 'AUTHENTICATION_FAILED'],
      [404, 'OBJECT_MISSING'],
      [400, 'WEB_FAILED'],
    ] as const) {
      answer = (_, response) => response.writeHead(status).end('secret');
      requests.length = 0;
      await assert.rejects(ids(rest()), coded(code, new RegExp(`answered ${status}`)));
      assert.equal(requests.length, 1);
    }
    answer = (_, response) => response.writeHead(200).end('<html>');
    await assert.rejects(ids(rest()), coded('FILE_INVALID', /Page 1/));
    answer = () => undefined;
    await assert.rejects(
      ids(rest({ httpRequestTimeout: '00:00:01', requestMethod: 'POST' })),
      coded('CONNECTION_FAILED', /did not answer/),
    );
    services['rest'] = service('RestService', {}, []);
    await assert.rejects(ids(rest()), coded('ADDRESS_REFUSED'));
  });

  test('a Lookup gives whole objects', async () => {
    answer = (_, response, __, url) => json(response, [{ id: page(url, 'o'), deep: { x: [1] } }, { id: 7 }]);
    const connector = await connectorFor('RestService');
    const found: JsonObject[] = [];
    const context = {
      linkedService: services['rest'] as ConnectedLinkedService,
      endpoint: rest({ paginationRules: { 'QueryParameters.o': 'RANGE:0:1:1' } }),
      copyId: 'l',
      workDirectory: copies.runner.workDirectory,
      signal: new AbortController().signal,
    };
    for await (const row of connector.lookUp?.(context) ?? []) found.push(row);
    assert.deepEqual(found, [{ id: 0, deep: { x: [1] } }, { id: 7 }, { id: 1, deep: { x: [1] } }, { id: 7 }]);
  });

  describe('files of HTTP servers', () => {
    const file = (
      type: string,
      relativeUrl: string,
      dataset: JsonObject = {},
      storeSettings: JsonObject = {},
    ): CopyEndpoint => ({
      linkedService: 'http',
      datasetType: type,
      dataset: { location: { type: 'HttpServerLocation', relativeUrl }, ...dataset },
      settings: { storeSettings: { type: 'HttpReadSettings', requestMethod: 'GET', ...storeSettings } },
    });

    test('delimited text, with and without a length, compressed, and by POST', async () => {
      const text = 'a,b\n1,x\n2,"y, z"\n';
      answer = (_, response) => response.writeHead(200, { etag: '"1"' }).end(text);
      const header = { firstRowAsHeader: true };
      assert.deepEqual(
        await copies.lines('h1', file('DelimitedText', 'f/a.csv?key=1', header)),
        text.split('\n').slice(0, -1),
      );
      assert.ok(requests.every(({ url }) => url === '/api/f/a.csv?key=1'));
      answer = (_, response) => {
        response.writeHead(200);
        response.write(gzipSync(text).subarray(0, 10));
        response.end(gzipSync(text).subarray(10));
      };
      assert.deepEqual(
        await copies.lines('h2', file('DelimitedText', '', { ...header, compressionCodec: 'gzip' })),
        text.split('\n').slice(0, -1),
      );
      answer = (request, response, body) =>
        response
          .writeHead(200, { 'content-length': 8 })
          .end(`${`a\n${body}${request.headers['x-h']}`.padEnd(7)}\n`);
      const posted = file('DelimitedText', 'q', header, {
        requestMethod: 'POST',
        requestBody: 'ab',
        additionalHeaders: 'X-H: c',
      });
      assert.deepEqual(await copies.lines('h3', posted), ['a', 'abc  ']);
    });

    test('JSON, Parquet and bytes as they are', async () => {
      answer = (_, response) => response.writeHead(200).end('{"value":[{"id":1},{"id":2}],"next":"n"}');
      assert.deepEqual(await copies.lines('h4', file('Json', 'a.json'), { translator }), [
        'id,name,next',
        '1,,n',
        '2,,n',
      ]);
      await copies.put('rows.csv', 'id,t\n1,x\n2,\n');
      await copies.runner.copy(
        'parquet',
        copies.end('DelimitedText', 'rows.csv', { firstRowAsHeader: true }),
        copies.end('Parquet', 'rows.parquet'),
      );
      const bytes = await copies.bytes('rows.parquet');
      for (const length of [true, false]) {
        answer = (_, response) => {
          response.writeHead(200, length ? { 'content-length': bytes.length } : {});
          response.end(bytes);
        };
        assert.deepEqual(await copies.lines(`h5${length}`, file('Parquet', 'rows.parquet')), [
          'id,t',
          '1,x',
          '2,',
        ]);
        await copies.runner.copy(
          `binary${length}`,
          file('Binary', 'x/rows.parquet'),
          copies.end('Binary', `b${length}/`),
        );
        assert.deepEqual(await copies.bytes(`b${length}/rows.parquet`), bytes);
      }
    });

    test('what is not there, breaks off, changes or cannot be listed is refused', async () => {
      answer = (_, response) => response.writeHead(404).end();
      await assert.rejects(copies.lines('n1', file('DelimitedText', 'a.csv')), coded('OBJECT_MISSING'));
      answer = (_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('a,b\n1,2\n');
        setTimeout(() => response.destroy(), 50);
      };
      await assert.rejects(copies.lines('n2', file('DelimitedText', 'a.csv')), coded('CONNECTION_FAILED'));
      let version = 0;
      answer = (_, response) => response.writeHead(200, { etag: `"${version++}"` }).end('a,b\n1,2\n');
      await assert.rejects(copies.lines('n3', file('DelimitedText', 'a.csv')), coded('SOURCE_CHANGED'));
      await assert.rejects(
        copies.lines('n4', file('DelimitedText', '', {}, { wildcardFileName: '*' })),
        coded('DEFINITION_UNSUPPORTED', /list/),
      );
      await assert.rejects(
        copies.lines('n5', file('DelimitedText', '../a.csv')),
        coded('IDENTIFIER_INVALID'),
      );
      const sink = { ...file('DelimitedText', 'a.csv'), settings: {} };
      await assert.rejects(
        copies.runner.copy('n6', copies.end('DelimitedText', 'rows.csv'), sink),
        coded('DEFINITION_UNSUPPORTED', /written/),
      );
    });
  });
});
