// Snowflake as a sink: gzip CSV files to the staging place, then COPY INTO the staging table.
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { groupedKeys } from '../common/keys.ts';
import type { Loaded, LoadRequest, SqlRow, SqlStore } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import { findTable } from './catalog.ts';
import type { SnowflakeConnection } from './connection.ts';
import { literal, quote, quoteTable, snowflakeDialect } from './dialect.ts';
import { type LoadedFile, type SizedFilesOptions, writeSizedFiles } from './sized-files.ts';
import type { Staging } from './staging.ts';

/** Every string is quoted and NULL is an empty field without quotes, so '' and NULL stay apart. */
const FILE_FORMAT =
  `(TYPE = CSV COMPRESSION = GZIP FIELD_DELIMITER = ',' RECORD_DELIMITER = '\\n' FIELD_OPTIONALLY_ENCLOSED_BY = '"' ` +
  'ESCAPE_UNENCLOSED_FIELD = NONE EMPTY_FIELD_AS_NULL = TRUE NULL_IF = () BINARY_FORMAT = HEX)';

/** Names that FILES takes in one statement. */
const FILES_PER_COPY = 1_000;

export class SnowflakeStore implements SqlStore {
  readonly dialect = snowflakeDialect;
  readonly notes: readonly string[];
  readonly #connection: SnowflakeConnection;
  readonly #staging: Staging;
  readonly #sizes: SizedFilesOptions;

  constructor(
    connection: SnowflakeConnection,
    staging: Staging,
    sizes: SizedFilesOptions = {},
    notes: readonly string[] = [],
  ) {
    this.notes = notes;
    this.#connection = connection;
    this.#staging = staging;
    this.#sizes = sizes;
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

  /** Writes the chunk's files. Their names depend on copy, chunk and attempt only. */
  async stage(request: LoadRequest, rows: MeasuredRows): Promise<LoadedFile[]> {
    await this.#staging.prepare();
    return writeSizedFiles(this.#staging, request, rows, this.#sizes);
  }

  /**
   * Names every file, so that nothing else on the stage is loaded, and lets Snowflake's load history refuse one that was
   * loaded before: each attempt's files have names of their own.
   */
  async load(request: LoadRequest, _rows: MeasuredRows, staged: unknown): Promise<Loaded> {
    const files = staged as LoadedFile[];
    const columns = [...request.columns.map(({ sink }) => quote(sink.name)), quote(request.chunkColumn)];
    let rows = 0;
    for (let i = 0; i < files.length; i += FILES_PER_COPY) {
      const some = files.slice(i, i + FILES_PER_COPY);
      const loaded = await this.#connection.query(
        `COPY INTO ${quoteTable(request.staging)} (${columns.join(', ')}) ` +
          `FROM ${this.#staging.location('')}${this.#staging.access} ` +
          `FILES = (${some.map(({ name }) => literal(name)).join(', ')}) FILE_FORMAT = ${FILE_FORMAT} ` +
          'ON_ERROR = ABORT_STATEMENT PURGE = FALSE',
        `loading chunk ${request.chunk}`,
      );
      rows += loadedRows(request.chunk, some, loaded);
    }
    return { rows, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  async removeStaged(): Promise<void> {
    await this.#staging.removeAll();
  }

  async close(): Promise<void> {
    await Promise.all([this.#staging.close(), this.#connection.close()]);
  }
}

/** Compares COPY's answer with what each file was written with. Throws STAGING_FAILED naming the file. */
const loadedRows = (chunk: number, files: readonly LoadedFile[], answer: readonly SqlRow[]): number => {
  const byName = new Map(answer.map((row) => [String(row['file']).split('/').at(-1), row]));
  for (const { name, rows } of files) {
    const found = byName.get(name);
    const status = String(found?.['status'] ?? 'not loaded');
    const loaded = Number(found?.['rows_loaded'] ?? 0);
    const errors = Number(found?.['errors_seen'] ?? 0);
    if (status === 'LOADED' && loaded === rows && errors === 0) continue;
    throw new WaybillError(
      'STAGING_FAILED',
      `Snowflake loaded ${loaded} of ${rows} rows of a staged file of chunk ${chunk} (${status}, ${errors} errors).`,
      { file: name, chunk, rows, loaded, errors },
    );
  }
  return files.reduce((sum, { rows }) => sum + rows, 0);
};
