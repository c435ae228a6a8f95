// Finds tables, columns and keys in SQL Server's catalogue.
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { groupedKeys } from '../common/keys.ts';
import type { SqlRow } from '../common/sql-store.ts';
import type { SqlServerConnection } from './connection.ts';
import { literal, quoteTable } from './dialect.ts';
import { columnFromFacts, IDENTITY } from './types.ts';

const number = (value: unknown): number | null =>
  value === null || value === undefined ? null : Number(value);
const isTrue = (value: unknown): boolean => value === true || value === 1;

/** A column, and whether an INSERT may name it. */
interface TableColumn {
  readonly column: Column;
  readonly written: boolean;
}

const toColumn = (row: SqlRow): TableColumn => {
  const native = String(row['native']);
  const temporal = /^(datetime2|datetimeoffset|time)$/i.test(native);
  const nullable = row['nullable'] === 'YES';
  const identity = isTrue(row['identity']);
  const column = columnFromFacts({
    name: String(row['name']),
    native,
    length: number(row['length']),
    precision: number(row['precision']),
    scale: number(temporal ? row['fraction'] : row['scale']),
    nullable,
  });
  const written =
    !isTrue(row['computed']) &&
    Number(row['generated'] ?? 0) === 0 &&
    !/^(timestamp|rowversion)$/i.test(native);
  const bare = (row['default'] ?? null) === null;
  return {
    column: {
      ...column,
      ...(identity ? { native: `${column.native}${IDENTITY}` } : {}),
      ...(written && !nullable && bare && !identity ? { required: true } : {}),
    },
    written,
  };
};

const listed = async (connection: SqlServerConnection, table: TableName): Promise<TableColumn[]> => {
  const rows = await connection.query(
    'SELECT i.COLUMN_NAME AS name, i.DATA_TYPE AS native, i.CHARACTER_MAXIMUM_LENGTH AS length, i.NUMERIC_PRECISION AS [precision], ' +
      'i.NUMERIC_SCALE AS scale, i.DATETIME_PRECISION AS fraction, i.IS_NULLABLE AS nullable, i.COLUMN_DEFAULT AS [default], ' +
      'c.is_identity AS [identity], c.is_computed AS computed, c.generated_always_type AS generated ' +
      'FROM INFORMATION_SCHEMA.COLUMNS AS i LEFT JOIN sys.columns AS c ' +
      `ON c.object_id = OBJECT_ID(${literal(quoteTable(table))}) AND c.name = i.COLUMN_NAME ` +
      `WHERE i.TABLE_SCHEMA = ${literal(table.schema)} AND i.TABLE_NAME = ${literal(table.name)} ORDER BY i.ORDINAL_POSITION`,
    `reading the columns of ${table.schema}.${table.name}`,
  );
  return rows.map(toColumn);
};

/** The columns of a table; empty where there is no such table. */
export const tableColumns = async (connection: SqlServerConnection, table: TableName): Promise<Column[]> =>
  (await listed(connection, table)).map(({ column }) => column);

/** The columns an INSERT may name: without computed ones, row versions and the periods of temporal tables. */
export const writtenColumns = async (connection: SqlServerConnection, table: TableName): Promise<Column[]> =>
  (await listed(connection, table)).filter(({ written }) => written).map(({ column }) => column);

/** The columns of a table type; empty where there is none of that name. */
export const tableTypeColumns = async (
  connection: SqlServerConnection,
  type: TableName,
): Promise<Column[]> => {
  const rows = await connection.query(
    'SELECT c.name, t.name AS native, c.max_length AS bytes, c.precision, c.scale, c.is_nullable AS nullable ' +
      'FROM sys.table_types AS tt JOIN sys.columns AS c ON c.object_id = tt.type_table_object_id ' +
      'JOIN sys.types AS t ON t.user_type_id = c.system_type_id JOIN sys.schemas AS s ON s.schema_id = tt.schema_id ' +
      `WHERE tt.name = ${literal(type.name)} AND s.name = ${literal(type.schema)} ORDER BY c.column_id`,
    `reading the columns of the table type ${type.schema}.${type.name}`,
  );
  return rows.map((row) => {
    const native = String(row['native']);
    const bytes = Number(row['bytes']);
    const nullable = isTrue(row['nullable']);
    const column = columnFromFacts({
      name: String(row['name']),
      native,
      length: /^n(char|varchar)$/i.test(native) && bytes > 0 ? bytes / 2 : bytes,
      precision: number(row['precision']),
      scale: number(row['scale']),
      nullable,
    });
    return nullable ? column : { ...column, required: true };
  });
};

