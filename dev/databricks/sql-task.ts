// A sql_task: a saved query or a SQL file, its statements one after the other on the warehouse.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError } from './errors.ts';
import type { Files } from './files.ts';
import { type Json, mapIn, objectIn, textIn } from './json.ts';
import type { Queries } from './queries.ts';
import { statementsOf } from './sql-text.ts';
import type { Statements } from './statements.ts';
import type { TaskOutcome } from './task-process.ts';

export interface SqlPlace {
  readonly statements: Statements;
  readonly queries: Queries;
  readonly files: Files;
  /** Of the attempt: results.json is written to it. */
  readonly directory: string;
  readonly signal: AbortSignal;
  /** The run's, over the task's own. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Runs it to its end. Each statement's result is kept for runs/get-output. */
export async function performSqlTask(spec: Json, place: SqlPlace): Promise<TaskOutcome> {
  const task = objectIn(spec, 'sql_task') ?? {};
  let text: string;
  try {
    const query = objectIn(task, 'query');
    text = query
      ? place.queries.text(textIn(query, 'query_id') ?? '')
      : readFileSync(
          await place.files.local(textIn(objectIn(task, 'file') ?? {}, 'path') ?? '', place.directory),
          'utf8',
        );
  } catch (error) {
    const code =
      error instanceof ApiError && error.code !== 'RESOURCE_DOES_NOT_EXIST'
        ? error.code
        : 'RESOURCE_NOT_FOUND';
    return { kind: 'unrunnable', code, error: error instanceof Error ? error.message : String(error) };
  }
  const given = { ...mapIn(task, 'parameters'), ...place.parameters };
  const results: Json[] = [];
  mkdirSync(place.directory, { recursive: true });
  try {
    for (const statement of statementsOf(text)) {
      // Spark refuses values that a statement has no marker for.
      const parameters = Object.entries(given)
        .filter(([name]) => new RegExp(`:${name}\\b`).test(statement))
        .map(([name, value]) => ({ name, value }));
      const { columns, rows } = await place.statements.run(statement, parameters, place.signal);
      results.push({ statement, columns: columns.map(({ name }) => name), rows });
    }
    return { kind: 'success' };
  } catch (error) {
    return { kind: 'failed', error: error instanceof Error ? error.message : String(error), trace: '' };
  } finally {
    writeFileSync(join(place.directory, 'results.json'), JSON.stringify(results));
  }
}
