// A time zone's clock: from instants to readings and back, and when it jumps. All times in ms since epoch.
import { toZone } from '../expression/time-zones.ts';

/** How far the zone's clock is ahead of UTC. */
export const offsetAt = (zone: string, instant: number): number => toLocal(zone, instant) - instant;

/** The clock's reading, as if it were UTC. Throws EXPRESSION_INVALID for a zone that does not exist. */
export const toLocal = (zone: string, instant: number): number =>
  toZone({ milliseconds: instant, ticks: 0, utc: true }, zone).milliseconds;

/**
 * The instant of a reading. Of one that comes twice it is the one that Temporal's schedules take (Go's time.Date): the
 * second east of Greenwich, the first west of it. One that is jumped over is as many minutes after the jump as it would
 * have been (RFC 5545, 3.3.5).
 */
export function fromLocal(zone: string, reading: number): number {
  const guess = reading - offsetAt(zone, reading);
  if (toLocal(zone, guess) === reading) return guess;
  const other = reading - offsetAt(zone, guess);
  return toLocal(zone, other) === reading ? other : reading - offsetAt(zone, reading - DAY);
}

/** The instants in a span at which the clock jumps ahead, each with by how much. */
export function gapsBetween(zone: string, from: number, to: number): { at: number; length: number }[] {
  const gaps: { at: number; length: number }[] = [];
  for (let left = from; left < to; left += SAMPLE) {
    const right = Math.min(left + SAMPLE, to);
    const length = offsetAt(zone, right) - offsetAt(zone, left);
    if (length > 0) gaps.push({ at: jump(zone, left, right), length });
  }
  return gaps;
}

function jump(zone: string, from: number, to: number): number {
  const before = offsetAt(zone, from);
  let [low, high] = [Math.floor(from / 1000), Math.floor(to / 1000)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle * 1000) === before) low = middle;
    else high = middle;
  }
  return high * 1000;
}

export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;

/** Clocks jump at most once in so long, but for Morocco's Ramadan. */
const SAMPLE = 10 * DAY;

export const daysInMonth = (year: number, month: number): number =>
  new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
