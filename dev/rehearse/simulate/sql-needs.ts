// What a statement needs of the database it is sent to.
import type { JsonValue } from '../../../src/core/json.ts';
import { guessKind, type NamedColumn } from '../columns.ts';
import {
  type ColumnKind,
  type ColumnNeed,
  needColumn,
  needTable,
  type ProcedureNeed,
  type StoreRef,
  storeKey,
  type TableNeed,
} from '../needs.ts';
import { type SqlUse, scanSql } from '../sql/scan-sql.ts';
import type { Frame } from './frame.ts';

/** A scanned statement with the tables it needs, in the order in which it names them. */
export interface StatementNeeds {
  readonly use: SqlUse;
  readonly tables: readonly TableNeed[];
}

const FOLDING: Readonly<Record<string, 'lower' | 'upper'>> = { postgres: 'lower', snowflake: 'upper' };

/** Notes the tables, columns and procedures of a statement. */
export function needStatement(frame: Frame, store: StoreRef, sql: string): StatementNeeds {
  const use = scanSql(sql, FOLDING[store.kind] ?? 'none');
  const tables: TableNeed[] = [];
  for (const { path, columns, written, created, values, tracked, captured } of use.tables) {
    const table = needTable(frame.needs, store, path);
    if (table === undefined) continue;
    tables.push(table);
    if (created && table.columns.size === 0) table.isMade = true;
    if (!written) table.isRead = true;
    if (
      written &&
      store.kind === 'sql-server' &&
      /@@identity|\b(scope_identity|ident_current)\s*\(/i.test(sql)
    )
      table.isNumbered = true;
    if (captured !== undefined) table.captured ??= captured;
    if (tracked !== undefined) table.tracked = [...new Set([...(table.tracked ?? []), ...tracked])];
    for (const column of columns.values()) {
      const known = column.kind !== undefined;
      const need = needColumn(table.columns, column.name, column.kind ?? guessKind(column.name), known);
      for (const value of column.equals) if (!need.equals.includes(value)) need.equals.push(value);
    }
    // Those with a name first: an INSERT without a list of columns goes into them.
    for (let at = table.columns.size; at < values.length; at++)
      needColumn(table.columns, `column_${at + 1}`, values[at] ?? 'text', values[at] !== undefined);
  }
  for (const { path, parameters } of use.procedures)
    needProcedure(
      frame,
      store,
      path,
      parameters.map(({ name, isOutput }) => ({ name, kind: 'text', isOutput })),
    );
  return { use, tables };
}

/** Notes a procedure with its parameters. */
export function needProcedure(
  frame: Frame,
  store: StoreRef,
  path: readonly string[],
  parameters: readonly { name: string; kind: ColumnKind; tableType?: string; isOutput?: boolean }[],
): ProcedureNeed {
  const name = path.at(-1) ?? '';
  const schema = path.at(-2) || store.schema;
  const key = `${storeKey(store)}|${schema}|${name}`.toLowerCase();
  let procedure = frame.needs.procedures.get(key);
  if (procedure === undefined) {
    procedure = { store, schema, name, parameters: new Map(), rows: [] };
    frame.needs.procedures.set(key, procedure);
  }
  for (const parameter of parameters) {
    const plain = { ...parameter, name: parameter.name.replace(/^@/, '') };
    if (!procedure.parameters.has(plain.name.toLowerCase()))
      procedure.parameters.set(plain.name.toLowerCase(), plain);
  }
  return procedure;
}

/** A column of a statement's result: undefined where it has none of that name, else the tables' columns it may be. */
export function outputColumns({ use, tables }: StatementNeeds, name: string): ColumnNeed[] | undefined {
  const found = use.output?.find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (found === undefined) return undefined;
  const { column } = found;
  return column === undefined ? [] : tables.flatMap(({ columns }) => columns.get(column.toLowerCase()) ?? []);
}

/** Three rows for a procedure whose result is copied: of these columns, or of one that nobody named. */
export function needProcedureRows(procedure: ProcedureNeed, columns: readonly NamedColumn[]): void {
  if (procedure.rows.length > 0) return;
  for (const n of [1, 2, 3]) {
    const row = Object.fromEntries(columns.map(({ name, kind }) => [name, valueOfKind(kind, name, n)]));
    procedure.rows.push(columns.length === 0 ? { result: n } : row);
  }
}

function valueOfKind(kind: ColumnKind, name: string, n: number): JsonValue {
  if (kind === 'integer' || kind === 'number') return n;
  if (kind === 'boolean') return true;
  if (kind === 'date') return `2024-01-0${n}T00:00:00Z`;
  return `${name}_${n}`;
}

/** "[schema].[name]" in parts. */
export const dottedParts = (text: string): string[] =>
  [...text.matchAll(/\[([^\]]+)\]|"([^"]+)"|`([^`]+)`|([^.[\]"`\s]+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? match[4] ?? '',
  );

/** The name of a dataset's table, in parts. */
export function tableOfDataset(properties: Readonly<Record<string, JsonValue>>): string[] | undefined {
  const { table, schema, tableName } = properties;
  if (typeof table === 'string' && table !== '')
    return [...(typeof schema === 'string' && schema !== '' ? [schema] : []), table];
  if (typeof tableName === 'string' && tableName !== '') return dottedParts(tableName);
  return undefined;
}
