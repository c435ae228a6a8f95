// One Snowflake session through snowflake-sdk, as promises.
import type snowflake from 'snowflake-sdk';
import type { SqlRow } from '../common/sql-store.ts';
import { signInOptions } from './authentication.ts';
import type { SnowflakeConfig } from './config.ts';
import { snowflakeError } from './errors.ts';

type Driver = typeof snowflake;
export type ColumnMetadata = snowflake.Column;

let driver: Driver | undefined;

/** Loads snowflake-sdk once, and keeps it from writing log files of its own. */
const loadDriver = async (): Promise<Driver> => {
  if (driver === undefined) {
    driver = (await import('snowflake-sdk')).default;
    driver.configure({ logLevel: 'OFF', additionalLogToConsole: false });
  }
  return driver;
};

interface Answer {
  readonly rows: Record<string, unknown>[];
  readonly statement: snowflake.RowStatement;
}

/** What a statement gave, its rows not read yet. */
export interface StreamedResult {
  readonly columns: readonly ColumnMetadata[];
  /** The first rows, as arrays of the driver's values. */
  readonly rows: AsyncIterable<unknown[]>;
  /** Rows the result has in all. */
  readonly total: number;
  /** Rows that an INSERT, UPDATE, DELETE or MERGE changed; absent for other statements. */
  readonly changed?: number;
}

export class SnowflakeConnection {
  readonly #connection: snowflake.Connection;
  readonly #signal: AbortSignal;
  readonly #running = new Set<snowflake.RowStatement>();
  #secrets: readonly string[] = [];

  private constructor(connection: snowflake.Connection, signal: AbortSignal) {
    this.#connection = connection;
    this.#signal = signal;
  }

  static async open(
    config: SnowflakeConfig,
    queryTag: string,
    signal: AbortSignal,
  ): Promise<SnowflakeConnection> {
    const [sdk, signIn] = await Promise.all([loadDriver(), signInOptions(config.authentication)]);
    const connection = sdk.createConnection({
      account: config.account,
      ...(config.accessUrl === undefined ? {} : { accessUrl: config.accessUrl }),
      ...signIn,
      database: config.database,
      schema: config.schema,
      ...(config.warehouse === undefined ? {} : { warehouse: config.warehouse }),
      ...(config.role === undefined ? {} : { role: config.role }),
      application: 'waybill',
      queryTag,
      // Without it a fetched NULL may become the text 'NULL'.
      representNullAsStringNull: false,
      clientSessionKeepAlive: true,
      // Temporal retries; the driver's own five minutes of it would only hide that something is wrong.
      retryTimeout: 60,
    } as snowflake.ConnectionOptions);
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => {
        if (error) reject(snowflakeError(error, `connecting to ${config.accessUrl ?? config.account}`));
        else resolve();
      });
    });
    const session = new SnowflakeConnection(connection, signal);
    signal.addEventListener('abort', () => session.#cancel(), { once: true });
    return session;
  }

  /** Texts that statements hold and no error may repeat. */
  conceal(secrets: readonly string[]): void {
    this.#secrets = secrets;
  }

  /** Rows with keys in lower case; numbers as text, so that none is rounded. */
  async query(sql: string, doing: string): Promise<SqlRow[]> {
    const { rows } = await this.#run(sql, doing);
    return rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toLowerCase(), value])),
    );
  }

  /** Rows changed, for INSERT, UPDATE, DELETE and MERGE; 0 for others. */
  async execute(sql: string, doing: string): Promise<number> {
    const { statement } = await this.#run(sql, doing);
    return Math.max(0, statement.getNumUpdatedRows() ?? 0);
  }

  /** A query's columns without running it. */
  async describe(sql: string, doing: string): Promise<ColumnMetadata[]> {
    const { statement } = await this.#run(sql, doing, { describeOnly: true });
    return statement.getColumns() ?? [];
  }

  /** Runs one statement with binds for its question marks; `most` of its rows are read, as they are asked for. */
  async stream(
    sql: string,
    binds: readonly (string | number | boolean | null)[],
    most: number,
    doing: string,
  ): Promise<StreamedResult> {
    const { statement } = await this.#run(sql, doing, {
      streamResult: true,
      rowMode: 'array',
      fetchAsString: ['Number', 'JSON'],
      ...(binds.length === 0 ? {} : { binds: binds as snowflake.Binds }),
    });
    const total = statement.getNumRows() ?? 0;
    const updated = statement.getNumUpdatedRows() ?? -1;
    return {
      columns: statement.getColumns() ?? [],
      total,
      ...(updated < 0 ? {} : { changed: updated }),
      rows: this.#rowsOf(statement, Math.min(total, most), doing),
    };
  }

  async *#rowsOf(statement: snowflake.RowStatement, count: number, doing: string): AsyncGenerator<unknown[]> {
    if (count === 0) return;
    try {
      for await (const row of statement.streamRows({ start: 0, end: count - 1 })) yield row as unknown[];
    } catch (error) {
      throw snowflakeError(error, doing, this.#secrets);
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#connection.destroy(() => resolve());
    });
  }

  #run(sql: string, doing: string, options: Partial<snowflake.StatementOption> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#signal.throwIfAborted();
      // The driver sends a statement under one requestId however often it has to resend it, so Snowflake runs it once.
      const running = this.#connection.execute({
        sqlText: sql,
        fetchAsString: ['Number'],
        ...options,
        complete: (error, statement, rows) => {
          this.#running.delete(running);
          if (error) reject(snowflakeError(error, doing, this.#secrets));
          else resolve({ rows: (rows ?? []) as Record<string, unknown>[], statement });
        },
      } as snowflake.StatementOption) as snowflake.RowStatement;
      this.#running.add(running);
    });
  }

  #cancel(): void {
    for (const statement of this.#running) statement.cancel(() => undefined);
  }
}
