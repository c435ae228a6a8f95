// ORDER BY with SQL Server's place for NULLs: lowest, so first ascending and last descending.
import type { Translator } from './translator.ts';

/** ORDER BY ..., whose first word is the next token. */
export function orderBy(t: Translator): string {
  const { tokens } = t;
  tokens.expect('order', 'by');
  const items: string[] = [];
  do {
    const value = t.expression();
    const descending = tokens.accept('desc');
    if (!descending) tokens.accept('asc');
    // Where no NULL can be, the plain order lets PostgreSQL use an index.
    const nulls = value.nullable === false ? '' : descending ? ' NULLS LAST' : ' NULLS FIRST';
    items.push(`${value.sql}${descending ? ' DESC' : ''}${nulls}`);
  } while (tokens.acceptSymbol(','));
  return `ORDER BY ${items.join(', ')}`;
}
