// Watermarks of incremental copies: entries of the ledger that outlive every copy and move with what a copy publishes.
import {
  addCounts,
  type IncrementalPlan,
  mostOf,
  type RowCounts,
  type Watermark,
  type WatermarkPart,
} from '../../core/copy/incremental.ts';
import { WaybillError } from '../../core/errors.ts';
import { copyKey } from './identifier.ts';
import type { LedgerLock } from './ledger-lock.ts';
import type { LedgerRows } from './ledger-rows.ts';
import type { SqlStore } from './sql-store.ts';
import { inTransaction } from './transaction.ts';

/** The entry's number, under a key made from the stream. */
const WATERMARK = -2;

/** What a chunk of an incremental copy remembers of its rows. */
export interface ChunkMemory {
  readonly part?: WatermarkPart;
  readonly remembered?: RowCounts;
}

export class WatermarkLedger {
  readonly #store: SqlStore;
  readonly #rows: LedgerRows;
  readonly #lock: LedgerLock;

  constructor(store: SqlStore, rows: LedgerRows, lock: LedgerLock) {
    this.#store = store;
    this.#rows = rows;
    this.#lock = lock;
  }

  async read(stream: string): Promise<Watermark> {
    const [entry] = await this.#rows.select([this.#is(stream)]);
    const kept = JSON.parse(String(entry?.['detail'] ?? '{}')) as Partial<Watermark>;
    return { value: null, ...kept, version: Number(entry?.['generation'] ?? 0) };
  }

  /** Makes the stream's entry if there is none, so that publishing has one to change. */
  async ensure(stream: string): Promise<void> {
    await this.#lock.prepare();
    const there = async (): Promise<boolean> => (await this.#rows.select([this.#is(stream)])).length > 0;
    if (await there()) return;
    try {
      await inTransaction(this.#store, async () => {
        await this.#lock.take();
        if (await there()) return undefined;
        await this.#rows.insert([
          { copy_key: copyKey(stream), copy_id: stream, chunk: WATERMARK, state: 'watermark', generation: 0 },
        ]);
        return true;
      });
    } catch (error) {
      // Another copy of the stream made it.
      if (!(await there())) throw error;
    }
  }

  /**
   * Within the transaction that publishes: moves the watermark to the plan's upper bound. Throws WATERMARK_MOVED where it
   * is no longer the one that the plan was made from.
   */
  async move(plan: IncrementalPlan, chunks: readonly ChunkMemory[], label: string): Promise<void> {
    const { stream, version } = plan;
    const next = JSON.stringify(nextWatermark(plan, await this.read(stream), chunks));
    const moved = await this.#rows.update({ generation: { sql: String(version + 1) }, detail: next }, [
      this.#is(stream),
      `${this.#rows.c('generation')} = ${version}`,
    ]);
    if (moved === 1) return;
    throw new WaybillError(
      'WATERMARK_MOVED',
      `Another copy moved the watermark of ${label} while this one ran: nothing of this one was published.`,
      { stream },
    );
  }

  #is(stream: string): string {
    return this.#rows.isOf(copyKey(stream), WATERMARK);
  }
}

const nextWatermark = (
  { upper, lower, remembers, reload, shape }: IncrementalPlan,
  before: Watermark,
  chunks: readonly ChunkMemory[],
): Omit<Watermark, 'version'> => {
  const value = upper ?? (reload ? null : before.value);
  if (!remembers) return { value };
  const seen = (...parts: WatermarkPart[]): RowCounts =>
    addCounts(
      chunks.flatMap(({ part, remembered }) =>
        part !== undefined && remembered !== undefined && parts.includes(part) ? [remembered] : [],
      ),
    );
  // Where the bound stays, rows at it are known besides those read again: they may be gone from the source.
  const stays = !reload && (upper === null || upper === lower);
  return {
    value,
    shape,
    ties: stays ? mostOf(before.ties ?? {}, seen('ties', 'newest')) : seen('newest'),
    nulls: mostOf(reload ? {} : (before.nulls ?? {}), seen('nulls')),
  };
};
