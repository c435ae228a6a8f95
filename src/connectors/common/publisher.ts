// Moves staged rows into the target, as the write behaviour says. Everything runs in the caller's transaction.
import { findColumn } from '../../core/copy/mapping.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column, Row } from '../../core/types/column.ts';
import type { SkippedKeys, StoredPlan } from '../connector.ts';
import type { TableName } from './identifier.ts';
import { type ChosenKeys, chooseKeys } from './keys.ts';
import type { SqlStore } from './sql-store.ts';
import type { WriteBehavior } from './write-behavior.ts';

/** The values of a change's operation column. */
const DELETED = 'D';
const OPERATIONS = ['I', 'U', DELETED];
/** With exact changes: of a row that must be there, and of one that may. */
const UPDATED = 'U';
const EXACT_OPERATIONS = [UPDATED, 'S', DELETED];

export interface PublishPlace {
  readonly store: SqlStore;
  readonly target: TableName;
  readonly staging: TableName;
  readonly behavior: WriteBehavior;
  readonly label: string;
}

/** The staged column that holds each change's operation, if the rows are changes. */
const operationOf = (behavior: WriteBehavior, columns: readonly Column[]): Column | undefined =>
  behavior.kind === 'changes' ? findColumn(columns, behavior.operationColumn) : undefined;

export class Publisher {
  readonly #place: PublishPlace;

  constructor(place: PublishPlace) {
    this.#place = place;
  }

  /**
   * The staged columns that end in the target, and its keys where the behaviour needs some. Throws DEFINITION_INVALID for
   * keys that are missing: called while planning, before the first row moves, and again to publish.
   */
  async plan(columns: readonly Column[]): Promise<{ written: Column[]; keys: ChosenKeys | undefined }> {
    const { store, behavior, target, label } = this.#place;
    const operation = operationOf(behavior, columns);
    if (behavior.kind === 'changes' && operation === undefined) {
      throw new WaybillError(
        'DEFINITION_INVALID',
        `The source of ${label} has no column ${behavior.operationColumn} that says what each change is.`,
        { key: 'changeSettings.operationColumn' },
      );
    }
    const written = columns.filter((column) => column !== operation);
    if (behavior.kind !== 'upsert' && behavior.kind !== 'changes') return { written, keys: undefined };
    const unique = await store.uniqueKeys(target);
    return { written, keys: chooseKeys(behavior.keys, unique, written, label) };
  }

  /**
   * Returns how many of the staged rows are now in effect; `replace` empties the target first. Where the plan leaves out
   * rows whose key is taken, `skipped` is given them before it is too late.
   */
  async move(plan: StoredPlan, replace: boolean, skipped?: SkippedKeys): Promise<number> {
    const { store, behavior, target, staging } = this.#place;
    const columns = plan.columns.map(({ sink }) => sink);
    const { written, keys } = await this.plan(columns);
    if (keys === undefined && plan.skips !== true) {
      const chunkColumn = store.dialect.own('_wb_chunk');
      const taken = await store.takeOver?.({ target, staging, columns, chunkColumn, replace });
      if (taken !== undefined) return taken;
    }
    if (replace) await store.execute(store.dialect.emptyTable(target));
    if (keys === undefined) {
      return plan.skips === true && store.dialect.keysEnforced
        ? this.#insertFree(written, skipped)
        : this.#insert(written);
    }
    const operation = operationOf(behavior, columns);
    return operation === undefined
      ? this.#upsert(written, keys, undefined)
      : this.#applyChanges(written, keys, operation);
  }

