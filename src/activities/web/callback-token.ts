// The tokens in callBackUris: they name the waiting run and attempt, and only who has the signing key can make one.
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface CallbackTarget {
  /** The workflow that waits. */
  readonly workflowId: string;
  readonly attemptKey: string;
  /** Whether what is called back must not be readable in history. */
  readonly secure: boolean;
}

/** Keeps these signatures apart from those of requests, which the same key signs. */
const PURPOSE = 'waybill-callback.';

const sign = (key: string, payload: string): Buffer =>
  createHmac('sha256', key).update(PURPOSE).update(payload).digest();

/** A token for a URL: letters, digits, "-", "_" and one dot. */
export function makeCallbackToken(key: string, { workflowId, attemptKey, secure }: CallbackTarget): string {
  const payload = Buffer.from(JSON.stringify([workflowId, attemptKey, secure])).toString('base64url');
  return `${payload}.${sign(key, payload).toString('base64url')}`;
}

/** What a token is for; undefined unless one of the keys made it. */
export function readCallbackToken(keys: readonly string[], token: string): CallbackTarget | undefined {
  const [payload, signature, ...rest] = token.split('.');
  if (payload === undefined || signature === undefined || rest.length > 0) return undefined;
  const given = Buffer.from(signature, 'base64url');
  const genuine = keys.map((key) => {
    const expected = sign(key, payload);
    return expected.length === given.length && timingSafeEqual(expected, given);
  });
  if (!genuine.includes(true)) return undefined;
  const [workflowId, attemptKey, secure] = JSON.parse(Buffer.from(payload, 'base64url').toString()) as [
    string,
    string,
    boolean,
  ];
  return { workflowId, attemptKey, secure };
}
