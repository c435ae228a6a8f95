// The ledger of a copy into files: plan, receipts and manifest as small JSON files beside the data.
//
// A receipt, written once, says which files are a chunk; the manifest, written last, says which are the folder's.
import { randomUUID } from 'node:crypto';
import type { PublishResult } from '../../../core/copy/activities.ts';
import type { KeyRange } from '../../../core/copy/ranges.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { ChunkFigures, LedgerState, StoredPlan } from '../../connector.ts';
import type { FileStore, StoredFile } from './file-store.ts';

interface StoredLedger {
  readonly plan: StoredPlan;
  readonly ranges: KeyRange[];
  readonly epoch: number;
  /** Tells this plan from one made, and cleaned up, before under the same copy id. */
  readonly planId?: string;
}

export interface Receipt {
  readonly files: readonly StoredFile[];
  readonly figures: ChunkFigures;
}

/** As stores hold them: those of waybill 0.1 have one file. */
type StoredReceipt = Partial<Receipt> & { readonly file?: StoredFile; readonly figures: ChunkFigures };

/** Receipts that are read at once. */
const AT_ONCE = 8;

/** Chunk numbers in names sort as numbers do. */
export const numbered = (chunk: number): string => String(chunk).padStart(5, '0');

export class CopyLedger {
  readonly #store: FileStore;
  readonly #keyOf: (name: string) => string;
  readonly #label: string;
  /** The plan that this attempt works under, once it was read. */
  #planId = '';

  constructor(store: FileStore, keyOf: (name: string) => string, label: string) {
    this.#store = store;
    this.#keyOf = keyOf;
    this.#label = label;
  }

  async read(): Promise<StoredLedger | undefined> {
    const ledger = (await this.#store.readJson(this.#planKey)) as StoredLedger | undefined;
    if (ledger !== undefined) this.#planId = ledger.planId ?? '';
    return ledger;
  }

  /** The ledger of a copy that must have been planned. */
  async require(): Promise<StoredLedger> {
    const ledger = await this.read();
    if (ledger !== undefined) return ledger;
    throw new WaybillError('SOURCE_CHANGED', `${this.#label} has no plan for this copy.`);
  }

  /** A stored plan as it stands. */
  async state(published: () => Promise<boolean>): Promise<LedgerState | undefined> {
    const ledger = await this.read();
    if (ledger === undefined) return undefined;
    const { plan, ranges, epoch } = ledger;
    return { plan, chunks: ranges.length, epoch, published: await published() };
  }

  /** Raises the epoch of a stored plan. */
  async resume(published: () => Promise<boolean>): Promise<LedgerState | undefined> {
    const ledger = await this.read();
    if (ledger === undefined) return undefined;
    const epoch = ledger.epoch + 1;
    await this.#store.writeJson(this.#planKey, { ...ledger, epoch });
    return { plan: ledger.plan, chunks: ledger.ranges.length, epoch, published: await published() };
  }

  /** Returns false where there is a plan already. */
  async store(plan: StoredPlan, ranges: readonly KeyRange[]): Promise<LedgerState | false> {
    // By the clock, so that files of an earlier plan's late attempts have other names than ours.
    const epoch = Math.floor(Date.now() / 1000);
    const ledger: StoredLedger = { plan, ranges: [...ranges], epoch, planId: randomUUID().slice(0, 8) };
    const written = await this.#store.writeJson(this.#planKey, ledger, true);
    return written ? { plan, chunks: ranges.length, epoch, published: false } : false;
  }

  async receipt(chunk: number): Promise<Receipt | undefined> {
    const stored = (await this.#store.readJson(this.#receiptKey(chunk))) as StoredReceipt | undefined;
    if (stored === undefined) return undefined;
    return {
      figures: stored.figures,
      files: stored.files ?? (stored.file === undefined ? [] : [stored.file]),
    };
  }

  /**
   * Returns the receipt that counts: ours, or that of an attempt which was first. Throws CHUNK_FENCED where the copy was
   * given up and cleaned up while this attempt was away: then its receipt is taken back.
   */
  async commit(chunk: number, receipt: Receipt): Promise<Receipt> {
    if (await this.#store.writeJson(this.#receiptKey(chunk), receipt, true)) {
      const planId = this.#planId;
      if ((await this.read()) !== undefined && this.#planId === planId) return receipt;
      this.#planId = planId;
      await this.#store.remove(this.#receiptKey(chunk));
      throw new WaybillError('CHUNK_FENCED', `The copy into ${this.#label} has been cleaned up meanwhile.`, {
        chunk,
      });
    }
    const theirs = await this.receipt(chunk);
    if (theirs !== undefined) return theirs;
    throw new WaybillError('STAGING_FAILED', `The receipt of chunk ${chunk} cannot be read.`, { chunk });
  }

  /** All receipts, in order. Throws CHUNK_MISMATCH where one is missing. */
  async receipts(chunks: number): Promise<Receipt[]> {
    const receipts: Receipt[] = [];
    for (let from = 0; from < chunks; from += AT_ONCE) {
      const group = Array.from({ length: Math.min(AT_ONCE, chunks - from) }, (_, i) => from + i);
      const found = await Promise.all(group.map((chunk) => this.receipt(chunk)));
      for (const [i, receipt] of found.entries()) {
        if (receipt === undefined) {
          const chunk = from + i;
          throw new WaybillError('CHUNK_MISMATCH', `Chunk ${chunk} of ${this.#label} is not committed.`, {
            chunk,
          });
        }
        receipts.push(receipt);
      }
    }
    return receipts;
  }

  get #planKey(): string {
    return this.#keyOf('plan.json');
  }

  #receiptKey(chunk: number): string {
    const plan = this.#planId === '' ? '' : `-${this.#planId}`;
    return this.#keyOf(`chunk-${numbered(chunk)}${plan}.json`);
  }
}

export const totalsOf = (receipts: readonly Receipt[]): PublishResult => {
  const sum = (pick: (figures: ChunkFigures) => number): number =>
    receipts.reduce((total, { figures }) => total + pick(figures), 0);
  const add = (pick: (figures: ChunkFigures) => string): string =>
    receipts.reduce((total, { figures }) => total + BigInt(pick(figures) || '0'), 0n).toString();
  const filesSkipped = sum((figures) => figures.filesSkipped ?? 0);
  const skipped = sum((figures) => figures.skipped ?? 0);
  return {
    rows: sum((figures) => figures.rows),
    bytesRead: sum((figures) => figures.bytesRead),
    bytesWritten: sum((figures) => figures.bytesWritten),
    sourceChecksum: add((figures) => figures.sourceChecksum),
    sinkChecksum: add((figures) => figures.sinkChecksum),
    files: receipts.reduce((total, { files }) => total + files.length, 0),
    ...(skipped > 0 ? { skipped } : {}),
    ...(filesSkipped > 0 ? { filesSkipped } : {}),
  };
};
