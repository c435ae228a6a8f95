// TYPE_INFO of MS-TDS 2.2.5.6: reads what clients send, writes what result columns are.
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { SqlError } from './errors.ts';
import type { SqlType } from './sql-types.ts';

export const TdsType = {
  null: 0x1f,
  image: 0x22,
  text: 0x23,
  guid: 0x24,
  intN: 0x26,
  date: 0x28,
  time: 0x29,
  datetime2: 0x2a,
  datetimeoffset: 0x2b,
  tinyint: 0x30,
  bit: 0x32,
  smallint: 0x34,
  int: 0x38,
  smalldatetime: 0x3a,
  real: 0x3b,
  money: 0x3c,
  datetime: 0x3d,
  float: 0x3e,
  ntext: 0x63,
  bitN: 0x68,
  decimal: 0x6a,
  numeric: 0x6c,
  floatN: 0x6d,
  moneyN: 0x6e,
  datetimeN: 0x6f,
  smallmoney: 0x7a,
  bigint: 0x7f,
  varbinary: 0xa5,
  varchar: 0xa7,
  binary: 0xad,
  char: 0xaf,
  nvarchar: 0xe7,
  nchar: 0xef,
} as const;

const MAX_LENGTH = 0xffff;
const FIXED: Readonly<Record<number, number>> = {
  [TdsType.null]: 0,
  [TdsType.tinyint]: 1,
  [TdsType.bit]: 1,
  [TdsType.smallint]: 2,
  [TdsType.int]: 4,
  [TdsType.smalldatetime]: 4,
  [TdsType.real]: 4,
  [TdsType.money]: 8,
  [TdsType.datetime]: 8,
  [TdsType.float]: 8,
  [TdsType.smallmoney]: 4,
  [TdsType.bigint]: 8,
};

/** A column or parameter type as it stands on the wire. */
export interface TypeInfo {
  readonly type: number;
  readonly length: number;
  readonly precision: number;
  readonly scale: number;
  /** Whether varchar bytes are UTF-8 (else Windows-1252). */
  readonly utf8: boolean;
}

/** Latin1_General_100_BIN2_UTF8, the stand-in's collation, as clients that know UTF-8 collations see it. */
export const UTF8_COLLATION = Buffer.from([0x09, 0x04, 0x00, 0x26, 0x00]);
/** SQL_Latin1_General_CP1_CI_AS, for clients that do not. */
export const LATIN1_COLLATION = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34]);
const isUtf8 = (collation: Buffer): boolean => ((collation[3] ?? 0) & 0x04) !== 0;

export function readTypeInfo(reader: ByteReader): TypeInfo {
  const type = reader.u8();
  const info = { type, length: 0, precision: 0, scale: 0, utf8: false };
  const fixed = FIXED[type];
  if (fixed !== undefined) return { ...info, length: fixed };
  switch (type) {
    case TdsType.guid:
    case TdsType.intN:
    case TdsType.bitN:
    case TdsType.floatN:
    case TdsType.moneyN:
    case TdsType.datetimeN:
      return { ...info, length: reader.u8() };
    case TdsType.decimal:
    case TdsType.numeric:
      return { ...info, length: reader.u8(), precision: reader.u8(), scale: reader.u8() };
    case TdsType.date:
      return { ...info, length: 3 };
    case TdsType.time:
    case TdsType.datetime2:
    case TdsType.datetimeoffset:
      return { ...info, scale: reader.u8() };
    case TdsType.varbinary:
    case TdsType.binary:
      return { ...info, length: reader.u16() };
    case TdsType.varchar:
    case TdsType.char:
    case TdsType.nvarchar:
    case TdsType.nchar:
      return { ...info, length: reader.u16(), utf8: isUtf8(reader.bytes(5)) };
    case TdsType.text:
    case TdsType.ntext:
      return { ...info, length: reader.u32(), utf8: isUtf8(reader.bytes(5)) };
    case TdsType.image:
      return { ...info, length: reader.u32() };
    default:
      throw new SqlError(
        8009,
        `The incoming tabular data stream (TDS) protocol stream is incorrect: data type 0x${type.toString(16)} is not supported.`,
      );
  }
}

