// SQL Server as a sink: the shared table sink over one connection, loading through TDS bulk.
import type mssql from 'mssql';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import type { Loaded, LoadRequest, SqlRow, SqlStore } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import type { Driver, SqlServerConnection } from './connection.ts';
import { literal, quoteTable, sqlServerDialect, stagedAsText } from './dialect.ts';
import { sqlServerError } from './errors.ts';
import { tableColumns } from './reader.ts';

type Encode = (text: string) => unknown;
interface BulkColumn {
  readonly type: mssql.ISqlType | (() => mssql.ISqlType);
  readonly encode: Encode;
}

/** Microseconds that a Date has no room for go beside it; tedious adds them, in seconds. */
const instant: Encode = (text) => {
  const date = new Date(`${text.slice(0, 23)}Z`) as Date & { nanosecondDelta?: number };
  const micros = Number(text.slice(23, 26));
  if (micros > 0) date.nanosecondDelta = micros / 1e6;
  return date;
};

/** How a column of the staging table is declared to, and encoded for, the bulk load. */
const bulkColumn = (driver: Driver, column: Column): BulkColumn => {
  const scale = Math.min(column.scale ?? 7, 7);
  switch (column.type) {
    case 'Int16':
      return { type: column.native === 'tinyint' ? driver.TinyInt : driver.SmallInt, encode: Number };
    case 'Int32':
      return { type: driver.Int, encode: Number };
    case 'Int64':
      return { type: driver.BigInt, encode: BigInt };
    case 'Decimal':
      return stagedAsText(column)
        ? { type: driver.VarChar(41), encode: (text) => text }
        : { type: driver.Decimal(column.precision ?? 15, column.scale ?? 0), encode: Number };
    case 'Single':
      return { type: driver.Real, encode: Number };
    case 'Double':
      return { type: driver.Float, encode: Number };
    case 'Boolean':
      return { type: driver.Bit, encode: (text) => text === '1' };
    case 'Date':
      return { type: driver.Date, encode: (text) => new Date(`${text}T00:00:00Z`) };
    case 'DateTime':
      return {
        type: column.native === 'datetime' ? driver.DateTime : driver.DateTime2(scale),
        encode: instant,
      };
    case 'DateTimeOffset':
      return { type: driver.DateTimeOffset(scale), encode: instant };
    case 'TimeSpan':
      return { type: driver.Time(scale), encode: (text) => instant(`1970-01-01T${text}`) };
    case 'Guid':
      return { type: driver.UniqueIdentifier, encode: (text) => text };
    case 'Byte[]':
      return {
        type: driver.VarBinary(
          column.length === undefined || column.length > 8000 ? driver.MAX : column.length,
        ),
        encode: (text) => Buffer.from(text, 'hex'),
      };
    case 'String':
      return { type: stringType(driver, column), encode: (text) => text };
  }
};

const stringType = (driver: Driver, column: Column): mssql.ISqlType => {
  const { length } = column;
  if (column.native === 'varchar' || column.native === 'char') {
    return driver.VarChar(length === undefined || length > 8000 ? driver.MAX : length);
  }
  return driver.NVarChar(length === undefined || length > 4000 ? driver.MAX : length);
};

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

  async stage(): Promise<undefined> {
    return undefined;
  }

  async load(request: LoadRequest, rows: MeasuredRows): Promise<Loaded> {
    const { driver } = this.#connection;
    const columns = request.columns.map(({ sink }) => ({ sink, bulk: bulkColumn(driver, sink) }));
    const table = new driver.Table(quoteTable(request.staging));
    table.create = false;
    for (const { sink, bulk } of columns)
      table.columns.add(sink.name, bulk.type as mssql.ISqlType, { nullable: true });
    table.columns.add(request.chunkColumn, driver.Int, { nullable: false });
    const encoders = columns.map(({ bulk }) => bulk.encode);
    // mssql hands `rows` to tedious as it is, and tedious takes any async iterable: rows stream, memory stays flat.
    // It wraps what they throw, though: the source's own error is kept aside and reported as it was.
    let broken: unknown;
    const encoded = encodeRows(rows, encoders, request.chunk, (error) => {
      broken = error;
    });
    // A bulk load without a single row is an error to the server.
    const first = await encoded.next();
    if (first.done === true) return { rows: 0, bytes: 0 };
    (table as { rows: unknown }).rows = startingWith(first.value, encoded);
    const bulk = this.#connection.request();
    try {
      const options = { lockTable: true, keepNulls: true };
      const result = await bulk.bulk(table, options as mssql.IBulkOptions);
      return { rows: result.rowsAffected, bytes: rows.figures().bytes };
    } catch (error) {
      throw broken ?? sqlServerError(error, `bulk loading chunk ${request.chunk}`);
    } finally {
      this.#connection.finished(bulk);
    }
  }

  async removeStaged(): Promise<void> {
    // Bulk loads leave nothing beside the staging table.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

async function* encodeRows(
  rows: MeasuredRows,
  encoders: readonly Encode[],
  chunk: number,
  failed: (error: unknown) => void,
): AsyncGenerator<unknown[]> {
  try {
    for await (const batch of rows.batches) {
      for (const row of batch) {
        const encoded: unknown[] = new Array(encoders.length + 1);
        for (let i = 0; i < encoders.length; i++) {
          const value = row[i];
          encoded[i] = value === null || value === undefined ? null : encoders[i]?.(value);
        }
        encoded[encoders.length] = chunk;
        yield encoded;
      }
    }
  } catch (error) {
    failed(error);
    throw error;
  }
}

async function* startingWith<T>(first: T, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}
