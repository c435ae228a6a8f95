// The client against real endpoints on this machine: redirects, limits, broken and missing answers.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { createAddressGuard } from '../../../src/activities/web/address-guard.ts';
import {
  type HttpRequest,
  type HttpResponse,
  MAX_RESPONSE,
  placeOf,
  sendRequest,
} from '../../../src/activities/web/http-client.ts';
import { WaybillError } from '../../../src/core/errors.ts';

interface Hit {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const hits: Hit[] = [];
let other: Hit[] = [];
let server: Server;
let second: Server;
let origin = '';
let secondOrigin = '';

const textOf = async (request: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
};
const listen = async (target: Server): Promise<string> => {
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(target.address() as AddressInfo).port}`;
};

function respond(path: string, response: ServerResponse): void {
  const redirects: Readonly<Record<string, [status: number, location: string]>> = {
    '/to-other': [307, `${secondOrigin}/landed`],
    '/see-other': [303, '/landed'],
    '/metadata': [302, 'http://169.254.169.254/latest'],
    '/to-file': [302, 'file:///etc/passwd'],
    '/to-localhost': [302, `http://localhost:${new URL(secondOrigin).port}/landed`],
    '/circle': [302, '/circle'],
  };
  const [status, location] = redirects[path] ?? [];
  if (status !== undefined) {
    response.writeHead(status, { location }).end();
    return;
  }
  if (path === '/never') return;
  if (path === '/cut') {
    response.writeHead(200, { 'content-length': 100 }).write('half');
    setTimeout(() => response.destroy(), 20);
    return;
  }
  if (path === '/huge') {
    response.writeHead(200);
    const part = Buffer.alloc(64 * 1024, 'x');
    const more = (): void => {
      while (!response.destroyed && response.write(part));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
    return;
  }
  response.writeHead(200, { 'X-Given': 'yes' }).end('{"ok":true}');
}

before(async () => {
  server = createServer(async (request, response) => {
    hits.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: await textOf(request),
    });
    respond((request.url ?? '').split('?')[0] ?? '', response);
  });
  second = createServer(async (request, response) => {
    other.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: await textOf(request),
    });
    response.end('{}');
  });
  origin = await listen(server);
  secondOrigin = await listen(second);
});
beforeEach(() => {
  hits.length = 0;
  other = [];
});
after(() => {
  for (const one of [server, second]) {
    one.closeAllConnections();
    one.close();
  }
});

const send = (
  path: string,
  more: Partial<HttpRequest> = {},
  allow = ['127.0.0.0/8'],
): Promise<HttpResponse> =>
  sendRequest(
    {
      method: 'GET',
      url: path.startsWith('/') ? `${origin}${path}` : path,
      headers: {},
      timeout: 20_000,
      verifyCertificate: true,
      ...more,
    },
    createAddressGuard(allow),
  );
const failure = async (sending: Promise<HttpResponse>): Promise<WaybillError> => {
  try {
    await sending;
  } catch (error) {
    assert.ok(error instanceof WaybillError, String(error));
    return error;
  }
  return assert.fail('it was answered');
};

test('an answer comes with its headers as they were spelled', async () => {
  const { status, body, spelledHeaders } = await send('/plain');
  assert.deepEqual([status, body.toString(), spelledHeaders['X-Given']], [200, '{"ok":true}', 'yes']);
});

test('nothing on this machine is called unless it is allowed', async () => {
  assert.equal((await failure(send('/plain', {}, []))).code, 'ADDRESS_REFUSED');
  assert.equal(hits.length, 0);
});

test('a redirect is checked as the first address was', async () => {
  for (const path of ['/metadata', '/to-file'])
    assert.equal((await failure(send(path))).code, 'ADDRESS_REFUSED', path);
  const { host } = new URL(origin);
  assert.equal((await failure(send('/to-localhost', {}, [host]))).code, 'ADDRESS_REFUSED');
  assert.deepEqual(other, []);
});

test('a redirect to another host takes no credentials along', async () => {
  const headers = { Authorization: 'Bearer canary', 'x-functions-key': 'canary', Accept: 'application/json' };
  await send('/to-other', { method: 'POST', headers, body: Buffer.from('{}') });
  const [hit] = other;
  assert.equal(hit?.method, 'POST');
  assert.equal(hit?.body, '{}');
  assert.equal(hit?.headers.accept, 'application/json');
  assert.equal(JSON.stringify(hit?.headers).includes('canary'), false);
});

test('after 303 the answer is fetched, not posted to', async () => {
  await send('/see-other', {
    method: 'POST',
    headers: { Authorization: 'Bearer x' },
    body: Buffer.from('{}'),
  });
  assert.deepEqual(
    hits.map(({ method, url, body }) => [method, url, body]),
    [
      ['POST', '/see-other', '{}'],
      ['GET', '/landed', ''],
    ],
  );
  assert.equal(hits[1]?.headers.authorization, 'Bearer x');
});

test('redirects in a circle end', async () => {
  const { code } = await failure(send('/circle'));
  assert.equal(code, 'WEB_FAILED');
  assert.equal(hits.length, 11);
});

test('an endless answer is cut off', async () => {
  const { code, message } = await failure(send('/huge'));
  assert.equal(code, 'WEB_FAILED');
  assert.match(message, new RegExp(String(MAX_RESPONSE)));
});

test('an answer that does not come in time, or breaks off, is not repeated where the method does something', async () => {
  const late = await failure(send('/never', { method: 'POST', timeout: 300 }));
  assert.equal(late.code, 'CONNECTION_FAILED');
  assert.equal(late.retryable, false);
  assert.match(late.message, /may have been carried out/);
  const cut = await failure(send('/cut', { method: 'POST' }));
  assert.equal(cut.retryable, false);
  assert.equal(hits.length, 2);
  assert.equal((await failure(send('/cut'))).retryable, true);
});

test('a connection that cannot be made is tried again, and nothing was sent', async () => {
  const closed = createServer();
  const address = await listen(closed);
  await new Promise((resolve) => closed.close(resolve));
  const error = await failure(send(`${address}/x?code=canary`, { method: 'POST' }));
  assert.equal(error.code, 'CONNECTION_FAILED');
  assert.equal(error.retryable, true);
  assert.match(error.message, /ECONNREFUSED/);
  assert.equal(error.message.includes('canary'), false);
});

test('a header that could end a line is refused without being repeated', async () => {
  const { code, message } = await failure(send('/plain', { headers: { 'x-key': 'canary\r\nHost: evil' } }));
  assert.equal(code, 'WEB_FAILED');
  assert.equal(message.includes('canary'), false);
  assert.equal(hits.length, 0);
});

test('an abort ends the request with its reason', async () => {
  const stop = new AbortController();
  const sending = send('/never', { signal: stop.signal });
  setTimeout(() => stop.abort(new Error('enough')), 50);
  await assert.rejects(sending, /enough/);
});

test('messages name no query and no credentials', () => {
  assert.equal(placeOf('https://user:pass@host.example/a/b?code=secret#x'), 'https://host.example/a/b');
  assert.equal(placeOf('no address'), 'an address that is none');
});
