// The content checksum of binary tuples: PostgreSQL's own hash functions, computed here over the tuples as they pass.
//
// A row's hash is the XOR of its columns' hashes, each under a seed of its own, mixed once more; the checksum is the sum
// over rows as signed 64-bit integers. The same in SQL (checksum-sql.ts) needs one cheap function per column, about a
// seventh of what MD5 over the row's text costs. hash_bytes_extended is Bob Jenkins' lookup3 (common/hashfn.c).
import { WaybillError } from '../../core/errors.ts';

/** How a column's field is hashed: which of PostgreSQL's functions, named by what it reads. */
export type HashKind =
  | 'int2'
  | 'int4'
  | 'int8'
  | 'bool'
  | 'float4'
  | 'float8'
  | 'numeric'
  | 'padded'
  | 'bytes';

const CODES: Readonly<Record<HashKind, number>> = {
  bytes: 0,
  int4: 1,
  int8: 2,
  int2: 3,
  bool: 4,
  float4: 5,
  float8: 6,
  numeric: 7,
  padded: 8,
};

/** Seed of column `i`; never 0, which would skip the mixing. A negative numeric is hashed under the negated seed. */
export const seedOf = (i: number): number => i + 1;

/** What column `i` contributes where it is NULL: odd multiples of the golden ratio, as a signed 64-bit integer. */
export const nullHash = (i: number): bigint => BigInt.asIntN(64, BigInt(2 * i + 1) * 0x9e3779b97f4a7c15n);

const START = 0x9e3779b9 + 3923095;
/** Lengths up to this one have their seeded state in a table. */
const KNOWN_LENGTHS = 256;
const TWO_32 = 4_294_967_296;
/** Halves add up exactly in a double for 2^21 rows; carry well before that. */
const CARRY_EVERY = 1_000_000;
/** A word's first 0 to 3 bytes. */
const MASKS = Int32Array.of(0, 0xff, 0xffff, 0xffffff);

/** lookup3's state after the length and a seed, for all known lengths: three words each. */
const seededStates = (seedHigh: number, seedLow: number): Int32Array => {
  const states = new Int32Array(3 * KNOWN_LENGTHS);
  for (let length = 0; length < KNOWN_LENGTHS; length++)
    seeded(states, 3 * length, length, seedHigh, seedLow);
  return states;
};

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

const seeded = (into: Int32Array, at: number, length: number, seedHigh: number, seedLow: number): void => {
  const start = (START + length) | 0;
  let a = (start + seedHigh) | 0;
  let b = (start + seedLow) | 0;
  let c = start;
  a = ((a - c) | 0) ^ rotate(c, 4);
  c = (c + b) | 0;
  b = ((b - a) | 0) ^ rotate(a, 6);
  a = (a + c) | 0;
  c = ((c - b) | 0) ^ rotate(b, 8);
  b = (b + a) | 0;
  a = ((a - c) | 0) ^ rotate(c, 16);
  c = (c + b) | 0;
  b = ((b - a) | 0) ^ rotate(a, 19);
  a = (a + c) | 0;
  c = ((c - b) | 0) ^ rotate(b, 4);
  b = (b + a) | 0;
  into[at] = a;
  into[at + 1] = b;
  into[at + 2] = c;
};

const damaged = (): WaybillError =>
  new WaybillError('INTERNAL', "PostgreSQL's binary tuples do not have the columns that were asked for.");

/** Adds up the hashes of all tuples given to it. */
export class FrameChecksum {
  readonly #codes: Uint8Array;
  readonly #states: readonly Int32Array[];
  /** For negative numerics. */
  readonly #negative: readonly Int32Array[];
  readonly #nullHigh: Int32Array;
  readonly #nullLow: Int32Array;
  /** A numeric's digits in the server's byte order; at least the twelve bytes that one round reads. */
  #digits = new DataView(new ArrayBuffer(64));
  readonly #wide = new DataView(new ArrayBuffer(8));
  readonly #long = new Int32Array(3);
  #high = 0;
  #low = 0;
  #sinceCarry = 0;
  #total = 0n;

