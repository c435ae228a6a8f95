// Converts rows to the sink's types, counts and hashes them as they pass, and leaves out or refuses those that do not fit.
import { rowTextFunction } from '../../core/copy/row-text.ts';
import { WaybillError } from '../../core/errors.ts';
import type { MappedColumn, Row } from '../../core/types/column.ts';
import { conversionBetween } from '../../core/types/conversion.ts';
import { DEFAULT_TYPE_SETTINGS, type TypeSettings } from '../../core/types/type-settings.ts';
import type { MeasuredRows } from '../connector.ts';
import { ChecksumSum } from './checksum.ts';

/** A row that does not fit the sink, and why. `row` holds the source's own texts, in the order of the columns. */
export interface IncompatibleRow {
  /** Counted from 1 within the chunk. */
  readonly number: number;
  readonly row: Row;
  readonly error: WaybillError;
}

export interface MeasureOptions {
  /** Off: no checksum is made and `figures().checksum` is "". */
  readonly verify: boolean;
  /** Told after every batch: rows and characters since the beginning. */
  readonly progress: (rows: number, bytes: number) => void;
  readonly settings?: TypeSettings;
  /** The value of `$$FILEPATH` columns: asked for each batch, whose rows come from one file. */
  readonly filePath?: () => string | undefined;
  /** Chunk and key column, so that an error can say which row it means. */
  readonly place?: { readonly chunk: number; readonly keyColumn?: string };
  /** Rows and files that the source itself left out; `finish` is called once, after the last row and before the sink can commit. */
  readonly rejected?: { count(): { readonly rows: number; readonly files: number }; finish(): Promise<void> };
  /** Takes rows that do not fit; without it the first one fails the copy. */
  readonly skip?: {
    add(found: IncompatibleRow): void;
    /** Called once, after the last row and before the sink can commit. */
    finish(): Promise<void>;
  };
}

/** A key of these types says which row it is and nothing else. */
const HARMLESS_KEY = /^(Int|Decimal|Date|Guid)/;

interface Step {
  readonly at: number;
  readonly convert: (text: string) => string;
}

/**
 * Wraps `batches`, which hold the columns that are read, in the order of `columns`; given ones are put in between. Rows
 * are converted in place, so memory stays flat.
 */
export const measureRows = (
  batches: AsyncIterable<Row[]>,
  columns: readonly MappedColumn[],
  options: MeasureOptions,
): MeasuredRows => {
  const { verify, progress, settings = DEFAULT_TYPE_SETTINGS, skip } = options;
  const steps = columns.flatMap(({ source, sink }, at): Step[] => {
    const convert = conversionBetween(source, sink, settings)?.convert;
    return convert === undefined ? [] : [{ at, convert }];
  });
  const required = columns.flatMap(({ source, sink }, at) => (sink.nullable || !source.nullable ? [] : [at]));
  const complete = fillGiven(columns, options.filePath);
  const sum = new ChecksumSum();
  const textOf = rowTextFunction(columns.map(({ sink }) => sink));
  let seen = 0;
  let rows = 0;
  let bytes = 0;
  let skipped = 0;

  const convertRow = (row: Row): void => {
    let at = 0;
    try {
      for (const step of steps) {
        at = step.at;
        const value = row[at];
        if (typeof value === 'string') row[at] = step.convert(value);
      }
    } catch (error) {
      throw named(error, columns[at], row[at]);
    }
    for (const place of required) if (row[place] === null) throw unexpectedNull(columns[place]);
  };

  const measureRow = (row: Row): void => {
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (value !== null && value !== undefined) bytes += value.length;
    }
    if (verify) sum.add(textOf(row));
  };

  const strict = (batch: Row[]): Row[] => {
    for (const row of batch) {
      complete?.(row);
      seen++;
      if (steps.length > 0 || required.length > 0) {
        try {
          convertRow(row);
        } catch (error) {
          throw located(error, options.place, seen, keyOf(columns, options.place, row));
        }
      }
      measureRow(row);
    }
    return batch;
  };

  const lenient = (batch: Row[], add: (found: IncompatibleRow) => void): Row[] => {
    const kept: Row[] = [];
    for (const row of batch) {
      complete?.(row);
      seen++;
      const before = [...row];
      try {
        convertRow(row);
      } catch (error) {
        if (!(error instanceof WaybillError)) throw error;
        skipped++;
        add({ number: seen, row: before, error });
        continue;
      }
      measureRow(row);
      kept.push(row);
    }
    return kept;
  };

  async function* run(): AsyncGenerator<Row[]> {
    for await (const batch of batches) {
      const passed = skip === undefined ? strict(batch) : lenient(batch, (found) => skip.add(found));
      rows += passed.length;
      progress(seen, bytes);
      if (passed.length > 0) yield passed;
    }
    await options.rejected?.finish();
    await skip?.finish();
  }

  return {
    batches: run(),
    figures: () => {
      const { rows: odd, files } = options.rejected?.count() ?? { rows: 0, files: 0 };
      return {
        rows,
        bytes,
        checksum: verify ? sum.total() : '',
        ...(skipped + odd > 0 ? { skipped: skipped + odd } : {}),
        ...(files > 0 ? { filesSkipped: files } : {}),
      };
    },
  };
};

/** Puts the given values between those that were read. */
const fillGiven = (
  columns: readonly MappedColumn[],
  filePath: MeasureOptions['filePath'],
): ((row: Row) => void) | undefined => {
  const given = columns.flatMap((column, at) =>
    column.given === undefined ? [] : [{ at, value: column.given }],
  );
  if (given.length === 0) return undefined;
  return (row) => {
    for (const { at, value } of given)
      row.splice(at, 0, value === 'filePath' ? (filePath?.() ?? null) : value.value);
  };
};

/** What kind of value it was: its type and length, never itself. */
const named = (error: unknown, column: MappedColumn | undefined, value: Row[number] | undefined): unknown => {
  if (!(error instanceof WaybillError) || column === undefined) return error;
  const { name, native, type } = column.source;
  return new WaybillError(
    error.code,
    `${error.message} The value comes from ${name} (${native === '' ? type : native}) and has ${value?.length ?? 0} characters.`,
    { ...error.details, sourceColumn: name },
  );
};

const unexpectedNull = (column: MappedColumn | undefined): WaybillError => {
  const name = column?.sink.name ?? '';
  return new WaybillError(
    'CONSTRAINT_VIOLATED',
    `The source has a NULL for the sink's column ${name}, which takes none.`,
    { column: name, reason: 'it is NULL' },
  );
};

const keyOf = (
  columns: readonly MappedColumn[],
  place: MeasureOptions['place'],
  row: Row,
): string | undefined => {
  if (place?.keyColumn === undefined) return undefined;
  const at = columns.findIndex(({ source }) => source.name === place.keyColumn);
  const column = columns[at]?.source;
  const value = row[at];
  return column !== undefined && HARMLESS_KEY.test(column.type) && typeof value === 'string'
    ? `${column.name} = ${value}`
    : undefined;
};

const located = (
  error: unknown,
  place: MeasureOptions['place'],
  number: number,
  key: string | undefined,
): unknown => {
  if (!(error instanceof WaybillError) || place === undefined) return error;
  const row = `row ${number} of chunk ${place.chunk + 1}${key === undefined ? '' : `, ${key}`}`;
  return new WaybillError(error.code, `${error.message} (${row})`, {
    ...error.details,
    chunk: place.chunk,
    row: number,
    ...(key === undefined ? {} : { key }),
  });
};
