// INSERT, UPDATE, DELETE, MERGE, TRUNCATE.
import { notSupported, SqlError } from '../errors.ts';
import { assign } from './conversions.ts';
import { type Output, outputClause } from './output-clause.ts';
import { selectStatement, topClause } from './select.ts';
import { noLocking, tableHints, tableSources } from './table-source.ts';
import { quoteName } from './token-stream.ts';
import type { ColumnHint, Expression, Query, TableHint, TableName, Translator } from './translator.ts';

/** INSERT's text is split where OVERRIDING SYSTEM VALUE goes when IDENTITY_INSERT is on for the table. */
export interface InsertParts {
  readonly head: string;
  readonly tail: string;
  readonly table: TableName;
  readonly output: Output;
}

/** What changes rows: its text, with what it gives back of them. */
export interface Change {
  readonly sql: string;
  readonly output: Output;
}

/** MERGE's text, and that to use when IDENTITY_INSERT is on for the table. */
export interface MergeParts {
  readonly sql: string;
  readonly overriding: string;
  readonly table: TableName;
  readonly output: Output;
}

function columnList(t: Translator): string[] | undefined {
  const { tokens } = t;
  if (!tokens.isSymbol('(') || tokens.wordAt(1, 'select')) return undefined;
  tokens.next();
  const names: string[] = [];
  do names.push(tokens.dottedName().at(-1) as string);
  while (tokens.acceptSymbol(','));
  tokens.expectSymbol(')');
  return names;
}

/** The columns that values go into, in order: those named, or all but the identity column. */
function targets(
  hint: TableHint | undefined,
  names: readonly string[] | undefined,
): (ColumnHint | undefined)[] {
  if (names !== undefined) return names.map((name) => hint?.columns.get(name.toLowerCase()));
  return [...(hint?.columns.values() ?? [])].filter((column) => !column.identity);
}

export function insert(t: Translator): InsertParts {
  const { tokens } = t;
  tokens.expect('insert');
  if (tokens.isWord('top')) throw notSupported('INSERT TOP');
  tokens.accept('into');
  const table = t.tableName(tokens.dottedName());
  tableHints(t, noLocking(), table.sql);
  const hint = t.table(table);
  const names = columnList(t);
  const columns = targets(hint, names);
  const listed =
    names ??
    (hint && [...hint.columns.values()].some((c) => c.identity)
      ? columns.map((c) => c?.name ?? '')
      : undefined);
  const output = outputClause(t, table.name);
  const head = `INSERT INTO ${table.sql}${listed ? ` (${listed.map(quoteName).join(', ')})` : ''}`;
  if (tokens.accept('default', 'values')) return { head, tail: ' DEFAULT VALUES', table, output };
  if (tokens.accept('values')) return { head, tail: ` VALUES ${insertRows(t, columns)}`, table, output };
  if (tokens.isWord('exec', 'execute')) throw notSupported('INSERT ... EXEC');
  const start = tokens.position;
  if (!tokens.isWord('select', 'with') && !tokens.isSymbol('(')) throw tokens.unexpected();
  tokens.position = start;
  return { head, tail: ` ${storedSelect(selectStatement(t), columns)}`, table, output };
}

/** The rows of a query as they are stored: wrapped in conversions where a column's kind differs from its target's. */
function storedSelect(select: Query, columns: readonly (ColumnHint | undefined)[]): string {
  if (select.outputs.length !== columns.length || select.outputs.some((output) => output.star))
    return select.sql;
  const names = select.outputs.map((_, index) => `c${index}`);
  const stored = select.outputs.map((output, index) => {
    const sql = `c${index}`;
    return assign(output.type ? { sql, type: output.type } : { sql }, columns[index]?.type);
  });
  if (stored.every((sql, index) => sql === names[index])) return select.sql;
  return `SELECT ${stored.join(', ')} FROM (${select.sql}) AS rows (${names.join(', ')})`;
}

function insertRows(t: Translator, columns: readonly (ColumnHint | undefined)[]): string {
  const { tokens } = t;
  const rows: string[] = [];
  do {
    tokens.expectSymbol('(');
    const values: string[] = [];
    do values.push(storedValue(t, columns[values.length]));
    while (tokens.acceptSymbol(','));
    tokens.expectSymbol(')');
    if (columns.length > 0 && values.length !== columns.length) {
      const number = values.length < columns.length ? 109 : 110;
      throw new SqlError(
        number,
        'The number of columns in the INSERT statement differs from the number of values specified in the VALUES clause.',
        15,
      );
    }
    rows.push(`(${values.join(', ')})`);
  } while (tokens.acceptSymbol(','));
  return rows.join(', ');
}

function storedValue(t: Translator, column: ColumnHint | undefined): string {
  if (t.tokens.accept('default')) return 'DEFAULT';
  return assign(t.expression(), column?.type);
}

/** One column's new value. */
interface Assignment {
  readonly column: string;
  readonly value: string;
}

