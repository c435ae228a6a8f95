// What dbt's process finds in its environment: what it needs of the machine, and what a linked service says.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { rememberSecret } from '../../config/redaction.ts';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of the worker that dbt gets too. The worker's secrets are none of dbt's business. */
const PASSED_ON =
  /^(PATH|LANG|LC_\w+|TZ|TMPDIR|JAVA_HOME|SPARK_\w+|PYSPARK_\w+|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)$/i;

export const machineEnvironment = (env: Environment, home: string): Record<string, string> => ({
  ...picked(env, PASSED_ON),
  ...sparkModules(env['SPARK_HOME']),
  HOME: home,
  DBT_SEND_ANONYMOUS_USAGE_STATS: 'false',
});

const picked = (env: Environment, names: RegExp): Record<string, string> =>
  defined(Object.fromEntries(Object.entries(env).filter(([name]) => names.test(name))));

/** Every Spark brings its Python side along: dbt's environment holds none, and so any version's is the right one. */
function sparkModules(home: string | undefined): Record<string, string> {
  if (!home) return {};
  const library = join(home, 'python', 'lib');
  const archives = existsSync(library) ? readdirSync(library).filter((name) => name.endsWith('.zip')) : [];
  return archives.length === 0 ? {} : { PYTHONPATH: archives.map((name) => join(library, name)).join(':') };
}

/**
 * Variables that dbt/profiles.yml reads, or a Spark session in dbt's process, from a linked service. `env` is the
 * worker's own, for what a linked service leaves to it. Throws DEFINITION_UNSUPPORTED, SETTINGS_INVALID.
 */
export function storeEnvironment(
  service: ConnectedLinkedService,
  env: Environment = {},
): Record<string, string> {
  const properties = new Map(
    Object.entries(service.properties).map(([key, value]) => [key.toLowerCase(), value]),
  );
  const text = (...keys: string[]): string | undefined => {
    for (const key of keys) {
      const value = properties.get(key.toLowerCase());
      if ((typeof value === 'string' && value !== '') || typeof value === 'number') return String(value);
    }
    return undefined;
  };
  const need = (...keys: string[]): string => {
    const value = text(...keys);
    if (value !== undefined) return value;
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service ${service.name} lacks "${keys[0]}", which dbt needs.`,
      { linkedService: service.name, key: String(keys[0]) },
    );
  };
  const secret = (...keys: string[]): string => {
    const value = need(...keys);
    rememberSecret(value);
    return value;
  };
  switch (service.type) {
    case 'SnowflakeV2':
      return defined({
        DBT_SNOWFLAKE_ACCOUNT: need('accountIdentifier', 'account'),
        ...address(text('host', 'server')),
        DBT_SNOWFLAKE_USER: need('user'),
        DBT_ENV_SECRET_SNOWFLAKE_PASSWORD: secret('password'),
        DBT_SNOWFLAKE_ROLE: text('role'),
        DBT_SNOWFLAKE_WAREHOUSE: text('warehouse'),
        DBT_SNOWFLAKE_DATABASE: need('database'),
      });
    case 'AzureDatabricks':
    case 'AzureDatabricksDeltaLake':
      return defined({
        DBT_DATABRICKS_HOST: need('domain', 'host')
          .replace(/^https?:\/\//i, '')
          .replace(/\/+$/, ''),
        DBT_DATABRICKS_HTTP_PATH: need('httpPath'),
        DBT_ENV_SECRET_DATABRICKS_TOKEN: secret('accessToken'),
        DBT_DATABRICKS_CATALOG: text('catalog'),
      });
    case 'AmazonRedshift':
    case 'PostgreSqlV2':
    case 'AzurePostgreSql':
      return defined({
        DBT_POSTGRES_HOST: need('server', 'host'),
        DBT_POSTGRES_PORT: text('port') ?? (service.type === 'AmazonRedshift' ? '5439' : '5432'),
        DBT_POSTGRES_USER: need('username', 'user'),
        DBT_ENV_SECRET_POSTGRES_PASSWORD: secret('password'),
        DBT_POSTGRES_DATABASE: need('database'),
      });
    case 'AmazonS3':
    case 'AmazonS3Compatible':
      // As for a copy: without keys of its own, whatever the machine has.
      return text('accessKeyId') !== undefined && text('secretAccessKey') !== undefined
        ? defined({
            AWS_REGION: text('region') ?? env['AWS_REGION'],
            AWS_ACCESS_KEY_ID: need('accessKeyId'),
            AWS_SECRET_ACCESS_KEY: secret('secretAccessKey'),
            AWS_SESSION_TOKEN: text('sessionToken') === undefined ? undefined : secret('sessionToken'),
          })
        : { ...picked(env, /^AWS_\w+$/), ...defined({ AWS_REGION: text('region') ?? env['AWS_REGION'] }) };
    default:
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `dbt cannot be run on linked service ${service.name} of type ${service.type}: SnowflakeV2, AzureDatabricks, AmazonRedshift and PostgreSqlV2 are, and AmazonS3 for what a Spark session reads.`,
        { linkedService: service.name, type: service.type },
      );
  }
}

/** A Snowflake host as its parts; a full URL is what a stand-in or a private link is named by. */
function address(host: string | undefined): Record<string, string> {
  if (host === undefined) return {};
  const url = new URL(/^https?:\/\//i.test(host) ? host : `https://${host}`);
  const protocol = url.protocol.replace(':', '');
  return {
    DBT_SNOWFLAKE_HOST: url.hostname,
    DBT_SNOWFLAKE_PORT: url.port || (protocol === 'http' ? '80' : '443'),
    DBT_SNOWFLAKE_PROTOCOL: protocol,
  };
}

const defined = (values: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
