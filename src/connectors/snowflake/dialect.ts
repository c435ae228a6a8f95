// Snowflake SQL as the shared sink logic needs it.
import { fieldText } from '../../core/copy/row-text.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import { quoteIdentifier, type TableName } from '../common/identifier.ts';
import type { Dialect, UpsertRequest } from '../common/sql-store.ts';
import { preCopyStatements } from './pre-copy-script.ts';
import { canonicalText, columnFromFacts, declaration, SEMI_STRUCTURED } from './types.ts';

export const quote = (name: string): string =>
  quoteIdentifier(name, { open: '"', close: '"', limit: 255, unit: 'characters' });

export const quoteTable = (table: TableName): string => `${quote(table.schema)}.${quote(table.name)}`;

/** A backslash escapes in Snowflake's literals, so it is doubled too. */
export const literal = (text: string): string => {
  if (text.includes('\0')) throw new WaybillError('IDENTIFIER_INVALID', 'A text holds a NUL character.');
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
};

/** One field of the row's text, see core/copy/row-text.ts. */
const field = (column: Column): string => {
  const name = quote(column.name);
  const kind = fieldText(column);
  const text = SEMI_STRUCTURED.includes(column.native) ? name : canonicalText(column, name);
  const value =
    kind === 'presence'
      ? "'V'"
      : kind === 'escaped'
        ? `'V' || REPLACE(${text}, '|', '||')`
        : `'V' || ${text}`;
  return `IFF(${name} IS NULL, 'N', ${value})`;
};

const rowText = (columns: readonly Column[]): string => `CONCAT(${columns.map(field).join(", '|', ")})`;

/** JSON text becomes the target's VARIANT, OBJECT or ARRAY. */
const fromStaging = ({ name, native }: Column): string => {
  if (!SEMI_STRUCTURED.includes(native)) return quote(name);
  return `PARSE_JSON(${quote(name)})${native === 'VARIANT' ? '' : `::${native}`}`;
};

const upsert = ({ target, staging, columns, keys, where }: UpsertRequest): string[] => {
  const others = columns.filter((column) => !keys.includes(column));
  const names = columns.map(({ name }) => quote(name));
  const staged = columns.map((column) =>
    SEMI_STRUCTURED.includes(column.native)
      ? `${fromStaging(column)} AS ${quote(column.name)}`
      : quote(column.name),
  );
  const set = others.map(({ name }) => `${quote(name)} = s.${quote(name)}`).join(', ');
  return [
    `MERGE INTO ${quoteTable(target)} AS t USING (SELECT ${staged.join(', ')} FROM ${quoteTable(staging)}` +
      `${where === undefined ? '' : ` WHERE ${where}`}) AS s ON ` +
      keys.map(({ name }) => `t.${quote(name)} = s.${quote(name)}`).join(' AND ') +
      (others.length === 0 ? '' : ` WHEN MATCHED THEN UPDATE SET ${set}`) +
      ` WHEN NOT MATCHED THEN INSERT (${names.join(', ')}) VALUES (${names.map((name) => `s.${name}`).join(', ')})`,
  ];
};

const definition = (columns: readonly Column[], nullability: boolean): string =>
  columns
    .map(
      (column) =>
        `${quote(column.name)} ${declaration(column)}${nullability && !column.nullable ? ' NOT NULL' : ''}`,
    )
    .join(', ');

export const snowflakeDialect: Dialect = {
  product: 'Snowflake',
  nameLimit: 255,
  own: (name) => name.toUpperCase(),
  quote,
  literal,
  now: 'CURRENT_TIMESTAMP()::TIMESTAMP_NTZ',
  createLedger: (ledger) =>
    `CREATE TABLE IF NOT EXISTS ${quoteTable(ledger)} ("COPY_KEY" VARCHAR(32) NOT NULL, "CHUNK" NUMBER(10,0) NOT NULL, ` +
    '"COPY_ID" VARCHAR NOT NULL, "STATE" VARCHAR(20) NOT NULL, "GENERATION" NUMBER(18,0) NOT NULL, "LOWER_BOUND" VARCHAR, ' +
    '"UPPER_BOUND" VARCHAR, "ROW_COUNT" NUMBER(18,0), "BYTES_READ" NUMBER(18,0), "BYTES_WRITTEN" NUMBER(18,0), ' +
    '"CHECKSUM" VARCHAR(40), "COMMITTED_AT" TIMESTAMP_NTZ, "DETAIL" VARCHAR, PRIMARY KEY ("COPY_KEY", "CHUNK"))',
  createTable: (table, columns) => `CREATE TABLE ${quoteTable(table)} (${definition(columns, true)})`,
  createStaging: (staging, columns, chunkColumn) =>
    `CREATE TRANSIENT TABLE IF NOT EXISTS ${quoteTable(staging)} (${definition(columns, false)}, ${quote(chunkColumn)} NUMBER(10,0))`,
  dropTable: (table) => `DROP TABLE IF EXISTS ${quoteTable(table)}`,
  fromStaging,
  checksum: (staging, columns, chunkColumn, chunk) =>
    `SELECT COUNT(*) AS N, SUM(MD5_NUMBER_UPPER64(${rowText(columns)})) AS C ` +
    `FROM ${quoteTable(staging)} WHERE ${quote(chunkColumn)} = ${chunk}`,
  transactional: preCopyStatements,
  keysEnforced: false,
  rowText,
  typedLiteral: (column, text) =>
    column.type === 'Byte[]'
      ? `TO_BINARY(${literal(text)}, 'HEX')`
      : `${literal(text)}::${declaration(column)}`,
  // TRUNCATE is DDL and would commit the transaction; deleting everything is as cheap.
  emptyTable: (table) => `DELETE FROM ${quoteTable(table)}`,
  upsert,
  columnFor: (column) => {
    const scale = column.scale === undefined ? {} : { scale: column.scale };
    const [native = 'TEXT'] = declaration({ ...column, native: '' }).split('(');
    const own = columnFromFacts({
      ...column,
      native: native === 'VARCHAR' ? 'TEXT' : native,
      precision: column.type === 'Decimal' ? (column.precision ?? 38) : 38,
      scale: column.type.startsWith('Int') ? 0 : (column.scale ?? null),
    });
    // Snowflake folds names without quotes to upper case: created so, they need none in anyone's SQL.
    const name = /^[a-z_][a-z0-9_$]*$/.test(column.name) ? column.name.toUpperCase() : column.name;
    return { ...own, ...scale, name };
  },
};
