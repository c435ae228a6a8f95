// Parameter values: defaults applied, types checked, values given as text converted to the declared type.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { nearestName } from '../nearest-name.ts';
import type { ParameterSpecification } from './snapshot.ts';

/**
 * The value of every declared parameter. A value may come as text (from a command line) where the declared type is
 * another. Throws PARAMETER_MISSING or PARAMETER_INVALID naming the owner ("pipeline pl_x") and the parameter.
 */
export function resolveParameters(
  owner: string,
  declared: Readonly<Record<string, ParameterSpecification>>,
  given: JsonObject,
  options: { ignoreUnknown: boolean },
): JsonObject {
  const names = Object.keys(declared);
  const values = new Map<string, JsonValue>();
  for (const [name, value] of Object.entries(given)) {
    const known = names.find((other) => other === name) ?? names.find((other) => sameName(other, name));
    if (known !== undefined) values.set(known, value);
    else if (!options.ignoreUnknown) throw unknown(owner, name, names);
  }
  const result: JsonObject = {};
  const missing: string[] = [];
  for (const [name, specification] of Object.entries(declared)) {
    const value = values.has(name) ? values.get(name) : specification.defaultValue;
    if (value === undefined) missing.push(name);
    else result[name] = convert(owner, name, specification.type, value);
  }
  if (missing.length > 0) {
    throw new WaybillError(
      'PARAMETER_MISSING',
      `${owner} needs a value for ${missing.map((name) => `"${name}"`).join(', ')}.`,
      { parameters: missing.join(', ') },
    );
  }
  return result;
}

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

function unknown(owner: string, name: string, names: string[]): WaybillError {
  const near = nearestName(name, names);
  const advice =
    near !== undefined
      ? ` Did you mean "${near}"?`
      : names.length > 0
        ? ` It has: ${names.join(', ')}.`
        : ' It has none.';
  return new WaybillError('PARAMETER_INVALID', `${owner} has no parameter "${name}".${advice}`, {
    parameter: name,
  });
}

/** The value as a declared type, undefined where it cannot be had. Types that Data Factory does not have take any. */
export function convertTo(type: string, value: JsonValue): JsonValue | undefined {
  const converter = CONVERTERS[type.toLowerCase()];
  return converter === undefined ? value : converter(value);
}

function convert(owner: string, name: string, type: string, value: JsonValue): JsonValue {
  const converted = convertTo(type, value);
  if (converted !== undefined) return converted;
  throw new WaybillError(
    'PARAMETER_INVALID',
    `Parameter "${name}" of ${owner} is declared ${type}, but the value is ${describe(value)}.`,
    { parameter: name, type },
  );
}

const describe = (value: JsonValue): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;

function fromJsonText(value: JsonValue): JsonValue | undefined {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as JsonValue;
  } catch {
    return undefined;
  }
}

function toWhole(value: JsonValue): JsonValue | undefined {
  const number = typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined;
}

function toNumber(value: JsonValue): JsonValue | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function toBoolean(value: JsonValue): JsonValue | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string' && /^\s*(true|false)\s*$/i.test(value))
    return value.trim().toLowerCase() === 'true';
  return undefined;
}

/** Data Factory prints scalars into String parameters; an object or array given as String becomes its JSON. */
function toText(value: JsonValue): JsonValue {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

function toArray(value: JsonValue): JsonValue | undefined {
  const parsed = fromJsonText(value);
  return Array.isArray(parsed) ? parsed : undefined;
}

const CONVERTERS: Readonly<Record<string, (value: JsonValue) => JsonValue | undefined>> = {
  string: toText,
  securestring: toText,
  int: toWhole,
  integer: toWhole,
  float: toNumber,
  double: toNumber,
  number: toNumber,
  bool: toBoolean,
  boolean: toBoolean,
  array: toArray,
  object: fromJsonText,
};
