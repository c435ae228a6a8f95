// What one expression demands of the values it reads, from how it uses them.
import { parseTemplate } from '../../../src/core/expression/parse.ts';
import { type Expression, Float } from '../../../src/core/expression/syntax.ts';
import type { JsonValue } from '../../../src/core/json.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import { type Hint, Shape } from './shape.ts';

/** The scopes an expression can read, as shapes. */
export interface ShapeScope {
  /** pipeline(), dataset(), linkedService(), trigger(), triggerBody(), item(). */
  readonly roots: Readonly<Record<string, Shape | undefined>>;
  readonly variable: (name: string) => Shape;
  readonly activity: (name: string) => Shape;
}

/** What a call says about its arguments by position; the last entry holds for all that follow. */
const ARGUMENTS: Readonly<Record<string, readonly (Hint | undefined)[]>> = {
  formatdatetime: ['date', undefined],
  adddays: ['date', 'integer'],
  addhours: ['date', 'integer'],
  addminutes: ['date', 'integer'],
  addseconds: ['date', 'integer'],
  addtotime: ['date', 'integer', undefined],
  subtractfromtime: ['date', 'integer', undefined],
  startofday: ['date', undefined],
  startofhour: ['date', undefined],
  startofmonth: ['date', undefined],
  dayofmonth: ['date'],
  dayofweek: ['date'],
  dayofyear: ['date'],
  ticks: ['date'],
  convertfromutc: ['date', undefined],
  converttoutc: ['date', undefined],
  converttimezone: ['date', undefined],
  getfuturetime: ['integer', undefined],
  getpasttime: ['integer', undefined],
  int: ['integer'],
  float: ['number'],
  bool: ['boolean'],
  not: ['boolean'],
  and: ['boolean'],
  or: ['boolean'],
  add: ['integer'],
  sub: ['integer'],
  mul: ['integer'],
  div: ['integer'],
  mod: ['integer'],
  range: ['integer'],
  rand: ['integer'],
  substring: ['text', 'integer'],
  replace: ['text'],
  split: ['text'],
  tolower: ['text'],
  toupper: ['text'],
  trim: ['text'],
  startswith: ['text'],
  endswith: ['text'],
  indexof: ['text'],
  lastindexof: ['text'],
  base64tostring: ['base64'],
  decodebase64: ['base64'],
  join: ['array', undefined],
  if: ['boolean', undefined],
};

/** Functions whose result is one of their arguments, from that position on. */
const PASS_ON: Readonly<Record<string, number>> = { if: 1, coalesce: 0, max: 0, min: 0, union: 0 };
/** Functions that give their first argument's text in another form. */
const REFORM = new Set(['tolower', 'toupper', 'trim', 'string', 'replace']);
const COMPARE = new Set(['equals', 'greater', 'greaterorequals', 'less', 'lessorequals']);
const DATES =
  /^(utcnow|add(days|hours|minutes|seconds|totime)|subtractfromtime|startof|convert|get(past|future))/;

/** A SQL statement that sets or compares. */
const STATEMENT = /\b(update\s[\s\S]*\sset|select\s[\s\S]*\swhere|delete\s[\s\S]*\swhere)\s/i;

/** Infers a string of a definition; returns the shape of its value. */
export function inferText(text: string, scope: ShapeScope): Shape {
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate(text);
  } catch {
    // Validation has told of it.
    return new Shape();
  }
  if (template.kind === 'expression') return infer(template.expression, scope);
  const result = new Shape();
  if (template.kind === 'text') result.literals.add(template.text);
  else
    template.parts.forEach((part, at) => {
      if (typeof part === 'string') return;
      const shape = infer(part, scope);
      const before = template.parts[at - 1];
      // What a statement compares with or sets to, and does not quote, can only be a number.
      if (typeof before === 'string' && /=\s*$/.test(before) && STATEMENT.test(text))
        shape.hints.add('integer');
    });
  return result;
}

/** Infers every string in a JSON value; returns the shape of the whole. */
export function inferDeep(value: JsonValue | undefined, scope: ShapeScope): Shape {
  if (typeof value === 'string') return inferText(value, scope);
  const result = new Shape();
  if (value === null || value === undefined || typeof value !== 'object') return result;
  if (Array.isArray(value)) {
    for (const entry of value) inferDeep(entry, scope).flowsTo(result.element());
    return result;
  }
  if (String(value['type']).toLowerCase() === 'expression' && 'value' in value)
    return inferDeep(value['value'], scope);
  for (const [key, entry] of Object.entries(value)) inferDeep(entry, scope).flowsTo(result.property(key));
  return result;
}

/** Infers the condition of an Until: what it compares with ends the loop, or keeps it going. */
export function inferUntil(condition: JsonValue | undefined, scope: ShapeScope): Shape {
  const text = isObject(condition) ? condition['value'] : condition;
  try {
    const template = typeof text === 'string' ? parseTemplate(text) : undefined;
    if (template?.kind === 'expression') inferEnd(template.expression, true, scope);
  } catch {
    // Validation has told of it.
  }
  return inferDeep(condition, scope);
}

