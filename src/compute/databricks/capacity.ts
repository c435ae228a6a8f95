// What of a running Databricks cluster can be made larger: its bounds, or its fixed number of workers.
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { ClusterCapacity } from '../../core/monitoring/supervision.ts';

const boundsOf = (value: JsonValue | undefined): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;

export function databricksCapacity(cluster: JsonObject): ClusterCapacity | undefined {
  const most = boundsOf(cluster['autoscale'])?.['max_workers'];
  if (typeof most === 'number') return { kind: 'autoscale', size: most };
  const workers = cluster['num_workers'];
  // A cluster of the driver alone is of another kind, and does not grow.
  return typeof workers === 'number' && workers > 0 ? { kind: 'workers', size: workers } : undefined;
}

/** Body of clusters/resize. */
export function resizeBody(cluster: JsonObject, { kind, size }: ClusterCapacity): JsonObject {
  const cluster_id = cluster['cluster_id'] ?? '';
  return kind === 'autoscale'
    ? { cluster_id, autoscale: { ...boundsOf(cluster['autoscale']), max_workers: size } }
    : { cluster_id, num_workers: size };
}
