// Partition functions and schemes, and the tables that lie on them. PostgreSQL keeps such a table in one piece.
import { postgresType } from '../sql-types.ts';
import type { Script } from './ddl.ts';
import { heldName, quoteText } from './token-stream.ts';
import type { TableName, Translator } from './translator.ts';
import { dataType } from './types.ts';

/** CREATE PARTITION FUNCTION name (type) AS RANGE LEFT | RIGHT FOR VALUES (...), after its first two words. */
function createFunction(t: Translator): Script {
  const { tokens } = t;
  const name = tokens.name();
  tokens.expectSymbol('(');
  const type = postgresType(dataType(t));
  tokens.expectSymbol(')');
  tokens.expect('as', 'range');
  const right = tokens.accept('right');
  if (!right) tokens.accept('left');
  tokens.expect('for', 'values');
  tokens.expectSymbol('(');
  const values: string[] = [];
  while (!tokens.isSymbol(')')) {
    values.push(`(CAST(${t.expression().sql} AS ${type}))::text`);
    if (!tokens.acceptSymbol(',')) break;
  }
  tokens.expectSymbol(')');
  const held = [heldName(name), name, type].map(quoteText).join(', ');
  return [
    `INSERT INTO tsql.partition_functions (name, shown, type, boundary_right, boundaries) VALUES (${held}, ${right}, ARRAY[${values.join(', ')}]::text[])`,
  ];
}

/** CREATE PARTITION SCHEME name AS PARTITION function [ALL] TO (...), after its first two words. */
function createScheme(t: Translator): Script {
  const { tokens } = t;
  const name = tokens.name();
  tokens.expect('as', 'partition');
  const partitioning = tokens.name();
  tokens.accept('all');
  tokens.expect('to');
  tokens.skipGroup();
  const held = [heldName(name), name, heldName(partitioning)].map(quoteText).join(', ');
  return [`SELECT tsql.create_partition_scheme(${held})`];
}

/** CREATE PARTITION, after its first two words. */
export function createPartition(t: Translator): Script {
  if (t.tokens.accept('function')) return createFunction(t);
  t.tokens.expect('scheme');
  return createScheme(t);
}

/** ON scheme (column) of CREATE TABLE; nothing where it is not there. */
export function onScheme(t: Translator, table: TableName): Script {
  const { tokens } = t;
  if (!tokens.isWord('on') || !tokens.isSymbol('(', 2)) return [];
  tokens.next();
  const scheme = heldName(tokens.name());
  tokens.expectSymbol('(');
  const column = heldName(tokens.name());
  tokens.expectSymbol(')');
  const held = [table.sql, scheme, column].map(quoteText).join(', ');
  return [`SELECT tsql.partition_table(${held})`];
}
