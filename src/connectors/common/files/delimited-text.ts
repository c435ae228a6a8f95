// ADF's DelimitedText: rows of delimited text to and from files, with or without a line of column names.
import {
  CsvError,
  type CsvFormat,
  CsvReader,
  formatCsv,
  isQuoted,
  PLAIN_CSV,
} from '../../../core/copy/csv.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Column, MappedColumn, Row } from '../../../core/types/column.ts';
import type { FrameBatch } from '../../connector.ts';
import { booleanSetting, textSetting } from '../settings.ts';
import { compressedExtension, compressionOf } from './compression.ts';
import type { EncodedFile, FileFormat, ReadableFile } from './file-format.ts';
import { headerColumns, headerNames, refuseOtherColumns } from './header-columns.ts';
import { encodingOf } from './text-encoding.ts';
import { encodedBytes, encodedText, type TextSettings, textOf } from './text-file.ts';

/** Characters of one record. A quote that is never closed is found here, not when memory is used up. */
const LONGEST_RECORD = 16 * 1_048_576;

interface DelimitedSettings extends TextSettings {
  readonly csv: CsvFormat;
  readonly header: boolean;
  /** Lines before the header, or before the first row, that are none. */
  readonly skipLines: number;
  readonly quoteAll: boolean;
  readonly extension: string;
  /** Columns that the dataset names: types of those of a header, names too where there is none. */
  readonly schema: readonly Column[] | undefined;
}

/** Settings of a dataset, and of the source's or sink's formatSettings, with ADF's defaults. */
export const delimitedText = (
  dataset: JsonObject,
  formatSettings: JsonObject,
  schema?: readonly Column[],
): FileFormat => {
  const compression = compressionOf(dataset);
  const given = textSetting(formatSettings, 'fileExtension') ?? '.csv';
  const extension = given.startsWith('.') ? given : `.${given}`;
  const ending = compressedExtension(compression);
  const skipLines = Number(textSetting(formatSettings, 'skipLineCount') ?? 0);
  if (!Number.isInteger(skipLines) || skipLines < 0)
    throw new WaybillError('DEFINITION_INVALID', 'skipLineCount is not a whole number.');
  return delimited({
    csv: csvFormat(dataset),
    header: booleanSetting(dataset, 'firstRowAsHeader') ?? false,
    compression,
    encoding: encodingOf(textSetting(dataset, 'encodingName')),
    schema,
    skipLines,
    quoteAll: booleanSetting(formatSettings, 'quoteAllText') ?? true,
    extension: extension.endsWith(ending) ? extension : extension + ending,
  });
};

const csvFormat = (dataset: JsonObject): CsvFormat => {
  const character = (name: string, otherwise: string): string => {
    const value = dataset[name];
    return typeof value === 'string' ? value : otherwise;
  };
  const quote = character('quoteChar', '"');
  const rowDelimiter = character('rowDelimiter', '');
  const format: CsvFormat = {
    delimiter: character('columnDelimiter', ',') || ',',
    quote,
    escapeMark: character('escapeChar', '\\') || quote,
    nullText: character('nullValue', ''),
    ...(rowDelimiter === '' ? {} : { rowDelimiter }),
  };
  if (quote !== '' && (quote === format.delimiter || quote === rowDelimiter))
    throw new WaybillError(
      'DEFINITION_INVALID',
      'quoteChar and columnDelimiter or rowDelimiter are the same.',
    );
  if (rowDelimiter !== '' && rowDelimiter === format.delimiter)
    throw new WaybillError('DEFINITION_INVALID', 'columnDelimiter and rowDelimiter are the same.');
  return format;
};

const delimited = (settings: DelimitedSettings): FileFormat => ({
  name: 'DelimitedText',
  extension: settings.extension,
  contentType: 'text/csv',
  givesText: true,
  wireFormats: isPlain(settings) ? ['csv'] : [],
  acceptsFrames: (format, columns) =>
    format === 'csv' && isPlain(settings) && columns.every(({ source, sink }) => source.type === sink.type),
  encodeFrames: (_format, columns, frames) => encodedBytes(withHeader(columns, frames, settings), settings),
  columns: (file) => columnsOf(file, settings),
  split: async () => [{ part: null }],
  columnsFor: (columns) => [...columns],
  read: (file, columns, _split, planned, odd) => rowsOf(file, columns, planned ?? columns, settings, odd),
  encode: (columns, rows) => encode(columns, rows, settings),
});

async function columnsOf(file: ReadableFile, settings: DelimitedSettings): Promise<Column[]> {
  for await (const { rows } of records(file, settings)) {
    const [first = []] = rows;
    return headerColumns(file, first, settings.header, settings.schema);
  }
  throw new WaybillError('FILE_INVALID', `${file.name} is empty: it has not even a header.`, {
    file: file.name,
  });
}

