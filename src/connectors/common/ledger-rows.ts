// SQL over the ledger table: its entries selected, inserted, changed and removed.
import type { TableName } from './identifier.ts';
import type { SqlRow, SqlStore } from './sql-store.ts';

const LEDGER = '_waybill_ledger';
const COLUMNS = [
  'copy_key',
  'chunk',
  'copy_id',
  'state',
  'generation',
  'lower_bound',
  'upper_bound',
  'detail',
] as const;

/** A text, a whole number, or a piece of SQL. */
export type LedgerValue = string | number | null | { readonly sql: string };

export class LedgerRows {
  /** What all entries of this copy share. */
  readonly key: string;
  readonly #store: SqlStore;
  readonly #schema: () => string;

  constructor(store: SqlStore, key: string, schema: () => string) {
    this.#store = store;
    this.key = key;
    this.#schema = schema;
  }

  get table(): TableName {
    return { schema: this.#schema(), name: this.#store.dialect.own(LEDGER) };
  }

  /** A ledger column, quoted. */
  c(name: string): string {
    return this.#store.dialect.quote(this.#store.dialect.own(name));
  }

  /** Condition: this copy's entry `chunk`. */
  is(chunk: number): string {
    return this.isOf(this.key, chunk);
  }

  isOf(key: string, chunk: number): string {
    return `${this.equals('copy_key', key)} AND ${this.c('chunk')} = ${chunk}`;
  }

  get isCopy(): string {
    return this.equals('copy_key', this.key);
  }

  equals(column: string, text: string): string {
    return `${this.c(column)} = ${this.#store.dialect.literal(text)}`;
  }

  select(conditions: readonly string[]): Promise<SqlRow[]> {
    return this.#store.query(`SELECT * FROM ${this.#quoted} WHERE ${conditions.join(' AND ')}`);
  }

  async insert(entries: readonly Readonly<Record<string, LedgerValue>>[]): Promise<void> {
    const values = entries.map(
      (entry) => `(${COLUMNS.map((name) => this.#sql(entry[name] ?? null)).join(', ')})`,
    );
    await this.#store.execute(
      `INSERT INTO ${this.#quoted} (${COLUMNS.map((name) => this.c(name)).join(', ')}) VALUES ${values.join(', ')}`,
    );
  }

  /** How many entries were changed. */
  update(set: Readonly<Record<string, LedgerValue>>, conditions: readonly string[]): Promise<number> {
    const assignments = Object.entries(set).map(([name, value]) => `${this.c(name)} = ${this.#sql(value)}`);
    return this.#store.execute(
      `UPDATE ${this.#quoted} SET ${assignments.join(', ')} WHERE ${conditions.join(' AND ')}`,
    );
  }

  /** Removes all entries of this copy. */
  async remove(): Promise<void> {
    await this.#store.execute(`DELETE FROM ${this.#quoted} WHERE ${this.isCopy}`);
  }

  get #quoted(): string {
    const { schema, name } = this.table;
    return `${this.#store.dialect.quote(schema)}.${this.#store.dialect.quote(name)}`;
  }

  #sql(value: LedgerValue): string {
    if (value === null) return 'NULL';
    if (typeof value === 'number') return String(value);
    return typeof value === 'string' ? this.#store.dialect.literal(value) : value.sql;
  }
}
