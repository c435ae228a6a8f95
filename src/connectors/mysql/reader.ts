// Reads a MySQL table or query: columns, ranges, and a stream of rows in canonical text.
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { planSqlRanges, rangeClause } from '../common/range-plan.ts';
import { filteredFrom } from '../common/row-filter.ts';
import { textSetting } from '../common/settings.ts';
import type { CopySource, EndpointContext, PlannedRanges, RowFilter, WireFormat } from '../connector.ts';
import { findSource, queryColumns, uniqueKeys } from './catalog.ts';
import type { MysqlConnection } from './connection.ts';
import { rowDecoder } from './decoders.ts';
import { mysqlDialect, quote, quoteTable } from './dialect.ts';
import { canonicalText, isOpaque, plainValue } from './types.ts';

/** What is selected of a column: values that the driver would round come as text. */
const selected = (column: Column): string => {
  const name = quote(column.name);
  // A float prints six digits of itself; as a double it prints all it has.
  if (column.type === 'Single') return `CAST((${name} + 0e0) AS CHAR)`;
  if (column.type === 'Double') return `CAST(${name} AS CHAR)`;
  return column.type === 'Byte[]' || column.type === 'Boolean' ? name : plainValue(column, name);
};

export class MysqlSource implements CopySource {
  readonly #connection: MysqlConnection;
  readonly #settings: JsonObject;
  readonly #filter: RowFilter | undefined;
  readonly #query: string | undefined;
  #table: TableName | undefined;

  constructor(connection: MysqlConnection, context: EndpointContext, table: TableName | undefined) {
    this.#connection = connection;
    this.#settings = context.endpoint.settings;
    this.#filter = context.filter;
    this.#query = textSetting(this.#settings, 'query', 'sqlReaderQuery')?.replace(/[;\s]+$/, '');
    this.#table = table;
    if (this.#query === undefined && this.#table === undefined) {
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names neither a table nor a query.');
    }
  }

  get label(): string {
    return this.#query === undefined && this.#table !== undefined
      ? `MySQL ${this.#table.schema}.${this.#table.name}`
      : 'MySQL query';
  }

  async columns(): Promise<Column[]> {
    const columns = await this.#columns();
    const opaque = columns.find(isOpaque);
    if (opaque === undefined) return columns;
    throw new WaybillError(
      'TYPE_UNSUPPORTED',
      `Column ${opaque.name} (${opaque.native}) of ${this.label} cannot be carried; leave it out or convert it in a source query.`,
      { column: opaque.name, type: opaque.native },
    );
  }

  async plan(parallelCopies: number, wire?: WireFormat): Promise<PlannedRanges> {
    const columns = await this.columns();
    const [key = []] =
      this.#query === undefined && this.#table !== undefined
        ? await uniqueKeys(this.#connection, this.#table)
        : [];
    return planSqlRanges({
      settings: this.#settings,
      columns,
      key,
      parallelCopies,
      wire,
      from: this.#from(),
      dialect: mysqlDialect,
      text: canonicalText,
      query: (sql) => this.#connection.query(sql, `planning chunks of ${this.label}`),
    });
  }

  read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    const partition = textSetting(sourceState, 'partitionColumn');
    const sql =
      `SELECT ${columns.map((column, i) => `${selected(column)} AS c${i}`).join(', ')} FROM ${this.#from()}` +
      rangeClause(range, sourceState, mysqlDialect);
    const { zeroDates } = this.#connection.config.values;
    return this.#connection.rows(sql, rowDecoder(columns, zeroDates, partition), `reading ${this.label}`);
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
      `SELECT ${canonicalText(column, `MAX(${name})`)} AS highest, COUNT(*) - COUNT(${name}) AS nulls FROM ${this.#from()}`,
      `looking for the highest ${column.name} of ${this.label}`,
    );
    const value = found?.['highest'];
    return { value: typeof value === 'string' ? value : null, nulls: Number(found?.['nulls'] ?? 0) };
  }

  async #columns(): Promise<Column[]> {
    if (this.#query !== undefined || this.#table === undefined) {
      return queryColumns(this.#connection, this.#relation());
    }
    const found = await findSource(this.#connection, this.#table);
    if (found === undefined) {
      throw new WaybillError('OBJECT_MISSING', `${this.label} does not exist.`, {
        table: `${this.#table.schema}.${this.#table.name}`,
      });
    }
    this.#table = found.table;
    return found.columns;
  }

  #from(): string {
    return filteredFrom(this.#relation(), this.#filter, mysqlDialect);
  }

  #relation(): string {
    if (this.#query !== undefined) return `(${this.#query}\n) AS q`;
    if (this.#table === undefined)
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names no table.');
    return quoteTable(this.#table);
  }
}
