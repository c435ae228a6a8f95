// When a schedule trigger fires, by Data Factory's rules: pure arithmetic over instants, for any span of time.
import { DAY, daysInMonth, fromLocal, HOUR, MINUTE, toLocal } from './calendar.ts';

export type Frequency = 'Minute' | 'Hour' | 'Day' | 'Week' | 'Month';

/** A recurrence. Times in ms since epoch, whole seconds. */
export interface Recurrence {
  readonly frequency: Frequency;
  readonly interval: number;
  readonly start: number;
  readonly end?: number;
  /** IANA name. */
  readonly timeZone: string;
  readonly schedule?: RecurrenceSchedule;
}

/** Lists that limit a recurrence, or give it more times within its period. Absent and empty are the same. */
export interface RecurrenceSchedule {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** 0 is Sunday. */
  readonly weekDays: readonly number[];
  /** From 1, or from -1 counted from the month's end. */
  readonly monthDays: readonly number[];
  /** The first, or with -1 the last, such day of the week in the month. */
  readonly monthlyOccurrences: readonly { readonly day: number; readonly occurrence: number }[];
}

const NO_SCHEDULE: RecurrenceSchedule = {
  minutes: [],
  hours: [],
  weekDays: [],
  monthDays: [],
  monthlyOccurrences: [],
};

/** Periods that are looked through without a due time before giving up: 31 February never comes. */
const MAX_EMPTY_PERIODS = 20_000;

/**
 * The due times from `from` to `to`, both included, in order, at most `limit`.
 *
 * Minutes and hours are counted on from the start time. Days, weeks and months keep the zone's clock. A schedule's
 * minutes without hours mean every hour; what it leaves out is as in the start time. Weeks begin on Sunday.
 */
export function dueTimes(recurrence: Recurrence, from: number, to: number, limit = 1000): number[] {
  const first = Math.max(from, recurrence.start);
  const last = Math.min(to, recurrence.end ?? to);
  const due: number[] = [];
  if (last < first) return due;
  const at = recurrence.frequency === 'Minute' || recurrence.frequency === 'Hour' ? elapsed : calendar;
  const { period, times } = at(recurrence);
  let empty = 0;
  for (let index = Math.max(0, period(first)); empty < MAX_EMPTY_PERIODS; index++) {
    const { begins, list } = times(index);
    if (begins > last) break;
    const found = list.filter((time) => time >= first && time <= last && time > (due.at(-1) ?? -Infinity));
    due.push(...found);
    empty = found.length === 0 ? empty + 1 : 0;
    if (due.length >= limit) break;
  }
  return due.slice(0, limit);
}

/** Whether the trigger is to fire at this instant; parts of seconds do not count. */
export function isDue(recurrence: Recurrence, instant: number): boolean {
  const second = Math.floor(instant / 1000) * 1000;
  return dueTimes(recurrence, second, second, 1).length > 0;
}

interface Periods {
  /** The index of a period that is not after the one in which an instant lies, and at most a few before it. */
  readonly period: (instant: number) => number;
  /** A period's due times in order, and an instant not after them that grows with the index. */
  readonly times: (index: number) => { begins: number; list: number[] };
}

/** Minute and Hour: so much time after the start, whatever clocks do. */
function elapsed(recurrence: Recurrence): Periods {
  const { frequency, interval, start, timeZone, schedule } = recurrence;
  const step = interval * (frequency === 'Minute' ? MINUTE : HOUR);
  const lists = schedule ?? NO_SCHEDULE;
  const inHour = frequency === 'Hour' && lists.minutes.length > 0;
  const base = inHour ? start - (toLocal(timeZone, start) % HOUR) : start;
  const allowed = (instant: number): boolean => {
    const local = new Date(toLocal(timeZone, instant));
    return (
      has(lists.minutes, local.getUTCMinutes()) &&
      has(lists.hours, local.getUTCHours()) &&
      has(lists.weekDays, local.getUTCDay())
    );
  };
  return {
    period: (instant) => Math.floor((instant - base) / step) - 1,
    times: (index) => {
      const begins = base + index * step;
      const list = inHour ? sorted(lists.minutes).map((minute) => begins + minute * MINUTE) : [begins];
      return { begins, list: schedule === undefined ? list : list.filter(allowed) };
    },
  };
}

const has = (list: readonly number[], value: number): boolean => list.length === 0 || list.includes(value);

