// The engines of a world: how each is started, when it is ready, how it is asked to stop.
import { execFile } from 'node:child_process';
import { access, chown, copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { projectPath } from '../cache.ts';
import { dbtPath } from '../setup/dbt.ts';
import { ensureKafka } from '../setup/jars.ts';
import { ensureMariadb, type MariadbPrograms } from '../setup/mariadb.ts';
import { readVersions } from '../setup/python.ts';
import { runCommand } from '../setup/run-command.ts';
import { isListening } from './ports.ts';
import {
  type EngineName,
  makePrivate,
  mysqlDataDirectory,
  postgresDataDirectory,
  type Secrets,
  type WorldConfig,
} from './state.ts';

/** What an engine is started with. */
export interface EngineContext {
  readonly config: WorldConfig;
  readonly secrets: Secrets;
  /** Every port of the world, by its name; an engine's first port has the engine's name. */
  readonly ports: Readonly<Record<string, number>>;
}

/** A command line, and what it needs around it. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** One engine of the world. */
export interface Engine {
  readonly name: EngineName;
  readonly needs: readonly EngineName[];
  readonly ports: readonly string[];
  /** Asks it to end in good order; SIGTERM unless said. */
  readonly stopSignal?: NodeJS.Signals;
  readonly launch: (context: EngineContext) => Promise<Launch>;
  /** True when it runs elsewhere: it is not started then, only looked for. */
  readonly external?: (config: WorldConfig) => boolean;
  /**
   * How readiness shows: 'announces' means that the program prints {"ready":true} on stdout;
   * otherwise a probe that is asked again until it says true.
   */
  readonly ready: 'announces' | ((context: EngineContext) => Promise<boolean>);
  readonly version: (context: EngineContext) => Promise<string>;
}

/** Search attributes that runs are found by; the same names as in src/core. */
export const searchAttributes: Readonly<Record<string, string>> = {
  WaybillPipeline: 'Keyword',
  WaybillTrigger: 'Keyword',
  WaybillStage: 'Keyword',
  WaybillWindowStart: 'Datetime',
};

export const region = 'us-east-1';

const temporal: Engine = {
  name: 'temporal',
  needs: [],
  ports: ['temporal', 'temporal-ui'],
  launch: async ({ config, ports }) => ({
    command: config.setup.temporal.temporal,
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(ports['temporal'])],
      ...['--ui-port', String(ports['temporal-ui']), '--ui-disable-news-fetch', '--log-level', 'warn'],
      // In a file, so that history survives a restart; WAL, because it halves the latency of every step.
      ...['--db-filename', join(config.directory, 'temporal.db')],
      ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
      // One queue read per 50 ms by default: 250 ms for four small steps. And one partition, for one worker.
      ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'],
      ...['--dynamic-config-value', 'matching.numTaskqueueReadPartitions=1'],
      ...['--dynamic-config-value', 'matching.numTaskqueueWritePartitions=1'],
      ...Object.entries(searchAttributes).flatMap(([name, type]) => [
        '--search-attribute',
        `${name}=${type}`,
      ]),
    ],
  }),
  ready: async ({ config, ports }) => {
    if (!(await isListening(ports['temporal'] ?? 0))) return false;
    const query = ['operator', 'search-attribute', 'list', '--address', `127.0.0.1:${ports['temporal']}`];
    const output = await promisify(execFile)(config.setup.temporal.temporal, query, {
      env: ownEnvironment(),
      timeout: 10_000,
    }).catch(() => undefined);
    return Object.keys(searchAttributes).every((name) => output?.stdout.includes(name));
  },
  version: async ({ config }) => config.setup.temporal.version,
};

