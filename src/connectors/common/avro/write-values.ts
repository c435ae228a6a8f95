// What a column is in an Avro file, and canonical text as its values. Exact for every interim type, or refused by the column's name.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../../core/json.ts';
import type { Column } from '../../../core/types/column.ts';
import { daysFromCivil } from '../parquet/calendar.ts';
import { doesNotFit } from '../parquet/decimal-values.ts';
import type { AvroValue } from './read-values.ts';

/** Digits that every reader of Avro's decimals holds. */
const MAX_PRECISION = 38;
/** Names of the specification. */
const NAME = /^[A-Za-z_]\w*$/;

/** How a column is written: the type without null, the branch it is in a union, and its values. */
export interface AvroType {
  readonly type: JsonValue;
  readonly branch: string;
  write(text: string): AvroValue;
}

/** Columns as a file keeps them. Throws TYPE_UNSUPPORTED for a decimal that readers do not hold, IDENTIFIER_INVALID for a name. */
export const columnsFor = (columns: readonly Column[]): Column[] =>
  columns.map((column) => {
    if (!NAME.test(column.name))
      throw new WaybillError(
        'IDENTIFIER_INVALID',
        `Avro has no field named "${column.name}": names have letters, digits and _ only. Give it another name in the mapping.`,
        { column: column.name },
      );
    if (column.type !== 'Decimal')
      return column.scale !== undefined && column.scale > 6 ? { ...column, scale: 6 } : column;
    const scale = column.scale ?? 0;
    const precision = Math.max(column.precision ?? MAX_PRECISION, scale);
    if (precision > MAX_PRECISION || scale < 0)
      throw new WaybillError(
        'TYPE_UNSUPPORTED',
        `Column ${column.name} (${column.native}) has ${precision} digits, ${scale} of them after the point; Avro's decimals are read with at most ${MAX_PRECISION} digits and no negative scale.`,
        { column: column.name, type: column.native },
      );
    return { ...column, precision, scale };
  });

/** The record's schema. Throws IDENTIFIER_INVALID where its own names are none. */
export function recordSchema(
  columns: readonly Column[],
  name: string,
  namespace: string | undefined,
): JsonObject {
  for (const part of [name, ...(namespace?.split('.') ?? [])])
    if (!NAME.test(part))
      throw new WaybillError(
        'IDENTIFIER_INVALID',
        `Avro has no record named "${part}": names have letters, digits and _ only.`,
        {
          name: part,
        },
      );
  return {
    type: 'record',
    name,
    ...(namespace === undefined ? {} : { namespace }),
    fields: columns.map((column) => {
      const { type } = avroType(column);
      return column.nullable
        ? { name: column.name, type: ['null', type], default: null }
        : { name: column.name, type };
    }),
  };
}

const simple = (branch: string, write: (text: string) => AvroValue): AvroType => ({
  type: branch,
  branch,
  write,
});
const logical = (
  branch: string,
  logicalType: string,
  write: (text: string) => AvroValue,
  more: JsonObject = {},
): AvroType => ({
  type: { type: branch, logicalType, ...more },
  branch,
  write,
});

export function avroType(column: Column): AvroType {
  const refuse = (why: string): WaybillError => doesNotFit(column, why);
  switch (column.type) {
    case 'Boolean':
      return simple('boolean', (text) => {
        if (text !== '1' && text !== '0') throw refuse('it is neither 1 nor 0');
        return text === '1';
      });
    case 'Int16':
    case 'Int32':
      return simple('int', (text) => {
        const value = Number(text);
        if (!WHOLE.test(text) || (value | 0) !== value) throw refuse('it is not a whole number of 32 bits');
        return value;
      });
    case 'Int64':
      return simple('long', (text) => {
        const value = WHOLE.test(text) ? BigInt(text) : undefined;
        if (value === undefined || BigInt.asIntN(64, value) !== value)
          throw refuse('it is not a whole number of 64 bits');
        return value;
      });
    case 'Single':
    case 'Double':
      return simple(column.type === 'Single' ? 'float' : 'double', (text) => {
        const value = Number(text);
        if (text === '' || (Number.isNaN(value) && text !== 'NaN')) throw refuse('it is not a number');
        return value;
      });
    case 'Decimal':
      return decimalType(column);
    case 'String':
      return simple('string', (text) => text);
    case 'Guid':
      return logical('string', 'uuid', (text) => text.toLowerCase());
    case 'Byte[]':
      return simple('bytes', (text) => Buffer.from(text, 'hex'));
    case 'Date':
      return logical('int', 'date', (text) => daysOf(text, refuse));
    case 'TimeSpan':
      return logical('long', 'time-micros', (text) => microsOf(text, refuse));
    case 'DateTime':
    case 'DateTimeOffset': {
      const zoned = column.type === 'DateTimeOffset';
      return logical('long', zoned ? 'timestamp-micros' : 'local-timestamp-micros', (text) => {
        if (text[10] !== 'T' || text.endsWith('Z') !== zoned)
          throw refuse(`it is not a date and time ${zoned ? 'in UTC' : 'without zone'}`);
        const days = BigInt(daysOf(text.slice(0, 10), refuse));
        return days * 86_400_000_000n + microsOf(text.slice(11, zoned ? -1 : undefined), refuse);
      });
    }
  }
}

const WHOLE = /^-?\d+$/;
const DECIMAL = /^-?\d+(\.\d+)?$/;
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d+))?$/;

function decimalType(column: Column): AvroType {
  const { precision = MAX_PRECISION, scale = 0 } = column;
  const limit = 10n ** BigInt(precision);
  const write = (text: string): Buffer => {
    if (!DECIMAL.test(text)) throw doesNotFit(column, 'it is not a decimal number');
    const [whole = '', fraction = ''] = text.split('.');
    if (/[1-9]/.test(fraction.slice(scale)))
      throw doesNotFit(column, `it has more than ${scale} digits after the point`);
    const units = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'));
    if (units >= limit || units <= -limit) throw doesNotFit(column, `it has more than ${precision} digits`);
    return twosComplement(units);
  };
  return logical('bytes', 'decimal', write, { precision, scale });
}

/** The fewest bytes, the most significant first. */
function twosComplement(value: bigint): Buffer {
  let bytes = 1;
  while (BigInt.asIntN(bytes * 8, value) !== value) bytes++;
  return Buffer.from(
    BigInt.asUintN(bytes * 8, value)
      .toString(16)
      .padStart(bytes * 2, '0'),
    'hex',
  );
}

function daysOf(text: string, refuse: (why: string) => WaybillError): number {
  const [, year, month, day] = DATE.exec(text) ?? [];
  const months = Number(month);
  const days =
    months >= 1 && months <= 12 && Number(day) >= 1
      ? daysFromCivil(Number(year), months, Number(day))
      : undefined;
  if (days === undefined) throw refuse('it is not a date');
  return days;
}

function microsOf(text: string, refuse: (why: string) => WaybillError): bigint {
  const [, hours, minutes, seconds, fraction = ''] = TIME.exec(text) ?? [];
  if (seconds === undefined) throw refuse('it is not a time of day');
  if (/[1-9]/.test(fraction.slice(6))) throw refuse('it has more than 6 fractional digits of a second');
  const whole = Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
  return BigInt(whole) * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
}
