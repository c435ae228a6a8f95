// All set-up steps, in parallel where they do not wait for each other.

import { cacheDirectory } from '../cache.ts';
import { isComplete } from './build-once.ts';
import { ensureClassData } from './class-data.ts';
import { ensureDbt } from './dbt.ts';
import { ensureJars } from './jars.ts';
import { ensureKeys, type Keys } from './keys.ts';
import { ensurePostgres, type PostgresPrograms } from './postgres.ts';
import { checkPrerequisites } from './prerequisites.ts';
import { ensurePython, type PythonHome, pythonHome } from './python.ts';
import type { Report } from './report.ts';
import { ensureTemporal, type TemporalPrograms } from './temporal.ts';

/** Everything the local world is built from. */
export interface Setup {
  readonly python: PythonHome;
  readonly jars: string;
  /** The class-data archive, absent when this Java could not make one: submits are slower, nothing else changes. */
  readonly classData?: string;
  readonly temporal: TemporalPrograms;
  readonly postgres: PostgresPrograms;
  readonly keys: Keys;
  /** The program. */
  readonly dbt: string;
}

/** Does what is not done yet; once everything is there it takes a few tenths of a second and reports nothing. */
export async function ensureAll(report: Report): Promise<Setup> {
  if (!(await isComplete((await pythonHome()).directory))) {
    await checkPrerequisites();
    report(`first run: setting up the local world in ${cacheDirectory()} (2 GB, once)`);
  }
  const installing = ensurePython(report);
  const fetching = ensureJars(report, installing);
  const [python, jars, temporal, postgres, keys, dbt] = await settleAll([
    installing,
    fetching,
    installing.then(() => ensureTemporal(report)),
    ensurePostgres(report),
    ensureKeys(report),
    installing.then(() => ensureDbt(report)),
  ]);
  const classData = await ensureClassData(report, python, jars);
  return { python, jars, temporal, postgres, keys, dbt, ...(classData && { classData }) };
}

/** Like Promise.all, but lets every step end before it throws: none may go on writing behind the error message. */
async function settleAll<T extends readonly unknown[]>(steps: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  await Promise.allSettled(steps);
  return (await Promise.all(steps)) as unknown as T;
}
