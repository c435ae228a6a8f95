// A folder on S3 as the sink of a copy: one object per chunk, receipts beside them, a manifest that publishes them.
//
// Objects are named by copy, chunk and generation, so no attempt ever overwrites another's. A receipt, written once,
// says which object is the chunk; the manifest, written last, says which objects are the folder. Whatever is named by
// neither is nobody's and removed. A dataset that names its file shares its folder with others: that file is staged
// under `_waybill/`, and put in place by publishing; its manifest stays there too.
import { randomUUID } from 'node:crypto';
import { Readable, Transform } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { PublishResult } from '../../core/copy/activities.ts';
import { formatCsv, isQuoted } from '../../core/copy/csv.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { fieldText, rowText } from '../../core/copy/row-text.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column, Row } from '../../core/types/column.ts';
import { ChecksumSum } from '../common/checksum.ts';
import { copyKey } from '../common/identifier.ts';
import type {
  ChunkFigures,
  ClaimedChunk,
  CopySink,
  EndpointContext,
  LedgerState,
  MeasuredRows,
  StoredPlan,
} from '../connector.ts';
import type { ObjectBucket, StoredObject } from './bucket.ts';
import { type FileLocation, keyIn } from './config.ts';
import { readDelimited } from './delimited.ts';
import { MANIFEST, type Manifest, manifestKey, readManifest } from './manifest.ts';

interface StoredLedger {
  readonly plan: StoredPlan;
  readonly ranges: KeyRange[];
  readonly epoch: number;
  /** Tells this plan from one made, and cleaned up, before under the same copy id. */
  readonly planId?: string;
}

interface Receipt {
  readonly file: StoredObject;
  readonly figures: ChunkFigures;
}

/** Names of staged files in the copy's ledger begin so. */
const STAGED = 'staged-';

/** Chunk numbers in names sort as numbers do. */
const numbered = (chunk: number): string => String(chunk).padStart(5, '0');

export class S3Sink implements CopySink {
  readonly #bucket: ObjectBucket;
  readonly #location: FileLocation;
  readonly #copyId: string;
  readonly #key: string;
  /** The plan that this attempt claimed its chunk under. */
  #planId = '';

  constructor(bucket: ObjectBucket, location: FileLocation, context: EndpointContext) {
    this.#bucket = bucket;
    this.#location = location;
    this.#copyId = context.copyId;
    this.#key = copyKey(context.copyId);
  }

  get label(): string {
    return `S3 ${this.#location.bucket}/${keyIn(this.#location, this.#location.fileName ?? '')}`;
  }

  async columns(): Promise<null> {
    return null;
  }

  async createTarget(columns: readonly Column[]): Promise<Column[]> {
    return [...columns];
  }

