// The life of runs: which task runs when and on which cluster, retries, timeouts, cancelling, repairing.
import { setTimeout as sleep } from 'node:timers/promises';
import { logEvent } from '../emr/log.ts';
import { killOrphanedGroup } from '../emr/process-group.ts';
import { invalid, invalidState } from './errors.ts';
import { outcomeOf, verdictOn } from './graph.ts';
import { flagIn, type Json, mapIn, numberIn, objectIn, objectsIn, textIn, textsIn } from './json.ts';
import { type JobRecord, type RunRecord, type RunState, runEnded, type TaskRecord } from './state.ts';
import { type AttemptDependencies, CANCELED, failedWith, markOf, TaskAttempts } from './task-attempts.ts';
import { taskView } from './views.ts';

export type RunDependencies = AttemptDependencies & {
  /** Address of the workspace, for run_page_url. */
  readonly page: () => string;
};

export interface NewRun {
  readonly name: string;
  readonly creator: string;
  readonly tasks: readonly Json[];
  readonly body: Json;
  readonly job?: JobRecord;
  readonly overriding?: Json;
}

export class Runs {
  readonly #with: RunDependencies;
  readonly #attempts: TaskAttempts;
  #closing = false;

  constructor(dependencies: RunDependencies) {
    this.#with = dependencies;
    this.#attempts = new TaskAttempts(dependencies);
    dependencies.clusters.onEnd = (clusterId, why) => this.#attempts.clusterEnded(clusterId, why);
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
    this.#attempts.close();
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
    const state = await this.#attempts.perform(run, task);
    if (this.#closing) return;
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

  #end(run: RunRecord, task: TaskRecord, state: RunState): void {
    task.state = { ...state };
    task.endTime = Date.now();
    this.#with.store.saveRun(run);
  }

  #stopTasks(run: RunRecord): void {
    for (const task of run.tasks) {
      if (runEnded(task.state) || task.startTime === 0) continue;
      task.state = { life: 'TERMINATING', message: 'Terminating' };
      this.#attempts.stop(task.run_id);
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
}