/** Day, Week and Month: readings of the zone's clock. */
function calendar(recurrence: Recurrence): Periods {
  const { frequency, interval, start, timeZone } = recurrence;
  const local = new Date(toLocal(timeZone, start));
  const today = Math.floor(local.getTime() / DAY);
  const clock = timesOfDay(recurrence);
  const month = local.getUTCFullYear() * 12 + local.getUTCMonth();
  const week = today - local.getUTCDay();
  const daysOf = (index: number): { first: number; days: number[] } => {
    if (frequency === 'Day') return { first: today + index * interval, days: [today + index * interval] };
    if (frequency === 'Week') {
      const first = week + index * interval * 7;
      return { first, days: weekDaysOf(recurrence).map((day) => first + day) };
    }
    const at = month + index * interval;
    return {
      first: dayNumber(Math.floor(at / 12), at % 12, 1),
      days: daysOfMonth(recurrence, Math.floor(at / 12), at % 12),
    };
  };
  return {
    period: (instant) => {
      const reading = new Date(toLocal(timeZone, instant));
      const day = Math.floor(reading.getTime() / DAY);
      const passed =
        frequency === 'Month'
          ? reading.getUTCFullYear() * 12 + reading.getUTCMonth() - month
          : frequency === 'Week'
            ? (day - week) / 7
            : day - today;
      return Math.floor(passed / interval) - 1;
    },
    times: (index) => {
      const { first, days } = daysOf(index);
      const list = days
        // A day that is excluded by its name, where the period is not the week.
        .filter((day) => frequency === 'Week' || has(recurrence.schedule?.weekDays ?? [], (day + 4) % 7))
        .flatMap((day) => clock.map((time) => fromLocal(timeZone, day * DAY + time)));
      return { begins: first * DAY - DAY, list: sorted([...new Set(list)]) };
    },
  };
}

/** ms after midnight, of the days on which it fires. */
export function timesOfDay({ start, timeZone, schedule }: Recurrence): number[] {
  const local = toLocal(timeZone, start);
  const { minutes, hours } = schedule ?? NO_SCHEDULE;
  if (minutes.length === 0 && hours.length === 0) return [local % DAY];
  const every = Array.from({ length: 24 }, (_, hour) => hour);
  const own = Math.floor((local % HOUR) / MINUTE);
  return (hours.length === 0 ? every : sorted(hours)).flatMap((hour) =>
    (minutes.length === 0 ? [own] : sorted(minutes)).map((minute) => hour * HOUR + minute * MINUTE),
  );
}

/** Days of the week, 0 is Sunday, of a weekly recurrence. */
export function weekDaysOf({ start, timeZone, schedule }: Recurrence): number[] {
  const given = schedule?.weekDays ?? [];
  return given.length === 0 ? [new Date(toLocal(timeZone, start)).getUTCDay()] : sorted(given);
}

/** Days since epoch on which a monthly recurrence fires in one month. */
function daysOfMonth({ start, timeZone, schedule }: Recurrence, year: number, month: number): number[] {
  const length = daysInMonth(year, month);
  const { monthDays, monthlyOccurrences, weekDays } = schedule ?? NO_SCHEDULE;
  const days = new Set<number>();
  for (const day of monthDays) days.add(day > 0 ? day : length + 1 + day);
  const weekDay = (day: number): number => new Date(Date.UTC(year, month, day)).getUTCDay();
  for (const { day, occurrence } of monthlyOccurrences) {
    const first = 1 + ((day - weekDay(1) + 7) % 7);
    const last = length - ((weekDay(length) - day + 7) % 7);
    days.add(occurrence > 0 ? first + (occurrence - 1) * 7 : last + (occurrence + 1) * 7);
  }
  if (monthDays.length + monthlyOccurrences.length === 0) {
    // A month that is too short for the start time's day has its last one instead: a month without a run is a loss.
    if (weekDays.length === 0) days.add(Math.min(new Date(toLocal(timeZone, start)).getUTCDate(), length));
    else for (let day = 1; day <= length; day++) days.add(day);
  }
  return sorted([...days].filter((day) => day >= 1 && day <= length)).map((day) =>
    dayNumber(year, month, day),
  );
}

const dayNumber = (year: number, month: number, day: number): number => Date.UTC(year, month, day) / DAY;

const sorted = (list: readonly number[]): number[] => [...new Set(list)].sort((a, b) => a - b);
