// Collection functions: over arrays, and where Data Factory allows it over strings and objects.
import type { JsonObject, JsonValue } from '../../json.ts';
import { expressionError } from '../expression-error.ts';
import { sameValue, toText } from '../values.ts';
import { array, type FunctionEntry, integer, isObject, MANY, plain, text } from './define.ts';

function contains(collection: JsonValue | undefined, value: JsonValue): boolean {
  if (typeof collection === 'string') return collection.includes(toText(value));
  if (Array.isArray(collection)) return collection.some((entry) => sameValue(entry, value));
  if (isObject(collection)) return Object.hasOwn(collection, toText(value));
  throw expressionError('contains() looks into a string, an array or an object');
}

function empty(value: JsonValue | undefined): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value === 'string' || Array.isArray(value)) return value.length === 0;
  if (isObject(value)) return Object.keys(value).length === 0;
  throw expressionError('empty() takes a string, an array or an object');
}

/** A string or an array; both can be cut. */
function sequence(name: string, value: JsonValue | undefined): string | JsonValue[] {
  if (typeof value === 'string' || Array.isArray(value)) return value;
  throw expressionError(`${name}() takes a string or an array`);
}

function itemCount(name: string, value: JsonValue | undefined): number {
  const count = integer(name, value);
  if (count < 0) throw expressionError(`${name}() wants a count of 0 or more, not ${count}`);
  return count;
}

const distinct = (values: JsonValue[]): JsonValue[] =>
  values.filter((value, index) => values.findIndex((other) => sameValue(other, value)) === index);

/** Of objects, the properties that are equal in all of them. */
function intersection(args: JsonValue[]): JsonValue {
  if (args.every(isObject)) {
    const [first, ...others] = args as [JsonObject, ...JsonObject[]];
    return Object.fromEntries(
      Object.entries(first).filter(([key, value]) =>
        others.every((other) => Object.hasOwn(other, key) && sameValue(other[key] as JsonValue, value)),
      ),
    );
  }
  const [first, ...others] = args.map((arg) => array('intersection', arg));
  return distinct(first ?? []).filter((value) =>
    others.every((other) => other.some((entry) => sameValue(entry, value))),
  );
}

/** Objects merge, the later one winning; arrays unite without duplicates. */
function union(args: JsonValue[]): JsonValue {
  if (args.every(isObject)) return Object.fromEntries(args.flatMap((arg) => Object.entries(arg)));
  return distinct(args.flatMap((arg) => array('union', arg)));
}

export const COLLECTION: FunctionEntry[] = [
  plain('contains', 2, 2, ([a, b]) => contains(a, b as JsonValue)),
  plain('empty', 1, 1, ([a]) => empty(a)),
  plain('first', 1, 1, ([a]) => sequence('first', a)[0] ?? null),
  plain('last', 1, 1, ([a]) => sequence('last', a).at(-1) ?? null),
  plain('intersection', 1, MANY, intersection),
  plain('union', 1, MANY, union),
  plain('join', 2, 2, ([a, b]) => array('join', a).map(toText).join(text('join', b))),
  plain('length', 1, 1, ([a]) => sequence('length', a).length),
  plain('skip', 2, 2, ([a, count]) => sequence('skip', a).slice(itemCount('skip', count))),
  plain('take', 2, 2, ([a, count]) => sequence('take', a).slice(0, itemCount('take', count))),
];
