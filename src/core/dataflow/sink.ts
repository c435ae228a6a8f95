// How what Spark made of a sink's rows comes into its store: copies out of the staging folder, by the copy engine.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { type FlowPlace, flagOption, textOption, textsOption } from './place.ts';
import type { Stream } from './syntax.ts';

/** The column of changed rows that says what happens to them: U, D, or S for an upsert. */
export const ROW_ACTION = '__waybill_row';

/** The end of a copy, without its linked service. */
export interface SinkEnd {
  readonly datasetType: string;
  readonly dataset: JsonObject;
  readonly settings: JsonObject;
}

export interface SinkWriting {
  /** Sinks with lower numbers are loaded first. */
  readonly order: number;
  readonly allow: {
    readonly insert: boolean;
    readonly update: boolean;
    readonly upsert: boolean;
    readonly delete: boolean;
  };
  /** Rows to be added, or written to files. */
  readonly insert: SinkEnd;
  /** Rows that change others; tables only. */
  readonly change?: SinkEnd;
  /** Statements before the first row is there, in the transaction that publishes. */
  readonly before: string;
  /** Statements after all rows are there. */
  readonly after: readonly string[];
  /** The table is made anew, or the folder emptied: by this statement, or by a Delete. */
  readonly fresh?: { readonly statement: string } | { readonly folder: true };
}

/** Type of a Copy sink, by the dataset's type. */
const SINKS: Readonly<Record<string, string>> = {
  SqlServerTable: 'SqlServerSink',
  AzureSqlTable: 'AzureSqlSink',
  AzureSqlMITable: 'SqlMISink',
  SnowflakeTable: 'SnowflakeSink',
  SnowflakeV2Table: 'SnowflakeV2Sink',
  PostgreSqlV2Table: 'PostgreSqlV2Sink',
  AzurePostgreSqlTable: 'AzurePostgreSqlSink',
  MySqlTable: 'MySqlSink',
  AzureMySqlTable: 'AzureMySqlSink',
};

type Parameters = Readonly<Record<string, JsonValue>>;

/** Throws DEFINITION_UNSUPPORTED for what cannot be written so. `altered`: rows come with actions of an alterRow. */
export function sinkWriting(
  stream: Stream,
  place: FlowPlace,
  parameters: Parameters,
  altered: boolean,
): SinkWriting {
  const order = Number(textOption(stream, 'saveOrder', parameters) ?? 0);
  const statements = (...names: string[]): string[] =>
    names.flatMap((name) => textsOption(stream, name, parameters));
  const [before, after] = [statements('preCommands', 'preSQLs'), statements('postCommands', 'postSQLs')];
  if (place.kind === 'table') {
    return { order, ...tableWriting(stream, place, parameters, altered), before: before.join(';\n'), after };
  }
  if (before.length + after.length > 0)
    throw unsupported(stream, 'preCommands', 'has statements, and no database to run them in');
  const everything = { insert: true, update: true, upsert: true, delete: false };
  return { order, allow: everything, before: '', after: [], ...fileWriting(stream, place, parameters) };
}

const unsupported = (stream: Stream, key: string, what: string): WaybillError =>
  new WaybillError('DEFINITION_UNSUPPORTED', `The sink "${stream.name}" ${what}.`, { key });

