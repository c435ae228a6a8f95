// SELECT: common table expressions, TOP, set operators, ORDER BY, OFFSET/FETCH, and the names of result columns.
import { notSupported, SqlError } from '../errors.ts';
import { orderBy } from './order.ts';
import { type Locking, lockClause, noLocking, tableSources } from './table-source.ts';
import { quoteName } from './token-stream.ts';
import type { OutputColumn, Query, TableName, Translator } from './translator.ts';

/** The name PostgreSQL is given for a column that has none in SQL Server. */
export const NO_NAME = '?column?';

/** A SELECT statement may also assign variables or make a table. */
export interface SelectStatement extends Query {
  readonly into: TableName | undefined;
  /** Variables that take the columns of the last row. */
  readonly assigns: readonly string[];
}

interface Core {
  readonly sql: string;
  readonly outputs: readonly OutputColumn[];
  readonly limit: string;
  readonly into: TableName | undefined;
  readonly assigns: readonly string[];
  readonly locking: Locking;
}

/** A query anywhere but as a statement: no INTO, no assignments. */
export function query(t: Translator): Query {
  const select = selectStatement(t);
  if (select.into) throw new SqlError(156, "Incorrect syntax near the keyword 'INTO'.", 15);
  if (select.assigns.length > 0)
    throw new SqlError(
      141,
      'A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.',
      15,
    );
  return select;
}

/** WITH a AS (...), b AS (...): returns the clause with a trailing space, or nothing. */
export function withClause(t: Translator): string {
  const { tokens } = t;
  if (!tokens.accept('with')) return '';
  const parts: string[] = [];
  do {
    const name = tokens.name();
    t.withNames.add(name.toLowerCase());
    let columns = '';
    if (tokens.acceptSymbol('(')) {
      const names = [quoteName(tokens.name())];
      while (tokens.acceptSymbol(',')) names.push(quoteName(tokens.name()));
      tokens.expectSymbol(')');
      columns = ` (${names.join(', ')})`;
    }
    tokens.expect('as');
    tokens.expectSymbol('(');
    const inner = t.query();
    tokens.expectSymbol(')');
    parts.push(`${quoteName(name)}${columns} AS (${inner.sql})`);
  } while (tokens.acceptSymbol(','));
  return `WITH RECURSIVE ${parts.join(', ')} `;
}

/** SELECT with everything that may follow it. */
export function selectStatement(t: Translator): SelectStatement {
  const { tokens } = t;
  const ctes = withClause(t);
  const first = operand(t);
  let sql = first.sql;
  let limit = first.limit;
  const compound = tokens.isWord('union', 'except', 'intersect');
  if (compound && limit) {
    sql = `(${sql}${limit})`;
    limit = '';
  }
  while (tokens.isWord('union', 'except', 'intersect')) {
    const operator = tokens.next().lower.toUpperCase();
    const all = tokens.accept('all') ? ' ALL' : '';
    const next = operand(t);
    sql += ` ${operator}${all} ${next.limit ? `(${next.sql}${next.limit})` : next.sql}`;
  }
  if (tokens.isWord('order')) sql += ` ${orderBy(t)}`;
  sql += offsetFetch(t, limit);
  sql += lockClause(first.locking);
  if (tokens.isWord('for')) throw notSupported('FOR XML / FOR JSON');
  if (tokens.isWord('option') && tokens.isSymbol('(', 1)) {
    tokens.next();
    tokens.skipGroup();
  }
  return { sql: `${ctes}${sql}`, outputs: first.outputs, into: first.into, assigns: first.assigns };
}

function offsetFetch(t: Translator, limit: string): string {
  const { tokens } = t;
  if (!tokens.accept('offset')) return limit;
  let sql = ` OFFSET ${t.expression().sql}`;
  if (!tokens.accept('rows')) tokens.expect('row');
  if (!tokens.accept('fetch')) return sql;
  if (!tokens.accept('next')) tokens.expect('first');
  sql += ` LIMIT ${t.expression().sql}`;
  if (!tokens.accept('rows')) tokens.expect('row');
  tokens.expect('only');
  return sql;
}

function operand(t: Translator): Core {
  const { tokens } = t;
  if (!tokens.acceptSymbol('(')) return core(t);
  const inner = selectStatement(t);
  tokens.expectSymbol(')');
  return {
    sql: `(${inner.sql})`,
    outputs: inner.outputs,
    limit: '',
    into: undefined,
    assigns: [],
    locking: noLocking(),
  };
}

