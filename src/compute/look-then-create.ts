// How a thing is made once by a service that may lose its answer: look, create, and when nobody knows, look again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallOptions } from './spark-runner.ts';

export interface Creation<T> {
  readonly look: () => Promise<T | undefined>;
  /** Sent once: not repeated by its client either. */
  readonly create: () => Promise<T>;
  /** Whether this failure of `create` may hide that it had its effect. */
  readonly isAmbiguous: (error: unknown) => boolean;
  /** The failure as waybill reports it. */
  readonly cast: (error: unknown) => Error;
  /** ms until what was created can be relied on to show. */
  readonly lookAgainAfter: number;
}

/**
 * Looks, creates once, and when the answer is lost looks again after a delay; never creates a second time.
 * A cancelled caller still gets the answer of a create that was sent: giving up on it would lose the id.
 */
export async function lookThenCreate<T>(
  { look, create, isAmbiguous, cast, lookAgainAfter }: Creation<T>,
  { repeated, signal }: CallOptions,
): Promise<T> {
  const delay = () => sleep(lookAgainAfter, undefined, signal ? { signal } : {});
  // An earlier attempt may have created it a moment ago, too recently to be listed.
  if (repeated && (await look()) === undefined) await delay();
  const existing = await look();
  if (existing !== undefined) return existing;
  try {
    return await create();
  } catch (error) {
    if (!isAmbiguous(error)) throw cast(error);
    await delay();
    const made = await look();
    if (made !== undefined) return made;
    throw cast(error);
  }
}
