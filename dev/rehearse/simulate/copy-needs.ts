// What a Copy needs: a source with the columns its sink expects, and a sink with those its source gives.
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { ActivitySnapshot } from '../../../src/core/pipeline/snapshot.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import {
  ANY_COLUMNS,
  type ColumnPair,
  declaredColumns,
  guessKind,
  mappingPairs,
  type NamedColumn,
} from '../columns.ts';
import { type FileNeed, isDatabase, needColumn, needTable, type StoreRef, type TableNeed } from '../needs.ts';
import { fileSourceNeeds, needContainer, placeOf } from './file-needs.ts';
import type { EvaluatedDataset, Frame } from './frame.ts';
import { parametersOf, queryOf } from './sql-activities.ts';
import {
  dottedParts,
  needProcedure,
  needProcedureRows,
  needStatement,
  outputColumns,
  type StatementNeeds,
  tableOfDataset,
} from './sql-needs.ts';
import { isWebSource, webSourceNeeds } from './web-sources.ts';

/** Notes the needs of a Copy; gives what its output will hold. */
export function copyNeeds(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const { typeProperties } = activity;
  const source = side(frame, typeProperties['source']);
  const sink = side(frame, typeProperties['sink']);
  const from = used(frame, activity.inputs?.[0]);
  const to = used(frame, activity.outputs?.[0]);
  const pairs = mappingPairs(translatorOf(frame, typeProperties['translator']));
  const statement = sourceStatement(frame, from, source);
  const columns = planColumns(from, to, source, pairs, statement);
  if (from !== undefined && isWebSource(from))
    webSourceNeeds(
      frame,
      activity.name,
      from,
      columns.source,
      collectionOf(frame, typeProperties['translator']),
    );
  const taken = sourceNeeds(
    frame,
    from,
    source,
    columns.source,
    statement,
    collectionOf(frame, typeProperties['translator']),
    pairs,
  );
  const into = sinkNeeds(frame, to, sink, columns.sink);
  if (into !== undefined) {
    if (pairs.length === 0) for (const each of taken) frame.needs.flows.push({ from: each, to: into });
    const names = pairs.length === 0 ? {} : { names: passedNames(pairs) };
    for (const each of taken) frame.needs.passages.push({ from: each, to: into, ...names });
  }
  stagingNeeds(frame, typeProperties);
  return {
    ...{
      rowsRead: 100,
      rowsCopied: 100,
      dataRead: 1000,
      dataWritten: 1000,
      filesRead: 1,
      filesWritten: 1,
      copyDuration: 1,
    },
    ...{
      throughput: 1,
      errors: [],
      usedParallelCopies: 1,
      effectiveIntegrationRuntime: 'rehearsal',
      usedDataIntegrationUnits: 4,
    },
    ...{
      executionDetails: [
        { status: 'Succeeded', start: new Date(frame.stage.now).toISOString(), duration: 1 },
      ],
    },
  };
}

const passedNames = (pairs: readonly ColumnPair[]): Map<string, string> =>
  new Map(
    pairs.flatMap(({ source, sink }): [string, string][] =>
      source === undefined || sink === undefined
        ? []
        : [[source.name.toLowerCase(), sink.name.toLowerCase()]],
    ),
  );

const side = (frame: Frame, value: JsonValue | undefined): JsonObject =>
  isObject(value) ? frame.evaluateEach(value) : {};

const used = (
  frame: Frame,
  use: { dataset: string; parameters: JsonObject } | undefined,
): EvaluatedDataset | undefined =>
  use === undefined ? undefined : frame.dataset(use.dataset, use.parameters);

/** A translator may come as an expression, also as one that gives JSON text. */
function translatorOf(frame: Frame, value: JsonValue | undefined): JsonValue | undefined {
  const evaluated = frame.evaluate(value);
  if (typeof evaluated !== 'string') return evaluated;
  try {
    return JSON.parse(evaluated) as JsonValue;
  } catch {
    return undefined;
  }
}