function core(t: Translator): Core {
  const { tokens } = t;
  tokens.expect('select');
  const distinct = tokens.accept('distinct');
  if (!distinct) tokens.accept('all');
  const limit = topClause(t);
  const { items, outputs: listed, assigns } = selectList(t);
  let outputs: readonly OutputColumn[] = listed;
  let into: TableName | undefined;
  if (tokens.accept('into')) into = t.tableName(tokens.dottedName());
  const locking = noLocking();
  let sql = `SELECT ${distinct ? 'DISTINCT ' : ''}${items.join(', ')}`;
  if (tokens.accept('from')) {
    const start = tokens.position;
    sql += ` FROM ${tableSources(t, locking)}`;
    const whole = t.derived?.start === start && t.derived.end === tokens.position;
    if (whole && items.length === 1 && items[0] === '*') outputs = t.derived?.outputs ?? listed;
  }
  if (tokens.accept('where')) sql += ` WHERE ${t.condition()}`;
  if (tokens.accept('group', 'by')) sql += ` GROUP BY ${groupItems(t)}`;
  if (tokens.accept('having')) sql += ` HAVING ${t.condition()}`;
  return { sql, outputs, limit, into, assigns, locking };
}

/** TOP (n): becomes LIMIT, written after ORDER BY. */
export function topClause(t: Translator): string {
  const { tokens } = t;
  if (!tokens.accept('top')) return '';
  let count: string;
  if (tokens.acceptSymbol('(')) {
    count = t.expression().sql;
    tokens.expectSymbol(')');
  } else count = String(tokens.integer());
  if (tokens.accept('percent')) throw notSupported('TOP ... PERCENT');
  if (tokens.isWord('with') && tokens.wordAt(1, 'ties')) throw notSupported('TOP ... WITH TIES');
  return ` LIMIT ${count}`;
}

function groupItems(t: Translator): string {
  const { tokens } = t;
  const items: string[] = [];
  do {
    if (tokens.isWord('rollup', 'cube', 'grouping')) throw notSupported(`GROUP BY ${tokens.peek().text}`);
    items.push(t.expression().sql);
  } while (tokens.acceptSymbol(','));
  return items.join(', ');
}

interface SelectList {
  readonly items: string[];
  readonly outputs: OutputColumn[];
  readonly assigns: string[];
}

/** What stands between SELECT, or OUTPUT, and what comes after. */
export function selectList(t: Translator): SelectList {
  const list: SelectList = { items: [], outputs: [], assigns: [] };
  do selectItem(t, list);
  while (t.tokens.acceptSymbol(','));
  if (list.assigns.length > 0 && list.assigns.length !== list.items.length) {
    throw new SqlError(
      141,
      'A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.',
      15,
    );
  }
  return list;
}

function selectItem(t: Translator, list: SelectList): void {
  const { tokens } = t;
  if (tokens.acceptSymbol('*')) {
    list.items.push('*');
    list.outputs.push({ name: '', type: undefined, star: true });
    return;
  }
  if (tokens.isName() && tokens.isSymbol('.', 1) && tokens.isSymbol('*', 2)) {
    list.items.push(`${quoteName(tokens.name())}.*`);
    tokens.position += 2;
    list.outputs.push({ name: '', type: undefined, star: true });
    return;
  }
  if (tokens.peek().kind === 'variable' && tokens.isSymbol('=', 1)) {
    list.assigns.push(tokens.next().lower);
    tokens.next();
    list.items.push(t.expression().sql);
    return;
  }
  let alias: string | undefined;
  if (tokens.isName() && tokens.isSymbol('=', 1)) {
    alias = tokens.name();
    tokens.next();
  }
  const value = t.expression();
  if (alias === undefined) {
    if (tokens.accept('as')) alias = tokens.peek().kind === 'string' ? tokens.next().text : tokens.name();
    else if (tokens.isName()) alias = tokens.name();
    else if (tokens.peek().kind === 'string') alias = tokens.next().text;
  }
  const name = alias ?? value.column;
  list.items.push(
    alias === undefined && value.column !== undefined
      ? value.sql
      : `${value.sql} AS ${name === undefined || name === '' ? `"${NO_NAME}"` : quoteName(name)}`,
  );
  list.outputs.push({ name: name ?? '', type: value.type, star: false });
}
