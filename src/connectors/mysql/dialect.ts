// MySQL's SQL as the shared sink logic needs it.
import { fieldText } from '../../core/copy/row-text.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import { quoteIdentifier, type TableName } from '../common/identifier.ts';
import { type ScriptRule, transactionalStatements } from '../common/pre-copy-script.ts';
import type { Dialect, UpsertRequest } from '../common/sql-store.ts';
import { canonicalText, nativeFor, stagedDeclaration } from './types.ts';

export const quote = (name: string): string =>
  quoteIdentifier(name, { open: '`', close: '`', limit: 64, unit: 'characters' });

export const quoteTable = (table: TableName): string => `${quote(table.schema)}.${quote(table.name)}`;

/** A backslash escapes in MySQL's literals; sessions never run without that. */
export const literal = (text: string): string => {
  if (text.includes('\0')) throw new WaybillError('IDENTIFIER_INVALID', 'A text holds a NUL character.');
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
};

/** Columns of the staging table besides the target's and the chunk's number: whose row it is, and which. */
export const ATTEMPT_COLUMN = '_wb_attempt';
export const ROW_COLUMN = '_wb_row';

/** One field of the row's text, see core/copy/row-text.ts. The collation keeps texts of different ones together. */
const field = (column: Column): string => {
  const name = quote(column.name);
  const kind = fieldText(column);
  const text = `${canonicalText(column, name)} COLLATE utf8mb4_bin`;
  const value =
    kind === 'presence'
      ? "'V'"
      : kind === 'escaped'
        ? `CONCAT('V', REPLACE(${text}, '|', '||'))`
        : `CONCAT('V', ${text})`;
  return `IF(${name} IS NULL, 'N', ${value})`;
};

const rowText = (columns: readonly Column[]): string => `CONCAT(${columns.map(field).join(", '|', ")})`;

const list = (columns: readonly Column[]): string => columns.map(({ name }) => quote(name)).join(', ');

/**
 * Two statements: ON DUPLICATE KEY UPDATE would also overwrite a row that shares another unique key with a staged one.
 * Such a row, or one that another writer inserts between the two, breaks the key and fails the copy instead.
 */
const upsert = ({ target, staging, columns, keys, where }: UpsertRequest): string[] => {
  const others = columns.filter((column) => !keys.includes(column));
  const condition = where === undefined ? '' : ` WHERE ${where}`;
  const staged = `(SELECT ${list(columns)} FROM ${quoteTable(staging)}${condition}) AS s`;
  const same = keys.map(({ name }) => `t.${quote(name)} = s.${quote(name)}`).join(' AND ');
  const set = others.map(({ name }) => `t.${quote(name)} = s.${quote(name)}`).join(', ');
  return [
    ...(others.length === 0
      ? []
      : [`UPDATE ${quoteTable(target)} AS t JOIN ${staged} ON ${same} SET ${set}`]),
    `INSERT INTO ${quoteTable(target)} (${list(columns)}) SELECT ${columns.map(({ name }) => `s.${quote(name)}`).join(', ')} ` +
      `FROM ${staged} LEFT JOIN ${quoteTable(target)} AS t ON ${same} WHERE t.${quote(keys[0]?.name ?? '')} IS NULL`,
  ];
};

const typedLiteral = (column: Column, text: string): string => {
  const cast = (type: string, value = literal(text)): string => `CAST(${value} AS ${type})`;
  const fraction = Math.min(column.scale ?? 6, 6);
  switch (column.type) {
    case 'Byte[]':
      return `X'${text}'`;
    case 'Int16':
    case 'Int32':
    case 'Int64':
    case 'Boolean':
      return cast('SIGNED');
    case 'Decimal':
      return cast(`DECIMAL(${column.precision ?? 38},${column.scale ?? 0})`);
    case 'Single':
    case 'Double':
      return `(${literal(text)} + 0e0)`;
    case 'Date':
      return cast('DATE');
    case 'DateTime':
    case 'DateTimeOffset':
      return cast(`DATETIME(${fraction})`, literal(text.replace('Z', '')));
    case 'TimeSpan':
      return cast(`TIME(${fraction})`);
    default:
      return literal(text);
  }
};

