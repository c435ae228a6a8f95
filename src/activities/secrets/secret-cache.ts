// Keeps secrets for a few minutes, so that a thousand chunks do not ask a vault a thousand times, and reads them
// again when a store refuses one: it may have been changed since.
import type { SecretReference } from './references.ts';

/** A changed secret is noticed after this long at the latest, in milliseconds. */
const KEPT_FOR = 300_000;

interface Entry {
  readonly value: Promise<string>;
  readonly readAt: number;
  /** When the value became another one than before; the first reading is no change. */
  readonly changedAt: number;
}

export type ReadSecret = (reference: SecretReference) => Promise<string>;

export class SecretCache {
  readonly #read: ReadSecret;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  /** Linked service to what it was resolved with. */
  readonly #users = new Map<string, Map<string, SecretReference>>();

  constructor(read: ReadSecret, now: () => number = Date.now) {
    this.#read = read;
    this.#now = now;
  }

  /** The secret's value, for `linkedService`. A failed reading is not kept. */
  async get(reference: SecretReference, linkedService: string): Promise<string> {
    const key = JSON.stringify(reference);
    const used = this.#users.get(linkedService) ?? new Map<string, SecretReference>();
    used.set(key, reference);
    this.#users.set(linkedService, used);
    const kept = this.#entries.get(key);
    if (kept !== undefined && this.#now() - kept.readAt < KEPT_FOR) return kept.value;
    return this.#renew(key, reference, kept);
  }

  /**
   * Reads the linked service's secrets again. True where one of them has changed after `since` (milliseconds since
   * epoch): whoever signed in with what was known then may try once more.
   */
  async changedSince(linkedService: string, since: number): Promise<boolean> {
    let changed = false;
    for (const [key, reference] of this.#users.get(linkedService) ?? []) {
      const kept = this.#entries.get(key);
      // Somebody else was refused too, and has read it again since.
      if (kept === undefined || kept.readAt <= since) await this.#renew(key, reference, kept);
      changed ||= (this.#entries.get(key)?.changedAt ?? 0) > since;
    }
    return changed;
  }

  async #renew(key: string, reference: SecretReference, before: Entry | undefined): Promise<string> {
    const value = this.#read(reference);
    const readAt = this.#now();
    const old = await before?.value.catch(() => undefined);
    const fresh = await value;
    const changedAt = old !== undefined && old !== fresh ? this.#now() : (before?.changedAt ?? 0);
    this.#entries.set(key, { value, readAt, changedAt });
    return fresh;
  }
}
