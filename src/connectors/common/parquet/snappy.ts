// Snappy's raw block format, compressed in plain JavaScript: the default codec of ADF's Parquet files, without a package.

/** Input is cut into blocks, so that offsets of copies fit into two bytes. */
const BLOCK = 65_536;
const TABLE_BITS = 14;
/** No match is looked for this close to the end: four bytes are read at a time. */
const MARGIN = 15;

const writeLiteral = (input: Buffer, from: number, to: number, output: Buffer, at: number): number => {
  let out = at;
  const last = to - from - 1;
  if (last < 60) output[out++] = last << 2;
  else if (last < 256) {
    output[out++] = 60 << 2;
    output[out++] = last;
  } else {
    output[out++] = 61 << 2;
    output[out++] = last & 255;
    output[out++] = last >> 8;
  }
  input.copy(output, out, from, to);
  return out + to - from;
};

/** Copies with two-byte offsets, of at most 64 bytes each. */
const writeCopy = (offset: number, length: number, output: Buffer, at: number): number => {
  let out = at;
  let rest = length;
  while (rest > 0) {
    // A remainder of less than four would still be valid, but costs as much as a longer one.
    const part = rest > 64 && rest < 68 ? 60 : Math.min(rest, 64);
    output[out++] = ((part - 1) << 2) | 2;
    output[out++] = offset & 255;
    output[out++] = offset >> 8;
    rest -= part;
  }
  return out;
};

const compressBlock = (
  input: Buffer,
  view: DataView,
  from: number,
  to: number,
  table: Uint16Array,
  output: Buffer,
  start: number,
): number => {
  let out = start;
  let literal = from;
  const limit = to - MARGIN;
  table.fill(0);
  let at = from + 1;
  let misses = 32;
  while (at < limit) {
    const word = view.getInt32(at, true);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - TABLE_BITS);
    const candidate = from + (table[slot] ?? 0);
    table[slot] = at - from;
    if (candidate >= at || view.getInt32(candidate, true) !== word) {
      // The longer nothing is found, the wider the steps: bytes that do not compress pass quickly.
      at += misses++ >> 5;
      continue;
    }
    let length = 4;
    while (at + length < to && input[candidate + length] === input[at + length]) length++;
    if (literal < at) out = writeLiteral(input, literal, at, output, out);
    out = writeCopy(at - candidate, length, output, out);
    at += length;
    literal = at;
    misses = 32;
  }
  return literal < to ? writeLiteral(input, literal, to, output, out) : out;
};

/** Compresses `input` into Snappy's raw format (without framing), as Parquet wants it. */
export const compressSnappy = (input: Buffer): Buffer => {
  const output = Buffer.allocUnsafe(32 + input.length + Math.ceil(input.length / 6));
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  const table = new Uint16Array(1 << TABLE_BITS);
  let out = 0;
  for (let rest = input.length; ; rest >>>= 7) {
    output[out++] = rest > 127 ? (rest & 127) | 128 : rest;
    if (rest <= 127) break;
  }
  for (let from = 0; from < input.length; from += BLOCK) {
    out = compressBlock(input, view, from, Math.min(from + BLOCK, input.length), table, output, out);
  }
  // A copy of the right size: most of `output` would be kept unused while the row group fills.
  return Buffer.from(output.subarray(0, out));
};