const isBlob = (type: number): boolean =>
  type === TdsType.text || type === TdsType.ntext || type === TdsType.image;
const has16BitLength = (type: number): boolean => type >= TdsType.varbinary && type !== 0xf0;

/** Reads one value's bytes; null is NULL. `bulk`: text and image carry a text pointer before the length. */
export function readValue(reader: ByteReader, info: TypeInfo, bulk = false): Buffer | null {
  const { type } = info;
  if (type === TdsType.null) return null;
  const fixed = FIXED[type];
  if (fixed !== undefined) return reader.bytes(fixed);
  if (isBlob(type)) return readBlob(reader, bulk);
  if (has16BitLength(type)) {
    if (info.length === MAX_LENGTH) return readPartial(reader);
    const length = reader.u16();
    return length === MAX_LENGTH ? null : reader.bytes(length);
  }
  const length = reader.u8();
  return length === 0 ? null : reader.bytes(length);
}

function readBlob(reader: ByteReader, bulk: boolean): Buffer | null {
  if (bulk) {
    const pointer = reader.u8();
    if (pointer === 0) return null;
    reader.bytes(pointer + 8);
  }
  const length = reader.u32();
  return length === 0xffffffff ? null : reader.bytes(length);
}

function readPartial(reader: ByteReader): Buffer | null {
  const low = reader.u32();
  const high = reader.u32();
  if (low === 0xffffffff && high === 0xffffffff) return null;
  const parts: Buffer[] = [];
  for (let length = reader.u32(); length > 0; length = reader.u32()) parts.push(reader.bytes(length));
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

/** The T-SQL type that a parameter was declared as, for translation and for echoing it in a result. */
export function declaredType(info: TypeInfo): SqlType {
  const max = info.length === MAX_LENGTH ? -1 : info.length;
  switch (info.type) {
    case TdsType.intN:
      return { name: { 1: 'tinyint', 2: 'smallint', 4: 'int' }[info.length] ?? 'bigint' };
    case TdsType.tinyint:
      return { name: 'tinyint' };
    case TdsType.smallint:
      return { name: 'smallint' };
    case TdsType.int:
      return { name: 'int' };
    case TdsType.bigint:
      return { name: 'bigint' };
    case TdsType.bit:
    case TdsType.bitN:
      return { name: 'bit' };
    case TdsType.floatN:
      return { name: info.length === 4 ? 'real' : 'float' };
    case TdsType.real:
      return { name: 'real' };
    case TdsType.float:
      return { name: 'float' };
    case TdsType.decimal:
    case TdsType.numeric:
      return { name: 'decimal', precision: info.precision, scale: info.scale };
    case TdsType.moneyN:
    case TdsType.money:
    case TdsType.smallmoney:
      return { name: 'money' };
    case TdsType.guid:
      return { name: 'uniqueidentifier' };
    case TdsType.date:
      return { name: 'date' };
    case TdsType.time:
      return { name: 'time', scale: info.scale };
    case TdsType.datetime2:
      return { name: 'datetime2', scale: info.scale };
    case TdsType.datetimeoffset:
      return { name: 'datetimeoffset', scale: info.scale };
    case TdsType.datetimeN:
    case TdsType.datetime:
    case TdsType.smalldatetime:
      return { name: 'datetime' };
    case TdsType.varbinary:
    case TdsType.binary:
      return { name: 'varbinary', length: max };
    case TdsType.image:
      return { name: 'varbinary', length: -1 };
    case TdsType.varchar:
    case TdsType.char:
      return { name: 'varchar', length: max };
    case TdsType.text:
      return { name: 'varchar', length: -1 };
    case TdsType.nvarchar:
    case TdsType.nchar:
      return { name: 'nvarchar', length: max < 0 ? -1 : max / 2 };
    default:
      return { name: 'nvarchar', length: -1 };
  }
}

/** Bytes of a decimal's magnitude plus sign, by precision (MS-TDS 2.2.5.5.1.6). */
export const decimalBytes = (precision: number): number =>
  precision <= 9 ? 5 : precision <= 19 ? 9 : precision <= 28 ? 13 : 17;

/** How a result column of a T-SQL type stands on the wire; varchar needs a client that knows UTF-8 collations. */
export function columnTypeInfo(type: SqlType, utf8: boolean): TypeInfo {
  const info = { type: 0, length: 0, precision: 0, scale: 0, utf8 };
  const length = type.length === undefined || type.length < 0 ? MAX_LENGTH : type.length;
  switch (type.name) {
    case 'bit':
      return { ...info, type: TdsType.bitN, length: 1 };
    case 'tinyint':
      return { ...info, type: TdsType.intN, length: 1 };
    case 'smallint':
      return { ...info, type: TdsType.intN, length: 2 };
    case 'int':
      return { ...info, type: TdsType.intN, length: 4 };
    case 'bigint':
      return { ...info, type: TdsType.intN, length: 8 };
    case 'real':
      return { ...info, type: TdsType.floatN, length: 4 };
    case 'float':
      return { ...info, type: TdsType.floatN, length: 8 };
    case 'decimal': {
      const precision = type.precision ?? 38;
      return {
        ...info,
        type: TdsType.numeric,
        length: decimalBytes(precision),
        precision,
        scale: type.scale ?? 0,
      };
    }
    case 'money':
    case 'smallmoney':
      return { ...info, type: TdsType.moneyN, length: type.name === 'money' ? 8 : 4, scale: 4 };
    case 'date':
      return { ...info, type: TdsType.date, length: 3 };
    case 'time':
      return { ...info, type: TdsType.time, scale: type.scale ?? 7 };
    case 'datetime2':
      return { ...info, type: TdsType.datetime2, scale: type.scale ?? 7 };
    case 'datetimeoffset':
      return { ...info, type: TdsType.datetimeoffset, scale: type.scale ?? 7 };
    case 'datetime':
      return { ...info, type: TdsType.datetimeN, length: 8 };
    case 'smalldatetime':
      return { ...info, type: TdsType.datetimeN, length: 4 };
    case 'uniqueidentifier':
      return { ...info, type: TdsType.guid, length: 16 };
    case 'timestamp':
      return { ...info, type: TdsType.binary, length: 8 };
    case 'binary':
      return { ...info, type: TdsType.binary, length };
    case 'varbinary':
      return { ...info, type: TdsType.varbinary, length };
    case 'image':
      return { ...info, type: TdsType.varbinary, length: MAX_LENGTH };
    case 'varchar':
    case 'char':
    case 'text':
      if (utf8) return { ...info, type: type.name === 'char' ? TdsType.char : TdsType.varchar, length };
      return { ...info, type: TdsType.nvarchar, length: length > 4000 ? MAX_LENGTH : length * 2 };
    default:
      return {
        ...info,
        type: type.name === 'nchar' ? TdsType.nchar : TdsType.nvarchar,
        length: length > 4000 ? MAX_LENGTH : length * 2,
      };
  }
}

export function writeTypeInfo(writer: ByteWriter, info: TypeInfo): void {
  writer.u8(info.type);
  switch (info.type) {
    case TdsType.date:
      return;
    case TdsType.time:
    case TdsType.datetime2:
    case TdsType.datetimeoffset:
      writer.u8(info.scale);
      return;
    case TdsType.numeric:
      writer.u8(info.length).u8(info.precision).u8(info.scale);
      return;
    case TdsType.varbinary:
    case TdsType.binary:
      writer.u16(info.length);
      return;
    case TdsType.varchar:
    case TdsType.char:
    case TdsType.nvarchar:
    case TdsType.nchar:
      writer.u16(info.length).bytes(info.utf8 ? UTF8_COLLATION : LATIN1_COLLATION);
      return;
    default:
      writer.u8(info.length);
  }
}
