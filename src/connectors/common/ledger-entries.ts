// The ledger's entries: what a chunk's and a copy's entry hold, and how they become figures.
import type { PublishResult } from '../../core/copy/activities.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { ChunkFigures, StoredPlan } from '../connector.ts';
import type { LedgerValue } from './ledger-rows.ts';
import type { SqlRow } from './sql-store.ts';
import type { ChunkMemory } from './watermark-ledger.ts';

/** The entry of the copy itself, besides those of its chunks. */
export const WHOLE = -1;

const asNumber = (value: unknown): number => Number(value ?? 0);
export const asText = (value: unknown): string | null =>
  value === null || value === undefined ? null : String(value);

/** What a chunk's entry keeps besides its figures. */
interface ChunkDetail extends ChunkMemory {
  /** Rows that were left out because they do not fit. */
  readonly skipped?: number;
  readonly filesSkipped?: number;
}

/** What the copy's own entry keeps: its plan, and how many rows publishing left out. */
export type WholeDetail = StoredPlan & { readonly chunks: number; readonly taken?: number };

export const detailOf = (row: SqlRow): ChunkDetail =>
  JSON.parse(asText(row['detail']) ?? '{}') as ChunkDetail;

export const figuresOf = (row: SqlRow): ChunkFigures => {
  const { skipped, filesSkipped } = detailOf(row);
  return {
    rows: asNumber(row['row_count']),
    ...(skipped === undefined ? {} : { skipped }),
    ...(filesSkipped === undefined ? {} : { filesSkipped }),
    bytesRead: asNumber(row['bytes_read']),
    bytesWritten: asNumber(row['bytes_written']),
    sourceChecksum: asText(row['checksum']) ?? '',
    sinkChecksum: asText(row['checksum']) ?? '',
  };
};

export const wholeDetailOf = (row: SqlRow): WholeDetail => JSON.parse(String(row['detail'])) as WholeDetail;

/** Sums of committed chunks' entries, less the rows that publishing left out since their keys were `taken`. */
export const totalsOf = (rows: readonly SqlRow[], taken: number): PublishResult => {
  const figures = rows.map(figuresOf);
  const sum = (pick: (one: ChunkFigures) => number): number =>
    figures.reduce((total, one) => total + pick(one), 0);
  const checksum = figures.reduce((total, one) => total + BigInt(one.sourceChecksum || '0'), 0n).toString();
  const filesSkipped = sum((one) => one.filesSkipped ?? 0);
  const skipped = taken + sum((one) => one.skipped ?? 0);
  return {
    rows: sum((one) => one.rows) - taken,
    bytesRead: sum((one) => one.bytesRead),
    bytesWritten: sum((one) => one.bytesWritten),
    sourceChecksum: checksum,
    sinkChecksum: checksum,
    files: 0,
    ...(skipped > 0 ? { skipped } : {}),
    ...(filesSkipped > 0 ? { filesSkipped } : {}),
  };
};

export const chunkEntry = (chunk: number, { lower, upper, part }: KeyRange): Record<string, LedgerValue> => ({
  chunk,
  state: 'planned',
  generation: 0,
  lower_bound: lower,
  upper_bound: upper,
  detail: part === undefined ? null : JSON.stringify({ part }),
});

/** What left the source is not what the sink holds. `chunk` is WHOLE for the copy as one. */
export const sinkMismatch = (
  label: string,
  chunk: number,
  what: string,
  source: number | string,
  sink: number | string,
): WaybillError => {
  const where = chunk === WHOLE ? 'The whole copy' : `Chunk ${chunk}`;
  return new WaybillError(
    'CHUNK_MISMATCH',
    `${where} in ${label}: ${what} ${source} left the source, the sink holds ${sink}.`,
    { chunk, what, source, sink },
  );
};
