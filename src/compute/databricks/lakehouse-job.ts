// A lakehouse pipeline as a job of the workspace: its Spark jobs as tasks one after the other, on a cluster of the job's own.
import type { JsonObject } from '../../core/json.ts';
import type { JobCode, LakehousePlan } from '../../core/lakehouse.ts';
import { createInput } from './cluster-input.ts';

const CLUSTER = 'main';

/**
 * Body of jobs/create. Parameters `window` and `triggerTime` are the run's; the plan has `{{job.parameters.…}}` in their
 * places. Copies and dbt are no part of it: Databricks has no such tasks for them.
 */
export function lakehouseJob(
  plan: LakehousePlan,
  code: JobCode,
  owner: string,
): JsonObject & { name: string } {
  const { engine, storage, stages } = plan;
  if (engine.type !== 'databricks' || 'attach' in engine)
    throw new TypeError(`a Databricks job of a lakehouse on ${engine.type}`);
  const {
    cluster_name: _name,
    autotermination_minutes: _minutes,
    ...cluster
  } = createInput(
    { engine: 'databricks', profile: engine.cluster, name: engine.name, owner, generation: 0 },
    engine.cluster,
  );
  const libraries = code.pyFiles.map((whl): JsonObject => ({ whl }));
  const tasks: JsonObject[] = [];
  for (const stage of [stages.process, stages.optimize]) {
    for (const job of stage?.jobs ?? []) {
      const before = tasks.at(-1);
      const result = `${storage.results}/{{job.parameters.window}}/job-{{job.run_id}}/${job.name}.json`;
      tasks.push({
        task_key: job.name,
        ...(before === undefined ? {} : { depends_on: [{ task_key: before['task_key'] ?? '' }] }),
        job_cluster_key: CLUSTER,
        spark_python_task: {
          python_file: code.main,
          parameters: [
            job.job,
            ...Object.entries(job.arguments).flatMap(([key, value]) => [`--${key}`, value]),
            '--result',
            result,
          ],
        },
        ...(libraries.length === 0 ? {} : { libraries }),
        max_retries: stage?.retries ?? 0,
        min_retry_interval_millis: stage?.retryInterval ?? 0,
        timeout_seconds: Math.ceil((stage?.timeout ?? 0) / 1000),
      });
    }
  }
  return {
    name: `waybill ${plan.name}`,
    max_concurrent_runs: 1,
    queue: { enabled: true },
    parameters: [
      { name: 'window', default: '' },
      { name: 'triggerTime', default: '{{job.start_time.iso_datetime}}' },
    ],
    job_clusters: [{ job_cluster_key: CLUSTER, new_cluster: cluster }],
    tasks,
  };
}