const postgres: Engine = {
  name: 'postgres',
  needs: [],
  ports: ['postgres'],
  // Fast shutdown: SIGTERM would wait until every client has gone.
  stopSignal: 'SIGINT',
  launch: async ({ config, ports }) => {
    const { bin, user } = config.setup.postgres;
    const data = await ensurePostgresData(config);
    const settings = {
      port: ports['postgres'],
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: 200,
      timezone: 'UTC',
      log_timezone: 'UTC',
      // Survives the death of any process; only a crash of the whole machine may cost this local data.
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
    };
    return {
      command: join(bin, 'postgres'),
      args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      cwd: data,
      ...(user && { user }),
    };
  },
  ready: async ({ ports }) => {
    const client = new pg.Client({ host: '127.0.0.1', port: ports['postgres'] ?? 0, user: 'postgres' });
    try {
      await client.connect();
      const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [
        servingDatabase,
      ]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${servingDatabase}`);
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => {});
    }
  },
  version: async ({ config }) => config.setup.postgres.version,
};

const mysqlEngine: Engine = {
  name: 'mysql',
  needs: [],
  ports: ['mysql'],
  launch: async ({ config, ports, secrets }) => {
    const programs = await mariadbPrograms(config);
    const data = await ensureMysqlData(config, programs, secrets);
    const settings = {
      basedir: programs.baseDirectory,
      datadir: data,
      port: ports['mysql'],
      'bind-address': '127.0.0.1',
      // Below the data directory, whatever length its path has.
      socket: 'mysql.sock',
      'pid-file': 'mysql.pid',
      'init-file': join(data, MYSQL_FILES.init),
      'ssl-ca': join(data, MYSQL_FILES.authority),
      'ssl-cert': join(data, MYSQL_FILES.certificate),
      'ssl-key': join(data, MYSQL_FILES.key),
      'secure-file-priv': data,
      'local-infile': 1,
      'max-connections': 200,
      'max-allowed-packet': '64M',
      'character-set-server': 'utf8mb4',
      'collation-server': 'utf8mb4_unicode_ci',
      'default-time-zone': '+00:00',
      'innodb-log-file-size': '16M',
      // Survives the death of any process; only a crash of the whole machine may cost this local data.
      'innodb-flush-log-at-trx-commit': 2,
      'innodb-flush-method': 'nosync',
    };
    return {
      command: programs.server,
      args: [
        '--no-defaults',
        '--skip-name-resolve',
        ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
      ],
      env: programs.env,
      cwd: data,
      ...(config.setup.postgres.user && { user: config.setup.postgres.user }),
    };
  },
  ready: async ({ ports, secrets }) => {
    const connection = await mysql
      .createConnection({
        host: '127.0.0.1',
        port: ports['mysql'] ?? 0,
        user: mysqlUser,
        password: secrets.mysqlPassword,
        connectTimeout: 2_000,
      })
      .catch(() => undefined);
    await connection?.end();
    return connection !== undefined;
  },
  version: async ({ config }) => `MariaDB ${(await mariadbPrograms(config)).version}`,
};

const sqlserver: Engine = {
  name: 'sqlserver',
  needs: ['postgres'],
  ports: ['sqlserver'],
  launch: async ({ config, ports, secrets }) => ({
    command: process.execPath,
    args: [
      ...[projectPath('build', 'dev', 'sql-server', 'main.js'), '--port', String(ports['sqlserver'])],
      ...['--postgres', `127.0.0.1:${ports['postgres']}`, '--postgres-user', 'postgres'],
      ...['--user', 'sa', '--password-env', 'WAYBILL_LOCAL_SQLSERVER_PASSWORD'],
      ...['--tls-key', config.setup.keys.serverKey, '--tls-cert', config.setup.keys.serverCertificate],
    ],
    env: { WAYBILL_LOCAL_SQLSERVER_PASSWORD: secrets.sqlServerPassword },
  }),
  ready: 'announces',
  version: async ({ config }) => `TDS 7.4 on PostgreSQL ${config.setup.postgres.version}`,
};

const snowflake: Engine = {
  name: 'snowflake',
  needs: [],
  ports: ['snowflake'],
  launch: async ({ config, ports, secrets }) => ({
    command: config.setup.python.python,
    args: [
      ...[projectPath('dev', 'snowflake', 'main.py'), '--port', String(ports['snowflake'])],
      ...['--data-dir', join(config.directory, 'snowflake')],
      ...['--user', 'WAYBILL', '--password-env', 'WAYBILL_LOCAL_SNOWFLAKE_PASSWORD'],
      ...['--public-key', config.setup.keys.snowflakePublicKey],
      // For staging in S3; the store's keys come with each statement.
      ...(ports['s3'] === undefined ? [] : ['--s3-endpoint', `http://127.0.0.1:${ports['s3']}`]),
      ...(ports['azure-blob'] === undefined
        ? []
        : ['--azure-endpoint', `http://127.0.0.1:${ports['azure-blob']}`]),
    ],
    env: { WAYBILL_LOCAL_SNOWFLAKE_PASSWORD: secrets.snowflakePassword },
  }),
  ready: 'announces',
  version: async () => pinned('fakesnow'),
};