/** Whether records in the wire form `csv` are those this dataset wants. */
const isPlain = ({ csv, quoteAll, encoding }: DelimitedSettings): boolean =>
  quoteAll &&
  encoding === 'utf-8' &&
  csv.delimiter === PLAIN_CSV.delimiter &&
  csv.quote === PLAIN_CSV.quote &&
  csv.escapeMark === PLAIN_CSV.escapeMark &&
  csv.nullText === PLAIN_CSV.nullText &&
  (csv.rowDelimiter ?? '\n') === '\n';

async function* withHeader(
  columns: readonly MappedColumn[],
  frames: AsyncIterable<FrameBatch>,
  { header, csv }: DelimitedSettings,
): AsyncGenerator<FrameBatch> {
  if (header) {
    const names: Row = columns.map(({ sink }) => sink.name);
    yield {
      data: Buffer.from(
        formatCsv(
          [names],
          names.map(() => true),
          csv,
        ),
      ),
      rows: 0,
    };
  }
  yield* frames;
}

async function* rowsOf(
  file: ReadableFile,
  columns: readonly Column[],
  planned: readonly Column[],
  settings: DelimitedSettings,
  odd?: (row: Row, error: WaybillError) => void,
): AsyncGenerator<Row[]> {
  let names: readonly string[] | undefined = settings.header ? undefined : planned.map(({ name }) => name);
  let picks: number[] | undefined;
  let count = 0;
  for await (const { rows } of records(file, settings)) {
    if (names === undefined) {
      names = headerNames(rows.shift() ?? []);
      refuseOtherColumns(file, names, planned);
    }
    const width = names.length;
    picks ??= columns.map(({ name }) => (names ?? []).indexOf(name));
    // Most often a file's columns are just those asked for.
    const asIs = picks.length === width && picks.every((pick, i) => pick === i);
    const batch: Row[] = [];
    for (const row of rows) {
      count++;
      if (row.length !== width) {
        // A blank line is a row in a file of one column only.
        if (row.length === 1 && (row[0] === null || row[0] === '')) {
          count--;
          continue;
        }
        const error = new WaybillError(
          'FILE_INVALID',
          `Row ${count} of ${file.name} has ${row.length} fields, not ${width}.`,
          { file: file.name, row: count, fields: row.length, expected: width },
        );
        if (odd === undefined) throw error;
        odd(row, error);
        continue;
      }
      batch.push(asIs ? row : picks.map((at) => row[at] ?? null));
    }
    if (batch.length > 0) yield batch;
  }
}

/** Rows of the file, the header among them. */
async function* records(
  file: ReadableFile,
  settings: DelimitedSettings,
): AsyncGenerator<{ readonly rows: Row[] }> {
  const reader = new CsvReader(settings.csv, LONGEST_RECORD);
  try {
    for await (const text of withoutLines(textOf(file, settings), settings.skipLines)) {
      const rows = reader.push(text);
      if (rows.length > 0) yield { rows };
    }
    const rows = reader.end();
    if (rows.length > 0) yield { rows };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = error.line + settings.skipLines;
    throw new WaybillError('FILE_INVALID', `${file.name}, line ${line}: ${error.message}.`, {
      file: file.name,
      line,
    });
  }
}

/** Leaves out the first lines, whatever they hold; a line ends with LF, CR or both. */
async function* withoutLines(pieces: AsyncIterable<string>, count: number): AsyncGenerator<string> {
  let left = count;
  /** The last line ended with a CR at the end of a piece: an LF may belong to it. */
  let afterReturn = false;
  for await (const piece of pieces) {
    let text = piece;
    if (afterReturn && text !== '') {
      if (text.startsWith('\n')) text = text.slice(1);
      afterReturn = false;
    }
    while (left > 0 && text !== '') {
      const end = /\r\n|\r|\n/.exec(text);
      if (end === null) {
        text = '';
        continue;
      }
      const after = end.index + end[0].length;
      afterReturn = end[0] === '\r' && after === text.length;
      text = text.slice(after);
      left--;
    }
    if (text !== '') yield text;
  }
}

const encode = (
  columns: readonly Column[],
  rows: AsyncIterable<Row[]>,
  settings: DelimitedSettings,
): EncodedFile => {
  const { csv, header } = settings;
  // Numbers and times are bare, unless the delimiter is one of their characters.
  const bare = !/[\d.:+\-TZa-f]/i.test(csv.delimiter);
  const rule = settings.quoteAll ? true : 'needed';
  const quoted = columns.map(({ type }) => (!bare || isQuoted(type) ? rule : false));
  async function* text(): AsyncGenerator<{ text: string; rows: number }> {
    if (header) {
      const names: Row = columns.map(({ name }) => name);
      yield {
        text: formatCsv(
          [names],
          names.map(() => rule),
          csv,
        ),
        rows: 0,
      };
    }
    for await (const batch of rows) yield { text: formatCsv(batch, quoted, csv), rows: batch.length };
  }
  return encodedText(text(), settings);
};
