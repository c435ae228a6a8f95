// Reads values out of a trigger's JSON as definitions write them: numbers as texts, times with and without a zone.
import { parseDateTime } from '../expression/date-time.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { parseTimeSpan } from '../pipeline/time-span.ts';

export interface Fault {
  /** Below the definition's `properties`. */
  readonly path: readonly (string | number)[];
  readonly reason: string;
}

export const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;

/** Collects what it cannot read, each with its path below `properties`. */
export class Reader {
  readonly faults: Fault[] = [];

  fault(path: readonly (string | number)[], reason: string): void {
    this.faults.push({ path, reason });
  }

  /** A whole number; `otherwise` where there is none. */
  whole(
    from: JsonObject,
    key: string,
    rule: { least: number; most?: number; otherwise: number; at?: readonly string[] },
  ): number {
    const value = from[key];
    if (value === undefined || value === null) return rule.otherwise;
    const number = Number(value);
    if (
      typeof value !== 'boolean' &&
      Number.isInteger(number) &&
      number >= rule.least &&
      number <= (rule.most ?? number)
    )
      return number;
    const range = rule.most === undefined ? `from ${rule.least} on` : `from ${rule.least} to ${rule.most}`;
    this.fault(pathOf(rule.at, key), `"${key}" is ${JSON.stringify(value)}, not a whole number ${range}`);
    return rule.otherwise;
  }

  /** ms since epoch, whole seconds; a time without a zone is read by `toInstant`, else as UTC. */
  instant(
    from: JsonObject,
    key: string,
    options: { toInstant?: (reading: number) => number; at?: readonly string[] } = {},
  ): number | undefined {
    const value = from[key];
    if (value === undefined || value === null || value === '') return undefined;
    try {
      const { milliseconds, utc } = parseDateTime(key, String(value));
      const whole = Math.floor(milliseconds / 1000) * 1000;
      return utc || options.toInstant === undefined ? whole : options.toInstant(whole);
    } catch {
      this.fault(pathOf(options.at, key), `"${key}" is ${JSON.stringify(value)}, which is no time`);
      return undefined;
    }
  }

  /** One of some words, whatever its case. */
  word<T extends string>(
    from: JsonObject,
    key: string,
    words: readonly T[],
    at?: readonly string[],
  ): T | undefined {
    const value = String(from[key] ?? '');
    const found = words.find((word) => word.toLowerCase() === value.toLowerCase());
    if (found === undefined)
      this.fault(pathOf(at, key), `"${key}" is "${value}", not one of ${words.join(', ')}`);
    return found;
  }
}

const pathOf = (at: readonly string[] | undefined, key: string): string[] => [
  ...(at ?? ['typeProperties']),
  key,
];

/** The name in a reference, or in a text that stands for one. */
export function referenceName(value: JsonValue | undefined): string | undefined {
  const name = asObject(value)?.['referenceName'] ?? value;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** ms of a time span, which may be negative: "-1.00:00:00". */
export function signedTimeSpan(text: string): number | undefined {
  const negative = text.trim().startsWith('-');
  const span = parseTimeSpan(negative ? text.trim().slice(1) : text);
  return span === undefined ? undefined : negative ? -span : span;
}