const s3: Engine = {
  name: 's3',
  needs: [],
  ports: ['s3'],
  launch: async ({ config, ports }) => {
    const state = join(config.directory, 's3');
    await makePrivate(state);
    // Loaded when needed: it brings the AWS SDK along.
    const { ministackProgram } = await import('../s3/ministack.ts');
    const program = ministackProgram(config.setup.python.python, ports['s3'] ?? 0, state);
    return { command: program.command, args: program.args, env: program.environment, cwd: state };
  },
  external: ({ s3Endpoint }) => s3Endpoint !== undefined,
  ready: async ({ config, ports }) => {
    const answer = await fetch(s3Address(config, ports)).catch(() => undefined);
    // Another S3 may well refuse the unsigned request; it is there.
    return answer !== undefined && (answer.ok || config.s3Endpoint !== undefined);
  },
  version: async ({ config }) => config.s3Endpoint ?? pinned('ministack'),
};

const azureBlob: Engine = {
  name: 'azure-blob',
  needs: [],
  ports: ['azure-blob'],
  launch: async ({ config, ports, secrets }) => {
    const directory = join(config.directory, 'azure-blob');
    await makePrivate(directory);
    const { azuriteProgram } = await import('../azurite/azurite.ts');
    const program = azuriteProgram(ports['azure-blob'] ?? 0, directory, secrets.azureAccountKey);
    return { command: program.command, args: program.args, env: program.environment, cwd: directory };
  },
  ready: async ({ ports, secrets }) => {
    const port = ports['azure-blob'] ?? 0;
    if (!(await isListening(port))) return false;
    const { azuriteEndpoint, ensureContainer } = await import('../azurite/azurite.ts');
    return ensureContainer(azuriteEndpoint(port), secrets.azureAccountKey, landingContainer).then(
      () => true,
      () => false,
    );
  },
  version: async () => {
    const { default: manifest } = await import('azurite/package.json', { with: { type: 'json' } });
    return `azurite ${(manifest as { version: string }).version}`;
  },
};

/** EMR's clusters, or its applications: both run Spark in the same way. */
const emr = (name: 'emr' | 'emr-serverless'): Engine => ({
  name,
  needs: ['s3'],
  ports: [name],
  launch: async ({ config, ports, secrets }) => {
    const { python, jars, classData } = config.setup;
    return {
      command: process.execPath,
      args: [
        ...[projectPath('build', 'dev', name, 'main.js'), '--port', String(ports[name])],
        ...['--state-dir', join(config.directory, name), '--spark-home', python.sparkHome],
        ...['--python', python.python, '--jars', jars, ...(classData ? ['--class-data', classData] : [])],
        ...['--s3-endpoint', s3Address(config, ports)],
      ],
      env: { ...awsEnvironment(secrets), ...kinesisEnvironment(config, ports) },
    };
  },
  ready: 'announces',
  version: async () => `Spark ${await pin('pyspark')}, Delta ${await pin('delta-spark')}`,
});

