// What a logged-in session knows: who, where, its variables and settings, and its line to PostgreSQL.
import type { BulkTarget } from './bulk-load.ts';
import type { Databases } from './databases.ts';
import { noSuchDatabase, SqlError } from './errors.ts';
import {
  type PostgresAddress,
  PostgresConnection,
  PostgresError,
  type PostgresParameter,
} from './postgres-wire.ts';
import type { Response } from './response.ts';
import { Oid, postgresType, type SqlType } from './sql-types.ts';
import { Transactions } from './transactions.ts';

export interface Variable {
  readonly type: SqlType;
  value: string | null;
  readonly output?: string;
}

const PARAMETER_OIDS: Readonly<Record<string, number>> = {
  bit: Oid.smallint,
  tinyint: Oid.smallint,
  smallint: Oid.smallint,
  int: Oid.integer,
  bigint: Oid.bigint,
  real: Oid.real,
  float: Oid.double,
  decimal: Oid.numeric,
  money: Oid.numeric,
  smallmoney: Oid.numeric,
  date: Oid.date,
  time: Oid.time,
  datetime: Oid.timestamp,
  smalldatetime: Oid.timestamp,
  datetime2: Oid.timestamp,
  datetimeoffset: Oid.timestamptz,
  uniqueidentifier: Oid.uuid,
  binary: Oid.bytea,
  varbinary: Oid.bytea,
  image: Oid.bytea,
};

export type Variables = Map<string, Variable>;

const SETUP = `set search_path = dbo, tsql, pg_catalog; set standard_conforming_strings = on; set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set bytea_output = 'hex'; set extra_float_digits = 1`;

export class SessionState {
  readonly processId: number;
  readonly login: string;
  readonly utf8: boolean;
  readonly response: Response;
  readonly transactions: Transactions;
  readonly #address: PostgresAddress;
  readonly #databases: Databases;
  postgres: PostgresConnection;
  database: string;
  noCount = false;
  abortOnError = false;
  identityInsert: string | undefined;
  rowCount = 0;
  errorNumber = 0;
  caught: SqlError | undefined;
  bulk: BulkTarget | undefined;
  /** An attention arrived: stop as soon as possible. */
  cancelled = false;

  private constructor(options: SessionOptions, postgres: PostgresConnection, database: string) {
    this.processId = options.processId;
    this.login = options.login;
    this.utf8 = options.utf8;
    this.response = options.response;
    this.#address = options.address;
    this.#databases = options.databases;
    this.postgres = postgres;
    this.database = database;
    this.transactions = new Transactions(postgres, options.response);
    this.#watch(postgres);
  }

  /** Called when PostgreSQL ends the connection that this session works on. */
  onEngineLost: () => void = () => {};

