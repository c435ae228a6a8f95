// Date functions. Without a format they print .NET's "o": seven digits of a second, and Z for UTC.
import type { JsonValue } from '../../json.ts';
import { formatDateTime } from '../date-format.ts';
import { addToDateTime, type DateTime, fromMilliseconds, parseDateTime } from '../date-time.ts';
import { expressionError } from '../expression-error.ts';
import { fromZone, toZone } from '../time-zones.ts';
import { type FunctionEntry, inInt64, integer, plain, text } from './define.ts';

const read = (name: string, value: JsonValue | undefined): DateTime => parseDateTime(name, text(name, value));

const print = (
  name: string,
  value: DateTime,
  format: JsonValue | undefined,
  culture?: JsonValue | undefined,
): string =>
  formatDateTime(
    value,
    format === undefined || format === null || format === '' ? 'o' : text(name, format),
    culture === undefined || culture === null ? undefined : text(name, culture),
  );

/** A whole or fractional number, also as text. */
function amount(name: string, value: JsonValue | undefined): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw expressionError(`${name}() wants a number`);
}

const adder = (name: string, unit: string): FunctionEntry =>
  plain(name, 2, 3, ([timestamp, count, format]) =>
    print(name, addToDateTime(name, read(name, timestamp), amount(name, count), unit), format),
  );

const shifter = (name: string, sign: 1 | -1): FunctionEntry =>
  plain(name, 3, 4, ([timestamp, count, unit, format]) =>
    print(
      name,
      addToDateTime(name, read(name, timestamp), sign * integer(name, count), text(name, unit)),
      format,
    ),
  );

const fromNow = (name: string, sign: 1 | -1): FunctionEntry =>
  plain(name, 2, 3, ([count, unit, format], context) =>
    print(
      name,
      addToDateTime(name, fromMilliseconds(context.now()), sign * integer(name, count), text(name, unit)),
      format,
    ),
  );

const starter = (name: string, cut: (date: Date) => void): FunctionEntry =>
  plain(name, 1, 2, ([timestamp, format]) => {
    const value = read(name, timestamp);
    const date = new Date(value.milliseconds);
    cut(date);
    return print(name, { ...value, milliseconds: date.getTime(), ticks: 0 }, format);
  });

function dayOfYear(milliseconds: number): number {
  const date = new Date(milliseconds);
  const start = new Date(milliseconds);
  start.setUTCMonth(0, 1);
  return Math.round((date.getTime() - start.getTime()) / 86_400_000) + 1;
}

/** Ticks of 100 ns since 0001-01-01. */
const ticks = (value: DateTime): number | bigint =>
  inInt64('ticks', BigInt(value.milliseconds + 62_135_596_800_000) * 10_000n + BigInt(value.ticks));

/** Data Factory refuses a timestamp that says Z beside a zone that is not UTC. */
function fromOwnZone(value: DateTime, zone: string): DateTime {
  if (value.utc && value.offset !== true && !/^(etc\/)?utc$/i.test(zone.trim()))
    throw expressionError(
      `convertToUtc() was given a timestamp in UTC and the time zone "${zone.slice(0, 60)}"`,
    );
  return fromZone(value, zone);
}

export const DATE: FunctionEntry[] = [
  adder('addDays', 'Day'),
  adder('addHours', 'Hour'),
  adder('addMinutes', 'Minute'),
  adder('addSeconds', 'Second'),
  shifter('addToTime', 1),
  shifter('subtractFromTime', -1),
  fromNow('getFutureTime', 1),
  fromNow('getPastTime', -1),
  plain('convertFromUtc', 2, 3, ([timestamp, zone, format]) =>
    print('convertFromUtc', toZone(read('convertFromUtc', timestamp), text('convertFromUtc', zone)), format),
  ),
  plain('convertToUtc', 2, 3, ([timestamp, zone, format]) =>
    print('convertToUtc', fromOwnZone(read('convertToUtc', timestamp), text('convertToUtc', zone)), format),
  ),
  plain('convertTimeZone', 3, 4, ([timestamp, from, to, format]) => {
    const instant = fromZone(read('convertTimeZone', timestamp), text('convertTimeZone', from));
    return print('convertTimeZone', toZone(instant, text('convertTimeZone', to)), format);
  }),
  plain('dayOfMonth', 1, 1, ([a]) => new Date(read('dayOfMonth', a).milliseconds).getUTCDate()),
  plain('dayOfWeek', 1, 1, ([a]) => new Date(read('dayOfWeek', a).milliseconds).getUTCDay()),
  plain('dayOfYear', 1, 1, ([a]) => dayOfYear(read('dayOfYear', a).milliseconds)),
  plain('formatDateTime', 1, 3, ([a, format, culture]) =>
    print('formatDateTime', read('formatDateTime', a), format, culture),
  ),
  starter('startOfDay', (date) => date.setUTCHours(0, 0, 0, 0)),
  starter('startOfHour', (date) => date.setUTCMinutes(0, 0, 0)),
  starter('startOfMonth', (date) => {
    date.setUTCDate(1);
    date.setUTCHours(0, 0, 0, 0);
  }),
  plain('ticks', 1, 1, ([a]) => ticks(read('ticks', a))),
  plain('utcNow', 0, 1, ([format], context) => print('utcNow', fromMilliseconds(context.now()), format)),
];
