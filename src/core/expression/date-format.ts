// Prints a DateTime with .NET's standard and custom format strings, in en-US unless a culture is named.
import { datePatterns, isEnglish, nameIn } from './date-cultures.ts';
import type { DateTime } from './date-time.ts';
import { expressionError } from './expression-error.ts';

const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

const ROUND_TRIP = "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK";
const RFC1123 = "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'";

/** The custom format behind a standard one, and the culture it prints in; undefined where there is none. */
function standard(letter: string, culture: string): { format: string; culture: string } | undefined {
  const { shortDate, longDate, shortTime, longTime, monthDay, yearMonth } = datePatterns(culture);
  const everywhere: Readonly<Record<string, string>> = {
    o: ROUND_TRIP,
    O: ROUND_TRIP,
    r: RFC1123,
    R: RFC1123,
    s: "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
    u: "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
  };
  const invariant = everywhere[letter];
  if (invariant !== undefined) return { format: invariant, culture: 'en-US' };
  const chosen: Readonly<Record<string, string>> = {
    d: shortDate,
    D: longDate,
    f: `${longDate} ${shortTime}`,
    F: `${longDate} ${longTime}`,
    g: `${shortDate} ${shortTime}`,
    G: `${shortDate} ${longTime}`,
    m: monthDay,
    M: monthDay,
    t: shortTime,
    T: longTime,
    U: `${longDate} ${longTime}`,
    y: yearMonth,
    Y: yearMonth,
  };
  const format = chosen[letter];
  return format === undefined ? undefined : { format, culture };
}

/** Prints with a .NET format string; one letter alone is a standard format. */
export function formatDateTime(value: DateTime, format: string, culture = 'en-US'): string {
  if (format.length === 1) {
    const found = standard(format, culture);
    if (found === undefined) throw expressionError(`"${format}" is not a date format`);
    return custom(value, found.format, found.culture);
  }
  return custom(value, format, culture);
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

function custom(value: DateTime, format: string, culture: string): string {
  const date = new Date(value.milliseconds);
  let out = '';
  let i = 0;
  while (i < format.length) {
    const character = format[i] as string;
    if (character === "'" || character === '"') {
      const end = format.indexOf(character, i + 1);
      if (end < 0) throw expressionError(`The date format "${format}" has an open quote`);
      out += format.slice(i + 1, end);
      i = end + 1;
    } else if (character === '\\') {
      out += format[i + 1] ?? '';
      i += 2;
    } else if (character === '%') {
      i += 1;
    } else {
      let length = 1;
      while (format[i + length] === character) length++;
      out += field(character, length, date, value, culture);
      // ".FFFFFFF" with nothing to print takes its point along.
      if (character === 'F' && out.endsWith('.')) out = out.slice(0, -1);
      i += length;
    }
  }
  return out;
}

function field(character: string, length: number, date: Date, value: DateTime, culture: string): string {
  const english = isEnglish(culture);
  switch (character) {
    case 'd':
      if (length >= 3 && !english) return nameIn(culture, date, 'weekday', length);
      if (length >= 3) return (DAYS[date.getUTCDay()] as string).slice(0, length === 3 ? 3 : undefined);
      return pad(date.getUTCDate(), length);
    case 'M':
      if (length >= 3 && !english) return nameIn(culture, date, 'month', length);
      if (length >= 3) return (MONTHS[date.getUTCMonth()] as string).slice(0, length === 3 ? 3 : undefined);
      return pad(date.getUTCMonth() + 1, length);
    case 'y':
      return length <= 2 ? pad(date.getUTCFullYear() % 100, length) : pad(date.getUTCFullYear(), length);
    case 'H':
      return pad(date.getUTCHours(), Math.min(length, 2));
    case 'h':
      return pad(date.getUTCHours() % 12 || 12, Math.min(length, 2));
    case 'm':
      return pad(date.getUTCMinutes(), Math.min(length, 2));
    case 's':
      return pad(date.getUTCSeconds(), Math.min(length, 2));
    case 'f':
    case 'F': {
      if (length > 7) throw expressionError('A date format has at most seven digits of a second');
      const fraction = pad(date.getUTCMilliseconds() * 10_000 + value.ticks, 7).slice(0, length);
      return character === 'f' ? fraction : fraction.replace(/0+$/, '');
    }
    case 't': {
      const half = date.getUTCHours() < 12 ? 'AM' : 'PM';
      return length === 1 ? half.slice(0, 1) : half;
    }
    case 'g':
      return 'A.D.';
    case 'K':
      return value.utc ? (value.offset === true ? '+00:00' : 'Z') : '';
    case 'z':
      return ['+0', '+00', '+00:00'][Math.min(length, 3) - 1] as string;
    case '/':
      return datePatterns(culture).separator.repeat(length);
    default:
      return character.repeat(length);
  }
}
