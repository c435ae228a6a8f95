// Sends one HTTP request to an address that the guard lets through: name resolved once, redirects checked like first
// addresses, sizes and times limited. Errors name host and path, never a query, a header or a body.
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { WaybillError } from '../../core/errors.ts';
import type { CancelSignal, OutboundStream } from '../../core/outbound-http.ts';
import type { AddressGuard, PinnedAddress } from './address-guard.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Milliseconds until the whole answer must be there. */
  readonly timeout: number;
  readonly signal?: CancelSignal;
  readonly verifyCertificate: boolean;
  readonly clientCertificate?: { readonly pfx: Buffer; readonly passphrase: string };
  /** Bytes that an answer may have; MAX_RESPONSE unless said. */
  readonly limit?: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly statusText: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** By name as the endpoint spells it. */
  readonly spelledHeaders: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Where the answer came from, after redirects. */
  readonly url: string;
}

/** Data Factory's limit for an answer. */
export const MAX_RESPONSE = 4 * 1024 * 1024;
const MAX_REDIRECTS = 10;
/** Times that a connection is tried before anything was sent. */
const CONNECT_ATTEMPTS = 4;
/** Headers that are for the host that they were written for. */
const PRIVATE_HEADERS = /^(authorization|cookie|proxy-authorization|.*(key|token|secret|signature).*)$/i;

const parseUrl = (text: string, base?: string): URL | undefined =>
  URL.canParse(text, base) ? new URL(text, base) : undefined;

/** Host and path: what may stand in messages. Queries carry keys. */
export function placeOf(url: string): string {
  const parsed = parseUrl(url);
  return parsed === undefined ? 'an address that is none' : `${parsed.origin}${parsed.pathname}`;
}

/**
 * Sends the request and reads the answer, whatever its status. A connection that cannot be made is tried again, since
 * nothing was sent; after that nothing is repeated. Throws ADDRESS_REFUSED, CONNECTION_FAILED (`retryable` only where
 * nothing was sent or sending twice does no harm), WEB_FAILED for answers that are too large or redirect in circles.
 */
export const sendRequest = (first: HttpRequest, guard: AddressGuard): Promise<HttpResponse> =>
  followed(first, guard, async (exchange) => ({ response: await collected(exchange), discard: () => {} }));

/** As `sendRequest`, for answers of any length: gives them as they begin. */
export const openResponse = (first: HttpRequest, guard: AddressGuard): Promise<OutboundStream> =>
  followed(first, guard, async ({ incoming, request, settle }) => {
    settle();
    const response = { ...headOf(incoming, request), body: piecesOf(incoming, request) };
    return { response, discard: () => incoming.destroy() };
  });

async function followed<R extends Omit<HttpResponse, 'body' | 'spelledHeaders'>>(
  first: HttpRequest,
  guard: AddressGuard,
  take: (exchange: Exchange) => Promise<{ readonly response: R; discard(): void }>,
): Promise<R> {
  const deadline = Date.now() + first.timeout;
  let request = first;
  for (let redirects = 0; ; redirects++) {
    const { response, discard } = await sendOnce(request, guard, deadline, take);
    const next = redirected(request, response);
    if (next === undefined) return response;
    discard();
    if (redirects === MAX_REDIRECTS)
      throw new WaybillError(
        'WEB_FAILED',
        `${placeOf(first.url)} redirects more than ${MAX_REDIRECTS} times.`,
      );
    request = next;
  }
}