function collectionOf(frame: Frame, value: JsonValue | undefined): string | undefined {
  const translator = translatorOf(frame, value);
  const reference = isObject(translator) ? translator['collectionReference'] : undefined;
  return typeof reference === 'string' && reference !== '' ? reference : undefined;
}

function sourceStatement(
  frame: Frame,
  from: EvaluatedDataset | undefined,
  source: JsonObject,
): StatementNeeds | undefined {
  const query = queryOf(source);
  if (query === undefined || from?.store === undefined || !isDatabase(from.store.kind)) return undefined;
  return needStatement(frame, from.store, query);
}

interface Columns {
  readonly source: readonly NamedColumn[];
  readonly sink: readonly NamedColumn[];
}

function planColumns(
  from: EvaluatedDataset | undefined,
  to: EvaluatedDataset | undefined,
  source: JsonObject,
  pairs: readonly ColumnPair[],
  statement: StatementNeeds | undefined,
): Columns {
  const declaredFrom = declaredColumns(from?.schema);
  const declaredTo = declaredColumns(to?.schema);
  const isText = from !== undefined && ['DelimitedText', 'Excel', 'Json', 'RestResource'].includes(from.type);
  const byPosition =
    from !== undefined &&
    ['DelimitedText', 'Excel'].includes(from.type) &&
    from.properties['firstRowAsHeader'] !== true;
  let names = sourceNames(declaredFrom, declaredTo, pairs, statement);
  if (byPosition) names = positions(names, declaredTo, pairs);
  const sinkOf = new Map(pairs.map((pair) => [sourceName(pair)?.toLowerCase(), pair.sink]));
  const kindAtSink = new Map(declaredTo.map((column) => [column.name.toLowerCase(), column]));
  const sink: NamedColumn[] = [];
  const additional = additionalNames(source);
  const sourceColumns = names.flatMap((column, at): NamedColumn[] => {
    const paired = pairs.length > 0 ? sinkOf.get(column.name.toLowerCase()) : undefined;
    const name =
      pairs.length > 0 ? paired?.name : byPosition ? (declaredTo[at]?.name ?? column.name) : column.name;
    const declared =
      name === undefined
        ? undefined
        : (kindAtSink.get(name.toLowerCase()) ?? (paired?.isKnown ? paired : undefined));
    const known = column.isKnown && !(isText && column.kind === 'text');
    const kind = known ? column.kind : declared?.isKnown ? declared.kind : isText ? 'text' : column.kind;
    if (name !== undefined)
      sink.push({
        name,
        kind: declared?.isKnown ? declared.kind : kind,
        isKnown: known || declared?.isKnown === true,
      });
    // What additionalColumns adds is not in the source already.
    if (additional.some((each) => same(each, column.name))) return [];
    const holds =
      kind === 'text' && declared?.isKnown && declared.kind !== 'text' ? { holds: declared.kind } : {};
    return [{ name: column.name, kind, isKnown: known || declared?.isKnown === true, ...holds }];
  });
  for (const column of declaredTo) if (!sink.some(({ name }) => same(name, column.name))) sink.push(column);
  for (const { sink: column } of pairs)
    if (column !== undefined && !sink.some(({ name }) => same(name, column.name))) sink.push(column);
  for (const name of additional)
    if (pairs.length === 0 && !sink.some((column) => same(column.name, name)))
      sink.push({ name, kind: 'text', isKnown: true });
  return { source: sourceColumns, sink };
}

