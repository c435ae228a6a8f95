// Raw Parquet values as canonical text, exact: no value passes through a Date or a rounded number.
import type { SchemaElement } from 'hyparquet';
import { WaybillError } from '../../../core/errors.ts';
import type { Column } from '../../../core/types/column.ts';
import { dateText, timeText } from './calendar.ts';
import type { StoredColumn } from './file-columns.ts';

/** A value of the physical type, annotations left out; 64-bit integers as numbers where these are exact. */
export type RawValue = boolean | number | bigint | Uint8Array;

type ToText = (value: never) => string;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** "-1.50" of -150 and scale 2. */
export const decimalText = (units: string, scale: number): string => {
  if (scale === 0) return units;
  const negative = units.startsWith('-');
  const digits = (negative ? units.slice(1) : units).padStart(scale + 1, '0');
  return `${negative ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
};

/** Two's complement, most significant byte first, of any length. */
export const bigIntOf = (bytes: Uint8Array): bigint => {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${asBuffer(bytes).toString('hex')}`));
};

const outside = (column: Column): WaybillError =>
  new WaybillError(
    'TYPE_UNSUPPORTED',
    `Column ${column.name} of the Parquet file has a value outside the years 1 to 9999, or outside a day.`,
    { column: column.name },
  );

const dayText = (column: Column, days: number): string => {
  const text = dateText(days);
  if (text === undefined) throw outside(column);
  return text;
};

const DAY_NANOS = 86_400_000_000_000n;
const DAY_MICROS = 86_400_000_000;

/** Six digits after the second; nine where nanoseconds ask for them, so that nothing is dropped unseen. */
const nanosText = (column: Column, nanos: bigint): string => {
  const micros = nanos / 1_000n;
  const rest = Number(nanos - micros * 1_000n);
  if (nanos < 0n || nanos >= DAY_NANOS) throw outside(column);
  return timeText(Number(micros)) + (rest === 0 ? '' : String(rest).padStart(3, '0'));
};

const instantOf = (column: Column, micros: number): string => {
  const days = Math.floor(micros / DAY_MICROS);
  return `${dayText(column, days)}T${timeText(micros - days * DAY_MICROS)}`;
};

const instantText = (column: Column, element: SchemaElement): ToText => {
  const zone = column.type === 'DateTimeOffset' ? 'Z' : '';
  const unit = element.logical_type?.type === 'TIMESTAMP' ? element.logical_type.unit : undefined;
  const fromNanos = (nanos: bigint): string => {
    let days = nanos / DAY_NANOS;
    if (days * DAY_NANOS > nanos) days -= 1n;
    return `${dayText(column, Number(days))}T${nanosText(column, nanos - days * DAY_NANOS)}${zone}`;
  };
  if (element.type === 'INT96') {
    // A Julian day and nanoseconds of it.
    return (value: bigint) => {
      const days = Number(value >> 64n) - 2_440_588;
      return `${dayText(column, days)}T${nanosText(column, BigInt.asUintN(64, value))}${zone}`;
    };
  }
  if (unit === 'NANOS') return (value: number | bigint) => fromNanos(BigInt(value));
  const millis = unit === 'MILLIS' || (unit === undefined && element.converted_type === 'TIMESTAMP_MILLIS');
  return (value: number | bigint) => {
    const micros = millis ? Number(value) * 1_000 : Number(value);
    if (Number.isSafeInteger(micros)) return instantOf(column, micros) + zone;
    return fromNanos(BigInt(value) * (millis ? 1_000_000n : 1_000n));
  };
};

const timeSpanText = (column: Column, element: SchemaElement): ((value: number | bigint) => string) => {
  const logical = element.logical_type;
  if (logical?.type === 'TIME' && logical.unit === 'NANOS')
    return (value) => nanosText(column, BigInt(value));
  const factor = element.type === 'INT32' ? 1_000 : 1;
  return (value) => {
    const micros = Number(value) * factor;
    if (!(micros >= 0 && micros < DAY_MICROS)) throw outside(column);
    return timeText(micros);
  };
};

export const doubleText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

/** The fewest digits that read back to the same single-precision number. */
export const singleText = (value: number): string => {
  // Six digits always tell normal numbers apart; the smallest ones have fewer bits.
  for (let digits = Math.abs(value) < 2 ** -126 ? 1 : 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return doubleText(short);
  }
  return doubleText(Number(value.toPrecision(9)));
};

const float16Text = (bytes: Uint8Array): string => {
  const bits = (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return String(fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN);
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return singleText(sign * magnitude);
};

const guidText = (bytes: Uint8Array): string => {
  const hex = asBuffer(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The UTF-8 text from `from` to `to`. Throws FILE_INVALID, naming the column, where it is not UTF-8. */
export const checkedText = (column: string, bytes: Buffer, from: number, to: number): string => {
  const text = bytes.toString('utf8', from, to);
  // Invalid bytes become U+FFFD; where one shows up, look whether it was there before.
  if (!text.includes('\uFFFD')) return text;
  try {
    return utf8.decode(bytes.subarray(from, to));
  } catch {
    throw new WaybillError(
      'FILE_INVALID',
      `Column ${column} of the Parquet file holds text that is not UTF-8.`,
      { column },
    );
  }
};

const stringText =
  ({ name }: Column): ((bytes: Uint8Array) => string) =>
  (bytes) =>
    checkedText(name, asBuffer(bytes), 0, bytes.length);

const isUnsigned = ({ converted_type: converted, logical_type: logical }: SchemaElement): boolean =>
  logical?.type === 'INTEGER' ? !logical.isSigned : (converted?.startsWith('UINT_') ?? false);

const integerText = (element: SchemaElement): ToText => {
  if (!isUnsigned(element)) return String;
  if (element.type === 'INT64') return (value: number | bigint) => String(BigInt.asUintN(64, BigInt(value)));
  return (value: number) => String(value >>> 0);
};

/** How values of a stored column become canonical text. */
export const textOf = ({ column, element }: StoredColumn): ((value: RawValue) => string) =>
  converterFor(column, element) as (value: RawValue) => string;

const converterFor = (column: Column, element: SchemaElement): ToText => {
  switch (column.type) {
    case 'Boolean':
      return (value: boolean) => (value ? '1' : '0');
    case 'Int16':
    case 'Int32':
    case 'Int64':
      return integerText(element);
    case 'Decimal': {
      const scale = column.scale ?? 0;
      if (isUnsigned(element)) return integerText(element);
      if (element.type === 'INT32' || element.type === 'INT64')
        return (value: number | bigint) => decimalText(String(value), scale);
      return (value: Uint8Array) => decimalText(String(bigIntOf(value)), scale);
    }
    case 'Single':
      return element.type === 'FLOAT' ? singleText : float16Text;
    case 'Double':
      return doubleText;
    case 'Date':
      return (value: number) => dayText(column, value);
    case 'DateTime':
    case 'DateTimeOffset':
      return instantText(column, element);
    case 'TimeSpan':
      return timeSpanText(column, element);
    case 'Guid':
      return element.type === 'BYTE_ARRAY' ? stringText(column) : guidText;
    case 'Byte[]':
      return (value: Uint8Array) => asBuffer(value).toString('hex').toUpperCase();
    case 'String':
      return stringText(column);
  }
};
