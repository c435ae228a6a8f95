// One connection to MySQL through mysql2, ended on the server too when the activity is cancelled.
import type { Readable } from 'node:stream';
import mysql from 'mysql2';
import type { Row } from '../../core/types/column.ts';
import { BatchQueue } from '../common/batch-queue.ts';
import type { SqlRow } from '../common/sql-store.ts';
import type { MysqlConfig } from './config.ts';
import { type DriverError, mysqlError } from './errors.ts';

/**
 * A reader waits for its sink and a loader for its source: the server must not take that for a dead client. And what a
 * server's defaults (or its init_connect) may have changed: commits of their own, results cut off in silence.
 */
const COMMON =
  'net_write_timeout = 3600, net_read_timeout = 3600, wait_timeout = 28800, lock_wait_timeout = 120, autocommit = 1, ' +
  "completion_type = 0, sql_select_limit = 18446744073709551615, sql_safe_updates = 0, time_zone = '+00:00'";

/** Literals are escaped with backslashes; the rest of the server's mode is the query's own business. */
const READER = `sql_mode = REPLACE(@@sql_mode, 'NO_BACKSLASH_ESCAPES', ''), ${COMMON}`;

/** Nothing is clipped, padded, numbered anew or stored in another engine in silence. */
const WRITER =
  "sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO," +
  `NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', max_error_count = 64, ${COMMON}`;

/** What a loader's parts of the driver are that its typings leave out. */
interface Internals {
  readonly stream: { destroy(): void };
  pause(): void;
  resume(): void;
}

export interface LoadResult {
  readonly rows: number;
  readonly warnings: number;
}

/** What a script's results are told to. */
export interface ScriptEvents {
  /** A result with rows begins. */
  fields(fields: readonly mysql.FieldPacket[]): void;
  /** True when reading should end: the connection ends with it. */
  row(values: unknown[]): boolean;
  /** A statement without a result changed so many rows. */
  changed(rows: number): void;
}

export class MysqlConnection {
  readonly config: MysqlConfig;
  readonly #connection: mysql.Connection;
  #streaming = false;
  #killed: Promise<void> | undefined;
  /** The number by which the server knows this connection; a proxy's greeting may have told another. */
  #thread: string | undefined;

  private constructor(config: MysqlConfig, connection: mysql.Connection) {
    this.config = config;
    this.#connection = connection;
  }

