// The HTTP side of the EMR Serverless stand-in: REST with JSON in, an operation, JSON out.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { checkSignature } from '../emr/authentication.ts';
import { notImplemented, ServiceError, serialization } from '../emr/errors.ts';
import { logEvent } from '../emr/log.ts';
import type { Resources } from '../emr/resources.ts';
import { ApplicationLife, type Timing } from './application.ts';
import { type Operation, operations, ROUTES } from './operations.ts';
import type { ApplicationRecord } from './state.ts';
import { Store } from './store.ts';

export interface EmrServerlessOptions {
  stateDirectory: string;
  resources: Resources;
  timing: Timing;
  /** The only access key that may sign requests; undefined lets any. */
  accessKeyId: string | undefined;
}

const MOST_BODY_BYTES = 10 * 1024 * 1024;

export class EmrServerlessServer {
  readonly #options: EmrServerlessOptions;
  readonly #store: Store;
  readonly #lives = new Map<string, ApplicationLife>();
  readonly #http: Server;

  /** Loads the state directory; nothing runs before `listen`. */
  constructor(options: EmrServerlessOptions) {
    this.#options = options;
    this.#store = new Store(options.stateDirectory);
    this.#http = createServer((request, response) => void this.#serve(request, response));
    // Longer than clients keep idle connections: else a request may meet a connection that is just being closed.
    this.#http.keepAliveTimeout = 75_000;
    this.#http.headersTimeout = 80_000;
  }

  /** Takes up the applications an earlier run left, then listens on loopback. Gives the port. */
  async listen(port: number): Promise<number> {
    for (const record of this.#store.all()) this.#life(record).resume();
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen(port, '127.0.0.1', resolve);
    });
    const address = this.#http.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  /** Stops listening and ends the processes of all job runs. */
  async close(): Promise<void> {
    this.#http.close();
    this.#http.closeAllConnections();
    await Promise.all([...this.#lives.values()].map((life) => life.close()));
  }

  #life(record: ApplicationRecord): ApplicationLife {
    const { applicationId } = record.view;
    const known = this.#lives.get(applicationId);
    if (known) return known;
    const { resources, timing } = this.#options;
    const life = new ApplicationLife(record, this.#store, resources, timing);
    this.#lives.set(applicationId, life);
    return life;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    try {
      const body = await readBody(request);
      checkSignature(request.headers.authorization, this.#options.accessKeyId, 'emr-serverless');
      const { pathname, searchParams: query } = new URL(url, 'http://localhost');
      const { operation, path } = route(method, pathname);
      const life = (record: ApplicationRecord) => this.#life(record);
      send(response, 200, operation({ path, query, body: parseJson(body), store: this.#store, life }));
    } catch (error) {
      const known = error instanceof ServiceError ? error : undefined;
      if (!known)
        logEvent('error', 'operation failed', {
          call: `${method} ${url}`,
          error: error instanceof Error ? error.stack : error,
        });
      const message = known?.message ?? 'The stand-in failed; its log has the error.';
      response.setHeader('x-amzn-errortype', known?.type ?? 'InternalServerException');
      send(response, known?.status ?? 500, { message });
    }
  }
}

function route(method: string, pathname: string): { operation: Operation; path: Record<string, string> } {
  for (const [wanted, pattern, name] of ROUTES) {
    const match = wanted === method ? pattern.exec(pathname) : null;
    if (match === null) continue;
    const operation = operations[name];
    if (operation === undefined) throw notImplemented(name);
    return { operation, path: { ...match.groups } };
  }
  throw new ServiceError(
    'UnknownOperationException',
    `EMR Serverless has no operation ${method} ${pathname}.`,
    404,
  );
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BODY_BYTES)
      throw new ServiceError('RequestEntityTooLargeException', 'Request body too large.', 413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(body: string): Record<string, unknown> {
  try {
    const value: unknown = body === '' ? {} : JSON.parse(body);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Answered below.
  }
  throw serialization('The request body is not a JSON object.');
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-amzn-requestid': randomUUID(),
  });
  response.end(text);
}
