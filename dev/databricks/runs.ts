// The life of runs: which task runs when and on which cluster, retries, timeouts, cancelling, repairing.
import { setTimeout as sleep } from 'node:timers/promises';
import { logEvent } from '../emr/log.ts';
import { killOrphanedGroup } from '../emr/process-group.ts';
import type { SparkInstallation } from '../emr/spark-submit.ts';
import type { Clusters } from './clusters.ts';
import { invalid, invalidState } from './errors.ts';
import type { Files } from './files.ts';
import { outcomeOf, verdictOn } from './graph.ts';
import { flagIn, type Json, mapIn, numberIn, objectIn, objectsIn, textIn, textsIn } from './json.ts';
import { type JobRecord, type RunRecord, type RunState, runEnded, type TaskRecord } from './state.ts';
import type { Store } from './store.ts';
import { TaskProcess } from './task-process.ts';
import { taskView } from './views.ts';

export interface RunDependencies {
  readonly store: Store;
  readonly clusters: Clusters;
  readonly files: Files;
  readonly spark: SparkInstallation;
  /** Address of the workspace, for run_page_url. */
  readonly page: () => string;
}

export interface NewRun {
  readonly name: string;
  readonly creator: string;
  readonly tasks: readonly Json[];
  readonly body: Json;
  readonly job?: JobRecord;
  readonly overriding?: Json;
}

const failedWith = (message: string, code: string): RunState => ({
  life: code === 'RUN_EXECUTION_ERROR' ? 'TERMINATED' : 'INTERNAL_ERROR',
  result: 'FAILED',
  message,
  code,
});
const CANCELED: RunState = {
  life: 'TERMINATED',
  result: 'CANCELED',
  message: 'Run cancelled.',
  code: 'USER_CANCELED',
};

export class Runs {
  readonly #with: RunDependencies;
  readonly #processes = new Map<number, TaskProcess>();
  /** Why a task's cluster went away under it, by the task's run id. */
  readonly #bereft = new Map<number, string>();
  #closing = false;

  constructor(dependencies: RunDependencies) {
    this.#with = dependencies;
    dependencies.clusters.onEnd = (clusterId, why) => this.#clusterEnded(clusterId, why);
  }

  /** Goes on with what an earlier run of the stand-in left: a task that was running has lost its driver. */
  resume(): void {
    for (const run of this.#with.store.runs.values()) {
      if (runEnded(run.state)) continue;
      for (const task of run.tasks) {
        if (runEnded(task.state) || task.startTime === 0) continue;
        if (task.processGroup !== undefined) killOrphanedGroup(task.processGroup, markOf(task));
        delete task.processGroup;
        this.#end(run, task, failedWith('The driver was lost when the service restarted.', 'CLUSTER_ERROR'));
        if (task.clusterId !== undefined && objectIn(task.spec, 'new_cluster') !== undefined)
          this.#with.clusters.terminate(this.#with.clusters.find(task.clusterId), 'JOB_FINISHED');
      }
      this.#advance(run);
    }
  }

