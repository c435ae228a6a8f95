// Loads flights, planes, airports and airlines into SQL Server by TDS bulk load.
import { readFile } from 'node:fs/promises';
import sql from 'mssql';
import type { World } from '../world/world.ts';
import { type DataSetRow, readTable } from './data-set.ts';
import { type SeedTable, seedTables } from './tables.ts';

/** The database of the example. */
export const sourceDatabase = 'nycflights';

/** A table as it is in SQL Server now. */
export interface LoadedTable {
  readonly table: string;
  readonly rows: number;
  /** False when it was complete already. */
  readonly loaded: boolean;
}

/** One bulk call is one batch and one transaction on the server. */
const chunkRows = 50_000;

/** Creates the database and its tables and fills those whose row count is not `expected`. */
export async function loadSqlServer(
  world: World,
  directory: string,
  expected: (table: SeedTable['name']) => number | undefined,
  report: (line: string) => void,
): Promise<LoadedTable[]> {
  await createDatabase(world);
  const pool = await connectSqlServer(world, sourceDatabase);
  try {
    const done: LoadedTable[] = [];
    for (const table of seedTables) {
      const present = await countRows(pool, table);
      const complete = present !== undefined && present === expected(table.name);
      const rows = complete ? present : await load(pool, table, directory, present !== undefined, report);
      done.push({ table: table.name, rows, loaded: !complete });
    }
    return done;
  } finally {
    await pool.close();
  }
}

/** Opens a pool to a database of the world's SQL Server, its certificate verified. */
export async function connectSqlServer(world: World, database: string): Promise<sql.ConnectionPool> {
  const { server, port, user, passwordEnv, caFile } = world.sqlServer;
  const pool = new sql.ConnectionPool({
    ...{ server, port, user, database, password: world.env[passwordEnv] ?? '' },
    requestTimeout: 120_000,
    options: {
      encrypt: true,
      trustServerCertificate: false,
      cryptoCredentialsDetails: { ca: await readFile(caFile, 'utf8') },
      packetSize: 32_767,
    },
  });
  return pool.connect();
}

async function createDatabase(world: World): Promise<void> {
  const master = await connectSqlServer(world, 'master');
  try {
    const found = await master.query<{ id: number | null }>(`SELECT DB_ID('${sourceDatabase}') AS id`);
    if (found.recordset[0]?.id == null) await master.batch(`CREATE DATABASE ${sourceDatabase}`);
  } finally {
    await master.close();
  }
}

/** Rows in the table, or undefined when it does not exist. */
async function countRows(pool: sql.ConnectionPool, { name }: SeedTable): Promise<number | undefined> {
  const found = await pool
    .request()
    .input('name', sql.NVarChar, name)
    .query(
      "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'dbo' AND TABLE_NAME = @name",
    );
  if (found.recordset.length === 0) return undefined;
  const counted = await pool.query<{ n: number }>(`SELECT COUNT(*) AS n FROM dbo.${name}`);
  return Number(counted.recordset[0]?.n);
}

async function load(
  pool: sql.ConnectionPool,
  table: SeedTable,
  directory: string,
  exists: boolean,
  report: (line: string) => void,
): Promise<number> {
  // Whatever an interrupted load left is not worth finding out about: start again.
  await pool.batch(exists ? `TRUNCATE TABLE dbo.${table.name}` : createStatement(table));
  const names = table.columns.map(({ name }) => name);
  const rows = readTable(directory, table.name, names);
  let loaded = 0;
  for (;;) {
    const before = loaded;
    const bulk = new sql.Table(`dbo.${table.name}`);
    bulk.create = false;
    if (table.numbered) bulk.columns.add(table.primaryKey, sql.Int(), { nullable: false });
    for (const { name, type, nullable } of table.columns) bulk.columns.add(name, type(), { nullable });
    // mssql hands `rows` to tedious as it is, and tedious takes an async iterable: memory stays flat.
    (bulk as { rows: unknown }).rows = (async function* () {
      while (loaded - before < chunkRows) {
        const next = await rows.next();
        if (next.done) return;
        loaded++;
        yield toValues(table, next.value, loaded);
      }
    })();
    await pool.request().bulk(bulk, { lockTable: true } as sql.IBulkOptions);
    if (loaded - before < chunkRows) return loaded;
    report(`    ${table.name}: ${loaded.toLocaleString('en-US')} rows`);
  }
}

function toValues(table: SeedTable, row: DataSetRow, number: number): (string | number | Date | null)[] {
  const values = table.columns.map(({ read }, at) => {
    const text = row[at] ?? null;
    return text === null ? null : read(text);
  });
  return table.numbered ? [number, ...values] : values;
}

function createStatement({ name, primaryKey, numbered, columns }: SeedTable): string {
  const lines = columns.map(
    (column) => `${column.name} ${column.sqlType} ${column.nullable ? 'NULL' : 'NOT NULL'}`,
  );
  if (numbered) lines.unshift(`${primaryKey} int NOT NULL`);
  lines.push(`CONSTRAINT pk_${name} PRIMARY KEY (${primaryKey})`);
  return `CREATE TABLE dbo.${name} (\n  ${lines.join(',\n  ')}\n)`;
}