  #watch(postgres: PostgresConnection): void {
    postgres.socket.once('close', () => {
      if (this.postgres === postgres) this.onEngineLost();
    });
  }

  /** Opens the database; rejects with SqlError 4060 when there is none of that name. */
  static async open(options: SessionOptions, name: string): Promise<SessionState> {
    const opened = await openDatabase(options.address, options.databases, name);
    return new SessionState(options, opened.postgres, opened.name);
  }

  /** USE: another PostgreSQL database means another connection. */
  async use(name: string): Promise<void> {
    if (name.toLowerCase() === this.database.toLowerCase()) return;
    if (this.transactions.open)
      throw new SqlError(226, 'USE statement not allowed within multi-statement transaction here.');
    const opened = await openDatabase(this.#address, this.#databases, name).catch((error: unknown) => {
      if (error instanceof SqlError && error.number === 4060) {
        throw new SqlError(
          911,
          `Database '${name}' does not exist. Make sure that the name is entered correctly.`,
        );
      }
      throw error;
    });
    const before = this.postgres;
    this.response.environment(1, opened.name, this.database);
    this.response.info(5701, `Changed database context to '${opened.name}'.`);
    this.postgres = opened.postgres;
    this.#watch(opened.postgres);
    this.transactions.postgres = opened.postgres;
    this.database = opened.name;
    await before.close();
  }

  get databases(): Databases {
    return this.#databases;
  }

  /** What a pooled connection is given back as: no transaction, no temporary tables, default settings. */
  async reset(): Promise<void> {
    await this.transactions.abort();
    await this.postgres.simple('DISCARD ALL');
    await this.postgres.simple(SETUP);
    this.noCount = false;
    this.abortOnError = false;
    this.identityInsert = undefined;
    this.response.environmentBytes(18, Buffer.alloc(0), Buffer.alloc(0));
  }

  /** Runs a procedure or dynamic SQL: what it SETs ends with it. */
  async scoped<T>(run: () => Promise<T>): Promise<T> {
    const { noCount, abortOnError, identityInsert } = this;
    const { isolation } = this.transactions;
    try {
      return await run();
    } finally {
      this.noCount = noCount;
      this.abortOnError = abortOnError;
      this.identityInsert = identityInsert;
      if (
        this.transactions.isolation !== isolation &&
        this.postgres.transactionStatus !== 'E' &&
        !this.postgres.closed
      )
        await this.transactions.isolate(isolation);
    }
  }

  /** Type of a variable of the batch or of the session (@@...). */
  variableType(variables: Variables, name: string): SqlType | undefined {
    return variables.get(name)?.type ?? this.#systemVariable(name)?.type;
  }

  parameters(variables: Variables, used: readonly string[]): PostgresParameter[] {
    return used.map((name) => {
      const variable = variables.get(name) ?? this.#systemVariable(name);
      if (variable === undefined) throw new SqlError(137, `Must declare the scalar variable "${name}".`, 15);
      return { type: PARAMETER_OIDS[variable.type.name] ?? Oid.text, value: variable.value };
    });
  }

  #systemVariable(name: string): Variable | undefined {
    const text = (value: string, length = 128): Variable => ({ type: { name: 'nvarchar', length }, value });
    const int = (value: number): Variable => ({ type: { name: 'int' }, value: String(value) });
    switch (name) {
      case '@@rowcount':
        return int(this.rowCount);
      case '@@trancount':
        return int(this.transactions.depth);
      case '@@xact_state':
        return { type: { name: 'smallint' }, value: this.transactions.open ? '1' : '0' };
      case '@@error':
        return int(this.errorNumber);
      case '@@error_number':
        return { type: { name: 'int' }, value: this.caught ? String(this.caught.number) : null };
      case '@@error_message':
        return { type: { name: 'nvarchar', length: 4000 }, value: this.caught?.message ?? null };
      case '@@spid':
        return { type: { name: 'smallint' }, value: String(this.processId) };
      case '@@version':
        return text(
          'Microsoft SQL Server 2022 protocol stand-in over PostgreSQL (not Microsoft SQL Server)',
          300,
        );
      case '@@servername':
        return text('sql-server-stand-in');
      case '@@login':
        return text(this.login);
      default:
        return undefined;
    }
  }

  /** Converts a value to a variable's type, in PostgreSQL. */
  async coerce(value: string | null, type: SqlType): Promise<string | null> {
    const rows = await this.postgres.rows(`select cast($1 as ${postgresType(type)})::text`, [
      { type: Oid.text, value },
    ]);
    return rows[0]?.[0] ?? null;
  }
}

export interface SessionOptions {
  readonly processId: number;
  readonly login: string;
  readonly utf8: boolean;
  readonly response: Response;
  readonly address: PostgresAddress;
  readonly databases: Databases;
}

async function openDatabase(
  address: PostgresAddress,
  databases: Databases,
  name: string,
): Promise<{ postgres: PostgresConnection; name: string }> {
  const shown = await databases.ready(name);
  try {
    const postgres = await PostgresConnection.open(address, name.toLowerCase());
    await postgres.simple(SETUP);
    return { postgres, name: shown };
  } catch (error) {
    if (error instanceof PostgresError && error.sqlState === '3D000') throw noSuchDatabase(name);
    throw error;
  }
}
