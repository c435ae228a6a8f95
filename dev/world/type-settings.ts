// The local world's part for every type of linked service: so a factory runs here whatever its linked services are called.

/** One value of the settings file. */
export type SettingValue = string | number | { readonly env: string };

export interface TypeSettings {
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** For what neither the definition nor its connection string names. */
  readonly defaults: Readonly<Record<string, SettingValue>>;
}

type Named = Readonly<Record<string, Readonly<Record<string, SettingValue>>>>;

/** Names of databases are the definition's own business where it gives any. */
const NAMES = ['database', 'schema', 'warehouse'];

/** What no linked service of the example factory names: the folder of FileServer, the workspace of AzureDatabricks. */
interface Places {
  readonly files: string;
  readonly databricks: { readonly url: string; readonly tokenEnv: string };
}

/** Settings by ADF's type, made from those of the example factory's linked services. */
export function typeSettings(named: Named, { files, databricks }: Places): Record<string, TypeSettings> {
  const of = (name: string, more: Readonly<Record<string, SettingValue>> = {}): TypeSettings => {
    const entries = Object.entries({ ...named[name], ...more });
    const isName = ([key]: [string, SettingValue]): boolean => NAMES.includes(key);
    return {
      settings: Object.fromEntries(entries.filter((entry) => !isName(entry))),
      defaults: Object.fromEntries(entries.filter(isName)),
    };
  };
  const sqlServer = of('ls_sqlserver', { authenticationType: 'SQL', encrypt: 'true' });
  const snowflake = of('ls_snowflake', { authenticationType: 'Basic' });
  const postgres = of('ls_postgres');
  const mysql = of('ls_mysql');
  const s3 = of('ls_s3');
  const blob = of('ls_azure_blob', { authenticationType: 'AccountKey' });
  return {
    SqlServer: sqlServer,
    AzureSqlDatabase: sqlServer,
    AzureSqlMI: sqlServer,
    AmazonRdsForSqlServer: sqlServer,
    Snowflake: snowflake,
    SnowflakeV2: snowflake,
    PostgreSql: postgres,
    PostgreSqlV2: postgres,
    AzurePostgreSql: postgres,
    MySql: mysql,
    AzureMySql: mysql,
    AmazonS3: s3,
    AmazonS3Compatible: s3,
    AzureBlobStorage: blob,
    AzureBlobFS: blob,
    FileServer: { settings: { host: files }, defaults: {} },
    AzureDatabricks: {
      settings: {
        domain: databricks.url,
        accessToken: { env: databricks.tokenEnv },
        // Clusters of another workspace are not here: its jobs run on compute of their own.
        existingClusterId: '',
      },
      defaults: {},
    },
  };
}
