// PostgreSQL's COPY BINARY tuples into Parquet pages: the fields' bytes are turned round and moved, no value is made.
import { WaybillError } from '../../../core/errors.ts';
import type { Column, MappedColumn } from '../../../core/types/column.ts';
import { doesNotFit, fastLimit, POWERS, writeSmall, writeUnits } from './decimal-values.ts';
import type { FileEncoder } from './file-encoder.ts';
import type { PageBuilder } from './page-builder.ts';

/** What a field's bytes are. */
const WORD4 = 0;
const WORD8 = 1;
const TEXT = 2;
const TIMESTAMP = 3;
const NUMERIC = 4;
const DATE = 5;
const BOOLEAN = 6;
const UUID = 7;
const SHORT = 8;
const TIME = 9;
const JSONB = 10;
const PADDED_TEXT = 11;

type Form = number;

/** String types whose binary form is their text. */
const TEXTS = new Set(['text', 'character varying', 'name', 'json']);

const formOf = ({ type, native }: Column): Form | undefined => {
  switch (type) {
    case 'Int16':
      return SHORT;
    case 'Int32':
    case 'Single':
      return WORD4;
    case 'Int64':
    case 'Double':
      return WORD8;
    case 'Decimal':
      return NUMERIC;
    case 'Boolean':
      return BOOLEAN;
    case 'Date':
      return DATE;
    case 'DateTime':
    case 'DateTimeOffset':
      return TIMESTAMP;
    case 'TimeSpan':
      return TIME;
    case 'Guid':
      return UUID;
    case 'Byte[]':
      return TEXT;
    case 'String':
      if (TEXTS.has(native)) return TEXT;
      if (native === 'jsonb') return JSONB;
      return native === 'character' ? PADDED_TEXT : undefined;
  }
};

/** Whether every column's binary form is known and its value goes into the sink's type as it is. */
export const takesPgBinary = (columns: readonly MappedColumn[]): boolean =>
  columns.every(({ source, sink }) => source.type === sink.type && formOf(source) !== undefined);

/** From 2000-01-01, where PostgreSQL counts from, to 1970-01-01: days, and microseconds in two words. */
const EPOCH_DAYS = 10_957;
const WORD = 4_294_967_296;
const EPOCH_HIGH = Math.floor(946_684_800_000_000 / WORD);
const EPOCH_LOW = 946_684_800_000_000 - EPOCH_HIGH * WORD;

const MAX_INT = 0x7fffffff;
const MIN_INT = -0x80000000;
const DAY_MICROS = 86_400_000_000;

const NUMERIC_NEGATIVE = 0x4000;
const DASH = 0x2d;

/** From here on a native copy is quicker than moving words. */
const LONG_TEXT = 160;

const notOurs = (what: string): WaybillError =>
  new WaybillError('INTERNAL', `A frame of COPY BINARY ${what}.`, {}, { retryable: false });

/** Appends batches of whole tuples to an encoder. */
export class PgBinaryAppender {
  readonly #encoder: FileEncoder;
  readonly #forms: Int32Array;
  readonly #required: readonly boolean[];

  constructor(encoder: FileEncoder, columns: readonly MappedColumn[]) {
    this.#encoder = encoder;
    this.#forms = Int32Array.from(columns, ({ source }) => formOf(source) ?? -1);
    this.#required = columns.map(({ sink }) => !sink.nullable);
  }

  append(data: Buffer): void {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    let at = 0;
    while (at < data.length) {
      const { row, runRows, runBytes } = this.#encoder;
      const from = at;
      const stop = Math.min(from + runBytes, data.length);
      let last = row;
      try {
        while (at < stop && last < row + runRows) at = this.#tuple(data, view, at, last++);
      } catch (error) {
        if (error instanceof RangeError) throw notOurs('ends inside a row');
        throw error;
      }
      if (at > data.length) throw notOurs('ends inside a row');
      this.#encoder.advance(last - row, at - from);
    }
  }

