// Finds tables, columns and keys in MySQL's information schema.
import type { FieldPacket } from 'mysql2';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { groupedKeys } from '../common/keys.ts';
import type { SqlRow } from '../common/sql-store.ts';
import type { ValueRules } from './config.ts';
import type { MysqlConnection } from './connection.ts';
import { literal } from './dialect.ts';
import { sourceColumn, type TypeFacts, targetColumn } from './types.ts';

interface FoundTable {
  readonly table: TableName;
  /** Whether it is a table whose changes a transaction can undo. */
  readonly transactional: boolean;
  readonly engine: string;
}

/** The table in the store's own spelling. Names differ by case unless the server says otherwise. */
const findName = async (connection: MysqlConnection, table: TableName): Promise<FoundTable | undefined> => {
  const rows = await connection.query(
    'SELECT t.TABLE_SCHEMA AS s, t.TABLE_NAME AS t, t.TABLE_TYPE AS kind, t.ENGINE AS engine, e.TRANSACTIONS AS safe, ' +
      '@@lower_case_table_names AS folded FROM INFORMATION_SCHEMA.TABLES AS t ' +
      'LEFT JOIN INFORMATION_SCHEMA.ENGINES AS e ON e.ENGINE = t.ENGINE ' +
      `WHERE t.TABLE_SCHEMA = ${literal(table.schema)} AND t.TABLE_NAME = ${literal(table.name)}`,
    `looking for ${table.schema}.${table.name}`,
  );
  const own = rows.find((row) => row['s'] === table.schema && row['t'] === table.name);
  const row = own ?? rows.find((candidate) => Number(candidate['folded']) !== 0);
  if (row === undefined) return undefined;
  return {
    table: { schema: String(row['s']), name: String(row['t']) },
    transactional: row['safe'] === 'YES',
    engine: String(row['engine'] ?? row['kind']),
  };
};

const factsOf = (row: SqlRow): TypeFacts => ({
  name: String(row['name']),
  type: typeText(String(row['type'])),
  collation: row['collation'] === null ? null : String(row['collation']),
  nullable: row['nullable'] === 'YES',
  required:
    row['nullable'] !== 'YES' && row['without_default'] !== undefined && Number(row['without_default']) === 1,
});

/** Lower case but for the members of enum and set. */
const typeText = (type: string): string => (/^(enum|set)/i.test(type) ? type : type.toLowerCase());

const tableFacts = async (
  connection: MysqlConnection,
  table: TableName,
  written: boolean,
): Promise<TypeFacts[]> => {
  const rows = await connection.query(
    'SELECT COLUMN_NAME AS name, COLUMN_TYPE AS type, COLLATION_NAME AS collation, IS_NULLABLE AS nullable, EXTRA AS extra, ' +
      "COLUMN_DEFAULT IS NULL AND EXTRA NOT LIKE '%auto_increment%' AND EXTRA NOT LIKE '%GENERATED%' AS without_default " +
      `FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = ${literal(table.schema)} ` +
      `AND TABLE_NAME = ${literal(table.name)} ORDER BY ORDINAL_POSITION`,
    `reading the columns of ${table.schema}.${table.name}`,
  );
  // A generated column ("VIRTUAL GENERATED") takes no values; "DEFAULT_GENERATED" is an ordinary one.
  return rows.filter((row) => !written || !/(^|[^_])GENERATED/i.test(String(row['extra']))).map(factsOf);
};

/** A target and the columns that take values. Throws DEFINITION_UNSUPPORTED for one that no transaction protects. */
export const findTarget = async (
  connection: MysqlConnection,
  table: TableName,
): Promise<{ table: TableName; columns: Column[] } | undefined> => {
  const found = await findName(connection, table);
  if (found === undefined) return undefined;
  if (!found.transactional) {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `MySQL ${table.schema}.${table.name} is kept by ${found.engine}, which has no transactions: a failed copy could ` +
        'not be undone. Use ALTER TABLE ... ENGINE = InnoDB.',
      { table: `${table.schema}.${table.name}`, engine: found.engine },
    );
  }
  const facts = await tableFacts(connection, found.table, true);
  const rules = connection.config.values;
  return {
    table: found.table,
    columns: facts.map((one) => ({
      ...targetColumn(one, rules),
      ...(one.required === true ? { required: true } : {}),
    })),
  };
};

