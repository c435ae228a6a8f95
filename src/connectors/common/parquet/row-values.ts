// Rows of canonical text into Parquet pages. Exact for every interim type, or refused by the column's name.
import type { Row } from '../../../core/types/column.ts';
import { daysFromCivil } from './calendar.ts';
import { doesNotFit, fastLimit, writeSmall, writeUnits } from './decimal-values.ts';
import type { FileEncoder } from './file-encoder.ts';
import type { PageBuilder } from './page-builder.ts';
import { nullRefused } from './pg-binary.ts';

type Append = (builder: PageBuilder, text: string) => void;

const WHOLE = /^-?\d+$/;

const appendInteger =
  (min: number, max: number): Append =>
  (builder, text) => {
    const value = Number(text);
    if (!WHOLE.test(text) || value < min || value > max) {
      throw doesNotFit(builder.file.column, `it is not a whole number from ${min} to ${max}`);
    }
    builder.view.setInt32(builder.at, value, true);
    builder.at += 4;
  };

const appendInt64: Append = (builder, text) => {
  if (!WHOLE.test(text)) throw doesNotFit(builder.file.column, 'it is not a whole number');
  if (text.length <= 15) {
    writeSmall(builder, Number(text));
    return;
  }
  const value = BigInt(text);
  if (BigInt.asIntN(64, value) !== value)
    throw doesNotFit(builder.file.column, 'it does not fit into 64 bits');
  builder.view.setBigInt64(builder.at, value, true);
  builder.at += 8;
};

const DECIMAL = /^-?\d+(\.\d+)?$/;

/** The text's digits without the point, brought to the column's scale. */
const appendDecimal: Append = (builder, text) => {
  const { column, precision, scale } = builder.file;
  if (!DECIMAL.test(text)) throw doesNotFit(column, 'it is not a decimal number');
  const point = text.indexOf('.');
  let digits = text;
  if (point >= 0) {
    const kept = text.slice(point + 1, point + 1 + scale);
    if (/[1-9]/.test(text.slice(point + 1 + scale))) {
      throw doesNotFit(column, `it has more than ${scale} digits after the point`);
    }
    digits = text.slice(0, point) + kept.padEnd(scale, '0');
  } else if (scale > 0) digits = text + '0'.repeat(scale);
  if (digits.length <= 15) {
    const units = Number(digits);
    if (Math.abs(units) <= fastLimit(precision)) {
      writeSmall(builder, units);
      return;
    }
  }
  writeUnits(builder, BigInt(digits));
};

const numberOf = (builder: PageBuilder, text: string): number => {
  const value = Number(text);
  if (text === '' || (Number.isNaN(value) && text !== 'NaN'))
    throw doesNotFit(builder.file.column, 'it is not a number');
  return value;
};

const appendBoolean: Append = (builder, text) => {
  if (text === '1') {
    const { at } = builder;
    builder.bytes[at >> 3] = (builder.bytes[at >> 3] as number) | (1 << (at & 7));
  } else if (text !== '0') throw doesNotFit(builder.file.column, 'it is neither 1 nor 0');
  builder.at++;
};

const appendText: Append = (builder, text) => {
  // A UTF-16 unit becomes three bytes at most.
  builder.reserve(4 + text.length * 3);
  const length = builder.bytes.write(text, builder.at + 4, 'utf8');
  builder.view.setInt32(builder.at, length, true);
  builder.at += 4 + length;
};

const appendHex: Append = (builder, text) => {
  const length = text.length >> 1;
  builder.reserve(4 + length);
  if (builder.bytes.write(text, builder.at + 4, 'hex') !== length || text.length % 2 !== 0) {
    throw doesNotFit(builder.file.column, 'it is not hexadecimal');
  }
  builder.view.setInt32(builder.at, length, true);
  builder.at += 4 + length;
};

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const appendGuid: Append = (builder, text) => {
  if (!GUID.test(text)) throw doesNotFit(builder.file.column, 'it is not a GUID');
  appendText(builder, text.toLowerCase());
};

/** Number of the two digits at `at`; NaN-free because the pattern was checked before. */
const two = (text: string, at: number): number => text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;

const DATE = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;

