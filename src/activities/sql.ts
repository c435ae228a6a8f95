// The activities that ask SQL stores (and, for Lookup, stores of files): Lookup, Script, SqlServerStoredProcedure.
import type { TaskActivity } from '../core/pipeline/task.ts';
import { lookup } from './sql/lookup.ts';
import { script } from './sql/script.ts';
import type { SqlDependencies } from './sql/session.ts';
import { storedProcedure } from './sql/stored-procedure.ts';
import { asTask } from './task.ts';

export interface SqlActivities {
  performLookup: TaskActivity;
  performScript: TaskActivity;
  performSqlServerStoredProcedure: TaskActivity;
}

export const createSqlActivities = (dependencies: SqlDependencies): SqlActivities => ({
  performLookup: asTask((input) => lookup(dependencies, input)),
  performScript: asTask((input) => script(dependencies, input)),
  performSqlServerStoredProcedure: asTask((input) => storedProcedure(dependencies, input)),
});
