// The ledger of table sinks: a table beside the target, with an entry for every copy, every chunk and every watermark.
//
// An entry changes only from `planned` under the generation that claimed it, so an attempt that was overtaken changes no
// row and rolls back. Whoever writes data does so in the transaction that changes the entry.
import type { PublishResult } from '../../core/copy/activities.ts';
import type { RowCounts } from '../../core/copy/incremental.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { ChunkFigures, ClaimedChunk, LedgerState, StoredPlan } from '../connector.ts';
import { copyKey } from './identifier.ts';
import {
  asText,
  chunkEntry,
  detailOf,
  figuresOf,
  totalsOf,
  WHOLE,
  type WholeDetail,
  wholeDetailOf,
} from './ledger-entries.ts';
import { LedgerLock } from './ledger-lock.ts';
import { LedgerRows, type LedgerValue } from './ledger-rows.ts';
import type { SqlRow, SqlStore } from './sql-store.ts';
import { inTransaction } from './transaction.ts';
import { WatermarkLedger } from './watermark-ledger.ts';

const ROWS_PER_INSERT = 500;

export class SinkLedger {
  readonly watermarks: WatermarkLedger;
  readonly #store: SqlStore;
  readonly #lock: LedgerLock;
  readonly #rows: LedgerRows;
  readonly #copyId: string;
  readonly #label: () => string;