  /** Appends the tuple at `from` as the row group's row `row`; returns where the next begins. */
  #tuple(data: Buffer, view: DataView, from: number, row: number): number {
    const { builders } = this.#encoder;
    const forms = this.#forms;
    const count = builders.length;
    if (view.getInt16(from) !== count) {
      throw notOurs(`has ${view.getInt16(from)} fields where ${count} are expected`);
    }
    let o = from + 2;
    for (let i = 0; i < count; i++) {
      const length = view.getInt32(o);
      o += 4;
      const builder = builders[i] as PageBuilder;
      if (length < 0) {
        if (this.#required[i]) throw nullRefused(builder);
        continue;
      }
      const inPage = row - builder.firstRow;
      const { levels } = builder;
      levels[inPage >> 3] = (levels[inPage >> 3] as number) | (1 << (inPage & 7));
      const p = builder.at;
      switch (forms[i]) {
        case WORD8: {
          if (length !== 8) throw wrongLength(builder, length);
          const out = builder.view;
          out.setInt32(p, view.getInt32(o + 4), true);
          out.setInt32(p + 4, view.getInt32(o), true);
          builder.at = p + 8;
          break;
        }
        case WORD4:
          if (length !== 4) throw wrongLength(builder, length);
          builder.view.setInt32(p, view.getInt32(o), true);
          builder.at = p + 4;
          break;
        case TEXT:
          appendBytes(builder, data, view, o, length);
          break;
        case TIMESTAMP: {
          if (length !== 8) throw wrongLength(builder, length);
          const high = view.getInt32(o);
          const low = view.getUint32(o + 4) + EPOCH_LOW;
          const carry = low >= WORD ? 1 : 0;
          const shifted = high + EPOCH_HIGH + carry;
          if (shifted > MAX_INT || (high === MIN_INT && low === EPOCH_LOW)) throw infinite(builder);
          const out = builder.view;
          out.setUint32(p, low - carry * WORD, true);
          out.setInt32(p + 4, shifted, true);
          builder.at = p + 8;
          break;
        }
        case NUMERIC:
          appendNumeric(builder, view, o, length);
          break;
        case DATE: {
          if (length !== 4) throw wrongLength(builder, length);
          const days = view.getInt32(o);
          if (days > MAX_INT - EPOCH_DAYS || days === MIN_INT) throw infinite(builder);
          builder.view.setInt32(p, days + EPOCH_DAYS, true);
          builder.at = p + 4;
          break;
        }
        case BOOLEAN:
          if (length !== 1) throw wrongLength(builder, length);
          if (data[o] === 1) builder.bytes[p >> 3] = (builder.bytes[p >> 3] as number) | (1 << (p & 7));
          builder.at = p + 1;
          break;
        case UUID:
          if (length !== 16) throw wrongLength(builder, length);
          appendUuid(builder, data, o);
          break;
        case SHORT:
          if (length !== 2) throw wrongLength(builder, length);
          builder.view.setInt32(p, view.getInt16(o), true);
          builder.at = p + 4;
          break;
        case TIME: {
          if (length !== 8) throw wrongLength(builder, length);
          const high = view.getInt32(o);
          const low = view.getUint32(o + 4);
          // PostgreSQL has 24:00:00; a time of day in Parquet is less than that.
          if (high * WORD + low >= DAY_MICROS)
            throw doesNotFit(builder.file.column, '24:00:00 is not a time of day');
          const out = builder.view;
          out.setUint32(p, low, true);
          out.setInt32(p + 4, high, true);
          builder.at = p + 8;
          break;
        }
        case JSONB:
          // A version byte, then the text.
          if (data[o] !== 1) throw notOurs(`has jsonb of version ${data[o]}`);
          appendBytes(builder, data, view, o + 1, length - 1);
          break;
        default: {
          // char(n) comes padded; its text, as everywhere else, does not count the padding.
          let end = o + length;
          while (end > o && data[end - 1] === 0x20) end--;
          appendBytes(builder, data, view, o, end - o);
        }
      }
      o += length;
    }
    return o;
  }
}

const appendBytes = (
  builder: PageBuilder,
  data: Buffer,
  view: DataView,
  from: number,
  length: number,
): void => {
  const p = builder.at;
  // Room for the length, the bytes, and the word that may be written beyond them.
  if (p + length + 8 > builder.bytes.length) builder.reserve(length + 8);
  const out = builder.view;
  out.setInt32(p, length, true);
  const to = p + 4;
  if (length < LONG_TEXT && from + length + 3 < data.length) {
    for (let k = 0; k < length; k += 4) out.setInt32(to + k, view.getInt32(from + k));
  } else {
    if (from + length > data.length) throw new RangeError();
    data.copy(builder.bytes, to, from, from + length);
  }
  builder.at = to + length;
};

