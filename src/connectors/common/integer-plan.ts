// Planning of SQL sources: which integer column to split by, and into how many ranges.

import { findColumn } from '../../core/copy/find-column.ts';
import { chunkCount, type KeyRange, splitIntegerRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column } from '../../core/types/column.ts';
import type { PlannedRanges } from '../connector.ts';
import { objectSetting, textSetting } from './settings.ts';

export interface KeyStatistics {
  readonly rows: number;
  readonly min: string | null;
  readonly max: string | null;
}

/** Only integers split into ranges of equal width that every store compares alike. */
export const splitsEvenly = (column: Column): boolean =>
  /^Int(16|32|64)$/.test(column.type) || (column.type === 'Decimal' && (column.scale ?? 0) === 0);

/**
 * The column to split by: the one the definition names (it must be an integer one), else the integer primary key,
 * else none. `"partitionOption": "None"` is what ADF writes by default and does not forbid splitting.
 */
export const partitionColumn = (
  settings: JsonObject,
  columns: readonly Column[],
  primaryKey: string | undefined,
): Column | undefined => {
  const named = textSetting(objectSetting(settings, 'partitionSettings'), 'partitionColumnName');
  const dynamic = textSetting(settings, 'partitionOption') === 'DynamicRange';
  const name = dynamic ? (named ?? primaryKey) : primaryKey;
  if (name === undefined) return undefined;
  const column = findColumn(columns, name);
  if (column === undefined || !splitsEvenly(column)) {
    if (dynamic && named !== undefined) {
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `The partition column ${name} must be an integer column of the source.`,
        { column: name },
      );
    }
    return undefined;
  }
  return column;
};

/** Ranges for the statistics found; ADF's bounds set the stride and never filter rows. */
export const planRanges = (
  settings: JsonObject,
  column: Column | undefined,
  statistics: KeyStatistics,
  parallelCopies: number,
): PlannedRanges => {
  const { rows } = statistics;
  const whole: KeyRange[] = [{ lower: null, upper: null }];
  if (column === undefined || statistics.min === null || statistics.max === null) {
    return { ranges: whole, rows, sourceState: {} };
  }
  const partition = objectSetting(settings, 'partitionSettings');
  const bound = (name: string, found: string): bigint => {
    const given = textSetting(partition, name);
    return given !== undefined && /^-?\d+$/.test(given) ? BigInt(given) : BigInt(found);
  };
  const min = bound('partitionLowerBound', statistics.min);
  const max = bound('partitionUpperBound', statistics.max);
  // A small table is one chunk; a larger one gives every parallel copy work of a size worth its overhead.
  const count = Math.max(chunkCount(rows), rows >= 20_000 ? Math.min(parallelCopies, 4) : 1);
  return {
    ranges: min > max ? whole : splitIntegerRange(min, max, count),
    rows,
    sourceState: { partitionColumn: column.name },
  };
};

/** The WHERE condition of a range over the quoted `column`; NULLs go with the first range. "" for everything. */
export const rangeCondition = (column: string, range: KeyRange): string => {
  const integer = (text: string): string => {
    if (!/^-?\d+$/.test(text)) throw new WaybillError('INTERNAL', 'A range bound is not an integer.');
    return text;
  };
  const { lower, upper } = range;
  if (lower === null && upper === null) return '';
  if (lower === null && upper !== null) return `(${column} < ${integer(upper)} OR ${column} IS NULL)`;
  if (upper === null && lower !== null) return `${column} >= ${integer(lower)}`;
  return `${column} >= ${integer(lower ?? '0')} AND ${column} < ${integer(upper ?? '0')}`;
};
