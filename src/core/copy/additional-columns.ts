// ADF's additionalColumns of a copy source: columns that the source does not have, made while copying.
import { WaybillError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import { nearestName } from '../nearest-name.ts';
import type { Column, MappedColumn } from '../types/column.ts';
import { findColumn } from './find-column.ts';

/** A column of the source as the mapping sees it: read, or given to every row. */
export interface SourceField {
  readonly name: string;
  readonly column: Column;
  readonly given?: NonNullable<MappedColumn['given']>;
}

const FILE_PATH = '$$FILEPATH';
const COPY_OF = '$$COLUMN:';

/** The name to look for, or the nearest there is. */
export const missingColumn = (
  what: string,
  name: string,
  columns: readonly { name: string }[],
): WaybillError => {
  const near = nearestName(
    name,
    columns.map((column) => column.name),
  );
  return new WaybillError(
    'OBJECT_MISSING',
    `${what} has no column ${name}.${near === undefined ? '' : ` The nearest name is ${near}.`}`,
    { column: name, ...(near === undefined ? {} : { nearest: near }) },
  );
};

/**
 * The source's fields, additional ones behind its own: `$$FILEPATH` is the row's file, `$$COLUMN:x` repeats column x,
 * anything else is a constant text. Throws OBJECT_MISSING, DEFINITION_INVALID.
 */
export const sourceFields = (columns: readonly Column[], settings: JsonObject): SourceField[] => {
  const own = columns.map((column): SourceField => ({ name: column.name, column }));
  const given = settings['additionalColumns'];
  if (!Array.isArray(given)) return own;
  const added = given.map((entry): SourceField => {
    const { name, value = null } =
      typeof entry === 'object' && entry !== null && !Array.isArray(entry) ? entry : {};
    if (typeof name !== 'string' || name === '') {
      throw new WaybillError('DEFINITION_INVALID', 'An entry of additionalColumns has no name.');
    }
    if (findColumn(columns, name) !== undefined) {
      throw new WaybillError(
        'DEFINITION_INVALID',
        `additionalColumns repeats the name of the source's column ${name}.`,
      );
    }
    const text: Column = { name, type: 'String', nullable: value === null, native: 'additional column' };
    if (value === FILE_PATH) return { name, column: text, given: 'filePath' };
    if (typeof value === 'string' && value.startsWith(COPY_OF)) {
      const original = value.slice(COPY_OF.length);
      const column = findColumn(columns, original);
      if (column === undefined) throw missingColumn('The source', original, columns);
      return { name, column };
    }
    const constant = value === null ? null : typeof value === 'string' ? value : JSON.stringify(value);
    return { name, column: text, given: { value: constant } };
  });
  return [...own, ...added];
};