/** Two characters per byte, as the two low bytes of a little-endian word. */
const HEX = Uint16Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(byte.toString(16).padStart(2, '0')).readUInt16LE(),
);

const hexWord = (data: Buffer, at: number): number =>
  (HEX[data[at] as number] as number) | ((HEX[data[at + 1] as number] as number) << 16);

/** A uuid as its text of 36 characters. */
const appendUuid = (builder: PageBuilder, data: Buffer, from: number): void => {
  const p = builder.at;
  if (p + 40 > builder.bytes.length) builder.reserve(40);
  const out = builder.view;
  out.setInt32(p, 36, true);
  out.setInt32(p + 4, hexWord(data, from), true);
  out.setInt32(p + 8, hexWord(data, from + 2), true);
  out.setUint8(p + 12, DASH);
  out.setInt32(p + 13, hexWord(data, from + 4), true);
  out.setUint8(p + 17, DASH);
  out.setInt32(p + 18, hexWord(data, from + 6), true);
  out.setUint8(p + 22, DASH);
  out.setInt32(p + 23, hexWord(data, from + 8), true);
  out.setUint8(p + 27, DASH);
  out.setInt32(p + 28, hexWord(data, from + 10), true);
  out.setInt32(p + 32, hexWord(data, from + 12), true);
  out.setInt32(p + 36, hexWord(data, from + 14), true);
  builder.at = p + 40;
};

/**
 * numeric: counts of digits, weight, sign and display scale (int16 each), then digits of base 10,000. Doubles serve while
 * every number on the way is a whole one below 2^53, where they are exact; what is not goes by BigInt.
 */
const appendNumeric = (builder: PageBuilder, view: DataView, from: number, length: number): void => {
  const digits = view.getInt16(from);
  if (length !== 8 + digits * 2) throw wrongLength(builder, length);
  const sign = view.getUint16(from + 4);
  if (digits <= 4 && (sign === 0 || sign === NUMERIC_NEGATIVE)) {
    let value = 0;
    for (let k = 0; k < digits; k++) value = value * 10_000 + view.getInt16(from + 8 + k * 2);
    // Multiply by a power of ten, or divide by one and see that nothing is left.
    const power = (view.getInt16(from + 2) - digits + 1) * 4 + builder.file.scale;
    if (value <= Number.MAX_SAFE_INTEGER && power <= 22 && power >= -22) {
      const factor = POWERS[power < 0 ? -power : power] as number;
      const units = power < 0 ? value / factor : value * factor;
      if (units <= (FAST_LIMITS[builder.file.precision] as number) && Math.floor(units) === units) {
        writeSmall(builder, sign === 0 ? units : -units);
        return;
      }
    }
  }
  appendLongNumeric(builder, view, from, digits, sign);
};

const FAST_LIMITS = Array.from({ length: 39 }, (_, precision) => fastLimit(precision));

const appendLongNumeric = (
  builder: PageBuilder,
  view: DataView,
  from: number,
  digits: number,
  sign: number,
): void => {
  const { column, scale } = builder.file;
  if (sign !== 0 && sign !== NUMERIC_NEGATIVE) {
    throw doesNotFit(column, 'NaN and infinity are not decimals');
  }
  let value = 0n;
  for (let k = 0; k < digits; k++) value = value * 10_000n + BigInt(view.getInt16(from + 8 + k * 2));
  const power = BigInt((view.getInt16(from + 2) - digits + 1) * 4 + scale);
  let units = value;
  if (power > 0n) units = value * 10n ** power;
  else if (power < 0n) {
    units = value / 10n ** -power;
    if (units * 10n ** -power !== value)
      throw doesNotFit(column, `it has more than ${scale} digits after the point`);
  }
  writeUnits(builder, sign === 0 ? units : -units);
};

const wrongLength = ({ file }: PageBuilder, length: number): WaybillError =>
  notOurs(`has ${length} bytes for column ${file.column.name} (${file.column.native})`);

const infinite = ({ file }: PageBuilder): WaybillError =>
  doesNotFit(file.column, 'infinity is not a date or time');

export const nullRefused = ({ file }: PageBuilder): WaybillError =>
  new WaybillError(
    'CONSTRAINT_VIOLATED',
    `The source has a NULL for the file's column ${file.column.name}, which takes none.`,
    { column: file.column.name },
  );
