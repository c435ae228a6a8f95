// T-SQL as the shared sink logic needs it.
import { fieldText } from '../../core/copy/row-text.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import { quoteIdentifier, type TableName } from '../common/identifier.ts';
import { joinedFields } from '../common/joined-fields.ts';
import type { Dialect, UpsertRequest } from '../common/sql-store.ts';
import { canonicalText, columnFromFacts, declaration, isIdentity, refuseOpaque } from './types.ts';

/** Which attempt loaded a staged row: a dirty read sees those of an attempt that was overtaken and hangs. */
export const ATTEMPT_COLUMN = '_wb_attempt';

export const quote = (name: string): string =>
  quoteIdentifier(name, { open: '[', close: ']', limit: 128, unit: 'characters' });

export const quoteTable = (table: TableName): string => `${quote(table.schema)}.${quote(table.name)}`;

export const literal = (text: string): string => {
  if (text.includes('\0')) throw new WaybillError('IDENTIFIER_INVALID', 'A text holds a NUL character.');
  return `N'${text.replaceAll("'", "''")}'`;
};

const narrow = (column: Column): boolean =>
  column.type === 'String' && (column.native === 'varchar' || column.native === 'char');

/** A staged column's type. Code page text is staged as Unicode: the server converts it, not the client. */
export const stagedDeclaration = (column: Column): string => {
  refuseOpaque(column);
  return narrow(column) ? declaration({ ...column, native: 'nvarchar' }) : declaration(column);
};

const fromStaging = (column: Column): string =>
  narrow(column) ? `CONVERT(${declaration(column)}, ${quote(column.name)})` : quote(column.name);

/** One field of the row's text, see core/copy/row-text.ts. */
const field = (column: Column): string => {
  const kind = fieldText(column);
  const text = canonicalText(column, fromStaging(column));
  const value =
    kind === 'presence' ? "'V'" : kind === 'escaped' ? `N'V' + REPLACE(${text}, '|', '||')` : `'V' + ${text}`;
  return `CASE WHEN ${quote(column.name)} IS NULL THEN 'N' ELSE ${value} END`;
};

/** CONCAT of one (max) part is (max) as a whole, so long rows are not cut. */
const rowText = (columns: readonly Column[]): string =>
  joinedFields(columns.map(field), (parts) => `CONCAT(CONVERT(nvarchar(max), N''), ${parts.join(', ')})`);

/** The statement with explicit values for the target's identity column, where it is among the columns. */
export const withIdentities = (target: TableName, columns: readonly Column[], statement: string): string =>
  columns.some(isIdentity)
    ? `SET IDENTITY_INSERT ${quoteTable(target)} ON; ${statement.replace(/;$/, '')}; SET IDENTITY_INSERT ${quoteTable(target)} OFF;`
    : statement;

/** HOLDLOCK: without it another writer may insert a key between MERGE's look and its insert. */
const upsert = ({ target, staging, columns, keys, where }: UpsertRequest): string[] => {
  // An identity can be given once, not changed.
  const others = columns.filter((column) => !keys.includes(column) && !isIdentity(column));
  const names = columns.map(({ name }) => quote(name));
  const staged = columns.map((column) => `${fromStaging(column)} AS ${quote(column.name)}`).join(', ');
  const set = others.map(({ name }) => `${quote(name)} = s.${quote(name)}`).join(', ');
  const merge =
    `MERGE INTO ${quoteTable(target)} WITH (HOLDLOCK) AS t USING (SELECT ${staged} FROM ${quoteTable(staging)}` +
    `${where === undefined ? '' : ` WHERE ${where}`}) AS s ON ` +
    keys.map(({ name }) => `t.${quote(name)} = s.${quote(name)}`).join(' AND ') +
    (others.length === 0 ? '' : ` WHEN MATCHED THEN UPDATE SET ${set}`) +
    ` WHEN NOT MATCHED BY TARGET THEN INSERT (${names.join(', ')}) VALUES (${names.map((name) => `s.${name}`).join(', ')});`;
  return [withIdentities(target, columns, merge)];
};

const typedLiteral = (column: Column, text: string): string => {
  if (column.type === 'Byte[]') return `0x${text}`;
  const old = column.native === 'datetime' || column.native === 'smalldatetime';
  // The older types read no more than three digits of a fraction.
  const value = old ? text.slice(0, 23) : text.replace('Z', '+00:00');
  return `CONVERT(${column.native === 'smalldatetime' ? 'smalldatetime' : declaration(column)}, ${literal(value)})`;
};

