// Table types (CREATE TYPE ... AS TABLE) and the table-valued parameters of remote calls that are of them.
import { heldColumns } from './bulk-load.ts';
import type { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { notSupported, SqlError, syntaxError } from './errors.ts';
import type { PostgresConnection } from './postgres-wire.ts';
import { Oid } from './sql-types.ts';
import { type Script, tableDefinition } from './translate/ddl.ts';
import { heldName, quoteName, quoteText } from './translate/token-stream.ts';
import type { Translator } from './translate/translator.ts';
import { readTypeInfo, readValue, type TypeInfo } from './type-info.ts';
import { COPY_HEAD, writeCopyField } from './values-from-client.ts';

/** Each table type is a table of this schema, named "schema.type": its parameters are made like it. */
const TYPES_SCHEMA = 'tsql_types';

const typeTable = (schema: string, name: string): string =>
  `${quoteName(TYPES_SCHEMA)}.${quoteName(`${schema || 'dbo'}.${name}`)}`;

/** CREATE TYPE, after its first two words. */
export function createType(t: Translator): Script {
  const { tokens } = t;
  const parts = tokens.dottedName();
  const [name = '', schema = 'dbo'] = [parts.at(-1), parts.at(-2)];
  if (tokens.accept('from')) throw notSupported('CREATE TYPE ... FROM');
  tokens.expect('as', 'table');
  return tableDefinition(t, {
    schema: TYPES_SCHEMA,
    name: `${schema}.${name}`,
    sql: typeTable(schema, name),
  });
}

/** DROP TYPE, after its first two words. */
export function dropType(t: Translator): Script {
  const exists = t.tokens.accept('if', 'exists') ? 'IF EXISTS ' : '';
  const parts = t.tokens.dottedName();
  return [`DROP TABLE ${exists}${typeTable(parts.at(-2) ?? 'dbo', parts.at(-1) ?? '')}`];
}

/** A table-valued parameter as it came (MS-TDS 2.2.5.5.5.3). */
export interface TableValue {
  readonly schema: string;
  readonly name: string;
  readonly types: readonly TypeInfo[];
  readonly rows: readonly (readonly (Buffer | null)[])[];
}

const NO_COLUMNS = 0xffff;
const ROW = 0x01;
const END = 0x00;
const USES_DEFAULT = 0x0200;

/** Reads the value that follows a type byte of 0xF3. */
export function readTableValue(reader: ByteReader): TableValue {
  reader.shortString();
  const schema = reader.shortString();
  const name = reader.shortString();
  const types: TypeInfo[] = [];
  const count = reader.u16();
  for (let left = count === NO_COLUMNS ? 0 : count; left > 0; left--) {
    reader.u32();
    if (reader.u16() & USES_DEFAULT) throw notSupported('a default column of a table-valued parameter');
    types.push(readTypeInfo(reader));
    reader.shortString();
  }
  if (reader.u8() !== END) throw notSupported('an order or key of a table-valued parameter');
  const rows: (Buffer | null)[][] = [];
  for (let token = reader.u8(); token !== END; token = reader.u8()) {
    if (token !== ROW) throw syntaxError(`table value token 0x${token.toString(16)}`);
    rows.push(types.map((type) => readValue(reader, type)));
  }
  return { schema, name, types, rows };
}

let lastTable = 0;

/** Loads the value into a temporary table like its type, and returns the table's name. */
export async function loadTableValue(postgres: PostgresConnection, value: TableValue): Promise<string> {
  const { schema, name, types, rows } = value;
  const like = typeTable(schema, name);
  const named = await postgres.rows(
    `select coalesce(col_description(attrelid, attnum)::json ->> 'name', attname) from pg_attribute
     where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum`,
    [{ type: Oid.text, value: like }],
  );
  if (named.length === 0)
    throw new SqlError(
      2715,
      `Column, parameter, or variable #1: Cannot find data type ${schema || 'dbo'}.${name}.`,
    );
  if (types.length > 0 && types.length !== named.length) {
    throw new SqlError(
      500,
      `Trying to pass a table-valued parameter with ${types.length} column(s) where the corresponding user-defined table type requires ${named.length} column(s).`,
    );
  }
  const table = `pg_temp.${quoteName(`tsql_table_${++lastTable}`)}`;
  await postgres.simple(`CREATE TEMPORARY TABLE ${table} (LIKE ${like} INCLUDING ALL)`);
  if (rows.length === 0) return table;
  const columns = await heldColumns(
    postgres,
    like,
    named.map(([column]) => column ?? ''),
  );
  const writer = new ByteWriter(1 << 16);
  writer.bytes(COPY_HEAD);
  for (const row of rows) {
    writer.i16be(types.length);
    for (const [index, field] of row.entries())
      writeCopyField(writer, types[index] as TypeInfo, field, columns[index]?.oid ?? Oid.text);
  }
  writer.i16be(-1);
  await postgres.simple(`COPY ${table} FROM STDIN BINARY`, {
    onCopyIn: () => {
      postgres.copyData(writer.take());
      postgres.copyDone();
    },
  });
  return table;
}

/** The table of a parameter or a variable goes with its call or batch; in a transaction that failed it is gone already. */
export async function dropTableValue(postgres: PostgresConnection, table: string): Promise<void> {
  if (postgres.transactionStatus === 'E') return;
  await postgres.simple(`DROP TABLE IF EXISTS ${table}`);
}

/** Whether there is a table type of that name. */
export async function isTableType(
  postgres: PostgresConnection,
  schema: string,
  name: string,
): Promise<boolean> {
  const rows = await postgres.rows(
    `select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = ${quoteText(TYPES_SCHEMA)} and c.relname = ${quoteText(heldName(`${schema}.${name}`))}`,
  );
  return rows.length > 0;
}