function additionalNames(source: JsonObject): string[] {
  const additional = source['additionalColumns'];
  return (Array.isArray(additional) ? additional : []).flatMap((entry) => {
    const name = isObject(entry) ? entry['name'] : undefined;
    return typeof name === 'string' ? [name] : [];
  });
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

const sourceName = ({ source, sourcePath }: ColumnPair): string | undefined => sourcePath ?? source?.name;

function sourceNames(
  declaredFrom: readonly NamedColumn[],
  declaredTo: readonly NamedColumn[],
  pairs: readonly ColumnPair[],
  statement: StatementNeeds | undefined,
): readonly NamedColumn[] {
  const output = statement?.use.output ?? [];
  if (statement !== undefined && !statement.use.star && output.length > 0)
    return output.map(({ name, column }) => {
      const known = declaredFrom.find((each) => same(each.name, name));
      const need = statement.tables
        .map((table) => table.columns.get((column ?? name).toLowerCase()))
        .find((each) => each !== undefined);
      return known ?? { name, kind: need?.kind ?? guessKind(name), isKnown: need?.isKnown ?? false };
    });
  const mapped = pairs.flatMap(({ source, sourcePath }): NamedColumn[] =>
    source === undefined ? [] : [{ ...source, name: sourcePath ?? source.name }],
  );
  if (mapped.length > 0) return mapped;
  if (declaredFrom.length > 0) return declaredFrom;
  const inQuery = statement?.tables[0];
  if (declaredTo.length > 0) return declaredTo;
  return inQuery !== undefined && inQuery.columns.size > 2 ? [...inQuery.columns.values()] : ANY_COLUMNS;
}

/** Without a header columns are known by where they stand: as many as the sink or the mapping has. */
function positions(
  names: readonly NamedColumn[],
  declaredTo: readonly NamedColumn[],
  pairs: readonly ColumnPair[],
): readonly NamedColumn[] {
  const highest = Math.max(0, ...pairs.map(({ ordinal }) => ordinal ?? 0));
  const count = Math.max(names.length, highest, pairs.length === 0 ? declaredTo.length : 0);
  return Array.from(
    { length: count },
    (_, at) => names[at] ?? { name: `Prop_${at}`, kind: 'text' as const, isKnown: false },
  );
}

function sourceNeeds(
  frame: Frame,
  from: EvaluatedDataset | undefined,
  source: JsonObject,
  columns: readonly NamedColumn[],
  statement: StatementNeeds | undefined,
  collection: string | undefined,
  pairs: readonly ColumnPair[],
): readonly (TableNeed | FileNeed)[] {
  if (from?.store === undefined || isWebSource(from)) return [];
  const { store } = from;
  if (!isDatabase(store.kind)) {
    const made = fileSourceNeeds(frame, from, store, source, columns);
    if (collection !== undefined) for (const file of made) file.collection = collection;
    for (const file of made)
      for (const name of additionalNames(source))
        file.without = (file.without ?? new Set()).add(name.toLowerCase());
    return from.properties['firstRowAsHeader'] === false ? [] : made;
  }
  const procedureName = source['sqlReaderStoredProcedureName'];
  if (typeof procedureName === 'string') {
    const procedure = needProcedure(
      frame,
      store,
      dottedParts(procedureName),
      parametersOf(source['storedProcedureParameters']),
    );
    needProcedureRows(procedure, columns);
    return [];
  }
  const table =
    statement === undefined
      ? needTable(frame.needs, store, tableOfDataset(from.properties) ?? [])
      : statement.tables[0];
  if (table === undefined) return [];
  table.isRead = true;
  const isStar = statement === undefined || statement.use.star;
  for (const { name, kind, isKnown, holds } of columns) {
    const asked = holds === undefined ? {} : { holds };
    const base = statement === undefined ? undefined : outputColumns(statement, name);
    if (base !== undefined) {
      for (const need of base) {
        if (isKnown && !need.isKnown) Object.assign(need, { kind, isKnown });
        Object.assign(need, asked);
      }
    } else if (isStar) Object.assign(needColumn(table.columns, name, kind, isKnown), asked);
  }
  if (isStar && pairs.length > 0)
    for (const column of declaredColumns(from.schema))
      needColumn(table.columns, column.name, column.kind, column.isKnown);
  if (table.columns.size === 0)
    for (const { name, kind, isKnown } of ANY_COLUMNS) needColumn(table.columns, name, kind, isKnown);
  const partition = isObject(source['partitionSettings'])
    ? source['partitionSettings']['partitionColumnName']
    : undefined;
  if (typeof partition === 'string' && partition !== '')
    needColumn(table.columns, partition, 'integer', true);
  return isStar ? [table] : [];
}

function sinkNeeds(
  frame: Frame,
  to: EvaluatedDataset | undefined,
  sink: JsonObject,
  columns: readonly NamedColumn[],
): TableNeed | undefined {
  if (to?.store === undefined) return undefined;
  const { store } = to;
  if (!isDatabase(store.kind)) {
    needContainer(frame, store, placeOf(to).container);
    return undefined;
  }
  const path = tableOfDataset(to.properties);
  const table = path === undefined ? undefined : needTable(frame.needs, store, path);
  const preparation = sink['preCopyScript'];
  if (typeof preparation === 'string' && preparation.trim() !== '') needStatement(frame, store, preparation);
  // What is dropped before each copy was made by the one before.
  const dropped = typeof preparation === 'string' && /\bdrop\s+table\b(?!\s+if\b)/i.test(preparation);
  if (table !== undefined) fillSink(table, dropped ? { ...sink, tableOption: 'none' } : sink, columns);
  procedureSink(frame, store, sink, columns);
  return table;
}

function fillSink(table: TableNeed, sink: JsonObject, columns: readonly NamedColumn[]): void {
  const upsert = isObject(sink['upsertSettings']) ? sink['upsertSettings']['keys'] : undefined;
  const keys = Array.isArray(upsert) ? upsert.filter((key): key is string => typeof key === 'string') : [];
  for (const key of keys) if (!table.keys.some((known) => same(known, key))) table.keys.push(key);
  const makes = String(sink['tableOption'] ?? '').toLowerCase() === 'autocreate';
  // What the copy makes by itself is left to it, unless something else reads the table before.
  if (makes && !table.isRead && table.columns.size === 0) {
    table.isMade = true;
    return;
  }
  for (const { name, kind, isKnown } of columns) needColumn(table.columns, name, kind, isKnown);
  for (const key of keys) needColumn(table.columns, key, guessKind(key), false);
  if (table.columns.size > 0) table.isMade = false;
}

function procedureSink(
  frame: Frame,
  store: StoreRef,
  sink: JsonObject,
  columns: readonly NamedColumn[],
): void {
  const name = sink['sqlWriterStoredProcedureName'];
  if (typeof name !== 'string' || name === '') return;
  const type = sink['sqlWriterTableType'];
  const parameter = sink['storedProcedureTableTypeParameterName'];
  const parameters: { name: string; kind: 'text'; tableType?: string }[] = [];
  if (typeof type === 'string') {
    parameters.push({
      name: typeof parameter === 'string' && parameter !== '' ? parameter : 'rows',
      kind: 'text',
      tableType: type,
    });
    const path = dottedParts(type);
    const table = needTable(frame.needs, store, [...path.slice(0, -1), `type ${path.at(-1) ?? ''}`]);
    if (table !== undefined)
      for (const { name: column, kind, isKnown } of columns) needColumn(table.columns, column, kind, isKnown);
  }
  needProcedure(frame, store, dottedParts(name), [
    ...parameters,
    ...parametersOf(sink['storedProcedureParameters']).map(({ name: each }) => ({
      name: each,
      kind: 'text' as const,
    })),
  ]);
}

function stagingNeeds(frame: Frame, typeProperties: JsonObject): void {
  const settings = typeProperties['stagingSettings'];
  const reference = isObject(settings) ? settings['linkedServiceName'] : undefined;
  if (!isObject(settings) || !isObject(reference)) return;
  const store = frame.linkedService(String(reference['referenceName']), {});
  const path = frame.evaluate(settings['path'] ?? null);
  if (store !== undefined && typeof path === 'string') needContainer(frame, store, path.split('/')[0] ?? '');
}
