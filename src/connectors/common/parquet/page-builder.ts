// One column's values on their way into a data page: growing typed bytes in Parquet's PLAIN form and the levels that
// tell NULLs from values. No object is made per value.
import { type FileColumn, PHYSICAL } from './schema.ts';

/** Rows of one page at most: what the bitmap before the values has room for. */
export const PAGE_ROWS = 65_536;

/** Values begin here, on a multiple of 8; the levels end here, written when the page is sealed. */
const VALUES_AT = 8_208;

/** Room beyond the page's target for one run of rows between two looks at its size. */
const SLACK = 262_144;

/** A page's bytes before compression. */
export interface SealedPage {
  /** Levels and values as the data page holds them. */
  readonly body: Buffer;
  /** Where in `body` the values begin. */
  readonly valuesAt: number;
  readonly rows: number;
  readonly nulls: number;
  /** Gives the memory back for another page; `body` may not be used from then on. */
  release(): void;
}

/** A column's page in the making. Encoders write to `view` at `at` themselves: that is the hot path. */
export class PageBuilder {
  readonly file: FileColumn;
  /** The physical type, by itself for the hot path. */
  bytes: Buffer;
  view: DataView;
  /** Where the next value goes: a byte, or a bit for booleans. */
  at = 0;
  /** The row group's row that the page begins with. */
  firstRow = 0;
  /** Bit per row, set for a value, clear for NULL. Encoders set it, also where the column takes no NULL. */
  levels: Uint8Array;
  readonly #target: number;
  readonly #free: Buffer[] = [];

  /** A page is full at `target` bytes, or at PAGE_ROWS rows. */
  constructor(file: FileColumn, target: number) {
    this.file = file;
    this.#target = target;
    this.levels = new Uint8Array(PAGE_ROWS / 8);
    this.bytes = this.#allocate();
    this.view = viewOf(this.bytes);
    this.#begin(0);
  }

  /** Whether the page must be sealed before `more` rows are added up to `row`. */
  isFull(row: number, more: number): boolean {
    return row - this.firstRow + more > PAGE_ROWS || this.#end() - VALUES_AT >= this.#target;
  }

  /** Bytes of values held. */
  get size(): number {
    return this.#end() - VALUES_AT;
  }

  /** Makes room for `count` more bytes; `view` and `bytes` may be others afterwards. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
    this.view = viewOf(larger);
  }

  /** Ends the page before `row`; undefined where it has no rows. The next page begins there. */
  seal(row: number): SealedPage | undefined {
    const rows = row - this.firstRow;
    if (rows === 0) return undefined;
    const values = countBits(this.levels, rows);
    const start = this.file.optional ? this.#writeLevels(rows, values) : VALUES_AT;
    const { bytes } = this;
    const end = this.#end();
    const page: SealedPage = {
      body: bytes.subarray(start, end),
      valuesAt: VALUES_AT - start,
      rows,
      nulls: rows - values,
      release: () => {
        // Memory that one long value made large is not kept.
        if (bytes.length === this.#capacity()) this.#free.push(bytes);
      },
    };
    this.bytes = this.#free.pop() ?? this.#allocate();
    this.view = viewOf(this.bytes);
    this.levels.fill(0, 0, (rows + 7) >> 3);
    this.#begin(row);
    return page;
  }

  /** Definition levels in the RLE/bit-packed hybrid, length first, so that they end where the values begin. */
  #writeLevels(rows: number, values: number): number {
    const uniform = values === rows || values === 0;
    const groups = (rows + 7) >> 3;
    const run = uniform ? rows * 2 : groups * 2 + 1;
    const content = uniform ? 1 : groups;
    const length = varintLength(run) + content;
    const start = VALUES_AT - length - 4;
    const { bytes } = this;
    let at = bytes.writeUInt32LE(length, start);
    for (let rest = run; ; rest >>>= 7) {
      bytes[at++] = rest > 127 ? (rest & 127) | 128 : rest;
      if (rest <= 127) break;
    }
    if (uniform) bytes[at] = values === 0 ? 0 : 1;
    else bytes.set(this.levels.subarray(0, groups), at);
    return start;
  }

  #begin(row: number): void {
    this.firstRow = row;
    if (this.file.physical === PHYSICAL.BOOLEAN) {
      this.at = VALUES_AT * 8;
      this.bytes.fill(0);
    } else this.at = VALUES_AT;
  }

  #end(): number {
    return this.file.physical === PHYSICAL.BOOLEAN ? (this.at + 7) >> 3 : this.at;
  }

  #capacity(): number {
    const { width, physical } = this.file;
    if (physical === PHYSICAL.BOOLEAN) return VALUES_AT + PAGE_ROWS / 8;
    if (physical === PHYSICAL.BYTE_ARRAY) return VALUES_AT + this.#target + SLACK;
    return VALUES_AT + Math.min(width * PAGE_ROWS, this.#target + SLACK);
  }

  #allocate(): Buffer {
    return Buffer.allocUnsafeSlow(this.#capacity());
  }
}

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const varintLength = (value: number): number => {
  let length = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) length++;
  return length;
};

/** Bits set among the first `rows`; those beyond are never set. */
const countBits = (levels: Uint8Array, rows: number): number => {
  const view = new DataView(levels.buffer, levels.byteOffset, levels.length);
  let count = 0;
  for (let at = 0; at < (rows + 7) >> 3; at += 4) {
    // Bits of a word in parallel: pairs, nibbles, bytes, sum.
    let word = view.getInt32(at, true);
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
};
