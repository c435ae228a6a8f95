// When a Validation activity looks again, and how long it goes on.
import type { JsonObject, JsonValue } from '../json.ts';
import { parseTimeSpan } from './time-span.ts';

/** Property of a look's output that says whether it was good; not part of the activity's own output. */
export const VALID = '$waybillValid';

/** Data Factory's defaults. */
const DEFAULT_TIMEOUT = 7 * 86_400_000;
const DEFAULT_SLEEP = 10;
/** Looks are at most this part of the time waited so far apart: some hundred in a week, whatever "sleep" says. */
const SLOWER = 0.02;

/** ms. A timeout that is no time span counts as none. */
export function validationTimeout(properties: JsonObject): number {
  const written = properties['timeout'];
  return (typeof written === 'string' ? parseTimeSpan(written) : undefined) ?? DEFAULT_TIMEOUT;
}

/** ms until the next look, after so many ms of waiting; 0 where time is up. */
export function untilNextLook(properties: JsonObject, waited: number): number {
  const seconds = secondsOf(properties['sleep']);
  const left = validationTimeout(properties) - waited;
  return Math.max(0, Math.min(left, Math.max(seconds * 1000, Math.round(waited * SLOWER))));
}

function secondsOf(written: JsonValue | undefined): number {
  const seconds = Number(written ?? DEFAULT_SLEEP);
  return Number.isFinite(seconds) && seconds >= 1 ? seconds : DEFAULT_SLEEP;
}
