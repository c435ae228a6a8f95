// Requests that an endpoint answered with 202: where to ask again, and when.
import type { JsonObject, JsonValue } from '../json.ts';

/** Property of an output that is none yet, and of the input that asks again. Never seen by a definition. */
export const PENDING = '$pendingRequest';

export interface PendingRequest {
  /** In an envelope of ./secure.ts where it may carry a key. */
  readonly location: JsonValue;
  /** What Retry-After asked for. */
  readonly retryAfterSeconds?: number;
}

export function pendingRequest(value: JsonObject): PendingRequest | undefined {
  const pending = value[PENDING];
  return typeof pending === 'object' && pending !== null && !Array.isArray(pending)
    ? (pending as unknown as PendingRequest)
    : undefined;
}

/** Seconds. */
const FIRST = 1;
const USUAL = 5;
const LONGEST = 900;

/**
 * Seconds to wait before the next look, `waited` seconds after the first answer: what the endpoint asks for, else a few. The
 * longer it takes the less often it is looked at, so that a wait of days stays a short history.
 */
export const nextLook = (pending: PendingRequest, waited: number): number =>
  Math.max(pending.retryAfterSeconds ?? (waited === 0 ? FIRST : USUAL), Math.min(waited / 20, LONGEST));