  static async open(
    config: MysqlConfig,
    role: 'source' | 'sink',
    signal: AbortSignal,
  ): Promise<MysqlConnection> {
    const connection = new MysqlConnection(config, await connect(config));
    // Both ends of a transaction, and only sinks have one, see what others committed before each statement.
    if (role === 'sink')
      await connection.execute('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', 'preparing');
    await connection.execute(`SET SESSION ${role === 'sink' ? WRITER : READER}`, 'preparing');
    const [own] = await connection.query('SELECT CONNECTION_ID() AS id', 'preparing');
    connection.#thread = String(own?.['id']);
    signal.addEventListener('abort', () => void connection.#kill(), { once: true });
    return connection;
  }

  get database(): string {
    return this.config.connection.database;
  }

  /** Rows with keys in lower case. */
  async query(sql: string, doing: string): Promise<SqlRow[]> {
    const rows = (await this.#run(sql, doing)).result as Record<string, unknown>[];
    return rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toLowerCase(), value])),
    );
  }

  /** Rows that a statement found to change; changed or not, they count (CLIENT_FOUND_ROWS, the driver's default). */
  async execute(sql: string, doing: string): Promise<number> {
    return ((await this.#run(sql, doing)).result as { affectedRows?: number }).affectedRows ?? 0;
  }

  /** A result's columns; the statement should give no rows. */
  async describe(sql: string, doing: string): Promise<mysql.FieldPacket[]> {
    return (await this.#run(sql, doing)).fields;
  }

  /**
   * Streams a query's rows in batches, decoded one by one, with back-pressure on the socket. Ended early, it ends the
   * query on the server as well and the connection with it.
   */
  async *rows(sql: string, decode: (values: unknown[]) => Row, doing: string): AsyncGenerator<Row[]> {
    const steered = this.#connection as unknown as Internals;
    const queue = new BatchQueue({ pause: () => steered.pause(), resume: () => steered.resume() });
    let broken = false;
    const fail = (error: unknown): void => {
      if (broken) return;
      broken = true;
      queue.fail(mysqlError(error, doing));
    };
    this.#streaming = true;
    const command = this.#connection.query({ sql, rowsAsArray: true });
    command.on('error', fail);
    // A command without a callback is not told that its connection broke; only the connection says so.
    this.#connection.on('error', fail);
    command.on('result', (row: unknown) => {
      if (broken) return;
      try {
        queue.push(decode(row as unknown[]));
      } catch (error) {
        fail(error);
      }
    });
    command.on('end', () => {
      this.#streaming = false;
      queue.end();
    });
    try {
      yield* queue.batches();
    } finally {
      this.#connection.removeListener('error', fail);
      if (this.#streaming) await this.#kill();
    }
  }

  /**
   * Runs a text with all its statements, or one statement prepared with `values`. Results are not kept; a reader that has
   * enough ends the connection.
   */
  async script(
    sql: string,
    values: readonly (string | number | boolean | null)[] | undefined,
    events: ScriptEvents,
    doing: string,
  ): Promise<void> {
    this.#streaming = true;
    let enough = false;
    try {
      await new Promise<void>((resolve, reject) => {
        const command =
          values === undefined
            ? this.#connection.query({ sql, rowsAsArray: true })
            : this.#connection.execute({ sql, values: [...values], rowsAsArray: true });
        const fail = (error: unknown): void => {
          this.#connection.removeListener('error', fail);
          if (enough) resolve();
          else reject(error);
        };
        // A command without a callback is not told that its connection broke; only the connection says so.
        this.#connection.on('error', fail);
        command.on('error', fail);
        command.on('fields', (fields: mysql.FieldPacket[] | undefined) => {
          if (fields !== undefined && !enough) events.fields(fields);
        });
        command.on('result', (result: unknown) => {
          if (enough) return;
          try {
            if (!Array.isArray(result)) events.changed((result as mysql.ResultSetHeader).affectedRows);
            else if (events.row(result)) {
              enough = true;
              void this.#kill().then(resolve, resolve);
            }
          } catch (error) {
            fail(error);
          }
        });
        command.on('end', () => {
          this.#connection.removeListener('error', fail);
          this.#streaming = false;
          resolve();
        });
      });
    } catch (error) {
      throw mysqlError(error, doing);
    }
  }

  /** Runs LOAD DATA LOCAL with `data` as the file. A `data` that fails does not end as if it were complete. */
  async load(sql: string, data: Readable, doing: string): Promise<LoadResult> {
    try {
      const { result } = await this.#run({ sql, infileStreamFactory: () => data }, doing);
      const { affectedRows, warningStatus } = result as mysql.ResultSetHeader;
      return { rows: affectedRows, warnings: warningStatus };
    } finally {
      data.destroy();
    }
  }

  async close(): Promise<void> {
    if (this.#streaming) await this.#kill();
    if (this.#killed !== undefined) return this.#killed;
    await new Promise<void>((resolve) => this.#connection.end(() => resolve()));
  }

  async #run(
    query: string | mysql.QueryOptions,
    doing: string,
  ): Promise<{ result: unknown; fields: mysql.FieldPacket[] }> {
    const options = typeof query === 'string' ? { sql: query } : query;
    return new Promise((resolve, reject) => {
      this.#connection.query(options, (error, result: mysql.QueryResult, fields) => {
        if (error !== null) reject(mysqlError(error, doing));
        else resolve({ result, fields: fields ?? [] });
      });
    });
  }

  /**
   * Ends the connection at both ends. A server that works on a statement does not look at the socket: told through
   * another connection, it stops at once and rolls back.
   */
  #kill(): Promise<void> {
    this.#killed ??= (async () => {
      (this.#connection as unknown as Internals).stream.destroy();
      const other = await connect(this.config).catch(() => undefined);
      // It may have ended by itself meanwhile; numbers are not used twice while a server runs.
      await new Promise<void>((resolve) => {
        if (other === undefined || !/^\d+$/.test(this.#thread ?? '')) return resolve();
        other.query(`KILL ${this.#thread}`, () => other.end(() => resolve()));
      });
    })();
    return this.#killed;
  }
}

const connect = async (config: MysqlConfig): Promise<mysql.Connection> => {
  const doing = `connecting to ${config.connection.host}:${config.connection.port}`;
  try {
    return await connectOnce(config.connection);
  } catch (error) {
    if (!config.plainAllowed || (error as DriverError).code !== 'HANDSHAKE_NO_SSL_SUPPORT') {
      throw mysqlError(error, doing);
    }
  }
  const { ssl: _none, ...plain } = config.connection;
  return connectOnce(plain).catch((error: unknown) => {
    throw mysqlError(error, doing);
  });
};

const connectOnce = (options: mysql.ConnectionOptions): Promise<mysql.Connection> =>
  new Promise((resolve, reject) => {
    const connection = mysql.createConnection({
      ...options,
      charset: 'utf8mb4',
      // Values as the texts the server sends: nothing is rounded, shifted or parsed on the way.
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
      jsonStrings: true,
      enableKeepAlive: true,
      // Milliseconds; a peer that is gone without a word is found out within a minute, not after two hours.
      keepAliveInitialDelay: 30_000,
    });
    // A connection that breaks while idle must not end the process; the next statement reports it.
    connection.on('error', () => undefined);
    connection.connect((error: unknown) => {
      if (error === null || error === undefined) return resolve(connection);
      (connection as unknown as Internals).stream.destroy();
      reject(error);
    });
  });
