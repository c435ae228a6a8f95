// Reads a Snowflake table or query: unloaded to the stage as gzip CSV of canonical texts, fetched, parsed.
import { randomUUID } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CsvError, CsvReader, PLAIN_CSV } from '../../core/copy/csv.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { planSqlRanges, rangeClause } from '../common/range-plan.ts';
import { filteredFrom } from '../common/row-filter.ts';
import { datasetTable, textSetting } from '../common/settings.ts';
import type { CopySource, EndpointContext, PlannedRanges, RowFilter, WireFormat } from '../connector.ts';
import { findTable } from './catalog.ts';
import type { SnowflakeConnection } from './connection.ts';
import type { UnloadOptions } from './copy-options.ts';
import { quote, quoteTable, snowflakeDialect } from './dialect.ts';
import type { StagedFile, Staging } from './staging.ts';
import { singleQuery } from './statements.ts';
import { canonicalText, columnFromFacts } from './types.ts';

/** NULL is left empty and unquoted; every string is quoted, the empty one too. */
const FILE_FORMAT =
  `(TYPE = CSV COMPRESSION = GZIP FIELD_DELIMITER = ',' RECORD_DELIMITER = '\\n' FIELD_OPTIONALLY_ENCLOSED_BY = '"' ` +
  "ESCAPE_UNENCLOSED_FIELD = NONE EMPTY_FIELD_AS_NULL = FALSE NULL_IF = (''))";

export class SnowflakeSource implements CopySource {
  readonly #connection: SnowflakeConnection;
  readonly #staging: Staging;
  readonly #options: UnloadOptions;
  readonly #settings: JsonObject;
  readonly #filter: RowFilter | undefined;
  readonly #query: string | undefined;
  readonly #given: TableName | undefined;
  #table: TableName | undefined;

