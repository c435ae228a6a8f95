// Planning of SQL sources: which column to split by, and into which ranges.
import { findColumn } from '../../core/copy/find-column.ts';
import {
  type Axis,
  axisOf,
  chunkCount,
  type KeyRange,
  ROWS_CHUNK,
  rangesBetween,
  rowsPerChunk,
  splitEvenly,
  WHOLE_RANGE,
  WIRE_CHUNK,
} from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column } from '../../core/types/column.ts';
import { conversionBetween } from '../../core/types/conversion.ts';
import type { PlannedRanges, WireFormat } from '../connector.ts';
import { objectSetting, textSetting } from './settings.ts';
import type { Dialect, SqlRow } from './sql-store.ts';

/** What planning needs to know of a source, and how it asks it. */
export interface RangeRequest {
  /** The copy source's own object. */
  readonly settings: JsonObject;
  readonly columns: readonly Column[];
  /** Columns of an enforced key, in its order; empty where there is none. */
  readonly key: readonly string[];
  readonly parallelCopies: number;
  readonly wire: WireFormat | undefined;
  /** What stands after FROM. */
  readonly from: string;
  readonly dialect: Pick<Dialect, 'quote'>;
  /** The canonical text of an expression of the column's type. */
  readonly text: (column: Column, expression: string) => string;
  readonly query: (sql: string) => Promise<SqlRow[]>;
  /** COUNT_BIG where COUNT ends at 2^31. */
  readonly count?: string;
  /** A query of at most so many rows; LIMIT by default. */
  readonly limited?: (fields: string, from: string, rows: number) => string;
  /** Bytes or characters of a text or binary expression; LENGTH by default. */
  readonly length?: (expression: string) => string;
}

/** A chunk may have so many times the rows it should before keys count as unevenly spread. */
const SKEW = 3n;
/** Bytes of a text or binary value that nobody declared a length for and nobody measured. */
const UNKNOWN_BYTES = 40;
const SAMPLED_ROWS = 1000;
/** Texts up to this length are taken as half full without looking. */
const SHORT = 200;

/**
 * The column to split by: the one the definition names, else the first column of the key, else none. `"partitionOption":
 * "None"` is what ADF writes by default and does not forbid splitting. Throws DEFINITION_UNSUPPORTED for a named column
 * that has no order all chunks would agree on.
 */
export const partitionColumn = (
  settings: JsonObject,
  columns: readonly Column[],
  key: readonly string[],
): Column | undefined => {
  const named = textSetting(objectSetting(settings, 'partitionSettings'), 'partitionColumnName');
  const dynamic = textSetting(settings, 'partitionOption') === 'DynamicRange';
  const name = dynamic ? (named ?? key[0]) : key[0];
  if (name === undefined) return undefined;
  const column = findColumn(columns, name);
  if (column !== undefined && axisOf(column) !== undefined) return column;
  if (!dynamic || named === undefined) return undefined;
  throw new WaybillError(
    column === undefined ? 'OBJECT_MISSING' : 'DEFINITION_UNSUPPORTED',
    column === undefined
      ? `The source has no partition column ${name}.`
      : `The partition column ${name} (${column.native}) must be of an integer, decimal, date or date-time type.`,
    { column: name },
  );
};

const typicalBytes = ({ type, length }: Column): number => {
  if (type === 'String' || type === 'Byte[]') return length === undefined ? UNKNOWN_BYTES : length / 2;
  return type.startsWith('DateTime') ? 26 : type === 'Guid' ? 36 : 10;
};

/** Columns whose width their type does not tell. */
const isWide = ({ type, length }: Column): boolean =>
  (type === 'String' || type === 'Byte[]') && (length === undefined || length > SHORT);

/** The length of the column's text in SQL; undefined for one whose values have no text, which no mapping may take. */
const lengthOf = (request: RangeRequest, column: Column): string | undefined => {
  const length = request.length ?? ((expression: string) => `LENGTH(${expression})`);
  try {
    return `COALESCE(${length(request.text(column, request.dialect.quote(column.name)))}, 0)`;
  } catch (error) {
    if (error instanceof WaybillError && error.code === 'TYPE_UNSUPPORTED') return undefined;
    throw error;
  }
};

