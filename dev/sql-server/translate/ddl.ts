// CREATE, ALTER and DROP; what was declared is kept as JSON comments on the PostgreSQL objects.
import { notSupported } from '../errors.ts';
import { isBinary, postgresType, type SqlType } from '../sql-types.ts';
import { onScheme } from './partitions.ts';
import { heldName, quoteName, quoteText } from './token-stream.ts';
import type { TableName, Translator } from './translator.ts';
import { dataType } from './types.ts';

/** Statements that PostgreSQL runs one after another as a whole. */
export type Script = readonly string[];

export function columnComment(table: string, name: string, type: SqlType | undefined): string {
  const declared = {
    name,
    type: type?.name,
    length: type?.length,
    precision: type?.precision,
    scale: type?.scale,
  };
  return `COMMENT ON COLUMN ${table}.${quoteName(name)} IS ${quoteText(JSON.stringify(declared))}`;
}

export const tableComment = (table: string, name: string): string =>
  `COMMENT ON TABLE ${table} IS ${quoteText(JSON.stringify({ name }))}`;

interface Definition {
  readonly sql: string;
  readonly comment: string;
}

export const createTable = (t: Translator): Script => tableDefinition(t, t.tableName(t.tokens.dottedName()));

/** The bracketed columns and constraints of a table, and how it is stored. */
export function tableDefinition(t: Translator, table: TableName): Script {
  const { tokens } = t;
  const temporary = table.name.startsWith('#');
  tokens.expectSymbol('(');
  const parts: string[] = [];
  const comments: string[] = [];
  const computed: string[] = [];
  do {
    if (tokens.isSymbol(')')) break;
    if (tokens.isWord('constraint', 'primary', 'unique', 'check', 'foreign')) parts.push(tableConstraint(t));
    else if (tokens.isWord('index') || tokens.isWord('period')) throw notSupported(tokens.peek().text);
    else if (tokens.wordAt(1, 'as')) computed.push(...computedColumn(t, table));
    else {
      const column = columnDefinition(t, table);
      parts.push(column.sql);
      comments.push(column.comment);
    }
  } while (tokens.acceptSymbol(','));
  tokens.expectSymbol(')');
  const partitioned = onScheme(t, table);
  storageClauses(t);
  return [
    `CREATE ${temporary ? 'TEMPORARY ' : ''}TABLE ${table.sql} (${parts.join(', ')})`,
    tableComment(table.sql, table.name),
    ...comments,
    ...computed,
    ...partitioned,
  ];
}

/**
 * name AS expression [PERSISTED]: kept as a stored generated column, whose type is found by asking for one value. It is
 * added when the others are there, so it comes after them.
 */
function computedColumn(t: Translator, table: TableName): string[] {
  const { tokens } = t;
  const name = tokens.name();
  tokens.expect('as');
  const { sql } = t.expression();
  tokens.accept('persisted');
  if (!tokens.accept('not', 'null')) tokens.accept('null');
  const add = `ALTER TABLE ${table.sql} ADD COLUMN ${quoteName(name)} %s GENERATED ALWAYS AS (${sql.replaceAll('%', '%%')}) STORED`;
  return [
    `DO $computed$ BEGIN EXECUTE format(${quoteText(add)}, (SELECT format_type(pg_typeof((SELECT ${sql} FROM ${table.sql} LIMIT 1)), NULL))); END $computed$`,
    columnComment(table.sql, name, undefined),
  ];
}

/** ON filegroup, TEXTIMAGE_ON filegroup, WITH (...): how SQL Server stores it, nothing that a query sees. */
function storageClauses(t: Translator): void {
  const { tokens } = t;
  for (;;) {
    if (tokens.isWord('on', 'textimage_on')) {
      tokens.next();
      tokens.name();
      if (tokens.isSymbol('(')) tokens.skipGroup();
    } else if (tokens.isWord('with') && tokens.isSymbol('(', 1)) {
      tokens.next();
      tokens.skipGroup();
    } else return;
  }
}

