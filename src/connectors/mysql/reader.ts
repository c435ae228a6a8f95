// Reads a MySQL table or query: columns, ranges, and a stream of rows in canonical text.
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { partitionColumn, planRanges, rangeCondition } from '../common/integer-plan.ts';
import { textSetting } from '../common/settings.ts';
import type { CopySource, EndpointContext, PlannedRanges } from '../connector.ts';
import { findSource, queryColumns, uniqueKeys } from './catalog.ts';
import type { MysqlConnection } from './connection.ts';
import { rowDecoder } from './decoders.ts';
import { quote, quoteTable } from './dialect.ts';
import { isOpaque, plainValue } from './types.ts';

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
  readonly #query: string | undefined;
  #table: TableName | undefined;

  constructor(connection: MysqlConnection, context: EndpointContext, table: TableName | undefined) {
    this.#connection = connection;
    this.#settings = context.endpoint.settings;
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

  async plan(parallelCopies: number): Promise<PlannedRanges> {
    const columns = await this.columns();
    const column = partitionColumn(this.#settings, columns, await this.#primaryKey());
    const name = column === undefined ? '' : quote(column.name);
    const bounds =
      column === undefined
        ? ''
        : `, CAST(MIN(${name}) AS CHAR) AS lowest, CAST(MAX(${name}) AS CHAR) AS highest`;
    const [found] = await this.#connection.query(
      `SELECT COUNT(*) AS n${bounds} FROM ${this.#from()}`,
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

  read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    const partition = textSetting(sourceState, 'partitionColumn');
    const condition = partition === undefined ? '' : rangeCondition(quote(partition), range);
    const sql =
      `SELECT ${columns.map((column, i) => `${selected(column)} AS c${i}`).join(', ')} FROM ${this.#from()}` +
      (condition === '' ? '' : ` WHERE ${condition}`);
    const { zeroDates } = this.#connection.config.values;
    return this.#connection.rows(sql, rowDecoder(columns, zeroDates, partition), `reading ${this.label}`);
  }

  async cleanUp(): Promise<void> {
    // Reading leaves nothing behind.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #columns(): Promise<Column[]> {
    if (this.#query !== undefined || this.#table === undefined) {
      return queryColumns(this.#connection, this.#from());
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

  /** The single column of the table's primary key, if it has just one. */
  async #primaryKey(): Promise<string | undefined> {
    if (this.#query !== undefined || this.#table === undefined) return undefined;
    const [primary] = await uniqueKeys(this.#connection, this.#table);
    return primary?.length === 1 ? primary[0] : undefined;
  }

  #from(): string {
    if (this.#query !== undefined) return `(${this.#query}) AS q`;
    if (this.#table === undefined)
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names no table.');
    return quoteTable(this.#table);
  }
}