  /** `schema` and `label` are asked late: the target's own spelling is known only once it was looked up. */
  constructor(store: SqlStore, copyId: string, schema: () => string, label: () => string) {
    this.#store = store;
    this.#copyId = copyId;
    this.#rows = new LedgerRows(store, copyKey(copyId), schema);
    this.#label = label;
    this.#lock = new LedgerLock(this.#rows, store.dialect.keysEnforced);
    this.watermarks = new WatermarkLedger(store, this.#rows, this.#lock);
  }

  /** Two first copies into one schema may both create the ledger: the one that loses finds it made when it looks again. */
  async ensure(): Promise<void> {
    const statement = this.#store.dialect.createLedger(this.#rows.table);
    try {
      await this.#store.execute(statement);
    } catch {
      await this.#store.execute(statement);
    }
  }

  /** Raises the epoch of this copy's plan, which fences every attempt made under the old one. */
  raiseEpoch(): Promise<LedgerState | undefined> {
    return inTransaction(this.#store, async () => {
      const raised = await this.#rows.update({ generation: { sql: `${this.#rows.c('generation')} + 1` } }, [
        this.#rows.is(WHOLE),
      ]);
      return raised === 0 ? undefined : this.state();
    });
  }

  /**
   * Stores the plan with its ranges, and does `first` in the same transaction. Undefined, with nothing done, where
   * another attempt of this planning was faster.
   */
  async storePlan(
    plan: StoredPlan,
    ranges: readonly KeyRange[],
    first: () => Promise<void>,
  ): Promise<LedgerState | undefined> {
    // From the clock, so that a copy planned anew after its clean-up stands above every attempt of the old one.
    const epoch = Math.floor(Date.now() / 1000);
    const detail = JSON.stringify({ ...plan, chunks: ranges.length });
    if (plan.incremental !== undefined) await this.watermarks.ensure(plan.incremental.stream);
    await this.#lock.prepare();
    try {
      const stored = await inTransaction(this.#store, async () => {
        await this.#lock.take();
        if (await this.#isThere()) return undefined;
        await this.#insert([{ chunk: WHOLE, state: 'planned', generation: epoch, detail }]);
        for (let i = 0; i < ranges.length; i += ROWS_PER_INSERT) {
          await this.#insert(
            ranges.slice(i, i + ROWS_PER_INSERT).map((range, j) => chunkEntry(i + j, range)),
          );
        }
        await first();
        return true;
      });
      if (stored === undefined) return undefined;
    } catch (error) {
      if (error instanceof WaybillError && error.code === 'CONSTRAINT_VIOLATED' && (await this.#isThere())) {
        return undefined;
      }
      throw error;
    }
    return { plan, chunks: ranges.length, epoch, published: false };
  }

  async claim(chunk: number, generation: number): Promise<ClaimedChunk> {
    const claimed = await this.#rows.update({ generation: { sql: String(generation) } }, [
      this.#rows.is(chunk),
      this.#rows.equals('state', 'planned'),
      `${this.#rows.c('generation')} <= ${generation}`,
    ]);
    const entry = await this.#entry(chunk);
    if (entry['state'] === 'committed') return { state: 'committed', figures: figuresOf(entry) };
    if (claimed !== 1) throw this.fenced(chunk, generation);
    const { plan } = await this.state();
    const { part } = detailOf(entry);
    const range: KeyRange = {
      lower: asText(entry['lower_bound']),
      upper: asText(entry['upper_bound']),
      ...(part === undefined ? {} : { part }),
    };
    return { state: 'claimed', range, plan };
  }

  /** Within the caller's transaction. False where the entry is no longer this generation's. */
  async commitChunk(
    chunk: number,
    generation: number,
    figures: ChunkFigures,
    remembered: RowCounts | undefined,
  ): Promise<boolean> {
    const { skipped, filesSkipped } = figures;
    const more = {
      ...(remembered === undefined ? {} : { remembered }),
      ...(skipped === undefined ? {} : { skipped }),
      ...(filesSkipped === undefined ? {} : { filesSkipped }),
    };
    const kept =
      Object.keys(more).length === 0
        ? {}
        : { detail: JSON.stringify({ ...detailOf(await this.#entry(chunk)), ...more }) };
    const changed = await this.#rows.update(
      {
        state: 'committed',
        row_count: { sql: String(figures.rows) },
        bytes_read: { sql: String(figures.bytesRead) },
        bytes_written: { sql: String(figures.bytesWritten) },
        checksum: figures.sourceChecksum,
        committed_at: { sql: this.#store.dialect.now },
        ...kept,
      },
      [
        this.#rows.is(chunk),
        this.#rows.equals('state', 'planned'),
        `${this.#rows.c('generation')} = ${generation}`,
      ],
    );
    return changed === 1;
  }

  /** The figures of a chunk that another attempt committed. Throws CHUNK_FENCED where none did. */
  async committedFigures(chunk: number, generation: number): Promise<ChunkFigures> {
    const entry = await this.#entry(chunk);
    if (entry['state'] === 'committed') return figuresOf(entry);
    throw this.fenced(chunk, generation);
  }

  /** Within the caller's transaction: takes the copy from planned to published. False where it is not this epoch's. */
  async markPublished(epoch: number): Promise<boolean> {
    const changed = await this.#rows.update(
      { state: 'published', committed_at: { sql: this.#store.dialect.now } },
      [
        this.#rows.is(WHOLE),
        this.#rows.equals('state', 'planned'),
        `${this.#rows.c('generation')} = ${epoch}`,
      ],
    );
    return changed !== 0;
  }

  async state(): Promise<LedgerState> {
    const entry = await this.#entry(WHOLE);
    const { chunks, taken: _, ...plan } = wholeDetailOf(entry);
    return { plan, chunks, epoch: Number(entry['generation']), published: entry['state'] === 'published' };
  }

  /** Within the transaction that publishes: rows of committed chunks that were left out since their key is taken. */
  async noteTaken(rows: number): Promise<void> {
    const detail: WholeDetail = { ...wholeDetailOf(await this.#entry(WHOLE)), taken: rows };
    await this.#rows.update({ detail: JSON.stringify(detail) }, [this.#rows.is(WHOLE)]);
  }

  /** Sums of the committed chunks. Throws CHUNK_MISMATCH while one of them is not committed. */
  async totals(): Promise<PublishResult> {
    const rows = await this.#rows.select([this.#rows.isCopy, `${this.#rows.c('chunk')} >= 0`]);
    const open = rows.filter((row) => row['state'] !== 'committed').length;
    if (open > 0) {
      throw new WaybillError('CHUNK_MISMATCH', `${open} of ${rows.length} chunks are not committed.`, {
        open,
      });
    }
    return totalsOf(rows, wholeDetailOf(await this.#entry(WHOLE)).taken ?? 0);
  }

  /** Forgets a copy that was not published, and fences whoever is about to publish it. */
  async forgetUnpublished(): Promise<void> {
    await inTransaction(this.#store, async () => {
      const planned = await this.#rows.update({ generation: { sql: `${this.#rows.c('generation')} + 1` } }, [
        this.#rows.is(WHOLE),
        this.#rows.equals('state', 'planned'),
      ]);
      if (planned === 0) return undefined;
      await this.#rows.remove();
      return true;
    });
  }

  /** Within the transaction that publishes. Throws WATERMARK_MOVED. */
  async moveWatermark({ incremental }: StoredPlan): Promise<void> {
    if (incremental === undefined) return;
    const chunks = await this.#rows.select([this.#rows.isCopy, `${this.#rows.c('chunk')} >= 0`]);
    await this.watermarks.move(incremental, chunks.map(detailOf), this.#label());
  }

  fenced(chunk: number, generation: number): WaybillError {
    const what = chunk === WHOLE ? 'publishing' : `chunk ${chunk}`;
    return new WaybillError('CHUNK_FENCED', `A newer attempt has taken over ${what} of ${this.#label()}.`, {
      chunk,
      generation,
    });
  }

  async #entry(chunk: number): Promise<SqlRow> {
    const [entry] = await this.#rows.select([this.#rows.is(chunk)]);
    if (entry !== undefined) return entry;
    throw new WaybillError(
      'SOURCE_CHANGED',
      `The ledger of ${this.#label()} has no entry ${chunk} for this copy.`,
      { chunk },
    );
  }

  async #insert(entries: readonly Readonly<Record<string, LedgerValue>>[]): Promise<void> {
    await this.#rows.insert(
      entries.map((entry) => ({ copy_key: this.#rows.key, copy_id: this.#copyId, ...entry })),
    );
  }

  async #isThere(): Promise<boolean> {
    return (await this.#rows.select([this.#rows.is(WHOLE)])).length > 0;
  }
}
