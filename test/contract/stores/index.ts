// Every store the contract suite knows. A connector of the registry without one fails the suite.
import { azureBlobStore } from './azure-blob.ts';
import { fileServerStore } from './file-server.ts';
import { mysqlStore } from './mysql.ts';
import { postgresStore } from './postgres.ts';
import { s3Store } from './s3.ts';
import { snowflakeStore } from './snowflake.ts';
import { sqlServerStore } from './sql-server.ts';
import type { Store } from './store.ts';

export const allStores = (): Store[] => [
  postgresStore(),
  sqlServerStore(),
  mysqlStore(),
  snowflakeStore(),
  s3Store('DelimitedText'),
  s3Store('Parquet'),
  azureBlobStore('DelimitedText'),
  azureBlobStore('Parquet'),
  fileServerStore('DelimitedText'),
];
