// One T-SQL statement into what the server does for it: SQL for PostgreSQL, or something of the session's own.
import { notSupported, SqlError } from '../errors.ts';
import { dropProcedure } from '../stored-procedures.ts';
import { createType, dropType } from '../table-types.ts';
import { assign } from './conversions.ts';
import { alterTable, createIndex, createSchema, createTable, createView, drop, type Script } from './ddl.ts';
import { insert, merge, remove, truncate, update } from './dml.ts';
import { condition, expression } from './expressions.ts';
import type { Token } from './lexer.ts';
import type { Output } from './output-clause.ts';
import { createPartition } from './partitions.ts';
import { query, selectStatement, withClause } from './select.ts';
import {
  type Grammar,
  type OutputColumn,
  type TableName,
  type TranslationContext,
  Translator,
} from './translator.ts';

const GRAMMAR: Grammar = { expression, condition, query };

export const translatorFor = (tokens: readonly Token[], context: TranslationContext): Translator =>
  new Translator(tokens, context, GRAMMAR);

/** A statement that runs in PostgreSQL. */
export interface SqlStatement {
  readonly kind: 'sql';
  readonly verb: string;
  readonly sql: string;
  /** Variables for $1, $2, ... */
  readonly used: readonly string[];
  readonly outputs: readonly OutputColumn[];
  readonly assigns: readonly string[];
  /** Set for INSERT and MERGE: the table, and the SQL to use when IDENTITY_INSERT is on for it. */
  readonly identityInsert?: { readonly table: TableName; readonly sql: string };
  readonly into?: TableName;
}

/** Definitions: run as one script, no rows, no count. */
export interface ScriptStatement {
  readonly kind: 'script';
  readonly verb: string;
  readonly script: Script;
}

export interface DatabaseStatement {
  readonly kind: 'create-database' | 'drop-database' | 'use';
  readonly name: string;
  readonly ifExists: boolean;
}

export type Statement = SqlStatement | ScriptStatement | DatabaseStatement | { readonly kind: 'nothing' };

const script = (verb: string, statements: Script): ScriptStatement => ({
  kind: 'script',
  verb,
  script: statements,
});

/** Translates the statement that comes next; its first word decides. */
export function statement(t: Translator): Statement {
  t.beginStatement();
  const { tokens } = t;
  if (tokens.isWord('with')) return dataStatement(t, withClause(t));
  if (tokens.isWord('select', 'insert', 'update', 'delete', 'merge') || tokens.isSymbol('('))
    return dataStatement(t, '');
  if (tokens.isWord('truncate')) return script('truncate', [truncate(t)]);
  if (tokens.accept('create')) return create(t);
  if (tokens.accept('alter')) return alter(t);
  if (tokens.accept('drop')) {
    if (tokens.accept('type')) return script('drop', dropType(t));
    if (tokens.accept('proc') || tokens.accept('procedure')) return script('drop', dropProcedure(t));
    if (!tokens.accept('database')) return script('drop', drop(t));
    const ifExists = tokens.accept('if', 'exists');
    return { kind: 'drop-database', name: tokens.name(), ifExists };
  }
  if (tokens.accept('use')) return { kind: 'use', name: tokens.name(), ifExists: false };
  if (
    tokens.isWord(
      'grant',
      'deny',
      'revoke',
      'backup',
      'restore',
      'dbcc',
      'waitfor',
      'bulk',
      'open',
      'fetch',
      'kill',
    )
  ) {
    throw notSupported(tokens.peek().text.toUpperCase());
  }
  throw tokens.unexpected();
}

