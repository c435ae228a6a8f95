// FROM: tables with hints, derived tables, joins, APPLY, CHANGETABLE.
import { notSupported, SqlError } from '../errors.ts';
import { capturedChanges } from './change-data-capture.ts';
import { quoteName } from './token-stream.ts';
import type { TableName, Translator } from './translator.ts';

const PLAIN_HINTS = new Set(
  `nolock readuncommitted readcommitted readcommittedlock rowlock paglock tablock holdlock serializable
  repeatableread snapshot forceseek forcescan noexpand keepidentity keepdefaults`.split(/\s+/),
);

/** Row locks that a select takes by its table hints. */
export interface Locking {
  update: boolean;
  readonly aliases: string[];
  skipLocked: boolean;
  noWait: boolean;
}

export const noLocking = (): Locking => ({ update: false, aliases: [], skipLocked: false, noWait: false });

export function lockClause(locking: Locking): string {
  if (!locking.update) return '';
  const wait = locking.skipLocked ? ' SKIP LOCKED' : locking.noWait ? ' NOWAIT' : '';
  return ` FOR UPDATE OF ${locking.aliases.join(', ')}${wait}`;
}

/** WITH (hint, ...): locks are taken, hints about speed are read and dropped, others refused. */
export function tableHints(t: Translator, locking: Locking, alias: string): void {
  const { tokens } = t;
  if (!(tokens.isWord('with') && tokens.isSymbol('(', 1))) return;
  tokens.next();
  tokens.expectSymbol('(');
  do {
    const hint = tokens.next();
    if (hint.lower === 'updlock' || hint.lower === 'xlock') {
      locking.update = true;
      locking.aliases.push(alias);
    } else if (hint.lower === 'readpast') locking.skipLocked = true;
    else if (hint.lower === 'nowait') locking.noWait = true;
    else if (hint.lower === 'index') {
      if (tokens.acceptSymbol('=')) tokens.next();
      else tokens.skipGroup();
    } else if (!PLAIN_HINTS.has(hint.lower)) {
      throw new SqlError(321, `"${hint.text}" is not a recognized table hints option here.`, 15);
    }
    tokens.acceptSymbol(',');
  } while (!tokens.isSymbol(')'));
  tokens.expectSymbol(')');
}

/** Everything after FROM. */
export function tableSources(t: Translator, locking: Locking): string {
  let sql = joined(t, locking);
  while (t.tokens.acceptSymbol(',')) sql += `, ${joined(t, locking)}`;
  return sql;
}

function joined(t: Translator, locking: Locking): string {
  const { tokens } = t;
  let sql = single(t, locking);
  for (;;) {
    if (tokens.accept('cross', 'join')) sql += ` CROSS JOIN ${single(t, locking)}`;
    else if (tokens.accept('cross', 'apply')) sql += ` CROSS JOIN LATERAL ${single(t, locking)}`;
    else if (tokens.accept('outer', 'apply')) sql += ` LEFT JOIN LATERAL ${single(t, locking)} ON true`;
    else {
      const kind = joinKind(t);
      if (kind === undefined) return sql;
      const right = single(t, locking);
      tokens.expect('on');
      sql += ` ${kind} ${right} ON ${t.condition()}`;
    }
  }
}

function joinKind(t: Translator): string | undefined {
  const { tokens } = t;
  if (tokens.accept('join')) return 'JOIN';
  for (const side of ['inner', 'left', 'right', 'full']) {
    if (!tokens.isWord(side)) continue;
    tokens.next();
    if (side !== 'inner') tokens.accept('outer');
    for (const hint of ['hash', 'merge', 'loop']) tokens.accept(hint);
    tokens.expect('join');
    return `${side.toUpperCase()} JOIN`;
  }
  return undefined;
}

/** AS alias (columns); the alias of what comes before. */
function aliasOf(t: Translator): { alias: string; sql: string } | undefined {
  const { tokens } = t;
  const explicit = tokens.accept('as');
  if (!explicit && !tokens.isName()) return undefined;
  const alias = quoteName(tokens.name());
  if (!tokens.isSymbol('(')) return { alias, sql: ` AS ${alias}` };
  tokens.expectSymbol('(');
  const columns = [quoteName(tokens.name())];
  while (tokens.acceptSymbol(',')) columns.push(quoteName(tokens.name()));
  tokens.expectSymbol(')');
  return { alias, sql: ` AS ${alias} (${columns.join(', ')})` };
}

