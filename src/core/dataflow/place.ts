// Where a data flow's source or sink lies: what its dataset says, or its linked service and the options in the script.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { constantOf, optionOf } from './options.ts';
import type { Stream } from './syntax.ts';

/** A source or sink with its dataset evaluated. */
export interface FlowEnd {
  /** The stream's name. */
  readonly name: string;
  readonly linkedService: string;
  readonly linkedServiceParameters?: JsonObject;
  /** Absent where the script says what lies there. */
  readonly datasetType?: string;
  /** The dataset's typeProperties; {} without one. */
  readonly dataset: JsonObject;
}

/** A place in the words of a dataset. */
export interface FlowPlace {
  readonly kind: 'table' | 'delimited' | 'excel' | 'json' | 'parquet' | 'delta';
  readonly datasetType: string;
  readonly dataset: JsonObject;
}

type Parameters = Readonly<Record<string, JsonValue>>;

const FILES: Readonly<Record<string, FlowPlace['kind']>> = {
  // No dataset's type: a Delta table is named by a linked service and a folder only.
  Delta: 'delta',
  DelimitedText: 'delimited',
  Excel: 'excel',
  Json: 'json',
  Parquet: 'parquet',
};

const TABLES = [
  'SqlServerTable',
  'AzureSqlTable',
  'AzureSqlMITable',
  'SnowflakeTable',
  'SnowflakeV2Table',
  'PostgreSqlTable',
  'PostgreSqlV2Table',
  'AzurePostgreSqlTable',
  'MySqlTable',
  'AzureMySqlTable',
];

/** Formats of the script, by name. */
const FORMATS: Readonly<Record<string, string>> = {
  delimited: 'DelimitedText',
  delimitedtext: 'DelimitedText',
  delta: 'Delta',
  excel: 'Excel',
  json: 'Json',
  parquet: 'Parquet',
};

/** Dataset type of a table, by the type of its linked service. */
const TABLE_OF: Readonly<Record<string, string>> = {
  SqlServer: 'SqlServerTable',
  AzureSqlDatabase: 'AzureSqlTable',
  AzureSqlMI: 'AzureSqlMITable',
  Snowflake: 'SnowflakeTable',
  SnowflakeV2: 'SnowflakeV2Table',
  PostgreSql: 'PostgreSqlTable',
  PostgreSqlV2: 'PostgreSqlV2Table',
  AzurePostgreSql: 'AzurePostgreSqlTable',
  MySql: 'MySqlTable',
  AzureMySql: 'AzureMySqlTable',
};

/** Type of a location, and what it calls its outermost folder, by the type of the linked service. */
const LOCATION_OF: Readonly<Record<string, readonly [string, string | undefined]>> = {
  AzureBlobFS: ['AzureBlobFSLocation', 'fileSystem'],
  AzureBlobStorage: ['AzureBlobStorageLocation', 'container'],
  AmazonS3: ['AmazonS3Location', 'bucketName'],
  AmazonS3Compatible: ['AmazonS3CompatibleLocation', 'bucketName'],
  FileServer: ['FileServerLocation', undefined],
};

/**
 * The place of a source or sink. `linkedServiceType` is needed where there is no dataset. Throws DEFINITION_UNSUPPORTED
 * for a format or store that data flows do not reach here, DEFINITION_INVALID for options that are missing.
 */
export function placeOf(
  stream: Stream,
  end: Pick<FlowEnd, 'datasetType' | 'dataset'>,
  linkedServiceType: string | undefined,
  parameters: Parameters,
): FlowPlace {
  const { datasetType, dataset } = end;
  if (datasetType === undefined) return inlinePlace(stream, linkedServiceType ?? '', parameters);
  const files = FILES[datasetType];
  if (files !== undefined) return { kind: files, datasetType, dataset: moved(stream, dataset, parameters) };
  if (TABLES.includes(datasetType)) return { kind: 'table', datasetType, dataset };
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `Data flows do not reach datasets of type ${datasetType}, as "${stream.name}" has.`,
    { datasetType },
  );
}

