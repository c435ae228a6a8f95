// One connection to PostgreSQL through pg, with COPY streams both ways.
import type { Readable, Writable } from 'node:stream';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import type { SqlRow } from '../common/sql-store.ts';
import type { FrameBatch } from '../connector.ts';
import { BinaryCopyOut } from './copy-out.ts';
import { postgresError } from './errors.ts';

export class PostgresConnection {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(config: pg.ClientConfig, signal: AbortSignal): Promise<PostgresConnection> {
    const client = new pg.Client(config);
    // A connection that breaks while idle must not end the process; the next statement reports it.
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query("SET timezone = 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 1");
    } catch (error) {
      throw postgresError(error, `connecting to ${config.host}:${config.port}`);
    }
    const connection = new PostgresConnection(client);
    // Closing the socket is what makes the server roll back and stop.
    signal.addEventListener('abort', () => connection.#destroy(), { once: true });
    return connection;
  }

  async query(sql: string, doing: string): Promise<SqlRow[]> {
    return (await this.#run(sql, doing)).rows as SqlRow[];
  }

  async execute(sql: string, doing: string): Promise<number> {
    return (await this.#run(sql, doing)).rowCount ?? 0;
  }

  /** Types of a query's columns, without rows. */
  async describe(sql: string, doing: string): Promise<pg.FieldDef[]> {
    return (await this.#run(sql, doing)).fields;
  }

  copyIn(sql: string): Writable & { readonly rowCount: number } {
    return this.#client.query(copyFrom(sql)) as Writable & { readonly rowCount: number };
  }

  copyOut(sql: string): Readable {
    return this.#client.query(copyTo(sql));
  }

  /** Runs of tuples of a `COPY ... TO STDOUT (FORMAT binary)`. The connection does nothing else meanwhile. */
  binaryCopyOut(sql: string): AsyncGenerator<FrameBatch> {
    return this.#client.query(new BinaryCopyOut(sql)).batches();
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  async #run(sql: string, doing: string): Promise<pg.QueryResult> {
    try {
      const result: pg.QueryResult | pg.QueryResult[] = await this.#client.query(sql);
      // Several statements in one text give several results; the last one counts.
      return Array.isArray(result) ? (result.at(-1) as pg.QueryResult) : result;
    } catch (error) {
      throw postgresError(error, doing);
    }
  }

  #destroy(): void {
    (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}
