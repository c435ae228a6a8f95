// The activity behind `runDbt`: one step of dbt, in a copy of the project that is its own.
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Context } from '@temporalio/activity';
import { redact } from '../config/redaction.ts';
import { type DbtActivities, type DbtStepInput, type DbtStepResult, isTransient } from '../core/dbt.ts';
import { WaybillError } from '../core/errors.ts';
import type { LinkedServiceResolver } from '../core/linked-service.ts';
import { withHeartbeat } from './copy/heartbeat.ts';
import { dbtArguments } from './dbt/arguments.ts';
import { machineEnvironment, storeEnvironment } from './dbt/environment.ts';
import { DbtLog } from './dbt/log.ts';
import { runDbtProcess } from './dbt/process.ts';
import { dbtResults } from './dbt/results.ts';

export interface DbtDependencies {
  readonly resolveLinkedService: LinkedServiceResolver;
  /** The program: a path, or a name on the PATH. */
  readonly executable: string;
  /** Directory with dbt_project.yml and profiles.yml. It is read, never written. */
  readonly projectDirectory: string;
  readonly workDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a run before left in the project; another's results must never be taken for this one's. */
const NOT_COPIED = new Set(['target', 'logs', 'dbt_packages']);

export const createDbtActivities = (dependencies: DbtDependencies): DbtActivities => ({
  async performDbtStep(input) {
    const log = new DbtLog();
    return withHeartbeat(
      () => log.beat(),
      () =>
        inOwnDirectory(dependencies.workDirectory, (directory) =>
          perform(dependencies, input, directory, log),
        ),
    );
  },
});

async function inOwnDirectory<T>(parent: string, work: (directory: string) => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, 'dbt-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function perform(
  dependencies: DbtDependencies,
  input: DbtStepInput,
  directory: string,
  log: DbtLog,
): Promise<DbtStepResult> {
  const { executable, projectDirectory, resolveLinkedService, env } = dependencies;
  const places = {
    project: join(directory, 'project'),
    target: join(directory, 'target'),
    logs: join(directory, 'logs'),
  };
  await cp(projectDirectory, places.project, {
    recursive: true,
    filter: (source) => source === projectDirectory || !NOT_COPIED.has(basename(source)),
  });
  const { linkedService } = input;
  const variables = {
    ...machineEnvironment(env, directory),
    ...(linkedService === undefined
      ? {}
      : storeEnvironment(await resolveLinkedService(linkedService, input.linkedServiceParameters), env)),
    ...(input.schema === undefined ? {} : { DBT_SCHEMA: input.schema }),
  };
  const run = async (one: DbtStepInput): Promise<number> =>
    runDbtProcess({
      executable,
      args: dbtArguments(one, places),
      directory: places.project,
      env: variables,
      onLine: (line) => log.line(line),
      signal: Context.current().cancellationSignal,
    });
  const { command } = input.step;
  if (command === 'deps' || (await hasPackages(places.project))) {
    const code = await run({ ...input, step: { command: 'deps' } });
    if (code !== 0) throw failure('deps', code, log);
    if (command === 'deps') return { nodes: [], counts: {}, left: 0 };
  }
  const code = await run(input);
  Context.current().cancellationSignal.throwIfAborted();
  const file = join(places.target, command === 'source freshness' ? 'sources.json' : 'run_results.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  // 0: all is well, 1: a node failed, which its results say. Anything else is dbt's own failure.
  if (text === undefined || (code !== 0 && code !== 1)) throw failure(command, code, log);
  return dbtResults(text);
}

async function hasPackages(project: string): Promise<boolean> {
  for (const name of ['packages.yml', 'dependencies.yml'])
    if ((await readFile(join(project, name), 'utf8').catch(() => '')).trim() !== '') return true;
  return false;
}

/** dbt ended before there were results. */
function failure(command: string, code: number, log: DbtLog): WaybillError {
  const complaints = log.complaints();
  const last = complaints === '' ? 'it said nothing' : complaints;
  return new WaybillError(
    isTransient(complaints) ? 'CONNECTION_FAILED' : 'DBT_FAILED',
    redact(`dbt ${command} ended with ${code} before it had results: ${last}`),
    { command, exitCode: code },
  );
}
