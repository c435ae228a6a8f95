// Incremental copies by a watermark column: what is planned, what is kept, and how a bound is computed.
import { WaybillError } from '../errors.ts';
import type { Column } from '../types/column.ts';

/**
 * The part of the source that a chunk reads, by its watermark column:
 * `window` from the lower bound (included) to the upper one (included) · `ties` at the lower bound · `between` the
 * bounds, both excluded · `newest` at the upper bound · `nulls` where the column is NULL.
 */
export type WatermarkPart = 'window' | 'ties' | 'between' | 'newest' | 'nulls';

/** How often each row's hash occurs: enough to know a row again without keeping it. */
export type RowCounts = Readonly<Record<string, number>>;

/** The state of an incremental copy between its runs, kept in the sink's ledger. */
export interface Watermark {
  /** Raised by every publish; 0 before the first. */
  readonly version: number;
  /** Canonical text of the highest value copied; null where there was none. */
  readonly value: string | null;
  /** Hash of the names and types of the columns that `ties` and `nulls` were hashed with. */
  readonly shape?: string;
  /** Rows copied whose value is `value`. Only where rows are inserted: an upsert may write them again. */
  readonly ties?: RowCounts;
  /** Rows copied whose value is NULL. */
  readonly nulls?: RowCounts;
}

/** What an incremental copy was planned with; part of the stored plan. */
export interface IncrementalPlan {
  /** Identity of the state: the same for every run of this copy. */
  readonly stream: string;
  readonly column: Column;
  /** Canonical texts; null where the side is open (lower) or the source has no value at all (upper). */
  readonly lower: string | null;
  readonly upper: string | null;
  /** Version of the watermark the plan was made from: another one at publishing means another copy was faster. */
  readonly version: number;
  /** Whether an earlier copy read everything up to `lower`. */
  readonly resumed: boolean;
  /** Whether rows at a bound are remembered by their hash. */
  readonly remembers: boolean;
  /** Whether everything is read again and takes the place of the target's rows. */
  readonly reload: boolean;
  readonly shape: string;
}

/** Rows at one bound that can be remembered. */
export const MAX_REMEMBERED = 10_000;

/** Adds up occurrences. Throws WATERMARK_TIES beyond the bound. */
export const addCounts = (parts: readonly RowCounts[]): RowCounts => {
  const total: Record<string, number> = {};
  for (const part of parts) {
    for (const [hash, count] of Object.entries(part)) total[hash] = (total[hash] ?? 0) + count;
  }
  refuseTooMany(total);
  return total;
};

/** The larger count of each: what is known to be copied after rows at the same bound were read again. */
export const mostOf = (before: RowCounts, now: RowCounts): RowCounts => {
  const most: Record<string, number> = { ...before };
  for (const [hash, count] of Object.entries(now)) most[hash] = Math.max(most[hash] ?? 0, count);
  refuseTooMany(most);
  return most;
};

export const refuseTooMany = (counts: RowCounts, limit = MAX_REMEMBERED): void => {
  const distinct = Object.keys(counts).length;
  if (distinct <= limit) return;
  throw new WaybillError(
    'WATERMARK_TIES',
    `More than ${limit} rows share the watermark's last value (or have none), too many to tell them from later ones ` +
      'when rows are inserted: upsert by key, or take a finer column.',
    { rows: distinct, limit },
  );
};

/** Digits of a time of day's fraction beyond seconds are kept as they are. */
const INSTANT = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2})(\.\d+)?(Z)?)?$/;

/**
 * The bound `lag` below `value`: units of the column for numbers, days for dates, seconds for date-times. Throws
 * DEFINITION_INVALID where the value has no such unit.
 */
export const lagged = (column: Column, value: string, lag: number): string => {
  if (lag === 0) return value;
  if (/^-?\d+$/.test(value) && column.type !== 'Byte[]') return (BigInt(value) - BigInt(lag)).toString();
  if (column.type === 'Decimal') {
    const [whole = '0', fraction = ''] = value.split('.');
    const units = BigInt(whole + fraction) - BigInt(lag) * 10n ** BigInt(fraction.length);
    const digits = (units < 0n ? -units : units).toString().padStart(fraction.length + 1, '0');
    const cut = digits.length - fraction.length;
    return `${units < 0n ? '-' : ''}${digits.slice(0, cut)}.${digits.slice(cut)}`;
  }
  const [, day, clock, fraction = '', zone = ''] = INSTANT.exec(value) ?? [];
  if (day === undefined || column.type === 'Byte[]') {
    throw new WaybillError(
      'DEFINITION_INVALID',
      `"lag" has no meaning for the watermark column ${column.name}.`,
      {
        key: 'incremental.lag',
      },
    );
  }
  const step = clock === undefined ? 86_400_000 : 1000;
  const moved = new Date(Date.parse(`${day}T${clock ?? '00:00:00'}Z`) - lag * step);
  const text =
    Number.isNaN(moved.getTime()) || moved.getUTCFullYear() < 1
      ? '0001-01-01T00:00:00'
      : moved.toISOString().slice(0, 19);
  return clock === undefined ? text.slice(0, 10) : `${text}${fraction}${zone}`;
};

const fractionOf = (text: string): string => text.split('.')[1] ?? '';

/** Whether `a` is below `b`, both canonical texts of the same column. */
export const isBelow = (column: Column, a: string, b: string): boolean => {
  if (column.type === 'Decimal' || column.type.startsWith('Int')) {
    const places = Math.max(fractionOf(a).length, fractionOf(b).length);
    const scaled = (text: string): bigint =>
      BigInt((text.split('.')[0] ?? '0') + fractionOf(text).padEnd(places, '0'));
    return scaled(a) < scaled(b);
  }
  // Dates, date-times and binaries of one length sort as their texts do.
  const padded = (text: string): string => text.replace('Z', '');
  return padded(a) < padded(b);
};

/** The parts that a plan reads, in the order of its chunks. `nulls` says whether rows without a value are read. */
export const partsOf = (
  plan: Pick<IncrementalPlan, 'lower' | 'upper' | 'remembers' | 'column' | 'resumed'>,
  nulls: boolean,
): WatermarkPart[] => {
  const { lower, upper, remembers, column, resumed } = plan;
  const last: WatermarkPart[] = nulls ? ['nulls'] : [];
  if (upper === null) return last;
  if (!remembers) return ['window', ...last];
  // Without a watermark the lower bound is the definition's own: its rows were never copied.
  if (lower === null || !resumed) return ['between', 'newest', ...last];
  return isBelow(column, lower, upper) ? ['ties', 'between', 'newest', ...last] : ['ties', ...last];
};
