// A folder of files as the sink of a copy: files per chunk, receipts beside them, a manifest that publishes them.
//
// Files are named by copy, chunk and generation, so no attempt ever overwrites another's. Whatever neither a receipt nor
// the manifest names is nobody's and removed. A dataset that names its file shares its folder with others: that file is
// staged under `_waybill/`, and put in place by publishing; its manifest stays there too.
import type { PublishResult } from '../../../core/copy/activities.ts';
import type { KeyRange } from '../../../core/copy/ranges.ts';
import { rowTextFunction } from '../../../core/copy/row-text.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { Column, MappedColumn } from '../../../core/types/column.ts';
import type {
  ChunkFigures,
  ClaimedChunk,
  CopySink,
  FrameBatch,
  LedgerState,
  MeasuredRows,
  StoredPlan,
  WireFormat,
} from '../../connector.ts';
import { ChecksumSum } from '../checksum.ts';
import { copyKey } from '../identifier.ts';
import { textSetting } from '../settings.ts';
import { CopyLedger, numbered, type Receipt, totalsOf } from './copy-ledger.ts';
import type { FileDataset } from './file-dataset.ts';
import type { EncodedFigures, EncodedFile } from './file-format.ts';
import type { StoredFile, WrittenFile } from './file-store.ts';
import { areDocuments } from './json-text.ts';
import { keyIn } from './keys.ts';
import { MANIFEST, type Manifest, manifestKey, readManifest } from './manifest.ts';
import { cutRows } from './row-cutter.ts';

/** Names of staged files in the copy's ledger begin so. */
const STAGED = 'staged-';

/** A file of a chunk, and what its encoder counted. */
interface ChunkFile {
  readonly file: WrittenFile;
  readonly figures: EncodedFigures;
}

export class FilesSink implements CopySink {
  readonly #dataset: FileDataset;
  readonly #key: string;
  readonly #ledger: CopyLedger;
  /** Most rows of one file; Infinity where nobody said. */
  readonly #rowsPerFile: number;
  /** Names of new files begin so. */
  readonly #prefix: string;
  /** All rows go into one file: it is named, or they are to be merged. */
  readonly #single: boolean;
  /** Rows are read back and hashed, and not only bytes compared. */
  readonly #readsRows: boolean;
  /** Files that this attempt began, and that no receipt names. */
  readonly #begun = new Set<string>();

