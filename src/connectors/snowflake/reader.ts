// Reads a Snowflake table or query: unloaded to the stage as gzip CSV of canonical texts, fetched, parsed.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CsvReader, PLAIN_CSV } from '../../core/copy/csv.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { partitionColumn, planRanges, rangeCondition } from '../common/integer-plan.ts';
import { filteredFrom } from '../common/row-filter.ts';
import { datasetTable, textSetting } from '../common/settings.ts';
import type { CopySource, EndpointContext, PlannedRanges, RowFilter } from '../connector.ts';
import { findTable } from './catalog.ts';
import type { SnowflakeConnection } from './connection.ts';
import { quote, quoteTable, snowflakeDialect } from './dialect.ts';
import type { Stage } from './stage.ts';
import { canonicalText, columnFromFacts } from './types.ts';

/** NULL is left empty and unquoted; every string is quoted, the empty one too. */
const FILE_FORMAT =
  `(TYPE = CSV COMPRESSION = GZIP FIELD_DELIMITER = ',' RECORD_DELIMITER = '\\n' FIELD_OPTIONALLY_ENCLOSED_BY = '"' ` +
  "ESCAPE_UNENCLOSED_FIELD = NONE EMPTY_FIELD_AS_NULL = FALSE NULL_IF = (''))";

export class SnowflakeSource implements CopySource {
  readonly #connection: SnowflakeConnection;
  readonly #stage: Stage;
  readonly #settings: JsonObject;
  readonly #filter: RowFilter | undefined;
  readonly #query: string | undefined;
  readonly #given: TableName | undefined;
  #table: TableName | undefined;

  constructor(connection: SnowflakeConnection, stage: Stage, context: EndpointContext, schema: string) {
    this.#connection = connection;
    this.#stage = stage;
    this.#settings = context.endpoint.settings;
    this.#filter = context.filter;
    this.#query = textSetting(this.#settings, 'query', 'sqlReaderQuery')?.replace(/;\s*$/, '');
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

  async plan(parallelCopies: number): Promise<PlannedRanges> {
    const columns = await this.columns();
    // Snowflake's primary keys are not enforced and say nothing of order: only a named column splits a table.
    const column = partitionColumn(this.#settings, columns, undefined);
    const bounds =
      column === undefined
        ? ''
        : `, MIN(${quote(column.name)}) AS LOWEST, MAX(${quote(column.name)}) AS HIGHEST`;
    const [found] = await this.#connection.query(
      `SELECT COUNT(*) AS N${bounds} FROM ${await this.#from()}`,
      `counting ${this.label}`,
    );
    const text = (value: unknown): string | null =>
      value === null || value === undefined ? null : String(value);
    const statistics = {
      rows: Number(found?.['n'] ?? 0),
      min: text(found?.['lowest']),
      max: text(found?.['highest']),
    };
    return planRanges(this.#settings, column, statistics, parallelCopies);
  }

  async *read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    const partition = textSetting(sourceState, 'partitionColumn');
    const condition = partition === undefined ? '' : rangeCondition(quote(partition), range);
    const fields = columns.map((column, i) => `${nullSafe(column)} AS C${i}`);
    // Parallel chunks of a copy share its place on the stage and on this machine.
    const place = `out-${randomUUID()}/`;
    await this.#stage.prepare();
    const directory = this.#stage.local(place);
    try {
      const unloaded = await this.#connection.query(
        `COPY INTO ${this.#stage.path(place)} FROM (SELECT ${fields.join(', ')} FROM ${await this.#from()}` +
          `${condition === '' ? '' : ` WHERE ${condition}`}) FILE_FORMAT = ${FILE_FORMAT} OVERWRITE = TRUE MAX_FILE_SIZE = 67108864`,
        `unloading ${this.label}`,
      );
      const files = await this.#stage.get(place, directory);
      await this.#stage.remove(place);
      let read = 0;
      for (const file of files) {
        for await (const rows of readCsv(file)) {
          read += rows.length;
          yield rows;
        }
        await rm(file, { force: true });
      }
      const expected = unloaded.reduce((sum, row) => sum + Number(row['rows_unloaded'] ?? 0), 0);
      if (read !== expected) {
        throw new WaybillError(
          'STAGING_FAILED',
          `Snowflake unloaded ${expected} rows of ${this.label}, its files held ${read}.`,
          { expected, read },
        );
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  async cleanUp(): Promise<void> {
    await this.#stage.removeAll();
  }

  async close(): Promise<void> {
    await this.#connection.close();
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

async function* readCsv(file: string): AsyncGenerator<Row[]> {
  const reader = new CsvReader(PLAIN_CSV);
  const text = createGunzip().setEncoding('utf8');
  // The loop below is told of a failure of either stream: pipeline destroys the last one with it.
  pipeline(createReadStream(file), text, () => undefined);
  for await (const piece of text) {
    const rows = reader.push(piece as string);
    if (rows.length > 0) yield rows;
  }
  const rest = reader.end();
  if (rest.length > 0) yield rest;
}
