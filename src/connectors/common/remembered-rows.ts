// Rows at a bound of an incremental copy: known by their hashes, so that those copied before are not copied again.
import { createHash } from 'node:crypto';
import { type RowCounts, refuseTooMany } from '../../core/copy/incremental.ts';
import type { Row } from '../../core/types/column.ts';

/** 132 bits of the hash of a row's texts. */
const hashOf = (row: Row): string =>
  createHash('sha256').update(JSON.stringify(row)).digest('base64url').slice(0, 22);

export class RememberedRows {
  readonly #left: Map<string, number>;
  readonly #seen: Record<string, number> = {};
  #distinct = 0;

  /** `known`: how often each row was copied before. */
  constructor(known: RowCounts) {
    this.#left = new Map(Object.entries(known));
  }

  /** Passes on the rows that are new. A row that is there more often than before passes as often as it is more. */
  async *watch(batches: AsyncIterable<Row[]>): AsyncGenerator<Row[]> {
    for await (const batch of batches) {
      const fresh = batch.filter((row) => this.#isNew(hashOf(row)));
      if (fresh.length > 0) yield fresh;
    }
  }

  /** Every row that was read, new or known. Complete once `watch` has ended. */
  counts(): RowCounts {
    return this.#seen;
  }

  #isNew(hash: string): boolean {
    const before = this.#seen[hash] ?? 0;
    this.#seen[hash] = before + 1;
    if (before === 0 && ++this.#distinct % 1000 === 0) refuseTooMany(this.#seen);
    const left = this.#left.get(hash) ?? 0;
    if (left === 0) return true;
    this.#left.set(hash, left - 1);
    return false;
  }
}
