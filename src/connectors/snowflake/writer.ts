// Snowflake as a sink: gzip CSV files by PUT, then COPY INTO the staging table.
import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { formatCsv, isQuoted, PLAIN_CSV } from '../../core/copy/csv.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { groupedKeys } from '../common/keys.ts';
import type { Loaded, LoadRequest, SqlRow, SqlStore } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import { findTable } from './catalog.ts';
import type { SnowflakeConnection } from './connection.ts';
import { literal, quote, quoteTable, snowflakeDialect } from './dialect.ts';
import type { Stage } from './stage.ts';

/** Every string is quoted and NULL is an empty field without quotes, so '' and NULL stay apart. */
const FILE_FORMAT =
  `(TYPE = CSV COMPRESSION = GZIP FIELD_DELIMITER = ',' RECORD_DELIMITER = '\\n' FIELD_OPTIONALLY_ENCLOSED_BY = '"' ` +
  'ESCAPE_UNENCLOSED_FIELD = NONE EMPTY_FIELD_AS_NULL = TRUE NULL_IF = () BINARY_FORMAT = HEX)';

interface StagedFile {
  readonly name: string;
  readonly bytes: number;
}

export class SnowflakeStore implements SqlStore {
  readonly dialect = snowflakeDialect;
  readonly #connection: SnowflakeConnection;
  readonly #stage: Stage;

  constructor(connection: SnowflakeConnection, stage: Stage) {
    this.#connection = connection;
    this.#stage = stage;
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

  /** The primary key as declared: Snowflake does not enforce it. */
  async uniqueKeys(table: TableName): Promise<string[][]> {
    const rows = await this.#connection.query(
      `SHOW PRIMARY KEYS IN TABLE ${quoteTable(table)}`,
      `reading the keys of ${table.schema}.${table.name}`,
    );
    const ordered = [...rows].sort((a, b) => Number(a['key_sequence']) - Number(b['key_sequence']));
    return groupedKeys(ordered.map((row) => ({ id: 'primary', name: row['column_name'] })));
  }

  /** Writes the chunk as one file and uploads it. Its name depends on copy, chunk and attempt only. */
  async stage(request: LoadRequest, rows: MeasuredRows): Promise<StagedFile> {
    await this.#stage.prepare();
    const name = `${request.chunk}-${request.generation}.csv.gz`;
    const file = this.#stage.local(name);
    const quoted = request.columns.map(({ sink }) => isQuoted(sink.type));
    async function* text(): AsyncGenerator<string> {
      for await (const batch of rows.batches) yield formatCsv(batch, quoted, PLAIN_CSV);
    }
    try {
      await pipeline(
        Readable.from(text()),
        createGzip({ level: 1 }),
        createWriteStream(file, { mode: 0o600 }),
      );
      const { size } = await stat(file);
      if (rows.figures().rows > 0) await this.#stage.put(file);
      return { name, bytes: size };
    } catch (error) {
      throw fileError(error);
    } finally {
      await rm(file, { force: true });
    }
  }

  /**
   * FORCE loads the file whatever the load history says: what may be loaded is decided by the ledger entry in this very
   * transaction, and a history that remembers a load which was rolled back would silently skip it.
   */
  async load(request: LoadRequest, rows: MeasuredRows, staged: unknown): Promise<Loaded> {
    const file = staged as StagedFile;
    if (rows.figures().rows === 0) return { rows: 0, bytes: 0 };
    const columns = request.columns.map(({ sink }) => quote(sink.name));
    const fields = request.columns.map((_, i) => `$${i + 1}`);
    const loaded = await this.#connection.query(
      `COPY INTO ${quoteTable(request.staging)} (${[...columns, quote(request.chunkColumn)].join(', ')}) ` +
        `FROM (SELECT ${[...fields, String(request.chunk)].join(', ')} FROM ${this.#stage.path('')}) ` +
        `FILES = (${literal(file.name)}) FILE_FORMAT = ${FILE_FORMAT} ON_ERROR = ABORT_STATEMENT FORCE = TRUE`,
      `loading chunk ${request.chunk}`,
    );
    const total = loaded.reduce((sum, row) => sum + Number(row['rows_loaded'] ?? 0), 0);
    return { rows: total, bytes: file.bytes };
  }

  async removeStaged(): Promise<void> {
    await this.#stage.removeAll();
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

const fileError = (error: unknown): unknown => {
  const code = (error as { code?: string }).code;
  if (error instanceof WaybillError || code === undefined || !/^E[A-Z]+$/.test(code)) return error;
  return new WaybillError('STAGING_FAILED', `A staging file could not be written: ${code}.`, {
    driverCode: code,
  });
};
