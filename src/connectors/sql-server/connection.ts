// One pooled connection to SQL Server through mssql: statements, a transaction, and an end when the activity is cancelled.
import { readFileSync } from 'node:fs';
import type mssql from 'mssql';
import { WaybillError } from '../../core/errors.ts';
import type { SqlRow } from '../common/sql-store.ts';
import { tokenCredential } from './authentication.ts';
import type { SqlServerConfig } from './config.ts';
import { sqlServerError } from './errors.ts';

export type Driver = typeof mssql;

/** Loads mssql when the first connection is made. */
export const loadDriver = async (): Promise<Driver> => (await import('mssql')).default;

const readAuthority = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new WaybillError('SETTINGS_INVALID', `caFile ${path} cannot be read.`, { key: 'caFile' });
  }
};

/** What tedious takes beyond mssql's typings. */
const tediousOptions = (config: SqlServerConfig): object => ({
  packetSize: config.packetSize,
  multiSubnetFailover: config.multiSubnetFailover,
  maxRetriesOnTransientErrors: config.connectRetries,
  connectionRetryInterval: config.connectRetryMilliseconds,
  ...(config.caFile === undefined ? {} : { cryptoCredentialsDetails: { ca: readAuthority(config.caFile) } }),
  ...(config.hostNameInCertificate === undefined ? {} : { serverName: config.hostNameInCertificate }),
});

/** Who signs in, as mssql takes it. */
const signIn = async ({ authentication }: SqlServerConfig): Promise<object> =>
  authentication.kind === 'login'
    ? { user: authentication.user, password: authentication.password }
    : {
        authentication: {
          type: 'token-credential',
          options: { credential: await tokenCredential(authentication) },
        },
      };

export class SqlServerConnection {
  readonly driver: Driver;
  readonly #pool: mssql.ConnectionPool;
  readonly #running = new Set<mssql.Request>();
  readonly #commandMilliseconds: number;
  #transaction: mssql.Transaction | undefined;

  private constructor(driver: Driver, pool: mssql.ConnectionPool, commandMilliseconds: number) {
    this.driver = driver;
    this.#pool = pool;
    this.#commandMilliseconds = commandMilliseconds;
  }

  static async open(config: SqlServerConfig, signal: AbortSignal): Promise<SqlServerConnection> {
    const driver = await loadDriver();
    const pool = new driver.ConnectionPool({
      server: config.host,
      port: config.port,
      database: config.database,
      ...(await signIn(config)),
      // Bulk loads and streams take as long as they take; the activity's own timeouts and heartbeats bound them.
      requestTimeout: 0,
      connectionTimeout: config.connectMilliseconds,
      pool: { max: 1, min: 0 },
      options: {
        // mssql's typings do not know 'strict'; tedious does.
        encrypt: config.encrypt as boolean,
        trustServerCertificate: config.trustServerCertificate,
        useUTC: true,
        appName: 'waybill',
        readOnlyIntent: config.readOnly,
        ...tediousOptions(config),
      },
    });
    pool.on('error', () => undefined);
    try {
      await pool.connect();
    } catch (error) {
      throw sqlServerError(error, `connecting to ${config.host},${config.port}`);
    }
    const connection = new SqlServerConnection(driver, pool, config.commandMilliseconds);
    signal.addEventListener('abort', () => connection.#cancel(), { once: true });
    return connection;
  }

  /**
   * A request on the open transaction, if there is one. It counts as running until `finished`. `milliseconds` bound the
   * wait for its first answer; 0 waits for ever.
   */
  request(milliseconds = 0): mssql.Request {
    const parent = this.#transaction ?? this.#pool;
    // mssql's typings lack the second parameter.
    const Request = this.driver.Request as unknown as new (
      parent: unknown,
      overrides: { requestTimeout: number },
    ) => mssql.Request;
    const request = new Request(parent, { requestTimeout: milliseconds });
    this.#running.add(request);
    return request;
  }

  finished(request: mssql.Request): void {
    this.#running.delete(request);
  }

  async query(sql: string, doing: string): Promise<SqlRow[]> {
    const result = await this.#run(sql, doing);
    return (result.recordset ?? []).map((row: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toLowerCase(), value])),
    );
  }

  /** Rows changed by the last statement of `sql` that counts rows. It takes as long as it takes: a whole copy may publish. */
  async execute(sql: string, doing: string): Promise<number> {
    const result = await this.#run(sql, doing, 0);
    return result.rowsAffected.at(-1) ?? 0;
  }

  /** Metadata of a query's columns, without rows. */
  async describe(sql: string, doing: string): Promise<mssql.IColumnMetadata> {
    const result = await this.#run(sql, doing);
    return result.recordset?.columns ?? {};
  }

  async begin(): Promise<void> {
    const transaction = new this.driver.Transaction(this.#pool);
    // Without a listener a transaction that the server ends would be an unhandled 'error'.
    (transaction as unknown as NodeJS.EventEmitter).on('error', () => undefined);
    try {
      await transaction.begin();
    } catch (error) {
      throw sqlServerError(error, 'beginning a transaction');
    }
    this.#transaction = transaction;
  }

  async commit(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    try {
      await transaction?.commit();
    } catch (error) {
      throw sqlServerError(error, 'committing');
    }
  }

  async rollback(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    try {
      await transaction?.rollback();
    } catch (error) {
      throw sqlServerError(error, 'rolling back');
    }
  }

  async close(): Promise<void> {
    // The pool waits for its connection, which a request that still streams would never give back.
    for (const request of this.#running) request.cancel();
    await this.#pool.close();
  }

  async #run(
    sql: string,
    doing: string,
    milliseconds = this.#commandMilliseconds,
  ): Promise<mssql.IResult<Record<string, unknown>>> {
    const request = this.request(milliseconds);
    try {
      return await request.query(sql);
    } catch (error) {
      throw sqlServerError(error, doing);
    } finally {
      this.finished(request);
    }
  }

  #cancel(): void {
    for (const request of this.#running) request.cancel();
    void this.#pool.close().catch(() => undefined);
  }
}
