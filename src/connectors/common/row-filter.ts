// The rows that an incremental copy reads, in a source's own SQL.
import { WaybillError } from '../../core/errors.ts';
import type { RowFilter } from '../connector.ts';
import type { Dialect } from './sql-store.ts';

const conditions = (filter: RowFilter, dialect: Dialect): string[] => {
  const name = dialect.quote(filter.column.name);
  const { part } = filter;
  if (part === 'nulls') return [`${name} IS NULL`];
  const compare = (operator: string, text: string | null): string[] =>
    text === null ? [] : [`${name} ${operator} ${dialect.typedLiteral(filter.column, text)}`];
  switch (part) {
    case 'window':
      return [...compare('>=', filter.lower), ...compare('<=', filter.upper)];
    case 'ties':
      return compare('=', filter.lower);
    case 'newest':
      return compare('=', filter.upper);
    case 'between':
      return [...compare(filter.lowerIncluded ? '>=' : '>', filter.lower), ...compare('<', filter.upper)];
  }
};

/** What stands after FROM: `from`, or those of its rows that the filter lets through. */
export const filteredFrom = (from: string, filter: RowFilter | undefined, dialect: Dialect): string => {
  if (filter === undefined) return from;
  const where = conditions(filter, dialect);
  if (where.length > 0) return `(SELECT * FROM ${from} WHERE ${where.join(' AND ')}) AS w`;
  throw new WaybillError('INTERNAL', `An incremental part (${filter.part}) has no bounds.`);
};
