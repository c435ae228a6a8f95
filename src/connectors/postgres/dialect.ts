// PostgreSQL's SQL as the shared sink logic needs it.
import { fieldText } from '../../core/copy/row-text.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import { quoteIdentifier, type TableName } from '../common/identifier.ts';
import { joinedFields } from '../common/joined-fields.ts';
import type { Dialect, UpsertRequest } from '../common/sql-store.ts';
import { transactionWord } from './query-text.ts';
import { canonicalText, declaration, keptNative } from './types.ts';
import { isExact } from './wire.ts';

export const quote = (name: string): string =>
  quoteIdentifier(name, { open: '"', close: '"', limit: 63, unit: 'bytes' });

export const quoteTable = (table: TableName): string => `${quote(table.schema)}.${quote(table.name)}`;

export const literal = (text: string): string => {
  if (text.includes('\0')) throw new WaybillError('IDENTIFIER_INVALID', 'A text holds a NUL character.');
  return `'${text.replaceAll("'", "''")}'`;
};

/** One field of the row's text, see core/copy/row-text.ts. */
const field = (column: Column): string => {
  const name = quote(column.name);
  const kind = fieldText(column);
  const text = canonicalText(column, name);
  const value =
    kind === 'presence'
      ? "'V'"
      : kind === 'escaped'
        ? `'V' || replace(${text}, '|', '||')`
        : `'V' || ${text}`;
  return `CASE WHEN ${name} IS NULL THEN 'N' ELSE ${value} END`;
};

const definition = (columns: readonly Column[], nullability: boolean): string =>
  columns
    .map(
      (column) =>
        `${quote(column.name)} ${declaration(column)}${nullability && !column.nullable ? ' NOT NULL' : ''}`,
    )
    .join(', ');

/** Pages are found by number and rows by transaction, which only the heap has; its statistics are of no use yet. */
export const STAGING_STORAGE = 'USING heap WITH (autovacuum_enabled = false)';

/** A text staged for a type of PostgreSQL's own is read by that type; bits by the one that does not cut them. */
const stagedValue = (column: Column): string => {
  const name = quote(column.name);
  if (column.type !== 'String' || column.native === '' || isExact(column) || column.native === 'character') {
    return name;
  }
  return `${name}::${/^bit\b/.test(column.native) ? 'bit varying' : column.native}`;
};

const rowText = (columns: readonly Column[]): string =>
  joinedFields(columns.map(field), (parts) => `concat(${parts.join(', ')})`);

const list = (columns: readonly Column[]): string => columns.map(({ name }) => quote(name)).join(', ');

/** Identities that are GENERATED ALWAYS keep the source's numbers too; tables without one do not mind. */
const OVERRIDING = 'OVERRIDING SYSTEM VALUE ';

/** ON CONFLICT needs a unique index; without one the table is locked against other writers for the two statements. */
const upsert = ({ target, staging, columns, keys, keysUnique, where }: UpsertRequest): string[] => {
  const condition = where === undefined ? '' : ` WHERE ${where}`;
  const others = columns.filter((column) => !keys.includes(column));
  const staged = `SELECT ${list(columns)} FROM ${quoteTable(staging)}${condition}`;
  const set = (from: string): string =>
    others.map(({ name }) => `${quote(name)} = ${from}.${quote(name)}`).join(', ');
  const insert = `INSERT INTO ${quoteTable(target)} (${list(columns)}) ${OVERRIDING}`.trimEnd();
  if (keysUnique) {
    const action = others.length === 0 ? 'NOTHING' : `UPDATE SET ${set('EXCLUDED')}`;
    return [`${insert} ${staged} ON CONFLICT (${list(keys)}) DO ${action}`];
  }
  const same = keys.map(({ name }) => `t.${quote(name)} = s.${quote(name)}`).join(' AND ');
  return [
    `LOCK TABLE ${quoteTable(target)} IN SHARE ROW EXCLUSIVE MODE`,
    ...(others.length === 0
      ? []
      : [`UPDATE ${quoteTable(target)} AS t SET ${set('s')} FROM (${staged}) AS s WHERE ${same}`]),
    `${insert} SELECT ${list(columns)} FROM (${staged}) AS s ` +
      `WHERE NOT EXISTS (SELECT 1 FROM ${quoteTable(target)} AS t WHERE ${same})`,
  ];
};