const PART = '(?:`(?:[^`]|``)+`|[A-Za-z_$][\\w$]*)';

/** MySQL commits before and after every DDL statement. */
const SCRIPT_RULE: ScriptRule = {
  product: 'MySQL',
  tokens:
    /(?<kept>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|`(?:[^`]|``)*`)|(?<comment>--(?=\s|$)[^\n]*|#[^\n]*|\/\*.*?\*\/)|(?<end>;)|./gs,
  truncate: new RegExp(`^TRUNCATE\\s+(?:TABLE\\s+)?(?<table>${PART}(?:\\s*\\.\\s*${PART})?)$`, 'i'),
  words: ['DELETE', 'INSERT', 'REPLACE', 'UPDATE', 'SELECT'],
};

const TABLE_OPTIONS = 'ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4';

export const mysqlDialect: Dialect = {
  product: 'MySQL',
  nameLimit: 64,
  own: (name) => name,
  quote,
  literal,
  now: 'UTC_TIMESTAMP(6)',
  createLedger: (ledger) =>
    `CREATE TABLE IF NOT EXISTS ${quoteTable(ledger)} (copy_key char(32) NOT NULL, chunk int NOT NULL, ` +
    'copy_id varchar(1000) NOT NULL, state varchar(20) NOT NULL, generation bigint NOT NULL, lower_bound text, ' +
    'upper_bound text, row_count bigint, bytes_read bigint, bytes_written bigint, checksum varchar(40), ' +
    `committed_at datetime(6), detail longtext, PRIMARY KEY (copy_key, chunk)) ${TABLE_OPTIONS} COLLATE utf8mb4_bin`,
  createTable: (table, columns) =>
    `CREATE TABLE ${quoteTable(table)} (${columns
      .map((column) => `${quote(column.name)} ${column.native} ${column.nullable ? 'NULL' : 'NOT NULL'}`)
      .join(', ')}) ${TABLE_OPTIONS}`,
  // Clustered by chunk: checking one reads no other. The attempt keeps one that was overtaken from blocking its heir.
  createStaging: (staging, columns, chunkColumn) =>
    `CREATE TABLE IF NOT EXISTS ${quoteTable(staging)} (${[
      ...columns.map((column) => `${quote(column.name)} ${stagedDeclaration(column)} NULL`),
      `${quote(chunkColumn)} int NOT NULL`,
      `${quote(ATTEMPT_COLUMN)} bigint NOT NULL`,
      `${quote(ROW_COLUMN)} int unsigned NOT NULL`,
      `PRIMARY KEY (${[chunkColumn, ATTEMPT_COLUMN, ROW_COLUMN].map(quote).join(', ')})`,
    ].join(', ')}) ${TABLE_OPTIONS}`,
  dropTable: (table) => `DROP TABLE IF EXISTS ${quoteTable(table)}`,
  fromStaging: (column) => quote(column.name),
  checksum: (staging, columns, chunkColumn, chunk) =>
    'SELECT COUNT(*) AS n, CAST(COALESCE(SUM(CAST(CONV(LEFT(h, 16), 16, 10) AS DECIMAL(20,0))), 0) AS CHAR) AS c FROM (' +
    `SELECT MD5(${rowText(columns)}) AS h FROM ${quoteTable(staging)} WHERE ${quote(chunkColumn)} = ${chunk}) AS x`,
  transactional: (script) => transactionalStatements(script, SCRIPT_RULE),
  // Rows are numbered as they come; of two attempts at a chunk only one is ever committed.
  stagedOrder: [quote('_wb_chunk'), quote(ROW_COLUMN)].join(', '),
  keysEnforced: true,
  rowText,
  typedLiteral,
  // TRUNCATE would commit what the transaction did so far.
  emptyTable: (table) => `DELETE FROM ${quoteTable(table)}`,
  upsert,
  columnFor: (column) => {
    const native = nativeFor(column);
    const scale = column.scale === undefined ? {} : { scale: Math.min(column.scale, 6) };
    const temporal = column.type.startsWith('DateTime') || column.type === 'TimeSpan';
    return { ...column, native, ...(temporal ? scale : {}) };
  },
};
