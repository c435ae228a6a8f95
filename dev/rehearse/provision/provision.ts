// Puts what a pipeline needs into the local world: databases, tables with rows, procedures, files.
import type { World } from '../../world/world.ts';
import { DATA_ROWS } from '../infer/values.ts';
import {
  type FileNeed,
  isDatabase,
  type Needs,
  type ProcedureNeed,
  type StoreRef,
  storeKey,
  type TableNeed,
} from '../needs.ts';
import { makeRows } from '../rows.ts';
import { Sessions } from './connections.ts';
import { deltaTable } from './delta-table.ts';
import { fileBytes } from './file-bytes.ts';
import { FilePlaces } from './file-places.ts';
import {
  captureChanges,
  createProcedure,
  createTable,
  insertRows,
  qualified,
  quoted,
  trackedKey,
  withLsns,
} from './sql-types.ts';

/** What was put where, in figures, and what could not be. */
export interface Provisioned {
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  /** Sentences on what the local world refused. */
  readonly troubles: readonly string[];
}

export class Provisioner {
  readonly #sessions: Sessions;
  readonly #places: FilePlaces;
  readonly #seed: number;
  readonly #schemas = new Set<string>();

  constructor(world: World, files: string, seed: number) {
    this.#sessions = new Sessions(world);
    this.#places = new FilePlaces(world, files);
    this.#seed = seed;
  }

  /** Makes everything anew that the needs name; other tables and files stay as they are. */
  async provide(needs: Needs): Promise<Provisioned> {
    const troubles: string[] = [];
    const attempt = async (what: string, work: () => Promise<void>): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch (error) {
        troubles.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
        return false;
      }
    };
    for (const store of needs.stores.values())
      if (isDatabase(store.kind)) await attempt(`database ${store.database}`, () => this.#database(store));
    let rows = 0;
    // What is captured first, and whole before any of it is filled: log sequence numbers that other tables hold lie
    // after every capture's beginning and after its last row.
    const isCaptured = (table: TableNeed): boolean =>
      table.captured !== undefined && table.store.kind === 'sql-server';
    const captured = [...needs.tables.values()].filter(isCaptured);
    const others = [...needs.tables.values()].filter((table) => !isCaptured(table));
    const instances = new Map(captured.map(({ store, captured: name }) => [storeKey(store), name]));
    const made: TableNeed[] = [];
    for (const group of [captured, others]) {
      for (const table of group)
        if (await attempt(`table ${table.schema}.${table.name}`, () => this.#table(table))) made.push(table);
      for (const table of group)
        if (made.includes(table))
          await attempt(`rows of ${table.schema}.${table.name}`, async () => {
            rows += await this.#fill(table, instances.get(storeKey(table.store)));
          });
    }
    const tables = made.length;
    for (const procedure of needs.procedures.values())
      await attempt(`procedure ${procedure.schema}.${procedure.name}`, () => this.#procedure(procedure));
    for (const { store, container } of needs.containers.values())
      await attempt(`container ${container}`, () => this.#places.empty(store, container));
    let files = 0;
    for (const file of needs.files.values()) {
      const made = await attempt(`file ${file.path}`, async () => {
        if (file.format === 'Folder') return this.#places.folder(file.store, file.container, file.path);
        const bytes = await this.bytesOf(file);
        const parts = file.format === 'Delta' ? deltaTable(file, bytes) : [[file.path, bytes] as const];
        for (const [path, part] of parts) await this.#places.put(file.store, file.container, path, part);
      });
      if (made) files++;
    }
    return { tables, rows, files, troubles };
  }

  /** The bytes of a made-up file. */
  bytesOf(file: FileNeed): Promise<Buffer> {
    return fileBytes(file, ({ columns, control, place = 0 }) =>
      makeRows([...columns.values()], control, this.#seed, DATA_ROWS, place * DATA_ROWS),
    );
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async #database(store: StoreRef): Promise<void> {
    await this.#sessions.of(store);
    if (store.schema !== '') await this.#schema(store, store.schema);
  }

  async #schema(store: StoreRef, schema: string): Promise<void> {
    const key = `${storeKey(store)}|${schema}`;
    if (schema === '' || store.kind === 'mysql' || this.#schemas.has(key)) return;
    const session = await this.#sessions.of(store);
    const name = quoted(store.kind, schema);
    if (store.kind === 'sql-server') {
      if (!/^(dbo|sys|guest)$/i.test(schema))
        await session.run(`CREATE SCHEMA ${name}`).catch(ignoreExisting);
    } else if (store.kind === 'snowflake') {
      // Names without quotes are upper case there; definitions write them either way.
      await session.run(`CREATE SCHEMA IF NOT EXISTS ${quoted(store.kind, schema)}`);
    } else await session.run(`CREATE SCHEMA IF NOT EXISTS ${name}`);
    this.#schemas.add(key);
  }

  async #table(table: TableNeed): Promise<void> {
    const { store, schema } = table;
    await this.#schema(store, schema);
    const session = await this.#sessions.of(store);
    if (table.name.startsWith('type ')) {
      const type = createTable({ ...table, name: table.name.slice('type '.length) });
      await session
        .run(type.replace(/^CREATE TABLE (\S+) \(/, 'CREATE TYPE $1 AS TABLE ('))
        .catch(ignoreExisting);
      return;
    }
    const name = qualified(store.kind, schema, table.name);
    await session.run(`DROP TABLE IF EXISTS ${name}`).catch(async () => {
      await session.run(`DROP VIEW IF EXISTS ${name}`);
    });
    if (table.isMade) return;
    if (table.columns.size === 0)
      table.columns.set('id', { name: 'id', kind: 'integer', isKnown: false, equals: [] });
    await session.run(createTable(table));
    if (trackedKey(table).length > 0) {
      await session.run('ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON').catch(ignoreExisting);
      await session.run(`ALTER TABLE ${name} ENABLE CHANGE_TRACKING`);
    }
    if (store.kind === 'sql-server')
      for (const statement of captureChanges(table)) await session.run(statement);
  }

  /** Returns how many rows it was given; `instance` is what log sequence numbers in them are of. */
  async #fill(table: TableNeed, instance: string | undefined): Promise<number> {
    const isFilled = table.isRead || table.control.length > 0;
    if (!isFilled || table.isMade || table.name.startsWith('type ')) return 0;
    const session = await this.#sessions.of(table.store);
    const rows = makeRows([...table.columns.values()], table.control, this.#seed);
    for (const statement of insertRows(table, rows)) await session.run(withLsns(statement, instance));
    return rows.length;
  }

  async #procedure(procedure: ProcedureNeed): Promise<void> {
    const { store, schema } = procedure;
    await this.#schema(store, schema);
    const session = await this.#sessions.of(store);
    if (store.kind === 'mysql')
      await session.run(`DROP PROCEDURE IF EXISTS ${qualified(store.kind, schema, procedure.name)}`);
    await session.run(createProcedure(procedure));
  }
}

function ignoreExisting(error: unknown): void {
  if (!/already|exists/i.test(String(error))) throw error;
}
