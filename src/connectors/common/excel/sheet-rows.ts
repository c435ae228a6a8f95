// Rows of one sheet, as its XML is read: only those that have a value, with the number that Excel gives them.
import { shownNumber } from './number-format.ts';
import type { Workbook } from './workbook.ts';
import { notWhole, parseXml } from './xml.ts';

export type SheetCell = readonly [column: number, value: string];

export interface SheetRow {
  /** From 1. */
  readonly number: number;
  /** Cells that have a value, with their columns from 0: a row is as wide as its last cell says, and may hold one. */
  readonly cells: readonly SheetCell[];
}

const MOST_ROWS = 1_048_576;
const MOST_COLUMNS = 16_384;
/** Characters of one cell: Excel itself stops at 32,767. */
const LONGEST_CELL = 1_048_576;

/** 0 for A, 26 for AA. */
export const columnIndex = (letters: string): number =>
  [...letters.toUpperCase()].reduce((index, letter) => index * 26 + letter.charCodeAt(0) - 64, 0) - 1;

/** Rows of the workbook's sheet, some at a time. Throws FILE_INVALID. */
export async function* sheetRows(workbook: Workbook): AsyncGenerator<SheetRow[]> {
  const { file } = workbook;
  let rows: SheetRow[] = [];
  let number = 0;
  let cells: SheetCell[] | undefined;
  let column = -1;
  let type = '';
  let style = 0;
  let text: string | undefined;
  let hint = false;
  const value = (written: string): string | null => {
    if (type === 's') {
      const found = workbook.strings[Number(written)];
      if (found === undefined) throw notWhole(file, `row ${number} uses text ${written}, which is not there`);
      return found;
    }
    if (type === 'b') return written === '1' ? 'True' : 'False';
    if (type === '' || type === 'n')
      return written === ''
        ? null
        : shownNumber(written, workbook.styles[style] ?? 'number', workbook.from1904);
    return written;
  };
  const parsed = parseXml(file, workbook.sheet, {
    open: (name, attributes) => {
      if (name === 'row') {
        number = attributes['r'] === undefined ? number + 1 : Number(attributes['r']);
        if (!Number.isInteger(number) || number < 1 || number > MOST_ROWS)
          throw notWhole(file, `a row has the number ${attributes['r']}`);
        cells = [];
        column = -1;
      } else if (name === 'c') {
        const letters = /^[A-Za-z]{1,3}(?=\d)/.exec(attributes['r'] ?? '')?.[0];
        column = letters === undefined ? column + 1 : columnIndex(letters);
        if (column >= MOST_COLUMNS) throw notWhole(file, `row ${number} has a cell ${attributes['r']}`);
        type = attributes['t'] ?? '';
        style = Number(attributes['s'] ?? 0);
      } else if (name === 'v' || (name === 't' && type === 'inlineStr' && !hint)) text ??= '';
      else if (name === 'rPh') hint = true;
    },
    text: (piece) => {
      if (text === undefined || hint) return;
      text += piece;
      if (text.length > LONGEST_CELL) throw notWhole(file, `a cell of row ${number} is too long`);
    },
    close: (name) => {
      if (name === 'rPh') hint = false;
      // Text of an inline string may come in several runs, which end with the cell.
      if (name === 'v' || name === 'c') {
        if (text !== undefined && cells !== undefined && column >= 0) {
          const found = value(text);
          if (found !== null) cells.push([column, found]);
        }
        text = undefined;
      } else if (name === 'row' && cells !== undefined) {
        if (cells.length > 0) rows.push({ number, cells });
        cells = undefined;
      }
    },
  });
  for await (const _ of parsed) {
    if (rows.length === 0) continue;
    yield rows;
    rows = [];
  }
}
