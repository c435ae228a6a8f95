// Pipeline variables: their first values, and what Set Variable does to a pipeline's return value.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { convertTo } from './parameters.ts';
import type { ParameterSpecification } from './snapshot.ts';

const EMPTY: Readonly<Record<string, JsonValue>> = { array: [], boolean: false, bool: false, integer: 0 };

/** Variables by lower-case name, with their defaults. */
export function initialVariables(
  declared: Readonly<Record<string, ParameterSpecification>>,
): Map<string, JsonValue> {
  return new Map(
    Object.entries(declared).map(([name, { type, defaultValue }]) => [
      name.toLowerCase(),
      defaultValue ?? EMPTY[type.toLowerCase()] ?? '',
    ]),
  );
}

/** The value as the variable's type. Throws PARAMETER_INVALID. */
export function variableValue(
  name: string,
  declared: Readonly<Record<string, ParameterSpecification>>,
  value: JsonValue,
): JsonValue {
  const key = Object.keys(declared).find((other) => other.toLowerCase() === name.toLowerCase());
  const type = key === undefined ? undefined : declared[key]?.type;
  const converted = type === undefined ? undefined : convertTo(type, value);
  if (converted !== undefined) return converted;
  throw new WaybillError(
    'PARAMETER_INVALID',
    type === undefined
      ? `The pipeline has no variable "${name}".`
      : `Variable "${name}" is declared ${type}, but the value is ${JSON.stringify(value).slice(0, 100)}.`,
    { variable: name },
  );
}

/**
 * The value that Studio writes for `pipelineReturnValue`: `[{ key, value: { type, content } }]`, nested for arrays and
 * objects. `evaluate` turns an expression's text into its value.
 */
export function returnValue(value: JsonValue, evaluate: (text: JsonValue) => JsonValue): JsonObject {
  const result: JsonObject = {};
  if (!Array.isArray(value)) return result;
  for (const entry of value) {
    if (isObject(entry) && typeof entry['key'] === 'string')
      result[entry['key']] = typed(entry['value'] ?? null, evaluate);
  }
  return result;
}

function typed(value: JsonValue, evaluate: (text: JsonValue) => JsonValue): JsonValue {
  if (!isObject(value) || typeof value['type'] !== 'string') return evaluate(value);
  const content = value['content'] ?? null;
  switch (value['type'].toLowerCase()) {
    case 'null':
      return null;
    case 'array':
      return Array.isArray(content) ? content.map((entry) => typed(entry, evaluate)) : evaluate(content);
    case 'object':
      return Array.isArray(content) ? returnValue(content, evaluate) : evaluate(content);
    case 'int':
    case 'integer':
      return convertTo('Int', evaluate(content)) ?? null;
    case 'float':
      return convertTo('Float', evaluate(content)) ?? null;
    case 'boolean':
      return convertTo('Bool', evaluate(content)) ?? null;
    default:
      return evaluate(content);
  }
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