function inlinePlace(stream: Stream, linkedServiceType: string, parameters: Parameters): FlowPlace {
  const format = textOption(stream, 'format', parameters) ?? 'table';
  const option = (name: string): string | undefined => textOption(stream, name, parameters);
  if (format === 'table' || format === 'query' || format === 'procedure') {
    const datasetType = TABLE_OF[linkedServiceType];
    if (datasetType === undefined) throw noStore(stream, linkedServiceType);
    const [schema, table] = [option('schemaName'), option('tableName')];
    if (table === undefined && format !== 'procedure' && optionOf(stream, 'query') === undefined)
      throw new WaybillError('DEFINITION_INVALID', `"${stream.name}" names no table ("tableName").`);
    return {
      kind: 'table',
      datasetType,
      dataset: { ...(schema === undefined ? {} : { schema }), ...(table === undefined ? {} : { table }) },
    };
  }
  const datasetType = FORMATS[format.toLowerCase()];
  if (datasetType === undefined)
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `Data flows do not reach the format "${format}", which "${stream.name}" has.`,
      { format },
    );
  const location = LOCATION_OF[linkedServiceType];
  if (location === undefined) throw noStore(stream, linkedServiceType);
  return {
    kind: FILES[datasetType] ?? 'parquet',
    datasetType,
    dataset: moved(
      stream,
      { location: { type: location[0] }, ...formatOptions(stream, parameters) },
      parameters,
    ),
  };
}

const noStore = (stream: Stream, type: string): WaybillError =>
  new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `Data flows do not reach linked services of type ${type} without a dataset, as "${stream.name}" does.`,
    { linkedServiceType: type },
  );

/** What a dataset of delimited text or a workbook says in its properties, and a script in options. */
function formatOptions(stream: Stream, parameters: Parameters): JsonObject {
  const options: JsonObject = {};
  for (const [option, property] of [
    ['columnDelimiter', 'columnDelimiter'],
    ['rowDelimiter', 'rowDelimiter'],
    ['quoteChar', 'quoteChar'],
    ['escapeChar', 'escapeChar'],
    ['nullValue', 'nullValue'],
    ['encoding', 'encodingName'],
    ['compressionCodec', 'compressionCodec'],
    ['sheetName', 'sheetName'],
    ['sheetIndex', 'sheetIndex'],
    ['range', 'range'],
  ] as const) {
    const value = textOption(stream, option, parameters);
    if (value !== undefined) options[property] = value;
  }
  const header = optionOf(stream, 'columnNamesAsHeader') ?? optionOf(stream, 'firstRowAsHeader');
  if (header !== undefined) options['firstRowAsHeader'] = constantOf(header, parameters) === true;
  return options;
}

/** The dataset with the folder and file that the script names in place of its own. */
function moved(stream: Stream, dataset: JsonObject, parameters: Parameters): JsonObject {
  const written = dataset['location'];
  if (typeof written !== 'object' || written === null || Array.isArray(written)) return dataset;
  const location: JsonObject = { ...written };
  const known = Object.values(LOCATION_OF).find(([type]) => type === location['type']);
  const outer = ['fileSystem', 'container', 'bucketName'].flatMap(
    (name) => textOption(stream, name, parameters) ?? [],
  )[0];
  if (outer !== undefined && known?.[1] !== undefined) location[known[1]] = outer;
  const folder = textOption(stream, 'folderPath', parameters);
  const file = textOption(stream, 'fileName', parameters);
  if (folder !== undefined || outer !== undefined) {
    delete location['fileName'];
    delete location['folderPath'];
  }
  if (folder !== undefined) location['folderPath'] = folder;
  if (file !== undefined) location['fileName'] = file;
  return { ...dataset, location };
}

/**
 * An option's text; undefined where it is not given or empty. Throws DEFINITION_UNSUPPORTED where it takes Spark to tell
 * what it is.
 */
export function textOption(stream: Stream, name: string, parameters: Parameters): string | undefined {
  const value = valueOption(stream, name, parameters);
  return value === undefined || value === null || value === '' ? undefined : String(value);
}

/** An option's texts, one or a list of them. Throws as `textOption`. */
export function textsOption(stream: Stream, name: string, parameters: Parameters): string[] {
  const value = valueOption(stream, name, parameters);
  const list = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
  return list.map(String).filter((text) => text.trim() !== '');
}

export const flagOption = (stream: Stream, name: string, parameters: Parameters): boolean | undefined => {
  const value = valueOption(stream, name, parameters);
  return value === undefined || value === null ? undefined : String(value).toLowerCase() === 'true';
};

function valueOption(stream: Stream, name: string, parameters: Parameters): JsonValue | undefined {
  const node = optionOf(stream, name);
  if (node === undefined) return undefined;
  const value = constantOf(node, parameters);
  if (value !== undefined) return value;
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `"${name}" of "${stream.name}" (line ${stream.line}) must be made of texts and parameters.`,
    { key: name },
  );
}
