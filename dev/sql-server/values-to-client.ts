// PostgreSQL binary values into TDS row values, one encoder per result column.
import type { ByteWriter } from './byte-writer.ts';
import { SqlError } from './errors.ts';
import { DAYS_TO_2000, readMoment } from './moments.ts';
import { Oid } from './sql-types.ts';
import { TdsType, type TypeInfo } from './type-info.ts';

/** Days from 1900-01-01 to 2000-01-01. */
const DAYS_1900_TO_2000 = 36524;
const MAX_LENGTH = 0xffff;
const GUID_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** Writes one non-null value found at `start`, `length` bytes long, in PostgreSQL's binary form. */
export type ValueEncoder = (writer: ByteWriter, source: Buffer, start: number, length: number) => void;

/** The encoder for values of PostgreSQL type `oid` shown as `info`. */
export function valueEncoder(info: TypeInfo, oid: number): ValueEncoder {
  switch (info.type) {
    case TdsType.bitN:
      return (writer, source, start, length) => writer.u8(1).u8(source[start + length - 1] ? 1 : 0);
    case TdsType.intN:
      return info.length === 1 ? encodeTinyint : encodeReversed;
    case TdsType.floatN:
      return encodeReversed;
    case TdsType.numeric:
      return (writer, source, start) => encodeDecimal(writer, info, source, start);
    case TdsType.moneyN:
      return (writer, source, start) => encodeMoney(writer, info, source, start);
    case TdsType.date:
      return (writer, source, start) => {
        writer.u8(3);
        writeDays(writer, source.readInt32BE(start) + DAYS_TO_2000);
      };
    case TdsType.time:
    case TdsType.datetime2:
    case TdsType.datetimeoffset:
      return momentEncoder(info);
    case TdsType.datetimeN:
      return info.length === 4 ? encodeSmallDatetime : encodeDatetime;
    case TdsType.guid:
      return encodeGuid;
    case TdsType.varbinary:
    case TdsType.binary:
      return (writer, source, start, length) => encodeBytes(writer, info, source, start, length);
    case TdsType.varchar:
    case TdsType.char:
      return (writer, source, start, length) => encodeBytes(writer, info, source, start, length);
    default:
      return oid === Oid.bytea
        ? refuseBytes
        : (writer, source, start, length) => encodeUtf16(writer, info, source, start, length);
  }
}

const refuseBytes: ValueEncoder = () => {
  throw new SqlError(206, 'Operand type clash: varbinary is incompatible with nvarchar');
};

const encodeTinyint: ValueEncoder = (writer, source, start, length) => {
  writer.u8(1).u8(source[start + length - 1] as number);
};

const encodeReversed: ValueEncoder = (writer, source, start, length) => {
  writer.u8(length);
  writer.reserve(length);
  let at = writer.length;
  for (let index = start + length - 1; index >= start; index--) writer.buffer[at++] = source[index] as number;
  writer.length = at;
};

const encodeGuid: ValueEncoder = (writer, source, start) => {
  writer.u8(16);
  for (const index of GUID_ORDER) writer.u8(source[start + index] as number);
};

function writeDays(writer: ByteWriter, days: number): void {
  writer
    .u8(days & 0xff)
    .u8((days >> 8) & 0xff)
    .u8(days >> 16);
}

function momentEncoder(info: TypeInfo): ValueEncoder {
  const timeBytes = info.scale <= 2 ? 3 : info.scale <= 4 ? 4 : 5;
  const withDate = info.type !== TdsType.time;
  const withZone = info.type === TdsType.datetimeoffset;
  const total = timeBytes + (withDate ? 3 : 0) + (withZone ? 2 : 0);
  return (writer, source, start) => {
    const { days, microseconds: ofDay } = readMoment(source, start);
    // Exact: the division leaves no rest, because a column of scale n holds no finer values than 10^-n.
    let units = info.scale >= 6 ? ofDay * 10 ** (info.scale - 6) : Math.floor(ofDay / 10 ** (6 - info.scale));
    writer.u8(total);
    for (let index = 0; index < timeBytes; index++) {
      writer.u8(units % 256);
      units = Math.floor(units / 256);
    }
    if (withDate) writeDays(writer, days + DAYS_TO_2000);
    if (withZone) writer.u16(0);
  };
}

const encodeDatetime: ValueEncoder = (writer, source, start) => {
  const { microseconds, ...moment } = readMoment(source, start);
  let { days } = moment;
  let ticks = Math.round((microseconds * 3) / 10_000);
  if (ticks >= 25_920_000) {
    ticks = 0;
    days++;
  }
  writer
    .u8(8)
    .u32(days + DAYS_1900_TO_2000)
    .u32(ticks);
};

