// SQL Server as a sink: the shared table sink over one connection, loading through TDS bulk.
import type mssql from 'mssql';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { groupedKeys } from '../common/keys.ts';
import type { Loaded, LoadRequest, SqlRow, SqlStore } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import { bulkColumn, chunkColumn } from './bulk-column.ts';
import { bulkTable, encodeRows } from './bulk-table.ts';
import type { SqlServerConnection } from './connection.ts';
import { literal, quoteTable, sqlServerDialect } from './dialect.ts';
import { sqlServerError } from './errors.ts';
import { tableColumns } from './reader.ts';

export class SqlServerStore implements SqlStore {
  readonly dialect = sqlServerDialect;
  readonly #connection: SqlServerConnection;

  constructor(connection: SqlServerConnection) {
    this.#connection = connection;
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
    const [found] = await this.#connection.query(
      'SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t FROM INFORMATION_SCHEMA.TABLES ' +
        `WHERE TABLE_SCHEMA = ${literal(table.schema)} AND TABLE_NAME = ${literal(table.name)}`,
      'looking for the table',
    );
    if (found === undefined) return undefined;
    const own = { schema: String(found['s']), name: String(found['t']) };
    return { table: own, columns: await tableColumns(this.#connection, own) };
  }

  async uniqueKeys(table: TableName): Promise<string[][]> {
    const rows = await this.#connection.query(
      'SELECT c.CONSTRAINT_NAME AS id, k.COLUMN_NAME AS name FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS c ' +
        'JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS k ON k.CONSTRAINT_NAME = c.CONSTRAINT_NAME ' +
        'AND k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME ' +
        "WHERE c.CONSTRAINT_TYPE IN ('PRIMARY KEY', 'UNIQUE') " +
        `AND c.TABLE_SCHEMA = ${literal(table.schema)} AND c.TABLE_NAME = ${literal(table.name)} ` +
        'ORDER BY c.CONSTRAINT_TYPE, c.CONSTRAINT_NAME, k.ORDINAL_POSITION',
      `reading the keys of ${table.schema}.${table.name}`,
    );
    return groupedKeys(rows);
  }

  async stage(): Promise<undefined> {
    return undefined;
  }

  async load(request: LoadRequest, rows: MeasuredRows): Promise<Loaded> {
    const columns = [
      ...request.columns.map(({ sink }) => bulkColumn(sink)),
      chunkColumn(request.chunkColumn),
    ];
    // mssql wraps what the rows throw: the source's own error is kept aside and reported as it was.
    let broken: unknown;
    const encoded = keepingError(encodeRows(rows.batches, columns, request.chunk), (error) => {
      broken = error;
    });
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
