// How each database writes types, names, values and tables for the data of a rehearsal.

import { EARLY_LSN, LATE_LSN } from '../infer/values.ts';
import type { ColumnKind, ColumnNeed, ProcedureNeed, StoreKind, TableNeed } from '../needs.ts';
import type { Cell } from '../rows.ts';

type Database = Extract<StoreKind, 'sql-server' | 'postgres' | 'mysql' | 'snowflake'>;

const TYPES: Readonly<Record<Database, Readonly<Record<ColumnKind, string>>>> = {
  'sql-server': {
    text: 'nvarchar(4000)',
    integer: 'bigint',
    number: 'decimal(18,4)',
    date: 'datetime2(3)',
    boolean: 'bit',
    binary: 'varbinary(max)',
    guid: 'uniqueidentifier',
    time: 'time(0)',
  },
  postgres: {
    text: 'text',
    integer: 'bigint',
    number: 'numeric(18,4)',
    date: 'timestamp(3)',
    boolean: 'boolean',
    binary: 'bytea',
    guid: 'uuid',
    time: 'time(0)',
  },
  mysql: {
    text: 'varchar(500)',
    integer: 'bigint',
    number: 'decimal(18,4)',
    date: 'datetime(3)',
    boolean: 'tinyint(1)',
    binary: 'varbinary(500)',
    guid: 'char(36)',
    time: 'time',
  },
  snowflake: {
    text: 'VARCHAR',
    integer: 'NUMBER(19,0)',
    number: 'NUMBER(18,4)',
    date: 'TIMESTAMP_NTZ(3)',
    boolean: 'BOOLEAN',
    binary: 'BINARY',
    guid: 'VARCHAR',
    time: 'TIME(0)',
  },
};

const QUOTES: Readonly<Record<Database, readonly [string, string]>> = {
  'sql-server': ['[', ']'],
  postgres: ['"', '"'],
  mysql: ['`', '`'],
  snowflake: ['"', '"'],
};

/** A quoted name. */
export function quoted(kind: StoreKind, name: string): string {
  const [open, close] = QUOTES[kind as Database];
  return `${open}${name.replaceAll(close, close + close)}${close}`;
}

/** A table or procedure with its schema. */
export const qualified = (kind: StoreKind, schema: string, name: string): string =>
  schema === '' ? quoted(kind, name) : `${quoted(kind, schema)}.${quoted(kind, name)}`;

const typeOf = (kind: StoreKind, column: ColumnNeed, isKey: boolean): string =>
  isKey && column.kind === 'text' && kind === 'sql-server'
    ? 'nvarchar(400)'
    : TYPES[kind as Database][column.kind];

/** The key that Change Tracking needs: the columns that are told, else the first. */
export function trackedKey({ store, columns, tracked }: TableNeed): string[] {
  if (tracked === undefined || store.kind !== 'sql-server') return [];
  const told = tracked.flatMap((name) => columns.get(name.toLowerCase())?.name ?? []);
  return told.length > 0 ? told : [...columns.values()].slice(0, 1).map(({ name }) => name);
}

/** CREATE TABLE with every column nullable. */
export function createTable(table: TableNeed): string {
  const { store, schema, name, columns, keys } = table;
  const { kind } = store;
  const tracked = trackedKey(table);
  const lines = [...columns.values()].map((column) => {
    const isKey = [...keys, ...tracked].some((key) => key.toLowerCase() === column.name.toLowerCase());
    const isTracked = tracked.includes(column.name);
    return `${quoted(kind, column.name)} ${typeOf(kind, column, isKey)}${isTracked ? ' NOT NULL' : ''}`;
  });
  if (tracked.length > 0) lines.push(`PRIMARY KEY (${tracked.map((each) => quoted(kind, each)).join(', ')})`);
  if (table.isNumbered) lines.push(`${quoted(kind, 'waybill_number')} int IDENTITY(1,1) NOT NULL`);
  return `CREATE TABLE ${qualified(kind, schema, name)} (${lines.join(', ')})`;
}

/** The statements that fill a table, some rows each. */
export function insertRows(table: TableNeed, rows: readonly (readonly Cell[])[]): string[] {
  const { kind } = table.store;
  const columns = [...table.columns.values()];
  const head = `INSERT INTO ${qualified(kind, table.schema, table.name)} (${columns.map(({ name }) => quoted(kind, name)).join(', ')}) VALUES `;
  const texts = rows.map(
    (row) => `(${row.map((value, at) => literal(kind, value, (columns[at] as ColumnNeed).kind)).join(', ')})`,
  );
  const statements: string[] = [];
  for (let from = 0; from < texts.length; from += 100)
    statements.push(head + texts.slice(from, from + 100).join(', '));
  return statements;
}

