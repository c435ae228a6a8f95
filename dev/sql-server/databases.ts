// SQL Server databases as PostgreSQL databases of the same name: made, dropped, and made ready at first use.
import { BOOTSTRAP, BOOTSTRAP_VERSION } from './bootstrap/index.ts';
import { noSuchDatabase, SqlError } from './errors.ts';
import { type PostgresAddress, PostgresConnection, PostgresError } from './postgres-wire.ts';
import { quoteName, quoteText } from './translate/token-stream.ts';

/** PostgreSQL's own databases are not SQL Server's. */
const HIDDEN = new Set(['postgres', 'template0', 'template1']);

export class Databases {
  readonly #address: PostgresAddress;
  readonly #ready = new Map<string, Promise<string>>();

  constructor(address: PostgresAddress) {
    this.#address = address;
  }

  /** Makes `master` when it is not there yet. */
  async start(): Promise<void> {
    const connection = await PostgresConnection.open(this.#address, 'postgres');
    try {
      const found = await connection.rows("select datname::text from pg_database where datname = 'master'");
      if (found.length === 0) await connection.simple('CREATE DATABASE master TEMPLATE template0');
    } catch (error) {
      // Another stand-in over the same PostgreSQL may have just made it.
      if (!(error instanceof PostgresError && ['42P04', '23505'].includes(error.sqlState))) throw error;
    } finally {
      await connection.close();
    }
    await this.ready('master');
  }

  /** Brings a database up to this version of the bootstrap, once; returns its name as it was written at creation. */
  ready(name: string): Promise<string> {
    const key = name.toLowerCase();
    let preparing = this.#ready.get(key);
    if (preparing === undefined) {
      preparing = this.#prepare(key, name);
      this.#ready.set(key, preparing);
      preparing.catch(() => this.#ready.delete(key));
    }
    return preparing;
  }

  async #prepare(key: string, name: string): Promise<string> {
    if (HIDDEN.has(key)) throw noSuchDatabase(name);
    let connection: PostgresConnection;
    try {
      connection = await PostgresConnection.open(this.#address, key);
    } catch (error) {
      if (error instanceof PostgresError && error.sqlState === '3D000') throw noSuchDatabase(name);
      throw error;
    }
    try {
      const version = await connection
        .rows(
          "select case when to_regclass('tsql.version') is not null then (xpath('/row/hash/text()', query_to_xml('select hash from tsql.version', false, true, '')))[1]::text end",
        )
        .catch(() => []);
      if (version[0]?.[0] !== BOOTSTRAP_VERSION) await connection.simple(BOOTSTRAP);
      const shown = await connection.rows(
        `select shobj_description(oid, 'pg_database')::json ->> 'name' from pg_database where datname = current_database()`,
      );
      return shown[0]?.[0] ?? key;
    } finally {
      await connection.close();
    }
  }

  async create(name: string, postgres: PostgresConnection): Promise<void> {
    if (HIDDEN.has(name.toLowerCase()))
      throw new SqlError(1801, `Database '${name}' already exists. Choose a different database name.`);
    await postgres.simple(`CREATE DATABASE ${quoteName(name)} TEMPLATE template0`);
    await postgres.simple(`COMMENT ON DATABASE ${quoteName(name)} IS ${quoteText(JSON.stringify({ name }))}`);
    await this.ready(name);
  }

  async drop(name: string, ifExists: boolean, postgres: PostgresConnection): Promise<void> {
    if (HIDDEN.has(name.toLowerCase()) || name.toLowerCase() === 'master') {
      throw new SqlError(3708, `Cannot drop the database '${name}' because it is a system database.`);
    }
    this.#ready.delete(name.toLowerCase());
    try {
      await postgres.simple(`DROP DATABASE ${ifExists ? 'IF EXISTS ' : ''}${quoteName(name)}`);
    } catch (error) {
      if (error instanceof PostgresError && error.sqlState === '3D000') {
        throw new SqlError(
          3701,
          `Cannot drop the database '${name}', because it does not exist or you do not have permission.`,
          11,
        );
      }
      throw error;
    }
  }
}
