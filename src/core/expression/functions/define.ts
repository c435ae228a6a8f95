// How a function of the expression language is declared, and the checks its arguments share.
import type { JsonObject, JsonValue } from '../../json.ts';
import type { EvaluationContext } from '../context.ts';
import { expressionError } from '../expression-error.ts';
import { Float, type RawValue } from '../syntax.ts';

interface Arity {
  /** ADF's spelling. Calls match it in any case. */
  readonly name: string;
  readonly min: number;
  readonly max: number;
}

/** `plain` gets JSON, `raw` can tell 5.0 from 5, `lazy` evaluates its arguments itself. */
export type FunctionEntry = Arity &
  (
    | {
        readonly kind: 'plain';
        readonly call: (args: JsonValue[], context: EvaluationContext) => RawValue;
      }
    | { readonly kind: 'raw'; readonly call: (args: RawValue[]) => RawValue }
    | { readonly kind: 'lazy'; readonly call: (args: (() => RawValue)[]) => RawValue }
  );

export const MANY = Number.POSITIVE_INFINITY;

export const plain = (
  name: string,
  min: number,
  max: number,
  call: (args: JsonValue[], context: EvaluationContext) => RawValue,
): FunctionEntry => ({ kind: 'plain', name, min, max, call });

export const raw = (
  name: string,
  min: number,
  max: number,
  call: (args: RawValue[]) => RawValue,
): FunctionEntry => ({ kind: 'raw', name, min, max, call });

export const lazy = (
  name: string,
  min: number,
  max: number,
  call: (args: (() => RawValue)[]) => RawValue,
): FunctionEntry => ({ kind: 'lazy', name, min, max, call });

const kindOf = (value: RawValue | undefined): string =>
  value === null || value === undefined ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;

const wrong = (name: string, wanted: string, value: RawValue | undefined): Error =>
  expressionError(`${name}() wants ${wanted}, not ${kindOf(value)}`);

export function text(name: string, value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  throw wrong(name, 'a string', value);
}

export function integer(name: string, value: JsonValue | undefined): number {
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  if (typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value)) return Number(value);
  throw wrong(name, 'a whole number', value);
}

/** A whole number as Data Factory holds it: 64 bits, exact beyond 2^53 as a bigint. Throws where it has no room. */
export function inInt64(name: string, value: bigint): number | bigint {
  if (BigInt.asIntN(64, value) !== value)
    throw expressionError(`${name}() leaves the range of 64-bit whole numbers`);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** No text will do, not even 'true': Data Factory asks for bool() there (Azure/Azure-DataFactory issue 518). */
export function boolean(name: string, value: RawValue | undefined): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(name, 'true or false (bool() makes one of a text)', value);
}

export function array(name: string, value: JsonValue | undefined): JsonValue[] {
  if (Array.isArray(value)) return value;
  throw wrong(name, 'an array', value);
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function numeric(name: string, value: RawValue | undefined): number | bigint | Float {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? value : new Float(value);
  if (value instanceof Float) return value;
  throw wrong(name, 'a number', value);
}