  async resumePlan(): Promise<LedgerState | undefined> {
    const manifest = await this.#ownManifest();
    const ledger = (await this.#bucket.readJson(this.#ledgerKey('plan.json'))) as StoredLedger | undefined;
    if (ledger === undefined) return undefined;
    const epoch = ledger.epoch + 1;
    await this.#bucket.writeJson(this.#ledgerKey('plan.json'), { ...ledger, epoch });
    return { plan: ledger.plan, chunks: ledger.ranges.length, epoch, published: manifest !== undefined };
  }

  async storePlan(plan: StoredPlan, ranges: readonly KeyRange[]): Promise<LedgerState> {
    // One named file is one chunk, whatever the source would be cut into.
    const kept = this.#location.fileName === undefined ? [...ranges] : [{ lower: null, upper: null }];
    // By the clock, so that objects of an earlier plan's late attempts have other names than ours.
    const epoch = Math.floor(Date.now() / 1000);
    const planId = randomUUID().slice(0, 8);
    const ledger: StoredLedger = { plan, ranges: kept, epoch, planId };
    const written = await this.#bucket.writeJson(this.#ledgerKey('plan.json'), ledger, true);
    if (written) return { plan, chunks: kept.length, epoch, published: false };
    const theirs = await this.resumePlan();
    if (theirs === undefined)
      throw new WaybillError('STAGING_FAILED', 'The plan of this copy cannot be read back.');
    return theirs;
  }

  async claimChunk(chunk: number): Promise<ClaimedChunk> {
    const ledger = (await this.#bucket.readJson(this.#ledgerKey('plan.json'))) as StoredLedger | undefined;
    this.#planId = ledger?.planId ?? '';
    const receipt = await this.#receipt(chunk);
    if (receipt !== undefined) return { state: 'committed', figures: receipt.figures };
    const range = ledger?.ranges[chunk];
    if (ledger === undefined || range === undefined) {
      throw new WaybillError('SOURCE_CHANGED', `${this.label} has no entry ${chunk} for this copy.`, {
        chunk,
      });
    }
    return { state: 'claimed', range, plan: ledger.plan };
  }

  async writeChunk(
    chunk: number,
    generation: number,
    plan: StoredPlan,
    rows: MeasuredRows,
  ): Promise<ChunkFigures> {
    const columns = plan.columns.map(({ sink }) => sink);
    const key = this.#objectKey(chunk, generation);
    const file = await this.#upload(key, columns, rows);
    const source = rows.figures();
    const sinkChecksum = plan.verify ? await this.#verify(chunk, file, columns, source) : '';
    const figures: ChunkFigures = {
      rows: source.rows,
      bytesRead: source.bytes,
      bytesWritten: file.bytes,
      sourceChecksum: source.checksum,
      sinkChecksum,
    };
    const receipt: Receipt = { file, figures };
    if (await this.#bucket.writeJson(this.#receiptKey(chunk), receipt, true)) return figures;
    // Another attempt's receipt was first: its object is the chunk, ours is nobody's.
    const theirs = await this.#receipt(chunk);
    if (theirs === undefined)
      throw new WaybillError('STAGING_FAILED', `The receipt of chunk ${chunk} cannot be read.`);
    if (theirs.file.key !== key) await this.#bucket.remove(key);
    return theirs.figures;
  }

  async publish(epoch: number): Promise<PublishResult> {
    const ledger = (await this.#bucket.readJson(this.#ledgerKey('plan.json'))) as StoredLedger | undefined;
    if (ledger === undefined)
      throw new WaybillError('SOURCE_CHANGED', `${this.label} has no plan for this copy.`);
    this.#planId = ledger.planId ?? '';
    const before = await readManifest(this.#bucket, this.#manifestKey);
    const receipts = await this.#receipts(ledger.ranges.length);
    if (before?.copyId !== this.#copyId) {
      if (ledger.epoch !== epoch) {
        throw new WaybillError('CHUNK_FENCED', `A newer attempt has taken over publishing ${this.label}.`, {
          epoch,
        });
      }
      await this.#checkObjects(receipts);
      await this.#putInPlace(receipts);
      await this.#bucket.writeJson(this.#manifestKey, this.#manifest(ledger.plan, receipts));
      await this.#removeOldFiles(before, receipts);
    }
    return totalsOf(receipts);
  }

  async cleanUp(): Promise<void> {
    const published = (await this.#ownManifest()) !== undefined;
    const ours = (key: string): boolean => key.includes(`-${this.#key.slice(0, 8)}-`);
    await this.#bucket.abortUploads(this.#ledgerKey(''), () => true);
    await this.#bucket.abortUploads(keyIn(this.#location, 'part-'), ours);
    const kept = new Set<string>();
    if (published) {
      const ledger = (await this.#bucket.readJson(this.#ledgerKey('plan.json'))) as StoredLedger | undefined;
      this.#planId = ledger?.planId ?? '';
      for (const { file } of await this.#receipts(ledger?.ranges.length ?? 0)) kept.add(file.key);
    }
    for (const { key } of await this.#bucket.list(this.#ledgerKey(published ? STAGED : '')))
      await this.#bucket.remove(key);
    for (const { key } of await this.#bucket.list(keyIn(this.#location, 'part-'))) {
      if (ours(key) && !kept.has(key)) await this.#bucket.remove(key);
    }
  }

  async close(): Promise<void> {
    this.#bucket.close();
  }

  async #upload(key: string, columns: readonly Column[], rows: MeasuredRows): Promise<StoredObject> {
    const { format, header, gzip, partSize } = this.#location;
    const quoted = columns.map((column) => isQuoted(column.type) && format.quote !== '');
    async function* text(): AsyncGenerator<string> {
      if (header) {
        const names: Row = columns.map((column) => column.name);
        yield formatCsv(
          [names],
          names.map(() => format.quote !== ''),
          format,
        );
      }
      for await (const batch of rows.batches) yield formatCsv(batch, quoted, format);
    }
    let bytes = 0;
    const counter = new Transform({
      transform(piece: Buffer, _encoding, done) {
        bytes += piece.length;
        done(null, piece);
      },
    });
    const source = Readable.from(text());
    source.on('error', (error) => counter.destroy(error));
    const zipped = gzip ? source.pipe(createGzip({ level: 1 })) : source;
    zipped.on('error', (error) => counter.destroy(error));
    zipped.pipe(counter);
    try {
      return await this.#bucket.upload(key, counter, partSize, () => bytes);
    } finally {
      // Pipes do not carry a failure backwards: without this the read of the source would wait for ever.
      source.destroy();
    }
  }

  /** Reads the object back as a reader would, and compares what it holds with what left the source. */
  async #verify(
    chunk: number,
    file: StoredObject,
    columns: readonly Column[],
    source: { readonly rows: number; readonly checksum: string },
  ): Promise<string> {
    const { format, gzip, header } = this.#location;
    const fields = columns.map(fieldText);
    const sum = new ChecksumSum();
    let rows = header ? -1 : 0;
    for await (const batch of readDelimited(this.#bucket, { key: file.key, etag: file.etag, format, gzip })) {
      for (const row of batch) {
        if (rows >= 0) sum.add(rowText(row, fields));
        rows++;
      }
    }
    const checksum = sum.total();
    if (rows !== source.rows || checksum !== source.checksum) {
      throw new WaybillError(
        'CHUNK_MISMATCH',
        `Chunk ${chunk} in ${this.label}: ${source.rows} rows with checksum ${source.checksum} left the source, ` +
          `the object holds ${rows} with ${checksum}.`,
        { chunk, source: source.checksum, sink: checksum },
      );
    }
    return checksum;
  }

  async #checkObjects(receipts: readonly Receipt[]): Promise<void> {
    for (const { file } of receipts) {
      const there = await this.#bucket.head(file.key);
      if (there !== undefined && there.bytes === file.bytes && there.etag === file.etag) continue;
      throw new WaybillError('CHUNK_MISMATCH', `${file.key} is no longer what this copy wrote.`, {
        key: file.key,
      });
    }
  }

  #manifest(plan: StoredPlan, receipts: readonly Receipt[]): Manifest {
    const type = (column: Column): string =>
      column.type === 'Decimal'
        ? `decimal(${column.precision ?? 38},${column.scale ?? 0})`
        : column.type.toLowerCase();
    return {
      copyId: this.#copyId,
      files: receipts.map(({ file, figures }) => ({
        path: this.#location.fileName ?? file.key.slice(keyIn(this.#location, '').length),
        rows: figures.rows,
        bytes: file.bytes,
      })),
      rows: receipts.reduce((total, { figures }) => total + figures.rows, 0),
      columns: plan.columns.map(({ sink }) => ({ name: sink.name, type: type(sink) })),
    };
  }

  /** A named file takes the place of an older one in one step, after it was verified. Repeatable until cleaned up. */
  async #putInPlace(receipts: readonly Receipt[]): Promise<void> {
    const { fileName, partSize } = this.#location;
    if (fileName === undefined) return;
    for (const { file } of receipts) await this.#bucket.copy(file, keyIn(this.#location, fileName), partSize);
  }

  /** What an earlier copy published here is replaced by this one. */
  async #removeOldFiles(before: Manifest | undefined, receipts: readonly Receipt[]): Promise<void> {
    if (before?.copyId === undefined || this.#location.fileName !== undefined) return;
    const ours = new Set(receipts.map(({ file }) => file.key));
    for (const { path } of before.files) {
      const key = manifestKey(this.#location, path);
      if (!ours.has(key)) await this.#bucket.remove(key);
    }
  }

  async #ownManifest(): Promise<Manifest | undefined> {
    const manifest = await readManifest(this.#bucket, this.#manifestKey);
    return manifest?.copyId === this.#copyId ? manifest : undefined;
  }

  async #receipt(chunk: number): Promise<Receipt | undefined> {
    return (await this.#bucket.readJson(this.#receiptKey(chunk))) as Receipt | undefined;
  }

  async #receipts(chunks: number): Promise<Receipt[]> {
    const receipts: Receipt[] = [];
    for (let chunk = 0; chunk < chunks; chunk++) {
      const receipt = await this.#receipt(chunk);
      if (receipt === undefined) {
        throw new WaybillError('CHUNK_MISMATCH', `Chunk ${chunk} of ${this.label} is not committed.`, {
          chunk,
        });
      }
      receipts.push(receipt);
    }
    return receipts;
  }

  #objectKey(chunk: number, generation: number): string {
    const { fileName } = this.#location;
    if (fileName !== undefined) return this.#ledgerKey(`${STAGED}${generation}-${fileName}`);
    const end = this.#location.gzip ? 'csv.gz' : 'csv';
    return keyIn(this.#location, `part-${numbered(chunk)}-${this.#key.slice(0, 8)}-${generation}.${end}`);
  }

  #receiptKey(chunk: number): string {
    const plan = this.#planId === '' ? '' : `-${this.#planId}`;
    return this.#ledgerKey(`chunk-${numbered(chunk)}${plan}.json`);
  }

  /** A named file has a manifest of its own: the folder's would make other files of the folder look like ours. */
  get #manifestKey(): string {
    return this.#location.fileName === undefined
      ? keyIn(this.#location, MANIFEST)
      : this.#ledgerKey(MANIFEST);
  }

  /** Readers of the folder skip names that begin with an underscore. */
  #ledgerKey(name: string): string {
    return keyIn(this.#location, `_waybill/${this.#key}/${name}`);
  }
}

const totalsOf = (receipts: readonly Receipt[]): PublishResult => {
  const sum = (pick: (figures: ChunkFigures) => number): number =>
    receipts.reduce((total, { figures }) => total + pick(figures), 0);
  const add = (pick: (figures: ChunkFigures) => string): string =>
    receipts.reduce((total, { figures }) => total + BigInt(pick(figures) || '0'), 0n).toString();
  return {
    rows: sum((figures) => figures.rows),
    bytesRead: sum((figures) => figures.bytesRead),
    bytesWritten: sum((figures) => figures.bytesWritten),
    sourceChecksum: add((figures) => figures.sourceChecksum),
    sinkChecksum: add((figures) => figures.sinkChecksum),
    files: receipts.length,
  };
};
