// Logical functions. `and`, `or` and `if` evaluate no more than they need.
import type { JsonValue } from '../../json.ts';
import { expressionError } from '../expression-error.ts';
import { Float, type RawValue } from '../syntax.ts';
import { sameValue } from '../values.ts';
import { boolean, type FunctionEntry, lazy, MANY, plain, raw } from './define.ts';
import { upper } from './letter-case.ts';

const isNumber = (value: RawValue | undefined): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint';

function compare(name: string, leftRaw: RawValue | undefined, rightRaw: RawValue | undefined): number {
  const a = leftRaw instanceof Float ? leftRaw.value : leftRaw;
  const b = rightRaw instanceof Float ? rightRaw.value : rightRaw;
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') {
    // Ordinal and ignoring case, as Microsoft's cloud compares strings here; equals() does not ignore it.
    const [left, right] = [upper(a), upper(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  }
  throw expressionError(`${name}() wants two numbers or two strings`);
}

const plainOf = (value: RawValue): JsonValue =>
  value instanceof Float ? value.value : typeof value === 'bigint' ? Number(value) : value;

/** A bigint is beyond 2^53, so it equals nothing that is a number. */
const same = (a: RawValue, b: RawValue): boolean =>
  typeof a === 'bigint' && typeof b === 'bigint'
    ? a === b
    : typeof a === 'bigint' || typeof b === 'bigint'
      ? isNumber(plainOf(a)) &&
        isNumber(plainOf(b)) &&
        (a instanceof Float || b instanceof Float) &&
        plainOf(a) === plainOf(b)
      : sameValue(plainOf(a), plainOf(b));

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
  raw('equals', 2, 2, ([a, b]) => same(a ?? null, b ?? null)),
  plain('not', 1, 1, ([a]) => !boolean('not', a)),
  raw('greater', 2, 2, ([a, b]) => compare('greater', a, b) > 0),
  raw('greaterOrEquals', 2, 2, ([a, b]) => compare('greaterOrEquals', a, b) >= 0),
  raw('less', 2, 2, ([a, b]) => compare('less', a, b) < 0),
  raw('lessOrEquals', 2, 2, ([a, b]) => compare('lessOrEquals', a, b) <= 0),
];
