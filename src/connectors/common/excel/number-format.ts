// Excel keeps dates and times as numbers of days; only a cell's number format says that they are any.

import { plainDigits } from '../../../core/types/conversion.ts';

/** What a number format shows: a number, a date (perhaps with a time), a time of day, or elapsed hours. */
export type NumberKind = 'number' | 'date' | 'time' | 'elapsed';

/** Formats that every workbook has (ECMA-376 part 1, 18.8.30, with those of East Asian locales). */
const isBuiltInDate = (id: number): boolean =>
  (id >= 14 && id <= 17) || id === 22 || (id >= 27 && id <= 31) || id === 36 || (id >= 50 && id <= 58);
const isBuiltInTime = (id: number): boolean =>
  (id >= 18 && id <= 21) || id === 45 || id === 47 || (id >= 32 && id <= 35);
const ELAPSED = 46;

/** Of the format with this id; `code` is what the workbook says of it. */
export function numberKind(id: number, code: string | undefined): NumberKind {
  if (code === undefined) {
    if (id === ELAPSED) return 'elapsed';
    return isBuiltInDate(id) ? 'date' : isBuiltInTime(id) ? 'time' : 'number';
  }
  if (/\[(?:h+|m+|s+)\]/i.test(code)) return 'elapsed';
  // The first section is for positive numbers; quoted and escaped characters, colours and conditions are no format.
  const [plain = ''] = code.replace(/"[^"]*"|\\.|_.|\*.|\[[^\]]*\]|General/gi, '').split(';');
  if (/[yd]/i.test(plain) || (/m/i.test(plain) && !/[hs]/i.test(plain))) return 'date';
  return /[hs]/i.test(plain) ? 'time' : 'number';
}

const DAY = 86_400_000;
const EPOCH_1904 = Date.UTC(1904, 0, 1);
/** Day 1 is 1 January 1900, and day 60 a 29 February 1900 that never was. */
const EPOCH_1900 = Date.UTC(1899, 11, 30);
const FALSE_LEAP_DAY = 60;

const clock = (milliseconds: number, hours: number): string => {
  const pad = (value: number): string => String(value).padStart(2, '0');
  const rest = milliseconds % 3_600_000;
  const fraction = rest % 1000;
  const time = `${pad(hours)}:${pad(Math.floor(rest / 60_000))}:${pad(Math.floor((rest % 60_000) / 1000))}`;
  return fraction === 0 ? time : `${time}.${String(fraction).padStart(3, '0')}`;
};

/** A number as the text of what its format shows: 2024-02-29, 2024-02-29T13:14:15, 13:14:15; others without an exponent. */
export function shownNumber(text: string, kind: NumberKind, from1904: boolean): string {
  const serial = Number(text);
  if (kind === 'number' || !Number.isFinite(serial) || serial < 0) return plainDigits(text);
  const milliseconds = Math.round(serial * DAY);
  if (kind === 'elapsed' || (kind === 'time' && milliseconds < DAY))
    return clock(milliseconds, Math.floor(milliseconds / 3_600_000));
  const early = !from1904 && serial < FALSE_LEAP_DAY ? DAY : 0;
  const moment = new Date((from1904 ? EPOCH_1904 : EPOCH_1900) + early + milliseconds);
  // Beyond the year 9999 Excel shows no date either.
  if (Number.isNaN(moment.getTime()) || moment.getUTCFullYear() > 9999) return text;
  const [date = '', time = ''] = moment.toISOString().slice(0, -1).split('T');
  if (milliseconds % DAY === 0) return date;
  return `${date}T${time.replace(/\.000$/, '')}`;
}
