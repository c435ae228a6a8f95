// Looks up what was declared: tables a batch may name, and the columns of a result.
import type { PostgresConnection, PostgresField } from './postgres-wire.ts';
import { Oid, type SqlType } from './sql-types.ts';
import type { Token } from './translate/lexer.ts';
import { heldName, isReserved } from './translate/token-stream.ts';
import { type ColumnHint, type TableHint, type Tables, tableKey } from './translate/translator.ts';

const COLUMNS = `select relation::int8::text, attnum::text, schema_name, held_table, held_name, table_name, column_name, type_name, length::text, precision::text, scale::text,
  nullable::text, is_identity::text from tsql.declared_columns
  where held_table = any ($1::text[]) and (schema_name !~ '^pg_' or schema_name = (select nspname::text from pg_namespace where oid = pg_my_temp_schema()))
  order by declared_columns.relation, declared_columns.attnum`;

interface DeclaredColumn extends ColumnHint {
  readonly relation: number;
  readonly attribute: number;
  readonly schema: string;
  readonly heldTable: string;
  readonly heldName: string;
  readonly tableName: string;
}

type Row = readonly (string | null)[];

function declaredColumn(row: Row): DeclaredColumn {
  const [
    relation,
    attribute,
    schema,
    heldTable,
    heldName,
    tableName,
    name,
    typeName,
    length,
    precision,
    scale,
    nullable,
    identity,
  ] = row;
  const type: SqlType = {
    name: typeName ?? 'nvarchar',
    ...(length == null ? {} : { length: Number(length) }),
    ...(precision == null ? {} : { precision: Number(precision) }),
    ...(scale == null ? {} : { scale: Number(scale) }),
  };
  return {
    relation: Number(relation),
    attribute: Number(attribute),
    schema: schema ?? '',
    heldTable: heldTable ?? '',
    heldName: heldName ?? '',
    tableName: tableName ?? '',
    name: name ?? '',
    type,
    nullable: nullable === 'true',
    identity: identity === 'true',
  };
}

const textArray = (values: Iterable<string>): string =>
  `{${[...values].map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`;

/** What a batch may refer to, as it was declared when the batch (or its last definition) ran. */
export class Catalog {
  readonly tables: Tables;
  readonly #columns: ReadonlyMap<string, ColumnHint>;

  constructor(tables: Tables, columns: ReadonlyMap<string, ColumnHint>) {
    this.tables = tables;
    this.#columns = columns;
  }

  /** The declared column that a result field comes straight from. */
  source(field: PostgresField): ColumnHint | undefined {
    return field.table > 0 ? this.#columns.get(columnKey(field.table, field.attribute)) : undefined;
  }
}

const columnKey = (relation: number, attribute: number): string => `${relation}.${attribute}`;

/** Every table whose name occurs in the batch as an identifier, with its columns in their order. */
export async function catalogFor(postgres: PostgresConnection, tokens: readonly Token[]): Promise<Catalog> {
  const names = new Set<string>();
  for (const token of tokens) {
    if (token.kind === 'quoted' || (token.kind === 'word' && !isReserved(token.lower)))
      names.add(heldName(token.text.slice(0, 128)));
  }
  const tables = new Map<string, TableHint & { columns: Map<string, ColumnHint> }>();
  const columns = new Map<string, ColumnHint>();
  if (names.size === 0) return new Catalog(tables, columns);
  const rows = await postgres.rows(COLUMNS, [{ type: Oid.text, value: textArray(names) }]);
  for (const column of rows.map(declaredColumn)) {
    const shown = column.schema === 'tsql_information_schema' ? 'information_schema' : column.schema;
    const key = tableKey(shown, column.tableName);
    let table = tables.get(key);
    if (table === undefined) {
      table = { schema: shown, name: column.tableName, columns: new Map() };
      tables.set(key, table);
    }
    table.columns.set(column.name.toLowerCase(), column);
    columns.set(columnKey(column.relation, column.attribute), column);
  }
  return new Catalog(tables, columns);
}
