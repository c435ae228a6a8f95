// Splitting a copy into chunks by an integer column: every row, NULLs included, belongs to exactly one chunk.
import type { WatermarkPart } from './incremental.ts';

/** Rows `lower <= column < upper`; an absent bound is open. The first range also holds the rows where it is NULL. */
export interface KeyRange {
  readonly lower: string | null;
  readonly upper: string | null;
  /** Where the copy is incremental: the part of the source, by its watermark, that the range is of. */
  readonly part?: WatermarkPart;
}

/** Rows a chunk should have: some seconds of work, little enough to lose to a crash, enough to be worth a load. */
export const ROWS_PER_CHUNK = 75_000;

/** Most chunks of one copy; beyond it chunks grow instead. */
export const MAX_CHUNKS = 10_000;

/** How many chunks `rows` rows make. */
export const chunkCount = (rows: number, rowsPerChunk = ROWS_PER_CHUNK): number =>
  Math.max(1, Math.min(MAX_CHUNKS, Math.ceil(rows / rowsPerChunk)));

/**
 * Cuts `[min, max]` into at most `count` ranges of equal width. The outer bounds stay open, as ADF's do: bounds decide
 * the stride and never filter rows, and rows that arrive outside them during the copy are not lost.
 */
export const splitIntegerRange = (min: bigint, max: bigint, count: number): KeyRange[] => {
  const width = max - min + 1n;
  const pieces = width < BigInt(count) ? (width < 1n ? 1n : width) : BigInt(count);
  const ranges: KeyRange[] = [];
  let lower: string | null = null;
  for (let i = 1n; i < pieces; i++) {
    const upper = (min + (width * i) / pieces).toString();
    ranges.push({ lower, upper });
    lower = upper;
  }
  ranges.push({ lower, upper: null });
  return ranges;
};
