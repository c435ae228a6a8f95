// What Lookup, Script and stored procedure activities need, and what they will give.
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { ActivitySnapshot } from '../../../src/core/pipeline/snapshot.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import { ANY_COLUMNS, declaredColumns, guessKind, kindOfType, type NamedColumn } from '../columns.ts';
import { Shape } from '../infer/shape.ts';
import { CONTROL_ROWS, kindOf, valueFor } from '../infer/values.ts';
import {
  type ColumnKind,
  isDatabase,
  needColumn,
  needTable,
  type StoreRef,
  type TableNeed,
} from '../needs.ts';
import type { OutputColumn } from '../sql/scan-sql.ts';
import { fileSourceNeeds } from './file-needs.ts';
import type { EvaluatedDataset, Frame } from './frame.ts';
import {
  dottedParts,
  needProcedure,
  needStatement,
  type StatementNeeds,
  tableOfDataset,
} from './sql-needs.ts';
import { isWebSource, webSourceNeeds } from './web-sources.ts';

/** The query a source sends, if it sends one. */
export const queryOf = (source: JsonObject): string | undefined => {
  for (const key of ['sqlReaderQuery', 'query', 'oracleReaderQuery']) {
    const value = source[key];
    if (typeof value === 'string' && value.trim() !== '') return value;
  }
  return undefined;
};

/** What a demanded value is, as a column's kind. */
export function columnKind(shape: Shape | undefined, name: string): ColumnKind {
  const kind = shape === undefined ? undefined : kindOf(shape);
  if (kind === 'date' || kind === 'boolean') return kind;
  if (kind === 'integer') return 'integer';
  return kind === undefined ? guessKind(name) : 'text';
}

/** A Lookup: rows with the columns that are read of it, where its query will find them. */
export function lookup(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const { typeProperties } = activity;
  const reference = isObject(typeProperties['dataset']) ? typeProperties['dataset'] : {};
  const dataset = frame.dataset(String(reference['referenceName']), reference['parameters']);
  const source = frame.evaluateEach(isObject(typeProperties['source']) ? typeProperties['source'] : {});
  const output = frame.shapes.activities.get(activity.name.toLowerCase())?.property('output');
  const row = output?.property('firstRow') ?? new Shape('row');
  const one = frame.evaluate(typeProperties['firstRowOnly'] ?? true);
  const count = one === false || one === 'false' ? CONTROL_ROWS : 1;
  const isWeb = dataset !== undefined && isWebSource(dataset);
  const rows =
    dataset?.store === undefined || isWeb
      ? made(frame, row, demanded(row), count)
      : rowsOf(frame, dataset, dataset.store, source, row, count);
  if (isWeb) webSourceNeeds(frame, activity.name, dataset, demanded(row), undefined, rows);
  return count === 1 ? { firstRow: rows[0] ?? {} } : { count: rows.length, value: rows };
}

function rowsOf(
  frame: Frame,
  dataset: EvaluatedDataset,
  store: StoreRef,
  source: JsonObject,
  row: Shape,
  count: number,
): JsonObject[] {
  if (!isDatabase(store.kind)) {
    const columns = demanded(row);
    const rows = made(frame, row, columns, count);
    fileSourceNeeds(
      frame,
      dataset,
      store,
      source,
      columns.length > 0 ? columns : declaredColumns(dataset.schema),
      rows,
    );
    return rows;
  }
  const procedureName = source['sqlReaderStoredProcedureName'];
  if (typeof procedureName === 'string') {
    const procedure = needProcedure(
      frame,
      store,
      dottedParts(procedureName),
      parametersOf(source['storedProcedureParameters']),
    );
    const rows = made(frame, row, [], count);
    // It has one answer, wherever it is called: what this call reads of it besides is added to the rows there are.
    procedure.rows.forEach((there, at) => {
      for (const [name, value] of Object.entries(rows[at] ?? {})) there[name] ??= value;
    });
    if (procedure.rows.length === 0)
      // Without a row the Lookup would fail, whether or not anything is read of it.
      procedure.rows.push(...rows.map((each) => (Object.keys(each).length > 0 ? each : { result: 1 })));
    return procedure.rows.slice(0, count);
  }
  const query = queryOf(source);
  if (query !== undefined) return queryRows(frame, needStatement(frame, store, query), row, count);
  const table = needTable(frame.needs, store, tableOfDataset(dataset.properties) ?? []);
  if (table === undefined) return made(frame, row, [], count);
  table.isRead = true;
  const columns = [...declaredColumns(dataset.schema), ...demanded(row)];
  const rows = made(frame, row, columns, count);
  noteColumns(table, columns.length > 0 ? columns : ANY_COLUMNS, row);
  addControl(table, rows);
  return rows;
}

/** The columns that are read of a row. */
const demanded = (row: Shape): NamedColumn[] =>
  [...row.properties.values()].map((property) => ({
    name: property.name,
    kind: columnKind(property, property.name),
    isKnown: kindOf(property) !== undefined,
  }));

function noteColumns(table: TableNeed, columns: readonly NamedColumn[], row: Shape): void {
  for (const { name, kind, isKnown } of columns) {
    const property = row.properties.get(name.toLowerCase());
    needColumn(
      table.columns,
      name,
      property === undefined || isKnown ? kind : columnKind(property, name),
      isKnown,
    );
  }
}