const daysOf = (builder: PageBuilder, text: string): number => {
  const year = two(text, 0) * 100 + two(text, 2);
  const days = daysFromCivil(year, two(text, 5), two(text, 8));
  if (!DATE.test(text) || days === undefined) throw doesNotFit(builder.file.column, 'it is not a date');
  return days;
};

const appendDate: Append = (builder, text) => {
  builder.view.setInt32(builder.at, daysOf(builder, text), true);
  builder.at += 4;
};

const TIME = /^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?$/;

/** Microseconds since midnight of "13:14:15.123456"; further digits must be zeros. */
const microsOf = (builder: PageBuilder, text: string): number => {
  if (!TIME.test(text)) throw doesNotFit(builder.file.column, 'it is not a time of day');
  const seconds = two(text, 0) * 3_600 + two(text, 3) * 60 + two(text, 6);
  const fraction = text.slice(9);
  if (/[1-9]/.test(fraction.slice(6)))
    throw doesNotFit(builder.file.column, 'it has more than 6 fractional digits of a second');
  return seconds * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
};

const appendTime: Append = (builder, text) => writeSmall(builder, microsOf(builder, text));

const DAY_MICROS = 86_400_000_000;

const appendInstant: Append = (builder, text) => {
  const zoned = builder.file.column.type === 'DateTimeOffset';
  if (text[10] !== 'T' || text.endsWith('Z') !== zoned)
    throw doesNotFit(builder.file.column, `it is not a date and time ${zoned ? 'in UTC' : 'without zone'}`);
  const days = daysOf(builder, text.slice(0, 10));
  const micros = microsOf(builder, text.slice(11, zoned ? -1 : undefined));
  const total = days * DAY_MICROS + micros;
  if (Number.isSafeInteger(total)) {
    writeSmall(builder, total);
    return;
  }
  builder.view.setBigInt64(builder.at, BigInt(days) * BigInt(DAY_MICROS) + BigInt(micros), true);
  builder.at += 8;
};

const appendFor = (builder: PageBuilder): Append => {
  switch (builder.file.column.type) {
    case 'Int16':
      return appendInteger(-32_768, 32_767);
    case 'Int32':
      return appendInteger(-2_147_483_648, 2_147_483_647);
    case 'Int64':
      return appendInt64;
    case 'Decimal':
      return appendDecimal;
    case 'Single':
      return (to, text) => {
        to.view.setFloat32(to.at, numberOf(to, text), true);
        to.at += 4;
      };
    case 'Double':
      return (to, text) => {
        to.view.setFloat64(to.at, numberOf(to, text), true);
        to.at += 8;
      };
    case 'Boolean':
      return appendBoolean;
    case 'String':
      return appendText;
    case 'Date':
      return appendDate;
    case 'DateTime':
    case 'DateTimeOffset':
      return appendInstant;
    case 'TimeSpan':
      return appendTime;
    case 'Guid':
      return appendGuid;
    case 'Byte[]':
      return appendHex;
  }
};

/** Appends batches of rows to an encoder. */
export class RowAppender {
  readonly #encoder: FileEncoder;
  readonly #appends: readonly Append[];

  constructor(encoder: FileEncoder) {
    this.#encoder = encoder;
    this.#appends = encoder.builders.map(appendFor);
  }

  append(rows: readonly Row[]): void {
    for (let next = 0; next < rows.length; ) {
      const { row, runRows, runBytes } = this.#encoder;
      let last = row;
      let characters = 0;
      while (next < rows.length && last < row + runRows && characters < runBytes) {
        characters += this.#row(rows[next++] as Row, last++);
      }
      this.#encoder.advance(last - row, characters);
    }
  }

  #row(values: Row, row: number): number {
    const { builders } = this.#encoder;
    let characters = 0;
    for (let i = 0; i < builders.length; i++) {
      const builder = builders[i] as PageBuilder;
      const value = values[i];
      if (value === null || value === undefined) {
        if (!builder.file.optional) throw nullRefused(builder);
        continue;
      }
      const inPage = row - builder.firstRow;
      const { levels } = builder;
      levels[inPage >> 3] = (levels[inPage >> 3] as number) | (1 << (inPage & 7));
      (this.#appends[i] as Append)(builder, value);
      characters += value.length;
    }
    return characters;
  }
}
