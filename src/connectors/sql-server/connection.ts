// One pooled connection to SQL Server through mssql: statements, a transaction, and an end when the activity is cancelled.
import { readFileSync } from 'node:fs';
import type mssql from 'mssql';
import { WaybillError } from '../../core/errors.ts';
import type { SqlRow } from '../common/sql-store.ts';
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
const tlsOptions = (config: SqlServerConfig): object => ({
  ...(config.caFile === undefined ? {} : { cryptoCredentialsDetails: { ca: readAuthority(config.caFile) } }),
  ...(config.hostNameInCertificate === undefined ? {} : { serverName: config.hostNameInCertificate }),
});

export class SqlServerConnection {
  readonly driver: Driver;
  readonly #pool: mssql.ConnectionPool;
  readonly #running = new Set<mssql.Request>();
  #transaction: mssql.Transaction | undefined;

  private constructor(driver: Driver, pool: mssql.ConnectionPool) {
    this.driver = driver;
    this.#pool = pool;
  }

  static async open(config: SqlServerConfig, signal: AbortSignal): Promise<SqlServerConnection> {
    const driver = await loadDriver();
    const pool = new driver.ConnectionPool({
      server: config.host,
      port: config.port,
      database: config.database,
      user: config.user,
      password: config.password,
      // Bulk loads and streams take as long as they take; the activity's own timeouts and heartbeats bound them.
      requestTimeout: 0,
      connectionTimeout: 15_000,
      pool: { max: 1, min: 0 },
      options: {
        encrypt: config.encrypt,
        trustServerCertificate: config.trustServerCertificate,
        useUTC: true,
        appName: 'waybill',
        // The largest an encrypted connection may have is 16,383 bytes.
        ...{ packetSize: 16_000 },
        ...tlsOptions(config),
      },
    });
    pool.on('error', () => undefined);
    try {
      await pool.connect();
    } catch (error) {
      throw sqlServerError(error, `connecting to ${config.host},${config.port}`);
    }
    const connection = new SqlServerConnection(driver, pool);
    signal.addEventListener('abort', () => connection.#cancel(), { once: true });
    return connection;
  }

  /** A request on the open transaction, if there is one. It counts as running until `finished`. */
  request(): mssql.Request {
    const request =
      this.#transaction === undefined
        ? new this.driver.Request(this.#pool)
        : new this.driver.Request(this.#transaction);
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

  /** Rows changed by the last statement of `sql` that counts rows. */
  async execute(sql: string, doing: string): Promise<number> {
    const result = await this.#run(sql, doing);
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

  async #run(sql: string, doing: string): Promise<mssql.IResult<Record<string, unknown>>> {
    const request = this.request();
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
