// Puts a Parquet file together: pages become column chunks, these become row groups, and the footer tells of all.
//
// A page is compressed as soon as it is full, on libuv's threads, while the next one fills; its memory then serves
// another page. What a file in the making needs is therefore a page per column, the pages being compressed, and the
// compressed row groups not yet taken.
import { crc32 } from 'node:zlib';
import { WaybillError } from '../../../core/errors.ts';
import type { Column } from '../../../core/types/column.ts';
import type { PageCompressor } from './compression.ts';
import { PageBuilder, type SealedPage } from './page-builder.ts';
import { PartChecksum } from './part-checksum.ts';
import { type FileColumn, fileColumn, PHYSICAL, writeSchemaElement } from './schema.ts';
import { type Bounds, boundsOf, writeStatistics } from './statistics.ts';
import { THRIFT, ThriftWriter } from './thrift-writer.ts';

/**
 * Rows of a row group: enough for readers' vectors, few enough that four files in the making together stay below 250 MB
 * (twice as many rows: 310 MB, and not a per cent smaller).
 */
const GROUP_ROWS = 65_536;
/** A group of wide rows ends before that, at this many bytes before compression. */
const GROUP_BYTES = 32 << 20;
/** Pages of all columns together fill up to about this much memory. */
const PAGES_BYTES = 16 << 20;
const PAGE_BYTES = { min: 65_536, max: 524_288 } as const;
/** Sealed but not yet compressed bytes at which encoding waits. */
const COMPRESSING_BYTES = 6 << 20;
/** One page in so many is decompressed again and compared: compressed data is all that checksums see. */
const CHECK_EVERY = 16;
/** Finished row groups at which encoding waits for the consumer. */
const GROUPS_AHEAD = 2;
/** Rows, or bytes of rows, between two looks at whether pages are full. */
const RUN_ROWS = 1_024;
const RUN_BYTES = 131_072;

export const MAGIC = Buffer.from('PAR1');
/** Key of our own entry in the footer's metadata. */
export const METADATA_KEY = 'waybill';

interface StoredPage {
  readonly header: Buffer;
  readonly data: Buffer;
  /** Before compression, with header. */
  readonly rawBytes: number;
}

interface ChunkInMaking {
  readonly pages: Promise<StoredPage>[];
  nulls: number;
  /** Null once some page with values has no bounds. */
  bounds: Bounds | undefined | null;
}

interface GroupInMaking {
  readonly rows: number;
  readonly chunks: readonly ChunkInMaking[];
}

interface ChunkPlace {
  readonly offset: number;
  readonly bytes: number;
  readonly rawBytes: number;
  readonly nulls: number;
  readonly bounds: Bounds | undefined | null;
}

const wider = (a: Bounds | undefined, b: Bounds): Bounds =>
  a === undefined ? b : { min: b.min < a.min ? b.min : a.min, max: b.max > a.max ? b.max : a.max };

/**
 * Appenders write values to `builders`, at most `runRows` rows and about `runBytes` bytes of them, then call `advance`.
 * Where pages end depends on the rows alone, not on the batches they came in: the same rows are the same file.
 */
export class FileEncoder {
  readonly columns: readonly FileColumn[];
  readonly builders: readonly PageBuilder[];
  /** Rows of the row group in the making. */
  row = 0;
  #rows = 0;
  #bytes = 0;
  #groupBytes = 0;
  #runRows = 0;
  #runBytes = 0;
  #compressing = 0;
  #stored = 0;
  #chunks: ChunkInMaking[];
  readonly #ready: GroupInMaking[] = [];
  readonly #places: { rows: number; chunks: ChunkPlace[] }[] = [];
  readonly #compressor: PageCompressor;
  readonly #checksum = new PartChecksum();
  #waiting: (() => void)[] = [];

  constructor(columns: readonly Column[], compressor: PageCompressor) {
    this.columns = columns.map(fileColumn);
    this.#compressor = compressor;
    const share = Math.floor(PAGES_BYTES / Math.max(this.columns.length, 1));
    const target = Math.min(Math.max(share, PAGE_BYTES.min), PAGE_BYTES.max);
    this.builders = this.columns.map((file) => new PageBuilder(file, target));
    this.#chunks = this.#newChunks();
  }

