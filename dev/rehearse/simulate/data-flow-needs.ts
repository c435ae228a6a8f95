// What a data flow needs: sources with the columns that its script declares, sinks with those that reach them.
import { bindParameters } from '../../../src/core/dataflow/bind-parameters.ts';
import { partOf } from '../../../src/core/dataflow/options.ts';
import { type FlowPlace, placeOf, textsOption } from '../../../src/core/dataflow/place.ts';
import { isAltered, streamsOf } from '../../../src/core/dataflow/plan-ends.ts';
import { sinkWriting } from '../../../src/core/dataflow/sink.ts';
import { sourceReading } from '../../../src/core/dataflow/source.ts';
import type { Program, Stream } from '../../../src/core/dataflow/syntax.ts';
import { WaybillError } from '../../../src/core/errors.ts';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { ActivitySnapshot, DataFlowSnapshot } from '../../../src/core/pipeline/snapshot.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import { declaredColumns, type NamedColumn } from '../columns.ts';
import { FlowColumns, typedColumns } from '../infer/flow-columns.ts';
import { type ColumnKind, isDatabase, needColumn, needTable, type StoreRef } from '../needs.ts';
import { placeOf as filePlaceOf, fileSourceNeeds, needContainer } from './file-needs.ts';
import type { EvaluatedDataset, Frame } from './frame.ts';
import {
  dottedParts,
  needProcedure,
  needProcedureRows,
  needStatement,
  outputColumns,
  tableOfDataset,
} from './sql-needs.ts';

/** A source or sink: where it lies in the local world, and in the words of its script. */
interface End {
  readonly stream: Stream;
  readonly place: FlowPlace;
  readonly store: StoreRef;
  readonly dataset: EvaluatedDataset;
}

/** Notes the needs of an ExecuteDataFlow; gives what its output will hold. */
export function dataFlowNeeds(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const written = activity.typeProperties['dataflow'];
  const use = isObject(written) ? written : {};
  const { compiled } = frame.stage;
  const resource = compiled.factory.find('dataflow', String(use['referenceName'] ?? ''));
  const flow = resource === undefined ? undefined : compiled.dataflows.get(resource);
  if (flow === undefined) return {};
  frame.needs.dataFlows++;
  const given = isObject(use['parameters']) ? frame.evaluateEach(use['parameters']) : {};
  let bound: ReturnType<typeof bindParameters>;
  try {
    bound = bindParameters(flow.program, given);
  } catch (error) {
    if (error instanceof WaybillError) return {};
    throw error;
  }
  const { program, values } = bound;
  const datasetParameters = isObject(use['datasetParameters']) ? use['datasetParameters'] : {};
  const ends = (kind: 'source' | 'sink'): End[] =>
    streamsOf(program, kind).flatMap(
      (stream) => endOf(frame, flow.snapshot, stream, datasetParameters, values) ?? [],
    );
  const sources = ends('source');
  const declared = new Map(
    sources.map(({ stream, dataset }) => [stream.name, declaredColumns(dataset.schema)]),
  );
  const columns = new FlowColumns(program, declared);
  const sinks = ends('sink');
  const asked = kindsAtSinks(columns, sinks);
  // What the sinks' own declarations name: all that is known of a source whose schema drifts.
  const wanted = sinks.flatMap(({ stream, dataset }) => [
    ...typedColumns(partOf(stream, 'input')),
    ...declaredColumns(dataset.schema),
  ]);
  for (const source of sources)
    sourceNeeds(frame, source, declared.get(source.stream.name) ?? [], values, asked, wanted);
  for (const sink of sinks) sinkNeeds(frame, program, sink, columns.written(sink.stream), values);
  const metrics = Object.fromEntries(
    streamsOf(program, 'sink').map(({ name }): [string, JsonValue] => [
      name,
      { rowsWritten: 100, sinkProcessingTime: 1, sources: {}, stages: [] },
    ]),
  );
  return { runStatus: { metrics } };
}

/** What tables at the end take, by "source/column" of the columns that come to them unchanged. */
function kindsAtSinks(columns: FlowColumns, sinks: readonly End[]): Map<string, ColumnKind> {
  const kinds = new Map<string, ColumnKind>();
  for (const { stream, store, dataset } of sinks) {
    if (!isDatabase(store.kind)) continue;
    for (const { name, kind } of [
      ...typedColumns(partOf(stream, 'input')),
      ...declaredColumns(dataset.schema),
    ]) {
      const from = kind === 'text' ? undefined : columns.origin(stream.name, name);
      if (from === undefined) continue;
      const key = `${from.source}/${from.column.toLowerCase()}`;
      if (!kinds.has(key)) kinds.set(key, kind);
    }
  }
  return kinds;
}

