// Puts the example's input where its pipelines look for it, once.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSeconds, type Report } from '../setup/report.ts';
import { writeWhole } from '../world/state.ts';
import type { World } from '../world/world.ts';
import { dataSetDirectory } from './data-set.ts';
import { type Landed, landWeather } from './landing.ts';
import { prepareSnowflake } from './snowflake.ts';
import { type LoadedTable, loadSqlServer } from './sql-server.ts';

/** What the example's input is, and whether anything had to be done. */
export interface Seeded {
  /** Rows per table in SQL Server. */
  readonly tables: Readonly<Record<string, number>>;
  readonly weather: { readonly files: number; readonly rows: number };
  readonly changed: boolean;
}

/**
 * Loads flights, planes, airports and airlines into SQL Server, lands the weather in S3, creates the Snowflake
 * database. Run again, it compares row counts and file hashes with what it did before and does only what is missing.
 */
export async function seedWorld(world: World, report: Report = () => {}): Promise<Seeded> {
  const startedAt = Date.now();
  const directory = dataSetDirectory(world.python);
  const marker = join(world.directory, 'seed.json');
  const before = JSON.parse(await readFile(marker, 'utf8').catch(() => '{}')) as Partial<Seeded>;
  const [loaded, landed] = await allSettled<[LoadedTable[], Landed, unknown]>([
    loadSqlServer(world, directory, (table) => before.tables?.[table], report),
    landWeather(world, directory),
    prepareSnowflake(world),
  ]);
  const seeded: Seeded = {
    tables: Object.fromEntries(loaded.map(({ table, rows }) => [table, rows])),
    weather: { files: landed.files, rows: landed.rows },
    changed: landed.written > 0 || loaded.some((table) => table.loaded),
  };
  const count = (rows: number | undefined) => (rows ?? 0).toLocaleString('en-US');
  report(
    `${seeded.changed ? 'seeding ' : 'seeded  '}   flights ${count(seeded.tables['flights'])} rows · weather ` +
      `${count(landed.rows)} rows in ${landed.files} files   ${formatSeconds(Date.now() - startedAt)}`,
  );
  await writeWhole(marker, JSON.stringify(seeded, null, 2));
  return seeded;
}

/** Promise.all that waits for every part, so that none goes on after an error was told. */
async function allSettled<T extends unknown[]>(parts: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  await Promise.allSettled(parts);
  return (await Promise.all(parts)) as unknown as T;
}
