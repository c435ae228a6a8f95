// The HTTP door's server: routes requests, writes answers, keeps slow and endless requests from holding it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Door } from './door.ts';
import { Refusal, refusalBody, refusalFor } from './refusal.ts';
import { type Answer, type DoorRequest, readBody } from './request.ts';
import { findRoute } from './routes.ts';

/** Milliseconds until a request must be there as a whole. */
const REQUEST_TIMEOUT = 30_000;
const HEADERS_TIMEOUT = 10_000;
/** Milliseconds. */
const LINGER = 2_000;

export function createDoorServer(door: Door): Server {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT, headersTimeout: HEADERS_TIMEOUT, maxHeaderSize: 16_384 },
    (incoming, outgoing) => {
      answer(door, incoming, outgoing).catch((error: unknown) => {
        door.warn('an answer could not be written', { reason: String(error) });
        outgoing.destroy();
      });
    },
  );
  server.maxRequestsPerSocket = 1_000;
  return server;
}

async function answer(door: Door, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  let path = 'unknown';
  let result: Answer;
  try {
    const url = parsed(incoming.url ?? '/');
    const found = findRoute(incoming.method ?? 'GET', url.pathname);
    path = found.route.path;
    result = await found.route.handler(door, requestOf(incoming, url, found.path));
  } catch (error) {
    const refusal = refusalFor(error);
    if (refusal.status >= 500)
      door.warn('a request failed', { path, status: refusal.status, reason: String(error) });
    result = { status: refusal.status, json: refusalBody(refusal), headers: refusal.headers };
  }
  door.metrics.add('waybill_http_requests_total', { path, status: String(result.status) });
  write(incoming, outgoing, result);
}

function parsed(target: string): URL {
  // The host is of no interest, and a target may be as hostile as anything else.
  const text = `http://door${target.startsWith('/') ? target : '/'}`;
  if (URL.canParse(text)) return new URL(text);
  throw new Refusal(400, 'REQUEST_INVALID', 'The request names no path.');
}

function requestOf(incoming: IncomingMessage, url: URL, path: Readonly<Record<string, string>>): DoorRequest {
  return {
    method: incoming.method ?? 'GET',
    query: url.searchParams,
    path,
    header: (name) => {
      const value = incoming.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: (limit) => readBody(incoming, limit),
  };
}

function write(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { status, json, text, headers }: Answer,
): void {
  const body = text ?? (json === undefined ? '' : `${JSON.stringify(json)}\n`);
  const unread = !incoming.complete;
  outgoing.writeHead(status, {
    ...(json === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  outgoing.end(body);
  // Closing while the sender still sends would take the answer away from it.
  if (unread) discard(incoming);
}

/** Throws away what still comes, for as long as a sender needs to read why, and then cuts the connection. */
function discard(incoming: IncomingMessage): void {
  const timer = setTimeout(() => incoming.socket.destroy(), LINGER);
  incoming.once('end', () => clearTimeout(timer));
  incoming.on('error', () => clearTimeout(timer));
  incoming.resume();
}
