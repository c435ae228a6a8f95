// SELECT INTO: the new table's columns are declared as their sources were.
import type { Catalog } from './catalog.ts';
import type { PostgresConnection } from './postgres-wire.ts';
import { Oid } from './sql-types.ts';
import { columnComment, tableComment } from './translate/ddl.ts';
import { heldName } from './translate/token-stream.ts';
import type { OutputColumn, TableName } from './translate/translator.ts';

export async function declareInto(
  postgres: PostgresConnection,
  catalog: Catalog,
  into: TableName,
  outputs: readonly OutputColumn[],
): Promise<void> {
  const described = new Map<string, string>();
  if (outputs.some((output) => output.star)) {
    for (const table of catalog.tables.values()) {
      for (const { name, type } of table.columns.values())
        described.set(heldName(name), columnComment(into.sql, name, type));
    }
  }
  for (const { star, name, type } of outputs) {
    if (!star && type) described.set(heldName(name), columnComment(into.sql, name, type));
  }
  const held = await postgres.rows(
    'select attname::text from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped',
    [{ type: Oid.text, value: into.sql }],
  );
  const comments = held.map(([name]) => described.get(name ?? '')).filter((comment) => comment !== undefined);
  await postgres.simple([tableComment(into.sql, into.name), ...comments].join('; '));
}
