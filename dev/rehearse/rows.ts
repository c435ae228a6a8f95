// Rows made for a need: the same for the same seed, of the kinds their columns ask for.
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import { chance, DATA_ROWS, lsnFor } from './infer/values.ts';
import type { ColumnNeed } from './needs.ts';

/** A value of a generated row; moments are ISO texts, binary is hexadecimal, also with 0x in front. */
export type Cell = string | number | boolean | null;

const HOUR = 3_600_000;
/** The first moment in generated rows: after the one that generated watermarks hold. */
export const FIRST_MOMENT = Date.UTC(2024, 0, 1);

/** All rows of a table or file: those with a meaning, or else generated ones, numbered from `first` on. */
export function makeRows(
  columns: readonly ColumnNeed[],
  control: readonly JsonObject[],
  seed: number,
  count = DATA_ROWS,
  first = 0,
): Cell[][] {
  if (control.length === 0)
    return Array.from({ length: count }, (_, row) =>
      columns.map((column) => cell(column, first + row, seed)),
    );
  return control.map((given, row) => {
    const byName = new Map(Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]));
    return columns.map((column) => {
      const value = byName.get(column.name.toLowerCase());
      return value === undefined ? cell(column, row, seed) : fitted(value, column);
    });
  });
}

function cell(column: ColumnNeed, row: number, seed: number): Cell {
  const { name, kind, equals } = column;
  const wanted = equals[row % Math.max(1, equals.length)];
  if (wanted !== undefined) return fitted(wanted, column);
  const lsn = kind === 'text' || kind === 'binary' ? lsnFor(name) : undefined;
  if (lsn !== undefined) return lsn;
  const random = chance(seed, `${name.toLowerCase()}/${row}`);
  switch (kind) {
    case 'integer':
      return row + 1;
    case 'number':
      return Math.round(random * 100_000) / 100;
    case 'boolean':
      return random < 0.5;
    case 'date':
      return new Date(FIRST_MOMENT + row * HOUR).toISOString().slice(0, 19);
    case 'time':
      return new Date(FIRST_MOMENT + row * 60_000).toISOString().slice(11, 19);
    case 'guid':
      return `00000000-0000-4000-8000-${String(row + 1).padStart(12, '0')}`;
    case 'binary':
      return Math.floor(random * 2 ** 32)
        .toString(16)
        .padStart(8, '0')
        .toUpperCase();
    default:
      return column.holds === undefined || column.holds === 'text'
        ? `${plain(name)} ${row + 1}`
        : String(cell({ name, kind: column.holds, isKnown: true, equals: [] }, row, seed));
  }
}

const plain = (name: string): string => (/\['?([^'\]]+)'?\]$/.exec(name)?.[1] ?? name).slice(0, 24);

/** A value that has a meaning, as its column can hold it. */
function fitted(value: JsonValue, { kind }: ColumnNeed): Cell {
  if (value === null) return null;
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  switch (kind) {
    case 'integer':
    case 'number': {
      const number = Number(value);
      return Number.isFinite(number) && text !== '' ? number : typeof value === 'boolean' ? Number(value) : 0;
    }
    case 'boolean':
      return value === true || /^(true|1|yes|y)$/i.test(text);
    case 'date': {
      const moment = Date.parse(text);
      return Number.isNaN(moment)
        ? new Date(FIRST_MOMENT).toISOString().slice(0, 19)
        : new Date(moment).toISOString().slice(0, 19);
    }
    default:
      return text;
  }
}