function single(t: Translator, locking: Locking): string {
  const { tokens } = t;
  if (tokens.isSymbol('(')) return derived(t, locking);
  if (tokens.isWord('changetable')) return changeTable(t);
  if (tokens.peek().kind === 'variable') return tableVariable(t);
  const parts = tokens.dottedName();
  if (tokens.isSymbol('(') && !tokens.wordAt(1, 'nolock')) return tableFunction(t, parts);
  const table = t.tableName(parts);
  const alias = aliasOf(t);
  tableHints(t, locking, alias?.alias ?? quoteName(table.name));
  return `${table.sql}${alias?.sql ?? ''}`;
}

/** A READONLY parameter of a procedure. */
function tableVariable(t: Translator): string {
  const name = t.tokens.next();
  const table = t.context.tableVariable?.(name.lower);
  if (table === undefined) throw new SqlError(1087, `Must declare the table variable "${name.text}".`, 15);
  return `${table}${aliasOf(t)?.sql ?? ''}`;
}

function derived(t: Translator, locking: Locking): string {
  const { tokens } = t;
  const start = tokens.position;
  tokens.expectSymbol('(');
  if (tokens.isWord('select', 'with')) {
    const inner = t.query();
    tokens.expectSymbol(')');
    const alias = aliasOf(t);
    if (alias === undefined) throw tokens.unexpected();
    t.derived = { start, end: tokens.position, outputs: alias.sql.endsWith(')') ? [] : inner.outputs };
    return `(${computedOnce(inner.sql)})${alias.sql}`;
  }
  if (tokens.accept('values')) {
    const rows = valueRows(t);
    tokens.expectSymbol(')');
    const alias = aliasOf(t);
    if (alias === undefined) throw tokens.unexpected();
    return `(VALUES ${rows})${alias.sql}`;
  }
  const inner = joined(t, locking);
  tokens.expectSymbol(')');
  return `(${inner})`;
}

/**
 * PostgreSQL puts a derived column's expression wherever the column is mentioned, and then computes it each time: for a
 * hash over whole rows that is most of the query's work. OFFSET 0 keeps the derived table as it is.
 */
const computedOnce = (sql: string): string =>
  /\bmd5\(/.test(sql) && !/\b(OFFSET|LIMIT|FETCH|FOR)\b/.test(sql) ? `${sql} OFFSET 0` : sql;

function valueRows(t: Translator): string {
  const { tokens } = t;
  const rows: string[] = [];
  do {
    tokens.expectSymbol('(');
    const items = [t.expression().sql];
    while (tokens.acceptSymbol(',')) items.push(t.expression().sql);
    tokens.expectSymbol(')');
    rows.push(`(${items.join(', ')})`);
  } while (tokens.acceptSymbol(','));
  return rows.join(', ');
}

function tableFunction(t: Translator, parts: readonly string[]): string {
  const { tokens } = t;
  const name = parts.join('.').toLowerCase();
  const changes = capturedChanges(t, parts);
  if (changes !== undefined) return `${changes}${aliasOf(t)?.sql ?? ` AS ${quoteName(parts.at(-1) ?? '')}`}`;
  if (name !== 'generate_series' && name !== 'string_split') throw notSupported(`${parts.join('.')}()`);
  tokens.expectSymbol('(');
  const args = [t.expression().sql];
  while (tokens.acceptSymbol(',')) args.push(t.expression().sql);
  tokens.expectSymbol(')');
  const alias = aliasOf(t)?.alias ?? quoteName(name);
  const call =
    name === 'string_split' ? `string_to_table(${args.join(', ')})` : `generate_series(${args.join(', ')})`;
  return `${call} AS ${alias} ("value")`;
}

/** CHANGETABLE(CHANGES table, version) AS alias. */
function changeTable(t: Translator): string {
  const { tokens } = t;
  tokens.expect('changetable');
  tokens.expectSymbol('(');
  if (!tokens.accept('changes')) throw notSupported('CHANGETABLE(VERSION ...)');
  const table: TableName = t.tableName(tokens.dottedName());
  tokens.expectSymbol(',');
  const version = t.expression().sql;
  tokens.expectSymbol(')');
  const alias = aliasOf(t);
  if (alias === undefined) throw tokens.unexpected();
  const held = quoteName(`${table.schema}.${table.name}.changes`);
  return `tsql_tracking.${held}(CAST(${version} AS bigint))${alias.sql}`;
}