/** A source table or view with all its columns. */
export const findSource = async (
  connection: MysqlConnection,
  table: TableName,
): Promise<{ table: TableName; columns: Column[] } | undefined> => {
  const found = await findName(connection, table);
  if (found === undefined) return undefined;
  const facts = await tableFacts(connection, found.table, false);
  const rules = connection.config.values;
  return { table: found.table, columns: facts.map((one) => sourceColumn(one, rules)) };
};

/** Columns of a query, from the metadata of its result. */
export const queryColumns = async (connection: MysqlConnection, from: string): Promise<Column[]> => {
  const fields = await connection.describe(
    `SELECT * FROM ${from} LIMIT 0`,
    'reading the columns of the query',
  );
  return resultColumns(fields, connection.config.values);
};

/** Columns of a result, from its metadata. */
export const resultColumns = (fields: readonly FieldPacket[], rules: ValueRules): Column[] =>
  fields.map((field) =>
    sourceColumn(
      { name: field.name, type: fieldType(field as unknown as ResultField), nullable: true },
      rules,
    ),
  );

/** Columns of the primary key, then of every other unique index over whole columns. */
export const uniqueKeys = async (connection: MysqlConnection, table: TableName): Promise<string[][]> => {
  const rows = await connection.query(
    'SELECT INDEX_NAME AS id, COLUMN_NAME AS name, SUB_PART AS part FROM INFORMATION_SCHEMA.STATISTICS ' +
      `WHERE TABLE_SCHEMA = ${literal(table.schema)} AND TABLE_NAME = ${literal(table.name)} AND NON_UNIQUE = 0 ` +
      "ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
    `reading the keys of ${table.schema}.${table.name}`,
  );
  const partial = new Set(
    rows.filter((row) => row['part'] !== null || row['name'] === null).map((row) => row['id']),
  );
  return groupedKeys(rows.filter((row) => !partial.has(row['id'])));
};

/** What the driver's typings leave out of a result's column. */
interface ResultField {
  readonly columnType: number;
  readonly columnLength: number;
  readonly characterSet: number;
  readonly decimals: number;
  readonly flags: number;
  readonly extendedTypeName?: string;
}

const UNSIGNED = 32;
const ENUM = 256;
const SET = 2048;
const BINARY = 63;
/** Results come in utf8mb4, of which the server counts four bytes a character. */
const BYTES = 4;
/** What the protocol says for a fraction that is not declared. */
const NO_FRACTION = 31;

const WORDS: Readonly<Record<number, string>> = {
  0: 'decimal',
  2: 'smallint',
  3: 'int',
  4: 'float',
  5: 'double',
  7: 'timestamp',
  8: 'bigint',
  9: 'mediumint',
  10: 'date',
  11: 'time',
  12: 'datetime',
  13: 'year',
  14: 'date',
  242: 'vector',
  245: 'json',
  246: 'decimal',
  255: 'geometry',
};

/** A result's column as a definition would declare it. */
const fieldType = (field: ResultField): string => {
  const { columnType, columnLength, decimals, flags } = field;
  const unsigned = (flags & UNSIGNED) !== 0;
  const sign = unsigned ? ' unsigned' : '';
  if (field.extendedTypeName !== undefined) return field.extendedTypeName;
  switch (columnType) {
    case 1:
      return `tinyint(${columnLength})${sign}`;
    case 16:
      return `bit(${columnLength})`;
    case 0:
    case 246: {
      // The length counts the point and the sign.
      const digits = columnLength - (decimals > 0 ? 1 : 0) - (unsigned ? 0 : 1);
      return `decimal(${digits},${decimals})${sign}`;
    }
    case 7:
    case 11:
    case 12:
      return `${WORDS[columnType]}(${decimals >= NO_FRACTION ? 6 : decimals})`;
    case 253:
    case 254:
      if ((flags & (ENUM | SET)) !== 0) return 'varchar';
      return field.characterSet === BINARY
        ? `varbinary(${columnLength})`
        : `varchar(${Math.ceil(columnLength / BYTES)})`;
    case 249:
    case 250:
    case 251:
    case 252:
      return field.characterSet === BINARY ? 'longblob' : 'longtext';
    case 6:
      return 'varchar';
    default:
      return `${WORDS[columnType] ?? 'varchar'}${sign}`;
  }
};