function endOf(
  frame: Frame,
  flow: DataFlowSnapshot,
  stream: Stream,
  datasetParameters: JsonObject,
  values: JsonObject,
): End | undefined {
  const list = stream.transformation === 'source' ? flow.sources : flow.sinks;
  const end = list.find(({ name }) => name === stream.name);
  if (end === undefined) return undefined;
  try {
    if (end.dataset !== undefined) {
      const own = frame.dataset(end.dataset, datasetParameters[stream.name]);
      if (own?.store === undefined) return undefined;
      const place = placeOf(stream, { datasetType: own.type, dataset: own.properties }, undefined, values);
      const dataset = { ...own, type: place.datasetType, properties: place.dataset };
      return { stream, place, store: own.store, dataset };
    }
    const store = frame.linkedService(end.linkedService ?? '', {});
    const { compiled } = frame.stage;
    const service = compiled.factory.find('linkedService', end.linkedService ?? '');
    const type = service === undefined ? undefined : compiled.linkedServices.get(service)?.type;
    if (store === undefined) return undefined;
    const place = placeOf(stream, { dataset: {} }, type, values);
    const { datasetType, dataset: properties } = place;
    return {
      stream,
      place,
      store,
      dataset: { name: stream.name, type: datasetType, properties, store, schema: null },
    };
  } catch (error) {
    // Options that only the run can tell: it says what is wrong.
    if (error instanceof WaybillError) return undefined;
    throw error;
  }
}

function sourceNeeds(
  frame: Frame,
  { stream, place, store, dataset }: End,
  declared: readonly NamedColumn[],
  values: JsonObject,
  asked: ReadonlyMap<string, ColumnKind>,
  wanted: readonly NamedColumn[],
): void {
  const output = typedColumns(partOf(stream, 'output'));
  // Every column of a text file is a text to Studio; what the table at the end takes tells what stands in it.
  const columns = (output.length > 0 ? output : declared).map((column) => {
    const kind = asked.get(`${stream.name}/${column.name.toLowerCase()}`);
    return column.kind === 'text' && kind !== undefined && place.kind === 'delimited'
      ? { ...column, kind, isKnown: true }
      : column;
  });
  const { reads } = sourceReading(stream, place, values);
  for (const { settings, dataset: read } of reads) {
    if (!isDatabase(store.kind)) {
      fileSourceNeeds(
        frame,
        { ...dataset, properties: { ...dataset.properties, ...read } },
        store,
        settings,
        columns,
      );
      continue;
    }
    const procedure = settings['sqlReaderStoredProcedureName'];
    if (typeof procedure === 'string') {
      needProcedureRows(
        needProcedure(frame, store, dottedParts(procedure), []),
        columns.length > 0 ? columns : wanted,
      );
      continue;
    }
    const query = settings['query'] ?? settings['sqlReaderQuery'];
    const statement = typeof query === 'string' ? needStatement(frame, store, query) : undefined;
    const path = tableOfDataset(dataset.properties);
    const table = statement === undefined ? path && needTable(frame.needs, store, path) : statement.tables[0];
    if (table === undefined) continue;
    table.isRead = true;
    if (statement !== undefined)
      for (const { name, kind, isKnown } of columns)
        for (const need of outputColumns(statement, name) ?? [])
          if (isKnown && !need.isKnown) Object.assign(need, { kind, isKnown });
    if (statement !== undefined && !statement.use.star) continue;
    // Beside its star a query may compute columns of its own: the table has none of those names.
    const isComputed = (name: string): boolean =>
      statement?.use.output?.some(
        (each) =>
          each.name.toLowerCase() === name.toLowerCase() && each.column?.toLowerCase() !== name.toLowerCase(),
      ) === true;
    for (const { name, kind, isKnown } of columns)
      if (!isComputed(name)) needColumn(table.columns, name, kind, isKnown);
  }
}

function sinkNeeds(
  frame: Frame,
  program: Program,
  { stream, place, store, dataset }: End,
  columns: readonly NamedColumn[],
  values: JsonObject,
): void {
  if (!isDatabase(store.kind)) {
    needContainer(frame, store, filePlaceOf(dataset).container);
    return;
  }
  const path = tableOfDataset(dataset.properties);
  const table = path === undefined ? undefined : needTable(frame.needs, store, path);
  const writing = sinkWriting(stream, place, values, isAltered(program, stream));
  for (const statement of [writing.before, ...writing.after])
    if (statement.trim() !== '') needStatement(frame, store, statement);
  if (table === undefined) return;
  const declared = [...typedColumns(partOf(stream, 'input')), ...declaredColumns(dataset.schema)];
  if (declared.length + columns.length === 0) {
    table.isMade ||= !table.isRead && table.columns.size === 0;
    return;
  }
  // What the store's own declaration says of a column goes before what can be told of its value.
  for (const { name, kind, isKnown } of [...declared, ...columns])
    needColumn(table.columns, name, kind, isKnown);
  for (const key of textsOption(stream, 'keys', values)) needColumn(table.columns, key, 'text', false);
  table.isMade = false;
}
