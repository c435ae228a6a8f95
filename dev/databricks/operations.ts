// The operations of the API, by method and path without version.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clusters } from './clusters.ts';
import { clusterView } from './clusters.ts';
import { invalid } from './errors.ts';
import { type Files, tailOf } from './files.ts';
import { flagIn, type Json, numberIn, objectIn, objectsIn, required, textIn, textsIn } from './json.ts';
import type { Runs } from './runs.ts';
import { type JobRecord, type RunRecord, runEnded } from './state.ts';
import type { Store } from './store.ts';
import { checkTasks, tasksOf } from './tasks.ts';
import { jobView, runView, taskRunView } from './views.ts';

export interface Caller {
  /** Who asks, as creator_user_name shows it. */
  readonly user: string;
}

export type Operation = (body: Json, caller: Caller) => Json | Promise<Json>;

/** Bytes of output that runs/get-output answers. */
const MOST_LOGS = 5 * 1024 * 1024;
const DEFAULT_PAGE = 20;
const MOST_PAGE = 25;
const TOKEN_LENGTH = 64;

export function createOperations(parts: {
  readonly store: Store;
  readonly clusters: Clusters;
  readonly runs: Runs;
  readonly files: Files;
  readonly page: () => string;
}): Map<string, Operation> {
  const { store, clusters, runs, files, page } = parts;

  const job = (body: Json): JobRecord => {
    const id = required(numberIn(body, 'job_id'), 'job_id');
    const found = store.jobs.get(id);
    if (found) return found;
    throw invalid(`Job ${id} does not exist.`);
  };
  const run = (body: Json): RunRecord => runs.find(required(numberIn(body, 'run_id'), 'run_id')).run;
  const cluster = (body: Json) => clusters.find(required(textIn(body, 'cluster_id'), 'cluster_id'));
  const checked = (settings: Json, stored: boolean): Json[] => {
    const tasks = tasksOf(settings);
    checkTasks(tasks, objectsIn(settings, 'job_clusters'), stored);
    return tasks;
  };
  /** The run of an earlier request with the same token. */
  const known = (body: Json): RunRecord | undefined => {
    const token = textIn(body, 'idempotency_token');
    if (token === undefined) return undefined;
    if (token.length > TOKEN_LENGTH)
      throw invalid(`idempotency_token may have at most ${TOKEN_LENGTH} characters.`);
    return [...store.runs.values()].find((one) => one.token === token);
  };

  return new Map<string, Operation>([
    [
      'POST /jobs/create',
      (body, { user }) => {
        checked(body, true);
        const made: JobRecord = {
          job_id: store.nextId(),
          settings: stored(body),
          created: Date.now(),
          creator: user,
        };
        store.saveJob(made);
        store.logRequest('jobs/create', textIn(body, 'name') ?? '', [made.job_id]);
        return { job_id: made.job_id };
      },
    ],
    ['GET /jobs/get', (query) => jobView(job(query))],
    [
      'GET /jobs/list',
      (query) => {
        const name = textIn(query, 'name')?.toLowerCase();
        const all = [...store.jobs.values()]
          .filter(
            ({ settings }) => name === undefined || String(settings['name'] ?? '').toLowerCase() === name,
          )
          .sort((a, b) => b.job_id - a.job_id);
        const { items, tokens } = paged(all, query, (one) => one.job_id);
        return { jobs: items.map(jobView), ...tokens };
      },
    ],
    [
      'POST /jobs/reset',
      (body) => {
        const found = job(body);
        const settings = required(objectIn(body, 'new_settings'), 'new_settings');
        checked(settings, true);
        found.settings = stored(settings);
        store.saveJob(found);
        return {};
      },
    ],
    [
      'POST /jobs/update',
      (body) => {
        const found = job(body);
        const settings = { ...found.settings, ...objectIn(body, 'new_settings') };
        for (const field of textsIn(body, 'fields_to_remove')) delete settings[field];
        checked(settings, true);
        found.settings = stored(settings);
        store.saveJob(found);
        return {};
      },
    ],
    [
      'POST /jobs/delete',
      (body) => {
        store.remove('jobs', job(body).job_id);
        return {};
      },
    ],
    [
      'POST /jobs/run-now',
      (body, { user }) => {
        const before = known(body);
        if (before) return { run_id: before.run_id, number_in_job: before.run_id };
        const found = job(body);
        const { job_id: _id, idempotency_token: _token, queue: _queue, ...overriding } = body;
        const tasks = tasksOf(found.settings).map((task) => withParameters(task, overriding));
        const name = String(found.settings['name'] ?? 'Untitled');
        const made = runs.start({ name, creator: user, tasks, body, job: found, overriding });
        store.logRequest('jobs/run-now', name, [made.run_id]);
        return { run_id: made.run_id, number_in_job: made.run_id };
      },
    ],
    [
      'POST /jobs/runs/submit',
      (body, { user }) => {
        const before = known(body);
        if (before) return { run_id: before.run_id };
        const tasks = checked(body, false);
        if (tasks.length === 0) throw invalid('A run needs at least one task.');
        const name = textIn(body, 'run_name') ?? 'Untitled';
        const made = runs.start({ name, creator: user, tasks, body });
        store.logRequest('runs/submit', name, [made.run_id]);
        return { run_id: made.run_id };
      },
    ],
    [
      'GET /jobs/runs/get',
      (query) => {
        const found = runs.find(required(numberIn(query, 'run_id'), 'run_id'));
        return found.task ? taskRunView(found.task, found.run, page()) : runView(found.run, page(), true);
      },
    ],
    [
      'GET /jobs/runs/list',
      (query) => {
        const [jobId, type] = [numberIn(query, 'job_id'), textIn(query, 'run_type')];
        const [from, to] = [numberIn(query, 'start_time_from'), numberIn(query, 'start_time_to')];
        const all = [...store.runs.values()]
          .filter((one) => jobId === undefined || one.job_id === jobId)
          .filter((one) => type === undefined || one.type === type)
          .filter((one) => from === undefined || one.startTime >= from)
          .filter((one) => to === undefined || one.startTime <= to)
          .filter((one) => !flagIn(query, 'active_only') || !runEnded(one.state))
          .filter((one) => !flagIn(query, 'completed_only') || runEnded(one.state))
          .sort((a, b) => b.run_id - a.run_id);
        const { items, tokens } = paged(all, query, (one) => one.run_id);
        return { runs: items.map((one) => runView(one, page(), flagIn(query, 'expand_tasks'))), ...tokens };
      },
    ],
    [
      'GET /jobs/runs/get-output',
      (query) => {
        const found = runs.find(required(numberIn(query, 'run_id'), 'run_id'));
        const task = found.task ?? (found.run.tasks.length === 1 ? found.run.tasks[0] : undefined);
        if (task === undefined)
          throw invalid(
            'Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead.',
          );
        const logs = tailOf(join(store.taskDirectory(task.run_id, 0), 'stdout'), MOST_LOGS);
        return {
          metadata: taskRunView(task, found.run, page()),
          ...(task.spec['sql_task'] === undefined
            ? {}
            : sqlOutput(task.spec, store.taskDirectory(task.run_id, 0))),
          ...(task.spec['dbt_task'] === undefined ? {} : { dbt_output: {} }),
          ...(task.spec['notebook_task'] === undefined
            ? { logs: logs.text, logs_truncated: logs.truncated }
            : {
                notebook_output: task.output === undefined ? {} : { result: task.output, truncated: false },
              }),
          ...(task.error === undefined ? {} : { error: task.error }),
          ...(task.trace === undefined ? {} : { error_trace: task.trace }),
        };
      },
    ],
    [
      'POST /jobs/runs/cancel',
      (body) => {
        const found = run(body);
        store.logRequest('runs/cancel', found.name, [found.run_id]);
        runs.cancel(found);
        return {};
      },
    ],
    [
      'POST /jobs/runs/cancel-all',
      (body) => {
        const id = numberIn(body, 'job_id');
        if (id === undefined && !flagIn(body, 'all_queued_runs'))
          throw invalid('Missing required field: job_id');
        for (const one of store.runs.values()) {
          if (id !== undefined && one.job_id !== id) continue;
          if (!flagIn(body, 'all_queued_runs') || one.state.life === 'QUEUED') runs.cancel(one);
        }
        return {};
      },
    ],
    [
      'POST /jobs/runs/repair',
      (body) => {
        const found = run(body);
        const repair_id = runs.repair(found, body);
        store.logRequest('runs/repair', found.name, [found.run_id]);
        return { repair_id };
      },
    ],
    [
      'POST /jobs/runs/delete',
      (body) => {
        const found = run(body);
        if (!runEnded(found.state)) throw invalid(`Run ${found.run_id} is active and cannot be deleted.`);
        store.remove('runs', found.run_id);
        return {};
      },
    ],
    [
      'POST /clusters/create',
      (body, { user }) => {
        required(textIn(body, 'spark_version'), 'spark_version');
        const made = clusters.create(body, 'API', user);
        store.logRequest('clusters/create', textIn(body, 'cluster_name') ?? '', [made.cluster_id]);
        return { cluster_id: made.cluster_id };
      },
    ],
    ['GET /clusters/get', (query) => clusterView(cluster(query))],
    [
      'GET /clusters/list',
      (query) => {
        // 2.1 filters; a client writes the nested members as filter_by.cluster_states=…
        const states = listed(query['filter_by.cluster_states']);
        const sources = listed(query['filter_by.cluster_sources']);
        const all = [...store.clusters.values()]
          .filter(({ state }) => states.length === 0 || states.includes(state))
          .filter(({ source }) => sources.length === 0 || sources.includes(source))
          .sort((a, b) => (a.cluster_id < b.cluster_id ? 1 : -1));
        const { items, tokens } = paged(all, query, (one) => one.cluster_id, 'page_size', 100);
        return { clusters: items.map(clusterView), ...tokens };
      },
    ],
    [
      'POST /clusters/start',
      (body) => {
        clusters.start(cluster(body));
        return {};
      },
    ],
    [
      'POST /clusters/delete',
      (body) => {
        const found = cluster(body);
        store.logRequest('clusters/delete', String(found.settings['cluster_name'] ?? ''), [found.cluster_id]);
        clusters.terminate(found, 'USER_REQUEST', 'SUCCESS', { username: found.creator });
        return {};
      },
    ],
    [
      'POST /clusters/permanent-delete',
      (body) => {
        clusters.remove(cluster(body));
        return {};
      },
    ],
    [
      'POST /clusters/resize',
      (body) => {
        clusters.resize(cluster(body), body);
        return {};
      },
    ],
    [
      'POST /clusters/edit',
      (body) => {
        const found = cluster(body);
        clusters.edit(found, body);
        return {};
      },
    ],
    ['POST /workspace/import', (body) => files.import(body)],
    ['GET /workspace/get-status', (query) => files.status(query)],
    ['POST /workspace/delete', (body) => files.removeFromWorkspace(body)],
    ['POST /dbfs/put', (body) => files.put(body)],
  ]);
}

