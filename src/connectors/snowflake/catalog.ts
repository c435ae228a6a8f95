// Finds tables and columns in Snowflake's catalogue.
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import type { SnowflakeConnection } from './connection.ts';
import { literal } from './dialect.ts';
import { columnFromFacts } from './types.ts';

/**
 * The table under its exact name, else the one name that differs in case only (definitions often spell in lower case
 * what Snowflake folded to upper case).
 */
export const findTable = async (
  connection: SnowflakeConnection,
  table: TableName,
): Promise<{ table: TableName; columns: Column[] } | undefined> => {
  const rows = await connection.query(
    'SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, ' +
      'DATETIME_PRECISION, IS_NULLABLE, COLUMN_DEFAULT FROM INFORMATION_SCHEMA.COLUMNS ' +
      `WHERE UPPER(TABLE_SCHEMA) = UPPER(${literal(table.schema)}) AND UPPER(TABLE_NAME) = UPPER(${literal(table.name)}) ` +
      'ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION',
    `reading the columns of ${table.schema}.${table.name}`,
  );
  const spellings = new Map<string, TableName>();
  for (const row of rows) {
    const found = { schema: String(row['table_schema']), name: String(row['table_name']) };
    spellings.set(`${found.schema}\0${found.name}`, found);
  }
  const exact = spellings.get(`${table.schema}\0${table.name}`);
  const own = exact ?? (spellings.size === 1 ? [...spellings.values()][0] : undefined);
  if (own === undefined) return undefined;
  const number = (value: unknown): number | null =>
    value === null || value === undefined ? null : Number(value);
  const columns = rows
    .filter((row) => row['table_schema'] === own.schema && row['table_name'] === own.name)
    .map((row) => {
      const native = String(row['data_type']);
      const nullable = row['is_nullable'] === 'YES';
      // An identity or a sequence shows as a default too.
      const required = !nullable && (row['column_default'] === null || row['column_default'] === undefined);
      const column = columnFromFacts({
        name: String(row['column_name']),
        native,
        length: number(row['character_maximum_length']),
        precision: number(row['numeric_precision']),
        scale: number(native === 'NUMBER' ? row['numeric_scale'] : row['datetime_precision']),
        nullable,
      });
      return required ? { ...column, required } : column;
    });
  return { table: own, columns };
};
