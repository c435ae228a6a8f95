// OUTPUT: the rows that INSERT, UPDATE, DELETE and MERGE touched, as PostgreSQL's RETURNING gives them since version 18.
import { notSupported } from '../errors.ts';
import { selectList } from './select.ts';
import { quoteName } from './token-stream.ts';
import type { OutputColumn, TableName, Translator } from './translator.ts';

/** A clause that was read. */
export interface Output {
  /** Of the client's result; none when the rows go into a table. */
  readonly outputs: readonly OutputColumn[];
  /** The statement with it. */
  apply(sql: string): string;
}

export const NO_OUTPUT: Output = { outputs: [], apply: (sql) => sql };

/** Reads OUTPUT ... [INTO ...] if it comes next. `target` is what the statement calls its table. */
export function outputClause(t: Translator, target: string): Output {
  const { tokens } = t;
  if (!tokens.accept('output')) return NO_OUTPUT;
  t.outputOf = target.toLowerCase();
  const { items, outputs, assigns } = selectList(t);
  t.outputOf = undefined;
  if (assigns.length > 0) throw tokens.unexpected();
  const returning = ` RETURNING WITH (OLD AS "deleted", NEW AS "inserted") ${items.join(', ')}`;
  if (!tokens.accept('into')) return { outputs, apply: (sql) => `${sql}${returning}` };
  const into = t.tableName(tokens.dottedName());
  const columns = intoColumns(t, into);
  if (tokens.isWord('output')) throw notSupported('OUTPUT INTO together with OUTPUT');
  return {
    outputs: [],
    apply: (sql) =>
      `WITH tsql_output AS (${sql}${returning}) INSERT INTO ${into.sql}${columns} SELECT * FROM tsql_output`,
  };
}

/** The columns named, or, as for INSERT, all but the identity column. */
function intoColumns(t: Translator, table: TableName): string {
  const { tokens } = t;
  let names: string[] = [];
  if (tokens.acceptSymbol('(')) {
    do names.push(tokens.name());
    while (tokens.acceptSymbol(','));
    tokens.expectSymbol(')');
  } else {
    const known = [...(t.table(table)?.columns.values() ?? [])];
    if (known.some(({ identity }) => identity))
      names = known.filter(({ identity }) => !identity).map(({ name }) => name);
  }
  return names.length === 0 ? '' : ` (${names.map(quoteName).join(', ')})`;
}
