// `{{…}}` in a task's settings, replaced by the run's values.
import type { Json } from './json.ts';
import type { RunRecord } from './state.ts';

/** The task with `{{…}}` replaced by the run's values, where Databricks knows the name. */
export function referred(spec: Json, run: RunRecord, taskRunId: number): Json {
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
