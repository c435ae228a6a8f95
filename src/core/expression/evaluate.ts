// Evaluates expressions and templates against a context. Deterministic: time, ids and random numbers come from it.
import type { JsonObject, JsonValue } from '../json.ts';
import { nearestName } from '../nearest-name.ts';
import type { EvaluationContext } from './context.ts';
import { expressionError } from './expression-error.ts';
import { FUNCTIONS } from './functions/index.ts';
import { isDynamic, parseTemplate } from './parse.ts';
import { type Expression, Float, type RawValue } from './syntax.ts';
import { toText } from './values.ts';

/** Names that are scopes rather than functions, in ADF's spelling. */
export const SCOPES = [
  'pipeline',
  'variables',
  'activity',
  'item',
  'dataset',
  'linkedService',
  'trigger',
  'triggerBody',
] as const;
const scopeNames = new Set<string>(SCOPES.map((name) => name.toLowerCase()));

/** Whether `name` is a scope or a function, in any case. */
export const isKnownFunction = (name: string): boolean =>
  scopeNames.has(name.toLowerCase()) || FUNCTIONS.has(name.toLowerCase());

/** The sentence for a function that does not exist. */
export function unknownFunction(name: string): string {
  const near = nearestName(name, [...SCOPES, ...[...FUNCTIONS.values()].map((entry) => entry.name)]);
  return `There is no function "${name}".${near === undefined ? '' : ` Did you mean "${near}"?`}`;
}

/** Evaluates one string of a definition. Literal text comes back as it is. Throws EXPRESSION_INVALID. */
export function evaluateText(text: string, context: EvaluationContext): JsonValue {
  return plain(evaluateTextRaw(text, context));
}

/** The same, with whole numbers beyond 2^53 exact. */
export function evaluateTextRaw(text: string, context: EvaluationContext): RawValue {
  const template = parseTemplate(text);
  switch (template.kind) {
    case 'text':
      return template.text;
    case 'expression':
      return evaluateRaw(template.expression, context);
    case 'interpolation':
      return template.parts
        .map((part) => (typeof part === 'string' ? part : toText(evaluateRaw(part, context))))
        .join('');
  }
}

/**
 * Evaluates every string inside a JSON value, and unwraps `{ "value": "@...", "type": "Expression" }`.
 * Property names are left alone.
 */
export function evaluateDeep(value: JsonValue, context: EvaluationContext): JsonValue {
  if (typeof value === 'string') return isDynamic(value) ? evaluateText(value, context) : value;
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((entry) => evaluateDeep(entry, context));
  if (isLiteralSecret(value)) return value;
  if (isExpressionObject(value)) return evaluateDeep(value['value'] as JsonValue, context);
  const result: JsonObject = {};
  for (const [key, entry] of Object.entries(value)) result[key] = evaluateDeep(entry, context);
  return result;
}

/** Whether this is ADF's wrapper `{ value, type: "Expression" }`. */
export const isExpressionObject = (value: JsonObject): boolean =>
  typeof value['type'] === 'string' && value['type'].toLowerCase() === 'expression' && 'value' in value;

/** Whether this is a SecureString with a plain value: a password may begin with "@" and is no expression. */
export function isLiteralSecret(value: JsonObject): boolean {
  if (typeof value['type'] !== 'string' || value['type'].toLowerCase() !== 'securestring') return false;
  const text = value['value'];
  return (
    typeof text !== 'string' || !isDynamic(text) || !/\b(linkedservice|dataset|pipeline)\(\)/i.test(text)
  );
}

/** Evaluates a parsed expression to JSON. */
export function evaluate(expression: Expression, context: EvaluationContext): JsonValue {
  return plain(evaluateRaw(expression, context));
}

const plain = (value: RawValue): JsonValue =>
  value instanceof Float ? value.value : typeof value === 'bigint' ? Number(value) : value;

function evaluateRaw(expression: Expression, context: EvaluationContext): RawValue {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'call':
      return call(expression, context);
    case 'member': {
      const target = plain(evaluateRaw(expression.target, context));
      return readProperty(target, expression.name, expression.optional, expression.at);
    }
    case 'index': {
      const target = plain(evaluateRaw(expression.target, context));
      const index = plain(evaluateRaw(expression.index, context));
      return readIndex(target, index, expression.optional, expression.at);
    }
  }
}

function call(expression: Extract<Expression, { kind: 'call' }>, context: EvaluationContext): RawValue {
  const key = expression.name.toLowerCase();
  if (scopeNames.has(key)) {
    const root = context.roots[key];
    if (root === undefined) throw expressionError(`${expression.name}() cannot be used here`, expression.at);
    return root(expression.args.map((arg) => evaluate(arg, context)));
  }
  const entry = FUNCTIONS.get(key);
  if (entry === undefined) throw expressionError(unknownFunction(expression.name), expression.at);
  const count = expression.args.length;
  if (count < entry.min || count > entry.max)
    throw expressionError(wrongCount(entry.name, entry.min, entry.max, count), expression.at);
  switch (entry.kind) {
    case 'plain':
      return entry.call(
        expression.args.map((arg) => evaluate(arg, context)),
        context,
      );
    case 'raw':
      return entry.call(expression.args.map((arg) => evaluateRaw(arg, context)));
    case 'lazy':
      return entry.call(expression.args.map((arg) => () => evaluateRaw(arg, context)));
  }
}

/** The sentence for a call with too few or too many arguments. */
export function wrongCount(name: string, min: number, max: number, count: number): string {
  const wanted =
    min === max ? `${min}` : max === Number.POSITIVE_INFINITY ? `at least ${min}` : `${min} to ${max}`;
  return `${name}() takes ${wanted} argument${wanted === '1' ? '' : 's'}, not ${count}`;
}

function readProperty(target: JsonValue, name: string, optional: boolean, at: number): JsonValue {
  if (target !== null && typeof target === 'object' && !Array.isArray(target)) {
    const value = lookUp(target, name);
    if (value !== undefined) return value;
    if (optional) return null;
    const available = Object.keys(target).slice(0, 20).join(', ');
    throw expressionError(`There is no property "${name}". Available: ${available || 'none'}`, at);
  }
  if (optional && target === null) return null;
  throw expressionError(`Property "${name}" cannot be read from ${describe(target)}`, at);
}

/** Exact name first, then ignoring case, as Data Factory reads activity outputs. */
function lookUp(target: JsonObject, name: string): JsonValue | undefined {
  if (Object.hasOwn(target, name)) return target[name];
  const wanted = name.toLowerCase();
  for (const key of Object.keys(target)) if (key.toLowerCase() === wanted) return target[key];
  return undefined;
}

function readIndex(target: JsonValue, index: JsonValue, optional: boolean, at: number): JsonValue {
  if (typeof index === 'string') return readProperty(target, index, optional, at);
  if (typeof index !== 'number' || !Number.isInteger(index))
    throw expressionError(`An index is a whole number or a name, not ${describe(index)}`, at);
  if (Array.isArray(target)) {
    const value = target[index];
    if (value !== undefined) return value;
    if (optional) return null;
    throw expressionError(`Index ${index} is outside the array of ${target.length}`, at);
  }
  if (optional && target === null) return null;
  throw expressionError(`${describe(target)} has no index ${index}`, at);
}

function describe(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
