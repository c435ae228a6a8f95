// Values as mysql2 hands them over (numbers, strings, buffers) to canonical texts.
import { WaybillError } from '../../core/errors.ts';
import type { Column, Row } from '../../core/types/column.ts';
import type { ZeroDates } from './config.ts';

type Decode = (value: unknown) => string | null;

/** Why a value cannot be carried; the row's decoder adds which one it is. */
class Unfit extends Error {}

/** "0000-00-00", and dates whose month or day alone is zero. */
const isZeroDate = (text: string): boolean =>
  text.startsWith('0000-00-00') || text.startsWith('00', 5) || text.startsWith('00', 8);

const ZEROS = '000000';

/** "2024-02-29 13:14:15.5" to "2024-02-29T13:14:15.500000". */
const instant = (text: string): string => {
  const fraction = text.length > 20 ? text.slice(20) : '';
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction}${ZEROS.slice(fraction.length)}`;
};

const calendar =
  (zeroDates: ZeroDates, shape: (text: string) => string): Decode =>
  (value) => {
    const text = String(value);
    if (!isZeroDate(text)) return shape(text);
    if (zeroDates === 'null') return null;
    throw new Unfit(
      'holds a zero date. Set "convertZeroDateTime": true on the linked service to read such dates as NULL',
    );
  };

const clock: Decode = (value) => {
  const match = /^(\d\d):(\d\d:\d\d)(?:\.(\d+))?$/.exec(String(value));
  if (match === null || Number(match[1]) > 23) {
    throw new Unfit(
      'holds a time outside 00:00:00 to 23:59:59.999999, which no other store keeps; cast it in a query',
    );
  }
  return `${match[1]}:${match[2]}.${(match[3] ?? '').padEnd(6, '0')}`;
};

const truth: Decode = (value) => {
  const number = Buffer.isBuffer(value) ? value[0] : value;
  if (number === 1 || number === '1') return '1';
  if (number === 0 || number === '0') return '0';
  throw new Unfit(
    'is a tinyint(1) with a value other than 0 and 1. Set "treatTinyAsBoolean": false on the linked service to read it as a number',
  );
};

const SMALLEST_NORMAL = 2 ** -126;

/** The shortest text that reads back to the same 32-bit number. */
const single: Decode = (value) => {
  const number = Math.fround(Number(value));
  // Six digits without their zeros are the shortest already, but for numbers that have less precision than that.
  for (let digits = Math.abs(number) < SMALLEST_NORMAL ? 1 : 6; digits < 9; digits++) {
    const text = number.toPrecision(digits);
    if (Math.fround(Number(text)) === number) return String(Number(text));
  }
  return String(Number(number.toPrecision(9)));
};

const hexadecimal: Decode = (value) =>
  (Buffer.isBuffer(value) ? value : Buffer.from(String(value), 'utf8')).toString('hex').toUpperCase();

const asText: Decode = (value) => (typeof value === 'string' ? value : bytesText(value));
const bytesText = (value: unknown): string =>
  Buffer.isBuffer(value) ? value.toString('utf8') : String(value);

/** Undefined where a string already is the text. */
const decoderOf = (column: Column, zeroDates: ZeroDates): Decode | undefined => {
  switch (column.type) {
    case 'Boolean':
      return truth;
    case 'Date':
      return calendar(zeroDates, (text) => text);
    case 'DateTime':
      return calendar(zeroDates, instant);
    case 'DateTimeOffset':
      return calendar(zeroDates, (text) => `${instant(text)}Z`);
    case 'TimeSpan':
      return clock;
    case 'Single':
      return single;
    case 'Double':
      return (value) => String(Number(value));
    case 'Byte[]':
      return hexadecimal;
    case 'Guid':
      return (value) => bytesText(value).toLowerCase();
    case 'String':
      return asText;
    default:
      return undefined;
  }
};

/** A decoder of whole rows, in place. A value that cannot be carried fails with its column and row, never itself. */
export const rowDecoder = (
  columns: readonly Column[],
  zeroDates: ZeroDates,
  keyColumn: string | undefined,
): ((values: unknown[]) => Row) => {
  const decoders = columns.map((column) => decoderOf(column, zeroDates));
  const key = columns.findIndex((column) => column.name === keyColumn);
  let rows = 0;
  const place = (values: unknown[]): string =>
    key < 0 ? `row ${rows} of its range` : `the row where ${keyColumn} is ${String(values[key])}`;
  return (values) => {
    rows++;
    let i = 0;
    try {
      for (; i < decoders.length; i++) {
        const value = values[i];
        if (value === null) continue;
        const decode = decoders[i];
        if (decode !== undefined) values[i] = decode(value);
        else if (typeof value !== 'string') values[i] = String(value);
      }
      return values as Row;
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      const { name = '', native = '' } = columns[i] ?? {};
      throw new WaybillError(
        'SINK_TYPE_OVERFLOW',
        `MySQL: column ${name} (${native}) of ${place(values)} ${error.message}.`,
        { column: name, type: native, row: rows },
      );
    }
  };
};
