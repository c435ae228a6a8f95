// Logical functions. `and`, `or` and `if` evaluate no more than they need.
import type { JsonValue } from '../../json.ts';
import { expressionError } from '../expression-error.ts';
import { Float, type RawValue } from '../syntax.ts';
import { sameValue } from '../values.ts';
import { boolean, type FunctionEntry, lazy, MANY, plain } from './define.ts';

function compare(name: string, a: JsonValue | undefined, b: JsonValue | undefined): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  // Outputs often carry numbers as text; Data Factory converts when one side is a number.
  const left = typeof a === 'string' && typeof b === 'number' ? Number(a) : a;
  const right = typeof b === 'string' && typeof a === 'number' ? Number(b) : b;
  if (typeof left === 'number' && typeof right === 'number' && !Number.isNaN(left) && !Number.isNaN(right)) {
    return left - right;
  }
  throw expressionError(`${name}() wants two numbers or two strings`);
}

const plainOf = (value: RawValue): JsonValue => (value instanceof Float ? value.value : value);

export const LOGICAL: FunctionEntry[] = [
  lazy('and', 2, MANY, (args) => args.every((arg) => boolean('and', arg()))),
  lazy('or', 2, MANY, (args) => args.some((arg) => boolean('or', arg()))),
  lazy('if', 3, 3, ([condition, yes, no]) => {
    const branch = boolean('if', condition?.() ?? null) ? yes : no;
    return branch?.() ?? null;
  }),
  lazy('coalesce', 1, MANY, (args) => {
    for (const arg of args) {
      const value = arg();
      if (plainOf(value) !== null) return value;
    }
    return null;
  }),
  plain('equals', 2, 2, ([a, b]) => sameValue(a as JsonValue, b as JsonValue)),
  plain('not', 1, 1, ([a]) => !boolean('not', a)),
  plain('greater', 2, 2, ([a, b]) => compare('greater', a, b) > 0),
  plain('greaterOrEquals', 2, 2, ([a, b]) => compare('greaterOrEquals', a, b) >= 0),
  plain('less', 2, 2, ([a, b]) => compare('less', a, b) < 0),
  plain('lessOrEquals', 2, 2, ([a, b]) => compare('lessOrEquals', a, b) <= 0),
];