  /** Ends the processes of all tasks; their runs go on when the stand-in is back. */
  close(): void {
    this.#closing = true;
    for (const process of this.#processes.values()) process.stop(true);
  }

  start({ name, creator, tasks, body, job, overriding = {} }: NewRun): RunRecord {
    const { store } = this.#with;
    const defaults = objectsIn(job?.settings ?? body, 'parameters').map((one): [string, string] => [
      textIn(one, 'name') ?? '',
      textIn(one, 'default') ?? '',
    ]);
    const settings = job?.settings ?? body;
    const token = textIn(body, 'idempotency_token');
    const active = [...store.runs.values()].filter(
      (run) => run.job_id === job?.job_id && !runEnded(run.state),
    );
    const most = numberIn(job?.settings ?? {}, 'max_concurrent_runs') ?? 1;
    const full = job !== undefined && active.length >= most;
    const queueing = flagIn(objectIn(body, 'queue') ?? objectIn(settings, 'queue') ?? {}, 'enabled');
    const run: RunRecord = {
      run_id: store.nextId(),
      name,
      job_id: job?.job_id ?? store.nextId(),
      type: job === undefined ? 'SUBMIT_RUN' : 'JOB_RUN',
      creator,
      state: { life: full ? 'QUEUED' : 'PENDING', message: '' },
      startTime: Date.now(),
      endTime: 0,
      tasks: tasks.map((spec) => this.#newTask(spec)),
      jobClusters: objectsIn(settings, 'job_clusters'),
      shared: {},
      parameters: { ...Object.fromEntries(defaults), ...mapIn(overriding, 'job_parameters') },
      overriding,
      timeoutSeconds: numberIn(settings, 'timeout_seconds') ?? 0,
      cancelled: false,
      timedOut: false,
      ...(token === undefined ? {} : { token }),
      repairs: [],
      queueing,
    };
    if (full && !queueing) {
      run.state = {
        life: 'SKIPPED',
        result: 'MAXIMUM_CONCURRENT_RUNS_REACHED',
        message: `Skipped: the limit of ${most} concurrent runs is reached.`,
        code: 'MAX_CONCURRENT_RUNS_EXCEEDED',
      };
      run.endTime = Date.now();
      for (const task of run.tasks) task.state = { ...run.state };
    }
    store.saveRun(run);
    setImmediate(() => this.#advance(run));
    return run;
  }

  find(id: number): { run: RunRecord; task?: TaskRecord } {
    const run = this.#with.store.runs.get(id);
    if (run) return { run };
    for (const other of this.#with.store.runs.values()) {
      const task = other.tasks.find(({ run_id }) => run_id === id);
      if (task) return { run: other, task };
    }
    throw invalid(`Run ${id} does not exist.`);
  }

  /** Asks for the run's end; a run that has ended is left as it is. */
  cancel(run: RunRecord): void {
    if (runEnded(run.state)) return;
    run.cancelled = true;
    this.#stopTasks(run);
    this.#advance(run);
  }

  /** Runs tasks of an ended run again: those named, or all that failed. Gives the repair's id. */
  repair(run: RunRecord, body: Json): number {
    if (!runEnded(run.state)) throw invalidState(`Run ${run.run_id} is still active and cannot be repaired.`);
    const named = new Set(textsIn(body, 'rerun_tasks'));
    for (const key of named)
      if (!run.tasks.some((task) => task.key === key)) throw invalid(`The run has no task '${key}'.`);
    const again = run.tasks.filter(
      ({ key, state }) =>
        named.has(key) || (flagIn(body, 'rerun_all_failed_tasks') && state.result !== 'SUCCESS'),
    );
    if (again.length === 0)
      throw invalid('No task to run again: give rerun_tasks or rerun_all_failed_tasks.');
    const id = this.#with.store.nextId();
    run.repairs.push({
      id,
      type: 'REPAIR',
      start_time: Date.now(),
      task_run_ids: again.map((task) => task.run_id),
    });
    for (const task of again) {
      const fresh = this.#newTask(task.spec);
      const earlier = [...task.earlier, taskView(task, run, this.#with.page())];
      run.tasks[run.tasks.indexOf(task)] = { ...fresh, attempt: task.attempt + 1, earlier };
    }
    run.parameters = { ...run.parameters, ...mapIn(body, 'job_parameters') };
    Object.assign(run, {
      cancelled: false,
      timedOut: false,
      endTime: 0,
      state: { life: 'PENDING', message: '' },
    });
    this.#with.store.saveRun(run);
    setImmediate(() => this.#advance(run));
    return id;
  }

  #newTask(spec: Json): TaskRecord {
    const waits = objectsIn(spec, 'depends_on').length > 0;
    return {
      run_id: this.#with.store.nextId(),
      key: textIn(spec, 'task_key') ?? 'main',
      spec,
      attempt: 0,
      state: { life: waits ? 'BLOCKED' : 'PENDING', message: '' },
      startTime: 0,
      endTime: 0,
      setup: 0,
      earlier: [],
    };
  }

  #advance(run: RunRecord): void {
    if (this.#closing || runEnded(run.state)) return;
    if (run.state.life === 'QUEUED' && !run.cancelled && this.#isFull(run)) return;
    if (run.state.life === 'PENDING' || run.state.life === 'QUEUED') {
      run.state = { life: 'RUNNING', message: 'In run' };
      this.#watchTime(run);
    }
    if (run.cancelled || run.timedOut) run.state = { life: 'TERMINATING', message: 'Terminating' };
    for (let changed = true; changed; ) {
      changed = false;
      for (const task of run.tasks) {
        if (task.startTime !== 0 || runEnded(task.state)) continue;
        const verdict = run.cancelled || run.timedOut ? CANCELED : verdictOn(task, run);
        if (verdict === 'wait') continue;
        changed = true;
        if (verdict === 'run') this.#begin(run, task);
        else {
          task.state =
            'life' in verdict ? { ...verdict } : { life: 'TERMINATED', ...verdict, code: 'SKIPPED' };
          task.endTime = Date.now();
        }
      }
    }
    if (run.tasks.every(({ state }) => runEnded(state))) this.#finish(run);
    this.#with.store.saveRun(run);
  }

  #isFull(run: RunRecord): boolean {
    const job = this.#with.store.jobs.get(run.job_id);
    const most = numberIn(job?.settings ?? {}, 'max_concurrent_runs') ?? 1;
    const before = [...this.#with.store.runs.values()].filter(
      (other) => other.job_id === run.job_id && other.run_id < run.run_id && !runEnded(other.state),
    );
    return before.length >= most;
  }

  #finish(run: RunRecord): void {
    const { store, clusters } = this.#with;
    for (const id of Object.values(run.shared)) clusters.terminate(clusters.find(id), 'JOB_FINISHED');
    run.shared = {};
    run.state = outcomeOf(run);
    run.endTime = Date.now();
    store.saveRun(run);
    for (const other of store.runs.values())
      if (other.state.life === 'QUEUED') setImmediate(() => this.#advance(other));
  }

  #begin(run: RunRecord, task: TaskRecord): void {
    task.startTime = Date.now();
    task.state = { life: 'PENDING', message: 'Waiting for cluster' };
    this.#perform(run, task).catch((error: unknown) => {
      logEvent('error', 'a task could not be run', { task: task.run_id, error: String(error) });
      this.#end(run, task, failedWith(String(error), 'INTERNAL_ERROR'));
      this.#advance(run);
    });
  }

  async #perform(run: RunRecord, task: TaskRecord): Promise<void> {
    const { store, clusters, files, spark } = this.#with;
    const id = task.run_id;
    const own = objectIn(task.spec, 'new_cluster') !== undefined;
    let state: RunState;
    try {
      const cluster = this.#clusterOf(run, task);
      if (cluster !== undefined) {
        task.clusterId = cluster.cluster_id;
        store.saveRun(run);
        if (!(await clusters.ready(cluster, id)))
          throw invalid(`Cluster ${cluster.cluster_id} was terminated before the task began.`);
      }
      task.setup = Date.now() - task.startTime;
      if (run.cancelled || run.timedOut) state = CANCELED;
      else {
        task.state = { life: 'RUNNING', message: 'In run' };
        store.saveRun(run);
        const directory = store.taskDirectory(id, 0);
        const process = new TaskProcess(directory);
        this.#processes.set(id, process);
        const seconds = numberIn(task.spec, 'timeout_seconds') ?? 0;
        let late = false;
        const timer =
          seconds > 0
            ? setTimeout(() => {
                late = true;
                process.stop();
              }, seconds * 1000)
            : undefined;
        const place = {
          spark,
          files,
          directory,
          cluster: cluster?.settings ?? {},
          parameters: { ...run.parameters, ...mapIn(run.overriding, 'notebook_params') },
        };
        const outcome = await process.run(referred(task.spec, run, id), place, markOf(task), (group) => {
          task.processGroup = group;
          store.saveRun(run);
        });
        clearTimeout(timer);
        if (outcome.kind === 'success' && outcome.output !== undefined) task.output = outcome.output;
        if (outcome.kind !== 'success') task.error = outcome.error;
        if (outcome.kind === 'failed' && outcome.trace) task.trace = outcome.trace;
        const gone = this.#bereft.get(id);
        if (gone !== undefined)
          state = failedWith(
            `Cluster ${task.clusterId} was terminated during the run. Reason: ${gone}`,
            'CLUSTER_ERROR',
          );
        else if (run.cancelled || run.timedOut) state = CANCELED;
        else if (late)
          state = {
            life: 'TERMINATED',
            result: 'TIMEDOUT',
            message: 'Timed out.',
            code: 'RUN_EXECUTION_ERROR',
          };
        else if (outcome.kind === 'success')
          state = { life: 'TERMINATED', result: 'SUCCESS', message: '', code: 'SUCCESS' };
        else if (outcome.kind === 'unrunnable') state = failedWith(outcome.error, outcome.code);
        else state = failedWith('Workload failed, see run output for details', 'RUN_EXECUTION_ERROR');
      }
    } catch (error) {
      state = failedWith(error instanceof Error ? error.message : String(error), 'CLUSTER_ERROR');
    }
    if (this.#closing) return;
    this.#processes.delete(id);
    this.#bereft.delete(id);
    delete task.processGroup;
    if (task.clusterId !== undefined) {
      clusters.release(task.clusterId, id);
      if (own) clusters.terminate(clusters.find(task.clusterId), 'JOB_FINISHED');
    }
    const retries = numberIn(task.spec, 'max_retries') ?? 0;
    const again =
      state.result === 'FAILED' || (state.result === 'TIMEDOUT' && flagIn(task.spec, 'retry_on_timeout'));
    this.#end(run, task, state);
    if (again && !run.cancelled && !run.timedOut && (retries < 0 || task.attempt < retries)) {
      await this.#retry(run, task);
    }
    this.#advance(run);
  }

  async #retry(run: RunRecord, task: TaskRecord): Promise<void> {
    const earlier = [...task.earlier, taskView(task, run, this.#with.page())];
    const fresh = { ...this.#newTask(task.spec), attempt: task.attempt + 1, earlier };
    fresh.startTime = Date.now();
    fresh.state = { life: 'WAITING_FOR_RETRY', message: 'Waiting for the next attempt' };
    run.tasks[run.tasks.indexOf(task)] = fresh;
    this.#with.store.saveRun(run);
    await sleep(numberIn(task.spec, 'min_retry_interval_millis') ?? 0);
    if (run.cancelled || run.timedOut) return this.#end(run, fresh, CANCELED);
    this.#begin(run, fresh);
  }

  /** The cluster that a task runs on; undefined on serverless compute. */
  #clusterOf(run: RunRecord, task: TaskRecord) {
    const { clusters } = this.#with;
    const existing = textIn(task.spec, 'existing_cluster_id');
    if (existing !== undefined) return clusters.find(existing);
    const own = objectIn(task.spec, 'new_cluster');
    if (own !== undefined) return clusters.create(named(own, run), 'JOB', run.creator);
    const key = textIn(task.spec, 'job_cluster_key');
    if (key === undefined) return undefined;
    const shared = run.shared[key];
    if (shared !== undefined) return clusters.find(shared);
    const settings = run.jobClusters.find((one) => one['job_cluster_key'] === key) ?? {};
    const made = clusters.create(named(objectIn(settings, 'new_cluster') ?? {}, run), 'JOB', run.creator);
    run.shared[key] = made.cluster_id;
    return made;
  }

  #end(run: RunRecord, task: TaskRecord, state: RunState): void {
    task.state = { ...state };
    task.endTime = Date.now();
    this.#with.store.saveRun(run);
  }

  #stopTasks(run: RunRecord): void {
    for (const task of run.tasks) {
      if (runEnded(task.state) || task.startTime === 0) continue;
      task.state = { life: 'TERMINATING', message: 'Terminating' };
      this.#processes.get(task.run_id)?.stop();
    }
  }

  #watchTime(run: RunRecord): void {
    if (run.timeoutSeconds <= 0) return;
    const left = run.startTime + run.timeoutSeconds * 1000 - Date.now();
    setTimeout(
      () => {
        if (runEnded(run.state)) return;
        run.timedOut = true;
        this.#stopTasks(run);
        this.#advance(run);
      },
      Math.max(0, left),
    ).unref();
  }

