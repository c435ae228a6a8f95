// A lock on the ledger for stores that enforce no primary key: what must be there once is looked for and made under it.
import type { LedgerRows } from './ledger-rows.ts';

/** An entry that is only ever changed to lock it. */
const LOCK = -3;
const LOCK_KEY = 'lock';

export class LedgerLock {
  readonly #rows: LedgerRows;
  readonly #needed: boolean;

  /** Where keys are enforced the insert itself finds out, and this does nothing. */
  constructor(rows: LedgerRows, keysEnforced: boolean) {
    this.#rows = rows;
    this.#needed = !keysEnforced;
  }

  /** Before the transaction. A second lock entry does no harm: an update locks both. */
  async prepare(): Promise<void> {
    if (!this.#needed) return;
    const found = await this.#rows.select([this.#rows.isOf(LOCK_KEY, LOCK)]);
    if (found.length > 0) return;
    await this.#rows.insert([
      { copy_key: LOCK_KEY, copy_id: LOCK_KEY, chunk: LOCK, state: 'lock', generation: 0 },
    ]);
  }

  /** Within the transaction, as a statement of its own: the next one sees everything that was committed before it. */
  async take(): Promise<void> {
    if (!this.#needed) return;
    await this.#rows.update({ generation: { sql: `${this.#rows.c('generation')} + 1` } }, [
      this.#rows.isOf(LOCK_KEY, LOCK),
    ]);
  }
}
