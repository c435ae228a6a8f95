// Writes through a stored procedure: each batch of rows is a table-valued parameter of one call, as ADF does it.
import type mssql from 'mssql';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import { textSetting } from '../common/settings.ts';
import type { DirectLoad, Loaded, LoadRequest } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import { type BulkColumn, bulkColumn } from './bulk-column.ts';
import { tableTypeColumns } from './catalog.ts';
import type { SqlServerConnection } from './connection.ts';
import { quoteTable } from './dialect.ts';
import { sqlServerError } from './errors.ts';
import { procedureName, procedureParameters } from './source-settings.ts';
import { encodeTableRows, tableParameter } from './table-parameter.ts';

/** ADF's default. */
const ROWS_PER_CALL = 10_000;

export class ProcedureSink implements DirectLoad {
  readonly #connection: SqlServerConnection;
  readonly #procedure: TableName;
  readonly #type: TableName;
  readonly #parameter: string;
  readonly #others: Readonly<Record<string, string | null>>;
  readonly #rowsPerCall: number;
  #columns: Column[] | undefined;

  /** Throws DEFINITION_INVALID for settings that are missing. */
  constructor(connection: SqlServerConnection, settings: JsonObject) {
    this.#connection = connection;
    const need = (key: string): string => {
      const value = textSetting(settings, key);
      if (value !== undefined) return value;
      throw new WaybillError('DEFINITION_INVALID', `Writing through a stored procedure needs "${key}".`, {
        key,
      });
    };
    this.#procedure = procedureName(need('sqlWriterStoredProcedureName'));
    this.#type = procedureName(need('sqlWriterTableType'));
    this.#parameter = need('storedProcedureTableTypeParameterName').replace(/^@/, '');
    this.#others = procedureParameters(settings);
    const size = Number(textSetting(settings, 'writeBatchSize') ?? ROWS_PER_CALL);
    if (!(Number.isInteger(size) && size > 0)) {
      throw new WaybillError('DEFINITION_INVALID', '"writeBatchSize" must be a whole number of rows.', {
        key: 'writeBatchSize',
      });
    }
    this.#rowsPerCall = size;
  }

  /** The columns of the table type. Throws OBJECT_MISSING where there is none. */
  async columns(): Promise<Column[]> {
    this.#columns ??= await tableTypeColumns(this.#connection, this.#type);
    if (this.#columns.length > 0) return this.#columns;
    throw new WaybillError(
      'OBJECT_MISSING',
      `There is no table type ${this.#type.schema}.${this.#type.name}: "sqlWriterTableType" must name one.`,
      { type: `${this.#type.schema}.${this.#type.name}` },
    );
  }

  /** All calls are within the transaction that commits the chunk: a chunk is wholly with the procedure, or not at all. */
  async load(request: LoadRequest, rows: MeasuredRows): Promise<Loaded> {
    const all = await this.columns();
    const columns = all.map((column) =>
      bulkColumn({ ...column, native: column.native.replace(' identity', '') }),
    );
    // A table-valued parameter has all columns of its type; those that nothing is mapped to are NULL.
    const places = all.map((column) => request.columns.findIndex(({ sink }) => sink.name === column.name));
    let loaded = 0;
    let batch: Row[] = [];
    for await (const some of rows.batches) {
      for (const row of some) {
        batch.push(places.map((place) => (place < 0 ? null : (row[place] ?? null))));
        if (batch.length < this.#rowsPerCall) continue;
        loaded += await this.#call(batch, columns, request.chunk);
        batch = [];
      }
    }
    if (batch.length > 0) loaded += await this.#call(batch, columns, request.chunk);
    return { rows: loaded, bytes: rows.figures().bytes };
  }

  async #call(batch: readonly Row[], columns: readonly BulkColumn[], chunk: number): Promise<number> {
    const encoded = encodeTableRows(batch, columns);
    const request = this.#connection.request();
    request.input(this.#parameter, tableParameter(this.#type, columns, encoded), encoded);
    for (const [name, value] of Object.entries(this.#others)) {
      request.input(name, this.#connection.driver.NVarChar as unknown as mssql.ISqlType, value);
    }
    try {
      await request.execute(quoteTable(this.#procedure));
    } catch (error) {
      throw sqlServerError(
        error,
        `calling ${this.#procedure.schema}.${this.#procedure.name} for chunk ${chunk}`,
      );
    } finally {
      this.#connection.finished(request);
    }
    return batch.length;
  }
}
