// Finds tables, columns and keys in PostgreSQL's catalogue.
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { groupedKeys } from '../common/keys.ts';
import type { SqlRow } from '../common/sql-store.ts';
import type { PostgresConnection } from './connection.ts';
import { literal } from './dialect.ts';
import { columnFromFacts } from './types.ts';

const toColumn = (row: SqlRow): Column => ({
  ...columnFromFacts({
    name: String(row['name']),
    native: String(row['native']),
    declared: String(row['declared']),
    modifier: Number(row['modifier']),
    nullable: row['nullable'] === true,
  }),
  ...(row['required'] === true ? { required: true } : {}),
});

export const findTable = async (
  connection: PostgresConnection,
  table: TableName,
): Promise<{ table: TableName; columns: Column[] } | undefined> => {
  const rows = await connection.query(
    'SELECT a.attname AS name, format_type(b.id, NULL) AS native, format_type(b.id, b.modifier) AS declared, ' +
      'b.modifier, NOT (a.attnotnull OR t.typnotnull) AS nullable, ' +
      "a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required FROM pg_attribute a " +
      'JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace ' +
      'JOIN pg_type t ON t.oid = a.atttypid ' +
      // A domain is carried as the type it is made of.
      "CROSS JOIN LATERAL (SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE a.atttypid END AS id, " +
      "CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier) AS b " +
      `WHERE n.nspname = ${literal(table.schema)} AND c.relname = ${literal(table.name)} ` +
      "AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum",
    `reading the columns of ${table.schema}.${table.name}`,
  );
  return rows.length === 0 ? undefined : { table, columns: rows.map(toColumn) };
};

/** Columns of a query, from the types its result would have. */
export const queryColumns = async (connection: PostgresConnection, query: string): Promise<Column[]> => {
  const fields = await connection.describe(
    `SELECT * FROM ${query} LIMIT 0`,
    'reading the columns of the query',
  );
  const values = fields.map((field, i) => `(${i}, ${field.dataTypeID}::oid, ${field.dataTypeModifier})`);
  const types = await connection.query(
    'SELECT format_type(v.id, NULL) AS native, format_type(v.id, v.modifier) AS declared ' +
      `FROM (VALUES ${values.join(', ')}) AS v (i, id, modifier) ORDER BY v.i`,
    'reading the types of the query',
  );
  return fields.map((field, i) =>
    columnFromFacts({
      name: field.name,
      native: String(types[i]?.['native']),
      declared: String(types[i]?.['declared']),
      modifier: field.dataTypeModifier,
      nullable: true,
    }),
  );
};

/** Columns of the primary key, then of every other unique index that ON CONFLICT may name. */
export const uniqueKeys = async (connection: PostgresConnection, table: TableName): Promise<string[][]> => {
  const rows = await connection.query(
    'SELECT i.indexrelid::text AS id, a.attname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid ' +
      'JOIN pg_namespace n ON n.oid = c.relnamespace ' +
      'CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, position) ' +
      'JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum ' +
      'WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL ' +
      `AND n.nspname = ${literal(table.schema)} AND c.relname = ${literal(table.name)} ` +
      'ORDER BY i.indisprimary DESC, i.indexrelid, k.position',
    `reading the keys of ${table.schema}.${table.name}`,
  );
  return groupedKeys(rows);
};
