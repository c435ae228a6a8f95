// Reads stored Parquet files: columns, parts that can be read alone, and rows, a row group at a time.
import type { FileMetaData, RowGroup } from 'hyparquet';
import { WaybillError } from '../../../core/errors.ts';
import type { Column, Row } from '../../../core/types/column.ts';
import type { FileSplit, ReadableFile } from '../files/file-format.ts';
import { chunkRange, readRanges } from './chunk-bytes.ts';
import { openDecompressors } from './decompression.ts';
import { type StoredColumn, storedColumns } from './file-columns.ts';
import { fileInvalid, readFooter } from './file-footer.ts';
import { PageValues } from './page-values.ts';

/** A part takes row groups up to this many rows or stored bytes: seconds of work. */
const PART_ROWS = 500_000;
const PART_BYTES = 64 << 20;

const BATCH_ROWS = 1_000;

export const readColumns = async (file: ReadableFile): Promise<Column[]> => {
  const { metadata } = await readFooter(file);
  return storedColumns(metadata).map(({ column }) => column);
};

const storedBytes = (group: RowGroup): number =>
  group.columns.reduce((sum, { meta_data: chunk }) => sum + Number(chunk?.total_compressed_size ?? 0), 0);

/** Runs of row groups: "0-3" are the first four. An empty file is one part without rows. */
export const splitFile = async (file: ReadableFile): Promise<FileSplit[]> => {
  const { metadata } = await readFooter(file);
  const parts: { first: number; last: number; rows: number; bytes: number }[] = [];
  for (const [i, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows);
    const bytes = storedBytes(group);
    const last = parts.at(-1);
    if (last !== undefined && last.rows + rows <= PART_ROWS && last.bytes + bytes <= PART_BYTES) {
      last.last = i;
      last.rows += rows;
      last.bytes += bytes;
    } else parts.push({ first: i, last: i, rows, bytes });
  }
  if (parts.length < 2) return [{ part: null, rows: Number(metadata.num_rows) }];
  return parts.map(({ first, last, rows }) => ({ part: `${first}-${last}`, rows }));
};

const groupsOf = (file: ReadableFile, metadata: FileMetaData, { part }: FileSplit): RowGroup[] => {
  if (part === null) return metadata.row_groups;
  const match = /^(\d+)-(\d+)$/.exec(part);
  const groups = match === null ? [] : metadata.row_groups.slice(Number(match[1]), Number(match[2]) + 1);
  if (groups.length === 0 || metadata.row_groups.length <= Number(match?.[2])) {
    throw new WaybillError('SOURCE_CHANGED', `${file.name} has no row groups ${part}.`, { file: file.name });
  }
  return groups;
};

const INTEGER_RANK: Partial<Record<Column['type'], number>> = { Int16: 1, Int32: 2, Int64: 3 };

/** Whether texts of `stored` are what `wanted` says: the same type, or a smaller integer. */
const fits = (stored: Column, wanted: Column): boolean => {
  if (stored.type === 'Decimal')
    return wanted.type === 'Decimal' && (stored.scale ?? 0) === (wanted.scale ?? 0);
  return stored.type === wanted.type || (INTEGER_RANK[stored.type] ?? 9) <= (INTEGER_RANK[wanted.type] ?? 0);
};

/** The file's columns for those that are asked for: by name, as other files of the folder may have another order. */
const columnsToRead = (
  file: ReadableFile,
  metadata: FileMetaData,
  columns: readonly Column[],
): StoredColumn[] => {
  const stored = storedColumns(metadata);
  return columns.map((wanted) => {
    const found =
      stored.find(({ column }) => column.name === wanted.name) ??
      stored.find(({ column }) => column.name.toLowerCase() === wanted.name.toLowerCase());
    if (found !== undefined && fits(found.column, wanted)) return found;
    throw new WaybillError(
      'SOURCE_CHANGED',
      found === undefined
        ? `${file.name} has no column ${wanted.name}.`
        : `${file.name} has column ${wanted.name} as ${found.column.native}, where the copy expects ${wanted.native}.`,
      { file: file.name, column: wanted.name },
    );
  });
};

/** Rows of one part. Holds the stored bytes of a row group's wanted columns, and a decoded page of each. */
export async function* readRows(
  file: ReadableFile,
  columns: readonly Column[],
  split: FileSplit,
): AsyncGenerator<Row[]> {
  const { metadata } = await readFooter(file);
  const stored = columnsToRead(file, metadata, columns);
  const compressors = await openDecompressors();
  for (const group of groupsOf(file, metadata, split)) {
    const rows = Number(group.num_rows);
    // Some writers end an empty file with an empty row group, whose columns are nowhere.
    if (rows === 0) continue;
    const chunks = stored.map((column, position) => {
      const chunk = group.columns[column.index]?.meta_data;
      if (chunk === undefined) throw fileInvalid(file, `a row group lacks column ${column.column.name}`);
      return { position, column, chunk, range: chunkRange(file, chunk) };
    });
    // In the order of the file, so that neighbours are fetched together.
    chunks.sort((a, b) => a.range.offset - b.range.offset);
    const fields: PageValues[] = new Array(stored.length);
    let next = 0;
    for await (const bytes of readRanges(
      file,
      chunks.map(({ range }) => range),
    )) {
      const part = chunks[next++];
      if (part === undefined) break;
      fields[part.position] = new PageValues(file, part.column, part.chunk, bytes, compressors);
    }
    for (let from = 0; from < rows; from += BATCH_ROWS) {
      yield transpose(fields, Math.min(BATCH_ROWS, rows - from));
    }
  }
}

const transpose = (fields: readonly PageValues[], count: number): Row[] => {
  const rows: Row[] = Array.from({ length: count }, () => new Array(fields.length));
  for (const [i, field] of fields.entries()) field.fill(rows, i);
  return rows;
};
