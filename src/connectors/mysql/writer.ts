// MySQL as a sink: the shared table sink over one connection, loading through LOAD DATA LOCAL.
import { Readable } from 'node:stream';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import type { Loaded, LoadRequest, SqlRow, SqlStore } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import { findTarget, uniqueKeys } from './catalog.ts';
import type { MysqlConnection } from './connection.ts';
import { mysqlDialect, quoteTable } from './dialect.ts';
import { codeOfNumber, mysqlError } from './errors.ts';
import { insertStatements, type LoadTarget, loadColumns, loadLines, loadStatement } from './load-text.ts';

/** Characters of one INSERT where LOAD DATA is off: little enough for the smallest max_allowed_packet in use. */
const INSERT_SIZE = 500_000;

const INSERTS_NOTE =
  'The MySQL server refuses LOAD DATA LOCAL (local_infile is off): rows were written by INSERT, at several times the cost.';

/** Warnings that say nothing about values: deprecated syntax and character sets. */
const HARMLESS = new Set([1287, 1681, 3719, 3778, 4079]);

export class MysqlStore implements SqlStore {
  readonly dialect = mysqlDialect;
  readonly #connection: MysqlConnection;
  #loads: boolean | undefined;

  constructor(connection: MysqlConnection) {
    this.#connection = connection;
  }

  get notes(): readonly string[] {
    return this.#loads === false ? [INSERTS_NOTE] : [];
  }

  query(sql: string): Promise<SqlRow[]> {
    return this.#connection.query(sql, 'running a statement');
  }

  execute(sql: string): Promise<number> {
    return this.#connection.execute(sql, 'running a statement');
  }

  async begin(): Promise<void> {
    await this.#connection.execute('START TRANSACTION', 'beginning a transaction');
  }

  async commit(): Promise<void> {
    await this.#connection.execute('COMMIT', 'committing');
  }

  async rollback(): Promise<void> {
    await this.#connection.execute('ROLLBACK', 'rolling back');
  }

  async findTable(table: TableName): Promise<{ table: TableName; columns: Column[] } | undefined> {
    await this.#takesLoads();
    return findTarget(this.#connection, table);
  }

  uniqueKeys(table: TableName): Promise<string[][]> {
    return uniqueKeys(this.#connection, table);
  }

  async stage(): Promise<undefined> {
    return undefined;
  }

  async load(request: LoadRequest, rows: MeasuredRows): Promise<Loaded> {
    const { chunkColumn, chunk, generation } = request;
    const target: LoadTarget = { table: quoteTable(request.staging), chunkColumn, chunk, generation };
    const columns = request.columns.map(({ sink }) => sink);
    return (await this.#takesLoads())
      ? this.#loadData(target, columns, rows)
      : this.#insert(target, columns, rows);
  }

  async removeStaged(): Promise<void> {
    // LOAD DATA leaves nothing beside the staging table.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Whether the server reads files that clients send (local_infile). */
  async #takesLoads(): Promise<boolean> {
    if (this.#loads === undefined) {
      const [row] = await this.query('SELECT @@local_infile AS loads');
      this.#loads = Number(row?.['loads']) === 1;
    }
    return this.#loads;
  }

  async #loadData(target: LoadTarget, columns: readonly Column[], rows: MeasuredRows): Promise<Loaded> {
    const written = loadColumns(columns);
    const doing = `loading chunk ${target.chunk}`;
    let bytes = 0;
    let count = 0;
    // The driver reports what the rows throw as its own: the source's error is kept aside and reported as it was.
    let broken: { readonly error: unknown } | undefined;
    async function* text(): AsyncGenerator<Buffer> {
      try {
        for await (const batch of rows.batches) {
          const piece = Buffer.from(loadLines(batch, written, count));
          count += batch.length;
          bytes += piece.length;
          yield piece;
        }
      } catch (error) {
        broken = { error };
        throw error;
      }
    }
    try {
      const data = Readable.from(text(), { objectMode: false });
      const loaded = await this.#connection.load(loadStatement(target, written), data, doing);
      if (loaded.warnings > 0) await this.#refuseWarnings(loaded.warnings, doing);
      return { rows: loaded.rows, bytes };
    } catch (error) {
      throw broken === undefined ? mysqlError(error, doing) : broken.error;
    }
  }

  /** Loads from clients never fail for a value: the server clips it and warns. That must not pass. */
  async #refuseWarnings(count: number, doing: string): Promise<void> {
    const warnings = await this.query('SHOW WARNINGS');
    const found = warnings.find((warning) => !HARMLESS.has(Number(warning['code'])));
    if (found === undefined && warnings.length >= count) return;
    if (found === undefined) {
      throw new WaybillError(
        'SINK_TYPE_OVERFLOW',
        `MySQL, ${doing}: the server has ${count} warnings that it does not tell.`,
      );
    }
    const number = Number(found['code']);
    const said = mysqlError({ errno: number, message: String(found['message']) }, doing);
    throw new WaybillError(codeOfNumber(number) ?? 'SINK_TYPE_OVERFLOW', said.message, said.details);
  }

  async #insert(target: LoadTarget, columns: readonly Column[], rows: MeasuredRows): Promise<Loaded> {
    const written = loadColumns(columns);
    let bytes = 0;
    let count = 0;
    for await (const batch of rows.batches) {
      for (const statement of insertStatements(batch, written, target, count, INSERT_SIZE)) {
        bytes += statement.length;
        await this.#connection.execute(statement, `inserting chunk ${target.chunk}`);
      }
      count += batch.length;
    }
    return { rows: count, bytes };
  }
}
