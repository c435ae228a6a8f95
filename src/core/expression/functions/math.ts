// Math functions. Whole numbers stay whole (`div(11, 5)` is 2); one floating-point argument makes the result float.
import type { JsonValue } from '../../json.ts';
import { expressionError } from '../expression-error.ts';
import { Float, type RawValue } from '../syntax.ts';
import { type FunctionEntry, inInt64, integer, MANY, numeric, plain, raw } from './define.ts';

const numberOf = (value: number | bigint | Float): number =>
  Number(value instanceof Float ? value.value : value);

/** Whole numbers are reckoned with exactly; two of up to 2^53 whose result is no larger need no bigints for it. */
const binary = (
  name: string,
  float: (a: number, b: number) => number,
  exact: (a: bigint, b: bigint) => bigint,
  whole: (a: number, b: number) => number = float,
): FunctionEntry =>
  raw(name, 2, 2, ([left, right]) => {
    const a = numeric(name, left);
    const b = numeric(name, right);
    if (a instanceof Float || b instanceof Float) return new Float(float(numberOf(a), numberOf(b)));
    const quick = typeof a === 'number' && typeof b === 'number' ? whole(a, b) : Number.NaN;
    // Whole numbers have no -0, which `-6 % 3` is in JavaScript.
    return Number.isSafeInteger(quick) ? quick + 0 : inInt64(name, exact(BigInt(a), BigInt(b)));
  });

function divisor<T extends number | bigint>(name: string, value: T): T {
  if (Number(value) === 0) throw expressionError(`${name}() by zero`);
  return value;
}

const comparable = (value: number | bigint | Float): number | bigint =>
  value instanceof Float ? value.value : value;

/** The extreme of numbers given one by one or as one array. */
function extreme(
  name: string,
  args: RawValue[],
  better: (a: number | bigint, b: number | bigint) => boolean,
): RawValue {
  const values = args.length === 1 && Array.isArray(args[0]) ? (args[0] as JsonValue[]) : args;
  let best: number | bigint | Float | undefined;
  for (const entry of values) {
    const value = numeric(name, entry);
    if (best === undefined || better(comparable(value), comparable(best))) best = value;
  }
  if (best === undefined) throw expressionError(`${name}() of nothing`);
  return best;
}

const MAX_RANGE = 100_000;

export const MATH: FunctionEntry[] = [
  binary(
    'add',
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  binary(
    'sub',
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  binary(
    'mul',
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  binary(
    'div',
    (a, b) => a / divisor('div', b),
    (a, b) => a / divisor('div', b),
    (a, b) => Math.trunc(a / divisor('div', b)),
  ),
  binary(
    'mod',
    (a, b) => a % divisor('mod', b),
    (a, b) => a % divisor('mod', b),
  ),
  raw('max', 1, MANY, (args) => extreme('max', args, (a, b) => a > b)),
  raw('min', 1, MANY, (args) => extreme('min', args, (a, b) => a < b)),
  plain('rand', 2, 2, ([from, to], context) => {
    const low = integer('rand', from);
    const high = integer('rand', to);
    if (high <= low) throw expressionError(`rand() needs its first number below its second`);
    return low + Math.floor(context.random() * (high - low));
  }),
  plain('range', 2, 2, ([start, count]) => {
    const length = integer('range', count);
    if (length < 0 || length > MAX_RANGE)
      throw expressionError(`range() makes 0 to ${MAX_RANGE} numbers, not ${length}`);
    const from = integer('range', start);
    return Array.from({ length }, (_, index) => from + index);
  }),
];
