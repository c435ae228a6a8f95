// A schedule trigger's recurrence as its definition writes it.
import { ianaZone } from '../expression/time-zones.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { fromLocal } from './calendar.ts';
import { asObject, type Reader } from './read-json.ts';
import type { Frequency, Recurrence, RecurrenceSchedule } from './recurrence.ts';

const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const PATH = ['typeProperties', 'recurrence'];
const FREQUENCIES = ['Minute', 'Hour', 'Day', 'Week', 'Month', 'Year'] as const;

/** Undefined after telling why it is none. */
export function compileRecurrence(typeProperties: JsonObject, reader: Reader): Recurrence | undefined {
  const written = asObject(typeProperties['recurrence']);
  if (written === undefined) {
    reader.fault(['typeProperties', 'recurrence'], 'a ScheduleTrigger has a "recurrence"');
    return undefined;
  }
  const frequency = reader.word(written, 'frequency', FREQUENCIES, PATH);
  const interval = reader.whole(written, 'interval', { least: 1, most: 10_000, otherwise: 1, at: PATH });
  const timeZone = zoneOf(written['timeZone'], reader);
  if (frequency === undefined || timeZone === undefined) return undefined;
  const toInstant = (reading: number): number => fromLocal(timeZone, reading);
  const start = reader.instant(written, 'startTime', { toInstant, at: PATH });
  const end = reader.instant(written, 'endTime', { toInstant, at: PATH });
  const schedule = scheduleOf(asObject(written['schedule']), reader);
  const yearly = frequency === 'Year';
  return {
    frequency: yearly ? 'Month' : (frequency satisfies Frequency),
    interval: yearly ? interval * 12 : interval,
    // Real definitions always have one; the epoch keeps what goes without on round times.
    start: start ?? 0,
    ...(end === undefined ? {} : { end }),
    timeZone,
    ...(schedule === undefined ? {} : { schedule }),
  };
}

function zoneOf(written: JsonValue | undefined, reader: Reader): string | undefined {
  const name = written === undefined || written === null || written === '' ? 'UTC' : String(written);
  const zone = ianaZone(name);
  if (zone === undefined) reader.fault([...PATH, 'timeZone'], `there is no time zone "${name}"`);
  return zone;
}

function scheduleOf(written: JsonObject | undefined, reader: Reader): RecurrenceSchedule | undefined {
  if (written === undefined) return undefined;
  const list = (key: string, from: number, to: number): number[] =>
    values(written[key]).flatMap((value, index) => {
      const number = Number(value);
      if (
        Number.isInteger(number) &&
        number >= from &&
        number <= to &&
        !(key === 'monthDays' && number === 0)
      )
        return [number];
      reader.fault(
        [...PATH, 'schedule', key, index],
        `${JSON.stringify(value)} is not from ${from} to ${to}`,
      );
      return [];
    });
  const schedule: RecurrenceSchedule = {
    minutes: list('minutes', 0, 59),
    hours: list('hours', 0, 23),
    monthDays: list('monthDays', -31, 31),
    weekDays: values(written['weekDays']).flatMap((value, index) =>
      dayOf(value, [...PATH, 'schedule', 'weekDays', index], reader),
    ),
    monthlyOccurrences: values(written['monthlyOccurrences']).flatMap((value, index) =>
      occurrenceOf(asObject(value), [...PATH, 'schedule', 'monthlyOccurrences', index], reader),
    ),
  };
  return Object.values(schedule).every((entries: readonly unknown[]) => entries.length === 0)
    ? undefined
    : schedule;
}

const values = (written: JsonValue | undefined): JsonValue[] =>
  written === undefined || written === null ? [] : Array.isArray(written) ? written : [written];

function dayOf(value: JsonValue | undefined, path: (string | number)[], reader: Reader): number[] {
  const day = DAYS.indexOf(String(value).toLowerCase());
  if (day >= 0) return [day];
  reader.fault(path, `${JSON.stringify(value ?? null)} is no day of the week`);
  return [];
}

function occurrenceOf(
  value: JsonObject | undefined,
  path: (string | number)[],
  reader: Reader,
): { day: number; occurrence: number }[] {
  const occurrence = Number(value?.['occurrence'] ?? 1);
  if (!Number.isInteger(occurrence) || occurrence === 0 || Math.abs(occurrence) > 5) {
    reader.fault([...path, 'occurrence'], 'an occurrence is from 1 to 5, or from -5 to -1');
    return [];
  }
  return dayOf(value?.['day'], [...path, 'day'], reader).map((day) => ({ day, occurrence }));
}
