// Values as clients send them: into PostgreSQL text (parameters) and COPY BINARY fields (bulk load).
import type { ByteWriter } from './byte-writer.ts';
import { SqlError } from './errors.ts';
import { DAYS_TO_2000, type Moment, writeMoment } from './moments.ts';
import { Oid } from './sql-types.ts';
import { TdsType, type TypeInfo } from './type-info.ts';

/** What COPY BINARY begins with. */
export const COPY_HEAD = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);

/** Days from 0001-01-01 (TDS day zero) to 1900-01-01 and 1970-01-01. */
const DAYS_TO_1900 = 693595;
const DAYS_TO_1970 = 719162;
const GUID_ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15] as const;

const windows1252 = new TextDecoder('windows-1252');
const isNational = (type: number): boolean =>
  type === TdsType.nvarchar || type === TdsType.nchar || type === TdsType.ntext;
const isAnsi = (type: number): boolean =>
  type === TdsType.varchar || type === TdsType.char || type === TdsType.text;

/** Decodes a character value by its type and collation. */
export function clientText(info: TypeInfo, value: Buffer): string {
  if (isNational(info.type)) return value.toString('utf16le');
  return info.utf8 ? value.toString('utf8') : windows1252.decode(value);
}

function littleEndian(value: Buffer, start: number, length: number): number {
  let result = 0;
  for (let index = start + length - 1; index >= start; index--)
    result = result * 256 + (value[index] as number);
  return result;
}

/** Microseconds of the day in a TDS time of `scale` digits; PostgreSQL keeps six, the seventh is cut. */
function dayMicroseconds(units: number, scale: number): number {
  return scale > 6 ? Math.floor(units / 10) : units * 10 ** (6 - scale);
}

/** The days of the result count from 0001-01-01. */
function moment(info: TypeInfo, value: Buffer): Moment {
  switch (info.type) {
    case TdsType.date:
      return { days: littleEndian(value, 0, 3), microseconds: 0 };
    case TdsType.time:
    case TdsType.datetime2:
    case TdsType.datetimeoffset: {
      const dateBytes = info.type === TdsType.time ? 0 : info.type === TdsType.datetime2 ? 3 : 5;
      const timeBytes = value.length - dateBytes;
      const microseconds = dayMicroseconds(littleEndian(value, 0, timeBytes), info.scale);
      return { days: dateBytes === 0 ? 0 : littleEndian(value, timeBytes, 3), microseconds };
    }
    default:
      break;
  }
  if (value.length === 8) {
    const milliseconds = Math.round((value.readUInt32LE(4) * 10) / 3);
    return { days: DAYS_TO_1900 + value.readInt32LE(0), microseconds: milliseconds * 1000 };
  }
  return { days: DAYS_TO_1900 + value.readUInt16LE(0), microseconds: value.readUInt16LE(2) * 60_000_000 };
}

/** Sign and magnitude of a decimal or money value, in units of 10^-scale. */
function decimalParts(
  info: TypeInfo,
  value: Buffer,
): { negative: boolean; magnitude: number | bigint; scale: number } {
  if (info.type === TdsType.decimal || info.type === TdsType.numeric) {
    return { negative: value[0] === 0, magnitude: unsigned(value), scale: info.scale };
  }
  const wide = value.length === 8;
  const signed = wide
    ? (BigInt(value.readInt32LE(0)) << 32n) | BigInt(value.readUInt32LE(4))
    : BigInt(value.readInt32LE(0));
  return { negative: signed < 0n, magnitude: signed < 0n ? -signed : signed, scale: 4 };
}

function unsigned(value: Buffer): number | bigint {
  const length = value.length - 1;
  if (length === 4) return value.readUInt32LE(1);
  if (length === 8 && value.readUInt32LE(5) < 0x100000)
    return value.readUInt32LE(5) * 2 ** 32 + value.readUInt32LE(1);
  let result = 0n;
  for (let at = length - 3; at >= 1; at -= 4) result = (result << 32n) | BigInt(value.readUInt32LE(at));
  return result;
}

