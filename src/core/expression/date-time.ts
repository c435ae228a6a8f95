// A .NET-like DateTime: 100 ns ticks, kind UTC or unspecified; parsing of the forms Data Factory accepts.
import { expressionError } from './expression-error.ts';

/** A point on the calendar. Without a time zone in its text it stays unspecified, and prints without `Z`. */
export interface DateTime {
  /** Milliseconds since 1970-01-01T00:00:00 on this value's own clock. */
  readonly milliseconds: number;
  /** 100 ns ticks beyond the milliseconds, 0 to 9999. */
  readonly ticks: number;
  readonly utc: boolean;
  /** Its text had an offset such as +02:00: it is in UTC now, and .NET prints that as `+00:00`, not `Z`. */
  readonly offset?: true;
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const TIME = String.raw`(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([ap]m)?`;
const ZONE = String.raw`\s*(z|gmt|utc|[+-]\d{1,2}(?::?\d{2})?)?`;
const ISO = new RegExp(String.raw`^(\d{4})-(\d{1,2})-(\d{1,2})(?:[t\s]\s*${TIME})?${ZONE}$`, 'i');
const SLASHED_YEAR_FIRST = new RegExp(String.raw`^(\d{4})/(\d{1,2})/(\d{1,2})(?:\s+${TIME})?${ZONE}$`, 'i');
const AMERICAN = new RegExp(String.raw`^(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})(?:\s+${TIME})?${ZONE}$`, 'i');
const DAY_FIRST = new RegExp(
  String.raw`^(?:[a-z]+,\s*)?(\d{1,2})[\s-]([a-z]{3,9})[\s-](\d{4})(?:\s+${TIME})?${ZONE}$`,
  'i',
);
const MONTH_FIRST = new RegExp(
  String.raw`^(?:[a-z]+,\s*)?([a-z]{3,9})\s+(\d{1,2}),?\s+(\d{4})(?:\s+${TIME})?${ZONE}$`,
  'i',
);

/** A month alone is its first day. */
const MONTH = /^(\d{4})[-/](\d{1,2})()$/;
const NAMED_MONTH = /^([a-z]{3,9}),?\s+(\d{4})()$/i;

/** Reads a timestamp: ISO 8601, RFC 1123, or the American forms that .NET's invariant culture reads. */
export function parseDateTime(name: string, text: string): DateTime {
  const value = text.trim();
  const fail = (): Error => expressionError(`${name}() cannot read "${value.slice(0, 60)}" as a timestamp`);
  const order: [RegExp, number, number, number][] = [
    [ISO, 1, 2, 3],
    [SLASHED_YEAR_FIRST, 1, 2, 3],
    [AMERICAN, 3, 1, 2],
    [DAY_FIRST, 3, 2, 1],
    [MONTH_FIRST, 3, 1, 2],
    [MONTH, 1, 2, 3],
    [NAMED_MONTH, 2, 1, 3],
  ];
  for (const [pattern, year, month, day] of order) {
    const found = pattern.exec(value);
    if (found === null) continue;
    const monthText = found[month] as string;
    const monthNumber = /^\d/.test(monthText)
      ? Number(monthText)
      : MONTHS.indexOf(monthText.slice(0, 3).toLowerCase()) + 1;
    return assemble(found, fullYear(found[year] as string), monthNumber, Number(found[day] || 1), fail);
  }
  throw fail();
}

/** .NET reads two digits as 1930 to 2029 (its invariant culture's TwoDigitYearMax is 2029). */
function fullYear(text: string): number {
  const year = Number(text);
  return text.length > 2 ? year : year + (year < 30 ? 2000 : 1900);
}

function assemble(
  found: RegExpExecArray,
  year: number,
  month: number,
  day: number,
  fail: () => Error,
): DateTime {
  let hour = Number(found[4] ?? 0);
  const minute = Number(found[5] ?? 0);
  const second = Number(found[6] ?? 0);
  // .NET keeps seven digits and rounds what is beyond.
  const fraction = Math.round(Number(`0.${found[7] ?? 0}`) * 10_000_000);
  const half = found[8]?.toLowerCase();
  if (half !== undefined) {
    if (hour < 1 || hour > 12) throw fail();
    hour = (hour % 12) + (half === 'pm' ? 12 : 0);
  }
  const date = new Date(Date.UTC(2000, month - 1, day, hour, minute, second));
  date.setUTCFullYear(year, month - 1, day);
  if (hour > 23 || minute > 59 || second > 59 || month < 1 || month > 12) throw fail();
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || year < 1) throw fail();
  const zone = found[9]?.toLowerCase();
  const milliseconds = date.getTime() + Math.floor(fraction / 10_000) - offsetOf(zone);
  const value = { milliseconds, ticks: fraction % 10_000, utc: zone !== undefined };
  return /^[+-]/.test(zone ?? '') ? { ...value, offset: true } : value;
}

/** Milliseconds that a clock with this zone text is ahead of UTC. */
function offsetOf(zone: string | undefined): number {
  const found = /^([+-])(\d{1,2}):?(\d{2})?$/.exec(zone ?? '');
  if (found === null) return 0;
  const size = (Number(found[2]) * 60 + Number(found[3] ?? 0)) * 60_000;
  return found[1] === '-' ? -size : size;
}

export const fromMilliseconds = (milliseconds: number): DateTime => ({ milliseconds, ticks: 0, utc: true });

const TIMES = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 604_800_000 };

/** Adds whole or fractional units. Months and years keep the day where the month has it, else take its last. */
export function addToDateTime(name: string, value: DateTime, amount: number, unit: string): DateTime {
  const key = unit.toLowerCase().replace(/s$/, '');
  const size = TIMES[key as keyof typeof TIMES];
  if (size !== undefined) return checked({ ...value, milliseconds: value.milliseconds + amount * size });
  if (key !== 'month' && key !== 'year')
    throw expressionError(`${name}() knows Second, Minute, Hour, Day, Week, Month and Year, not "${unit}"`);
  const date = new Date(value.milliseconds);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + amount * (key === 'year' ? 12 : 1));
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, last));
  return checked({ ...value, milliseconds: date.getTime() });
}

/** .NET's calendar runs from year 1 to 9999. */
function checked(value: DateTime): DateTime {
  if (value.milliseconds < -62_135_596_800_000 || value.milliseconds > 253_402_300_799_999)
    throw expressionError('The date lies outside the years 1 to 9999');
  return { ...value, milliseconds: Math.round(value.milliseconds) };
}
