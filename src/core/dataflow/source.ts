// How a data flow's source comes to lie where Spark reads it: copies into a staging folder, by the copy engine.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { constantOf, optionOf } from './options.ts';
import { type FlowPlace, flagOption, textOption, textsOption } from './place.ts';
import type { Stream } from './syntax.ts';

export interface SourceReading {
  /** Rows of text, workbooks and tables become Parquet; JSON and Parquet files and Delta tables are copied byte by byte, nested values and all (JSON unpacked, where its dataset says so). */
  readonly kind: 'staged-parquet' | 'files';
  readonly format?: 'json' | 'parquet' | 'delta';
  readonly options: JsonObject;
  /** Nothing there is no failure. */
  readonly optional: boolean;
  /** The files that are read are deleted once the sinks have their rows. */
  readonly purge: boolean;
  /** What is read, one copy each, in the words of a Copy activity's source. */
  readonly reads: readonly {
    readonly datasetType: string;
    readonly dataset: JsonObject;
    readonly settings: JsonObject;
  }[];
}

/** Type of a Copy source, and the property that holds its query, by the dataset's type. */
const SOURCES: Readonly<Record<string, readonly [string, string]>> = {
  SqlServerTable: ['SqlServerSource', 'sqlReaderQuery'],
  AzureSqlTable: ['AzureSqlSource', 'sqlReaderQuery'],
  AzureSqlMITable: ['SqlMISource', 'sqlReaderQuery'],
  SnowflakeTable: ['SnowflakeSource', 'query'],
  SnowflakeV2Table: ['SnowflakeV2Source', 'query'],
  PostgreSqlTable: ['PostgreSqlSource', 'query'],
  PostgreSqlV2Table: ['PostgreSqlV2Source', 'query'],
  AzurePostgreSqlTable: ['AzurePostgreSqlSource', 'query'],
  MySqlTable: ['MySqlSource', 'query'],
  AzureMySqlTable: ['AzureMySqlSource', 'query'],
};

/**
 * `now` (ISO 8601) is when the run began, absent where nothing is read: files that are to be deleted afterwards are those from before it, so that none
 * is deleted unread and none read twice. Throws DEFINITION_UNSUPPORTED for options whose value only Spark could tell.
 */
export function sourceReading(
  stream: Stream,
  place: FlowPlace,
  parameters: Readonly<Record<string, JsonValue>>,
  now?: string,
): SourceReading {
  const optional = flagOption(stream, 'ignoreNoFilesFound', parameters) === true;
  if (place.kind === 'table') {
    const [type, key] = SOURCES[place.datasetType] ?? ['', ''];
    const { datasetType, dataset } = place;
    const query = textOption(stream, 'query', parameters);
    const settings =
      textOption(stream, 'format', parameters) === 'procedure'
        ? { type, sqlReaderStoredProcedureName: procedureName(stream, key, parameters) }
        : { type, ...(query === undefined ? {} : { [key]: query }) };
    return {
      kind: 'staged-parquet',
      options: {},
      optional: false,
      purge: false,
      reads: [{ datasetType, dataset, settings }],
    };
  }
  const patterns = textsOption(stream, 'wildcardPaths', parameters);
  const [first] = patterns.length === 0 ? [undefined] : patterns;
  const purge = flagOption(stream, 'purgeFiles', parameters) === true;
  if (purge && place.kind === 'delta')
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `"${stream.name}" reads a Delta table, whose files are not its own to delete ("purgeFiles").`,
      { key: 'purgeFiles' },
    );
  const reads = (first === undefined ? [undefined] : patterns).map((pattern) =>
    filesRead(stream, place, pattern, parameters, purge ? now : undefined),
  );
  if (place.kind === 'delimited' || place.kind === 'excel')
    return { kind: 'staged-parquet', options: {}, optional, purge, reads };
  const options: JsonObject =
    place.kind === 'json'
      ? { multiLine: isWholeDocument(stream, parameters) }
      : place.kind === 'delta'
        ? timeTravel(stream, parameters)
        : {};
  return { kind: 'files', format: place.kind, options, optional, purge, reads };
}

/** The procedure whose result is read, as SQL Server quotes it; `key` is what the store calls a query. */
function procedureName(stream: Stream, key: string, parameters: Readonly<Record<string, JsonValue>>): string {
  const said = (name: string): string | undefined => textOption(stream, name, parameters);
  const name = said('procedureName');
  if (name === undefined)
    throw new WaybillError('DEFINITION_INVALID', `"${stream.name}" names no procedure ("procedureName").`);
  if (key !== 'sqlReaderQuery' || flagOption(stream, 'resultSet', parameters) === false)
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `"${stream.name}" reads a procedure: that is done on SQL Server only, and by its result set.`,
      { key: 'procedureName' },
    );
  return [said('schemaName'), name]
    .flatMap((part) => (part === undefined ? [] : `[${part.replaceAll(']', ']]')}]`))
    .join('.');
}