/** The request that follows a redirect; undefined where the answer is none. */
function redirected(
  request: HttpRequest,
  response: Pick<HttpResponse, 'status' | 'headers'>,
): HttpRequest | undefined {
  const location = response.headers['location'];
  if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return undefined;
  const target = parseUrl(location, request.url);
  if (target === undefined)
    throw new WaybillError('WEB_FAILED', `${placeOf(request.url)} redirects to an address that is none.`);
  const origin = new URL(request.url);
  if (origin.protocol === 'https:' && target.protocol === 'http:')
    throw new WaybillError(
      'WEB_FAILED',
      `${placeOf(request.url)} redirects from https to http, which is not followed.`,
    );
  const keepsBody =
    response.status === 307 || response.status === 308 || /^(GET|HEAD)$/i.test(request.method);
  const same = target.origin === origin.origin;
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(
      ([name]) =>
        (same || !PRIVATE_HEADERS.test(name)) &&
        (keepsBody || !/^content-/i.test(name)) &&
        !/^host$/i.test(name),
    ),
  );
  const { body, clientCertificate, ...rest } = request;
  return {
    ...rest,
    url: target.href,
    headers,
    method: keepsBody ? request.method : 'GET',
    ...(keepsBody && body !== undefined ? { body } : {}),
    ...(same && clientCertificate !== undefined ? { clientCertificate } : {}),
  };
}

async function sendOnce<R>(
  request: HttpRequest,
  guard: AddressGuard,
  deadline: number,
  take: (exchange: Exchange) => Promise<R>,
): Promise<R> {
  const url = parseUrl(request.url);
  if (url === undefined) throw new WaybillError('WEB_FAILED', 'The "url" is not an http or https address.');
  for (let attempt = 1; ; attempt++) {
    const pinned = await guard.resolve(url);
    try {
      return await exchange(request, url, pinned, deadline, take);
    } catch (error) {
      const left = deadline - Date.now();
      const final = attempt === CONNECT_ATTEMPTS || left <= 0 || request.signal?.aborted === true;
      if (final || !(error instanceof Unsent) || CERTIFICATE.test(codeOf(error.cause)))
        throw explained(error, request);
      await pause(Math.min(left, 250 * 2 ** attempt), request.signal);
    }
  }
}

/** Nothing of the request has left this process. */
class Unsent extends Error {
  override readonly cause: unknown;
  constructor(cause: unknown) {
    super('not connected');
    this.cause = cause;
  }
}

/** An answer that has begun. */
interface Exchange {
  readonly request: HttpRequest;
  readonly incoming: IncomingMessage;
  /** Nothing can fail the exchange any more but its reader. */
  settle(): void;
}

/** Sends, and hands the answer to `take` once it begins; what `take` does counts against the deadline until it settles. */
function exchange<R>(
  request: HttpRequest,
  url: URL,
  pinned: PinnedAddress,
  deadline: number,
  take: (exchange: Exchange) => Promise<R>,
): Promise<R> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:';
    const { verifyCertificate, clientCertificate } = request;
    let connected = false;
    const settle = (): void => {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', abort);
    };
    const fail = (error: unknown): void => {
      settle();
      outgoing.destroy();
      reject(connected ? error : new Unsent(error));
    };
    const abort = (): void => fail(request.signal?.reason);
    const outgoing = (secure ? requestHttps : requestHttp)(
      url,
      {
        method: request.method.toUpperCase(),
        headers: { 'accept-encoding': 'identity', 'user-agent': 'waybill', ...request.headers },
        lookup: always(pinned),
        agent: false,
        ...(secure ? { rejectUnauthorized: verifyCertificate, ...(clientCertificate ?? {}) } : {}),
      },
      (incoming) => {
        take({ request, incoming, settle }).then((response) => {
          settle();
          resolve(response);
        }, fail);
      },
    );
    const timer = setTimeout(() => fail(new TimedOut()), Math.max(1, deadline - Date.now()));
    outgoing.on('socket', (socket) => {
      const ready = (): void => {
        connected = true;
      };
      socket.once(secure ? 'secureConnect' : 'connect', ready);
    });
    outgoing.on('error', fail);
    request.signal?.addEventListener('abort', abort);
    if (request.signal?.aborted) abort();
    else outgoing.end(request.body);
  });
}

