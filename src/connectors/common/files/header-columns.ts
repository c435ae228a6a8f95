// Columns of files whose first row may name them.
import { WaybillError } from '../../../core/errors.ts';
import type { Column, Row } from '../../../core/types/column.ts';
import type { ReadableFile } from './file-format.ts';

/** Names in a header; a cell without one is Prop_<place>, as in ADF. */
export const headerNames = (row: Row): string[] => row.map((name, i) => name || `Prop_${i}`);

/** The columns of a file that begins with `first`, typed as the dataset's schema says. Throws FILE_INVALID. */
export const headerColumns = (
  file: ReadableFile,
  first: Row,
  header: boolean,
  schema: readonly Column[] | undefined,
): Column[] => {
  const names = header ? headerNames(first) : first.map((_, i) => `Prop_${i}`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new WaybillError('FILE_INVALID', `${file.name} has two columns named ${twice}.`, {
      file: file.name,
    });
  // As in ADF, a header says which columns there are, whatever the dataset's author once saw.
  if (!header && schema?.length === names.length) return [...schema];
  return names.map(
    (name): Column =>
      (header ? schema?.find((column) => column.name === name) : undefined) ?? {
        name,
        type: 'String',
        nullable: true,
        native: 'text',
      },
  );
};

/** Columns may come in another order; a new, renamed or missing one is not passed over. Throws SOURCE_CHANGED. */
export const refuseOtherColumns = (
  file: ReadableFile,
  names: readonly string[],
  planned: readonly Column[],
): void => {
  const wanted = new Set(planned.map(({ name }) => name));
  const missing = [...wanted].find((name) => !names.includes(name));
  const more = names.find((name) => !wanted.has(name));
  if (missing === undefined && more === undefined && names.length === wanted.size) return;
  const why = missing !== undefined ? `has no column ${missing}` : `has a column ${more} more`;
  throw new WaybillError('SOURCE_CHANGED', `${file.name} ${why} than the file this copy was planned with.`, {
    file: file.name,
  });
};
