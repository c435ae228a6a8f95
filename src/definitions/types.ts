// Which of Data Factory's types exist and which of them waybill runs.

/** Activities that waybill runs. */
export const RUNNABLE_ACTIVITIES = [
  'AppendVariable',
  'AzureFunctionActivity',
  'Copy',
  'ExecutePipeline',
  'Fail',
  'Filter',
  'ForEach',
  'IfCondition',
  'Lookup',
  'Script',
  'SetVariable',
  'SqlServerStoredProcedure',
  'Switch',
  'Until',
  'Wait',
  'WebActivity',
  'WebHook',
] as const;

/** Activities that exist in Data Factory, Synapse or Fabric but that waybill does not run yet. */
const OTHER_ACTIVITIES = [
  'AzureDataExplorerCommand',
  'AzureMLBatchExecution',
  'AzureMLExecutePipeline',
  'AzureMLUpdateResource',
  'Custom',
  'DatabricksJob',
  'DatabricksNotebook',
  'DatabricksSparkJar',
  'DatabricksSparkPython',
  'DataLakeAnalyticsU-SQL',
  'Delete',
  'ExecuteDataFlow',
  'ExecutePowerQuery',
  'ExecuteSSISPackage',
  'ExecuteWranglingDataflow',
  'ExecuteDataverse',
  'GetMetadata',
  'HDInsightHive',
  'HDInsightMapReduce',
  'HDInsightPig',
  'HDInsightSpark',
  'HDInsightStreaming',
  'InvokePipeline',
  'Office365Outlook',
  'RefreshDataflow',
  'SparkJob',
  'SqlPoolStoredProcedure',
  'SynapseNotebook',
  'Teams',
  'TridentNotebook',
  'Validation',
] as const;

/** Stores that waybill has a connector for: linked service, dataset, Copy source and sink types. */
export const SUPPORTED = {
  linkedService: [
    'SqlServer',
    'AzureSqlDatabase',
    'AzureSqlMI',
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
    'DeltaLake',
    'AzureFunction',
  ],
  dataset: [
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
    'DelimitedText',
    'Json',
    'Parquet',
    'DeltaTable',
  ],
  source: [
    'SqlServerSource',
    'AzureSqlSource',
    'SqlMISource',
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
    'DeltaSource',
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
    'ParquetSink',
    'DeltaSink',
  ],
} as const;

export type StoreRole = keyof typeof SUPPORTED;

/** Words that Data Factory's own type names are made of, apart from the supported ones; "Source" and the like follow. */
const OTHER_STORES =
  `AmazonMWS AmazonRdsForOracle AmazonRdsForSqlServer AmazonRedshift AmazonS3Compatible AppFigures
Asana AzureBatch AzureBlobFS AzureBlob AzureBlobStorage AzureDatabricks AzureDatabricksDeltaLake AzureDataExplorer
AzureDataLakeAnalytics AzureDataLakeStore AzureFileStorage AzureFunction AzureKeyVault AzureMariaDB AzureML
AzureMLService AzureMySql AzureSearch AzureSearchIndex AzureSqlDW AzureStorage AzureSynapseArtifacts AzureTable
AzureTableStorage Binary Avro Blob Cassandra CommonDataServiceForApps Concur CosmosDb CosmosDbMongoDbApi
CosmosDbSqlApi CosmosDbSqlApiCollection Couchbase CustomDataSource Dataworld Db2 Dataverse Drill Dynamics DynamicsAX
DynamicsCrm Eloqua Excel FileServer FileSystem FtpServer GoogleAdWords GoogleBigQuery GoogleBigQueryV2
GoogleCloudStorage GoogleSheets Greenplum HBase HDInsight HDInsightOnDemand Hdfs Hive Http HttpServer Hubspot Iceberg
Impala Informix Jira Json Lakehouse LakehouseTable Magento MariaDB Marketo MicrosoftAccess Mongo MongoDb MongoDbAtlas
MongoDbV2 MySql Netezza OData Odbc Office365 Oracle OracleCloudStorage OracleServiceCloud Orc Parquet Paypal Phoenix
Presto QuickBooks Quickbase Relational Responsys Rest RestService RestResource Salesforce SalesforceMarketingCloud
SalesforceServiceCloud SalesforceServiceCloudV2 SalesforceV2 SapBw SapCloudForCustomer SapEcc SapHana SapOdp
SapOpenHub SapTable ServiceNow ServiceNowV2 SharePointOnlineList Sftp Shopify Smartsheet Spark SqlDW Square Sybase
TeamDesk Teradata Twilio Vertica Warehouse Web WebTable Xero Xml Zendesk Zoho CosmosDbForNoSql AzureDataLakeStoreFile
Object File Fileshare FileShare SharePointOnlineListResource ODataResource WarehouseTable SapCloudForCustomerResource
SapEccResource SapOdpResource DynamicsEntity DynamicsCrmEntity CommonDataServiceForAppsEntity SalesforceObject
SalesforceV2Object SalesforceServiceCloudObject GoogleBigQueryObject GoogleBigQueryV2Object DynamicsAXResource
AmazonS3Object HttpFile MongoDbCollection MongoDbV2Collection MongoDbAtlasCollection CosmosDbMongoDbApiCollection
DocumentDb DocumentDbCollection HubspotObject JiraObject ServiceNowObject ServiceNowV2Object ZohoObject MarketoObject
ConcurObject ShopifyObject SquareObject XeroObject PaypalObject QuickBooksObject EloquaObject ResponsysObject
MagentoObject GoogleAdWordsObject OracleServiceCloudObject SalesforceMarketingCloudObject SalesforceServiceCloudV2Object
DrillTable PhoenixTable`.split(/\s+/);

const SUFFIX: Readonly<Record<StoreRole, readonly string[]>> = {
  linkedService: ['', 'V2'],
  dataset: ['', 'Table', 'Object', 'V2Table', 'TableV2'],
  source: ['Source', 'V2Source', 'ReadSource'],
  sink: ['Sink', 'V2Sink', 'WriteSink'],
};

const canonicalActivities = new Map<string, string>(
  [...RUNNABLE_ACTIVITIES, ...OTHER_ACTIVITIES].map((type) => [type.toLowerCase(), type]),
);
const runnable = new Set<string>(RUNNABLE_ACTIVITIES);

/** ADF's spelling of an activity type, or undefined where there is no such type. */
export const activityType = (type: string): string | undefined => canonicalActivities.get(type.toLowerCase());

export const isRunnableActivity = (type: string): boolean => runnable.has(type);

export const activityTypes = (): string[] => [...canonicalActivities.values()];

const stores = new Map<StoreRole, { supported: Map<string, string>; known: Set<string> }>();
for (const role of Object.keys(SUPPORTED) as StoreRole[]) {
  stores.set(role, {
    supported: new Map(SUPPORTED[role].map((type) => [type.toLowerCase(), type])),
    known: new Set(
      OTHER_STORES.flatMap((name) => SUFFIX[role].map((suffix) => (name + suffix).toLowerCase())),
    ),
  });
}

/** What waybill makes of a store's type: its spelling in ADF where a connector exists, else whether ADF has it. */
export function storeType(
  role: StoreRole,
  type: string,
): { verdict: 'supported'; type: string } | { verdict: 'unsupported' | 'unknown' } {
  const entry = stores.get(role);
  const supported = entry?.supported.get(type.toLowerCase());
  if (supported !== undefined) return { verdict: 'supported', type: supported };
  return { verdict: entry?.known.has(type.toLowerCase()) ? 'unsupported' : 'unknown' };
}
