// Canonical texts of dates and times as TDS holds them: days since a day zero, units of a fraction of a second.
import type { RowBuffer } from './row-buffer.ts';

const DAYS_0001_TO_1970 = 719_162;
const DAYS_1900_TO_1970 = 25_567;
const DAY_MILLISECONDS = 86_400_000;
const TICKS_A_DAY = 25_920_000;

/** The text names no day or time that SQL Server has. */
class NotATime extends RangeError {}

const digits = (text: string, from: number, to: number): number => {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) throw new NotATime('not a digit');
    value = value * 10 + digit;
  }
  return value;
};

/** Days from 1970-01-01 to the "YYYY-MM-DD" that `text` begins with. */
const daysFrom1970 = (text: string): number => {
  const year = digits(text, 0, 4);
  if (text[4] !== '-' || text[7] !== '-' || year < 1) throw new NotATime('not a date');
  // Date.UTC takes the years 0 to 99 for 1900 to 1999; 400 years have always the same number of days.
  return Date.UTC(year + 400, digits(text, 5, 7) - 1, digits(text, 8, 10)) / DAY_MILLISECONDS - 146_097;
};

/** Whole seconds of the day at `at`: "HH:MM:SS". */
const secondsOfDay = (text: string, at: number): number =>
  (digits(text, at, at + 2) * 60 + digits(text, at + 3, at + 5)) * 60 + digits(text, at + 6, at + 8);

/** The fraction of a second after `at` in units of 10^-scale; finer digits are cut. */
const fraction = (text: string, at: number, scale: number): number => {
  let value = 0;
  for (let i = 1; i <= scale; i++) {
    const digit = text.charCodeAt(at + i) - 48;
    value = value * 10 + (digit >= 0 && digit <= 9 ? digit : 0);
    if (!(digit >= 0 && digit <= 9)) return value * 10 ** (scale - i);
  }
  return value;
};

const writeTime = (out: RowBuffer, text: string, at: number, scale: number): void => {
  const units =
    secondsOfDay(text, at) * 10 ** scale + (text[at + 8] === '.' ? fraction(text, at + 8, scale) : 0);
  out.unsigned(units, timeBytes(scale));
};

const timeBytes = (scale: number): number => (scale <= 2 ? 3 : scale <= 4 ? 4 : 5);

/** "2024-02-29" as date. */
export const writeDate = (out: RowBuffer, text: string): void => {
  const days = daysFrom1970(text);
  out.u8(3);
  out.unsigned(days + DAYS_0001_TO_1970, 3);
};

/** "13:14:15.123456" as time. */
export const writeClock = (out: RowBuffer, text: string, scale: number): void => {
  out.u8(timeBytes(scale));
  writeTime(out, text, 0, scale);
};

/** "2024-02-29T13:14:15.123456" as datetime2. */
export const writeDateTime2 = (out: RowBuffer, text: string, scale: number): void => {
  out.u8(timeBytes(scale) + 3);
  writeTime(out, text, 11, scale);
  out.unsigned(daysFrom1970(text) + DAYS_0001_TO_1970, 3);
};

/** "2024-02-29T13:14:15.123456Z" as datetimeoffset, with an offset of zero. */
export const writeDateTimeOffset = (out: RowBuffer, text: string, scale: number): void => {
  out.u8(timeBytes(scale) + 5);
  writeTime(out, text, 11, scale);
  out.unsigned(daysFrom1970(text) + DAYS_0001_TO_1970, 3);
  out.u16(0);
};

/** As datetime, which counts 1/300 s and shows milliseconds: a moment that it would show as another does not fit. */
export const writeDateTime = (out: RowBuffer, text: string): void => {
  const micros = text[19] === '.' ? fraction(text, 19, 6) : 0;
  const part = Math.round((micros * 3) / 10_000);
  if (Math.round((part * 10) / 3) * 1000 !== micros) throw new NotATime('not a moment of datetime');
  const ticks = secondsOfDay(text, 11) * 300 + part;
  const days = daysFrom1970(text) + DAYS_1900_TO_1970 + (ticks === TICKS_A_DAY ? 1 : 0);
  out.u8(8);
  out.u32(days < 0 ? days + 2 ** 32 : days);
  out.u32(ticks % TICKS_A_DAY);
};

const LAST_SMALL_DAY = 65_535;

/** As smalldatetime, which counts minutes from 1900 to 2079. */
export const writeSmallDateTime = (out: RowBuffer, text: string): void => {
  const days = daysFrom1970(text) + DAYS_1900_TO_1970;
  const seconds = secondsOfDay(text, 11);
  if (days < 0 || days > LAST_SMALL_DAY || seconds % 60 !== 0 || /[^0.]/.test(text.slice(19)))
    throw new NotATime('not a moment of smalldatetime');
  out.u8(4);
  out.u16(days);
  out.u16(seconds / 60);
};