  #insert(columns: readonly Column[]): Promise<number> {
    const { store, target, staging } = this.#place;
    const { dialect } = store;
    return store.execute(
      `INSERT INTO ${this.#name(target)} (${columns.map((column) => dialect.quote(column.name)).join(', ')}) ` +
        `${dialect.overriding ?? ''}SELECT ${columns.map((column) => dialect.fromStaging(column)).join(', ')} FROM ${this.#name(staging)}`,
    );
  }

  /** Inserts the rows whose keys are free, of several with one key the first, and tells of the others. */
  async #insertFree(columns: readonly Column[], skipped: SkippedKeys | undefined): Promise<number> {
    const { store, target, staging } = this.#place;
    const { dialect } = store;
    const keys = (await store.uniqueKeys(target)).filter((key) =>
      key.every((name) => findColumn(columns, name) !== undefined),
    );
    if (keys.length === 0) return this.#insert(columns);
    const order = dialect.stagedOrder ?? dialect.quote(dialect.own('_wb_chunk'));
    const places = keys.map((_, i) => dialect.quote(dialect.own(`_wb_place_${i}`)));
    const ranked = keys.map((key, i) => {
      const names = key.map((name) => dialect.quote(name)).join(', ');
      return `ROW_NUMBER() OVER (PARTITION BY ${names} ORDER BY ${order}) AS ${places[i]}`;
    });
    const from = `(SELECT *, ${ranked.join(', ')} FROM ${this.#name(staging)}) AS x`;
    const taken = keys.map((key, i) => {
      const same = key.map((name) => `t.${dialect.quote(name)} = x.${dialect.quote(name)}`).join(' AND ');
      const present = key.map((name) => `x.${dialect.quote(name)} IS NOT NULL`).join(' AND ');
      // A key with a NULL in it is never taken.
      return `(${present} AND (x.${places[i]} > 1 OR EXISTS (SELECT 1 FROM ${this.#name(target)} AS t WHERE ${same})))`;
    });
    const isTaken = taken.join(' OR ');
    const lost = await store.query(`SELECT ${dialect.rowText(columns)} AS r FROM ${from} WHERE ${isTaken}`);
    if (lost.length > 0 && skipped !== undefined) {
      const names = keys.map((key) => `(${key.join(', ')})`).join(' or ');
      const reason = `CONSTRAINT_VIOLATED: another row of ${this.#place.label} has its key ${names}.`;
      await skipped(lost.map((row) => ({ row: rowOfText(String(row['r'])), reason })));
    }
    return store.execute(
      `INSERT INTO ${this.#name(target)} (${columns.map((column) => dialect.quote(column.name)).join(', ')}) ` +
        `${dialect.overriding ?? ''}SELECT ${columns.map((column) => dialect.fromStaging(column)).join(', ')} FROM ${from} WHERE NOT (${isTaken})`,
    );
  }

  /** `where` says which staged rows. */
  async #upsert(written: readonly Column[], keys: ChosenKeys, where: string | undefined): Promise<number> {
    const { store, target, staging } = this.#place;
    await this.#checkKeys(keys);
    const statements = store.dialect.upsert({
      target,
      staging,
      columns: written,
      keys: keys.columns,
      keysUnique: keys.unique,
      where,
    });
    for (const statement of statements) await store.execute(statement);
    return this.#found(keys, where);
  }

  async #applyChanges(written: readonly Column[], keys: ChosenKeys, operation: Column): Promise<number> {
    const { store, staging } = this.#place;
    const { dialect } = store;
    const name = dialect.quote(operation.name);
    const { behavior, target } = this.#place;
    const exact = behavior.kind === 'changes' && behavior.exact === true;
    const operations = exact ? EXACT_OPERATIONS : OPERATIONS;
    const unknown = await this.#count(
      `${this.#name(staging)} WHERE ${name} IS NULL OR ${name} NOT IN (${operations.map((one) => dialect.literal(one)).join(', ')})`,
    );
    if (unknown > 0) {
      throw new WaybillError(
        'CONSTRAINT_VIOLATED',
        `${unknown} changes have another value than ${operations.slice(0, -1).join(', ')} or ${DELETED} in ${operation.name}: nothing was published.`,
        { column: operation.name, rows: unknown },
      );
    }
    const deleted = `${name} = ${dialect.literal(DELETED)}`;
    await this.#checkKeys(keys);
    let without = 0;
    if (exact) {
      const updated = `${this.#name(staging)} WHERE ${name} = ${dialect.literal(UPDATED)}`;
      const absent = `NOT EXISTS (SELECT 1 FROM ${this.#name(target)} AS t WHERE ${this.#same(keys, 't', this.#name(staging))})`;
      without = await this.#count(`${updated} AND ${absent}`);
      if (without > 0) await store.execute(`DELETE FROM ${updated} AND ${absent}`);
    }
    await store.execute(
      `DELETE FROM ${this.#name(this.#place.target)} WHERE EXISTS (SELECT 1 FROM ${this.#name(staging)} AS s ` +
        `WHERE s.${deleted} AND ${this.#same(keys, this.#name(this.#place.target), 's')})`,
    );
    const kept = await this.#upsert(written, keys, `${name} <> ${dialect.literal(DELETED)}`);
    return kept + without + (await this.#count(`${this.#name(staging)} WHERE ${deleted}`));
  }

  /** A key that is NULL or there twice has no one row to become: which of two rows came later nobody knows. */
  async #checkKeys(keys: ChosenKeys): Promise<void> {
    const { store, staging, label } = this.#place;
    const { dialect } = store;
    const names = keys.columns.map(({ name }) => name).join(', ');
    const nulls = await this.#count(
      `${this.#name(staging)} WHERE ${keys.columns.map(({ name }) => `${dialect.quote(name)} IS NULL`).join(' OR ')}`,
    );
    if (nulls > 0) {
      throw new WaybillError(
        'CONSTRAINT_VIOLATED',
        `${nulls} rows for ${label} have NULL in the key (${names}): nothing was published.`,
        { keys: names, rows: nulls },
      );
    }
    const [found] = await store.query(
      `SELECT COUNT(*) AS n, MIN(k) AS example FROM (SELECT ${dialect.rowText(keys.columns)} AS k ` +
        `FROM ${this.#name(staging)} GROUP BY ${keys.columns.map(({ name }) => dialect.quote(name)).join(', ')} ` +
        'HAVING COUNT(*) > 1) AS d',
    );
    const twice = Number(found?.['n'] ?? 0);
    if (twice === 0) return;
    throw new WaybillError(
      'CONSTRAINT_VIOLATED',
      `${twice} keys occur more than once among the rows for ${label}, such as (${names}) = ` +
        `(${keyValues(String(found?.['example']))}): nothing was published.`,
      { keys: names, twice },
    );
  }

  /** How many rows of the target have a key of the staged rows: as many as were staged, unless it holds a key twice. */
  #found(keys: ChosenKeys, where: string | undefined): Promise<number> {
    const { target, staging } = this.#place;
    const staged = `(SELECT * FROM ${this.#name(staging)}${where === undefined ? '' : ` WHERE ${where}`}) AS s`;
    return this.#count(`${staged} JOIN ${this.#name(target)} AS t ON ${this.#same(keys, 't', 's')}`);
  }

  #same(keys: ChosenKeys, target: string, staged: string): string {
    const { quote } = this.#place.store.dialect;
    return keys.columns
      .map(({ name }) => `${target}.${quote(name)} = ${staged}.${quote(name)}`)
      .join(' AND ');
  }

  async #count(from: string): Promise<number> {
    const [row] = await this.#place.store.query(`SELECT COUNT(*) AS n FROM ${from}`);
    return Number(row?.['n'] ?? 0);
  }

  #name(table: TableName): string {
    const { quote } = this.#place.store.dialect;
    return `${quote(table.schema)}.${quote(table.name)}`;
  }
}

/** A row's values from its row text: "V1|Va||b|N" is 1, a|b and NULL. */
const rowOfText = (text: string): Row => {
  const row: Row = [];
  // A field begins with V or N, so a bar that ends one is never followed by another: pairs belong to the text.
  for (const field of text.match(/(?:[^|]|\|\|)+/g) ?? []) {
    row.push(field.startsWith('N') ? null : field.slice(1).replaceAll('||', '|'));
  }
  return row;
};

const keyValues = (text: string): string => rowOfText(text).join(', ');
