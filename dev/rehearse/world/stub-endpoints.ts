// Answers for what is outside any local world: one HTTP endpoint on loopback that records every call it gets.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';

/** One call that a pipeline made to something outside. */
export interface RecordedCall {
  /** "pipeline/activity", in lower case. */
  readonly key: string;
  readonly method: string;
  /** What the definition would have called. */
  readonly url: string;
  readonly bodyBytes: number;
}

/** Largest body that is kept in memory while it is read. */
const MAX_BODY = 4_000_000;

export class StubEndpoints {
  readonly calls: RecordedCall[] = [];
  readonly #answers = new Map<string, JsonValue>();
  readonly #server: Server;
  #port = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request, response).catch(() => response.destroy());
    });
  }

  /** Listens on a free port of loopback. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  get port(): number {
    return this.#port;
  }

  /** What the activity of that key is answered from now on. */
  answer(key: string, response: JsonValue): void {
    this.#answers.set(key, response);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = request.url ?? '/';
    const [, path = '', url = ''] = /^\/stub\/([^?]*)\??(?:url=)?([\s\S]*)$/.exec(address) ?? [];
    const given = request.headers['x-waybill-rehearsal'];
    const key = decodeURIComponent(typeof given === 'string' ? given : path).toLowerCase();
    const body = await bodyOf(request);
    this.calls.push({
      key,
      method: request.method ?? 'GET',
      url: url === '' ? address : url,
      bodyBytes: body.length,
    });
    callBack(body);
    const answer = JSON.stringify(this.#answers.get(key) ?? {});
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(answer),
    });
    response.end(request.method === 'HEAD' ? undefined : answer);
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size <= MAX_BODY) pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** A WebHook waits to be called back; the one it called does so at once. */
function callBack(body: string): void {
  let uri: unknown;
  try {
    uri = (JSON.parse(body) as JsonObject)['callBackUri'];
  } catch {
    return;
  }
  if (typeof uri !== 'string' || !/^https?:\/\/(127\.0\.0\.1|localhost)[:/]/.test(uri)) return;
  const answer = { StatusCode: 200, Output: {}, Error: null };
  setTimeout(() => {
    fetch(uri, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(answer),
    }).catch(() => {});
  }, 200).unref();
}