const databricks: Engine = {
  name: 'databricks',
  needs: ['s3'],
  ports: ['databricks'],
  launch: async ({ config, ports, secrets }) => {
    const { python, jars, classData } = config.setup;
    return {
      command: process.execPath,
      args: [
        ...[projectPath('build', 'dev', 'databricks', 'main.js'), '--port', String(ports['databricks'])],
        ...['--state-dir', join(config.directory, 'databricks'), '--spark-home', python.sparkHome],
        ...['--python', python.python, '--jars', jars, ...(classData ? ['--class-data', classData] : [])],
        ...['--s3-endpoint', s3Address(config, ports), '--token-env', 'WAYBILL_LOCAL_DATABRICKS_TOKEN'],
        ...['--dbt', await dbtPath()],
      ],
      env: {
        ...awsEnvironment(secrets),
        ...kinesisEnvironment(config, ports),
        WAYBILL_LOCAL_DATABRICKS_TOKEN: secrets.databricksToken,
      },
    };
  },
  ready: 'announces',
  version: async () => `Spark ${await pin('pyspark')}, Delta ${await pin('delta-spark')}`,
};

const kafka: Engine = {
  name: 'kafka',
  needs: [],
  ports: ['kafka'],
  launch: async ({ config, ports }) => {
    const state = join(config.directory, 'kafka');
    await makePrivate(state);
    const jars = await ensureKafka(() => {}, Promise.resolve(config.setup.python));
    return {
      command: process.execPath,
      args: [
        ...[projectPath('build', 'dev', 'kafka', 'main.js'), '--port', String(ports['kafka'])],
        ...['--state-dir', state, '--jars', jars],
      ],
    };
  },
  ready: 'announces',
  version: async ({ config }) => {
    const jars = await ensureKafka(() => {}, Promise.resolve(config.setup.python));
    const [broker] = (await readdir(jars)).filter((name) => /^kafka_/.test(name));
    return `Kafka ${/-([\d.]+)\.jar$/.exec(broker ?? '')?.[1] ?? ''}`;
  },
};

/** All engines, each after those it needs. */
export const engines: readonly Engine[] = [
  temporal,
  postgres,
  mysqlEngine,
  s3,
  azureBlob,
  snowflake,
  sqlserver,
  emr('emr'),
  emr('emr-serverless'),
  databricks,
  kafka,
];

/** The named engines and all that they need, in starting order. */
export function askedFor(names: readonly EngineName[]): Engine[] {
  const wanted = new Set(names);
  for (const engine of [...engines].reverse()) {
    if (wanted.has(engine.name)) for (const name of engine.needs) wanted.add(name);
  }
  return engines.filter(({ name }) => wanted.has(name));
}

/** PostgreSQL database that stands for the serving store of the example. */
export const servingDatabase = 'serving';

/** The user of the local MySQL, with all rights; root has the same password. */
export const mysqlUser = 'waybill';

/** The container that the local Azure Blob Storage begins with. */
export const landingContainer = 'landing';

/** Where S3 answers: the local one, or the one that is used in its place. */
export function s3Address({ s3Endpoint }: WorldConfig, ports: EngineContext['ports']): string {
  return s3Endpoint ?? `http://127.0.0.1:${ports['s3'] ?? 0}`;
}

/** Where Kinesis answers: ministack has it beside S3; another S3 in its place has none. */
export function kinesisEnvironment(
  { s3Endpoint }: WorldConfig,
  ports: EngineContext['ports'],
): Record<string, string> {
  return s3Endpoint === undefined ? { AWS_ENDPOINT_URL_KINESIS: `http://127.0.0.1:${ports['s3'] ?? 0}` } : {};
}

/** Region and credentials of the world as the AWS clients read them. */
export function awsEnvironment(secrets: Secrets): Record<string, string> {
  return {
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: secrets.awsAccessKeyId,
    AWS_SECRET_ACCESS_KEY: secrets.awsSecretAccessKey,
    // The SDK is pinned to a version for Node 20; its notice about later ones would land in every log.
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  };
}