function columnDefinition(t: Translator, table: TableName): Definition {
  const { tokens } = t;
  const name = tokens.name();
  if (tokens.isWord('as')) throw notSupported('computed columns');
  if (tokens.isWord('rowversion', 'timestamp')) return versionColumn(t, table, name);
  const type = dataType(t);
  let sql = `${quoteName(name)} ${postgresType(type)}`;
  if (isBinary(type) && type.length !== undefined && type.length > 0) {
    const fits = type.name === 'binary' ? '=' : '<=';
    sql += ` CONSTRAINT ${quoteName(`tsql_length_${name}`)} CHECK (octet_length(${quoteName(name)}) ${fits} ${type.length})`;
  }
  for (let clause = columnClause(t); clause !== undefined; clause = columnClause(t)) sql += clause;
  return { sql, comment: columnComment(table.sql, name, type) };
}

/** rowversion: a number of the database's own for every row that is written. */
function versionColumn(t: Translator, table: TableName, name: string): Definition {
  t.tokens.next();
  if (!t.tokens.accept('not', 'null')) t.tokens.accept('null');
  const trigger = `CREATE TRIGGER tsql_rowversion BEFORE INSERT OR UPDATE ON ${table.sql} FOR EACH ROW EXECUTE FUNCTION tsql.next_rowversion(${quoteText(heldName(name))})`;
  return {
    sql: `${quoteName(name)} bytea NOT NULL`,
    comment: `${columnComment(table.sql, name, { name: 'timestamp' })}; ${trigger}`,
  };
}

function columnClause(t: Translator): string | undefined {
  const { tokens } = t;
  if (tokens.accept('not', 'null')) return ' NOT NULL';
  if (tokens.accept('null')) return ' NULL';
  if (tokens.accept('collate')) {
    tokens.name();
    return '';
  }
  if (tokens.isWord('sparse', 'rowguidcol')) {
    tokens.next();
    return '';
  }
  if (tokens.accept('identity')) return identity(t);
  let named = '';
  if (tokens.accept('constraint')) named = ` CONSTRAINT ${quoteName(tokens.name())}`;
  // PostgreSQL keeps no name for a default.
  if (tokens.accept('default')) return ` DEFAULT ${t.expression().sql}`;
  if (tokens.accept('primary', 'key')) {
    clustering(t);
    return `${named} PRIMARY KEY`;
  }
  if (tokens.accept('unique')) {
    clustering(t);
    return `${named} UNIQUE`;
  }
  if (tokens.accept('check')) return `${named} CHECK ${checkCondition(t)}`;
  if (tokens.accept('foreign', 'key') || tokens.isWord('references')) return `${named} ${references(t)}`;
  if (named) throw tokens.unexpected();
  return undefined;
}

function identity(t: Translator): string {
  const { tokens } = t;
  let seed = 1;
  let step = 1;
  if (tokens.acceptSymbol('(')) {
    seed = tokens.integer();
    tokens.expectSymbol(',');
    step = tokens.integer();
    tokens.expectSymbol(')');
  }
  return ` GENERATED ALWAYS AS IDENTITY (START WITH ${seed} INCREMENT BY ${step})`;
}

function clustering(t: Translator): void {
  if (!t.tokens.accept('clustered')) t.tokens.accept('nonclustered');
  if (t.tokens.isWord('columnstore')) throw notSupported('COLUMNSTORE');
}

function checkCondition(t: Translator): string {
  t.tokens.expectSymbol('(');
  const sql = t.condition();
  t.tokens.expectSymbol(')');
  return `(${sql})`;
}

function keyColumns(t: Translator): string {
  const { tokens } = t;
  tokens.expectSymbol('(');
  const names: string[] = [];
  do {
    names.push(quoteName(tokens.name()));
    if (!tokens.accept('asc')) tokens.accept('desc');
  } while (tokens.acceptSymbol(','));
  tokens.expectSymbol(')');
  return `(${names.join(', ')})`;
}

function references(t: Translator): string {
  const { tokens } = t;
  tokens.expect('references');
  let sql = `REFERENCES ${t.tableName(tokens.dottedName()).sql}`;
  if (tokens.isSymbol('(')) sql += ` ${keyColumns(t)}`;
  while (tokens.accept('on')) {
    const event = tokens.next().lower;
    if (event !== 'delete' && event !== 'update') throw tokens.unexpected();
    sql += ` ON ${event.toUpperCase()} ${referentialAction(t)}`;
  }
  return sql;
}

