// Finds a connector by the linked service's type. Drivers load when a connector is first used, not before.
import { WaybillError } from '../core/errors.ts';
import type { Connector } from './connector.ts';

const sqlServer = async (): Promise<Connector> => (await import('./sql-server/index.ts')).sqlServer;
const snowflake = async (): Promise<Connector> => (await import('./snowflake/index.ts')).snowflake;
const postgres = async (): Promise<Connector> => (await import('./postgres/index.ts')).postgres;
const mysql = async (): Promise<Connector> => (await import('./mysql/index.ts')).mysql;
const s3 = async (): Promise<Connector> => (await import('./s3/index.ts')).s3;
const azureBlob = async (): Promise<Connector> => (await import('./azure-blob/index.ts')).azureBlob;
const fileSystem = async (): Promise<Connector> => (await import('./file-system/index.ts')).fileSystem;
const httpServer = async (): Promise<Connector> => (await import('./http-server/index.ts')).httpServer;
const rest = async (): Promise<Connector> => (await import('./rest/index.ts')).rest;

/** Linked-service type (as ADF spells it) to connector. The contract suite has a harness for each. */
export const CONNECTORS: Readonly<Record<string, () => Promise<Connector>>> = {
  SqlServer: sqlServer,
  AzureSqlDatabase: sqlServer,
  AzureSqlMI: sqlServer,
  AmazonRdsForSqlServer: sqlServer,
  SnowflakeV2: snowflake,
  Snowflake: snowflake,
  AzurePostgreSql: postgres,
  PostgreSqlV2: postgres,
  PostgreSql: postgres,
  MySql: mysql,
  AzureMySql: mysql,
  AmazonS3: s3,
  AmazonS3Compatible: s3,
  AzureBlobStorage: azureBlob,
  AzureBlobFS: azureBlob,
  FileServer: fileSystem,
  HttpServer: httpServer,
  RestService: rest,
};

/** The connector of a linked service's type. Throws DEFINITION_UNSUPPORTED for a type there is none for. */
export const connectorFor = async (type: string): Promise<Connector> => {
  const load = CONNECTORS[type];
  if (load === undefined) {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `There is no connector for linked services of type ${type}.`,
      {
        type,
        supported: Object.keys(CONNECTORS).join(', '),
      },
    );
  }
  return load();
};