/** The sum over rows of an unsigned 32-bit half of the hash; sums of bigint are exact, and cheaper than of numeric. */
const half = (from: number): string => `sum(('x' || substr(h, ${from}, 8))::bit(32)::bigint)`;

/**
 * The checksum of core/copy/row-text.ts over the rows of `from`, a table and its WHERE. OFFSET 0 keeps the planner from
 * making the hash anew for each of its halves, which doubled the cost.
 */
export const textChecksum = (columns: readonly Column[], from: string): string =>
  `SELECT count(*)::text AS n, coalesce(${half(1)} * 4294967296 + ${half(9)}, 0)::text AS c FROM (` +
  `SELECT md5(convert_to(${rowText(columns)}, 'UTF8')) AS h FROM ${from} OFFSET 0) AS x`;

export const postgresDialect: Dialect = {
  product: 'PostgreSQL',
  overriding: OVERRIDING,
  nameLimit: 63,
  own: (name) => name,
  quote,
  literal,
  now: "(now() AT TIME ZONE 'UTC')",
  createLedger: (ledger) =>
    `CREATE TABLE IF NOT EXISTS ${quoteTable(ledger)} (copy_key text NOT NULL, chunk int NOT NULL, copy_id text NOT NULL, ` +
    'state text NOT NULL, generation bigint NOT NULL, lower_bound text, upper_bound text, row_count bigint, ' +
    'bytes_read bigint, bytes_written bigint, checksum text, committed_at timestamp, detail text, PRIMARY KEY (copy_key, chunk))',
  createTable: (table, columns) => `CREATE TABLE ${quoteTable(table)} (${definition(columns, true)})`,
  // Only what staging.ts leaves to it: rows some of whose types have texts that are staged as they are.
  createStaging: (staging, columns) =>
    `CREATE UNLOGGED TABLE IF NOT EXISTS ${quoteTable(staging)} (${definition(columns, false)}) ${STAGING_STORAGE}`,
  dropTable: (table) => `DROP TABLE IF EXISTS ${quoteTable(table)}`,
  fromStaging: stagedValue,
  checksum: (staging, columns, chunkColumn, chunk) =>
    textChecksum(columns, `${quoteTable(staging)} WHERE ${quote(chunkColumn)} = ${chunk}`),
  transactional: (script) => {
    const word = transactionWord(script);
    if (word === undefined) return [script];
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `The pre-copy script may not say ${word.toUpperCase()}: it runs in the transaction that publishes the copy.`,
      { statement: word },
    );
  },
  // Where a row lies in a table that is only ever appended to.
  stagedOrder: 'ctid',
  keysEnforced: true,
  rowText,
  typedLiteral: (column, text) =>
    // A numeric without a declared scale has more digits than any declaration of it.
    `${literal(text)}::${column.type === 'Decimal' ? 'numeric' : declaration(column)}`,
  // Unlike DELETE it leaves no dead rows; like DELETE it is undone with the transaction.
  emptyTable: (table) => `TRUNCATE TABLE ${quoteTable(table)}`,
  upsert,
  columnFor: (column) => ({
    ...column,
    // Another store's type of the same name may be something else: SQL Server's and MySQL's "bit" are Booleans.
    native: column.type === 'String' || column.type === 'Decimal' ? keptNative(column.native) : '',
    // PostgreSQL folds names without quotes to lower case.
    name: /^[A-Z_][A-Z0-9_]*$/.test(column.name) ? column.name.toLowerCase() : column.name,
    ...(column.type === 'DateTime' || column.type === 'DateTimeOffset' || column.type === 'TimeSpan'
      ? { scale: Math.min(column.scale ?? 6, 6) }
      : {}),
  }),
};