function dataStatement(t: Translator, ctes: string): SqlStatement {
  const { tokens } = t;
  const verb = tokens.peek().lower;
  const plain = { kind: 'sql' as const, verb, outputs: [], assigns: [] };
  const changed = ({ used }: Translator, { outputs }: Output) => ({ ...plain, used, outputs });
  if (verb === 'insert') {
    const { head, tail, table, output } = insert(t);
    const sql = output.apply(`${ctes}${head}${tail}`);
    const overriding = output.apply(`${ctes}${head} OVERRIDING SYSTEM VALUE${tail}`);
    return { ...changed(t, output), sql, identityInsert: { table, sql: overriding } };
  }
  if (verb === 'update' || verb === 'delete') {
    const { sql, output } = verb === 'update' ? update(t, ctes) : remove(t, ctes);
    return { ...changed(t, output), sql: output.apply(sql) };
  }
  if (verb === 'merge') {
    const { sql, overriding, table, output } = merge(t, ctes);
    const identityInsert = { table, sql: output.apply(overriding) };
    return { ...changed(t, output), sql: output.apply(sql), identityInsert };
  }
  const select = selectStatement(t);
  const { outputs, assigns, into } = select;
  const whole = `${ctes}${select.sql}`;
  if (into === undefined) return { ...plain, verb: 'select', sql: whole, used: t.used, outputs, assigns };
  const temporary = into.name.startsWith('#') ? 'TEMPORARY ' : '';
  return {
    ...plain,
    verb: 'select into',
    sql: `CREATE ${temporary}TABLE ${into.sql} AS ${whole}`,
    used: t.used,
    outputs,
    into,
  };
}

function create(t: Translator): Statement {
  const { tokens } = t;
  if (tokens.accept('table')) return script('create', createTable(t));
  if (tokens.accept('view')) return script('create', createView(t));
  if (tokens.accept('type')) return script('create', createType(t));
  if (tokens.accept('partition')) return script('create', createPartition(t));
  if (tokens.accept('schema')) return script('create', createSchema(t));
  if (tokens.accept('database')) {
    const name = tokens.name();
    if (tokens.accept('collate')) tokens.name();
    return { kind: 'create-database', name, ifExists: false };
  }
  const unique = tokens.accept('unique');
  if (unique || tokens.isWord('clustered', 'nonclustered', 'index'))
    return script('create', createIndex(t, unique));
  throw notSupported(`CREATE ${tokens.peek().text.toUpperCase()}`);
}

const DATABASE_OPTIONS = new Set([
  'allow_snapshot_isolation',
  'read_committed_snapshot',
  'change_tracking',
  'recovery',
]);

function alter(t: Translator): Statement {
  const { tokens } = t;
  if (tokens.accept('table')) return script('alter', alterTable(t));
  if (!tokens.accept('database')) throw notSupported(`ALTER ${tokens.peek().text.toUpperCase()}`);
  if (!tokens.accept('current')) tokens.name();
  tokens.expect('set');
  const option = tokens.next();
  if (!DATABASE_OPTIONS.has(option.lower)) throw notSupported(`ALTER DATABASE SET ${option.text}`);
  // The engine always has snapshots, and change tracking is a table's own affair here.
  tokens.acceptSymbol('=');
  if (!tokens.accept('on') && !tokens.accept('off')) tokens.name();
  if (tokens.isSymbol('(')) tokens.skipGroup();
  if (tokens.accept('with')) while (tokens.isName()) tokens.next();
  return { kind: 'nothing' };
}

/**
 * The value of an expression on its own, converted to a type: for DECLARE and SET; with an operator (+ of +=), that of
 * the variable and it.
 */
export function scalar(t: Translator, name: string, operator?: string): SqlStatement {
  t.beginStatement();
  const type = t.context.variableType(name);
  if (type === undefined) throw new SqlError(137, `Must declare the scalar variable "${name}".`, 15);
  const value = t.expression();
  const symbol = operator === '+' && /char|text/.test(type.name) ? '||' : operator;
  const whole =
    symbol === undefined ? value : { sql: `(${t.variable(name).sql} ${symbol} (${value.sql}))`, type };
  const sql = `SELECT ${assign(whole, type)}`;
  return { kind: 'sql', verb: 'select', sql, used: t.used, outputs: [], assigns: [name] };
}

/** IF and WHILE: the truth of a condition. */
export function test(t: Translator): SqlStatement {
  t.beginStatement();
  const sql = `SELECT CASE WHEN ${t.condition()} THEN 1 ELSE 0 END`;
  return { kind: 'sql', verb: 'select', sql, used: t.used, outputs: [], assigns: [] };
}
