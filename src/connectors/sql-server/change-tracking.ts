// SQL Server's Change Tracking as a source: every changed row once, with what became of it, since a version.
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import type { RowFilter } from '../connector.ts';
import { primaryKey, tableColumns } from './catalog.ts';
import type { SqlServerConnection } from './connection.ts';
import { literal, quote, quoteTable } from './dialect.ts';

const OPERATION = 'SYS_CHANGE_OPERATION';
const VERSION = 'SYS_CHANGE_VERSION';

/** I, U or D, and the version of the change: what CHANGETABLE has besides the key. */
const OPERATION_COLUMN: Column = {
  ...{ name: OPERATION, type: 'String', length: 1, nullable: false, native: 'nchar' },
};
const VERSION_COLUMN: Column = {
  ...{ name: VERSION, type: 'Int64', nullable: true, native: 'bigint', onlyIfNamed: true },
};

export interface TrackedTable {
  readonly table: TableName;
  /** The table's own columns. */
  readonly columns: readonly Column[];
  readonly keys: readonly string[];
}

/** Throws OBJECT_MISSING for a table that is not there, DEFINITION_INVALID for one without a primary key. */
export const trackedTable = async (
  connection: SqlServerConnection,
  table: TableName,
): Promise<TrackedTable> => {
  const columns = await tableColumns(connection, table);
  const keys = await primaryKey(connection, table);
  const name = `${table.schema}.${table.name}`;
  if (columns.length === 0)
    throw new WaybillError('OBJECT_MISSING', `SQL Server ${name} does not exist.`, { table: name });
  if (keys.length === 0) {
    throw new WaybillError('DEFINITION_INVALID', `${name} has no primary key, which Change Tracking needs.`, {
      table: name,
    });
  }
  return { table, columns, keys };
};

/** The columns of a change: of a deleted row only its key is known. */
export const changeColumns = ({ columns, keys }: TrackedTable): Column[] => [
  ...columns.map((column) => (keys.includes(column.name) ? column : { ...column, nullable: true })),
  OPERATION_COLUMN,
  VERSION_COLUMN,
];

/** The version that everything committed so far is at or below. Throws DEFINITION_INVALID where nothing is tracked. */
export const currentVersion = async (
  connection: SqlServerConnection,
  { table }: TrackedTable,
): Promise<string> => {
  const [found] = await connection.query(
    'SELECT CONVERT(varchar(20), CHANGE_TRACKING_CURRENT_VERSION()) AS version, ' +
      `CONVERT(varchar(20), CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(${literal(quoteTable(table))}))) AS oldest`,
    'asking for the version of Change Tracking',
  );
  if ((found?.['version'] ?? null) !== null && (found?.['oldest'] ?? null) !== null)
    return String(found?.['version']);
  throw new WaybillError(
    'DEFINITION_INVALID',
    `Change Tracking is not enabled for ${table.schema}.${table.name}: ALTER TABLE ... ENABLE CHANGE_TRACKING, in a database that has it on.`,
    { table: `${table.schema}.${table.name}` },
  );
};

/** The changes after `since`; null for all rows as they are. */
const sinceOf = ({ lower, lowerIncluded }: RowFilter): string | null => {
  if (lower === null) return null;
  const version = BigInt(lower);
  return (lowerIncluded ? version - 1n : version).toString();
};

/** Throws SOURCE_CHANGED where the changes since the filter's lower bound are no longer all there. */
export const checkVersion = async (
  connection: SqlServerConnection,
  { table }: TrackedTable,
  filter: RowFilter,
): Promise<void> => {
  const since = sinceOf(filter);
  if (since === null) return;
  const [found] = await connection.query(
    `SELECT CONVERT(varchar(20), CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(${literal(quoteTable(table))}))) AS oldest, ` +
      'CONVERT(varchar(20), CHANGE_TRACKING_CURRENT_VERSION()) AS newest',
    'asking for the versions of Change Tracking',
  );
  const oldest = found?.['oldest'];
  const newest = found?.['newest'];
  // A database that was restored counts on from the version its backup had: those versions are other changes now.
  if (typeof newest === 'string' && BigInt(newest) < BigInt(since)) {
    throw new WaybillError(
      'SOURCE_CHANGED',
      `Version ${since} of ${table.schema}.${table.name} was copied, but its database is at ${newest}: it was restored ` +
        'from a backup or replaced. Run once with "incremental": {"fullReload": true}.',
      { table: `${table.schema}.${table.name}`, since, newest },
    );
  }
  if (typeof oldest === 'string' && BigInt(oldest) <= BigInt(since)) return;
  throw new WaybillError(
    'SOURCE_CHANGED',
    `The changes of ${table.schema}.${table.name} since version ${since} are gone (cleaned up, or the table was truncated ` +
      'or tracked anew): run once with "incremental": {"fullReload": true}.',
    { table: `${table.schema}.${table.name}`, since },
  );
};

/**
 * What stands after FROM: the rows of the filter's window with their operation. A row is there or it is not when it is
 * read, whatever the change said: what became of it later has a later version, which the next run reads.
 */
export const changesFrom = ({ table, columns, keys }: TrackedTable, filter: RowFilter): string => {
  if (filter.part !== 'window' || filter.upper === null) {
    throw new WaybillError(
      'DEFINITION_INVALID',
      '"changeTracking" needs a sink with "writeBehavior": "applyChanges", which can be given a change twice.',
      { key: 'changeTracking' },
    );
  }
  const upper = BigInt(filter.upper).toString();
  const since = sinceOf(filter);
  if (since === null) {
    const own = columns.map(({ name }) => quote(name)).join(', ');
    return `(SELECT ${own}, N'I' AS [${OPERATION}], CONVERT(bigint, ${upper}) AS [${VERSION}] FROM ${quoteTable(table)}) AS q`;
  }
  const own = columns.map(
    ({ name }) => `${keys.includes(name) ? 'c' : 't'}.${quote(name)} AS ${quote(name)}`,
  );
  const [first = ''] = keys;
  const operation = `CASE WHEN t.${quote(first)} IS NULL THEN N'D' WHEN c.SYS_CHANGE_OPERATION = N'I' THEN N'I' ELSE N'U' END`;
  const same = keys.map((key) => `t.${quote(key)} = c.${quote(key)}`).join(' AND ');
  return (
    `(SELECT ${own.join(', ')}, ${operation} AS [${OPERATION}], c.SYS_CHANGE_VERSION AS [${VERSION}] ` +
    `FROM CHANGETABLE(CHANGES ${quoteTable(table)}, ${since}) AS c LEFT JOIN ${quoteTable(table)} AS t ON ${same} ` +
    `WHERE c.SYS_CHANGE_VERSION <= ${upper}) AS q`
  );
};
