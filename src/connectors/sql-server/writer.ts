// SQL Server as a sink: the shared table sink over one connection, loading through TDS bulk.
import type mssql from 'mssql';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import type { Loaded, LoadRequest, SqlRow, SqlStore, TakeOverRequest } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import { bulkColumn, ownColumns } from './bulk-column.ts';
import { bulkTable, encodeRows } from './bulk-table.ts';
import { findTable, uniqueKeys, writtenColumns } from './catalog.ts';
import type { SqlServerConnection } from './connection.ts';
import { attemptChecksum, quote, quoteTable, sqlServerDialect, withIdentities } from './dialect.ts';
import { sqlServerError } from './errors.ts';

export class SqlServerStore implements SqlStore {
  readonly dialect = sqlServerDialect;
  readonly #connection: SqlServerConnection;
  readonly #lockTarget: boolean;

  /** `lockTarget` is ADF's sqlWriterUseTableLock: publishing keeps everyone else out of the target. */
  constructor(connection: SqlServerConnection, lockTarget = false) {
    this.#connection = connection;
    this.#lockTarget = lockTarget;
  }

  query(sql: string): Promise<SqlRow[]> {
    return this.#connection.query(sql, 'running a statement');
  }

  execute(sql: string): Promise<number> {
    return this.#connection.execute(sql, 'running a statement');
  }

  begin(): Promise<void> {
    return this.#connection.begin();
  }

  commit(): Promise<void> {
    return this.#connection.commit();
  }

  rollback(): Promise<void> {
    return this.#connection.rollback();
  }

  async findTable(table: TableName): Promise<{ table: TableName; columns: Column[] } | undefined> {
    const own = await findTable(this.#connection, table);
    return own === undefined
      ? undefined
      : { table: own, columns: await writtenColumns(this.#connection, own) };
  }

  uniqueKeys(table: TableName): Promise<string[][]> {
    return uniqueKeys(this.#connection, table);
  }

  /**
   * The insert into the target, with what only SQL Server has: IDENTITY_INSERT around it, and a table lock where nobody
   * else has anything to look for, which spares the log. It never makes the staging table itself the target.
   */
  async takeOver({ target, staging, columns, replace }: TakeOverRequest): Promise<number> {
    if (replace) await this.execute(this.dialect.emptyTable(target));
    const lock = replace || this.#lockTarget ? ' WITH (TABLOCK)' : '';
    const names = columns.map(({ name }) => quote(name)).join(', ');
    const values = columns.map((column) => this.dialect.fromStaging(column)).join(', ');
    return this.execute(
      withIdentities(
        target,
        columns,
        `INSERT INTO ${quoteTable(target)}${lock} (${names}) SELECT ${values} FROM ${quoteTable(staging)}`,
      ),
    );
  }

  async stage(): Promise<undefined> {
    return undefined;
  }

  async load(request: LoadRequest, rows: MeasuredRows): Promise<Loaded> {
    const columns = [
      ...request.columns.map(({ sink }) => bulkColumn(sink)),
      ...ownColumns(request.chunkColumn),
    ];
    // mssql wraps what the rows throw: the source's own error is kept aside and reported as it was.
    let broken: unknown;
    const encoded = keepingError(
      encodeRows(rows.batches, columns, request.chunk, request.generation),
      (error) => {
        broken = error;
      },
    );
    // Without a row there are no columns in tedious's stream either, which not every server takes for an empty load.
    const first = await encoded.next();
    if (first.done === true) return { rows: 0, bytes: 0 };
    const batches = startingWith(first.value, encoded);
    const table = bulkTable(this.#connection.driver, quoteTable(request.staging), columns, batches);
    const bulk = this.#connection.request();
    try {
      const options = { lockTable: true, keepNulls: true };
      const result = await bulk.bulk(table, options as mssql.IBulkOptions);
      return { rows: result.rowsAffected, bytes: rows.figures().bytes };
    } catch (error) {
      throw broken ?? sqlServerError(error, `bulk loading chunk ${request.chunk}`);
    } finally {
      this.#connection.finished(bulk);
      // A load that failed before its first row never began to read the rest; the source must still be let go.
      await encoded.return(undefined).catch(() => undefined);
    }
  }

  async chunkChecksum(request: LoadRequest): Promise<SqlRow | undefined> {
    const sinks = request.columns.map(({ sink }) => sink);
    const [found] = await this.query(attemptChecksum(request.staging, sinks, request.chunkColumn, request));
    return found;
  }

  async removeStaged(): Promise<void> {
    // Bulk loads leave nothing beside the staging table.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

async function* keepingError<T>(
  items: AsyncIterable<T>,
  failed: (error: unknown) => void,
): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    failed(error);
    throw error;
  }
}

async function* startingWith<T>(first: T, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}
