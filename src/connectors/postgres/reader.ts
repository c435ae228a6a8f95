// Reads a PostgreSQL table or query through COPY TO STDOUT as CSV of canonical texts.
import { CsvReader, PLAIN_CSV } from '../../core/copy/csv.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { type Column, isFloat, type Row } from '../../core/types/column.ts';
import { conversionBetween } from '../../core/types/conversion.ts';
import type { TableName } from '../common/identifier.ts';
import { planSqlRanges, rangeClause } from '../common/range-plan.ts';
import { filteredFrom } from '../common/row-filter.ts';
import { datasetTable, textSetting } from '../common/settings.ts';
import type {
  CopySource,
  EndpointContext,
  FrameBatch,
  PlannedRanges,
  RowFilter,
  WireFormat,
} from '../connector.ts';
import { findTable, queryColumns, uniqueKeys } from './catalog.ts';
import type { PostgresConnection } from './connection.ts';
import { postgresDialect, quote, quoteTable } from './dialect.ts';
import { postgresError } from './errors.ts';
import { byPlace, placeOf, requireRest } from './physical-plan.ts';
import { bareQuery } from './query-text.ts';
import { canonicalText, isUnbounded } from './types.ts';
import { isBinary } from './wire.ts';

export class PostgresSource implements CopySource {
  readonly #connection: PostgresConnection;
  readonly #settings: JsonObject;
  readonly #filter: RowFilter | undefined;
  readonly #query: string | undefined;
  readonly #table: TableName | undefined;

