// A running world as its users see it: where each engine answers, and the environment that points a process at it.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectPath } from '../cache.ts';
import { dbtPath } from '../setup/dbt.ts';
import { dataFlowSettings } from './data-flow-settings.ts';
import {
  awsEnvironment,
  kinesisEnvironment,
  landingContainer,
  mysqlUser,
  region,
  s3Address,
  servingDatabase,
} from './engines.ts';
import { sparkVariables } from './spark-home.ts';
import {
  type EngineName,
  ensureSecrets,
  readConfig,
  type Secrets,
  type WorldConfig,
  type WorldState,
  writeWhole,
} from './state.ts';
import { type SettingValue, typeSettings } from './type-settings.ts';

/** Addresses of a world's engines. Passwords are not in it: their variables are named, and set in `env`. */
export interface World {
  readonly name: string;
  readonly directory: string;
  /** The engines that run in it: the addresses of others lead nowhere. */
  readonly engines: readonly EngineName[];
  readonly temporal: { readonly address: string; readonly uiUrl: string; readonly namespace: string };
  readonly postgres: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  };
  readonly mysql: {
    readonly server: string;
    readonly port: number;
    readonly user: string;
    readonly passwordEnv: string;
    readonly database: string;
    readonly caFile: string;
  };
  readonly sqlServer: {
    readonly server: string;
    readonly port: number;
    readonly user: string;
    readonly passwordEnv: string;
    readonly caFile: string;
  };
  readonly snowflake: {
    readonly url: string;
    readonly account: string;
    readonly user: string;
    readonly passwordEnv: string;
    readonly privateKeyFile: string;
  };
  readonly s3: { readonly endpoint: string; readonly region: string };
  readonly azureBlob: {
    /** The account's blob endpoint. */
    readonly endpoint: string;
    readonly container: string;
    readonly accountKeyEnv: string;
  };
  /** Where Kafka answers, in a world that runs one. */
  readonly kafka: { readonly servers: string };
  readonly emr: { readonly endpoint: string; readonly requestLog: string };
  readonly emrServerless: { readonly endpoint: string; readonly requestLog: string };
  readonly databricks: { readonly url: string; readonly tokenEnv: string; readonly requestLog: string };
  /** The settings file that points linked services at this world; also WAYBILL_CONFIG in `env`. */
  readonly configFile: string;
  /** The Python with PySpark and the data set. */
  readonly python: string;
  /** All that a worker or client process needs besides its own environment; holds the passwords. */
  readonly env: Readonly<Record<string, string>>;
}

/** Describes the world that `state` says is up, and writes its settings file. */
export async function describeWorld(state: WorldState): Promise<World> {
  const { directory } = state;
  const config = readConfig(directory);
  if (!config)
    throw new Error(`${directory}/config.json is missing: run \`waybill dev down\`, then \`waybill dev up\``);
  const ports: Record<string, number> = Object.assign(
    {},
    ...Object.values(state.engines).map(({ ports }) => ports),
  );
  const secrets = await ensureSecrets(directory);
  ports['door'] = await doorPort(directory);
  const world = assemble(state, config, ports, secrets);
  await mkdir(join(directory, 'files'), { recursive: true });
  await writeWhole(world.configFile, settingsFile(world));
  const { python, jars, classData } = config.setup;
  const spark = await sparkVariables(directory, {
    sparkHome: python.sparkHome,
    python: python.python,
    jars,
    ...(classData && { classData }),
    s3Endpoint: world.s3.endpoint,
    region: world.s3.region,
  });
  return { ...world, env: { ...world.env, ...spark, WAYBILL_DBT: await dbtPath() } };
}

/** Where the world's HTTP door listens while somebody runs one; of a world of an older version, the usual place. */
async function doorPort(directory: string): Promise<number> {
  const text = await readFile(join(directory, 'ports.json'), 'utf8').catch(() => '{}');
  return (JSON.parse(text) as { door?: number }).door ?? 8080;
}

