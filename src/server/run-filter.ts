// Data Factory's RunFilterParameters: a span of time, filters on fields, and where the last page ended.
import type { JsonObject, JsonValue } from '../core/json.ts';
import { Refusal } from './refusal.ts';

export interface Filter {
  /** In lower case. */
  readonly operand: string;
  readonly operator: 'equals' | 'notequals' | 'in' | 'notin';
  readonly values: readonly string[];
}

export interface RunFilterParameters {
  readonly after: Date;
  readonly before: Date;
  readonly filters: readonly Filter[];
  /** Runs that began before that moment. */
  readonly continuation: Date | undefined;
}

const OPERATORS = ['equals', 'notequals', 'in', 'notin'] as const;

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (message: string): Refusal => new Refusal(400, 'REQUEST_INVALID', message);

/** Throws 400 for what is no such filter. What is left out holds for everything. */
export function readRunFilter(body: JsonValue): RunFilterParameters {
  if (!isObject(body))
    throw invalid('The body is an object with lastUpdatedAfter, lastUpdatedBefore and filters.');
  const token = body['continuationToken'];
  const filters = body['filters'] ?? [];
  if (!Array.isArray(filters)) throw invalid('"filters" is an array.');
  return {
    after: moment(body, 'lastUpdatedAfter') ?? new Date(0),
    before: moment(body, 'lastUpdatedBefore') ?? new Date(Date.now() + 60_000),
    filters: filters.map(readFilter),
    continuation:
      typeof token === 'string' && token !== ''
        ? moment({ continuationToken: Buffer.from(token, 'base64url').toString() }, 'continuationToken')
        : undefined,
  };
}

function moment(body: JsonObject, key: string): Date | undefined {
  const written = body[key];
  if (written === undefined || written === null) return undefined;
  const time = typeof written === 'string' ? new Date(written) : new Date(Number.NaN);
  if (!Number.isNaN(time.getTime())) return time;
  throw invalid(`"${key}" is no moment such as 2026-01-01T00:00:00Z.`);
}

function readFilter(entry: JsonValue, index: number): Filter {
  const { operand, operator, values } = isObject(entry) ? entry : {};
  const known = OPERATORS.find((name) => name === String(operator).toLowerCase());
  if (typeof operand !== 'string' || known === undefined || !Array.isArray(values))
    throw invalid(`filters[${index}] has an operand, an operator (Equals, NotEquals, In, NotIn) and values.`);
  return { operand: operand.toLowerCase(), operator: known, values: values.map(String) };
}

/** Whether a record passes every filter. Fields are found whatever their case, values are compared likewise. */
export function matchesFilters(
  record: JsonObject,
  filters: readonly Filter[],
  named: Readonly<Record<string, (record: JsonObject) => JsonValue | undefined>>,
): boolean {
  return filters.every(({ operand, operator, values }) => {
    const field = named[operand]?.(record) ?? fieldOf(record, operand);
    if (field === undefined) throw invalid(`There is no operand "${operand}".`);
    const has = values.some((value) => value.toLowerCase() === String(field).toLowerCase());
    return operator === 'equals' || operator === 'in' ? has : !has;
  });
}

const fieldOf = (record: JsonObject, operand: string): JsonValue | undefined =>
  Object.entries(record).find(([key]) => key.toLowerCase() === operand)?.[1];