/** Rows with a value for everything that is read of them. */
function made(frame: Frame, row: Shape, columns: readonly NamedColumn[], count: number): JsonObject[] {
  return Array.from({ length: count }, (_, index) => {
    const result: JsonObject = {};
    for (const property of row.properties.values())
      result[property.name] = valueFor(property, property.name, { seed: frame.stage.seed, index });
    for (const { name, kind } of columns)
      if (kind === 'text' && !Object.keys(result).some((key) => key.toLowerCase() === name.toLowerCase()))
        result[name] = valueFor(new Shape(name), name, { seed: frame.stage.seed, index }, 'string');
    return result;
  });
}

/** Rows of a query's result; where its columns are columns of its first table, that table gets rows that give them. */
function queryRows(frame: Frame, { use, tables }: StatementNeeds, row: Shape, count: number): JsonObject[] {
  const [table] = tables;
  const output = use.output ?? [];
  const rows = made(frame, row, [], count);
  const shown = new Map<string, OutputColumn>(output.map((column) => [column.name.toLowerCase(), column]));
  const control: JsonObject[] = rows.map(() => ({}));
  let direct = 0;
  for (const property of row.properties.values()) {
    const column = shown.get(property.name.toLowerCase());
    const base = column === undefined ? (use.star ? property.name : undefined) : column.column;
    if (base === undefined || table === undefined) continue;
    direct++;
    needColumn(table.columns, base, columnKind(property, base), kindOf(property) !== undefined);
    rows.forEach((value, at) => {
      (control[at] as JsonObject)[base] = value[property.name] as JsonValue;
    });
  }
  if (table === undefined) return rows;
  if (use.star && row.properties.size === 0 && table.columns.size === 0)
    for (const { name, kind, isKnown } of ANY_COLUMNS) needColumn(table.columns, name, kind, isKnown);
  // Conditions that name values make these the rows that are found.
  const conditions: JsonObject = {};
  const own = use.tables.find(({ path }) => path.at(-1)?.toLowerCase() === table.name.toLowerCase());
  for (const { name, equals } of own?.columns.values() ?? []) {
    const [value] = equals;
    if (value !== undefined && !(name in (control[0] ?? {}))) conditions[name] = value;
  }
  if (direct > 0 || (Object.keys(conditions).length > 0 && output.length > 0))
    addControl(
      table,
      control.map((each) => ({ ...each, ...conditions })),
    );
  return rows;
}

function addControl(table: TableNeed, rows: readonly JsonObject[]): void {
  const known = new Set(table.control.map((each) => JSON.stringify(each)));
  for (const each of rows)
    if (Object.keys(each).length > 0 && !known.has(JSON.stringify(each))) table.control.push(each);
}

/** Parameters of a stored procedure as an activity or source gives them. */
export function parametersOf(value: JsonValue | undefined): { name: string; kind: ColumnKind }[] {
  if (!isObject(value)) return [];
  return Object.entries(value).map(([name, entry]) => {
    const type = isObject(entry) ? entry['type'] : undefined;
    return { name, kind: typeof type === 'string' ? kindOfType(type) : 'text' };
  });
}

const linkedServiceOf = (frame: Frame, activity: ActivitySnapshot): StoreRef | undefined => {
  const reference = activity.linkedService;
  if (reference === undefined) return undefined;
  return frame.linkedService(reference.name, frame.evaluateEach(reference.parameters ?? {}));
};

/** A stored procedure activity. */
export function procedure(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const store = linkedServiceOf(frame, activity);
  const name = frame.evaluate(activity.typeProperties['storedProcedureName']);
  if (store === undefined || typeof name !== 'string') return {};
  if (/^(\[?sys\]?\.)?\[?sp_/i.test(name)) {
    // One of the system's own: what it runs is what is needed.
    const given = activity.typeProperties['storedProcedureParameters'];
    for (const entry of isObject(given) ? Object.values(given) : []) {
      const text = frame.evaluate(isObject(entry) ? entry['value'] : entry);
      if (typeof text === 'string') needStatement(frame, store, text);
    }
  } else
    needProcedure(
      frame,
      store,
      dottedParts(name),
      parametersOf(activity.typeProperties['storedProcedureParameters']),
    );
  return {};
}

/** A Script: its statements one by one, and rows for those that give some. */
export function script(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const store = linkedServiceOf(frame, activity);
  const scripts = activity.typeProperties['scripts'];
  const output = frame.shapes.activities.get(activity.name.toLowerCase())?.property('output');
  const row = output?.property('resultSets').element().property('rows').element() ?? new Shape('row');
  const resultSets: JsonValue[] = [];
  for (const entry of Array.isArray(scripts) ? scripts : []) {
    if (!isObject(entry)) continue;
    const text = frame.evaluate(entry['text']);
    if (typeof text !== 'string') continue;
    const isQuery = String(entry['type']).toLowerCase() === 'query';
    const statement = store === undefined ? undefined : needStatement(frame, store, text);
    if (!isQuery) continue;
    const rows = statement === undefined ? [] : queryRows(frame, statement, row, CONTROL_ROWS);
    for (const each of statement?.use.procedures ?? []) {
      const need = store === undefined ? undefined : needProcedure(frame, store, each.path, []);
      if (need !== undefined && need.rows.length === 0)
        need.rows.push(...rows.filter((one) => Object.keys(one).length > 0));
    }
    resultSets.push({ rowCount: rows.length, rows });
  }
  return {
    resultSetCount: resultSets.length,
    resultSets,
    recordsAffected: 0,
    outputParameters: {},
    outputLogs: '',
  };
}
