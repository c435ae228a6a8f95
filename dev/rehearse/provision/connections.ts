// Connections to the local world's databases, one per database, for making what a rehearsal needs.

import { readFileSync } from 'node:fs';
import mysql from 'mysql2/promise';
import pg from 'pg';
import snowflake from 'snowflake-sdk';
import { connectSqlServer } from '../../seed/sql-server.ts';
import type { World } from '../../world/world.ts';
import { safeDatabase } from '../linked-services.ts';
import { type StoreRef, storeKey } from '../needs.ts';
import { quoted } from './sql-types.ts';

/** Runs statements in one database. */
export interface Session {
  run(sql: string): Promise<void>;
  close(): Promise<void>;
}

/** Sessions that stay open for the whole rehearsal. */
export class Sessions {
  readonly #world: World;
  readonly #open = new Map<string, Promise<Session>>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The session of a store's database, which is made where there is none. */
  of(store: StoreRef): Promise<Session> {
    const key = storeKey(store);
    let session = this.#open.get(key);
    if (session === undefined) {
      session = openSession(this.#world, store);
      this.#open.set(key, session);
      session.catch(() => this.#open.delete(key));
    }
    return session;
  }

  async close(): Promise<void> {
    for (const session of this.#open.values())
      await (await session.catch(() => undefined))?.close().catch(() => {});
    this.#open.clear();
  }
}

async function openSession(world: World, store: StoreRef): Promise<Session> {
  const database = safeDatabase(store.kind, store.database);
  switch (store.kind) {
    case 'sql-server':
      return sqlServerSession(world, database);
    case 'postgres':
      return postgresSession(world, database);
    case 'mysql':
      return mysqlSession(world, database);
    case 'snowflake':
      return snowflakeSession(world, database);
    default:
      throw new Error(`${store.kind} is no database`);
  }
}

async function sqlServerSession(world: World, database: string): Promise<Session> {
  const master = await connectSqlServer(world, 'master');
  try {
    const found = await master.request().input('name', database).query('SELECT DB_ID(@name) AS id');
    if ((found.recordset[0] as { id: number | null } | undefined)?.id == null)
      await master.batch(`CREATE DATABASE ${quoted('sql-server', database)}`);
  } finally {
    await master.close();
  }
  const pool = await connectSqlServer(world, database);
  return {
    run: async (sql) => {
      await pool.request().batch(sql);
    },
    close: () => pool.close(),
  };
}

async function postgresSession(world: World, database: string): Promise<Session> {
  const { host, port, user } = world.postgres;
  const admin = new pg.Client({ host, port, user, database: 'postgres' });
  await admin.connect();
  try {
    const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (rowCount === 0)
      await admin.query(`CREATE DATABASE ${quoted('postgres', database)} TEMPLATE template0`);
  } finally {
    await admin.end();
  }
  const client = new pg.Client({ host, port, user, database });
  await client.connect();
  return {
    run: async (sql) => {
      await client.query(sql);
    },
    close: () => client.end(),
  };
}

async function mysqlSession(world: World, database: string): Promise<Session> {
  const { server, port, user, passwordEnv, caFile } = world.mysql;
  const connection = await mysql.createConnection({
    ...{ host: server, port, user, password: world.env[passwordEnv] ?? '' },
    ssl: { ca: readFileSync(caFile, 'utf8') },
  });
  await connection.query(`CREATE DATABASE IF NOT EXISTS ${quoted('mysql', database)}`);
  await connection.query(`USE ${quoted('mysql', database)}`);
  return {
    run: async (sql) => {
      await connection.query(sql);
    },
    close: () => connection.end(),
  };
}

async function snowflakeSession(world: World, database: string): Promise<Session> {
  const { url, account, user, passwordEnv } = world.snowflake;
  snowflake.configure({ logLevel: 'OFF' });
  const connection = snowflake.createConnection({
    ...{ account, username: user, accessUrl: url, warehouse: 'LOCAL', sfRetryMaxLoginRetries: 2 },
    password: world.env[passwordEnv] ?? '',
  });
  await connection.connectAsync();
  const run = (sqlText: string): Promise<void> =>
    new Promise((resolve, reject) => {
      connection.execute({ sqlText, complete: (error) => (error ? reject(error) : resolve()) });
    });
  // A login names its database without quotes.
  await run(`CREATE DATABASE IF NOT EXISTS ${database.toUpperCase()}`);
  await run(`USE DATABASE ${database.toUpperCase()}`);
  return { run, close: () => new Promise((resolve) => connection.destroy(() => resolve())) };
}
