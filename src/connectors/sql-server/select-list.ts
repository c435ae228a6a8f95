// The list of a SELECT that reads columns as the decoders expect them.
import type { Column } from '../../core/types/column.ts';
import { quote } from './dialect.ts';
import { canonicalText, refuseOpaque } from './types.ts';

/** Columns whose driver value would lose digits or time come as text made by the server; the rest as they are. */
const selectExpression = (column: Column): string => {
  const name = quote(column.name);
  refuseOpaque(column);
  if (
    ['Decimal', 'Date', 'DateTime', 'DateTimeOffset', 'TimeSpan'].includes(column.type) ||
    ['xml', 'hierarchyid'].includes(column.native)
  ) {
    return canonicalText(column, name);
  }
  return name;
};

/** Throws TYPE_UNSUPPORTED for a column without an exact text. */
export const selectList = (columns: readonly Column[]): string =>
  columns.map((column, i) => `${selectExpression(column)} AS [c${i}]`).join(', ');
