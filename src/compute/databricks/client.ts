// A small client of the Databricks REST API: one request, its time limit, its retries, its errors in waybill's codes.
import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';

/** Gives a bearer token; `fresh` when the last one was refused. */
export type TokenSource = (fresh: boolean) => Promise<string>;

export interface DatabricksConnection {
  /** `https://adb-….azuredatabricks.net`, without a slash at the end. */
  readonly host: string;
  readonly token: TokenSource;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** A request that must not be sent twice: its failure is reported at once, as ambiguous where it may have had effect. */
  readonly once?: boolean;
}

/** ms that one request may take, and that retries of one request may take together. */
const REQUEST_TIMEOUT = 30_000;
const PATIENCE = 45_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const MAX_EXCERPT = 600;

export class DatabricksClient {
  readonly #connection: DatabricksConnection;

  constructor(connection: DatabricksConnection) {
    this.#connection = connection;
  }

  /** Throws COMPUTE_BUSY, COMPUTE_REFUSED (details: status, reason) or AUTHENTICATION_FAILED. */
  get(path: string, query: Readonly<Record<string, JsonValue>> = {}, options: RequestOptions = {}) {
    const text = new URLSearchParams(
      Object.entries(query).flatMap(([key, value]): [string, string][] =>
        (Array.isArray(value) ? value : [value]).map((one) => [key, String(one)]),
      ),
    ).toString();
    return this.#request('GET', text === '' ? path : `${path}?${text}`, undefined, options);
  }

  /** As `get`. A body with an idempotency token may be sent again; without one say `once`. */
  post(path: string, body: JsonObject, options: RequestOptions = {}) {
    return this.#request('POST', path, JSON.stringify(body), options);
  }

  async #request(
    method: string,
    path: string,
    body: string | undefined,
    { signal, once = false }: RequestOptions,
  ): Promise<JsonObject> {
    const operation = path.replace(/\?.*$/, '').replace(/^\d\.\d\//, '');
    const deadline = Date.now() + PATIENCE;
    let fresh = false;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      signal?.throwIfAborted();
      const token = await this.#connection.token(fresh);
      const answer = await this.#send(method, path, body, token, signal);
      if ('lost' in answer) {
        if (once || Date.now() + pause > deadline) throw busy(operation, answer.lost, true);
        await sleep(pause, undefined, { signal });
        continue;
      }
      const { status, text, retryAfter } = answer;
      if (status >= 200 && status < 300) return parsed(text, operation);
      if (status === 401 && !fresh) {
        fresh = true;
        continue;
      }
      if (status === 429 || status >= 500) {
        // Throttled requests were not carried out; whether a server error was, nobody can tell.
        const wait = retryAfter ?? pause;
        const mayRepeat = status === 429 || !once;
        if (!mayRepeat || Date.now() + wait > deadline || status === 501)
          throw status === 501
            ? refused(operation, status, text)
            : busy(operation, `HTTP ${status}`, status !== 429);
        await sleep(wait, undefined, { signal });
        continue;
      }
      throw refused(operation, status, text);
    }
  }

  async #send(
    method: string,
    path: string,
    body: string | undefined,
    token: string,
    signal: AbortSignal | undefined,
  ): Promise<{ status: number; text: string; retryAfter?: number } | { lost: string }> {
    const limit = AbortSignal.timeout(REQUEST_TIMEOUT);
    try {
      const response = await fetch(`${this.#connection.host}/api/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          'user-agent': 'waybill',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body }),
        // A redirect would carry the token elsewhere.
        redirect: 'error',
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
      const text = await response.text();
      const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
      return {
        status: response.status,
        text,
        ...(Number.isFinite(seconds) ? { retryAfter: Math.max(0, seconds * 1000) } : {}),
      };
    } catch (error) {
      signal?.throwIfAborted();
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const code = (cause as { code?: string }).code;
      return { lost: limit.aborted ? 'no answer in 30 s' : (code ?? (cause as Error).message) };
    }
  }
}

/** True when the request may have been carried out though it failed. */
export const isAmbiguous = (error: unknown): boolean =>
  error instanceof WaybillError && error.details['ambiguous'] === true;

/** True when Databricks says that what was asked for is not there. */
export const isMissing = (error: unknown): boolean =>
  error instanceof WaybillError &&
  error.code === 'COMPUTE_REFUSED' &&
  (error.details['reason'] === 'RESOURCE_DOES_NOT_EXIST' || /does not exist/i.test(error.message));

function busy(operation: string, why: string, ambiguous: boolean): WaybillError {
  return new WaybillError('COMPUTE_BUSY', `Databricks gave no answer to ${operation} (${why}).`, {
    service: 'databricks',
    operation,
    ambiguous,
  });
}

function refused(operation: string, status: number, text: string): WaybillError {
  let said: { error_code?: string; message?: string } = {};
  try {
    said = JSON.parse(text) as typeof said;
  } catch {
    // A gateway's page: its status says enough.
  }
  const reason = said.error_code ?? `HTTP ${status}`;
  const details = { service: 'databricks', operation, status, reason };
  const message = (said.message ?? '').slice(0, MAX_EXCERPT);
  if (status === 401 || status === 403)
    return new WaybillError(
      'AUTHENTICATION_FAILED',
      `Databricks refused the credentials for ${operation}: ${reason}${message ? `: ${message}` : ''}`,
      details,
    );
  return new WaybillError(
    'COMPUTE_REFUSED',
    `Databricks refused ${operation}: ${message || reason}`,
    details,
  );
}

function parsed(text: string, operation: string): JsonObject {
  try {
    const value = JSON.parse(text === '' ? '{}' : text) as JsonValue;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below.
  }
  throw new WaybillError(
    'COMPUTE_REFUSED',
    `Databricks answered ${operation} with something that is no JSON object: is the address that of a workspace?`,
    { service: 'databricks', operation },
  );
}