function integer(value: Buffer): number | bigint {
  switch (value.length) {
    case 1:
      return value[0] as number;
    case 2:
      return value.readInt16LE(0);
    case 4:
      return value.readInt32LE(0);
    default:
      return value.readBigInt64LE(0);
  }
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

function timeText(microseconds: number): string {
  const seconds = Math.floor(microseconds / 1_000_000);
  const clock = `${pad(Math.floor(seconds / 3600), 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}`;
  return `${clock}.${pad(microseconds % 1_000_000, 6)}`;
}

function dateText(days: number): string {
  return new Date((days - DAYS_TO_1970) * 86_400_000).toISOString().slice(0, 10);
}

export function guidText(value: Buffer): string {
  const hex = GUID_ORDER.map((index) => pad2(value[index] as number)).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
const pad2 = (byte: number): string => byte.toString(16).padStart(2, '0');

/** A parameter value as PostgreSQL reads it in text form. */
export function parameterText(info: TypeInfo, value: Buffer | null): string | null {
  if (value === null) return null;
  if (isNational(info.type) || isAnsi(info.type)) return clientText(info, value);
  switch (info.type) {
    case TdsType.intN:
    case TdsType.tinyint:
    case TdsType.smallint:
    case TdsType.int:
    case TdsType.bigint:
      return String(integer(value));
    case TdsType.bit:
    case TdsType.bitN:
      return value[0] ? '1' : '0';
    case TdsType.floatN:
    case TdsType.real:
    case TdsType.float:
      return String(value.length === 4 ? value.readFloatLE(0) : value.readDoubleLE(0));
    case TdsType.decimal:
    case TdsType.numeric:
    case TdsType.moneyN:
    case TdsType.money:
    case TdsType.smallmoney:
      return decimalText(info, value);
    case TdsType.guid:
      return guidText(value);
    case TdsType.varbinary:
    case TdsType.binary:
    case TdsType.image:
      return `\\x${value.toString('hex')}`;
    default: {
      const { days, microseconds } = moment(info, value);
      if (info.type === TdsType.date) return dateText(days);
      if (info.type === TdsType.time) return timeText(microseconds);
      const zone = info.type === TdsType.datetimeoffset ? '+00' : '';
      return `${dateText(days)} ${timeText(microseconds)}${zone}`;
    }
  }
}

function decimalText(info: TypeInfo, value: Buffer): string {
  const { negative, magnitude, scale } = decimalParts(info, value);
  const digits = magnitude.toString().padStart(scale + 1, '0');
  const split = digits.length - scale;
  const text = scale > 0 ? `${digits.slice(0, split)}.${digits.slice(split)}` : digits;
  return negative ? `-${text}` : text;
}

/** Writes one COPY BINARY field of PostgreSQL type `oid`. */
export function writeCopyField(writer: ByteWriter, info: TypeInfo, value: Buffer | null, oid: number): void {
  if (value === null) {
    writer.i32be(-1);
    return;
  }
  switch (oid) {
    case Oid.smallint:
      writer.i32be(2).i16be(boundedInteger(info, value, -32768, 32767));
      return;
    case Oid.integer:
      writer.i32be(4).i32be(boundedInteger(info, value, -2147483648, 2147483647));
      return;
    case Oid.bigint:
      writeBigint(writer, info, value);
      return;
    case Oid.double:
      writer.reserve(12);
      writer.i32be(8);
      writer.length = writer.buffer.writeDoubleBE(floating(info, value), writer.length);
      return;
    case Oid.real:
      writer.reserve(8);
      writer.i32be(4);
      writer.length = writer.buffer.writeFloatBE(floating(info, value), writer.length);
      return;
    case Oid.numeric:
      writeNumeric(writer, info, value);
      return;
    case Oid.date:
      writer.i32be(4).i32be(momentFor(info, value).days - DAYS_TO_2000);
      return;
    case Oid.time:
      writeMoment(writer, 0, momentFor(info, value).microseconds);
      return;
    case Oid.timestamp:
    case Oid.timestamptz: {
      const { days, microseconds } = momentFor(info, value);
      writeMoment(writer, days - DAYS_TO_2000, microseconds);
      return;
    }
    case Oid.uuid:
      if (info.type !== TdsType.guid) throw clash(info, 'uniqueidentifier');
      writer.i32be(16);
      for (const index of GUID_ORDER) writer.u8(value[index] as number);
      return;
    case Oid.bytea:
      if (isNational(info.type) || isAnsi(info.type)) throw clash(info, 'varbinary');
      writer.i32be(value.length).bytes(value);
      return;
    default:
      writeText(writer, info, value);
  }
}

function clash(info: TypeInfo, target: string): SqlError {
  return new SqlError(
    4816,
    `Invalid column type from bcp client: type 0x${info.type.toString(16)} does not fit ${target}.`,
  );
}

const INTEGER_TYPES: ReadonlySet<number> = new Set([
  TdsType.intN,
  TdsType.tinyint,
  TdsType.smallint,
  TdsType.int,
  TdsType.bigint,
  TdsType.bit,
  TdsType.bitN,
]);

function boundedInteger(info: TypeInfo, value: Buffer, low: number, high: number): number {
  if (!INTEGER_TYPES.has(info.type)) throw clash(info, 'an integer');
  const number = Number(integer(value));
  if (number < low || number > high)
    throw new SqlError(8115, `Arithmetic overflow error: ${number} does not fit the column.`);
  return number;
}

function writeBigint(writer: ByteWriter, info: TypeInfo, value: Buffer): void {
  if (!INTEGER_TYPES.has(info.type)) throw clash(info, 'bigint');
  writer.reserve(12);
  writer.i32be(8);
  writer.length = writer.buffer.writeBigInt64BE(BigInt(integer(value)), writer.length);
}

function floating(info: TypeInfo, value: Buffer): number {
  if (info.type !== TdsType.floatN && info.type !== TdsType.real && info.type !== TdsType.float) {
    throw clash(info, 'float');
  }
  return value.length === 4 ? value.readFloatLE(0) : value.readDoubleLE(0);
}

const MOMENT_TYPES: ReadonlySet<number> = new Set([
  TdsType.date,
  TdsType.time,
  TdsType.datetime2,
  TdsType.datetimeoffset,
  TdsType.datetimeN,
  TdsType.datetime,
  TdsType.smalldatetime,
]);

function momentFor(info: TypeInfo, value: Buffer): Moment {
  if (!MOMENT_TYPES.has(info.type)) throw clash(info, 'a date or time');
  return moment(info, value);
}

/** NUMERIC in binary: base-10000 digits with a weight, a sign and a display scale. */
function writeNumeric(writer: ByteWriter, info: TypeInfo, value: Buffer): void {
  const { negative, magnitude, scale } = INTEGER_TYPES.has(info.type)
    ? integerParts(value)
    : numericParts(info, value);
  const padding = (4 - (scale % 4)) % 4;
  const fractionGroups = Math.ceil(scale / 4);
  const groups: number[] = [];
  if (typeof magnitude === 'number' && magnitude < 9e11) {
    for (let rest = magnitude * 10 ** padding; rest > 0; rest = Math.floor(rest / 10000))
      groups.push(rest % 10000);
  } else {
    for (let rest = BigInt(magnitude) * 10n ** BigInt(padding); rest > 0n; rest /= 10000n) {
      groups.push(Number(rest % 10000n));
    }
  }
  let lowest = 0;
  while (lowest < groups.length && groups[lowest] === 0) lowest++;
  const count = groups.length - lowest;
  writer.i32be(8 + 2 * count).i16be(count);
  writer.i16be(count > 0 ? groups.length - fractionGroups - 1 : 0);
  writer.i16be(negative && count > 0 ? 0x4000 : 0).i16be(scale);
  for (let index = groups.length - 1; index >= lowest; index--) writer.i16be(groups[index] as number);
}

function integerParts(value: Buffer): { negative: boolean; magnitude: bigint; scale: number } {
  const signed = BigInt(integer(value));
  return { negative: signed < 0n, magnitude: signed < 0n ? -signed : signed, scale: 0 };
}

function numericParts(info: TypeInfo, value: Buffer): ReturnType<typeof decimalParts> {
  const exact = [
    TdsType.decimal,
    TdsType.numeric,
    TdsType.moneyN,
    TdsType.money,
    TdsType.smallmoney,
  ] as number[];
  if (!exact.includes(info.type)) throw clash(info, 'decimal');
  return decimalParts(info, value);
}

/** UTF-16 to UTF-8 with a fast path for ASCII, which most table data is. */
function writeText(writer: ByteWriter, info: TypeInfo, value: Buffer): void {
  if (!isNational(info.type)) {
    const text = isAnsi(info.type) && info.utf8 ? value : Buffer.from(parameterText(info, value) ?? '');
    writer.i32be(text.length).bytes(text);
    return;
  }
  writer.reserve(4 + (value.length >> 1) * 3);
  const start = writer.length + 4;
  const target = writer.buffer;
  let to = start;
  let from = 0;
  for (; from < value.length; from += 2) {
    const unit = value[from] as number;
    if (value[from + 1] !== 0 || unit > 127) break;
    target[to++] = unit;
  }
  if (from < value.length) to = start + target.write(value.toString('utf16le'), start, 'utf8');
  target.writeInt32BE(to - start, writer.length);
  writer.length = to;
}
