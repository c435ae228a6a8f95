// Gathers what a store answers to a text of several statements, row by row, up to the limits.
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { SqlAnswer, SqlLimits, SqlResultSet } from '../sql-commands.ts';
import { memberNames, rowObject } from './json-values.ts';

/** One column of a result: its name, and how its values become JSON. `null` values never get here. */
export interface ResultColumn {
  readonly name: string;
  readonly bytes: boolean;
  value(raw: unknown): JsonValue;
}

interface OpenResult {
  readonly names: readonly string[];
  readonly columns: readonly ResultColumn[];
  readonly rows: JsonObject[];
  rowCount: number;
}

/** Messages kept of one text: a loop may print without end. */
const MAX_MESSAGES = 10_000;

export class ResultCollector {
  readonly messages: string[] = [];
  readonly #limits: SqlLimits;
  readonly #results: OpenResult[] = [];
  #recordsAffected = 0;

  constructor(limits: SqlLimits) {
    this.#limits = limits;
  }

  /** A new result begins. */
  begin(columns: readonly ResultColumn[]): void {
    const names = memberNames(
      columns.map(({ name }) => name),
      this.#limits.keepsNameless,
    );
    this.#results.push({ names, columns, rows: [], rowCount: 0 });
  }

  /** Takes a row of the newest result. True once no further row of it is wanted, and reading may end. */
  row(values: readonly unknown[]): boolean {
    const result = this.#results.at(-1);
    if (result === undefined) return false;
    result.rowCount++;
    if (result.rows.length < this.#limits.maxRows) {
      const json = result.columns.map((column, i): JsonValue => {
        const value = values[i];
        return value === null || value === undefined ? null : column.value(value);
      });
      result.rows.push(rowObject(result.names, json));
    }
    return this.#limits.stopEarly && result.rows.length >= this.#limits.maxRows;
  }

  /** The newest result has so many rows in all, where the store says so. */
  more(rows: number): void {
    const result = this.#results.at(-1);
    if (result !== undefined) result.rowCount = Math.max(result.rowCount, rows);
  }

  affected(rows: number): void {
    this.#recordsAffected += Math.max(0, rows);
  }

  message(text: string): void {
    if (this.messages.length < MAX_MESSAGES) this.messages.push(text);
  }

  answer(outputParameters: JsonObject = {}): SqlAnswer {
    return {
      resultSets: this.#results.map(
        ({ rows, rowCount, columns, names }): SqlResultSet => ({
          rows,
          rowCount,
          byteColumns: names.filter((_, i) => columns[i]?.bytes),
        }),
      ),
      recordsAffected: this.#recordsAffected,
      outputParameters,
      messages: this.messages,
    };
  }
}