/** This process's environment without what would point an engine, or a client in it, at the outer world. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  const outer = /^(AWS|TEMPORAL|PG|SNOWFLAKE|SPARK|PYSPARK|PYTHON(PATH|HOME))/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !outer.test(name)));
}

async function ensurePostgresData(config: WorldConfig): Promise<string> {
  const data = postgresDataDirectory(config);
  const exists = await access(join(data, 'PG_VERSION')).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
  if (exists) {
    // The supervisor has just made sure that nothing works in this directory. PostgreSQL itself only looks whether
    // the process of its last start exists, and one that was killed may exist as a zombie for some time.
    await rm(join(data, 'postmaster.pid'), { force: true });
    return data;
  }
  const { template, user } = config.setup.postgres;
  await mkdir(dirname(data), { recursive: true, mode: 0o755 });
  await rm(`${data}.new`, { recursive: true, force: true });
  await runCommand('cp', ['-a', template, `${data}.new`], {
    doing: 'copying the PostgreSQL template',
    advice: 'check the free disk space.',
  });
  if (user) await chown(`${data}.new`, user.uid, user.gid);
  await rename(`${data}.new`, data);
  return data;
}

const MYSQL_FILES = {
  init: 'waybill-init.sql',
  authority: 'waybill-ca.pem',
  certificate: 'waybill-server.pem',
  key: 'waybill-server-key.pem',
};

function mariadbPrograms({ setup }: WorldConfig): Promise<MariadbPrograms> {
  return ensureMariadb(() => {}, setup.postgres);
}

/** The data directory, with the files that only the server's own user may read: keys, and the password it begins with. */
async function ensureMysqlData(
  config: WorldConfig,
  programs: MariadbPrograms,
  secrets: Secrets,
): Promise<string> {
  const data = mysqlDataDirectory(config);
  const { keys, postgres } = config.setup;
  const exists = await access(join(data, 'mysql')).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
  if (!exists) {
    await mkdir(dirname(data), { recursive: true, mode: 0o755 });
    await rm(`${data}.new`, { recursive: true, force: true });
    await runCommand('cp', ['-a', '--sparse=always', programs.template, `${data}.new`], {
      doing: 'copying the MariaDB template',
      advice: 'check the free disk space.',
    });
    await rename(`${data}.new`, data);
  }
  const password = `'${secrets.mysqlPassword}'`;
  const statements = [
    `CREATE DATABASE IF NOT EXISTS ${servingDatabase}`,
    `CREATE USER IF NOT EXISTS '${mysqlUser}'@'%' IDENTIFIED BY ${password}`,
    `ALTER USER '${mysqlUser}'@'%' IDENTIFIED BY ${password}`,
    `GRANT ALL ON *.* TO '${mysqlUser}'@'%' WITH GRANT OPTION`,
    // Whom the template knows with no password at all.
    ...['localhost', '127.0.0.1', '::1'].map(
      (host) => `ALTER USER IF EXISTS 'root'@'${host}' IDENTIFIED BY ${password}`,
    ),
  ];
  const init = join(data, MYSQL_FILES.init);
  await rm(init, { force: true });
  await writeFile(init, `${statements.join(';\n')};\n`, { mode: 0o600 });
  await copyFile(keys.caCertificate, join(data, MYSQL_FILES.authority));
  await copyFile(keys.serverCertificate, join(data, MYSQL_FILES.certificate));
  await copyFile(keys.serverKey, join(data, MYSQL_FILES.key));
  const { user } = postgres;
  if (user) {
    for (const name of Object.values(MYSQL_FILES)) await chown(join(data, name), user.uid, user.gid);
  }
  return data;
}

async function pinned(name: string): Promise<string> {
  return `${name} ${await pin(name)}`;
}

async function pin(name: string): Promise<string> {
  return (await readVersions()).get(name) ?? '';
}
