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
  readonly #runs: string[] = [];
  readonly #answers = new Map<string, JsonValue>();
  readonly #files = new Map<string, Buffer>();
  #callBack: (token: string, body: JsonValue) => Promise<void> = async () => {};
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

  /** The file that the activity of that key reads from now on. */
  answerFile(key: string, bytes: Buffer): void {
    this.#files.set(key, bytes);
  }

  /** What becomes of calls back to WebHooks that wait. */
  onCallBack(work: (token: string, body: JsonValue) => Promise<void>): void {
    this.#callBack = work;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Databricks' Jobs API as far as a run of one task needs it: every run succeeds at once with the answer kept for it. */
  async #databricks(address: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = address.replace(/^\/api\/[\d.]+\//, '').replace(/\?.*$/, '');
    const body = await bodyOf(request);
    const id = Number(/[?&]run_id=(\d+)/.exec(address)?.[1] ?? 0);
    let answer: JsonValue = {};
    if (operation === 'jobs/runs/submit' || operation === 'jobs/run-now') {
      const key = keyOfTask(body);
      this.#runs.push(key);
      this.calls.push({ key, method: 'POST', url: `databricks ${operation}`, bodyBytes: body.length });
      answer = { run_id: this.#runs.length };
    } else if (operation === 'jobs/runs/get') answer = endedRun(id);
    else if (operation === 'jobs/runs/get-output') {
      const kept = this.#answers.get(this.#runs[id - 1] ?? '');
      const result = (kept as JsonObject | undefined)?.['runOutput'] ?? '';
      answer = { notebook_output: { result: typeof result === 'string' ? result : JSON.stringify(result) } };
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = request.url ?? '/';
    const [, path = '', url = ''] = /^\/stub\/([^?]*)\??(?:url=)?([\s\S]*)$/.exec(address) ?? [];
    if (/^\/api\/2\.\d\//.test(address)) {
      await this.#databricks(address, request, response);
      return;
    }
    const given = request.headers['x-waybill-rehearsal'];
    const key = decodeURIComponent(typeof given === 'string' ? given : path).toLowerCase();
    const body = await bodyOf(request);
    this.calls.push({
      key,
      method: request.method ?? 'GET',
      url: url === '' ? address : url,
      bodyBytes: body.length,
    });
    const kept = this.#answers.get(key) ?? {};
    const token = callBackToken(body);
    if (token !== undefined) {
      const told = { StatusCode: 200, Output: kept, Error: null };
      setTimeout(() => void this.#callBack(token, told).catch(() => {}), 200).unref();
    }
    const file = this.#files.get(key);
    const answer = file ?? Buffer.from(JSON.stringify(kept));
    response.writeHead(200, {
      'content-type': file === undefined ? 'application/json' : 'application/octet-stream',
      'content-length': answer.length,
    });
    response.end(request.method === 'HEAD' ? undefined : answer);
  }
}

/** The key that a notebook's parameters carry, so that it is known who asks. */
export const STUB_PARAMETER = 'waybill_rehearsal';

/** Finds the key in what was submitted. */
function keyOfTask(body: string): string {
  const found = new RegExp(`"${STUB_PARAMETER}"\\s*:\\s*"([^"]*)"`).exec(body)?.[1];
  return decodeURIComponent(found ?? '').toLowerCase();
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

const endedRun = (id: number): JsonObject => {
  const state = { life_cycle_state: 'TERMINATED', result_state: 'SUCCESS', state_message: '' };
  const times = { start_time: 1, end_time: 1 };
  const tasks = [{ run_id: id, task_key: 'task', state }];
  return {
    run_id: id,
    run_name: 'rehearsal',
    run_page_url: `http://127.0.0.1/rehearsal/${id}`,
    state,
    ...times,
    tasks,
  };
};

/** A WebHook waits to be called back; the one it called does so at once. */
function callBackToken(body: string): string | undefined {
  try {
    const uri = (JSON.parse(body) as JsonObject)['callBackUri'];
    return typeof uri === 'string' ? /\/callbacks\/([^/?]+)$/.exec(uri)?.[1] : undefined;
  } catch {
    return undefined;
  }
}
