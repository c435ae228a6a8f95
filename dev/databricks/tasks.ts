// What a task may say: checked when a job or a run is made, so that what cannot run here is refused by name.
import { checkSettings } from './clusters.ts';
import { invalid, notImplemented } from './errors.ts';
import { isObject, type Json, mapIn, objectIn, objectsIn, required, textIn, textsIn } from './json.ts';
import { checkCatalog, checkWarehouse } from './statements.ts';

/** Kinds of task that really run here. */
const RUNNABLE = ['notebook_task', 'spark_python_task', 'spark_jar_task', 'sql_task', 'dbt_task'] as const;
export type TaskKind = (typeof RUNNABLE)[number];

const OTHER = `clean_rooms_notebook_task condition_task dashboard_task dbt_cloud_task for_each_task
gen_ai_compute_task pipeline_task power_bi_task python_wheel_task run_job_task spark_submit_task`.split(
  /\s+/,
);
const RUN_IF = [
  'ALL_SUCCESS',
  'AT_LEAST_ONE_SUCCESS',
  'NONE_FAILED',
  'ALL_DONE',
  'AT_LEAST_ONE_FAILED',
  'ALL_FAILED',
];
const KEY = /^[\w-]{1,100}$/;

export const kindOf = (task: Json): TaskKind => RUNNABLE.find((kind) => isObject(task[kind])) as TaskKind;

/** The tasks of a job or run; a run of one task may be written without the array. */
export function tasksOf(body: Json): Json[] {
  const tasks = objectsIn(body, 'tasks');
  if (tasks.length > 0 || [...RUNNABLE, ...OTHER].every((kind) => body[kind] === undefined)) return tasks;
  const { run_name: _run, name: _name, idempotency_token: _token, ...task } = body;
  return [{ ...task, task_key: 'main' }];
}

/** Throws INVALID_PARAMETER_VALUE for what Databricks would refuse, NOT_IMPLEMENTED for what cannot run here. */
export function checkTasks(tasks: readonly Json[], jobClusters: readonly Json[], stored: boolean): void {
  const shared = new Set(
    jobClusters.map((one) => {
      checkSettings(required(objectIn(one, 'new_cluster'), 'job_clusters.new_cluster'));
      return required(textIn(one, 'job_cluster_key'), 'job_cluster_key');
    }),
  );
  const keys = new Set<string>();
  for (const task of tasks) {
    const key = required(textIn(task, 'task_key'), 'task_key');
    if (!KEY.test(key)) throw invalid(`Invalid task key '${key}'.`);
    if (keys.has(key)) throw invalid(`Duplicate task key '${key}'.`);
    keys.add(key);
    checkTask(task, key, shared, stored);
  }
  for (const task of tasks) {
    for (const dependency of objectsIn(task, 'depends_on')) {
      const on = textIn(dependency, 'task_key') ?? '';
      if (!keys.has(on))
        throw invalid(`Task '${task['task_key'] as string}' depends on '${on}', which does not exist.`);
      if (dependency['outcome'] !== undefined) throw notImplemented('depends_on.outcome');
    }
  }
  if (isCyclic(tasks)) throw invalid('The dependency graph of the tasks has a cycle.');
}