  constructor(connection: PostgresConnection, context: EndpointContext) {
    this.#connection = connection;
    this.#settings = context.endpoint.settings;
    this.#filter = context.filter;
    const query = textSetting(this.#settings, 'query', 'sqlReaderQuery');
    this.#query = query === undefined ? undefined : bareQuery(query);
    this.#table = datasetTable(context.endpoint.dataset, 'public');
    if (this.#query === undefined && this.#table === undefined) {
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names neither a table nor a query.');
    }
  }

  get label(): string {
    return this.#query === undefined && this.#table !== undefined
      ? `PostgreSQL ${this.#table.schema}.${this.#table.name}`
      : 'PostgreSQL query';
  }

  async columns(): Promise<Column[]> {
    if (this.#query !== undefined || this.#table === undefined)
      return queryColumns(this.#connection, this.#from());
    const found = await findTable(this.#connection, this.#table);
    if (found !== undefined) return found.columns;
    throw new WaybillError('OBJECT_MISSING', `${this.label} does not exist.`, {
      table: `${this.#table.schema}.${this.#table.name}`,
    });
  }

  async plan(parallelCopies: number, wire?: WireFormat): Promise<PlannedRanges> {
    const columns = await this.columns();
    const [key = []] =
      this.#query === undefined && this.#table !== undefined
        ? await uniqueKeys(this.#connection, this.#table)
        : [];
    const planned = await planSqlRanges({
      settings: this.#settings,
      columns,
      key,
      parallelCopies,
      wire,
      from: this.#from(),
      dialect: postgresDialect,
      text: canonicalText,
      query: (sql) => this.#connection.query(sql, `planning chunks of ${this.label}`),
    });
    if (this.#query !== undefined || this.#table === undefined || this.#filter !== undefined) return planned;
    return byPlace(this.#connection, this.#table, this.#settings, planned, parallelCopies, wire);
  }

  async *read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    const stream = this.#connection.copyOut(this.#csvCopy(columns, range, sourceState));
    const texts = columns.flatMap((column, i) => {
      const convert = normaliser(column);
      return convert === undefined ? [] : [{ i, convert }];
    });
    const reader = new CsvReader(PLAIN_CSV);
    stream.setEncoding('utf8');
    try {
      for await (const piece of stream) {
        const rows = reader.push(piece as string);
        if (rows.length > 0) yield normalised(rows, texts);
      }
    } catch (error) {
      throw postgresError(error, `reading ${this.label}`);
    }
    const rest = reader.end();
    if (rest.length > 0) yield normalised(rest, texts);
    await requireRest(this.#connection, this.#table, sourceState);
  }

  wireFormats(columns: readonly Column[]): readonly WireFormat[] {
    return columns.every(isBinary) ? ['pg-binary', 'csv'] : ['csv'];
  }

  async *readFrames(
    format: WireFormat,
    columns: readonly Column[],
    range: KeyRange,
    sourceState: JsonObject,
  ): AsyncGenerator<FrameBatch> {
    if (format === 'csv') {
      yield* this.#csvFrames(columns, range, sourceState);
      return;
    }
    const fields = columns.map((column) => quote(column.name)).join(', ');
    const statement = `SELECT ${fields} FROM ${this.#chunk(range, sourceState)}`;
    try {
      yield* this.#connection.binaryCopyOut(`COPY (${statement}) TO STDOUT (FORMAT binary)`);
      await requireRest(this.#connection, this.#table, sourceState);
    } catch (error) {
      throw postgresError(error, `reading ${this.label}`);
    }
  }

  /** The COPY's own text, cut wherever the socket cut it. */
  async *#csvFrames(
    columns: readonly Column[],
    range: KeyRange,
    sourceState: JsonObject,
  ): AsyncGenerator<FrameBatch> {
    const stream = this.#connection.copyOut(this.#csvCopy(columns, range, sourceState));
    try {
      for await (const piece of stream) yield { data: piece as Buffer, rows: 0 };
      await requireRest(this.#connection, this.#table, sourceState);
    } catch (error) {
      throw postgresError(error, `reading ${this.label}`);
    }
    // What PostgreSQL says it sent.
    yield { data: Buffer.alloc(0), rows: stream.rowCount };
  }

  /** A COPY of canonical texts as PLAIN_CSV. */
  #csvCopy(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): string {
    const fields = columns.map((column, i) => `${nullSafe(column)} AS c${i}`);
    const strings = columns.flatMap((column, i) => (column.type === 'String' ? [`c${i}`] : []));
    return (
      `COPY (SELECT ${fields.join(', ')} FROM ${this.#chunk(range, sourceState)}) ` +
      `TO STDOUT (FORMAT csv${strings.length === 0 ? '' : `, FORCE_QUOTE (${strings.join(', ')})`})`
    );
  }

  async cleanUp(): Promise<void> {
    // Reading leaves nothing behind.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async highest(column: Column): Promise<{ value: string | null; nulls: number }> {
    const name = quote(column.name);
    const [found] = await this.#connection.query(
      `SELECT ${canonicalText(column, `max(${name})`)} AS highest, (count(*) - count(${name}))::text AS nulls FROM ${this.#from()}`,
      `looking for the highest ${column.name} of ${this.label}`,
    );
    const value = found?.['highest'];
    return { value: typeof value === 'string' ? value : null, nulls: Number(found?.['nulls'] ?? 0) };
  }

  /** What stands after FROM for a chunk. */
  #chunk(range: KeyRange, sourceState: JsonObject): string {
    return (
      placeOf(this.#table, range, sourceState) ??
      this.#from() + rangeClause(range, sourceState, postgresDialect)
    );
  }

  /** What stands after FROM. */
  #from(): string {
    return filteredFrom(this.#relation(), this.#filter, postgresDialect);
  }

  #relation(): string {
    if (this.#query !== undefined) return `(${this.#query}) AS q`;
    if (this.#table === undefined)
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names no table.');
    return quoteTable(this.#table);
  }
}

/** CASE turns a NULL boolean into '0'; everything else keeps NULL by itself. */
const nullSafe = (column: Column): string => {
  const name = quote(column.name);
  const text = canonicalText(column, name);
  return column.type === 'Boolean' ? `CASE WHEN ${name} IS NOT NULL THEN ${text} END` : text;
};

/**
 * Texts that PostgreSQL does not print canonically: 1e+20 where JavaScript prints 100000000000000000000, and numerics
 * without a declared scale with as many digits as each has.
 */
const normaliser = (column: Column): ((text: string) => string) | undefined =>
  isFloat(column.type) || isUnbounded(column)
    ? conversionBetween({ ...column, type: 'String' }, column)?.convert
    : undefined;

const normalised = (
  rows: Row[],
  texts: readonly { readonly i: number; readonly convert: (text: string) => string }[],
): Row[] => {
  for (const row of rows) {
    for (const { i, convert } of texts) {
      const value = row[i];
      if (typeof value === 'string') row[i] = convert(value);
    }
  }
  return rows;
};
