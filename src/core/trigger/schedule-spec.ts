// A recurrence as a Temporal Schedule's specification. Where that cannot say it exactly it fires more often, and who is
// started then asks whether the time is due.
import { DAY, gapsBetween, HOUR, MINUTE, offsetAt, toLocal } from './calendar.ts';
import { dueTimes, type Recurrence, timesOfDay, weekDaysOf } from './recurrence.ts';

interface Range {
  readonly start: number;
  readonly end: number;
}

/** A calendar of Temporal's: a time matches where every field that is there does. */
export interface CalendarFields {
  readonly second: number;
  readonly minute: number[];
  readonly hour: number;
  /** 0 is Sunday. */
  readonly dayOfWeek?: number[];
  readonly dayOfMonth?: Range[];
  /** From 1. */
  readonly month?: number[];
  readonly year?: number;
}

export interface TriggerSchedule {
  readonly intervals: { readonly every: number; readonly offset: number }[];
  readonly calendars: CalendarFields[];
  readonly timeZone: string;
  readonly start: number;
  readonly end?: number;
  /** Whether every time it fires at is due. */
  readonly exact: boolean;
}

/** For how long the jumps of clocks are looked up: back for backfills. */
const YEARS_BACK = 2;
const YEARS_AHEAD = 10;
const YEAR = 366 * DAY;

/** `now` in ms since epoch: jumps of the clock are looked up around it. */
export function scheduleSpec(recurrence: Recurrence, now: number): TriggerSchedule {
  const { start, end, timeZone } = recurrence;
  const common = { timeZone, start, ...(end === undefined ? {} : { end }) };
  const intervals = intervalsOf(recurrence);
  if (intervals !== undefined) {
    const lists = recurrence.schedule;
    const filtered =
      lists !== undefined &&
      (lists.hours.length > 0 ||
        lists.weekDays.length > 0 ||
        (recurrence.frequency === 'Minute' && lists.minutes.length > 0));
    return { ...common, intervals, calendars: [], exact: !filtered };
  }
  const { calendars, exact } = calendarsOf(recurrence);
  return { ...common, intervals: [], calendars: [...calendars, ...jumpedOver(recurrence, now)], exact };
}

/** Minutes and hours, counted on from the start. */
function intervalsOf({
  frequency,
  interval,
  start,
  timeZone,
  schedule,
}: Recurrence): TriggerSchedule['intervals'] | undefined {
  if (frequency !== 'Minute' && frequency !== 'Hour') return undefined;
  const every = interval * (frequency === 'Minute' ? MINUTE : HOUR);
  const minutes = frequency === 'Hour' ? (schedule?.minutes ?? []) : [];
  const hour = start - (toLocal(timeZone, start) % HOUR);
  const firsts = minutes.length === 0 ? [start] : minutes.map((minute) => hour + minute * MINUTE);
  return [...new Set(firsts)].map((first) => ({ every, offset: first % every }));
}

function calendarsOf(recurrence: Recurrence): { calendars: CalendarFields[]; exact: boolean } {
  const { frequency, interval } = recurrence;
  const days =
    frequency === 'Month'
      ? monthDays(recurrence)
      : { fields: [weekFields(recurrence)], exact: interval === 1 };
  const clock = new Map<number, number[]>();
  const seconds = (timesOfDay(recurrence)[0] ?? 0) % MINUTE;
  for (const time of timesOfDay(recurrence)) {
    const hour = Math.floor(time / HOUR);
    clock.set(hour, [...(clock.get(hour) ?? []), Math.floor((time % HOUR) / MINUTE)]);
  }
  const calendars = days.fields.flatMap((fields) =>
    [...clock].map(([hour, minute]) => ({ second: Math.floor(seconds / 1000), minute, hour, ...fields })),
  );
  return { calendars, exact: days.exact };
}

type DayFields = Pick<CalendarFields, 'dayOfWeek' | 'dayOfMonth' | 'month'>;

const weekFields = (recurrence: Recurrence): DayFields => {
  const named =
    recurrence.frequency === 'Week' ? weekDaysOf(recurrence) : (recurrence.schedule?.weekDays ?? []);
  return named.length === 0 ? {} : { dayOfWeek: [...named] };
};

function monthDays(recurrence: Recurrence): { fields: DayFields[]; exact: boolean } {
  const { interval, start, timeZone, schedule } = recurrence;
  const { month, exact: monthsExact } = months(recurrence);
  const named = schedule?.weekDays ?? [];
  const common: DayFields = { ...month, ...(named.length === 0 ? {} : { dayOfWeek: [...named] }) };
  const fields: DayFields[] = [];
  let exact = monthsExact && interval >= 1;
  const add = (from: number, to: number, more: DayFields = {}): void => {
    fields.push({ ...common, ...more, dayOfMonth: [{ start: Math.max(1, from), end: Math.min(31, to) }] });
  };
  for (const day of schedule?.monthDays ?? []) {
    if (day > 0) add(day, day);
    else {
      // The month's last day is one of four.
      add(29 + day, 32 + day);
      exact = false;
    }
  }
  for (const { day, occurrence } of schedule?.monthlyOccurrences ?? []) {
    if (occurrence > 0) add(occurrence * 7 - 6, occurrence * 7, { dayOfWeek: [day] });
    else {
      add(29 + occurrence * 7, 38 + occurrence * 7, { dayOfWeek: [day] });
      exact = false;
    }
  }
  if (fields.length > 0) return { fields, exact };
  if (named.length > 0) return { fields: [common], exact };
  const own = new Date(toLocal(timeZone, start)).getUTCDate();
  add(Math.min(own, 28), own);
  return { fields, exact: exact && own <= 28 };
}

/** The months of the year in which a monthly recurrence may fire. */
function months({ interval, start, timeZone }: Recurrence): { month: DayFields; exact: boolean } {
  const step = divisor(interval, 12);
  if (step === 1) return { month: {}, exact: interval === 1 };
  const first = new Date(toLocal(timeZone, start)).getUTCMonth() % step;
  const list = Array.from({ length: 12 / step }, (_, index) => first + index * step + 1);
  return { month: { month: list }, exact: interval === step };
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

/** A reading that the clock jumps over is due after the jump, where no calendar looks: those times, one by one. */
function jumpedOver(recurrence: Recurrence, now: number): CalendarFields[] {
  const { timeZone, start } = recurrence;
  const from = Math.max(now - YEARS_BACK * YEAR, start);
  return gapsBetween(timeZone, from, Math.max(now, start) + YEARS_AHEAD * YEAR).flatMap(({ at, length }) => {
    const times = timesOfDay(recurrence);
    const jumped = offsetAt(timeZone, at) - length;
    return dueTimes(recurrence, at, at + length - 1000)
      .filter((due) => times.includes((due + jumped) % DAY))
      .map((due) => {
        const local = new Date(toLocal(timeZone, due));
        const day = local.getUTCDate();
        return {
          second: local.getUTCSeconds(),
          minute: [local.getUTCMinutes()],
          hour: local.getUTCHours(),
          dayOfMonth: [{ start: day, end: day }],
          month: [local.getUTCMonth() + 1],
          year: local.getUTCFullYear(),
        };
      });
  });
}
