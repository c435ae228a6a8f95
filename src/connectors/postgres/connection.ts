// One connection to PostgreSQL through pg, with COPY streams both ways.
import type { Writable } from 'node:stream';
import pg from 'pg';
import { type CopyToStreamQuery, from as copyFrom, to as copyTo } from 'pg-copy-streams';
import type { SqlRow } from '../common/sql-store.ts';
import type { FrameBatch } from '../connector.ts';
import { HASH_PROBE, type ServerFacts } from './checksum-sql.ts';
import { BinaryCopyIn } from './copy-in.ts';
import { BinaryCopyOut } from './copy-out.ts';
import { postgresError } from './errors.ts';
import type { ScriptQuery } from './script-query.ts';

/** Texts of values depend on all but the last; compiling an expression costs more than a chunk's rows give back. */
const SESSION =
  "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; " +
  'SET extra_float_digits = 1; SET jit = off';
const FACTS =
  "SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding, " +
  `${HASH_PROBE.sql} AS probe`;

export class PostgresConnection {
  readonly #client: pg.Client;
  readonly #config: pg.ClientConfig;
  readonly server: ServerFacts;
  #busy = false;

  private constructor(client: pg.Client, config: pg.ClientConfig, server: ServerFacts) {
    this.#client = client;
    this.#config = config;
    this.server = server;
  }

  static async open(config: pg.ClientConfig, signal: AbortSignal): Promise<PostgresConnection> {
    const client = new pg.Client(config);
    // A connection that breaks while idle must not end the process; the next statement reports it.
    client.on('error', () => undefined);
    let facts: SqlRow;
    try {
      await client.connect();
      // Several statements in one text give several results, which pg's types do not know.
      const results = (await client.query(`${SESSION}; ${FACTS}`)) as unknown as pg.QueryResult<SqlRow>[];
      facts = results.at(-1)?.rows[0] ?? {};
    } catch (error) {
      throw postgresError(error, `connecting to ${config.host}:${config.port}`);
    }
    const connection = new PostgresConnection(client, config, {
      version: Number(facts['version']),
      encoding: String(facts['encoding']),
      hashesAlike: facts['probe'] === HASH_PROBE.expected,
    });
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

  copyOut(sql: string): CopyToStreamQuery {
    return this.#client.query(copyTo(sql));
  }

  /** Loads runs of tuples by a `COPY ... FROM STDIN (FORMAT binary)`. */
  binaryCopyIn(sql: string, frames: AsyncIterable<FrameBatch>): Promise<{ rows: number; bytes: number }> {
    return this.#client.query(new BinaryCopyIn(sql)).load(frames);
  }

  /** Runs of tuples of a `COPY ... TO STDOUT (FORMAT binary)`. The connection does nothing else meanwhile. */
  binaryCopyOut(sql: string): AsyncGenerator<FrameBatch> {
    return this.#client.query(new BinaryCopyOut(sql)).batches();
  }

  /** Runs a script to its end. `notice` is told what the server says besides results. */
  async runScript(query: ScriptQuery, notice: (message: string) => void): Promise<void> {
    const listen = ({ message }: { message?: string | undefined }): void => notice(message ?? '');
    this.#client.on('notice', listen);
    this.#busy = true;
    try {
      this.#client.query(query);
      await query.done;
    } finally {
      this.#busy = false;
      this.#client.off('notice', listen);
    }
  }

  /** Ends the statement that runs, by way of another connection; without one to end, or to be had, nothing happens. */
  async cancelStatement(): Promise<void> {
    const { processID } = this.#client as unknown as { processID: number | null };
    if (!this.#busy || processID === null) return;
    const other = new pg.Client(this.#config);
    other.on('error', () => undefined);
    try {
      await other.connect();
      await other.query('SELECT pg_cancel_backend($1)', [processID]);
    } catch {
      // The store is out of reach: what runs there ends with the server's own look at the socket.
    } finally {
      await other.end().catch(() => undefined);
    }
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
