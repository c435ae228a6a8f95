// Runs and jobs as the API answers them: `state` of 2.1 and `status` of 2.2 side by side.
import type { Json } from './json.ts';
import {
  type JobRecord,
  type LifeCycle,
  type RunRecord,
  type RunState,
  runEnded,
  type TaskRecord,
} from './state.ts';

const V2: Partial<Record<LifeCycle, string>> = {
  WAITING_FOR_RETRY: 'WAITING',
  SKIPPED: 'TERMINATED',
  INTERNAL_ERROR: 'TERMINATED',
};

function states(state: RunState): Json {
  const { life, result, message, code } = state;
  const type =
    result === 'SUCCESS' || result === 'SUCCESS_WITH_FAILURES'
      ? 'SUCCESS'
      : code === 'INTERNAL_ERROR' || code === 'CLUSTER_ERROR'
        ? 'INTERNAL_ERROR'
        : 'CLIENT_ERROR';
  return {
    state: {
      life_cycle_state: life,
      ...(result === undefined ? {} : { result_state: result }),
      state_message: message,
      user_cancelled_or_timedout: result === 'CANCELED' || result === 'TIMEDOUT',
    },
    status: {
      state: V2[life] ?? life,
      ...(life === 'QUEUED'
        ? {
            queue_details: {
              code: 'MAX_CONCURRENT_RUNS_REACHED',
              message: 'Queued due to reaching maximum concurrent runs of the job.',
            },
          }
        : {}),
      ...(runEnded(state) ? { termination_details: { code: code ?? 'SUCCESS', type, message } } : {}),
    },
  };
}

const times = ({ startTime, endTime }: { startTime: number; endTime: number }): Json => ({
  start_time: startTime,
  end_time: endTime,
});

export function taskView(task: TaskRecord, run: RunRecord, page: string): Json {
  const { task_key: _key, ...spec } = task.spec;
  return {
    ...spec,
    run_id: task.run_id,
    task_key: task.key,
    attempt_number: task.attempt,
    ...times(task),
    setup_duration: task.setup,
    execution_duration: task.endTime === 0 ? 0 : Math.max(0, task.endTime - task.startTime - task.setup),
    cleanup_duration: 0,
    run_page_url: `${page}/jobs/${run.job_id}/runs/${task.run_id}`,
    ...(task.clusterId === undefined ? {} : { cluster_instance: { cluster_id: task.clusterId } }),
    ...states(task.state),
  };
}

export function runView(run: RunRecord, page: string, expanded: boolean): Json {
  const [only] = run.tasks;
  const parameters = Object.entries(run.parameters).map(([name, value]) => ({ name, value }));
  return {
    run_id: run.run_id,
    run_name: run.name,
    job_id: run.job_id,
    number_in_job: run.run_id,
    creator_user_name: run.creator,
    run_type: run.type,
    format: 'MULTI_TASK',
    ...times(run),
    run_duration: run.endTime === 0 ? 0 : run.endTime - run.startTime,
    setup_duration: run.tasks.length === 1 ? (only?.setup ?? 0) : 0,
    execution_duration: 0,
    cleanup_duration: 0,
    trigger: 'ONE_TIME',
    run_page_url: `${page}/jobs/${run.job_id}/runs/${run.run_id}`,
    ...(parameters.length ? { job_parameters: parameters } : {}),
    ...(Object.keys(run.overriding).length ? { overriding_parameters: run.overriding } : {}),
    ...(run.jobClusters.length ? { job_clusters: run.jobClusters } : {}),
    ...(run.repairs.length ? { repair_history: run.repairs } : {}),
    ...states(run.state),
    ...(expanded ? { tasks: run.tasks.flatMap((task) => [...task.earlier, taskView(task, run, page)]) } : {}),
  };
}

/** A task's own run, as runs/get and runs/get-output answer it. */
export function taskRunView(task: TaskRecord, run: RunRecord, page: string): Json {
  const { depends_on: _on, ...view } = taskView(task, run, page);
  const { job_id, run_name, run_type, creator_user_name } = runView(run, page, false);
  return {
    ...view,
    job_id,
    run_name,
    run_type,
    creator_user_name,
    number_in_job: task.run_id,
    format: 'SINGLE_TASK',
  };
}

export const jobView = ({ job_id, settings, created, creator }: JobRecord): Json => ({
  job_id,
  creator_user_name: creator,
  run_as_user_name: creator,
  created_time: created,
  settings: { format: 'MULTI_TASK', max_concurrent_runs: 1, timeout_seconds: 0, ...settings },
});
