// Reads a SQL Server table, query, procedure or any other batch: columns, ranges, and a stream of canonical text.
import { findColumn } from '../../core/copy/find-column.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import { planSqlRanges, rangeCondition } from '../common/range-plan.ts';
import { filteredFrom } from '../common/row-filter.ts';
import { textSetting } from '../common/settings.ts';
import type { CopySource, EndpointContext, PlannedRanges, RowFilter, WireFormat } from '../connector.ts';
import { batchColumns, primaryKey, tableColumns } from './catalog.ts';
import type { SqlServerConnection } from './connection.ts';
import { formatRowDecoders, pickRowDecoders } from './decoders.ts';
import { literal, quote, quoteTable, sqlServerDialect } from './dialect.ts';
import { partitionCondition, planPartitions } from './partitions.ts';
import { selectList } from './select-list.ts';
import { parseSourceQuery, type SourceQuery } from './source-query.ts';
import { streamRows } from './source-reading.ts';
import { isolationPrefix, type SourceText, sourceText, statementMilliseconds } from './source-settings.ts';
import { canonicalText, columnFromFacts, resultDeclaration } from './types.ts';

const CONDITION = /\?AdfDynamicRangePartitionCondition/gi;
const COLUMN = /\?AdfRangePartitionColumnName/gi;

/** What else a statement around the source says. */
interface Around {
  /** A condition on the rows, or "". */
  readonly condition?: string;
  /** Whether the query's own order is kept. */
  readonly ordered?: boolean;
}

export class SqlServerSource implements CopySource {
  readonly #connection: SqlServerConnection;
  readonly #settings: JsonObject;
  readonly #filter: RowFilter | undefined;
  readonly #source: SourceText;
  readonly #isolation: string;
  readonly #milliseconds: number;

