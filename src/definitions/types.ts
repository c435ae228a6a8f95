// Which of Data Factory's types exist and which of them waybill runs.
import { nearestName } from '../core/nearest-name.ts';
import { ADF_TYPES } from './adf-types.ts';

/** Activities that waybill runs. */
export const RUNNABLE_ACTIVITIES = [
  'AppendVariable',
  'AzureFunctionActivity',
  'Copy',
  'DatabricksJob',
  'DatabricksNotebook',
  'DatabricksSparkJar',
  'DatabricksSparkPython',
  'Delete',
  'ExecuteDataFlow',
  'ExecutePipeline',
  'Fail',
  'Filter',
  'ForEach',
  'GetMetadata',
  'IfCondition',
  'Lookup',
  'Script',
  'SetVariable',
  'SqlServerStoredProcedure',
  'Switch',
  'Until',
  'Validation',
  'Wait',
  'WaybillDbt',
  'WaybillLakehouse',
  'WebActivity',
  'WebHook',
] as const;

/** Stores that waybill has a connector for: linked service, dataset, Copy source and sink types. */
export const SUPPORTED = {
  linkedService: [
    'SqlServer',
    'AzureSqlDatabase',
    'AzureSqlMI',
    'AmazonRdsForSqlServer',
    'Snowflake',
    'SnowflakeV2',
    'PostgreSql',
    'PostgreSqlV2',
    'AzurePostgreSql',
    'MySql',
    'AzureMySql',
    'AmazonS3',
    'AmazonS3Compatible',
    'AzureBlobStorage',
    'AzureBlobFS',
    'FileServer',
    'HttpServer',
    'RestService',
    'DeltaLake',
    'AzureFunction',
    'AzureDatabricks',
  ],
  dataset: [
    'SqlServerTable',
    'AzureSqlTable',
    'AzureSqlMITable',
    'AmazonRdsForSqlServerTable',
    'SnowflakeTable',
    'SnowflakeV2Table',
    'PostgreSqlTable',
    'PostgreSqlV2Table',
    'AzurePostgreSqlTable',
    'MySqlTable',
    'AzureMySqlTable',
    'DelimitedText',
    'Json',
    'Parquet',
    'Binary',
    'Avro',
    'Excel',
    'RestResource',
    'DeltaTable',
    // From before formats were datasets of their own: legacy-files.ts.
    'AzureBlob',
    'AzureBlobFSFile',
    'FileShare',
  ],
  source: [
    'SqlServerSource',
    'AzureSqlSource',
    'SqlMISource',
    'AmazonRdsForSqlServerSource',
    'SqlSource',
    'SnowflakeSource',
    'SnowflakeV2Source',
    'PostgreSqlSource',
    'PostgreSqlV2Source',
    'AzurePostgreSqlSource',
    'MySqlSource',
    'AzureMySqlSource',
    'DelimitedTextSource',
    'JsonSource',
    'ParquetSource',
    'BinarySource',
    'AvroSource',
    'ExcelSource',
    'RestSource',
    'DeltaSource',
    'BlobSource',
    'AzureBlobFSSource',
    'FileSystemSource',
  ],
  sink: [
    'SqlServerSink',
    'AzureSqlSink',
    'SqlMISink',
    'SqlSink',
    'SnowflakeSink',
    'SnowflakeV2Sink',
    'PostgreSqlV2Sink',
    'AzurePostgreSqlSink',
    'MySqlSink',
    'AzureMySqlSink',
    'DelimitedTextSink',
    'JsonSink',
    'AvroSink',
    'ParquetSink',
    'BinarySink',
    'DeltaSink',
    'BlobSink',
    'AzureBlobFSSink',
    'FileSystemSink',
  ],
} as const;

export type StoreRole = keyof typeof SUPPORTED;

const canonicalActivities = new Map<string, string>(
  [...ADF_TYPES.activity, ...RUNNABLE_ACTIVITIES].map((type) => [type.toLowerCase(), type]),
);
const runnable = new Set<string>(RUNNABLE_ACTIVITIES);

/** ADF's spelling of an activity type, or undefined where there is no such type. */
export const activityType = (type: string): string | undefined => canonicalActivities.get(type.toLowerCase());

export const isRunnableActivity = (type: string): boolean => runnable.has(type);

/** Older names of what has another name today. */
const RENAMED: Readonly<Partial<Record<StoreRole, Readonly<Record<string, string>>>>> = {
  linkedService: { azurestorage: 'AzureBlobStorage' },
};

const stores = new Map<StoreRole, { supported: Map<string, string>; known: Set<string> }>();
for (const role of Object.keys(SUPPORTED) as StoreRole[]) {
  stores.set(role, {
    supported: new Map([
      ...SUPPORTED[role].map((type): [string, string] => [type.toLowerCase(), type]),
      ...Object.entries(RENAMED[role] ?? {}),
    ]),
    known: new Set(ADF_TYPES[role].map((type) => type.toLowerCase())),
  });
}

/** A type that nothing knows is a typing error where a known one is this near, and else one that came after waybill. */
const TYPING_ERROR = 3;

/** The activity type that must have been meant; undefined where the type is known or resembles none. */
export const mistypedActivity = (type: string): string | undefined =>
  activityType(type) === undefined
    ? nearestName(type, canonicalActivities.values(), TYPING_ERROR)
    : undefined;

type StoreVerdict =
  | { readonly verdict: 'supported'; readonly type: string }
  | { readonly verdict: 'unsupported' }
  | { readonly verdict: 'unknown'; readonly near: string };

/** What waybill makes of a store's type: its spelling in ADF where a connector exists, else whether ADF may have it. */
export function storeType(role: StoreRole, type: string): StoreVerdict {
  const entry = stores.get(role);
  const supported = entry?.supported.get(type.toLowerCase());
  if (supported !== undefined) return { verdict: 'supported', type: supported };
  if (entry?.known.has(type.toLowerCase())) return { verdict: 'unsupported' };
  const near = nearestName(type, [...SUPPORTED[role], ...ADF_TYPES[role]], TYPING_ERROR);
  return near === undefined ? { verdict: 'unsupported' } : { verdict: 'unknown', near };
}