  /** Rows appended and bytes taken so far. */
  figures(): { readonly rows: number; readonly bytes: number; readonly checksum: string } {
    return { rows: this.#rows, bytes: this.#bytes, checksum: this.#checksum.total() };
  }

  /** Rows that may be appended before `advance`. */
  get runRows(): number {
    return Math.min(RUN_ROWS - this.#runRows, GROUP_ROWS - this.row);
  }

  /** Size of rows, in whatever form they come, at which `advance` should be called before more rows are appended. */
  get runBytes(): number {
    return RUN_BYTES - this.#runBytes;
  }

  /** Counts `rows` appended rows of `bytes` in all; at the end of a run seals full pages, and a full row group. */
  advance(rows: number, bytes: number): void {
    this.row += rows;
    this.#rows += rows;
    this.#runRows += rows;
    this.#runBytes += bytes;
    if (this.#runRows < RUN_ROWS && this.#runBytes < RUN_BYTES && this.row < GROUP_ROWS) return;
    this.#runRows = 0;
    this.#runBytes = 0;
    let open = 0;
    for (const builder of this.builders) {
      if (builder.isFull(this.row, RUN_ROWS)) this.#seal(builder);
      else open += builder.size;
    }
    if (this.row >= GROUP_ROWS || this.#groupBytes + open >= GROUP_BYTES) this.#endGroup();
  }

  /** Whether enough is under way, and more should wait for a change. */
  get isBusy(): boolean {
    return this.#compressing > COMPRESSING_BYTES || this.#ready.length >= GROUPS_AHEAD;
  }

  /** Resolves at the next change: something was compressed, finished or taken, or `wake` was called. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Ends the last row group. */
  end(): void {
    if (this.row > 0) this.#endGroup();
  }

  get hasGroup(): boolean {
    return this.#ready.length > 0;
  }

  begin(): Buffer {
    this.#bytes = MAGIC.length;
    return MAGIC;
  }

  /** Bytes of the oldest row group that is finished, in the order of the file. */
  async *takeGroup(): AsyncGenerator<Buffer> {
    const group = this.#ready[0];
    if (group === undefined) return;
    const index = this.#places.length;
    const places: ChunkPlace[] = [];
    for (const [column, chunk] of group.chunks.entries()) {
      const offset = this.#bytes;
      let rawBytes = 0;
      const headers: Buffer[] = [];
      for (const page of await Promise.all(chunk.pages)) {
        headers.push(page.header);
        rawBytes += page.rawBytes;
        this.#bytes += page.header.length + page.data.length;
        yield page.header;
        yield page.data;
      }
      chunk.pages.length = 0;
      this.#checksum.addChunk(index, column, headers);
      places.push({
        offset,
        bytes: this.#bytes - offset,
        rawBytes,
        nulls: chunk.nulls,
        bounds: chunk.bounds,
      });
    }
    this.#places.push({ rows: group.rows, chunks: places });
    this.#ready.shift();
    this.wake();
  }

  /** The footer; all row groups must have been taken. */
  finish(): Buffer {
    const footer = this.#footer();
    this.#checksum.addFooter(footer);
    const tail = Buffer.allocUnsafe(8);
    tail.writeUInt32LE(footer.length);
    MAGIC.copy(tail, 4);
    this.#bytes += footer.length + tail.length;
    return Buffer.concat([footer, tail]);
  }

  #newChunks(): ChunkInMaking[] {
    return this.columns.map(() => ({ pages: [], nulls: 0, bounds: undefined }));
  }

  #endGroup(): void {
    for (const builder of this.builders) {
      this.#seal(builder);
      builder.firstRow = 0;
    }
    this.#ready.push({ rows: this.row, chunks: this.#chunks });
    this.#chunks = this.#newChunks();
    this.row = 0;
    this.#groupBytes = 0;
    this.wake();
  }

  #seal(builder: PageBuilder): void {
    const page = builder.seal(this.row);
    const chunk = this.#chunks[this.builders.indexOf(builder)];
    if (page === undefined || chunk === undefined) return;
    const values = page.rows - page.nulls;
    if (values > 0 && chunk.bounds !== null) {
      const found = boundsOf(builder.file, page.body.subarray(page.valuesAt), values);
      chunk.bounds = found === undefined ? null : wider(chunk.bounds, found);
    }
    chunk.nulls += page.nulls;
    const raw = page.body.length;
    this.#groupBytes += raw;
    this.#compressing += raw;
    const stored = this.#store(page).finally(() => {
      this.#compressing -= raw;
      this.wake();
    });
    // Whoever takes the group gets the error.
    stored.catch(() => undefined);
    chunk.pages.push(stored);
  }

  async #store(page: SealedPage): Promise<StoredPage> {
    const raw = page.body.length;
    const data = await this.#compressor.compress(page.body);
    if (this.#stored++ % CHECK_EVERY === 0 && !this.#compressor.restores(page.body, data)) {
      throw new WaybillError(
        'CHUNK_MISMATCH',
        `A page of the Parquet file is not restored by decompressing it (${this.#compressor.name}).`,
        { codec: this.#compressor.name },
      );
    }
    page.release();
    const thrift = new ThriftWriter();
    thrift.i32(1, 0).i32(2, raw).i32(3, data.length);
    // CRC-32 of the page as stored, as a signed number: Thrift has no other.
    thrift.i32(4, crc32(data) | 0);
    // PLAIN values, RLE levels.
    thrift.open(5).i32(1, page.rows).i32(2, 0).i32(3, 3).i32(4, 3).close();
    const header = Buffer.from(thrift.finish());
    return { header, data, rawBytes: raw + header.length };
  }

  #footer(): Buffer {
    const thrift = new ThriftWriter();
    thrift.i32(1, 2).list(2, THRIFT.struct, this.columns.length + 1);
    thrift.open().binary(4, 'schema').i32(5, this.columns.length).close();
    for (const file of this.columns) writeSchemaElement(thrift, file);
    thrift.i64(3, this.#rows).list(4, THRIFT.struct, this.#places.length);
    for (const [ordinal, group] of this.#places.entries()) this.#writeGroup(thrift, ordinal, group);
    thrift.list(5, THRIFT.struct, 1);
    const columns = this.columns.map(({ column: { type, length, scale } }) => ({ type, length, scale }));
    thrift.open().binary(1, METADATA_KEY).binary(2, JSON.stringify({ columns })).close();
    thrift.binary(6, 'waybill version 1.0.0');
    // Minima and maxima are in the order that each type defines.
    thrift.list(7, THRIFT.struct, this.columns.length);
    for (const _ of this.columns) thrift.open().mark(1).close();
    return thrift.finish();
  }

  #writeGroup(thrift: ThriftWriter, ordinal: number, group: { rows: number; chunks: ChunkPlace[] }): void {
    thrift.open().list(1, THRIFT.struct, group.chunks.length);
    let raw = 0;
    let stored = 0;
    for (const [i, chunk] of group.chunks.entries()) {
      const file = this.columns[i];
      if (file === undefined) continue;
      raw += chunk.rawBytes;
      stored += chunk.bytes;
      thrift.open().i64(2, chunk.offset).open(3);
      thrift.i32(1, file.physical).list(2, THRIFT.i32, 2).zigzag(0).zigzag(3);
      thrift.list(3, THRIFT.binary, 1).element(file.column.name);
      thrift.i32(4, this.#compressor.codec).i64(5, group.rows).i64(6, chunk.rawBytes).i64(7, chunk.bytes);
      thrift.i64(9, chunk.offset);
      writeStatistics(thrift, 12, file, chunk.nulls, boundsFor(file, chunk));
      thrift.close().close();
    }
    thrift.i64(2, raw).i64(3, group.rows);
    thrift.i64(5, group.chunks[0]?.offset ?? MAGIC.length).i64(6, stored);
    // The ordinal is an i16: beyond that it is left out.
    if (ordinal < 32_768) thrift.i16(7, ordinal);
    thrift.close();
  }
}

/** Decimals in fixed bytes, texts and the like have none. */
const boundsFor = (file: FileColumn, chunk: ChunkPlace): Bounds | undefined =>
  chunk.bounds === null || file.physical === PHYSICAL.BOOLEAN ? undefined : chunk.bounds;