/** What a sql_task ran. Its rows are for whoever looks at the run's page; the API has no place for them. */
function sqlOutput(spec: Json, directory: string): Json {
  const file = join(directory, 'results.json');
  const results = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Json[]) : [];
  return {
    sql_output: {
      query_output: {
        query_text: results.map((one) => one['statement']).join(';\n'),
        warehouse_id: objectIn(spec, 'sql_task')?.['warehouse_id'],
        output_link: `file://${file}`,
      },
    },
  };
}

/** A job's settings as they are kept. */
function stored(body: Json): Json {
  const { job_id: _id, ...settings } = body;
  return { ...settings, tasks: tasksOf(body) };
}

const listed = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === 'string');

/** One page, from the place the token names; newest first as the list already is. */
function paged<T>(
  all: readonly T[],
  query: Json,
  key: (item: T) => number | string,
  size = 'limit',
  most = MOST_PAGE,
): { items: T[]; tokens: Json } {
  const limit = numberIn(query, size) ?? DEFAULT_PAGE;
  if (limit < 0 || limit > most) throw invalid(`${size} must be between 1 and ${most}.`);
  const token = textIn(query, 'page_token');
  const after = token ? Buffer.from(token, 'base64url').toString('utf8') : undefined;
  const start = after === undefined ? 0 : all.findIndex((item) => String(key(item)) === after) + 1;
  if (after !== undefined && start === 0) throw invalid('The page_token is invalid or has expired.');
  const items = all.slice(start, start + (limit || most));
  const last = items.at(-1);
  const more = start + items.length < all.length && last !== undefined;
  const next = more ? Buffer.from(String(key(last))).toString('base64url') : undefined;
  return { items, tokens: { has_more: more, ...(next === undefined ? {} : { next_page_token: next }) } };
}

/** A stored task with what run-now gives instead of its own parameters. */
function withParameters(task: Json, given: Json): Json {
  const python = objectIn(task, 'spark_python_task');
  if (python && given['python_params'] !== undefined)
    return { ...task, spark_python_task: { ...python, parameters: textsIn(given, 'python_params') } };
  const jar = objectIn(task, 'spark_jar_task');
  if (jar && given['jar_params'] !== undefined)
    return { ...task, spark_jar_task: { ...jar, parameters: textsIn(given, 'jar_params') } };
  return task;
}