function referentialAction(t: Translator): string {
  const { tokens } = t;
  if (tokens.accept('cascade')) return 'CASCADE';
  if (tokens.accept('set', 'null')) return 'SET NULL';
  if (tokens.accept('set', 'default')) return 'SET DEFAULT';
  tokens.expect('no', 'action');
  return 'NO ACTION';
}

function tableConstraint(t: Translator): string {
  const { tokens } = t;
  const named = tokens.accept('constraint') ? `CONSTRAINT ${quoteName(tokens.name())} ` : '';
  if (tokens.accept('primary', 'key')) {
    clustering(t);
    const sql = `${named}PRIMARY KEY ${keyColumns(t)}`;
    storageClauses(t);
    return sql;
  }
  if (tokens.accept('unique')) {
    clustering(t);
    const sql = `${named}UNIQUE NULLS NOT DISTINCT ${keyColumns(t)}`;
    storageClauses(t);
    return sql;
  }
  if (tokens.accept('check')) return `${named}CHECK ${checkCondition(t)}`;
  if (tokens.accept('foreign', 'key')) return `${named}FOREIGN KEY ${keyColumns(t)} ${references(t)}`;
  throw tokens.unexpected();
}

export function alterTable(t: Translator): Script {
  const { tokens } = t;
  const table = t.tableName(tokens.dottedName());
  const alter = `ALTER TABLE ${table.sql}`;
  if (tokens.accept('with')) {
    if (!tokens.accept('check') && !tokens.accept('nocheck')) throw tokens.unexpected();
  }
  if (tokens.accept('enable', 'change_tracking')) {
    storageClauses(t);
    return [
      `SELECT tsql_tracking.enable(${quoteText(table.schema.toLowerCase())}, ${quoteText(heldName(table.name))})`,
    ];
  }
  if (tokens.accept('disable', 'change_tracking')) {
    return [
      `SELECT tsql_tracking.disable(${quoteText(table.schema.toLowerCase())}, ${quoteText(heldName(table.name))})`,
    ];
  }
  if (tokens.accept('alter', 'column')) return alterColumn(t, table);
  if (tokens.accept('drop')) return dropParts(t, alter);
  if (tokens.accept('add')) return addParts(t, table);
  throw notSupported(`ALTER TABLE ... ${tokens.peek().text}`);
}

function addParts(t: Translator, table: TableName): Script {
  const { tokens } = t;
  const actions: string[] = [];
  const comments: string[] = [];
  do {
    if (tokens.isWord('constraint') && tokens.wordAt(2, 'default')) actions.push(addDefault(t));
    else if (tokens.isWord('default')) actions.push(addDefault(t));
    else if (tokens.isWord('constraint', 'primary', 'unique', 'check', 'foreign'))
      actions.push(`ADD ${tableConstraint(t)}`);
    else {
      const column = columnDefinition(t, table);
      actions.push(`ADD COLUMN ${column.sql}`);
      comments.push(column.comment);
    }
  } while (tokens.acceptSymbol(','));
  return [`ALTER TABLE ${table.sql} ${actions.join(', ')}`, ...comments];
}

function addDefault(t: Translator): string {
  const { tokens } = t;
  if (tokens.accept('constraint')) tokens.name();
  tokens.expect('default');
  const value = t.expression().sql;
  tokens.expect('for');
  return `ALTER COLUMN ${quoteName(tokens.name())} SET DEFAULT ${value}`;
}

function alterColumn(t: Translator, table: TableName): Script {
  const { tokens } = t;
  const name = tokens.name();
  const column = quoteName(name);
  const type = dataType(t);
  if (tokens.accept('collate')) tokens.name();
  const required = tokens.accept('not', 'null');
  if (!required) tokens.accept('null');
  const held = postgresType(type);
  const declared = t.table(table)?.columns.get(name.toLowerCase());
  return [
    `ALTER TABLE ${table.sql} DROP CONSTRAINT IF EXISTS ${quoteName(`tsql_length_${name}`)}, ALTER COLUMN ${column} TYPE ${held}, ALTER COLUMN ${column} ${required ? 'SET' : 'DROP'} NOT NULL`,
    columnComment(table.sql, declared?.name ?? name, type),
  ];
}

