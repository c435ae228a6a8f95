// From tedious's JavaScript values to canonical text.
import { WaybillError } from '../../core/errors.ts';
import { type Column, fractionDigits, type Row } from '../../core/types/column.ts';

type Decode = (value: unknown) => string;

const text: Decode = (value) => (typeof value === 'string' ? value : String(value));

const decoder = (column: Column): Decode => {
  switch (column.type) {
    case 'Boolean':
      return (value) => (value === true || value === 1 || value === '1' ? '1' : '0');
    case 'Guid':
      return (value) => text(value).toLowerCase();
    case 'Byte[]':
      return (value) => (value as Buffer).toString('hex').toUpperCase();
    case 'Date':
    case 'DateTime':
    case 'DateTimeOffset':
    case 'TimeSpan':
      return momentDecoder(column);
    case 'Decimal':
      return column.native.endsWith('money') ? moneyDecoder(column) : text;
    default:
      return text;
  }
};

/** What tedious adds to a Date: the part of a second below its milliseconds. */
interface PreciseDate extends Date {
  readonly nanosecondsDelta?: number;
}

/** Moments arrive as text where the statement asked for it, else as dates in UTC. */
const momentDecoder = (column: Column): Decode => {
  const digits = Math.min(fractionDigits(column), 7);
  const [from, to] = column.type === 'Date' ? [0, 10] : column.type === 'TimeSpan' ? [11, 23] : [0, 23];
  const zone = column.type === 'DateTimeOffset' ? 'Z' : '';
  return (value) => {
    if (typeof value === 'string') return value;
    const date = value as PreciseDate;
    const whole = date.toISOString().slice(from, to);
    if (column.type === 'Date') return whole;
    const finer = Math.round((date.nanosecondsDelta ?? 0) * 10_000_000);
    return `${whole}${String(finer)
      .padStart(4, '0')
      .slice(0, digits - 3)}${zone}`;
  };
};

/** A double holds all digits of money up to this. */
const LARGEST_EXACT_MONEY = 900_719_925_474;

const moneyDecoder =
  (column: Column): Decode =>
  (value) => {
    if (typeof value === 'string') return value;
    const amount = Number(value);
    if (Math.abs(amount) <= LARGEST_EXACT_MONEY) return amount.toFixed(4);
    throw new WaybillError(
      'TYPE_UNSUPPORTED',
      `Column ${column.name} holds an amount of money that the driver cannot hand over exactly: cast it to decimal(19, 4) in the source.`,
      { column: column.name },
    );
  };

/** Makes the function that turns one result row into a Row, in place of the values it was given. */
export const formatRowDecoders = (columns: readonly Column[]): ((row: unknown[]) => Row) => {
  const decoders = columns.map(decoder);
  return (row) => {
    for (let i = 0; i < decoders.length; i++) {
      const value = row[i];
      row[i] = value === null || value === undefined ? null : (decoders[i] ?? text)(value);
    }
    return row as Row;
  };
};

/** As formatRowDecoders, for results with other columns besides: `places` says where each column stands. */
export const pickRowDecoders = (
  columns: readonly Column[],
  places: readonly number[],
): ((row: unknown[]) => Row) => {
  const decode = formatRowDecoders(columns);
  return (row) => decode(places.map((place) => row[place]));
};
