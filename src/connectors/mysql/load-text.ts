// Rows as the text that LOAD DATA reads, and the column list that turns it into values; the same rows as INSERTs.
import type { Column, Row } from '../../core/types/column.ts';
import { ATTEMPT_COLUMN, literal, quote, ROW_COLUMN } from './dialect.ts';

/** How one column's text is written and read back. */
interface LoadColumn {
  readonly column: Column;
  /** Strings may hold what separates fields; the texts of other types cannot. */
  readonly escaped: boolean;
  /** The canonical text as MySQL reads it. */
  readonly write: ((text: string) => string) | undefined;
  /** What becomes of a text that is no value by itself, given the variable (or literal) that holds it. */
  readonly read: ((text: string) => string) | undefined;
}

const loadColumn = (column: Column): LoadColumn => {
  const { type, native } = column;
  const bits = /^bit\b/.test(native);
  const read =
    bits && type === 'Byte[]'
      ? (text: string) => `CAST(CONV(${text}, 16, 10) AS UNSIGNED)`
      : bits
        ? (text: string) => `CAST(${text} AS UNSIGNED)`
        : type === 'Byte[]'
          ? (text: string) => `UNHEX(${text})`
          : undefined;
  const write =
    type === 'DateTimeOffset'
      ? // The session's zone is UTC; a Z would be cut off with a warning.
        (text: string) => text.slice(0, -1)
      : /^year\b/.test(native)
        ? // A year of fewer digits would be taken for one of this century or the last.
          (text: string) => text.padStart(4, '0')
        : undefined;
  return { column, escaped: type === 'String', write, read };
};

export const loadColumns = (columns: readonly Column[]): readonly LoadColumn[] => columns.map(loadColumn);

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\0': '\\0' };
const SPECIAL = /[\\\t\n\0]/g;
const HAS_SPECIAL = /[\\\t\n\0]/;

/** One line a row: fields between tabs, \N for NULL, and last the row's number, counted on from `from`. */
export const loadLines = (rows: readonly Row[], columns: readonly LoadColumn[], from: number): string => {
  let text = '';
  let number = from;
  for (const row of rows) {
    for (let i = 0; i < columns.length; i++) {
      const value = row[i];
      const column = columns[i];
      if (value === null || value === undefined || column === undefined) {
        text += '\\N\t';
      } else if (column.escaped) {
        text += HAS_SPECIAL.test(value) ? value.replace(SPECIAL, (found) => ESCAPES[found] ?? '') : value;
        text += '\t';
      } else {
        text += column.write === undefined ? value : column.write(value);
        text += '\t';
      }
    }
    text += number++;
    text += '\n';
  }
  return text;
};

export interface LoadTarget {
  /** Quoted. */
  readonly table: string;
  readonly chunkColumn: string;
  readonly chunk: number;
  readonly generation: number;
}

/** The statement that reads `loadLines`. The file's name says nothing: the driver streams what it is given. */
export const loadStatement = (target: LoadTarget, columns: readonly LoadColumn[]): string => {
  const list = columns.map(({ column, read }, i) => (read === undefined ? quote(column.name) : `@v${i}`));
  const sets = columns.flatMap(({ column, read }, i) =>
    read === undefined ? [] : [`${quote(column.name)} = ${read(`@v${i}`)}`],
  );
  sets.push(
    `${quote(target.chunkColumn)} = ${target.chunk}`,
    `${quote(ATTEMPT_COLUMN)} = ${target.generation}`,
  );
  return (
    `LOAD DATA LOCAL INFILE 'waybill' INTO TABLE ${target.table} CHARACTER SET utf8mb4 ` +
    "FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' " +
    `(${[...list, quote(ROW_COLUMN)].join(', ')}) SET ${sets.join(', ')}`
  );
};

const insertValue = (value: string | null | undefined, { write, read, escaped }: LoadColumn): string => {
  if (value === null || value === undefined) return 'NULL';
  const text = write === undefined ? value : write(value);
  const quoted =
    escaped && text.includes('\0')
      ? `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\0', '\\0')}'`
      : literal(text);
  return read === undefined ? quoted : read(quoted);
};

/** The same rows as INSERT statements of about `size` characters, for servers that take no LOAD DATA LOCAL. */
export function* insertStatements(
  rows: readonly Row[],
  columns: readonly LoadColumn[],
  target: LoadTarget,
  from: number,
  size: number,
): Generator<string> {
  const names = [...columns.map(({ column }) => column.name), target.chunkColumn, ATTEMPT_COLUMN, ROW_COLUMN];
  const head = `INSERT INTO ${target.table} (${names.map(quote).join(', ')}) VALUES `;
  let text = '';
  let number = from;
  for (const row of rows) {
    const values = columns.map((column, i) => insertValue(row[i], column));
    text += `${text === '' ? head : ', '}(${values.join(', ')}, ${target.chunk}, ${target.generation}, ${number++})`;
    if (text.length < size) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}
