// PostgreSQL as a sink: the shared table sink over one connection, loading through COPY FROM STDIN.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { formatCsv, isQuoted, PLAIN_CSV } from '../../core/copy/csv.ts';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import type { Loaded, LoadRequest, SqlRow, SqlStore } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import { findTable, uniqueKeys } from './catalog.ts';
import type { PostgresConnection } from './connection.ts';
import { postgresDialect, quote, quoteTable } from './dialect.ts';
import { postgresError } from './errors.ts';

export class PostgresStore implements SqlStore {
  readonly dialect = postgresDialect;
  readonly #connection: PostgresConnection;

  constructor(connection: PostgresConnection) {
    this.#connection = connection;
  }

  query(sql: string): Promise<SqlRow[]> {
    return this.#connection.query(sql, 'running a statement');
  }

  execute(sql: string): Promise<number> {
    return this.#connection.execute(sql, 'running a statement');
  }

  async begin(): Promise<void> {
    await this.#connection.execute('BEGIN', 'beginning a transaction');
  }

  async commit(): Promise<void> {
    await this.#connection.execute('COMMIT', 'committing');
  }

  async rollback(): Promise<void> {
    await this.#connection.execute('ROLLBACK', 'rolling back');
  }

  findTable(table: TableName): Promise<{ table: TableName; columns: Column[] } | undefined> {
    return findTable(this.#connection, table);
  }

  uniqueKeys(table: TableName): Promise<string[][]> {
    return uniqueKeys(this.#connection, table);
  }

  async stage(): Promise<undefined> {
    return undefined;
  }

  async load(request: LoadRequest, rows: MeasuredRows): Promise<Loaded> {
    const columns = request.columns.map(({ sink }) => sink);
    const quoted = [...columns.map((column) => isQuoted(column.type)), false];
    const binary = columns.flatMap((column, i) => (column.type === 'Byte[]' ? [i] : []));
    const chunk = String(request.chunk);
    let bytes = 0;
    async function* text(): AsyncGenerator<string> {
      for await (const batch of rows.batches) {
        for (const row of batch) {
          for (const i of binary) if (typeof row[i] === 'string') row[i] = `\\x${row[i]}`;
          row.push(chunk);
        }
        const piece = formatCsv(batch, quoted, PLAIN_CSV);
        bytes += piece.length;
        yield piece;
      }
    }
    const names = [...columns.map((column) => quote(column.name)), quote(request.chunkColumn)].join(', ');
    const copy = this.#connection.copyIn(
      `COPY ${quoteTable(request.staging)} (${names}) FROM STDIN (FORMAT csv)`,
    );
    try {
      await pipeline(Readable.from(text()), copy);
    } catch (error) {
      throw postgresError(error, `loading chunk ${request.chunk}`);
    }
    return { rows: copy.rowCount, bytes };
  }

  async removeStaged(): Promise<void> {
    // COPY leaves nothing beside the staging table.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}
