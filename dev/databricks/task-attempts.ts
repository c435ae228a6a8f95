// One attempt of a task: its cluster, its process or its statements, its time limit, and the state it ends in.
import type { SparkInstallation } from '../emr/spark-submit.ts';
import type { Clusters } from './clusters.ts';
import { performDbtTask } from './dbt-task.ts';
import { invalid } from './errors.ts';
import type { Files } from './files.ts';
import { type Json, mapIn, numberIn, objectIn, textIn } from './json.ts';
import type { Queries } from './queries.ts';
import { referred } from './references.ts';
import { performSqlTask } from './sql-task.ts';
import { type RunRecord, type RunState, runEnded, type TaskRecord } from './state.ts';
import type { Statements } from './statements.ts';
import type { Store } from './store.ts';
import { planTask } from './task-command.ts';
import { type TaskOutcome, TaskProcess } from './task-process.ts';
import { kindOf } from './tasks.ts';

export interface AttemptDependencies {
  readonly store: Store;
  readonly clusters: Clusters;
  readonly files: Files;
  readonly spark: SparkInstallation;
  readonly statements: Statements;
  readonly queries: Queries;
  /** The program `dbt`; dbt tasks are refused without. */
  readonly dbt: string | undefined;
}

export const failedWith = (message: string, code: string): RunState => ({
  life: code === 'RUN_EXECUTION_ERROR' ? 'TERMINATED' : 'INTERNAL_ERROR',
  result: 'FAILED',
  message,
  code,
});
export const CANCELED: RunState = {
  life: 'TERMINATED',
  result: 'CANCELED',
  message: 'Run cancelled.',
  code: 'USER_CANCELED',
};

/** What the environment of each of a task's processes carries. */
export const markOf = (task: TaskRecord): string => `databricks-${task.run_id}`;

/** Something that is under way for a task and can be asked to end. */
interface Going {
  stop(force?: boolean): void;
}

export class TaskAttempts {
  readonly #with: AttemptDependencies;
  readonly #going = new Map<number, Going>();
  /** Why a task's cluster went away under it, by the task's run id. */
  readonly #bereft = new Map<number, string>();
  #closing = false;

  constructor(dependencies: AttemptDependencies) {
    this.#with = dependencies;
  }

  /** Performs the task to its end and gives the state it ends in; its output and error are in the record. Never rejects. */
  async perform(run: RunRecord, task: TaskRecord): Promise<RunState> {
    const { clusters } = this.#with;
    const id = task.run_id;
    let state: RunState;
    try {
      state = await this.#onCluster(run, task);
    } catch (error) {
      state = failedWith(error instanceof Error ? error.message : String(error), 'CLUSTER_ERROR');
    }
    if (this.#closing) return state;
    this.#going.delete(id);
    this.#bereft.delete(id);
    delete task.processGroup;
    if (task.clusterId !== undefined) {
      clusters.release(task.clusterId, id);
      if (objectIn(task.spec, 'new_cluster') !== undefined)
        clusters.terminate(clusters.find(task.clusterId), 'JOB_FINISHED');
    }
    return state;
  }

  stop(taskRunId: number): void {
    this.#going.get(taskRunId)?.stop();
  }

  /** Ends what is under way, at once. */
  close(): void {
    this.#closing = true;
    for (const going of this.#going.values()) going.stop(true);
  }

  /** A cluster is gone: so is what ran on it. */
  clusterEnded(clusterId: string, why: string): void {
    for (const run of this.#with.store.runs.values()) {
      if (runEnded(run.state)) continue;
      for (const task of run.tasks) {
        const going = this.#going.get(task.run_id);
        if (task.clusterId !== clusterId || going === undefined) continue;
        this.#bereft.set(task.run_id, why);
        going.stop(true);
      }
    }
  }

  async #onCluster(run: RunRecord, task: TaskRecord): Promise<RunState> {
    const { store, clusters } = this.#with;
    const id = task.run_id;
    const cluster = this.#clusterOf(run, task);
    if (cluster !== undefined) {
      task.clusterId = cluster.cluster_id;
      store.saveRun(run);
      if (!(await clusters.ready(cluster, id)))
        throw invalid(`Cluster ${cluster.cluster_id} was terminated before the task began.`);
    }
    task.setup = Date.now() - task.startTime;
    if (run.cancelled || run.timedOut) return CANCELED;
    task.state = { life: 'RUNNING', message: 'In run' };
    store.saveRun(run);
    const abort = new AbortController();
    const seconds = numberIn(task.spec, 'timeout_seconds') ?? 0;
    let late = false;
    const timer =
      seconds > 0
        ? setTimeout(() => {
            late = true;
            this.#going.get(id)?.stop();
          }, seconds * 1000)
        : undefined;
    const outcome = await this.#work(run, task, cluster?.settings ?? {}, abort);
    clearTimeout(timer);
    if (outcome.kind === 'success' && outcome.output !== undefined) task.output = outcome.output;
    if (outcome.kind !== 'success') task.error = outcome.error;
    if (outcome.kind === 'failed' && outcome.trace) task.trace = outcome.trace;
    const gone = this.#bereft.get(id);
    if (gone !== undefined)
      return failedWith(
        `Cluster ${task.clusterId} was terminated during the run. Reason: ${gone}`,
        'CLUSTER_ERROR',
      );
    if (run.cancelled || run.timedOut) return CANCELED;
    if (late)
      return {
        life: 'TERMINATED',
        result: 'TIMEDOUT',
        message: 'Timed out.',
        code: 'RUN_EXECUTION_ERROR',
      };
    if (outcome.kind === 'success')
      return { life: 'TERMINATED', result: 'SUCCESS', message: '', code: 'SUCCESS' };
    if (outcome.kind === 'unrunnable') return failedWith(outcome.error, outcome.code);
    return failedWith('Workload failed, see run output for details', 'RUN_EXECUTION_ERROR');
  }

  async #work(run: RunRecord, task: TaskRecord, cluster: Json, abort: AbortController): Promise<TaskOutcome> {
    const { store, files, spark, statements, queries, dbt } = this.#with;
    const id = task.run_id;
    const spec = referred(task.spec, run, id);
    const directory = store.taskDirectory(id, 0);
    const onStart = (group: number): void => {
      task.processGroup = group;
      store.saveRun(run);
    };
    const kind = kindOf(spec);
    if (kind === 'sql_task') {
      this.#going.set(id, { stop: () => abort.abort() });
      const { signal } = abort;
      const { parameters } = run;
      return performSqlTask(spec, { statements, queries, files, directory, signal, parameters });
    }
    const process = new TaskProcess(directory);
    this.#going.set(id, process);
    if (kind === 'dbt_task')
      return performDbtTask(spec, {
        statements,
        files,
        spark,
        directory,
        dbt,
        process,
        mark: markOf(task),
        onStart,
      });
    const parameters = { ...run.parameters, ...mapIn(run.overriding, 'notebook_params') };
    const place = { spark, files, directory, cluster, parameters };
    return process.run(() => planTask(spec, place), spark, markOf(task), onStart);
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
}

const named = (settings: Json, run: RunRecord): Json => ({
  ...settings,
  cluster_name: `job-${run.job_id}-run-${run.run_id}`,
});