/** Bytes of an average row: by type, and for wide columns by the first rows. */
const rowBytes = async (request: RangeRequest): Promise<number> => {
  const { columns, dialect, from, query } = request;
  const lengths = new Map(
    columns.filter(isWide).flatMap((column) => {
      const length = lengthOf(request, column);
      return length === undefined ? [] : [[column, length] as const];
    }),
  );
  const narrow = columns.filter((column) => !lengths.has(column));
  const known = narrow.reduce((sum, column) => sum + typicalBytes(column), 0);
  if (lengths.size === 0) return known;
  const limited =
    request.limited ?? ((fields, place, rows) => `SELECT ${fields} FROM ${place} LIMIT ${rows}`);
  const fields = [...lengths.keys()].map((column) => dialect.quote(column.name)).join(', ');
  const sum = [...lengths.values()].join(' + ');
  const [found] = await query(
    `SELECT AVG(${sum}) AS b FROM (${limited(fields, from, SAMPLED_ROWS)}) AS sampled`,
  );
  const measured = Number(found?.['b'] ?? Number.NaN);
  return known + (Number.isFinite(measured) ? measured : lengths.size * UNKNOWN_BYTES);
};

/** A bound that the definition gives, as a position on the axis. */
const givenBound = (partition: JsonObject, name: string, column: Column, axis: Axis): bigint | undefined => {
  const text = textSetting(partition, name);
  if (text === undefined) return undefined;
  const from: Column = { name, type: 'String', nullable: true, native: '' };
  try {
    const canonical = conversionBetween(from, column)?.convert?.(text) ?? text;
    return axis.position(canonical);
  } catch (error) {
    throw new WaybillError(
      'DEFINITION_INVALID',
      `"${name}" is no value of the partition column ${column.name} (${column.native}).`,
      { key: name, column: column.name },
      { cause: error },
    );
  }
};

/** Lower bounds of `count` parts with as many rows each; fewer where values repeat. */
const quantiles = async (request: RangeRequest, column: Column, count: number): Promise<string[]> => {
  const { dialect, from, query, text } = request;
  const name = dialect.quote(column.name);
  const rows = await query(
    `SELECT ${text(column, 'q.lo')} AS lo FROM (SELECT MIN(t.k) AS lo FROM (` +
      `SELECT ${name} AS k, NTILE(${count}) OVER (ORDER BY ${name}) AS tile FROM ${from} WHERE ${name} IS NOT NULL` +
      ') AS t GROUP BY t.tile) AS q ORDER BY q.lo',
  );
  const lows = rows.map((row) => String(row['lo']));
  // Infinity is on no axis and bounds nothing; what lies beyond the last bound is in the last range.
  return lows.filter((low, i) => i > 0 && low !== lows[i - 1] && axisOf(column)?.position(low) !== undefined);
};

/** Whether ranges of equal width could hold far more rows than they should. */
const isUneven = (
  column: Column,
  unique: boolean,
  width: bigint,
  count: number,
  perChunk: number,
): boolean => {
  if (count <= 1) return false;
  const counts = /^Int/.test(column.type) || (column.type === 'Decimal' && (column.scale ?? 0) === 0);
  // A unique whole number has at most one row per position: a narrow range cannot be over-full.
  return !(unique && counts && width / BigInt(count) <= SKEW * BigInt(perChunk));
};

/**
 * Counts the source and cuts it into ranges: of equal width where that spreads the rows evenly or the definition gives
 * bounds (they set the stride and never filter rows), else of equally many rows.
 */
