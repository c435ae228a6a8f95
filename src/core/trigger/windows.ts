// The windows of a tumbling window trigger: fixed lengths that follow each other from the start time on, in UTC.
import { DAY, daysInMonth, HOUR, MINUTE } from './calendar.ts';

export type WindowFrequency = 'Minute' | 'Hour' | 'Day' | 'Month';

/** Times in ms since epoch. */
export interface WindowPlan {
  readonly frequency: WindowFrequency;
  readonly interval: number;
  readonly start: number;
  /** No window ends after it. */
  readonly end?: number;
}

export interface Window {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

const LENGTHS = { Minute: MINUTE, Hour: HOUR, Day: DAY };

/** The start of window `index`. Months keep the start time's day where they have it, and take their last where not. */
function startOf({ frequency, interval, start }: WindowPlan, index: number): number {
  if (frequency !== 'Month') return start + index * interval * LENGTHS[frequency];
  const first = new Date(start);
  const month = first.getUTCFullYear() * 12 + first.getUTCMonth() + index * interval;
  const year = Math.floor(month / 12);
  const day = Math.min(first.getUTCDate(), daysInMonth(year, month % 12));
  return Date.UTC(year, month % 12, day) + (start % DAY);
}

/** Window `index`, whether or not the plan ends before it. */
export const windowAt = (plan: WindowPlan, index: number): Window => ({
  index,
  start: startOf(plan, index),
  end: startOf(plan, index + 1),
});

/** How many windows there are in all; Infinity without an end. */
export const windowCount = (plan: WindowPlan): number =>
  plan.end === undefined ? Number.POSITIVE_INFINITY : Math.max(0, firstFrom(plan, plan.end));

/** The index of the last window that begins at or before an instant; negative before the first. */
export function indexAt(plan: WindowPlan, instant: number): number {
  const { frequency, interval, start } = plan;
  if (frequency !== 'Month') return Math.floor((instant - start) / (interval * LENGTHS[frequency]));
  const [from, to] = [new Date(start), new Date(instant)];
  const months = (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth();
  const index = Math.floor(months / interval);
  return startOf(plan, index) > instant ? index - 1 : index;
}

/** The index of the first window that does not end by an instant: so many windows have. */
const firstFrom = (plan: WindowPlan, instant: number): number => indexAt(plan, instant);

/** The windows that a span of time overlaps, as far as the plan has them: `from` included, `to` not. */
export function windowsWithin(plan: WindowPlan, from: number, to: number): { first: number; end: number } {
  const first = Math.max(0, indexAt(plan, from));
  const end = Math.min(windowCount(plan), indexAt(plan, to - 1) + 1);
  return { first, end: Math.max(first, end) };
}

/** The indexes of windows that begin in a span: `from` included, `to` not. */
export function windowsBeginning(plan: WindowPlan, from: number, to: number): { first: number; end: number } {
  const first = Math.max(0, indexAt(plan, from - 1) + 1);
  const end = Math.min(windowCount(plan), indexAt(plan, to - 1) + 1);
  return { first, end: Math.max(first, end) };
}