const setList = (assignments: readonly Assignment[]): string =>
  assignments.map(({ column, value }) => `${column} = ${value}`).join(', ');

/** SET a = 1, b += 2: assignments for PostgreSQL, whose left sides take no alias. */
function assignments(t: Translator): Assignment[] {
  const { tokens } = t;
  const items: Assignment[] = [];
  do {
    if (tokens.peek().kind === 'variable') throw notSupported('SET @variable in UPDATE');
    const parts = tokens.dottedName();
    const name = parts.at(-1) as string;
    const hint = t.column(parts);
    const operator = tokens.next().text;
    const column = quoteName(name);
    if (operator === '=') items.push({ column, value: storedValue(t, hint) });
    else if (/^[-+*/%]=$/.test(operator)) {
      const value: Expression = t.expression();
      const plus = operator === '+=' && value.type && /char/.test(value.type.name) ? '||' : operator[0];
      items.push({ column, value: `${parts.map(quoteName).join('.')} ${plus} ${value.sql}` });
    } else {
      tokens.position--;
      throw tokens.unexpected();
    }
  } while (tokens.acceptSymbol(','));
  return items;
}

/** A target named by an alias of FROM: PostgreSQL wants the table itself, joined to itself by row address. */
export function update(t: Translator, ctes: string): Change {
  const { tokens } = t;
  tokens.expect('update');
  const limit = topClause(t);
  const target = tokens.dottedName();
  tableHints(t, noLocking(), '');
  tokens.expect('set');
  const set = assignments(t);
  const output = outputClause(t, target.at(-1) ?? '');
  const from = tokens.accept('from') ? tableSources(t, noLocking()) : undefined;
  const where = tokens.accept('where') ? t.condition() : undefined;
  skipOption(t);
  const table =
    target.length === 1
      ? (aliasedTable(t, target[0] as string, from) ?? t.tableName(target))
      : t.tableName(target);
  if (from === undefined && limit === '') {
    return { sql: `${ctes}UPDATE ${table.sql} SET ${setList(set)}${where ? ` WHERE ${where}` : ''}`, output };
  }
  if (from === undefined) {
    const inner = `SELECT ctid FROM ${table.sql}${where ? ` WHERE ${where}` : ''}${limit}`;
    return { sql: `${ctes}UPDATE ${table.sql} SET ${setList(set)} WHERE ctid IN (${inner})`, output };
  }
  if (limit) throw notSupported('UPDATE TOP ... FROM');
  const alias = quoteName(target.at(-1) as string);
  return { sql: updateFrom({ ctes, table, alias, set, from, where }), output };
}

/** The parts of an UPDATE with FROM, as PostgreSQL is to see them. */
interface UpdateFrom {
  readonly ctes: string;
  readonly table: TableName;
  /** What FROM calls the table. */
  readonly alias: string;
  readonly set: readonly Assignment[];
  readonly from: string;
  readonly where: string | undefined;
}

/**
 * UPDATE a SET ... FROM t AS a JOIN b ...: PostgreSQL's FROM holds the others only, and its UPDATE carries the
 * alias. When the target comes first in FROM with an inner join, the join condition moves into WHERE.
 */
function updateFrom(parts: UpdateFrom): string {
  const { ctes, table, alias, set, from, where } = parts;
  const first = new RegExp(
    `^${escapePattern(table.sql)}(?: AS ${escapePattern(alias)})?(?: JOIN (.+?) ON (.+))?$`,
    's',
  ).exec(from);
  if (first === null) {
    if (!from.includes(table.sql))
      return `${ctes}UPDATE ${table.sql} SET ${setList(set)} FROM ${from}${where ? ` WHERE ${where}` : ''}`;
    return updateJoined(parts);
  }
  const [, other, on] = first;
  if (on && / (?:LEFT|RIGHT|FULL|CROSS|JOIN) /.test(on)) return updateJoined(parts);
  const conditions = [on, where]
    .filter((part): part is string => part !== undefined)
    .map((part) => `(${part})`);
  const named = from.startsWith(`${table.sql} AS ${alias}`) ? ` AS ${alias}` : '';
  return `${ctes}UPDATE ${table.sql}${named} SET ${setList(set)}${other ? ` FROM ${other}` : ''}${conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : ''}`;
}

/** Any other form: the new values are asked for first, by the row's address. */
function updateJoined({ ctes, table, alias, set, from, where }: UpdateFrom): string {
  const isAsked = ({ value }: Assignment): boolean => value !== 'DEFAULT';
  const asked = set.map((each, at) => (isAsked(each) ? `, ${each.value} AS v${at}` : '')).join('');
  const given = set.map((each, at) => (isAsked(each) ? { ...each, value: `tsql_new.v${at}` } : each));
  const rows = `SELECT ${alias}.ctid AS place${asked} FROM ${from}${where ? ` WHERE ${where}` : ''}`;
  return `${ctes}UPDATE ${table.sql} AS tsql_target SET ${setList(given)} FROM (${rows}) AS tsql_new WHERE tsql_target.ctid = tsql_new.place`;
}

const escapePattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The table that `alias` stands for in an emitted FROM clause. */
function aliasedTable(t: Translator, alias: string, from: string | undefined): TableName | undefined {
  if (from === undefined) return undefined;
  const match = new RegExp(
    `("(?:[^"]|"")+"(?:\\."(?:[^"]|"")+")?) AS ${escapePattern(quoteName(alias))}(?:\\s|$)`,
  ).exec(from);
  if (match === null) return undefined;
  return { ...t.tableName([alias]), sql: match[1] as string };
}

function skipOption(t: Translator): void {
  if (t.tokens.isWord('option') && t.tokens.isSymbol('(', 1)) {
    t.tokens.next();
    t.tokens.skipGroup();
  }
}

export function remove(t: Translator, ctes: string): Change {
  const { tokens } = t;
  tokens.expect('delete');
  const limit = topClause(t);
  tokens.accept('from');
  const target = tokens.dottedName();
  tableHints(t, noLocking(), '');
  const output = outputClause(t, target.at(-1) ?? '');
  const from = tokens.accept('from') ? tableSources(t, noLocking()) : undefined;
  const where = tokens.accept('where') ? t.condition() : undefined;
  skipOption(t);
  if (from !== undefined) {
    const table = aliasedTable(t, target.at(-1) as string, from);
    if (table === undefined || limit) throw notSupported('this form of DELETE ... FROM');
    const alias = quoteName(target.at(-1) as string);
    const sql = `${ctes}DELETE FROM ${table.sql} WHERE ctid IN (SELECT ${alias}.ctid FROM ${from}${where ? ` WHERE ${where}` : ''})`;
    return { sql, output };
  }
  const table = t.tableName(target);
  if (limit) {
    const sql = `${ctes}DELETE FROM ${table.sql} WHERE ctid IN (SELECT ctid FROM ${table.sql}${where ? ` WHERE ${where}` : ''}${limit})`;
    return { sql, output };
  }
  return { sql: `${ctes}DELETE FROM ${table.sql}${where ? ` WHERE ${where}` : ''}`, output };
}

export function truncate(t: Translator): string {
  const { tokens } = t;
  tokens.expect('truncate', 'table');
  return `TRUNCATE TABLE ${t.tableName(tokens.dottedName()).sql} RESTART IDENTITY`;
}

/** Where a MERGE says that it gives identities, when it may. */
const OVERRIDING = '/*overriding*/';

export function merge(t: Translator, ctes: string): MergeParts {
  const { tokens } = t;
  tokens.expect('merge');
  if (tokens.isWord('top')) throw notSupported('MERGE TOP');
  tokens.accept('into');
  const table = t.tableName(tokens.dottedName());
  tableHints(t, noLocking(), '');
  let alias = '';
  let called = table.name;
  if (tokens.accept('as') || (tokens.isName() && !tokens.isWord('using'))) {
    called = tokens.name();
    alias = ` AS ${quoteName(called)}`;
  }
  tableHints(t, noLocking(), '');
  tokens.expect('using');
  const source = tableSources(t, noLocking());
  tokens.expect('on');
  let sql = `${ctes}MERGE INTO ${table.sql}${alias} USING ${source} ON ${t.condition()}`;
  while (tokens.isWord('when')) sql += mergeClause(t, t.table(table));
  const output = outputClause(t, called);
  skipOption(t);
  if (!tokens.isSymbol(';'))
    throw new SqlError(10713, 'A MERGE statement must be terminated by a semi-colon (;).', 15);
  const [plain, overriding] = ['', ' OVERRIDING SYSTEM VALUE'].map((text) =>
    sql.replaceAll(OVERRIDING, text),
  );
  return { sql: plain ?? sql, overriding: overriding ?? sql, table, output };
}

function mergeClause(t: Translator, hint: TableHint | undefined): string {
  const { tokens } = t;
  tokens.expect('when');
  let sql = ' WHEN';
  if (tokens.accept('not')) {
    tokens.expect('matched');
    sql += ' NOT MATCHED';
    if (tokens.accept('by', 'source')) sql += ' BY SOURCE';
    else tokens.accept('by', 'target');
  } else {
    tokens.expect('matched');
    sql += ' MATCHED';
  }
  if (tokens.accept('and')) sql += ` AND (${t.condition()})`;
  tokens.expect('then');
  if (tokens.accept('delete')) return `${sql} THEN DELETE`;
  if (tokens.accept('update', 'set')) return `${sql} THEN UPDATE SET ${setList(assignments(t))}`;
  tokens.expect('insert');
  const names = columnList(t);
  const columns = targets(hint, names);
  const listed = names ? ` (${names.map(quoteName).join(', ')})` : '';
  if (tokens.accept('default', 'values')) return `${sql} THEN INSERT${listed} DEFAULT VALUES`;
  tokens.expect('values');
  return `${sql} THEN INSERT${listed}${OVERRIDING} VALUES ${insertRows(t, columns)}`;
}