function tableWriting(
  stream: Stream,
  place: FlowPlace,
  parameters: Parameters,
  altered: boolean,
): Pick<SinkWriting, 'allow' | 'insert' | 'change' | 'fresh'> {
  const type = SINKS[place.datasetType];
  if (type === undefined)
    throw unsupported(stream, 'type', `writes to a dataset of type ${place.datasetType}, which is only read`);
  const { datasetType, dataset } = place;
  const keys = textsOption(stream, 'keys', parameters);
  const end = (settings: JsonObject): SinkEnd => ({ datasetType, dataset, settings: { type, ...settings } });
  const truncate = flagOption(stream, 'truncate', parameters) === true;
  const recreate = flagOption(stream, 'recreate', parameters) === true;
  const flag = (name: string, otherwise: boolean): boolean =>
    flagOption(stream, name, parameters) ?? otherwise;
  const insert = end({
    writeBehavior: truncate && !altered && !recreate ? 'replace' : 'insert',
    tableOption: 'autoCreate',
  });
  return {
    allow: {
      insert: flag('insertable', true),
      update: flag('updateable', false),
      upsert: flag('upsertable', false),
      delete: flag('deletable', false),
    },
    insert,
    ...(altered
      ? {
          change: end({
            writeBehavior: 'applyChanges',
            tableOption: 'autoCreate',
            changeSettings: { keys, operationColumn: ROW_ACTION, exact: true },
          }),
        }
      : {}),
    ...(recreate ? { fresh: { statement: `DROP TABLE IF EXISTS ${tableName(place)}` } } : {}),
    ...(truncate && altered && !recreate ? { fresh: { statement: `DELETE FROM ${tableName(place)}` } } : {}),
  };
}

/** The table's name as its store quotes it. */
function tableName({ datasetType, dataset }: FlowPlace): string {
  const whole = typeof dataset['tableName'] === 'string' ? dataset['tableName'] : undefined;
  const parts =
    dataset['table'] === undefined && whole !== undefined
      ? [...whole.matchAll(/\[((?:[^\]]|\]\])+)\]|"((?:[^"]|"")+)"|([^.[\]"]+)/g)].map(
          (match) => match[1] ?? match[2] ?? match[3] ?? '',
        )
      : [dataset['schema'], dataset['table'] ?? dataset['tableName']].flatMap((part) =>
          typeof part === 'string' && part !== '' ? [part] : [],
        );
  const quote = /Sql(Server|MI)?Table$/.test(datasetType)
    ? datasetType.includes('Postgre')
      ? '"'
      : datasetType.includes('MySql')
        ? '`'
        : '['
    : '"';
  return parts
    .map((part) =>
      quote === '['
        ? `[${part.replaceAll(']', ']]')}]`
        : `${quote}${part.replaceAll(quote, quote + quote)}${quote}`,
    )
    .join('.');
}

function fileWriting(
  stream: Stream,
  place: FlowPlace,
  parameters: Parameters,
): Pick<SinkWriting, 'insert' | 'fresh'> {
  if (place.kind === 'excel')
    throw unsupported(stream, 'format', 'writes a workbook, which is only read, as in Data Factory');
  if (place.kind === 'delta')
    throw unsupported(stream, 'format', 'writes a Delta table, which data flows only read here');
  const names = textsOption(stream, 'partitionFileNames', parameters);
  if (names.length > 1)
    throw unsupported(stream, 'partitionFileNames', `names ${names.length} files; one is written`);
  const pattern = textOption(stream, 'filePattern', parameters)?.replaceAll('[n]', '1');
  const location = { ...((place.dataset['location'] ?? {}) as JsonObject) };
  const fileName = names[0] ?? pattern;
  if (fileName !== undefined) location['fileName'] = fileName;
  const quoteAll = flagOption(stream, 'quoteAll', parameters) === true;
  const { datasetType } = place;
  const { schema: _, ...dataset } = place.dataset;
  return {
    insert: {
      datasetType,
      dataset: { ...dataset, location },
      settings: {
        type: `${datasetType}Sink`,
        storeSettings: { type: String(location['type'] ?? '').replace(/Location$/, 'WriteSettings') },
        formatSettings: {
          type: `${datasetType}WriteSettings`,
          ...(quoteAll ? { quoteAllText: true } : {}),
          ...(datasetType === 'DelimitedText' && location['fileName'] === undefined
            ? { fileExtension: '.csv' }
            : {}),
        },
      },
    },
    ...(flagOption(stream, 'truncate', parameters) === true ? { fresh: { folder: true } } : {}),
  };
}