const headOf = (incoming: IncomingMessage, request: HttpRequest): Omit<HttpResponse, 'body'> => ({
  status: incoming.statusCode ?? 0,
  statusText: incoming.statusMessage ?? '',
  headers: flat(incoming.headers),
  spelledHeaders: spelled(incoming.rawHeaders),
  url: request.url,
});

function collected({ request, incoming }: Exchange): Promise<HttpResponse> {
  const { limit = MAX_RESPONSE } = request;
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    incoming.on('data', (part: Buffer) => {
      size += part.length;
      if (size > limit)
        reject(
          new WaybillError(
            'WEB_FAILED',
            `${placeOf(request.url)} answered with more than ${limit} bytes, which no activity may hold.`,
          ),
        );
      else parts.push(part);
    });
    incoming.on('error', reject);
    incoming.on('aborted', () => reject(new Error('the answer broke off')));
    incoming.on('end', () => resolve({ ...headOf(incoming, request), body: Buffer.concat(parts) }));
  });
}

/** The body as it comes. Breaks with CONNECTION_FAILED where it stays away for as long as the whole request may take. */
async function* piecesOf(incoming: IncomingMessage, request: HttpRequest): AsyncGenerator<Buffer> {
  const abort = (): void => {
    incoming.destroy(new Error('cancelled'));
  };
  request.signal?.addEventListener('abort', abort);
  incoming.setTimeout(request.timeout, () => incoming.destroy(new TimedOut()));
  try {
    if (request.signal?.aborted === true) throw request.signal.reason;
    for await (const piece of incoming) yield piece as Buffer;
  } catch (error) {
    throw request.signal?.aborted === true ? request.signal.reason : explained(error, request);
  } finally {
    request.signal?.removeEventListener('abort', abort);
    incoming.destroy();
  }
}

class TimedOut extends Error {}

/** Answers every look-up with the one address that was checked. */
const always =
  ({ address, family }: PinnedAddress): LookupFunction =>
  (_host, options, callback) => {
    if (options.all === true) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };

function spelled(raw: readonly string[]): Record<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name, value] = [raw[i] as string, raw[i + 1] as string];
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}

/** Several headers of one name become one text. */
function flat(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

/** Node's codes of failures that certificates cause. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/;

const codeOf = (error: unknown): string =>
  String((error as { code?: unknown } | undefined)?.code ?? 'no code');

function explained(error: unknown, request: HttpRequest): unknown {
  const cause = error instanceof Unsent ? error.cause : error;
  if (cause instanceof WaybillError || request.signal?.aborted) return cause;
  const place = placeOf(request.url);
  const harmless = error instanceof Unsent || isRepeatable(request.method);
  if (cause instanceof TimedOut)
    return new WaybillError(
      'CONNECTION_FAILED',
      `${place} did not answer within ${Math.round(request.timeout / 1000)} s. ${harmless ? '' : SENT}`.trim(),
      { method: request.method },
      { retryable: false },
    );
  const code = codeOf(cause);
  if (CERTIFICATE.test(code))
    return new WaybillError(
      'CONNECTION_FAILED',
      `The certificate of ${place} is not trusted (${code}).`,
      { method: request.method },
      { retryable: false },
    );
  if (code === 'ERR_INVALID_CHAR' || code === 'ERR_INVALID_HTTP_TOKEN')
    return new WaybillError(
      'WEB_FAILED',
      `A header of the request to ${place} holds what no header may hold.`,
    );
  return new WaybillError(
    'CONNECTION_FAILED',
    `${place} ${error instanceof Unsent ? 'cannot be reached' : 'broke the connection'} (${code}). ${harmless ? '' : SENT}`.trim(),
    { method: request.method },
    { retryable: harmless },
  );
}

const SENT = 'The request had been sent, and may have been carried out: it is not repeated.';

/** Whether HTTP says that doing it twice is doing it once. */
export const isRepeatable = (method: string): boolean => /^(GET|HEAD|PUT|DELETE|OPTIONS)$/i.test(method);

function pause(milliseconds: number, signal: CancelSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done);
  });
}
