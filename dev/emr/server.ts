// The HTTP side of the EMR stand-in: AWS JSON 1.1 in, an operation, AWS JSON 1.1 out.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { checkSignature } from './authentication.ts';
import { Cluster, type Timing } from './cluster.ts';
import { notImplemented, ServiceError, serialization, unknownOperation } from './errors.ts';
import { logEvent } from './log.ts';
import { EMR_OPERATIONS } from './operation-names.ts';
import type { OperationContext } from './operations/context.ts';
import { operations } from './operations/index.ts';
import type { Resources } from './resources.ts';
import type { ClusterRecord } from './state.ts';
import { Store } from './store.ts';

export interface EmrOptions {
  stateDirectory: string;
  resources: Resources;
  timing: Timing;
  /** The only access key that may sign requests; undefined lets any. */
  accessKeyId: string | undefined;
}

const MOST_BODY_BYTES = 10 * 1024 * 1024;

export class EmrServer {
  readonly #options: EmrOptions;
  readonly #store: Store;
  readonly #clusters = new Map<string, Cluster>();
  readonly #http: Server;
  readonly #context: OperationContext;

  /** Loads the state directory; nothing runs before `listen`. */
  constructor(options: EmrOptions) {
    this.#options = options;
    this.#store = new Store(options.stateDirectory);
    this.#http = createServer((request, response) => void this.#serve(request, response));
    // Longer than clients keep idle connections: else a request may meet a connection that is just being closed, and
    // its sender cannot know whether it was carried out.
    this.#http.keepAliveTimeout = 75_000;
    this.#http.headersTimeout = 80_000;
    this.#context = {
      store: this.#store,
      life: (record) => this.#life(record),
      create: (record) => {
        this.#store.save(record);
        return this.#life(record);
      },
    };
  }

  /** Takes up the clusters an earlier run left, then listens on loopback. Gives the port. */
  async listen(port: number): Promise<number> {
    for (const record of this.#store.all()) this.#life(record).resume();
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen(port, '127.0.0.1', resolve);
    });
    const address = this.#http.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  /** Stops listening and ends the processes of all steps. */
  async close(): Promise<void> {
    this.#http.close();
    this.#http.closeAllConnections();
    await Promise.all([...this.#clusters.values()].map((cluster) => cluster.close()));
  }

  #life(record: ClusterRecord): Cluster {
    const { Id } = record.view;
    const known = this.#clusters.get(Id);
    if (known) return known;
    const cluster = new Cluster(record, this.#store, this.#options.resources, this.#options.timing);
    this.#clusters.set(Id, cluster);
    return cluster;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = String(request.headers['x-amz-target'] ?? '');
    const id = randomUUID();
    try {
      const body = await readBody(request);
      checkSignature(request.headers.authorization, this.#options.accessKeyId);
      const answer = operation(target)(parseJson(body), this.#context);
      send(response, id, 200, answer);
    } catch (error) {
      const known = error instanceof ServiceError ? error : undefined;
      if (!known)
        logEvent('error', 'operation failed', {
          target,
          error: error instanceof Error ? error.stack : error,
        });
      const message = known?.message ?? 'The stand-in failed; its log has the error.';
      send(response, id, known?.status ?? 500, {
        __type: known?.type ?? 'InternalServerException',
        Message: message,
        message,
        ...(known?.errorCode && { ErrorCode: known.errorCode }),
      });
    }
  }
}

function operation(target: string) {
  const name = /^ElasticMapReduce\.(\w+)$/.exec(target)?.[1] ?? '';
  const found = operations.get(name);
  if (found) return found;
  throw EMR_OPERATIONS.has(name) ? notImplemented(name) : unknownOperation(target);
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

function parseJson(body: string): unknown {
  try {
    const value: unknown = body === '' ? {} : JSON.parse(body);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Answered below.
  }
  throw serialization('The request body is not a JSON object.');
}

function send(response: ServerResponse, requestId: string, status: number, body: object | undefined): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': Buffer.byteLength(text),
    'x-amzn-requestid': requestId,
  });
  response.end(text);
}