function checkTask(task: Json, key: string, shared: ReadonlySet<string>, stored: boolean): void {
  const other = OTHER.find((kind) => task[kind] !== undefined);
  if (other !== undefined) throw notImplemented(other);
  const kinds = RUNNABLE.filter((kind) => task[kind] !== undefined);
  if (kinds.length !== 1)
    throw invalid(`Task '${key}' must have exactly one task type, and has ${kinds.length}.`);
  const settings = objectIn(task, kinds[0] as string) ?? {};
  if (settings['source'] === 'GIT' || task['git_source'] !== undefined) throw notImplemented('git_source');
  if (kinds[0] === 'notebook_task') {
    const path = required(textIn(settings, 'notebook_path'), 'notebook_path');
    if (/\.ipynb$/i.test(path)) throw notImplemented('notebook_task of .ipynb notebooks');
    mapIn(settings, 'base_parameters');
  }
  if (kinds[0] === 'spark_python_task') {
    required(textIn(settings, 'python_file'), 'python_file');
    textsIn(settings, 'parameters');
  }
  if (kinds[0] === 'spark_jar_task') {
    required(textIn(settings, 'main_class_name'), 'main_class_name');
    textsIn(settings, 'parameters');
  }
  if (kinds[0] === 'sql_task') checkSqlTask(settings);
  if (kinds[0] === 'dbt_task') checkDbtTask(settings);
  const runIf = textIn(task, 'run_if') ?? 'ALL_SUCCESS';
  if (!RUN_IF.includes(runIf)) throw invalid(`Unknown run_if '${runIf}'.`);
  checkCluster(task, key, shared, stored);
  for (const library of objectsIn(task, 'libraries')) {
    const kind = Object.keys(library)[0] ?? '';
    if (!['whl', 'egg', 'jar', 'pypi'].includes(kind)) throw notImplemented(`libraries of kind ${kind}`);
  }
}

function checkSqlTask(settings: Json): void {
  checkWarehouse(required(textIn(settings, 'warehouse_id'), 'sql_task.warehouse_id'));
  for (const other of ['dashboard', 'alert'])
    if (settings[other] !== undefined) throw notImplemented(`sql_task.${other}`);
  const [query, file] = [objectIn(settings, 'query'), objectIn(settings, 'file')];
  if ((query === undefined) === (file === undefined))
    throw invalid('A sql_task has either a query or a file.');
  if (query) required(textIn(query, 'query_id'), 'sql_task.query.query_id');
  if (file) required(textIn(file, 'path'), 'sql_task.file.path');
  if (file?.['source'] === 'GIT') throw notImplemented('git_source');
  mapIn(settings, 'parameters');
}

function checkDbtTask(settings: Json): void {
  const commands = textsIn(settings, 'commands');
  if (commands.length === 0) throw invalid('Missing required field: dbt_task.commands');
  for (const command of commands)
    if (!/^dbt\s/.test(command)) throw invalid(`A command of a dbt_task begins with "dbt": '${command}'.`);
  required(textIn(settings, 'project_directory'), 'dbt_task.project_directory');
  const warehouse = textIn(settings, 'warehouse_id');
  if (warehouse !== undefined) checkWarehouse(warehouse);
  checkCatalog(textIn(settings, 'catalog'));
  if (settings['profiles_directory'] !== undefined) throw notImplemented('dbt_task.profiles_directory');
}

function checkCluster(task: Json, key: string, shared: ReadonlySet<string>, stored: boolean): void {
  const places = ['existing_cluster_id', 'new_cluster', 'job_cluster_key'].filter(
    (one) => task[one] !== undefined,
  );
  if (places.length > 1) throw invalid(`Task '${key}' has more than one of ${places.join(', ')}.`);
  const own = objectIn(task, 'new_cluster');
  if (own !== undefined) checkSettings(own);
  const jobCluster = textIn(task, 'job_cluster_key');
  if (jobCluster !== undefined && !shared.has(jobCluster))
    throw invalid(`Task '${key}' names the job cluster '${jobCluster}', which is not defined.`);
  if (places.length === 0 && task['spark_jar_task'] !== undefined && !stored)
    throw invalid('A task of this type needs a cluster.');
}

function isCyclic(tasks: readonly Json[]): boolean {
  const left = new Map(
    tasks.map((task) => [
      task['task_key'],
      new Set(objectsIn(task, 'depends_on').map((one) => one['task_key'])),
    ]),
  );
  for (;;) {
    const free = [...left].filter(([, on]) => [...on].every((key) => !left.has(key)));
    if (free.length === 0) return left.size > 0;
    for (const [key] of free) left.delete(key);
  }
}