  constructor(kinds: readonly HashKind[]) {
    this.#codes = Uint8Array.from(kinds, (kind) => CODES[kind]);
    this.#states = kinds.map((_, i) => seededStates(0, seedOf(i)));
    this.#negative = kinds.map((kind, i) => (kind === 'numeric' ? seededStates(-1, -seedOf(i)) : NONE));
    this.#nullHigh = Int32Array.from(kinds, (_, i) => Number(BigInt.asIntN(32, nullHash(i) >> 32n)));
    this.#nullLow = Int32Array.from(kinds, (_, i) => Number(BigInt.asIntN(32, nullHash(i))));
  }

  /** Decimal digits of the sum so far, with a sign. */
  total(): string {
    this.#carry();
    return this.#total.toString();
  }

  /** Adds `data`, a run of whole tuples. Throws INTERNAL where it is none. */
  add(data: Buffer): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const columns = this.#codes.length;
    const end = data.length;
    let at = 0;
    while (at < end) {
      if (view.getInt16(at) !== columns) throw damaged();
      at = this.#addTuple(view, at + 2);
      if (++this.#sinceCarry === CARRY_EVERY) this.#carry();
    }
    if (at !== end) throw damaged();
  }

  /** Hashes the tuple whose fields begin at `from`; returns where it ends. */
  #addTuple(data: DataView, from: number): number {
    const codes = this.#codes;
    const columns = codes.length;
    let at = from;
    let rowHigh = 0;
    let rowLow = 0;
    for (let i = 0; i < columns; i++) {
      const length = data.getInt32(at);
      at += 4;
      if (length < 0) {
        rowHigh ^= this.#nullHigh[i] as number;
        rowLow ^= this.#nullLow[i] as number;
        continue;
      }
      let states = this.#states[i] as Int32Array;
      // What is hashed: `left` bytes of `view` from `p`; fixed-size kinds set the words themselves and leave none.
      let view = data;
      let p = at;
      let left = 0;
      let size = 4;
      let word0 = 0;
      let word1 = 0;
      let weight = 0;
      at += length;
      switch (codes[i]) {
        case 1:
          word0 = data.getInt32(p);
          break;
        case 2: {
          // hashint8 folds the halves, so that small values hash as int4 does.
          const high = data.getInt32(p);
          word0 = data.getInt32(p + 4) ^ (high >= 0 ? high : ~high);
          break;
        }
        case 3:
          word0 = data.getInt16(p);
          break;
        case 4:
          word0 = data.getInt8(p);
          break;
        case 5:
        case 6: {
          const value = codes[i] === 5 ? data.getFloat32(p) : data.getFloat64(p);
          if (value === 0) {
            rowLow ^= seedOf(i);
            continue;
          }
          this.#wide.setFloat64(0, value);
          word0 = this.#wide.getInt32(4);
          word1 = this.#wide.getInt32(0);
          if (Number.isNaN(value)) {
            word0 = 0;
            word1 = 0x7ff80000;
          }
          size = 8;
          break;
        }
        case 7: {
          const sign = data.getUint16(p + 4);
          if (sign === 0x4000 || sign === 0xf000) states = this.#negative[i] as Int32Array;
          const digits = data.getInt16(p);
          weight = data.getInt16(p + 2);
          let first = 0;
          while (first < digits && data.getInt16(p + 8 + 2 * first) === 0) first++;
          if (first === digits) {
            // NaN and the infinities hash to the seed, zero to the one below it.
            const seed = states === this.#states[i] ? seedOf(i) : -seedOf(i);
            const fixed = (sign & 0xc000) === 0xc000 ? seed : seed - 1;
            rowHigh ^= fixed < 0 ? -1 : 0;
            rowLow ^= fixed;
            continue;
          }
          let last = digits;
          while (data.getInt16(p + 6 + 2 * last) === 0) last--;
          left = 2 * (last - first);
          size = left;
          weight -= first;
          if (this.#digits.byteLength < left + 12) this.#digits = new DataView(new ArrayBuffer(2 * left));
          view = this.#digits;
          for (let digit = first, to = 0; digit < last; digit++, to += 2) {
            view.setInt16(to, data.getInt16(p + 8 + 2 * digit), true);
          }
          p = 0;
          break;
        }
        case 8:
          left = length;
          while (left > 0 && data.getInt8(p + left - 1) === 0x20) left--;
          size = left;
          break;
        default:
          left = length;
          size = length;
      }
      let a: number;
      let b: number;
      let c: number;
      if (size < KNOWN_LENGTHS) {
        a = states[3 * size] as number;
        b = states[3 * size + 1] as number;
        c = states[3 * size + 2] as number;
      } else {
        const negative = states !== this.#states[i];
        seeded(this.#long, 0, size, negative ? -1 : 0, negative ? -seedOf(i) : seedOf(i));
        a = this.#long[0] as number;
        b = this.#long[1] as number;
        c = this.#long[2] as number;
      }
      while (left >= 12) {
        a = (a + view.getInt32(p, true)) | 0;
        b = (b + view.getInt32(p + 4, true)) | 0;
        c = (c + view.getInt32(p + 8, true)) | 0;
        a = ((a - c) | 0) ^ ((c << 4) | (c >>> 28));
        c = (c + b) | 0;
        b = ((b - a) | 0) ^ ((a << 6) | (a >>> 26));
        a = (a + c) | 0;
        c = ((c - b) | 0) ^ ((b << 8) | (b >>> 24));
        b = (b + a) | 0;
        a = ((a - c) | 0) ^ ((c << 16) | (c >>> 16));
        c = (c + b) | 0;
        b = ((b - a) | 0) ^ ((a << 19) | (a >>> 13));
        a = (a + c) | 0;
        c = ((c - b) | 0) ^ ((b << 4) | (b >>> 28));
        b = (b + a) | 0;
        p += 12;
        left -= 12;
      }
      if (left > 0) {
        const whole = left & ~3;
        if (left >= 4) a = (a + view.getInt32(p, true)) | 0;
        if (left >= 8) b = (b + view.getInt32(p + 4, true)) | 0;
        let tail = 0;
        const rest = left & 3;
        if (rest > 0) {
          if (p + whole + 4 <= view.byteLength)
            tail = view.getInt32(p + whole, true) & (MASKS[rest] as number);
          else for (let byte = rest; byte-- > 0; ) tail = (tail << 8) | view.getUint8(p + whole + byte);
        }
        // The lowest byte of c is kept for the length.
        if (left < 4) a = (a + tail) | 0;
        else if (left < 8) b = (b + tail) | 0;
        else c = (c + (tail << 8)) | 0;
      } else {
        a = (a + word0) | 0;
        b = (b + word1) | 0;
      }
      c = ((c ^ b) - ((b << 14) | (b >>> 18))) | 0;
      a = ((a ^ c) - ((c << 11) | (c >>> 21))) | 0;
      b = ((b ^ a) - ((a << 25) | (a >>> 7))) | 0;
      c = ((c ^ b) - ((b << 16) | (b >>> 16))) | 0;
      a = ((a ^ c) - ((c << 4) | (c >>> 28))) | 0;
      b = ((b ^ a) - ((a << 14) | (a >>> 18))) | 0;
      c = ((c ^ b) - ((b << 24) | (b >>> 8))) | 0;
      rowHigh ^= b ^ (weight < 0 ? -1 : 0);
      rowLow ^= c ^ weight;
    }
    this.#addRow(rowHigh, rowLow);
    return at;
  }

  /** hashint4extended(0, row): mixes the row's hash, so that sums of XORs do not cancel out where values swap rows. */
  #addRow(rowHigh: number, rowLow: number): void {
    let a = (START + 4) | 0;
    let b = a;
    let c = a;
    if (rowHigh !== 0 || rowLow !== 0) {
      seeded(this.#long, 0, 4, rowHigh, rowLow);
      a = this.#long[0] as number;
      b = this.#long[1] as number;
      c = this.#long[2] as number;
    }
    c = ((c ^ b) - rotate(b, 14)) | 0;
    a = ((a ^ c) - rotate(c, 11)) | 0;
    b = ((b ^ a) - rotate(a, 25)) | 0;
    c = ((c ^ b) - rotate(b, 16)) | 0;
    a = ((a ^ c) - rotate(c, 4)) | 0;
    b = ((b ^ a) - rotate(a, 14)) | 0;
    c = ((c ^ b) - rotate(b, 24)) | 0;
    this.#high += b;
    this.#low += c >>> 0;
  }

  #carry(): void {
    this.#total += BigInt(this.#high) * BigInt(TWO_32) + BigInt(this.#low);
    this.#high = 0;
    this.#low = 0;
    this.#sinceCarry = 0;
  }
}

const NONE = new Int32Array(0);
