// The HTTP side of the Databricks stand-in: JSON in, an operation, JSON out.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { logEvent } from '../emr/log.ts';
import type { ObjectStore } from '../emr/object-store.ts';
import type { SparkInstallation } from '../emr/spark-submit.ts';
import { Authentication, type Credentials } from './authentication.ts';
import { Clusters, type Timing } from './clusters.ts';
import { ApiError } from './errors.ts';
import { Faults } from './faults.ts';
import { Files } from './files.ts';
import { isObject, type Json } from './json.ts';
import { createOperations, type Operation } from './operations.ts';
import { Queries } from './queries.ts';
import { Runs } from './runs.ts';
import { sqlOperations } from './sql-operations.ts';
import { Statements } from './statements.ts';
import { Store } from './store.ts';
import { Warehouse } from './warehouse.ts';

export interface DatabricksOptions {
  readonly stateDirectory: string;
  readonly spark: SparkInstallation;
  /** The program `dbt`. */
  readonly dbt: string | undefined;
  readonly objects: ObjectStore | undefined;
  readonly credentials: Credentials;
  readonly timing: Timing;
  readonly faultsFile: string | undefined;
}

const MOST_BODY_BYTES = 16 * 1024 * 1024;
/** Versions in use, by the first part of the path. */
const VERSIONS: Record<string, RegExp> = {
  jobs: /^2\.[012]$/,
  clusters: /^2\.[01]$/,
  workspace: /^2\.0$/,
  dbfs: /^2\.0$/,
  sql: /^2\.0$/,
};

export class DatabricksServer {
  readonly #http: Server;
  readonly #clusters: Clusters;
  readonly #runs: Runs;
  readonly #statements: Statements;
  readonly #operations: ReturnType<typeof createOperations>;
  readonly #authentication: Authentication;
  readonly #faults: Faults;
  #port = 0;

  /** Loads the state directory; nothing runs before `listen`. */
  constructor({ stateDirectory, spark, dbt, objects, credentials, timing, faultsFile }: DatabricksOptions) {
    const store = new Store(stateDirectory);
    const page = (): string => `http://127.0.0.1:${this.#port}`;
    const files = new Files(join(stateDirectory, 'files'), objects);
    this.#clusters = new Clusters(store, timing);
    this.#statements = new Statements(new Warehouse(join(stateDirectory, 'warehouse'), spark), store);
    const statements = this.#statements;
    const queries = new Queries(join(stateDirectory, 'queries'));
    this.#runs = new Runs({ store, clusters: this.#clusters, files, spark, statements, queries, dbt, page });
    this.#operations = new Map([
      ...createOperations({ store, clusters: this.#clusters, runs: this.#runs, files, page }),
      ...sqlOperations(statements, queries),
    ]);
    this.#authentication = new Authentication(credentials);
    this.#faults = new Faults(faultsFile);
    this.#http = createServer((request, response) => void this.#serve(request, response));
    // Longer than clients keep idle connections: else a request may meet a connection that is just being closed.
    this.#http.keepAliveTimeout = 75_000;
    this.#http.headersTimeout = 80_000;
  }