const encodeSmallDatetime: ValueEncoder = (writer, source, start) => {
  const moment = readMoment(source, start);
  const ofDay = Math.round(moment.microseconds / 60_000_000);
  const days = moment.days + (ofDay === 1440 ? 1 : 0);
  writer
    .u8(4)
    .u16(days + DAYS_1900_TO_2000)
    .u16(ofDay % 1440);
};

/** How many digits after the point PostgreSQL shows for a numeric value. */
export const numericScale = (source: Buffer, start: number): number => source.readInt16BE(start + 6);

/** Magnitude in units of 10^-scale (rounded half away from zero where the value is finer), and the sign. */
function scaled(
  source: Buffer,
  start: number,
  scale: number,
): { negative: boolean; magnitude: number | bigint } {
  const count = source.readInt16BE(start);
  const weight = source.readInt16BE(start + 2);
  const sign = source.readUInt16BE(start + 4);
  if (sign > 0x4000)
    throw new SqlError(8115, 'Arithmetic overflow error converting numeric: NaN or infinity.');
  const exponent = scale - 4 * (count - 1 - weight);
  const negative = sign === 0x4000;
  if (count <= 3 && (weight + 1) * 4 + scale <= 15 && exponent >= 0) {
    let value = 0;
    for (let index = 0; index < count; index++)
      value = value * 10000 + source.readInt16BE(start + 8 + 2 * index);
    return { negative, magnitude: value * 10 ** exponent };
  }
  let value = 0n;
  for (let index = 0; index < count; index++)
    value = value * 10000n + BigInt(source.readInt16BE(start + 8 + 2 * index));
  if (exponent >= 0) return { negative, magnitude: value * 10n ** BigInt(exponent) };
  const divisor = 10n ** BigInt(-exponent);
  return { negative, magnitude: (value + divisor / 2n) / divisor };
}

function encodeDecimal(writer: ByteWriter, info: TypeInfo, source: Buffer, start: number): void {
  const { negative, magnitude } = scaled(source, start, info.scale);
  const bytes = info.length - 1;
  writer.u8(info.length).u8(negative ? 0 : 1);
  if (typeof magnitude === 'number' && magnitude <= Number.MAX_SAFE_INTEGER) {
    writer.u32(magnitude % 2 ** 32);
    if (bytes > 4) writer.u32(Math.floor(magnitude / 2 ** 32));
    for (let written = 8; written < bytes; written += 4) writer.u32(0);
    if (bytes > 4 || magnitude < 2 ** 32) return;
    throw new SqlError(8115, 'Arithmetic overflow error converting numeric to data type numeric.');
  }
  let rest = BigInt(magnitude);
  for (let written = 0; written < bytes; written += 4) {
    writer.u32(Number(rest & 0xffffffffn));
    rest >>= 32n;
  }
  if (rest > 0n)
    throw new SqlError(8115, 'Arithmetic overflow error converting numeric to data type numeric.');
}

function encodeMoney(writer: ByteWriter, info: TypeInfo, source: Buffer, start: number): void {
  const { negative, magnitude } = scaled(source, start, 4);
  const signed = BigInt.asUintN(64, negative ? -BigInt(magnitude) : BigInt(magnitude));
  writer.u8(info.length);
  if (info.length === 8) writer.u32(Number(signed >> 32n));
  writer.u32(Number(signed & 0xffffffffn));
}

function encodeBytes(
  writer: ByteWriter,
  info: TypeInfo,
  source: Buffer,
  start: number,
  length: number,
): void {
  const value = source.subarray(start, start + length);
  if (info.length !== MAX_LENGTH) {
    writer.u16(length).bytes(value);
    return;
  }
  writer.u32(length).u32(0);
  if (length > 0) writer.u32(length).bytes(value);
  writer.u32(0);
}

/** UTF-8 to UTF-16 with a fast path for ASCII. */
function encodeUtf16(
  writer: ByteWriter,
  info: TypeInfo,
  source: Buffer,
  start: number,
  length: number,
): void {
  const partial = info.length === MAX_LENGTH;
  writer.reserve(16 + length * 2);
  const head = writer.length;
  const first = head + (partial ? 12 : 2);
  const target = writer.buffer;
  let to = first;
  let from = start;
  const end = start + length;
  for (; from < end; from++) {
    const byte = source[from] as number;
    if (byte > 127) break;
    target[to++] = byte;
    target[to++] = 0;
  }
  if (from < end) to = first + target.write(source.toString('utf8', start, end), first, 'utf16le');
  const bytes = to - first;
  if (!partial) {
    target.writeUInt16LE(bytes, head);
    writer.length = to;
    return;
  }
  target.writeUInt32LE(bytes, head);
  target.writeUInt32LE(0, head + 4);
  if (bytes > 0) {
    target.writeUInt32LE(bytes, head + 8);
    target.writeUInt32LE(0, to);
    writer.length = to + 4;
  } else {
    target.writeUInt32LE(0, head + 8);
    writer.length = head + 12;
  }
}
