// Converts rows to the sink's types, counts and hashes them as they pass.
import { fieldText, rowText } from '../../core/copy/row-text.ts';
import { WaybillError } from '../../core/errors.ts';
import type { MappedColumn, Row } from '../../core/types/column.ts';
import { conversionBetween } from '../../core/types/conversion.ts';
import type { MeasuredRows } from '../connector.ts';
import { ChecksumSum } from './checksum.ts';

/** Told after every batch how far it is: rows and characters since the beginning. */
export type RowsProgress = (rows: number, bytes: number) => void;

/**
 * Wraps `batches` (in the order of `columns`). Rows are converted in place, so memory stays flat. With `verify` off no
 * checksum is made and `figures().checksum` is "".
 */
export const measureRows = (
  batches: AsyncIterable<Row[]>,
  columns: readonly MappedColumn[],
  verify: boolean,
  progress: RowsProgress,
): MeasuredRows => {
  const conversions = columns.map(({ source, sink }) => conversionBetween(source, sink)?.convert);
  const converting = conversions.some((convert) => convert !== undefined);
  const required = columns.flatMap(({ sink }, i) => (sink.nullable ? [] : [i]));
  const fields = columns.map(({ sink }) => fieldText(sink));
  const sum = new ChecksumSum();
  let rows = 0;
  let bytes = 0;

  const measure = (row: Row): void => {
    if (converting) {
      for (let i = 0; i < conversions.length; i++) {
        const convert = conversions[i];
        const value = row[i];
        if (convert !== undefined && typeof value === 'string') row[i] = convert(value);
      }
    }
    for (const i of required) {
      if (row[i] === null) {
        const name = columns[i]?.sink.name ?? '';
        throw new WaybillError(
          'CONSTRAINT_VIOLATED',
          `The source has a NULL for the sink's column ${name}, which takes none.`,
          { column: name },
        );
      }
    }
    for (const value of row) if (value !== null) bytes += value.length;
    if (verify) sum.add(rowText(row, fields));
  };

  async function* run(): AsyncGenerator<Row[]> {
    for await (const batch of batches) {
      for (const row of batch) measure(row);
      rows += batch.length;
      progress(rows, bytes);
      yield batch;
    }
  }

  return { batches: run(), figures: () => ({ rows, bytes, checksum: verify ? sum.total() : '' }) };
};