  constructor(
    connection: SnowflakeConnection,
    staging: Staging,
    context: EndpointContext,
    schema: string,
    options: UnloadOptions,
  ) {
    this.#connection = connection;
    this.#staging = staging;
    this.#options = options;
    this.#settings = context.endpoint.settings;
    this.#filter = context.filter;
    const query = textSetting(this.#settings, 'query', 'sqlReaderQuery');
    this.#query = query === undefined ? undefined : singleQuery(query);
    this.#given = datasetTable(context.endpoint.dataset, schema);
    if (this.#query === undefined && this.#given === undefined) {
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names neither a table nor a query.');
    }
  }

  get label(): string {
    const table = this.#table ?? this.#given;
    return this.#query === undefined && table !== undefined
      ? `Snowflake ${table.schema}.${table.name}`
      : 'Snowflake query';
  }

  async columns(): Promise<Column[]> {
    if (this.#query === undefined && this.#given !== undefined) {
      const found = await findTable(this.#connection, this.#given);
      if (found === undefined) {
        throw new WaybillError('OBJECT_MISSING', `${this.label} does not exist.`, {
          table: `${this.#given.schema}.${this.#given.name}`,
        });
      }
      this.#table = found.table;
      return found.columns;
    }
    const columns = await this.#connection.describe(
      `SELECT * FROM ${await this.#from()}`,
      'reading the columns of the query',
    );
    return columns.map((column) =>
      columnFromFacts({
        name: column.getName(),
        native: column.getType(),
        precision: column.getPrecision(),
        scale: column.getScale(),
        nullable: column.isNullable(),
      }),
    );
  }

  async plan(parallelCopies: number, wire?: WireFormat): Promise<PlannedRanges> {
    return planSqlRanges({
      settings: this.#settings,
      columns: await this.columns(),
      // Snowflake's primary keys are not enforced and say nothing of order: only a named column splits a table.
      key: [],
      parallelCopies,
      wire,
      from: await this.#from(),
      dialect: snowflakeDialect,
      text: canonicalText,
      query: (sql) => this.#connection.query(sql, `planning chunks of ${this.label}`),
    });
  }

  async *read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    const fields = columns.map((column, i) => `${nullSafe(column)} AS C${i}`);
    // Parallel chunks of a copy share its place on the stage and on this machine.
    const folder = `out-${randomUUID()}/`;
    await this.#staging.prepare();
    try {
      const unloaded = await this.#connection.query(
        `COPY INTO ${this.#staging.location(folder)} FROM (SELECT ${fields.join(', ')} FROM ${await this.#from()}` +
          `${rangeClause(range, sourceState, snowflakeDialect)})${this.#staging.access} FILE_FORMAT = ${FILE_FORMAT} ` +
          `OVERWRITE = TRUE MAX_FILE_SIZE = ${this.#options.maxFileSize}`,
        `unloading ${this.label}`,
      );
      const expected = unloaded.reduce((sum, row) => sum + Number(row['rows_unloaded'] ?? 0), 0);
      let read = 0;
      for await (const rows of this.#rowsOf(expected === 0 ? [] : await this.#staging.list(folder))) {
        read += rows.length;
        yield rows;
      }
      if (read !== expected) {
        throw new WaybillError(
          'STAGING_FAILED',
          `Snowflake unloaded ${expected} rows of ${this.label}, its files held ${read}.`,
          { expected, read },
        );
      }
    } finally {
      // What is left after a lost connection goes with the copy's own clean-up.
      await this.#staging.remove(folder).catch(() => undefined);
    }
  }

  /** File after file; while one is parsed, the next one is on its way. */
  async *#rowsOf(files: readonly StagedFile[]): AsyncGenerator<Row[]> {
    const fetch = (file: StagedFile | undefined) => {
      const opening = file === undefined ? undefined : this.#staging.open(file);
      opening?.catch(() => undefined);
      return opening;
    };
    let next = fetch(files[0]);
    for (let i = 1; next !== undefined; i++) {
      const bytes = await next;
      next = fetch(files[i]);
      yield* readCsv(bytes);
    }
  }

  async cleanUp(): Promise<void> {
    await this.#staging.removeAll();
  }

  async close(): Promise<void> {
    await Promise.all([this.#staging.close(), this.#connection.close()]);
  }

  async highest(column: Column): Promise<{ value: string | null; nulls: number }> {
    const name = quote(column.name);
    const [found] = await this.#connection.query(
      `SELECT ${canonicalText(column, `MAX(${name})`)} AS HIGHEST, COUNT(*) - COUNT(${name}) AS NULLS FROM ${await this.#from()}`,
      `looking for the highest ${column.name} of ${this.label}`,
    );
    const value = found?.['highest'];
    return { value: typeof value === 'string' ? value : null, nulls: Number(found?.['nulls'] ?? 0) };
  }

  /** What stands after FROM. */
  async #from(): Promise<string> {
    return filteredFrom(await this.#relation(), this.#filter, snowflakeDialect);
  }

  async #relation(): Promise<string> {
    if (this.#query !== undefined) return `(${this.#query})`;
    if (this.#table === undefined) await this.columns();
    if (this.#table === undefined)
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names no table.');
    return quoteTable(this.#table);
  }
}

/** IFF turns a NULL boolean into '0'; everything else keeps NULL by itself. */
const nullSafe = (column: Column): string => {
  const name = quote(column.name);
  if (column.type === 'Boolean')
    return `CASE WHEN ${name} IS NOT NULL THEN ${canonicalText(column, name)} END`;
  return canonicalText(column, name);
};

async function* readCsv(bytes: AsyncIterable<Buffer>): AsyncGenerator<Row[]> {
  const reader = new CsvReader(PLAIN_CSV);
  const text = createGunzip({ chunkSize: 262_144 }).setEncoding('utf8');
  // The loop below is told of a failure of either stream: pipeline destroys the last one with it.
  pipeline(Readable.from(bytes, { objectMode: false }), text, () => undefined);
  try {
    for await (const piece of text) {
      const rows = reader.push(piece as string);
      if (rows.length > 0) yield rows;
    }
    const rest = reader.end();
    if (rest.length > 0) yield rest;
  } catch (error) {
    throw fileError(error);
  }
}

/** A file that was cut short or damaged on its way is fetched anew by the next attempt. */
const fileError = (error: unknown): unknown =>
  error instanceof CsvError || /^Z_/.test((error as { code?: string }).code ?? '')
    ? new WaybillError('STAGING_FAILED', 'A file that Snowflake unloaded is damaged.')
    : error;
