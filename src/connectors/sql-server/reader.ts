// Reads a SQL Server table or query: columns, ranges, and a stream of rows in canonical text.

import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import { BatchQueue } from '../common/batch-queue.ts';
import type { TableName } from '../common/identifier.ts';
import { partitionColumn, planRanges, rangeCondition } from '../common/integer-plan.ts';
import { filteredFrom } from '../common/row-filter.ts';
import { datasetTable, textSetting } from '../common/settings.ts';
import type { CopySource, EndpointContext, PlannedRanges, RowFilter } from '../connector.ts';
import type { SqlServerConnection } from './connection.ts';
import { formatRowDecoders } from './decoders.ts';
import { literal, quote, quoteTable, sqlServerDialect } from './dialect.ts';
import { sqlServerError } from './errors.ts';
import { canonicalText, columnFromFacts } from './types.ts';

/** The columns of a table as the catalogue lists them; empty where there is no such table. */
export const tableColumns = async (connection: SqlServerConnection, table: TableName): Promise<Column[]> => {
  const rows = await connection.query(
    'SELECT COLUMN_NAME AS name, DATA_TYPE AS native, CHARACTER_MAXIMUM_LENGTH AS length, NUMERIC_PRECISION AS [precision], ' +
      'NUMERIC_SCALE AS scale, DATETIME_PRECISION AS fraction, IS_NULLABLE AS nullable FROM INFORMATION_SCHEMA.COLUMNS ' +
      `WHERE TABLE_SCHEMA = ${literal(table.schema)} AND TABLE_NAME = ${literal(table.name)} ORDER BY ORDINAL_POSITION`,
    `reading the columns of ${table.schema}.${table.name}`,
  );
  const number = (value: unknown): number | null =>
    value === null || value === undefined ? null : Number(value);
  return rows.map((row) => {
    const native = String(row['native']);
    const temporal = /^(datetime2|datetimeoffset|time)$/i.test(native);
    return columnFromFacts({
      name: String(row['name']),
      native,
      length: number(row['length']),
      precision: number(row['precision']),
      scale: number(temporal ? row['fraction'] : row['scale']),
      nullable: row['nullable'] === 'YES',
    });
  });
};

/** The single column of the primary key, if it has just one. */
const primaryKey = async (connection: SqlServerConnection, table: TableName): Promise<string | undefined> => {
  const rows = await connection.query(
    'SELECT k.COLUMN_NAME AS name FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS c JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS k ' +
      'ON k.CONSTRAINT_NAME = c.CONSTRAINT_NAME AND k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME ' +
      `WHERE c.CONSTRAINT_TYPE = 'PRIMARY KEY' AND c.TABLE_SCHEMA = ${literal(table.schema)} AND c.TABLE_NAME = ${literal(table.name)}`,
    `reading the primary key of ${table.schema}.${table.name}`,
  );
  return rows.length === 1 ? String(rows[0]?.['name']) : undefined;
};

/** Columns whose driver value would lose digits or time come as text made by the server; the rest as they are. */
const selectExpression = (column: Column): string => {
  const name = quote(column.name);
  if (['Decimal', 'Date', 'DateTime', 'DateTimeOffset', 'TimeSpan'].includes(column.type)) {
    return canonicalText(column, name);
  }
  return name;
};

export class SqlServerSource implements CopySource {
  readonly #connection: SqlServerConnection;
  readonly #settings: JsonObject;
  readonly #filter: RowFilter | undefined;
  readonly #table: TableName | undefined;
  readonly #query: string | undefined;