  constructor(dataset: FileDataset) {
    const { formatSettings, storeSettings, fileName } = dataset;
    this.#dataset = dataset;
    this.#key = copyKey(dataset.copyId);
    this.#ledger = new CopyLedger(dataset.store, (name) => this.#ledgerKey(name), this.label);
    this.#rowsPerFile = rowsPerFile(formatSettings['maxRowsPerFile']);
    const prefix = textSetting(formatSettings, 'fileNamePrefix');
    if (prefix !== undefined && /[/\\\0]|^[._]/.test(prefix))
      throw new WaybillError('DEFINITION_INVALID', `fileNamePrefix "${prefix}" cannot begin a file's name.`);
    this.#prefix = prefix === undefined ? 'part-' : `${prefix}_`;
    this.#single = fileName !== undefined || merges(textSetting(storeSettings, 'copyBehavior'));
    if (fileName !== undefined && Number.isFinite(this.#rowsPerFile))
      throw new WaybillError('DEFINITION_INVALID', 'maxRowsPerFile needs a dataset that names no file.');
    this.#readsRows = (textSetting(storeSettings, 'verification') ?? 'bytes').toLowerCase() === 'rows';
  }

  get label(): string {
    const { store, folder, fileName } = this.#dataset;
    return `${store.label}/${keyIn(folder, fileName ?? '')}`;
  }

  async columns(): Promise<null> {
    return null;
  }

  previewTarget(columns: readonly Column[]): Column[] {
    return this.#dataset.format.columnsFor(columns);
  }

  async createTarget(columns: readonly Column[]): Promise<Column[]> {
    return this.previewTarget(columns);
  }

  resumePlan(): Promise<LedgerState | undefined> {
    return this.#ledger.resume(async () => (await this.#ownManifest()) !== undefined);
  }

  async storePlan(plan: StoredPlan, ranges: readonly KeyRange[]): Promise<LedgerState> {
    // One file is one chunk, whatever the source would be cut into.
    const kept = this.#single ? [{ lower: null, upper: null }] : ranges;
    const stored = await this.#ledger.store(plan, kept);
    if (stored !== false) return stored;
    // Under its own epoch: raising that would fence the copy if this attempt is the one that was given up.
    const theirs = await this.#ledger.state(async () => (await this.#ownManifest()) !== undefined);
    if (theirs !== undefined) return theirs;
    throw new WaybillError('STAGING_FAILED', 'The plan of this copy cannot be read back.');
  }

  async claimChunk(chunk: number): Promise<ClaimedChunk> {
    const ledger = await this.#ledger.read();
    const receipt = await this.#ledger.receipt(chunk);
    if (receipt !== undefined) return { state: 'committed', figures: receipt.figures };
    const range = ledger?.ranges[chunk];
    if (ledger === undefined || range === undefined) {
      throw new WaybillError('SOURCE_CHANGED', `${this.label} has no entry ${chunk} for this copy.`, {
        chunk,
      });
    }
    return { state: 'claimed', range, plan: ledger.plan };
  }

  writeChunk(chunk: number, generation: number, plan: StoredPlan, rows: MeasuredRows): Promise<ChunkFigures> {
    return this.#leavingNothing(() => this.#writeRows(chunk, generation, plan, rows));
  }

  async #writeRows(
    chunk: number,
    generation: number,
    plan: StoredPlan,
    rows: MeasuredRows,
  ): Promise<ChunkFigures> {
    const columns = plan.columns.map(({ sink }) => sink);
    const { format } = this.#dataset;
    const written: ChunkFile[] = [];
    const runs = Number.isFinite(this.#rowsPerFile)
      ? cutRows(rows.batches, this.#rowsPerFile)
      : [rows.batches];
    for await (const run of runs) {
      const encoded = format.encode(columns, run);
      written.push(await this.#write(this.#fileKey(chunk, generation, written.length), encoded, plan.verify));
    }
    const source = rows.figures();
    this.#checkCount(chunk, source.rows, written);
    const sinkChecksum = plan.verify ? await this.#sinkChecksum(chunk, written, columns, source) : '';
    return this.#commit(chunk, written, {
      rows: source.rows,
      ...(source.skipped === undefined ? {} : { skipped: source.skipped }),
      ...(source.filesSkipped === undefined ? {} : { filesSkipped: source.filesSkipped }),
      bytesRead: source.bytes,
      bytesWritten: bytesOf(written),
      sourceChecksum: source.checksum,
      sinkChecksum,
    });
  }

  acceptsFrames(format: WireFormat, columns: readonly MappedColumn[]): boolean {
    return !Number.isFinite(this.#rowsPerFile) && this.#dataset.format.acceptsFrames(format, columns);
  }

  writeFrames(
    chunk: number,
    generation: number,
    plan: StoredPlan,
    frames: AsyncIterable<FrameBatch>,
  ): Promise<ChunkFigures> {
    return this.#leavingNothing(() => this.#writeBinary(chunk, generation, plan, frames));
  }

  async #writeBinary(
    chunk: number,
    generation: number,
    plan: StoredPlan,
    frames: AsyncIterable<FrameBatch>,
  ): Promise<ChunkFigures> {
    const { format } = this.#dataset;
    const { wire } = plan;
    if (wire === undefined || format.encodeFrames === undefined)
      throw new WaybillError('SOURCE_CHANGED', `${this.label} does not take this copy's wire form any more.`);
    let rows = 0;
    let bytes = 0;
    async function* counted(): AsyncGenerator<FrameBatch> {
      for await (const batch of frames) {
        rows += batch.rows;
        bytes += batch.data.length;
        yield batch;
      }
    }
    const encoded = format.encodeFrames(wire, plan.columns, counted());
    const written = [await this.#write(this.#fileKey(chunk, generation, 0), encoded, plan.verify)];
    this.#checkCount(chunk, rows, written);
    const sent = plan.verify ? (written[0]?.figures.checksum ?? '') : '';
    if (plan.verify && this.#readsRows) await this.#readFiles(chunk, written);
    return this.#commit(chunk, written, {
      rows,
      bytesRead: bytes,
      bytesWritten: bytesOf(written),
      sourceChecksum: sent,
      // The store holds the very bytes that have this checksum: it, or reading them back, said so.
      sinkChecksum: sent,
    });
  }

  async publish(epoch: number): Promise<PublishResult> {
    const ledger = await this.#ledger.require();
    const before = await readManifest(this.#dataset.store, this.#manifestKey);
    const receipts = await this.#ledger.receipts(ledger.ranges.length);
    if (before?.copyId !== this.#dataset.copyId) {
      if (ledger.epoch !== epoch) {
        throw new WaybillError('CHUNK_FENCED', `A newer attempt has taken over publishing ${this.label}.`, {
          epoch,
        });
      }
      await this.#checkFiles(receipts);
      await this.#putInPlace(receipts);
      await this.#dataset.store.writeJson(this.#manifestKey, this.#manifest(ledger.plan, receipts));
      await this.#removeOldFiles(before, receipts);
    }
    return totalsOf(receipts);
  }

  async cleanUp(): Promise<void> {
    const { store, folder } = this.#dataset;
    const published = (await this.#ownManifest()) !== undefined;
    const ours = (key: string): boolean => key.includes(`-${this.#key.slice(0, 8)}-`);
    const names = keyIn(folder, this.#prefix);
    await store.abortUploads(this.#ledgerKey(''), () => true);
    await store.abortUploads(names, ours);
    const kept = new Set<string>();
    if (published) {
      const ledger = await this.#ledger.read();
      for (const { files } of await this.#ledger.receipts(ledger?.ranges.length ?? 0)) {
        for (const { key } of files) kept.add(key);
      }
    }
    for (const { key } of await listed(store.list(this.#ledgerKey(published ? STAGED : ''))))
      await store.remove(key);
    for (const { key } of await listed(store.list(names))) {
      if (ours(key) && !kept.has(key)) await store.remove(key);
    }
  }

  async close(): Promise<void> {
    await this.#dataset.store.close();
  }

  /**
   * An attempt that fails before its receipt removes its files, cancelled or not: after a copy has ended, nobody else
   * looks for those of an attempt that was thought dead.
   */
  async #leavingNothing<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      for (const key of this.#begun) await this.#dataset.store.remove(key).catch(() => undefined);
      throw error;
    }
  }

  async #write(key: string, encoded: EncodedFile, verify: boolean): Promise<ChunkFile> {
    const { store, format } = this.#dataset;
    this.#begun.add(key);
    const file = await store.write(key, encoded.bytes, { contentType: format.contentType, verify });
    const figures = encoded.figures();
    if (file.bytes !== figures.bytes) {
      throw new WaybillError('STAGING_FAILED', `${key} has ${file.bytes} bytes, not ${figures.bytes}.`, {
        key,
      });
    }
    return { file, figures };
  }

  #checkCount(chunk: number, rows: number, written: readonly ChunkFile[]): void {
    const encoded = written.reduce((total, { figures }) => total + figures.rows, 0);
    if (encoded === rows) return;
    throw new WaybillError(
      'CHUNK_MISMATCH',
      `Chunk ${chunk} in ${this.label}: ${rows} rows left the source, its files were made of ${encoded}.`,
      { chunk, source: rows, sink: encoded },
    );
  }

  /**
   * What the sink holds. By default the store's checksum of the bytes was compared with ours, so the files are what the
   * encoder made of the very rows that were hashed. On request they are read as a reader would, and hashed again.
   */
  async #sinkChecksum(
    chunk: number,
    written: readonly ChunkFile[],
    columns: readonly Column[],
    source: { readonly rows: number; readonly checksum: string },
  ): Promise<string> {
    if (!this.#readsRows) return source.checksum;
    const { store, format } = this.#dataset;
    const text = rowTextFunction(columns);
    const sum = new ChecksumSum();
    let rows = 0;
    for (const { file } of written) {
      const stored = await store.open(file.key, file.etag);
      for await (const batch of format.read(stored, columns, { part: null }, columns)) {
        rows += batch.length;
        for (const row of batch) sum.add(text(row));
      }
    }
    const checksum = sum.total();
    if (rows === source.rows && checksum === source.checksum) return checksum;
    throw new WaybillError(
      'CHUNK_MISMATCH',
      `Chunk ${chunk} in ${this.label}: ${source.rows} rows with checksum ${source.checksum} left the source, ` +
        `the files hold ${rows} with ${checksum}.`,
      { chunk, source: source.checksum, sink: checksum },
    );
  }

  /** As far as a format of frames can be read back: its own checksums of its parts. */
  async #readFiles(chunk: number, written: readonly ChunkFile[]): Promise<void> {
    const { store, format } = this.#dataset;
    for (const { file, figures } of written) {
      const found = await format.verify?.(await store.open(file.key, file.etag));
      if (found === undefined) continue;
      if (found.rows === figures.rows && found.checksum === figures.checksum) continue;
      throw new WaybillError(
        'CHUNK_MISMATCH',
        `Chunk ${chunk}: ${file.key} does not hold what was encoded.`,
        {
          chunk,
          key: file.key,
        },
      );
    }
  }

  async #commit(chunk: number, written: readonly ChunkFile[], figures: ChunkFigures): Promise<ChunkFigures> {
    const files = written.map(
      ({ file }): StoredFile => ({ key: file.key, bytes: file.bytes, etag: file.etag }),
    );
    this.#dataset.signal.throwIfAborted();
    const begun = [...this.#begun];
    // From here on a receipt may name them, whether or not we learn of it.
    this.#begun.clear();
    const counted = await this.#ledger.commit(chunk, { files, figures }).catch((error: unknown) => {
      if (error instanceof WaybillError && error.code === 'CHUNK_FENCED')
        for (const key of begun) this.#begun.add(key);
      throw error;
    });
    // Another attempt's receipt was first: its files are the chunk, ours are nobody's.
    const theirs = new Set(counted.files.map(({ key }) => key));
    for (const { key } of files) if (!theirs.has(key)) await this.#dataset.store.remove(key);
    return counted.figures;
  }

  async #checkFiles(receipts: readonly Receipt[]): Promise<void> {
    const { store, folder, fileName } = this.#dataset;
    const prefix = fileName === undefined ? keyIn(folder, this.#prefix) : this.#ledgerKey(STAGED);
    const there = new Map<string, StoredFile>();
    for await (const file of store.list(prefix)) there.set(file.key, file);
    for (const { files } of receipts) {
      for (const file of files) {
        const found = there.get(file.key);
        if (found?.bytes === file.bytes && found.etag === file.etag) continue;
        throw new WaybillError('CHUNK_MISMATCH', `${file.key} is no longer what this copy wrote.`, {
          key: file.key,
        });
      }
    }
  }

  #manifest(plan: StoredPlan, receipts: readonly Receipt[]): Manifest {
    const { folder, fileName, copyId } = this.#dataset;
    const below = keyIn(folder, '').length;
    const type = (column: Column): string =>
      column.type === 'Decimal'
        ? `decimal(${column.precision ?? 38},${column.scale ?? 0})`
        : column.type.toLowerCase();
    return {
      copyId,
      files: receipts.flatMap(({ files, figures }) =>
        files.map((file) => ({
          path: fileName ?? file.key.slice(below),
          // A chunk of several files knows its rows in all.
          ...(files.length === 1 ? { rows: figures.rows } : {}),
          bytes: file.bytes,
        })),
      ),
      rows: receipts.reduce((total, { figures }) => total + figures.rows, 0),
      ...(areDocuments(plan.columns.map(({ sink }) => sink))
        ? {}
        : { columns: plan.columns.map(({ sink }) => ({ name: sink.name, type: type(sink) })) }),
    };
  }

  /** A named file takes the place of an older one in one step, after it was verified. Repeatable until cleaned up. */
  async #putInPlace(receipts: readonly Receipt[]): Promise<void> {
    const { store, folder, fileName } = this.#dataset;
    if (fileName === undefined) return;
    for (const { files } of receipts) {
      for (const file of files) await store.copy(file, keyIn(folder, fileName));
    }
  }

