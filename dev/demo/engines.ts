// Asks the engines themselves, past all of waybill's own code: how many rows, which sums. For the demo's checks.
import { readFileSync } from 'node:fs';
import { EMRClient, ListClustersCommand } from '@aws-sdk/client-emr';
import sql from 'mssql';
import pg from 'pg';
import snowflake from 'snowflake-sdk';
import type { World } from '../world/world.ts';

/** One row of figures, every one as exact text. */
export type Figures = Readonly<Record<string, string>>;

/** Runs a query that yields one row in the world's Snowflake. */
export async function askSnowflake(world: World, query: string): Promise<Figures> {
  snowflake.configure({ logLevel: 'OFF' });
  const connection = snowflake.createConnection({
    account: world.snowflake.account,
    accessUrl: world.snowflake.url,
    username: world.snowflake.user,
    password: world.env[world.snowflake.passwordEnv] ?? '',
    database: 'NYCFLIGHTS',
    schema: 'PUBLIC',
  });
  await new Promise<void>((resolve, reject) =>
    connection.connect((error) => (error ? reject(error) : resolve())),
  );
  try {
    const rows = await new Promise<Record<string, unknown>[]>((resolve, reject) =>
      connection.execute({
        sqlText: query,
        complete: (error, _statement, result) => (error ? reject(error) : resolve(result ?? [])),
      }),
    );
    return texts(rows[0]);
  } finally {
    await new Promise<void>((resolve) => connection.destroy(() => resolve()));
  }
}

/** Runs a query that yields one row in the world's SQL Server. */
export async function askSqlServer(world: World, query: string): Promise<Figures> {
  const pool = await new sql.ConnectionPool({
    server: world.sqlServer.server,
    port: world.sqlServer.port,
    user: world.sqlServer.user,
    password: world.env[world.sqlServer.passwordEnv] ?? '',
    database: 'nycflights',
    options: {
      encrypt: true,
      trustServerCertificate: false,
      cryptoCredentialsDetails: { ca: readFileSync(world.sqlServer.caFile, 'utf8') },
    },
  }).connect();
  try {
    const { recordset } = await pool.request().query<Record<string, unknown>>(query);
    return texts(recordset[0]);
  } finally {
    await pool.close();
  }
}

/** Runs a query that yields one row in the world's PostgreSQL. */
export async function askPostgres(world: World, query: string): Promise<Figures> {
  const client = new pg.Client({
    host: world.postgres.host,
    port: world.postgres.port,
    user: world.postgres.user,
    database: world.postgres.database,
  });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(query);
    return texts(rows[0]);
  } finally {
    await client.end();
  }
}

/** Ids of clusters that still cost money. */
export async function activeClusters(world: World): Promise<string[]> {
  const client = new EMRClient({
    endpoint: world.emr.endpoint,
    region: world.s3.region,
    credentials: {
      accessKeyId: world.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: world.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  const { Clusters } = await client.send(
    new ListClustersCommand({
      ClusterStates: ['STARTING', 'BOOTSTRAPPING', 'RUNNING', 'WAITING', 'TERMINATING'],
    }),
  );
  client.destroy();
  return (Clusters ?? []).map((cluster) => `${cluster.Id} ${cluster.Status?.State}`);
}

/** Column names in lower case, values as the driver's exact text. */
function texts(row: Record<string, unknown> | undefined): Figures {
  return Object.fromEntries(
    Object.entries(row ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
}