function filesRead(
  stream: Stream,
  place: FlowPlace,
  pattern: string | undefined,
  parameters: Readonly<Record<string, JsonValue>>,
  before: string | undefined,
): SourceReading['reads'][number] {
  const location = (place.dataset['location'] ?? {}) as JsonObject;
  const storeSettings: JsonObject = {
    type: String(location['type'] ?? '').replace(/Location$/, 'ReadSettings'),
    recursive: true,
  };
  let own = location;
  if (pattern !== undefined) {
    const { folderPath: _, fileName: __, ...root } = location;
    own = root;
    const at = pattern.lastIndexOf('/');
    const folder = pattern.slice(0, Math.max(at, 0)).replace(/^\/+/, '');
    if (folder !== '') storeSettings['wildcardFolderPath'] = folder;
    storeSettings['wildcardFileName'] = pattern.slice(at + 1) === '' ? '*' : pattern.slice(at + 1);
  }
  for (const [option, setting] of [
    ['modifiedAfter', 'modifiedDatetimeStart'],
    ['modifiedBefore', 'modifiedDatetimeEnd'],
  ] as const) {
    const moment = momentOption(stream, option, parameters);
    if (moment !== undefined) storeSettings[setting] = moment;
  }
  const end = storeSettings['modifiedDatetimeEnd'];
  if (before !== undefined && (typeof end !== 'string' || before < end))
    storeSettings['modifiedDatetimeEnd'] = before;
  const column = textOption(stream, 'rowUrlColumn', parameters);
  if (place.kind === 'delimited' || place.kind === 'excel') {
    const { datasetType, dataset } = place;
    const settings: JsonObject = {
      type: `${datasetType}Source`,
      storeSettings,
      ...(place.kind === 'delimited' ? { formatSettings: readSettings(stream, parameters) } : {}),
      ...(column === undefined ? {} : { additionalColumns: [{ name: column, value: '$$FILEPATH' }] }),
    };
    return { datasetType, dataset: withTexts({ ...dataset, location: own }), settings };
  }
  if (column !== undefined)
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `"rowUrlColumn" of "${stream.name}" is read from delimited text and workbooks only.`,
      { key: 'rowUrlColumn' },
    );
  // Spark tells compressed JSON by its name only: what the dataset says is undone on the way.
  const { compression } = place.dataset;
  const packed = place.kind === 'json' && compression !== undefined ? { compression } : {};
  return {
    datasetType: 'Binary',
    dataset: { location: own, ...packed },
    settings: { type: 'BinarySource', storeSettings },
  };
}

function readSettings(stream: Stream, parameters: Readonly<Record<string, JsonValue>>): JsonObject {
  const skipped = textOption(stream, 'skipLines', parameters);
  return {
    type: 'DelimitedTextReadSettings',
    ...(skipped === undefined ? {} : { skipLineCount: Number(skipped) }),
  };
}

/** The types of a dataset's schema are not the data flow's: its source says what every column is. */
function withTexts(dataset: JsonObject): JsonObject {
  const { schema } = dataset;
  if (!Array.isArray(schema)) return dataset;
  const names = schema.flatMap((column): JsonObject[] =>
    typeof column === 'object' &&
    column !== null &&
    !Array.isArray(column) &&
    typeof column['name'] === 'string'
      ? [{ name: column['name'], type: 'String' }]
      : [],
  );
  return { ...dataset, schema: names };
}

/** Whether a JSON file is one document, or an array of them, and not a document for each line. */
function isWholeDocument(stream: Stream, parameters: Readonly<Record<string, JsonValue>>): boolean {
  if (flagOption(stream, 'singleDocument', parameters) === true) return true;
  const form = textOption(stream, 'documentForm', parameters);
  return form === 'singleDocument' || form === 'arrayOfDocuments';
}

/** The version of a Delta table that is read; none is the newest. */
function timeTravel(stream: Stream, parameters: Readonly<Record<string, JsonValue>>): JsonObject {
  const version = textOption(stream, 'versionAsOf', parameters);
  if (version !== undefined) return { versionAsOf: version };
  const timestampAsOf = momentOption(stream, 'timestampAsOf', parameters);
  return timestampAsOf === undefined ? {} : { timestampAsOf };
}

/** A moment as ISO 8601: a text, or toTimestamp of a text or of milliseconds. */
function momentOption(
  stream: Stream,
  name: string,
  parameters: Readonly<Record<string, JsonValue>>,
): string | undefined {
  const node = optionOf(stream, name);
  if (node === undefined) return undefined;
  const [inner = node] = node.type === 'call' && node.name === 'toTimestamp' ? node.arguments : [node];
  const value = constantOf(inner, parameters);
  const isNumber = inner.type === 'literal' && (inner.kind === 'long' || inner.kind === 'integer');
  const moment = isNumber ? Number(value) : Date.parse(String(value ?? ''));
  if (Number.isFinite(moment)) return new Date(moment).toISOString();
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `"${name}" of "${stream.name}" must be a moment written out, or toTimestamp of one.`,
    { key: name },
  );
}