  /** Listens on loopback, then takes up what an earlier run left. Gives the port. */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen(port, '127.0.0.1', resolve);
    });
    const address = this.#http.address();
    this.#port = typeof address === 'object' && address ? address.port : port;
    this.#clusters.resume();
    this.#runs.resume();
    return this.#port;
  }

  close(): void {
    this.#http.close();
    this.#http.closeAllConnections();
    this.#runs.close();
    void this.#statements.close();
    this.#clusters.close();
  }

  /** The operation of a request; members of its path by their names. */
  #find(name: string): { name: string; operation: Operation; members: Json } | undefined {
    const exact = this.#operations.get(name);
    if (exact !== undefined) return { name, operation: exact, members: {} };
    const parts = name.split('/');
    for (const [pattern, operation] of this.#operations) {
      const names = pattern.split('/');
      if (names.length !== parts.length) continue;
      if (!names.every((one, at) => one.startsWith(':') || one === parts[at])) continue;
      const members = names.flatMap((one, at): [string, unknown][] =>
        one.startsWith(':') ? [[one.slice(1), decodeURIComponent(parts[at] ?? '')]] : [],
      );
      return { name: pattern, operation, members: Object.fromEntries(members) };
    }
    return undefined;
  }

  /** What clients ask before they have a token: where tokens are got. */
  #discovery(method: string, path: string): Json | undefined {
    const host = `http://127.0.0.1:${this.#port}`;
    if (method !== 'GET') return undefined;
    if (path === '/.well-known/databricks-config') return { oidc_endpoint: `${host}/oidc` };
    if (path === '/oidc/.well-known/oauth-authorization-server')
      return {
        issuer: `${host}/oidc`,
        token_endpoint: `${host}/oidc/v1/token`,
        authorization_endpoint: `${host}/oidc/v1/authorize`,
        grant_types_supported: ['client_credentials'],
      };
    return undefined;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    try {
      const text = await readBody(request);
      if (request.method === 'POST' && url.pathname === '/oidc/v1/token') {
        const form = new URLSearchParams(text);
        return send(response, 200, this.#authentication.issue(form, request.headers.authorization));
      }
      const discovery = this.#discovery(request.method ?? 'GET', url.pathname);
      if (discovery !== undefined) return send(response, 200, discovery);
      const user = this.#authentication.check(request.headers.authorization);
      const name = operationName(request.method ?? 'GET', url.pathname);
      const found = this.#find(name);
      if (found === undefined)
        throw new ApiError(404, 'ENDPOINT_NOT_FOUND', `No API found for '${request.method} ${url.pathname}'`);
      const fault = this.#faults.take(found.name);
      if (fault === 'throttled')
        throw new ApiError(429, 'REQUEST_LIMIT_EXCEEDED', 'Too many requests.', { 'retry-after': '1' });
      if (fault === 'busy')
        throw new ApiError(503, 'TEMPORARILY_UNAVAILABLE', 'Try again.', { 'retry-after': '1' });
      const given = request.method === 'POST' ? bodyOf(text) : queryOf(url);
      const answer = await found.operation({ ...given, ...found.members }, { user });
      if (fault === 'lost') return void request.socket.destroy();
      send(response, 200, answer);
    } catch (error) {
      if (error instanceof ApiError) {
        const oauth = url.pathname === '/oidc/v1/token';
        const body = oauth
          ? { error: error.code, error_description: error.message }
          : { error_code: error.code, message: error.message };
        return send(response, error.status, body, error.headers);
      }
      logEvent('error', 'operation failed', {
        path: url.pathname,
        error: error instanceof Error ? error.stack : error,
      });
      send(response, 500, {
        error_code: 'INTERNAL_ERROR',
        message: 'The stand-in failed; its log has the error.',
      });
    }
  }
}

function operationName(method: string, path: string): string {
  const [, version = '', rest = ''] = /^\/api\/(\d\.\d)\/(.+?)\/?$/.exec(path) ?? [];
  const area = rest.split('/')[0] ?? '';
  return VERSIONS[area]?.test(version) ? `${method} /${rest}` : `${method} ${path}`;
}

function queryOf(url: URL): Json {
  const query: Json = {};
  for (const name of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(name);
    query[name] = values.length === 1 ? values[0] : values;
  }
  return query;
}

function bodyOf(text: string): Json {
  try {
    const value: unknown = text === '' ? {} : JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Answered below.
  }
  throw new ApiError(400, 'MALFORMED_REQUEST', 'Could not parse request object: expected a JSON object.');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BODY_BYTES)
      throw new ApiError(413, 'MAX_REQUEST_SIZE_EXCEEDED', 'Request body too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(
  response: ServerResponse,
  status: number,
  body: Json,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}
