// Which machines a Databricks cluster has had: from its events where the service tells them, else from what it is now.
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { ClusterUsage, MachineUse, Market } from '../../core/monitoring/cost.ts';
import { type DatabricksClient, isMissing, type RequestOptions } from './client.ts';

/** How many workers there were from a moment on. */
interface Size {
  readonly at: number;
  readonly workers: number;
}

const MOST_EVENTS = 500;
const PAGES = 20;

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objectOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});
const numberOf = (value: JsonValue | undefined): number | undefined =>
  typeof value === 'number' ? value : undefined;

/** Driver and workers with their times; `approximate` where the number of workers over time is not told. */
export async function databricksUsage(
  client: DatabricksClient,
  clusterId: string,
  options: RequestOptions,
): Promise<ClusterUsage> {
  const known = { clusterId, engine: 'databricks' } as const;
  let cluster: JsonObject;
  try {
    cluster = await client.get('2.1/clusters/get', { cluster_id: clusterId }, options);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return { ...known, machines: [], approximate: true };
  }
  const from = numberOf(cluster['start_time']);
  const photon = cluster['runtime_engine'] === 'PHOTON';
  if (from === undefined) return { ...known, machines: [], photon };
  const to = numberOf(cluster['terminated_time']);
  const told = await sizes(client, clusterId, options);
  const autoscale = objectOf(cluster['autoscale']);
  const running = Array.isArray(cluster['executors']) ? cluster['executors'].length : 0;
  const now = numberOf(cluster['num_workers']) ?? (running || (numberOf(autoscale['min_workers']) ?? 0));
  const steps: Size[] = told.length > 0 ? told : [{ at: from, workers: now }];
  return {
    ...known,
    machines: machines(cluster, steps, from, to),
    photon,
    ...(told.length === 0 && cluster['autoscale'] !== undefined ? { approximate: true } : {}),
  };
}

function machines(cluster: JsonObject, steps: Size[], from: number, to: number | undefined): MachineUse[] {
  const type = String(cluster['node_type_id'] ?? 'unknown');
  const driver = String(cluster['driver_node_type_id'] ?? type);
  const aws = objectOf(cluster['aws_attributes']);
  const spot = /^SPOT/.test(String(aws['availability'] ?? 'ON_DEMAND'));
  // The driver is the first machine; spot begins after `first_on_demand` of them.
  const firm = spot ? (numberOf(aws['first_on_demand']) ?? 0) : Number.POSITIVE_INFINITY;
  const until = to === undefined ? {} : { to };
  const uses: MachineUse[] = [
    { role: 'DRIVER', type: driver, market: firm >= 1 ? 'onDemand' : 'spot', count: 1, from, ...until },
  ];
  steps.forEach(({ at, workers }, index) => {
    const end = steps[index + 1]?.at ?? to;
    const onDemand = Math.min(workers, Math.max(0, firm - 1));
    const part = (market: Market, count: number): void => {
      if (count > 0 && (end === undefined || end > at))
        uses.push({
          role: 'WORKER',
          type,
          market,
          count,
          from: at,
          ...(end === undefined ? {} : { to: end }),
        });
    };
    part('onDemand', onDemand);
    part('spot', workers - onDemand);
  });
  return uses;
}

/** The numbers of workers over time by clusters/events; none where the service does not tell them. */
async function sizes(client: DatabricksClient, clusterId: string, options: RequestOptions): Promise<Size[]> {
  const found: Size[] = [];
  let request: JsonObject = { cluster_id: clusterId, order: 'ASC', limit: MOST_EVENTS };
  try {
    for (let page = 0; page < PAGES; page++) {
      const answer = await client.post('2.1/clusters/events', request, options);
      for (const event of Array.isArray(answer['events']) ? answer['events'].filter(isObject) : []) {
        const workers = numberOf(objectOf(event['details'])['current_num_workers']);
        const at = numberOf(event['timestamp']);
        if (workers !== undefined && at !== undefined && found.at(-1)?.workers !== workers)
          found.push({ at, workers });
      }
      if (!isObject(answer['next_page'])) break;
      request = answer['next_page'];
    }
  } catch (error) {
    // Events are a privilege of their own: without them the count is approximate, not the run a failure.
    if (
      error instanceof WaybillError &&
      (error.code === 'COMPUTE_REFUSED' || error.code === 'AUTHENTICATION_FAILED')
    )
      return [];
    throw error;
  }
  return found;
}