  /** What an earlier copy published here is replaced by this one. */
  async #removeOldFiles(before: Manifest | undefined, receipts: readonly Receipt[]): Promise<void> {
    const { store, folder, fileName } = this.#dataset;
    if (before?.copyId === undefined || fileName !== undefined) return;
    const ours = new Set(receipts.flatMap(({ files }) => files.map(({ key }) => key)));
    for (const { path } of before.files) {
      const key = manifestKey(folder, path);
      if (!ours.has(key)) await store.remove(key);
    }
  }

  async #ownManifest(): Promise<Manifest | undefined> {
    const manifest = await readManifest(this.#dataset.store, this.#manifestKey);
    return manifest?.copyId === this.#dataset.copyId ? manifest : undefined;
  }

  #fileKey(chunk: number, generation: number, file: number): string {
    const { folder, fileName, format } = this.#dataset;
    if (fileName !== undefined) return this.#ledgerKey(`${STAGED}${generation}-${fileName}`);
    const part = Number.isFinite(this.#rowsPerFile) ? `-${numbered(file)}` : '';
    const name = `${this.#prefix}${numbered(chunk)}-${this.#key.slice(0, 8)}-${generation}${part}${format.extension}`;
    return keyIn(folder, name);
  }

  /** A named file has a manifest of its own: the folder's would make other files of the folder look like ours. */
  get #manifestKey(): string {
    return this.#dataset.fileName === undefined
      ? keyIn(this.#dataset.folder, MANIFEST)
      : this.#ledgerKey(MANIFEST);
  }

  /** Readers of the folder skip names that begin with an underscore. */
  #ledgerKey(name: string): string {
    return keyIn(this.#dataset.folder, `_waybill/${this.#key}/${name}`);
  }
}

const bytesOf = (written: readonly ChunkFile[]): number =>
  written.reduce((total, { file }) => total + file.bytes, 0);

const listed = async (files: AsyncIterable<StoredFile>): Promise<StoredFile[]> => {
  const found: StoredFile[] = [];
  for await (const file of files) found.push(file);
  return found;
};

/** Rows have no hierarchy to preserve or to flatten: names are always made here. Only merging means something. */
const merges = (behavior: string | undefined): boolean => {
  const known = (behavior ?? 'PreserveHierarchy').toLowerCase();
  if (['preservehierarchy', 'flattenhierarchy', 'mergefiles'].includes(known)) return known === 'mergefiles';
  throw new WaybillError('DEFINITION_INVALID', `There is no copyBehavior "${behavior}".`);
};

const rowsPerFile = (given: unknown): number => {
  if (given === undefined || given === null || given === '' || Number(given) === 0)
    return Number.POSITIVE_INFINITY;
  const most = Number(given);
  if (Number.isInteger(most) && most > 0) return most;
  throw new WaybillError('DEFINITION_INVALID', 'maxRowsPerFile is not a whole number.');
};
