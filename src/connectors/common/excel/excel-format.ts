// ADF's Excel: a table in a sheet of an .xlsx workbook, read as a stream; it is not written, as in ADF.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Column, Row } from '../../../core/types/column.ts';
import { compressionOf } from '../files/compression.ts';
import type { FileFormat, ReadableFile } from '../files/file-format.ts';
import { headerColumns, headerNames, refuseOtherColumns } from '../files/header-columns.ts';
import { booleanSetting, textSetting } from '../settings.ts';
import { columnIndex, sheetRows } from './sheet-rows.ts';
import { openWorkbook, type SheetChoice } from './workbook.ts';

/** Places counted from 0; what is absent is found in the sheet. */
interface Area {
  readonly top: number;
  readonly left?: number;
  readonly bottom?: number;
  readonly right?: number;
}

interface ExcelSettings {
  readonly choice: SheetChoice;
  readonly area: Area;
  readonly header: boolean;
  readonly nullText: string;
  readonly schema: readonly Column[] | undefined;
}

/** Settings of an Excel dataset. Throws DEFINITION_INVALID, DEFINITION_UNSUPPORTED. */
export const excelFormat = (dataset: JsonObject, schema: readonly Column[] | undefined): FileFormat => {
  if (compressionOf(dataset).codec !== 'none')
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      'Excel files are read as they are, not compressed once more.',
    );
  const settings: ExcelSettings = {
    choice: choiceOf(dataset),
    area: areaOf(textSetting(dataset, 'range')),
    header: booleanSetting(dataset, 'firstRowAsHeader') ?? false,
    nullText: textSetting(dataset, 'nullValue') ?? '',
    schema,
  };
  const notWritten = (): never => {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      'Excel files are read, not written, as in Data Factory. Write DelimitedText or Parquet.',
    );
  };
  return {
    name: 'Excel',
    extension: '.xlsx',
    contentType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    givesText: true,
    wireFormats: [],
    acceptsFrames: () => false,
    columns: (file) => columnsOf(file, settings),
    split: async () => [{ part: null }],
    columnsFor: notWritten,
    encode: notWritten,
    read: (file, columns, _split, planned, odd) => rowsOf(file, columns, planned ?? columns, settings, odd),
  };
};

const choiceOf = (dataset: JsonObject): SheetChoice => {
  const [name, place] = [textSetting(dataset, 'sheetName'), textSetting(dataset, 'sheetIndex')];
  if (name !== undefined && name !== '') return { name };
  const index = Number(place ?? 0);
  if (Number.isInteger(index) && index >= 0) return { index };
  throw new WaybillError(
    'DEFINITION_INVALID',
    `sheetIndex "${place}" is no place of a sheet; the first is 0.`,
  );
};

const areaOf = (range: string | undefined): Area => {
  if (range === undefined || range === '') return { top: 0 };
  const match = /^\$?([A-Za-z]{1,3})\$?(\d{1,7})(?::\$?([A-Za-z]{1,3})\$?(\d{1,7}))?$/.exec(range.trim());
  if (match === null || Number(match[2]) < 1)
    throw new WaybillError('DEFINITION_INVALID', `range "${range}" is neither like A3 nor like A3:H5.`);
  const area = { top: Number(match[2]) - 1, left: columnIndex(match[1] ?? '') };
  if (match[3] === undefined) return area;
  return { ...area, bottom: Number(match[4]) - 1, right: columnIndex(match[3]) };
};

interface TableRow {
  readonly number: number;
  readonly cells: Row;
}

/** Rows of the table, cut to its columns; the first has as many cells as it is wide. Further ones may have more. */
async function* tableRows(
  file: ReadableFile,
  { choice, area, nullText }: ExcelSettings,
): AsyncGenerator<TableRow[]> {
  let [left, right] = [area.left, area.right];
  for await (const rows of sheetRows(await openWorkbook(file, choice))) {
    const found: TableRow[] = [];
    for (const { number, cells } of rows) {
      if (number - 1 < area.top) continue;
      if (area.bottom !== undefined && number - 1 > area.bottom) {
        if (found.length > 0) yield found;
        return;
      }
      const own = cells.filter(
        ([column, value]) =>
          column >= (area.left ?? 0) && column <= (area.right ?? column) && value !== nullText,
      );
      if (own.length === 0) continue;
      const places = own.map(([column]) => column);
      left ??= Math.min(...places);
      right ??= Math.max(...places);
      // Values beyond the table make the row longer by one, whatever their number.
      const row: Row = Array.from({ length: right - left + 1 }, () => null);
      for (const [column, value] of own)
        row[column < left || column > right ? right - left + 1 : column - left] = value;
      found.push({ number, cells: row });
    }
    if (found.length > 0) yield found;
  }
}

async function columnsOf(file: ReadableFile, settings: ExcelSettings): Promise<Column[]> {
  for await (const [first] of tableRows(file, settings))
    if (first !== undefined) return headerColumns(file, first.cells, settings.header, settings.schema);
  throw new WaybillError(
    'FILE_INVALID',
    `${file.name} has no value where the dataset says that its table is.`,
    {
      file: file.name,
    },
  );
}

async function* rowsOf(
  file: ReadableFile,
  columns: readonly Column[],
  planned: readonly Column[],
  settings: ExcelSettings,
  odd?: (row: Row, error: WaybillError) => void,
): AsyncGenerator<Row[]> {
  let names: readonly string[] | undefined = settings.header ? undefined : planned.map(({ name }) => name);
  let picks: number[] | undefined;
  for await (const rows of tableRows(file, settings)) {
    if (names === undefined) {
      names = headerNames(rows.shift()?.cells ?? []);
      refuseOtherColumns(file, names, planned);
    }
    const width = names.length;
    picks ??= columns.map(({ name }) => (names ?? []).indexOf(name));
    const places = picks;
    const batch: Row[] = [];
    for (const { number, cells } of rows) {
      const more = cells.findLastIndex((cell) => cell !== null);
      if (more < width) {
        batch.push(places.map((at) => cells[at] ?? null));
        continue;
      }
      const error = new WaybillError(
        'FILE_INVALID',
        `Row ${number} of ${file.name} has a value beside the ${width} columns of its table. Give the dataset a range.`,
        { file: file.name, row: number, fields: more + 1, expected: width },
      );
      if (odd === undefined) throw error;
      odd(cells, error);
    }
    if (batch.length > 0) yield batch;
  }
}