const create = (table: TableName, body: string): string =>
  `IF OBJECT_ID(${literal(quoteTable(table))}) IS NULL CREATE TABLE ${quoteTable(table)} (${body})`;

const nullability = (column: Column): string => (column.nullable ? 'NULL' : 'NOT NULL');

/**
 * The checksum of core/copy/row-text.ts over the rows of `from`, a table and its WHERE. The UTF-8 collation makes the bytes
 * that are hashed UTF-8.
 */
const stagedChecksum = (columns: readonly Column[], from: string): string =>
  'SELECT COUNT_BIG(*) AS n, CONVERT(varchar(40), COALESCE(SUM(CASE WHEN h < 0 THEN CAST(h AS decimal(38,0)) + 18446744073709551616 ELSE CAST(h AS decimal(38,0)) END), 0)) AS c FROM (' +
  `SELECT CONVERT(bigint, SUBSTRING(HASHBYTES('MD5', CONVERT(varchar(max), ${rowText(columns)} COLLATE Latin1_General_100_BIN2_UTF8)), 1, 8)) AS h ` +
  `FROM ${from}) AS x`;

/**
 * The checksum of one attempt's rows of a chunk. NOLOCK: parallel bulk loads into the heap hold BU locks, which a locking
 * read would wait for. What it sees of others is filtered out: other chunks, and an earlier attempt that did not end yet.
 */
export const attemptChecksum = (
  staging: TableName,
  columns: readonly Column[],
  chunkColumn: string,
  { chunk, generation }: { readonly chunk: number; readonly generation: number },
): string =>
  stagedChecksum(
    columns,
    `${quoteTable(staging)} WITH (NOLOCK) WHERE ${quote(chunkColumn)} = ${chunk} AND ${quote(ATTEMPT_COLUMN)} = ${generation}`,
  );

export const sqlServerDialect: Dialect = {
  product: 'SQL Server',
  nameLimit: 128,
  own: (name) => name,
  quote,
  literal,
  now: 'SYSUTCDATETIME()',
  createLedger: (ledger) =>
    create(
      ledger,
      '[copy_key] varchar(32) NOT NULL, [chunk] int NOT NULL, [copy_id] nvarchar(1000) NOT NULL, ' +
        '[state] varchar(20) NOT NULL, [generation] bigint NOT NULL, [lower_bound] nvarchar(1000) NULL, ' +
        '[upper_bound] nvarchar(1000) NULL, [row_count] bigint NULL, [bytes_read] bigint NULL, ' +
        '[bytes_written] bigint NULL, [checksum] varchar(40) NULL, [committed_at] datetime2(6) NULL, ' +
        '[detail] nvarchar(max) NULL, PRIMARY KEY ([copy_key], [chunk])',
    ),
  createTable: (table, columns) =>
    `CREATE TABLE ${quoteTable(table)} (${columns
      .map((column) => `${quote(column.name)} ${declaration(column)} ${nullability(column)}`)
      .join(', ')})`,
  createStaging: (staging, columns, chunkColumn) =>
    create(
      staging,
      [
        ...columns.map((column) => `${quote(column.name)} ${stagedDeclaration(column)} NULL`),
        `${quote(chunkColumn)} int NOT NULL`,
        `${quote(ATTEMPT_COLUMN)} bigint NOT NULL`,
      ].join(', '),
    ),
  dropTable: (table) => `DROP TABLE IF EXISTS ${quoteTable(table)}`,
  fromStaging,
  checksum: (staging, columns, chunkColumn, chunk) =>
    stagedChecksum(columns, `${quoteTable(staging)} WITH (NOLOCK) WHERE ${quote(chunkColumn)} = ${chunk}`),
  transactional: (script) => [script],
  keysEnforced: true,
  rowText,
  typedLiteral,
  // Refused, and undone, where a foreign key refers to the table: then a preCopyScript with DELETE does it.
  emptyTable: (table) => `TRUNCATE TABLE ${quoteTable(table)}`,
  upsert,
  columnFor: (column) => {
    const native = declaration({ ...column, native: '' });
    const [name = native] = native.split('(');
    const own = columnFromFacts({ ...column, native: name });
    return { ...column, ...own, type: own.type };
  },
};