function dropParts(t: Translator, alter: string): Script {
  const { tokens } = t;
  const actions: string[] = [];
  let kind = 'CONSTRAINT';
  do {
    if (tokens.accept('column')) kind = 'COLUMN';
    else if (tokens.accept('constraint')) kind = 'CONSTRAINT';
    const exists = tokens.accept('if', 'exists') ? 'IF EXISTS ' : '';
    actions.push(`DROP ${kind} ${exists}${quoteName(tokens.name())}`);
  } while (tokens.acceptSymbol(','));
  return [`${alter} ${actions.join(', ')}`];
}

export function createIndex(t: Translator, unique: boolean): Script {
  const { tokens } = t;
  clustering(t);
  tokens.expect('index');
  const name = tokens.name();
  tokens.expect('on');
  const table = t.tableName(tokens.dottedName());
  const columns = keyColumns(t);
  const include = tokens.accept('include') ? ` INCLUDE ${keyColumns(t)}` : '';
  const where = tokens.accept('where') ? ` WHERE ${t.condition()}` : '';
  storageClauses(t);
  // Index names are per table in SQL Server and per schema in PostgreSQL.
  const held = quoteName(indexName(table.name, name));
  const nulls = unique ? ' NULLS NOT DISTINCT' : '';
  return [
    `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${held} ON ${table.sql} ${columns}${include}${nulls}${where}`,
    `COMMENT ON INDEX ${table.schema ? `${quoteName(table.schema)}.` : ''}${held} IS ${quoteText(JSON.stringify({ name }))}`,
  ];
}

const indexName = (table: string, index: string): string => `${table}.${index}`;

export function createView(t: Translator): Script {
  const { tokens } = t;
  const view = t.tableName(tokens.dottedName());
  tokens.expect('as');
  const { sql, outputs } = t.query();
  const named = outputs.filter((output) => !output.star && output.name !== '');
  return [
    `CREATE VIEW ${view.sql} AS ${sql}`,
    `COMMENT ON VIEW ${view.sql} IS ${quoteText(JSON.stringify({ name: view.name }))}`,
    ...named.map(({ name, type }) => columnComment(view.sql, name, type)),
  ];
}

export function createSchema(t: Translator): Script {
  const name = t.tokens.name();
  if (t.tokens.accept('authorization')) t.tokens.name();
  return [
    `CREATE SCHEMA ${quoteName(name)}`,
    `COMMENT ON SCHEMA ${quoteName(name)} IS ${quoteText(JSON.stringify({ name }))}`,
  ];
}

/** DROP TABLE, VIEW, SCHEMA, INDEX. */
export function drop(t: Translator): Script {
  const { tokens } = t;
  const kind = tokens.next().lower;
  const exists = tokens.accept('if', 'exists') ? 'IF EXISTS ' : '';
  if (kind === 'index') {
    const name = tokens.name();
    tokens.expect('on');
    const table = t.tableName(tokens.dottedName());
    const schema = table.schema ? `${quoteName(table.schema)}.` : '';
    return [`DROP INDEX ${exists}${schema}${quoteName(indexName(table.name, name))}`];
  }
  if (kind === 'schema') return [`DROP SCHEMA ${exists}${quoteName(tokens.name())}`];
  if (kind !== 'table' && kind !== 'view') throw notSupported(`DROP ${kind.toUpperCase()}`);
  const script: string[] = [];
  do {
    const table = t.tableName(tokens.dottedName());
    if (kind === 'table' && table.schema) {
      script.push(
        `SELECT tsql_tracking.forget(${quoteText(table.schema.toLowerCase())}, ${quoteText(heldName(table.name))}), tsql_cdc.forget(${quoteText(table.schema.toLowerCase())}, ${quoteText(heldName(table.name))})`,
      );
    }
    script.push(`DROP ${kind.toUpperCase()} ${exists}${table.sql}`);
  } while (tokens.acceptSymbol(','));
  return script;
}
