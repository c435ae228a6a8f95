// Keys of a target table: which columns tell its rows apart.
import { findColumn } from '../../core/copy/mapping.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type { SqlRow } from './sql-store.ts';

/** Column names by constraint from rows of `id` and `name`, in their order. */
export const groupedKeys = (rows: readonly SqlRow[]): string[][] => {
  const keys = new Map<string, string[]>();
  for (const row of rows) {
    const id = String(row['id']);
    keys.set(id, [...(keys.get(id) ?? []), String(row['name'])]);
  }
  return [...keys.values()];
};

export interface ChosenKeys {
  readonly columns: readonly Column[];
  /** Whether a unique constraint covers just these columns. */
  readonly unique: boolean;
}

/**
 * The key columns among the `written` ones: those the definition names, else the target's primary key. Throws
 * DEFINITION_INVALID where there are none or one is not written.
 */
export const chooseKeys = (
  named: readonly string[],
  unique: readonly (readonly string[])[],
  written: readonly Column[],
  label: string,
): ChosenKeys => {
  const names = named.length > 0 ? named : (unique[0] ?? []);
  if (names.length === 0) {
    throw new WaybillError(
      'DEFINITION_INVALID',
      `${label} has no primary key: name the key columns in "upsertSettings": {"keys": [...]} of the sink.`,
      { key: 'upsertSettings.keys' },
    );
  }
  const columns = names.map((name) => {
    const column = findColumn(written, name);
    if (column !== undefined) return column;
    throw new WaybillError(
      'DEFINITION_INVALID',
      `The key column ${name} of ${label} gets no value from this copy: map a source column to it.`,
      { key: 'upsertSettings.keys', column: name },
    );
  });
  const chosen = new Set(columns.map((column) => column.name));
  const covers = (one: readonly string[]): boolean =>
    one.length === chosen.size && one.every((name) => chosen.has(name));
  return { columns, unique: unique.some(covers) };
};
