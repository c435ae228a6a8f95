// Splitting a copy into chunks by a column with an order: every row, NULLs included, belongs to exactly one chunk.
import { type Column, fractionDigits } from '../types/column.ts';
import type { WatermarkPart } from './incremental.ts';

/**
 * Rows `lower <= column < upper`; an absent bound is open. The first range also holds the rows where it is NULL. Bounds
 * are canonical texts of the column.
 */
export interface KeyRange {
  readonly lower: string | null;
  readonly upper: string | null;
  /** Where the copy is incremental: the part of the source, by its watermark, that the range is of. */
  readonly part?: WatermarkPart;
}

/**
 * How large a chunk should be: some seconds of work, little enough to lose to a crash, enough to be worth a load. Bytes
 * count as the source's rows do on their way; whichever is reached first ends the chunk.
 */
export interface ChunkSize {
  readonly rows: number;
  readonly bytes: number;
}

export const ROWS_CHUNK: ChunkSize = { rows: 100_000, bytes: 24 * 1_048_576 };
/** Rows that pass through as they are cost a fraction. */
export const WIRE_CHUNK: ChunkSize = { rows: 400_000, bytes: 64 * 1_048_576 };

/** Most chunks of one copy; beyond it chunks grow instead. */
export const MAX_CHUNKS = 10_000;

/** A table with fewer rows is one chunk, whatever runs at once. */
const WORTH_SPLITTING = 20_000;
/** Chunks that a table worth splitting has at least, as far as so many run at once. */
const LEAST_CHUNKS = 4;

/** Rows of a chunk of that size, where a row has `rowBytes` bytes. */
export const rowsPerChunk = (size: ChunkSize, rowBytes: number): number =>
  Math.max(500, Math.min(size.rows, Math.floor(size.bytes / Math.max(1, rowBytes))));

/** How many chunks `rows` rows make. A table worth splitting gives every parallel copy work. */
export const chunkCount = (rows: number, perChunk: number, parallelCopies: number): number =>
  Math.max(
    1,
    rows >= WORTH_SPLITTING ? Math.min(parallelCopies, LEAST_CHUNKS) : 1,
    Math.min(MAX_CHUNKS, Math.ceil(rows / perChunk)),
  );

/** The whole source in one piece. */
export const WHOLE_RANGE: KeyRange = { lower: null, upper: null };

/** Ranges between ascending inner bounds. The outer ones stay open: rows that arrive outside them are not lost. */
export const rangesBetween = (bounds: readonly string[]): KeyRange[] => {
  const ranges: KeyRange[] = [];
  let lower: string | null = null;
  for (const upper of bounds) {
    ranges.push({ lower, upper });
    lower = upper;
  }
  ranges.push({ lower, upper: null });
  return ranges;
};

/** A column's values as whole numbers in the same order, and back to canonical text. */
export interface Axis {
  /** Undefined for values that are on no axis, such as infinity. */
  position(text: string): bigint | undefined;
  text(position: bigint): string;
}

const SECOND = 1_000_000n;
const DAY = 86_400n * SECOND;

const decimalAxis = (scale: number): Axis => ({
  position(text) {
    const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text);
    if (match === null) return undefined;
    const units = BigInt(`${match[2]}${(match[3] ?? '').slice(0, scale).padEnd(scale, '0')}`);
    return match[1] === '-' ? -units : units;
  },
  text(position) {
    if (scale === 0) return position.toString();
    const digits = (position < 0n ? -position : position).toString().padStart(scale + 1, '0');
    return `${position < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  },
});

/** Microseconds since 1970; bounds finer than that are not needed. */
const momentAxis = (column: Column): Axis => ({
  position(text) {
    const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z?)?$/.exec(text);
    const at = Date.parse(`${match?.[1]}T${match?.[2] ?? '00:00:00'}Z`);
    if (match === null || Number.isNaN(at)) return undefined;
    return BigInt(at) * 1000n + BigInt((match[3] ?? '').slice(0, 6).padEnd(6, '0'));
  },
  text(position) {
    const fraction = ((position % SECOND) + SECOND) % SECOND;
    const whole = new Date(Number((position - fraction) / 1000n)).toISOString();
    if (column.type === 'Date') return whole.slice(0, 10);
    const digits = fraction.toString().padStart(6, '0').padEnd(fractionDigits(column), '0');
    return `${whole.slice(0, 19)}.${digits}${column.type === 'DateTimeOffset' ? 'Z' : ''}`;
  },
});

/** Undefined where the type has no order that every store shares, such as texts with their collations. */
export const axisOf = (column: Column): Axis | undefined => {
  switch (column.type) {
    case 'Int16':
    case 'Int32':
    case 'Int64':
      return decimalAxis(0);
    case 'Decimal':
      return decimalAxis(column.scale ?? 0);
    case 'Date':
    case 'DateTime':
    case 'DateTimeOffset':
      return momentAxis(column);
    default:
      return undefined;
  }
};

/** Positions a bound of the column should stand on: whole days for dates, whole seconds for moments far apart. */
const grain = (column: Column, width: bigint, count: bigint): bigint => {
  if (column.type === 'Date') return DAY;
  if (!column.type.startsWith('DateTime')) return 1n;
  return width / count >= SECOND ? SECOND : 1n;
};

const floorTo = (value: bigint, step: bigint): bigint => value - (((value % step) + step) % step);

/** Cuts `[min, max]` into at most `count` ranges of equal width. */
export const splitEvenly = (
  column: Column,
  axis: Axis,
  min: bigint,
  max: bigint,
  count: number,
): KeyRange[] => {
  const pieces = BigInt(Math.max(1, count));
  const step = grain(column, max - min, pieces);
  const bounds: string[] = [];
  let last = min;
  for (let i = 1n; i < pieces; i++) {
    const at = floorTo(min + ((max - min + step) * i) / pieces, step);
    if (at <= last || at > max) continue;
    bounds.push(axis.text(at));
    last = at;
  }
  return rangesBetween(bounds);
};