  #clusterEnded(clusterId: string, why: string): void {
    for (const run of this.#with.store.runs.values()) {
      if (runEnded(run.state)) continue;
      for (const task of run.tasks) {
        const process = this.#processes.get(task.run_id);
        if (task.clusterId !== clusterId || process === undefined) continue;
        this.#bereft.set(task.run_id, why);
        process.stop(true);
      }
    }
  }
}

/** What the environment of each of a task's processes carries. */
const markOf = (task: TaskRecord): string => `databricks-${task.run_id}`;

const named = (settings: Json, run: RunRecord): Json => ({
  ...settings,
  cluster_name: `job-${run.job_id}-run-${run.run_id}`,
});

/** The task with `{{…}}` replaced by the run's values, where Databricks knows the name. */
function referred(spec: Json, run: RunRecord, taskRunId: number): Json {
  const values: Record<string, string> = {
    'job.id': String(run.job_id),
    'job.run_id': String(run.run_id),
    'task.run_id': String(taskRunId),
    ...Object.fromEntries(
      Object.entries(run.parameters).map(([name, value]) => [`job.parameters.${name}`, value]),
    ),
  };
  const replace = (value: unknown): unknown => {
    if (typeof value === 'string')
      return value.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (whole, name: string) => values[name] ?? whole);
    if (Array.isArray(value)) return value.map(replace);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, replace(entry)]));
  };
  const { new_cluster: cluster, ...rest } = spec;
  const replaced = replace(rest) as Json;
  return cluster === undefined ? replaced : { ...replaced, new_cluster: cluster };
}
