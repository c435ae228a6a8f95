// A dbt_task: the project's copy, a profile made for it, and its commands by dbt-spark in the warehouse's metastore.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { SparkInstallation } from '../emr/spark-submit.ts';
import { ApiError, notImplemented } from './errors.ts';
import type { Files } from './files.ts';
import { type Json, objectIn, textIn, textsIn } from './json.ts';
import type { Statements } from './statements.ts';
import type { TaskOutcome, TaskProcess } from './task-process.ts';

export interface DbtPlace {
  readonly statements: Statements;
  readonly files: Files;
  readonly spark: SparkInstallation;
  /** Of the attempt. */
  readonly directory: string;
  readonly dbt: string | undefined;
  readonly process: TaskProcess;
  /** In the environment of each of its processes. */
  readonly mark: string;
  readonly onStart: (group: number) => void;
}

/** Runs the commands in order until one fails. They have the metastore alone: statements wait meanwhile. */
export async function performDbtTask(spec: Json, place: DbtPlace): Promise<TaskOutcome> {
  const { statements, files, spark, directory, dbt, process: attempt, mark, onStart } = place;
  const task = objectIn(spec, 'dbt_task') ?? {};
  return statements.lend((warehouse) =>
    attempt.run(
      async () => {
        if (dbt === undefined) throw notImplemented('dbt_task without --dbt');
        const project = join(directory, 'project');
        cpSync(files.folder(textIn(task, 'project_directory') ?? ''), project, { recursive: true });
        const profiles = join(directory, 'profiles');
        mkdirSync(profiles, { recursive: true });
        writeFileSync(
          join(profiles, 'profiles.yml'),
          profileFor(project, textIn(task, 'schema') ?? 'default'),
        );
        const library = join(spark.sparkHome, 'python', 'lib');
        const archives = readdirSync(library).filter((name) => name.endsWith('.zip'));
        return {
          program: '/bin/sh',
          // Each command is a line for a shell, as it is there.
          args: ['-ec', ['cd "$0"', ...textsIn(task, 'commands')].join('\n'), project],
          environment: {
            ...warehouse,
            PATH: [dirname(dbt), process.env['PATH']].join(delimiter),
            PYTHONPATH: archives.map((name) => join(library, name)).join(delimiter),
            DBT_PROFILES_DIR: profiles,
            DBT_SEND_ANONYMOUS_USAGE_STATS: 'false',
            DBT_USE_COLORS: 'false',
          },
        };
      },
      spark,
      mark,
      onStart,
    ),
  );
}

/** Databricks writes a profile for its own adapter; here the same models run by dbt-spark in a session. */
function profileFor(project: string, schema: string): string {
  const name = /^profile:\s*["']?([\w-]+)/m.exec(readProject(project))?.[1];
  if (name === undefined)
    throw new ApiError(400, 'INVALID_PARAMETER_VALUE', 'dbt_project.yml names no profile.');
  const output = { type: 'spark', method: 'session', host: 'localhost', schema, threads: 1 };
  // JSON is YAML.
  return JSON.stringify({
    [name]: { target: 'databricks_cluster', outputs: { databricks_cluster: output } },
  });
}

function readProject(project: string): string {
  try {
    return readFileSync(join(project, 'dbt_project.yml'), 'utf8');
  } catch {
    throw new ApiError(400, 'RESOURCE_NOT_FOUND', 'The project directory has no dbt_project.yml.');
  }
}