function inferEnd(expression: Expression, ends: boolean, scope: ShapeScope): void {
  if (expression.kind !== 'call') return;
  const { args } = expression;
  const key = expression.name.toLowerCase();
  if (key === 'not' || key === 'and' || key === 'or')
    for (const arg of args) inferEnd(arg, key === 'not' ? !ends : ends, scope);
  if (key !== 'equals') return;
  for (const [value, other] of [args, [...args].reverse()]) {
    if (value?.kind !== 'literal' || other === undefined || value.value instanceof Float) continue;
    const shape = infer(other, scope);
    (ends ? shape.endsLoop : shape.keepsLoop).add(value.value as JsonValue);
  }
}

function infer(expression: Expression, scope: ShapeScope): Shape {
  switch (expression.kind) {
    case 'literal': {
      const result = new Shape();
      result.literals.add(
        expression.value instanceof Float ? expression.value.value : (expression.value as JsonValue),
      );
      return result;
    }
    case 'member':
      return infer(expression.target, scope).property(expression.name);
    case 'index': {
      const target = infer(expression.target, scope);
      const { index } = expression;
      if (index.kind === 'literal' && typeof index.value === 'string') return target.property(index.value);
      const position = infer(index, scope);
      const split = splitOf.get(target);
      if (split !== undefined) {
        const at = index.kind === 'literal' && typeof index.value === 'number' ? index.value : 1;
        const { text, separator } = split;
        text.splits.set(separator, Math.max(at + 1, text.splits.get(separator) ?? 0));
        return new Shape();
      }
      if (index.kind !== 'literal') position.hints.add('integer');
      target.hints.add('array');
      return target.element();
    }
    case 'call':
      return inferCall(expression, scope);
  }
}

/** What split() gave, and of which text, so that an index into it tells how many pieces there must be. */
const splitOf = new WeakMap<Shape, { text: Shape; separator: string }>();

const literalText = (expression: Expression | undefined): string | undefined =>
  expression?.kind === 'literal' && typeof expression.value === 'string' ? expression.value : undefined;

function inferCall(call: Extract<Expression, { kind: 'call' }>, scope: ShapeScope): Shape {
  const key = call.name.toLowerCase();
  if (key === 'variables') return scope.variable(literalText(call.args[0]) ?? '');
  if (key === 'activity') return scope.activity(literalText(call.args[0]) ?? '');
  if (call.args.length === 0 && key in scope.roots) return scope.roots[key] ?? new Shape();
  const args = call.args.map((arg) => infer(arg, scope));
  const hints = ARGUMENTS[key];
  if (hints !== undefined) {
    args.forEach((arg, at) => {
      const hint = hints[Math.min(at, hints.length - 1)];
      if (hint !== undefined && call.args[at]?.kind !== 'literal') arg.hints.add(hint);
    });
  }
  const result = new Shape();
  const [first] = args;
  if (key in PASS_ON) for (const arg of args.slice(PASS_ON[key])) arg.flowsTo(result);
  else if (REFORM.has(key)) first?.flowsTo(result);
  else if (COMPARE.has(key)) compare(call.args, args);
  else if (DATES.test(key)) result.hints.add('date');
  else if (first !== undefined) return inferText1(key, call.args, first, args, result);
  return result;
}

function inferText1(
  key: string,
  expressions: readonly Expression[],
  first: Shape,
  args: readonly Shape[],
  result: Shape,
): Shape {
  const second = literalText(expressions[1]);
  switch (key) {
    case 'json':
      return first.content();
    case 'first':
    case 'last': {
      const split = splitOf.get(first);
      if (split !== undefined) return result;
      first.hints.add('array');
      return first.element();
    }
    case 'empty':
      first.mayBeEmpty = true;
      return result;
    case 'take':
    case 'skip':
      first.hints.add('array');
      first.flowsTo(result);
      return result;
    case 'createarray':
      for (const arg of args) arg.flowsTo(result.element());
      return result;
    case 'array':
      // An array stays one: of what activities give, these are.
      if (first.hints.has('array') || /^(value|childItems)$/i.test(first.name)) first.flowsTo(result);
      else first.flowsTo(result.element());
      return result;
    case 'split': {
      const separator = second ?? ',';
      splitOf.set(result, { text: first, separator });
      first.splits.set(separator, Math.max(1, first.splits.get(separator) ?? 0));
      return result;
    }
    case 'startswith':
      if (second !== undefined) first.starts.add(second);
      return result;
    case 'endswith':
      if (second !== undefined) first.ends.add(second);
      return result;
    case 'contains':
    case 'indexof':
    case 'lastindexof':
      if (second !== undefined) first.contains.add(second);
      return result;
    case 'substring': {
      const end = expressions.slice(1).reduce((sum, each) => sum + literalNumber(each), 0);
      first.minLength = Math.max(first.minLength, end);
      return result;
    }
    default:
      return result;
  }
}

const literalNumber = (expression: Expression): number =>
  expression.kind === 'literal' && typeof expression.value === 'number' ? expression.value : 0;

function compare(expressions: readonly Expression[], shapes: readonly Shape[]): void {
  for (const [at, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const expression = expressions[at];
    const shape = shapes[other];
    if (expression?.kind !== 'literal' || shape === undefined) continue;
    const value = expression.value instanceof Float ? expression.value.value : expression.value;
    if (typeof value === 'number') shape.hints.add('integer');
    if (typeof value === 'boolean') shape.hints.add('boolean');
    if (value === '') shape.mayBeEmpty = true;
    if (value !== null && value !== '') shape.literals.add(value as JsonValue);
  }
}