  constructor(connection: SqlServerConnection, context: EndpointContext) {
    this.#connection = connection;
    this.#settings = context.endpoint.settings;
    this.#filter = context.filter;
    this.#source = sourceText(context.endpoint);
    this.#isolation = isolationPrefix(this.#settings);
    this.#milliseconds = statementMilliseconds(this.#settings);
    if (this.#source.kind === 'batch' && this.#filter !== undefined)
      throw this.#notAQuery('read incrementally');
  }

  get label(): string {
    return this.#source.label;
  }

  async columns(): Promise<Column[]> {
    if (this.#source.kind === 'batch') return batchColumns(this.#connection, this.#source.text);
    if (this.#source.kind === 'table') {
      const columns = await tableColumns(this.#connection, this.#source.table);
      if (columns.length > 0) return columns;
      // System views and synonyms are read by name, too, and are not in INFORMATION_SCHEMA.
      return this.#described().catch((error: unknown) => this.#missing(error));
    }
    return this.#described();
  }

  /** The columns as the server describes the result. */
  async #described(): Promise<Column[]> {
    const metadata = await this.#connection.describe(
      this.#select('TOP (0) *'),
      'reading the columns of the query',
    );
    return Object.values(metadata).map((column) => {
      const type = (typeof column.type === 'function' ? column.type : column.type.type) as {
        declaration?: string;
      };
      const { precision, scale } = column as { precision?: number; scale?: number };
      return columnFromFacts({
        name: column.name,
        native: type.declaration ?? 'nvarchar',
        length: column.length,
        precision: precision ?? null,
        scale: scale ?? null,
        nullable: column.nullable,
      });
    });
  }

  #missing(error: unknown): never {
    if (!(error instanceof WaybillError) || error.code !== 'OBJECT_MISSING' || this.#source.kind !== 'table')
      throw error;
    const { table } = this.#source;
    throw new WaybillError('OBJECT_MISSING', `${this.label} does not exist.`, {
      table: `${table.schema}.${table.name}`,
    });
  }

  async plan(parallelCopies: number, wire?: WireFormat): Promise<PlannedRanges> {
    if (this.#source.kind === 'batch') {
      if (textSetting(this.#settings, 'partitionOption') === 'DynamicRange') throw this.#notAQuery('split');
      // How many rows there are only the reading tells.
      return { ranges: [{ lower: null, upper: null }], rows: 0, sourceState: {} };
    }
    if (
      this.#source.kind === 'table' &&
      this.#filter === undefined &&
      textSetting(this.#settings, 'partitionOption')?.toLowerCase() === 'physicalpartitionsoftable'
    ) {
      const planned = await planPartitions(this.#connection, this.#source.table, this.#isolation);
      if (planned !== undefined) return planned;
    }
    const { before, from, after } = this.#around();
    return planSqlRanges({
      settings: this.#settings,
      columns: await this.columns(),
      key: this.#source.kind === 'table' ? await primaryKey(this.#connection, this.#source.table) : [],
      parallelCopies,
      wire,
      from,
      dialect: sqlServerDialect,
      text: canonicalText,
      query: (sql) => this.#connection.query(`${before}${sql}${after}`, `planning chunks of ${this.label}`),
      count: 'CONVERT(varchar(20), COUNT_BIG(*))',
      limited: (fields, place, rows) => `SELECT TOP (${rows}) ${fields} FROM ${place}`,
      length: (expression) => `CONVERT(bigint, LEN(${expression}))`,
    });
  }

  async *read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    if (this.#source.kind === 'batch') {
      yield* this.#readBatch(this.#source.text, columns);
      return;
    }
    const condition =
      partitionCondition(range, sourceState) ?? rangeCondition(range, sourceState, sqlServerDialect);
    const sql = this.#select(selectList(columns), { condition, ordered: condition === '' });
    yield* this.#stream(sql, formatRowDecoders(columns));
  }

  async cleanUp(): Promise<void> {
    // Reading leaves nothing behind.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async highest(column: Column): Promise<{ value: string | null; nulls: number }> {
    if (this.#source.kind === 'batch') throw this.#notAQuery('read incrementally');
    const name = quote(column.name);
    // A row version below one that is still being written may be committed later: only those below all such count.
    const highest = /^(rowversion|timestamp)$/.test(column.native)
      ? `CASE WHEN MAX(${name}) < MIN_ACTIVE_ROWVERSION() THEN MAX(${name}) ELSE CONVERT(binary(8), CONVERT(bigint, MIN_ACTIVE_ROWVERSION()) - 1) END`
      : `MAX(${name})`;
    const [found] = await this.#connection.query(
      this.#select(
        `${canonicalText(column, highest)} AS highest, CONVERT(varchar(20), COUNT_BIG(*) - COUNT_BIG(${name})) AS nulls`,
      ),
      `looking for the highest ${column.name} of ${this.label}`,
    );
    const value = found?.['highest'];
    return { value: typeof value === 'string' ? value : null, nulls: Number(found?.['nulls'] ?? 0) };
  }

  /**
   * The columns' types are said again with the batch, so that decimals come as text: the driver would hand them over as
   * doubles. A procedure that returns more than one result is refused by SQL Server with that.
   */
  async *#readBatch(text: string, columns: readonly Column[]): AsyncGenerator<Row[]> {
    const all = await this.columns();
    const places = columns.map((column) => {
      const found = findColumn(all, column.name);
      if (found !== undefined && found.type === column.type) return all.indexOf(found);
      throw new WaybillError(
        'SOURCE_CHANGED',
        `The result of ${this.label} has no column ${column.name} of type ${column.native} any more.`,
        { column: column.name },
      );
    });
    const result = all.map((column) => `${quote(column.name)} ${resultDeclaration(column)} NULL`).join(', ');
    const sql = `EXEC sys.sp_executesql @stmt = ${literal(text)} WITH RESULT SETS ((${result}))`;
    yield* this.#stream(`${this.#isolation}${sql}`, pickRowDecoders(columns, places));
  }

  #stream(sql: string, decode: (row: unknown[]) => Row): AsyncGenerator<Row[]> {
    return streamRows(this.#connection, sql, decode, `reading ${this.label}`, this.#milliseconds);
  }

  /** What stands before, between and after a statement's own words, for statements over the whole source. */
  #around(): { before: string; from: string; after: string } {
    const rows = (from: string): string => filteredFrom(from, this.#filter, sqlServerDialect);
    if (this.#source.kind === 'table')
      return { before: this.#isolation, from: rows(quoteTable(this.#source.table)), after: '' };
    const { text } = this.#source as { text: string };
    const query = parseSourceQuery(
      text.replace(CONDITION, '(1 = 1)').replace(COLUMN, () => this.#hookedColumn()),
    );
    if (query === undefined) throw this.#notAQuery('read');
    return {
      before: `${this.#isolation}${query.ctes}`,
      from: rows(`(${query.body}\n) AS q`),
      after: option(query),
    };
  }

  /** `SELECT list` over the table or query. */
  #select(list: string, { condition = '', ordered = false }: Around = {}): string {
    const rows = (from: string): string => filteredFrom(from, this.#filter, sqlServerDialect);
    const where = condition === '' ? '' : ` WHERE ${condition}`;
    if (this.#source.kind === 'table')
      return `${this.#isolation}SELECT ${list} FROM ${rows(quoteTable(this.#source.table))}${where}`;
    const { text } = this.#source as { text: string };
    // Where the query says where the range goes, it goes nowhere else.
    const inside = CONDITION.test(text);
    CONDITION.lastIndex = 0;
    const hooked = text
      .replace(CONDITION, () => (condition === '' ? '(1 = 1)' : `(${condition})`))
      .replace(COLUMN, () => this.#hookedColumn());
    const query = parseSourceQuery(hooked);
    if (query === undefined) throw this.#notAQuery('read');
    const order = ordered && query.orderBy !== '' ? `\n${query.orderBy} OFFSET 0 ROWS` : '';
    return (
      `${this.#isolation}${query.ctes}SELECT ${list} FROM ${rows(`(${query.body}${order}\n) AS q`)}` +
      `${inside ? '' : where}${option(query)}`
    );
  }

  #hookedColumn(): string {
    const partition = this.#settings['partitionSettings'];
    const name = textSetting((partition ?? {}) as JsonObject, 'partitionColumnName');
    if (name !== undefined) return quote(name);
    throw new WaybillError(
      'DEFINITION_INVALID',
      'The query says ?AdfRangePartitionColumnName, but partitionSettings names no partitionColumnName.',
    );
  }

  #notAQuery(what: string): WaybillError {
    return new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `${this.label} is not one SELECT, so it cannot be ${what} in parts.`,
    );
  }
}

const option = ({ option: text }: SourceQuery): string => (text === '' ? '' : `\n${text}`);