  constructor(connection: SqlServerConnection, context: EndpointContext) {
    this.#connection = connection;
    this.#settings = context.endpoint.settings;
    this.#filter = context.filter;
    this.#query = textSetting(this.#settings, 'sqlReaderQuery', 'query')?.replace(/;\s*$/, '');
    this.#table = datasetTable(context.endpoint.dataset, 'dbo');
    if (this.#settings['sqlReaderStoredProcedureName'] !== undefined) {
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        'Reading through a stored procedure is not supported.',
      );
    }
    if (this.#query === undefined && this.#table === undefined) {
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names neither a table nor a query.');
    }
  }

  get label(): string {
    return this.#query === undefined && this.#table !== undefined
      ? `SQL Server ${this.#table.schema}.${this.#table.name}`
      : 'SQL Server query';
  }

  async columns(): Promise<Column[]> {
    if (this.#query === undefined && this.#table !== undefined) {
      const columns = await tableColumns(this.#connection, this.#table);
      if (columns.length === 0) {
        throw new WaybillError('OBJECT_MISSING', `${this.label} does not exist.`, {
          table: `${this.#table.schema}.${this.#table.name}`,
        });
      }
      return columns;
    }
    const metadata = await this.#connection.describe(
      `SELECT TOP (0) * FROM ${this.#from()}`,
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

  async plan(parallelCopies: number): Promise<PlannedRanges> {
    const columns = await this.columns();
    const key =
      this.#query === undefined && this.#table !== undefined
        ? await primaryKey(this.#connection, this.#table)
        : undefined;
    const column = partitionColumn(this.#settings, columns, key);
    const bounds =
      column === undefined
        ? ''
        : `, CONVERT(varchar(41), MIN(${quote(column.name)})) AS lowest, CONVERT(varchar(41), MAX(${quote(column.name)})) AS highest`;
    const [found] = await this.#connection.query(
      `SELECT CONVERT(varchar(20), COUNT_BIG(*)) AS n${bounds} FROM ${this.#from()}`,
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
    const sql =
      `SELECT ${columns.map((column, i) => `${selectExpression(column)} AS [c${i}]`).join(', ')} FROM ${this.#from()}` +
      (condition === '' ? '' : ` WHERE ${condition}`);
    const decode = formatRowDecoders(columns);
    const request = this.#connection.request();
    request.stream = true;
    request.arrayRowMode = true;
    const queue = new BatchQueue({ pause: () => request.pause(), resume: () => request.resume() });
    let ended = false;
    request.on('row', (row: unknown) => queue.push(decode(row as unknown[])));
    request.on('error', (error: unknown) => queue.fail(sqlServerError(error, `reading ${this.label}`)));
    request.on('done', () => {
      ended = true;
      queue.end();
    });
    // The promise only repeats what the events say.
    request.query(sql).catch((error: unknown) => queue.fail(sqlServerError(error, `reading ${this.label}`)));
    try {
      yield* queue.batches();
    } finally {
      if (!ended) request.cancel();
      this.#connection.finished(request);
    }
  }

  async cleanUp(): Promise<void> {
    // Reading leaves nothing behind.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async highest(column: Column): Promise<{ value: string | null; nulls: number }> {
    const name = quote(column.name);
    // A row version below one that is still being written may be committed later: only those below all such count.
    const highest = /^(rowversion|timestamp)$/.test(column.native)
      ? `CASE WHEN MAX(${name}) < MIN_ACTIVE_ROWVERSION() THEN MAX(${name}) ELSE CONVERT(binary(8), CONVERT(bigint, MIN_ACTIVE_ROWVERSION()) - 1) END`
      : `MAX(${name})`;
    const [found] = await this.#connection.query(
      `SELECT ${canonicalText(column, highest)} AS highest, CONVERT(varchar(20), COUNT_BIG(*) - COUNT_BIG(${name})) AS nulls FROM ${this.#from()}`,
      `looking for the highest ${column.name} of ${this.label}`,
    );
    const value = found?.['highest'];
    return { value: typeof value === 'string' ? value : null, nulls: Number(found?.['nulls'] ?? 0) };
  }

  /** What stands after FROM. */
  #from(): string {
    return filteredFrom(this.#relation(), this.#filter, sqlServerDialect);
  }

  #relation(): string {
    if (this.#query !== undefined) return `(${this.#query}) AS q`;
    if (this.#table === undefined)
      throw new WaybillError('DEFINITION_INVALID', 'The copy source names no table.');
    return quoteTable(this.#table);
  }
}
