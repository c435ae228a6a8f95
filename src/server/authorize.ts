// Who may ask: signatures for what starts runs, shared keys for senders of events and readers of runs.
import { createHash, timingSafeEqual } from 'node:crypto';
import { SIGNATURE_HEADER, signatureOf, TIMESTAMP_HEADER } from '../config/request-signature.ts';
import { Refusal } from './refusal.ts';
import type { DoorRequest } from './request.ts';

/** Seconds that a signature counts for, before and after its timestamp. */
export const SIGNATURE_WINDOW = 300;

const unauthorized = (message: string): Refusal =>
  new Refusal(401, 'REQUEST_UNAUTHORIZED', message, { 'www-authenticate': 'waybill-hmac-sha256' });

/** Compares without telling by its time how far two texts agree. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Whether a text is one of the keys; every key is compared, so that the time tells nothing. */
const isKey = (keys: readonly string[], given: string | undefined): boolean =>
  given !== undefined && keys.map((key) => isSame(key, given)).includes(true);

/**
 * Checks the signature of a request and gives it, so that it can be remembered. `now` in ms since epoch. Throws 401 for
 * one that is missing, wrong or older than the window.
 */
export function requireSignature(
  request: DoorRequest,
  body: Buffer,
  keys: readonly string[],
  now: number,
): string {
  if (keys.length === 0)
    throw unauthorized('No signing key is set: see WAYBILL_SIGNING_KEY in docs/http.md.');
  const timestamp = request.header(TIMESTAMP_HEADER);
  const signature = request
    .header(SIGNATURE_HEADER)
    ?.replace(/^sha256=/i, '')
    .toLowerCase();
  if (timestamp === undefined || signature === undefined)
    throw unauthorized(`The request is not signed: ${TIMESTAMP_HEADER} and ${SIGNATURE_HEADER} are missing.`);
  if (!/^\d{1,13}$/.test(timestamp) || !/^[0-9a-f]{64}$/.test(signature))
    throw unauthorized(
      `${TIMESTAMP_HEADER} is seconds since 1970 and ${SIGNATURE_HEADER} 64 hexadecimal digits.`,
    );
  const matches = keys.map((key) => isSame(signatureOf(key, timestamp, body), signature));
  if (!matches.includes(true)) throw unauthorized('The signature does not fit the timestamp and the body.');
  if (Math.abs(now / 1000 - Number(timestamp)) > SIGNATURE_WINDOW)
    throw unauthorized(`The timestamp is more than ${SIGNATURE_WINDOW} seconds away from now.`);
  return signature;
}

/**
 * Checks that a sender of events knows a key: as `?code=`, as a header that senders can be told to add, as the
 * password of Basic authentication, or by a signature. Throws 401.
 */
export function requireEventKey(
  request: DoorRequest,
  body: Buffer,
  keys: { readonly event: readonly string[]; readonly signing: readonly string[] },
  now: number,
): void {
  const given = [
    request.query.get('code') ?? undefined,
    request.header('x-api-key'),
    request.header('x-waybill-key'),
    bearerOf(request),
    passwordOf(request),
  ];
  if (given.map((key) => isKey(keys.event, key)).includes(true)) return;
  if (request.header(SIGNATURE_HEADER) !== undefined) {
    requireSignature(request, body, keys.signing, now);
    return;
  }
  throw unauthorized(
    keys.event.length === 0
      ? 'No key for events is set: see WAYBILL_EVENT_KEY in docs/http.md.'
      : 'The sender gives no key, or a wrong one: ?code=<key> at the end of the address.',
  );
}

/** Checks that a reader of runs knows a key, or signs. Throws 401. */
export function requireReader(
  request: DoorRequest,
  body: Buffer,
  keys: { readonly api: readonly string[]; readonly signing: readonly string[] },
  now: number,
): void {
  const given = [bearerOf(request), request.header('x-api-key')];
  if (given.map((key) => isKey(keys.api, key)).includes(true)) return;
  if (request.header(SIGNATURE_HEADER) !== undefined) {
    requireSignature(request, body, keys.signing, now);
    return;
  }
  throw new Refusal(
    401,
    'REQUEST_UNAUTHORIZED',
    keys.api.length === 0
      ? 'No key for readers is set: see WAYBILL_API_KEY in docs/http.md.'
      : 'The reader gives no key, or a wrong one: Authorization: Bearer <key>.',
    { 'www-authenticate': 'Bearer' },
  );
}

const bearerOf = (request: DoorRequest): string | undefined =>
  /^Bearer (.+)$/i.exec(request.header('authorization') ?? '')?.[1];

function passwordOf(request: DoorRequest): string | undefined {
  const pair = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.header('authorization') ?? '')?.[1];
  return pair === undefined
    ? undefined
    : Buffer.from(pair, 'base64')
        .toString()
        .replace(/^[^:]*:/, '');
}