/** The statements that let Change Data Capture keep what happens to a table from then on. */
export const captureChanges = ({ schema, name, captured }: TableNeed): string[] =>
  captured === undefined
    ? []
    : [
        'EXEC sys.sp_cdc_enable_db',
        `EXEC sys.sp_cdc_enable_table @source_schema = ${literal('sql-server', schema || 'dbo', 'text')}, @source_name = ${literal('sql-server', name, 'text')}, @role_name = NULL, @capture_instance = ${literal('sql-server', captured, 'text')}`,
      ];

/** The same statement with the log sequence numbers that its placeholders stand for, of that capture instance. */
export function withLsns(statement: string, instance: string | undefined): string {
  if (instance === undefined) return statement;
  const places: readonly (readonly [string, string])[] = [
    [EARLY_LSN, `sys.fn_cdc_get_min_lsn(${literal('sql-server', instance, 'text')})`],
    [LATE_LSN, 'sys.fn_cdc_get_max_lsn()'],
  ];
  return places.reduce(
    (text, [place, lsn]) =>
      text
        .replaceAll(literal('sql-server', place, 'text'), () => `CONVERT(varchar(100), ${lsn}, 1)`)
        .replaceAll(place, () => lsn),
    statement,
  );
}

/** A constant. */
export function literal(kind: StoreKind, value: Cell, column: ColumnKind): string {
  if (value === null) return 'NULL';
  if (column === 'boolean' || typeof value === 'boolean') {
    const isTrue = value === true || value === 1 || value === 'true';
    return kind === 'postgres' || kind === 'snowflake' ? (isTrue ? 'TRUE' : 'FALSE') : isTrue ? '1' : '0';
  }
  if (typeof value === 'number') return String(value);
  if (column === 'binary') {
    const hex = value.replace(/^0x/i, '');
    if (kind === 'postgres') return `'\\x${hex}'`;
    return kind === 'snowflake' ? `TO_BINARY('${hex}', 'HEX')` : `0x${hex}`;
  }
  const text = value.replaceAll("'", "''");
  if (kind === 'mysql' || kind === 'snowflake') return `'${text.replaceAll('\\', '\\\\')}'`;
  return kind === 'sql-server' ? `N'${text}'` : `'${text}'`;
}

/** A SELECT of constants: what a procedure answers. */
function constantRows(kind: StoreKind, rows: ProcedureNeed['rows']): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const one = (row: ProcedureNeed['rows'][number]): string =>
    `SELECT ${names
      .map((name) => {
        const value = row[name] ?? null;
        const plain = typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
        const cast =
          kind === 'sql-server' && typeof plain === 'string'
            ? `CAST(${literal(kind, plain, 'text')} AS nvarchar(4000))`
            : kind === 'sql-server' && typeof plain === 'boolean'
              ? `CAST(${literal(kind, plain, 'boolean')} AS bit)`
              : literal(kind, plain, typeof plain === 'boolean' ? 'boolean' : 'text');
        return `${cast} AS ${quoted(kind, name)}`;
      })
      .join(', ')}`;
  return rows.map(one).join(' UNION ALL ');
}

/** A procedure that takes the parameters it is given and answers the rows that are read of it. */
export function createProcedure({ store, schema, name, parameters, rows }: ProcedureNeed): string {
  const { kind } = store;
  const answer = rows.length === 0 ? undefined : constantRows(kind, rows);
  if (kind === 'sql-server') {
    const list = [...parameters.values()].map((parameter) =>
      parameter.tableType === undefined
        ? `@${parameter.name} ${parameter.kind === 'text' ? 'nvarchar(max)' : TYPES['sql-server'][parameter.kind]} = NULL${parameter.isOutput === true ? ' OUTPUT' : ''}`
        : `@${parameter.name} ${parameter.tableType} READONLY`,
    );
    return `CREATE OR ALTER PROCEDURE ${qualified(kind, schema, name)} ${list.join(', ')} AS BEGIN SET NOCOUNT ON; ${answer ?? 'DECLARE @done int = 1'}; END`;
  }
  const count = parameters.size;
  if (kind === 'postgres') {
    const list = Array.from({ length: count }, (_, at) => `p${at + 1} text DEFAULT NULL`).join(', ');
    return `CREATE OR REPLACE PROCEDURE ${qualified(kind, schema, name)}(${list}) LANGUAGE sql AS 'SELECT 1'`;
  }
  if (kind === 'mysql') {
    const list = Array.from({ length: count }, (_, at) => `p${at + 1} text`).join(', ');
    return `CREATE PROCEDURE ${qualified(kind, schema, name)}(${list}) BEGIN ${answer ?? 'SELECT 1 AS result'}; END`;
  }
  const list = Array.from({ length: count }, (_, at) => `p${at + 1} VARCHAR`).join(', ');
  return `CREATE OR REPLACE PROCEDURE ${qualified(kind, schema, name)}(${list}) RETURNS VARCHAR LANGUAGE SQL AS $$ BEGIN RETURN 'done'; END $$`;
}