export const planSqlRanges = async (request: RangeRequest): Promise<PlannedRanges> => {
  const { settings, columns, key, parallelCopies, from, dialect, query, text } = request;
  const column = partitionColumn(settings, columns, key);
  const name = column === undefined ? '' : dialect.quote(column.name);
  const bounds =
    column === undefined
      ? ''
      : `, ${text(column, `MIN(${name})`)} AS lowest, ${text(column, `MAX(${name})`)} AS highest`;
  const [found] = await query(`SELECT ${request.count ?? 'COUNT(*)'} AS n${bounds} FROM ${from}`);
  const rows = Number(found?.['n'] ?? 0);
  const axis = column === undefined ? undefined : axisOf(column);
  if (column === undefined || axis === undefined) return { ranges: [WHOLE_RANGE], rows, sourceState: {} };
  const sourceState: JsonObject = { partitionColumn: column.name, partition: { ...column } };
  const perChunk = rowsPerChunk(
    request.wire === undefined ? ROWS_CHUNK : WIRE_CHUNK,
    rows === 0 ? 1 : await rowBytes(request),
  );
  const count = chunkCount(rows, perChunk, parallelCopies);
  const ranges = await cut(request, column, axis, count, perChunk, found);
  return { ranges, rows, sourceState };
};

const cut = async (
  request: RangeRequest,
  column: Column,
  axis: Axis,
  count: number,
  perChunk: number,
  found: SqlRow | undefined,
): Promise<KeyRange[]> => {
  const partition = objectSetting(request.settings, 'partitionSettings');
  const lower = givenBound(partition, 'partitionLowerBound', column, axis);
  const upper = givenBound(partition, 'partitionUpperBound', column, axis);
  const position = (value: unknown): bigint | undefined =>
    value === null || value === undefined ? undefined : axis.position(String(value));
  const min = lower ?? position(found?.['lowest']);
  const max = upper ?? position(found?.['highest']);
  if (count <= 1) return [WHOLE_RANGE];
  // Values beyond the axis, such as infinity, have an order all the same.
  const off = (min === undefined || max === undefined) && found?.['lowest'] !== null;
  const given = lower !== undefined || upper !== undefined;
  const unique = request.key.length === 1 && request.key[0] === column.name;
  if (
    off ||
    (!given && min !== undefined && max !== undefined && isUneven(column, unique, max - min, count, perChunk))
  ) {
    return rangesBetween(await quantiles(request, column, count));
  }
  return min === undefined || max === undefined || min > max
    ? [WHOLE_RANGE]
    : splitEvenly(column, axis, min, max, count);
};

/** The condition of a chunk; "" for the only one. NULLs go with the first range. */
export const rangeCondition = (
  range: KeyRange,
  sourceState: JsonObject,
  dialect: Pick<Dialect, 'quote' | 'typedLiteral'>,
): string => {
  const name = textSetting(sourceState, 'partitionColumn');
  const { lower, upper } = range;
  if (name === undefined || (lower === null && upper === null)) return '';
  // Plans of older versions split by integers only and kept no type.
  const kept = sourceState['partition'] as unknown as Column | undefined;
  const column: Column = kept ?? { name, type: 'Int64', nullable: true, native: '' };
  const axis = axisOf(column);
  const bound = (text: string): string => {
    if (axis?.position(text) === undefined)
      throw new WaybillError('INTERNAL', 'A range bound is not a value of its column.');
    return dialect.typedLiteral(column, text);
  };
  const quoted = dialect.quote(name);
  if (lower === null && upper !== null) return `(${quoted} < ${bound(upper)} OR ${quoted} IS NULL)`;
  const from = lower === null ? [] : [`${quoted} >= ${bound(lower)}`];
  const to = upper === null ? [] : [`${quoted} < ${bound(upper)}`];
  return [...from, ...to].join(' AND ');
};

/** The condition as a WHERE clause with its leading blank. */
export const rangeClause = (
  range: KeyRange,
  sourceState: JsonObject,
  dialect: Pick<Dialect, 'quote' | 'typedLiteral'>,
): string => {
  const condition = rangeCondition(range, sourceState, dialect);
  return condition === '' ? '' : ` WHERE ${condition}`;
};