function assemble(
  state: WorldState,
  config: WorldConfig,
  ports: Record<string, number>,
  secrets: Secrets,
): World {
  const { name, directory } = state;
  const at = (port: string): string => `127.0.0.1:${ports[port] ?? 0}`;
  const configFile = join(directory, 'waybill.local.toml');
  const { keys, python } = config.setup;
  return {
    name,
    directory,
    engines: Object.keys(state.engines) as EngineName[],
    temporal: { address: at('temporal'), uiUrl: `http://${at('temporal-ui')}`, namespace: 'default' },
    postgres: {
      host: '127.0.0.1',
      port: ports['postgres'] ?? 0,
      user: 'postgres',
      database: servingDatabase,
    },
    mysql: {
      server: 'localhost',
      port: ports['mysql'] ?? 0,
      user: mysqlUser,
      passwordEnv: 'WAYBILL_LOCAL_MYSQL_PASSWORD',
      database: servingDatabase,
      caFile: keys.caCertificate,
    },
    sqlServer: {
      server: 'localhost',
      port: ports['sqlserver'] ?? 0,
      user: 'sa',
      passwordEnv: 'WAYBILL_LOCAL_SQLSERVER_PASSWORD',
      caFile: keys.caCertificate,
    },
    snowflake: {
      url: `http://${at('snowflake')}`,
      account: 'local',
      user: 'WAYBILL',
      passwordEnv: 'WAYBILL_LOCAL_SNOWFLAKE_PASSWORD',
      privateKeyFile: keys.snowflakePrivateKey,
    },
    s3: { endpoint: s3Address(config, ports), region },
    azureBlob: {
      endpoint: `http://${at('azure-blob')}/waybill`,
      container: landingContainer,
      accountKeyEnv: 'WAYBILL_LOCAL_AZURE_ACCOUNT_KEY',
    },
    kafka: { servers: at('kafka') },
    emr: { endpoint: `http://${at('emr')}`, requestLog: join(directory, 'emr', 'requests.jsonl') },
    emrServerless: {
      endpoint: `http://${at('emr-serverless')}`,
      requestLog: join(directory, 'emr-serverless', 'requests.jsonl'),
    },
    databricks: {
      url: `http://${at('databricks')}`,
      tokenEnv: 'WAYBILL_LOCAL_DATABRICKS_TOKEN',
      requestLog: join(directory, 'databricks', 'requests.jsonl'),
    },
    configFile,
    python: python.python,
    env: {
      TEMPORAL_ADDRESS: at('temporal'),
      TEMPORAL_NAMESPACE: 'default',
      AWS_ENDPOINT_URL_S3: s3Address(config, ports),
      AWS_ENDPOINT_URL_EMR: `http://${at('emr')}`,
      AWS_ENDPOINT_URL_EMR_SERVERLESS: `http://${at('emr-serverless')}`,
      ...kinesisEnvironment(config, ports),
      ...('kafka' in state.engines ? { WAYBILL_LOCAL_KAFKA: at('kafka') } : {}),
      ...awsEnvironment(secrets),
      WAYBILL_CONFIG: configFile,
      WAYBILL_LOCAL_SQLSERVER_PASSWORD: secrets.sqlServerPassword,
      WAYBILL_LOCAL_SNOWFLAKE_PASSWORD: secrets.snowflakePassword,
      WAYBILL_LOCAL_MYSQL_PASSWORD: secrets.mysqlPassword,
      WAYBILL_LOCAL_AZURE_ACCOUNT_KEY: secrets.azureAccountKey,
      WAYBILL_LOCAL_DATABRICKS_TOKEN: secrets.databricksToken,
      DATABRICKS_HOST: `http://${at('databricks')}`,
      DATABRICKS_TOKEN: secrets.databricksToken,
      WAYBILL_SERVER_PORT: String(ports['door']),
      WAYBILL_PUBLIC_URL: `http://${at('door')}`,
      WAYBILL_SIGNING_KEY: secrets.signingKey,
      WAYBILL_EVENT_KEY: secrets.eventKey,
      WAYBILL_API_KEY: secrets.apiKey,
      WAYBILL_PAYLOAD_KEY: secrets.payloadKey,
    },
  };
}

function settingsFile({
  name,
  directory,
  sqlServer,
  snowflake,
  postgres,
  mysql,
  s3,
  azureBlob,
  databricks,
}: World): string {
  const linkedServices: Record<string, Record<string, SettingValue>> = {
    ls_sqlserver: {
      server: `${sqlServer.server},${sqlServer.port}`,
      database: 'nycflights',
      userName: sqlServer.user,
      password: { env: sqlServer.passwordEnv },
      caFile: sqlServer.caFile,
    },
    ls_snowflake: {
      host: snowflake.url,
      accountIdentifier: snowflake.account,
      user: snowflake.user,
      password: { env: snowflake.passwordEnv },
      database: 'NYCFLIGHTS',
      schema: 'PUBLIC',
      warehouse: 'LOCAL',
    },
    ls_postgres: {
      server: postgres.host,
      port: postgres.port,
      username: postgres.user,
      database: postgres.database,
      sslMode: 'disable',
    },
    ls_mysql: {
      server: mysql.server,
      port: mysql.port,
      username: mysql.user,
      password: { env: mysql.passwordEnv },
      database: mysql.database,
      caFile: mysql.caFile,
    },
    ls_s3: { region: s3.region, serviceUrl: s3.endpoint },
    ls_azure_blob: { serviceEndpoint: azureBlob.endpoint, accountKey: { env: azureBlob.accountKeyEnv } },
  };
  const types = typeSettings(linkedServices, { files: join(directory, 'files'), databricks });
  const lines = [`# Written by waybill for the local world "${name}" at every start: changes here are lost.`];
  // Below the cache directory there is no factory: the one of this repository, unless WAYBILL_FACTORY_DIRECTORY says so.
  lines.push('', `factoryDirectory = ${toml(projectPath('factory'))}`, 'sparkPollSeconds = 1');
  // What Web activities call in a local world is on this machine.
  lines.push('', '[web]', 'allow = ["localhost", "127.0.0.0/8", "::1/128"]');
  lines.push('', ...dataFlowSettings());
  for (const [service, settings] of Object.entries(linkedServices)) {
    lines.push('', `[linkedService.${service}]`);
    for (const [key, value] of Object.entries(settings)) lines.push(`${key} = ${toml(value)}`);
  }
  // Whatever the linked services of another factory are called: by its type each finds its stand-in.
  for (const [type, { defaults, settings }] of Object.entries(types)) {
    lines.push('', `[linkedServiceType.${type}]`);
    for (const [key, value] of Object.entries(settings)) lines.push(`${key} = ${toml(value)}`);
    if (Object.keys(defaults).length > 0)
      lines.push(
        `defaults = { ${Object.entries(defaults)
          .map(([key, value]) => `${key} = ${toml(value)}`)
          .join(', ')} }`,
      );
  }
  return `${lines.join('\n')}\n`;
}

function toml(value: SettingValue): string {
  // A JSON string is a TOML basic string, for what addresses, names and paths can hold.
  return typeof value === 'object' ? `{ env = ${JSON.stringify(value.env)} }` : JSON.stringify(value);
}
