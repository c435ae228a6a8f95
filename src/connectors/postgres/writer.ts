// PostgreSQL as a sink: the shared table sink over one connection, loading through COPY FROM STDIN.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { formatCsv, isQuoted, PLAIN_CSV } from '../../core/copy/csv.ts';
import type { Column, MappedColumn } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import type {
  Loaded,
  LoadedFrames,
  LoadRequest,
  SqlRow,
  SqlStore,
  StagingRequest,
  TakeOverRequest,
} from '../common/sql-store.ts';
import type { FrameBatch, MeasuredRows, WireFormat } from '../connector.ts';
import { findTable, uniqueKeys } from './catalog.ts';
import { frameChecksumSql, hashKind } from './checksum-sql.ts';
import type { PostgresConnection } from './connection.ts';
import { literal, postgresDialect, quote, quoteTable, textChecksum } from './dialect.ts';
import { postgresError } from './errors.ts';
import { FrameChecksum } from './frame-checksum.ts';
import { createStaging, takeOver } from './staging.ts';
import { sameOnTheWire } from './wire.ts';

/**
 * COPY fills gaps that it left before it adds pages, but looks for them in one page of the free space map only, which
 * covers 4,069. Passing over other transactions' rows costs a tenth of hashing them.
 */
const PAGES_BEHIND = 8192;

/** Where the rows of this transaction are: from this page on, under this transaction's number. */
interface OwnRows {
  readonly page: number;
  readonly transaction: string;
}

export class PostgresStore implements SqlStore {
  readonly dialect = postgresDialect;
  readonly #connection: PostgresConnection;
  #own: OwnRows | undefined;

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
    const quoted = columns.map((column) => isQuoted(column.type));
    const binary = columns.flatMap((column, i) => (column.type === 'Byte[]' ? [i] : []));
    await this.#findOwn(request.staging);
    let bytes = 0;
    async function* text(): AsyncGenerator<string> {
      for await (const batch of rows.batches) {
        for (const row of batch) {
          for (const i of binary) if (typeof row[i] === 'string') row[i] = `\\x${row[i]}`;
        }
        const piece = formatCsv(batch, quoted, PLAIN_CSV);
        bytes += piece.length;
        yield piece;
      }
    }
    const names = columns.map((column) => quote(column.name)).join(', ');
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

  createStaging(request: StagingRequest): Promise<void> {
    return createStaging(this.#connection, request);
  }

  takeOver(request: TakeOverRequest): Promise<number | undefined> {
    return takeOver(this.#connection, request);
  }

  acceptsFrames(format: WireFormat, columns: readonly MappedColumn[]): boolean {
    return format === 'pg-binary' && this.#connection.server.hashesAlike && columns.every(sameOnTheWire);
  }

  async loadFrames(
    request: LoadRequest,
    frames: AsyncIterable<FrameBatch>,
    verify: boolean,
  ): Promise<LoadedFrames> {
    const { server } = this.#connection;
    const columns = request.columns.map(({ sink }) => sink);
    const sum = new FrameChecksum(columns.map((column) => hashKind(column, server.encoding)));
    async function* summed(): AsyncGenerator<FrameBatch> {
      for await (const batch of frames) {
        sum.add(batch.data);
        yield batch;
      }
    }
    await this.#findOwn(request.staging);
    const names = columns.map((column) => quote(column.name)).join(', ');
    const statement = `COPY ${quoteTable(request.staging)} (${names}) FROM STDIN (FORMAT binary)`;
    let loaded: Loaded;
    try {
      loaded = await this.#connection.binaryCopyIn(statement, verify ? summed() : frames);
    } catch (error) {
      throw postgresError(error, `loading chunk ${request.chunk}`);
    }
    const bytesRead = loaded.bytes;
    if (!verify) return { ...loaded, bytesRead, sourceChecksum: '', sinkChecksum: '' };
    const found = await this.#ownChecksum(loaded.rows, request.staging, (from) =>
      frameChecksumSql(columns, server, from),
    );
    return {
      ...loaded,
      rows: found.n,
      bytesRead,
      sourceChecksum: sum.total(),
      sinkChecksum: found.c,
    };
  }

  chunkChecksum({ staging, columns }: LoadRequest, rows: number): Promise<SqlRow> {
    const sinks = columns.map(({ sink }) => sink);
    return this.#ownChecksum(rows, staging, (from) => textChecksum(sinks, from));
  }

  async removeStaged(): Promise<void> {
    // COPY leaves nothing beside the staging table.
  }

  /**
   * The staging table has no chunk column, so that it can become the target: a chunk's rows are those of the one
   * transaction that loads it, and lie near the table's end as it was before, or behind it.
   */
  async #findOwn(staging: TableName): Promise<void> {
    const [found] = await this.#connection.query(
      `SELECT pg_relation_size(${literal(quoteTable(staging))}::regclass) / current_setting('block_size')::int AS pages, ` +
        'pg_current_xact_id()::xid::text AS transaction',
      'loading a chunk',
    );
    const pages = Number(found?.['pages'] ?? 0);
    this.#own = { page: Math.max(0, pages - PAGES_BEHIND), transaction: String(found?.['transaction']) };
  }

  /** `checksum` over the transaction's own rows. Where not all of them lie where they should, also over what is before. */
  async #ownChecksum(
    rows: number,
    staging: TableName,
    checksum: (from: string) => string,
  ): Promise<{ n: number; c: string }> {
    const { page, transaction } = this.#own ?? { page: 0, transaction: '0' };
    const own = `${quoteTable(staging)} WHERE xmin = ${literal(transaction)}::xid`;
    const over = async (where: string): Promise<{ n: number; c: bigint }> => {
      const [found] = await this.query(checksum(own + where));
      return { n: Number(found?.['n'] ?? 0), c: BigInt(String(found?.['c'] ?? 0)) };
    };
    const near = await over(` AND ctid >= '(${page},0)'::tid`);
    const far =
      page === 0 || near.n === rows ? { n: 0, c: 0n } : await over(` AND ctid < '(${page},0)'::tid`);
    return { n: near.n + far.n, c: (near.c + far.c).toString() };
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}
