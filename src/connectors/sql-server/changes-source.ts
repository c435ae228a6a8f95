// Reads what changed in a table since a version, by Change Tracking. The version is the watermark of an incremental copy.
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import { planSqlRanges, rangeCondition } from '../common/range-plan.ts';
import { requiredTable } from '../common/settings.ts';
import type { CopySource, EndpointContext, PlannedRanges, RowFilter } from '../connector.ts';
import {
  changeColumns,
  changesFrom,
  checkVersion,
  currentVersion,
  type TrackedTable,
  trackedTable,
} from './change-tracking.ts';
import type { SqlServerConnection } from './connection.ts';
import { formatRowDecoders } from './decoders.ts';
import { sqlServerDialect } from './dialect.ts';
import { selectList } from './select-list.ts';
import { streamRows } from './source-reading.ts';
import { isolationPrefix, statementMilliseconds } from './source-settings.ts';
import { canonicalText } from './types.ts';

export class SqlServerChanges implements CopySource {
  readonly #connection: SqlServerConnection;
  readonly #context: EndpointContext;
  readonly #isolation: string;
  #table: TrackedTable | undefined;

  constructor(connection: SqlServerConnection, context: EndpointContext) {
    this.#connection = connection;
    this.#context = context;
    this.#isolation = isolationPrefix(context.endpoint.settings);
  }

  get label(): string {
    const { schema, name } = requiredTable(this.#context.endpoint.dataset, 'dbo');
    return `SQL Server changes of ${schema}.${name}`;
  }

  async columns(): Promise<Column[]> {
    return changeColumns(await this.#tracked());
  }

  /** The one watermark there is: the version. */
  async highest(column: Column): Promise<{ value: string | null; nulls: number }> {
    if (column.onlyIfNamed === true)
      return { value: await currentVersion(this.#connection, await this.#tracked()), nulls: 0 };
    throw this.#notIncremental();
  }

  async plan(parallelCopies: number): Promise<PlannedRanges> {
    const { table, filter } = await this.#window();
    return planSqlRanges({
      settings: this.#context.endpoint.settings,
      columns: [...table.columns],
      key: [...table.keys],
      parallelCopies,
      wire: undefined,
      from: changesFrom(table, filter),
      dialect: sqlServerDialect,
      text: canonicalText,
      query: (sql) => this.#connection.query(`${this.#isolation}${sql}`, `planning chunks of ${this.label}`),
      count: 'CONVERT(varchar(20), COUNT_BIG(*))',
      limited: (fields, place, rows) => `SELECT TOP (${rows}) ${fields} FROM ${place}`,
      length: (expression) => `CONVERT(bigint, LEN(${expression}))`,
    });
  }

  async *read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    const { table, filter } = await this.#window();
    const condition = rangeCondition(range, sourceState, sqlServerDialect);
    const sql =
      `${this.#isolation}SELECT ${selectList(columns)} FROM ${changesFrom(table, filter)}` +
      (condition === '' ? '' : ` WHERE ${condition}`);
    const milliseconds = statementMilliseconds(this.#context.endpoint.settings);
    yield* streamRows(
      this.#connection,
      sql,
      formatRowDecoders(columns),
      `reading ${this.label}`,
      milliseconds,
    );
    // What was cleaned up while the rows came may have been among them.
    await checkVersion(this.#connection, table, filter);
  }

  async cleanUp(): Promise<void> {
    // Reading leaves nothing behind.
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #tracked(): Promise<TrackedTable> {
    this.#table ??= await trackedTable(
      this.#connection,
      requiredTable(this.#context.endpoint.dataset, 'dbo'),
    );
    return this.#table;
  }

  async #window(): Promise<{ table: TrackedTable; filter: RowFilter }> {
    const { filter } = this.#context;
    if (filter === undefined) throw this.#notIncremental();
    const table = await this.#tracked();
    await checkVersion(this.#connection, table, filter);
    return { table, filter };
  }

  #notIncremental(): WaybillError {
    return new WaybillError(
      'DEFINITION_INVALID',
      '"changeTracking" needs "incremental": {"watermarkColumn": "SYS_CHANGE_VERSION"} beside source and sink.',
      { key: 'incremental.watermarkColumn' },
    );
  }
}