/** The table in its own spelling. */
export const findTable = async (
  connection: SqlServerConnection,
  table: TableName,
): Promise<TableName | undefined> => {
  const [found] = await connection.query(
    'SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t FROM INFORMATION_SCHEMA.TABLES ' +
      `WHERE TABLE_SCHEMA = ${literal(table.schema)} AND TABLE_NAME = ${literal(table.name)}`,
    'looking for the table',
  );
  return found === undefined ? undefined : { schema: String(found['s']), name: String(found['t']) };
};

/** Columns of the primary key (first) and of the other unique constraints. */
export const uniqueKeys = async (connection: SqlServerConnection, table: TableName): Promise<string[][]> => {
  const rows = await connection.query(
    'SELECT c.CONSTRAINT_NAME AS id, k.COLUMN_NAME AS name FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS c ' +
      'JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS k ON k.CONSTRAINT_NAME = c.CONSTRAINT_NAME ' +
      'AND k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME ' +
      "WHERE c.CONSTRAINT_TYPE IN ('PRIMARY KEY', 'UNIQUE') " +
      `AND c.TABLE_SCHEMA = ${literal(table.schema)} AND c.TABLE_NAME = ${literal(table.name)} ` +
      'ORDER BY c.CONSTRAINT_TYPE, c.CONSTRAINT_NAME, k.ORDINAL_POSITION',
    `reading the keys of ${table.schema}.${table.name}`,
  );
  return groupedKeys(rows);
};

/** The columns of the primary key, in its order. */
export const primaryKey = async (connection: SqlServerConnection, table: TableName): Promise<string[]> => {
  const rows = await connection.query(
    'SELECT k.COLUMN_NAME AS name FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS c JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS k ' +
      'ON k.CONSTRAINT_NAME = c.CONSTRAINT_NAME AND k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME ' +
      `WHERE c.CONSTRAINT_TYPE = 'PRIMARY KEY' AND c.TABLE_SCHEMA = ${literal(table.schema)} AND c.TABLE_NAME = ${literal(table.name)} ` +
      'ORDER BY k.ORDINAL_POSITION',
    `reading the primary key of ${table.schema}.${table.name}`,
  );
  return rows.map((row) => String(row['name']));
};

/** "decimal(18,2)", "nvarchar(50)", "datetime2(7)", "varchar(max)" as sp_describe_first_result_set writes types. */
export const columnFromTypeName = (name: string, typeName: string, nullable: boolean): Column => {
  const [, native = typeName, first, second] =
    /^([\w ]+?)\s*(?:\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\))?$/.exec(typeName) ?? [];
  const size = first === undefined || first === 'max' ? null : Number(first);
  const temporal = /^(datetime2|datetimeoffset|time)$/i.test(native);
  return columnFromFacts({
    name,
    native,
    length: size,
    precision: size,
    scale: temporal ? size : second === undefined ? null : Number(second),
    nullable,
  });
};

/** The columns of the first result of any batch. Throws what SQL Server says where it cannot tell. */
export const batchColumns = async (connection: SqlServerConnection, batch: string): Promise<Column[]> => {
  const rows = await connection.query(
    `EXEC sys.sp_describe_first_result_set @tsql = ${literal(batch)}`,
    'reading the columns of the result',
  );
  const shown = rows.filter((row) => !isTrue(row['is_hidden']));
  if (shown.length === 0)
    throw new WaybillError('DEFINITION_INVALID', 'The source query or procedure has no result.');
  return shown.map((row, i) => {
    const name = String(row['name'] ?? '');
    if (name === '') {
      throw new WaybillError('DEFINITION_INVALID', `Column ${i + 1} of the source's result has no name.`);
    }
    return columnFromTypeName(
      name,
      String(row['system_type_name'] ?? 'sql_variant'),
      isTrue(row['is_nullable']),
    );
  });
};
