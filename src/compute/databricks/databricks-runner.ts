// Spark on Databricks: a cluster found by its tags before it is created, and runs on it submitted by token.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { ClusterUsage } from '../../core/monitoring/cost.ts';
import type { ClusterCapacity } from '../../core/monitoring/supervision.ts';
import type {
  ClusterSnapshot,
  ClusterState,
  ClusterStatus,
  JobLogs,
  JobState,
  JobStatus,
  OwnClusterRequest,
  SparkJobRequest,
} from '../../core/spark.ts';
import type { CallOptions, SparkRunner } from '../spark-runner.ts';
import { databricksCapacity, resizeBody } from './capacity.ts';
import { type DatabricksClient, isAmbiguous, isMissing } from './client.ts';
import { createInput, GENERATION_TAG, OWNER_TAG } from './cluster-input.ts';
import { cancelRun, describeRun, listRuns, type RunStatus, readOutput, runEnded, submitRun } from './runs.ts';
import { databricksUsage } from './usage.ts';

export interface DatabricksRunnerOptions {
  readonly client: DatabricksClient;
  /** ms until a created cluster can be relied on to show in lists. */
  readonly lookAgainAfter: number;
}

/** States in which a cluster still costs money or can still take work. */
const ACTIVE = ['PENDING', 'RUNNING', 'RESTARTING', 'RESIZING', 'TERMINATING'];
const STATES: Readonly<Record<string, ClusterState>> = {
  PENDING: 'starting',
  RESTARTING: 'starting',
  RUNNING: 'running',
  RESIZING: 'running',
  TERMINATING: 'terminating',
};
/** Ends of a run that are its cluster's doing, not the job's. */
const CLUSTERS_FAULT = /^(CLUSTER_ERROR|CLOUD_FAILURE|DRIVER_ERROR)$/;
const TAIL_LINES = 40;
/** ms that the services' clocks may differ by. */
const CLOCK_SKEW = 60_000;

export class DatabricksRunner implements SparkRunner {
  readonly engine = 'databricks';
  readonly #client: DatabricksClient;
  readonly #lookAgainAfter: number;

  constructor({ client, lookAgainAfter }: DatabricksRunnerOptions) {
    this.#client = client;
    this.#lookAgainAfter = lookAgainAfter;
  }

  async openCluster(request: OwnClusterRequest, options: CallOptions = {}): Promise<ClusterStatus> {
    if (request.engine !== 'databricks')
      throw new TypeError(`a cluster of ${request.engine} asked of Databricks`);
    const delay = (): Promise<void> =>
      sleep(this.#lookAgainAfter, undefined, options.signal ? { signal: options.signal } : {});
    const look = async (): Promise<ClusterStatus | undefined> =>
      (await this.#owned(request, options, request.generation)).find(({ state }) => state !== 'terminating');
    // An earlier attempt may have created it too recently to be listed.
    if (options.repeated && (await look()) === undefined) await delay();
    const existing = await look();
    if (existing !== undefined) return existing;
    try {
      const body = createInput(request, request.profile);
      const { cluster_id: id } = await this.#client.post('2.1/clusters/create', body, { once: true });
      if (typeof id !== 'string')
        throw new WaybillError('COMPUTE_BUSY', 'Databricks answered clusters/create without a cluster id.');
      return { id, state: 'starting', reason: '' };
    } catch (error) {
      if (!isAmbiguous(error)) throw error;
      await delay();
      const made = await look();
      if (made !== undefined) return made;
      throw error;
    }
  }

  async snapshot(clusterId: string, options: CallOptions = {}): Promise<ClusterSnapshot> {
    const first = await this.#cluster(clusterId, options);
    if (first.createdAt === undefined) return { cluster: first, jobs: [] };
    const jobs = await this.#jobs(clusterId, first.createdAt, options);
    // The cluster after its runs: when they ended with it, its state then says so.
    return { cluster: await this.#cluster(clusterId, options), jobs };
  }

  findClusters(request: OwnClusterRequest, options: CallOptions = {}): Promise<ClusterStatus[]> {
    return this.#owned(request, options);
  }

  async terminateCluster(clusterId: string, options: CallOptions = {}): Promise<void> {
    await this.#client.post('2.1/clusters/delete', { cluster_id: clusterId }, abort(options));
  }

  async submit(clusterId: string, job: SparkJobRequest, options: CallOptions = {}): Promise<JobStatus> {
    const wheels = job.pyFiles.map((whl): JsonObject => ({ whl }));
    const id = await submitRun(this.#client, {
      run_name: runName(job.name, clusterId),
      // The same job on the same cluster is the same run, however often it is asked for.
      idempotency_token: createHash('sha256').update(`${clusterId}/${job.name}`).digest('hex'),
      tasks: [
        {
          task_key: 'main',
          existing_cluster_id: clusterId,
          spark_python_task: { python_file: job.main, parameters: [...job.arguments] },
          ...(wheels.length === 0 ? {} : { libraries: wheels }),
        },
      ],
    });
    return jobStatus(await describeRun(this.#client, id, abort(options)), clusterId);
  }

  async describe(clusterId: string, jobId: string, options: CallOptions = {}): Promise<JobStatus> {
    return jobStatus(await describeRun(this.#client, Number(jobId), abort(options)), clusterId);
  }

  async cancel(_clusterId: string, jobId: string, options: CallOptions = {}): Promise<void> {
    await cancelRun(this.#client, Number(jobId), abort(options));
  }

  async logs(_clusterId: string, jobId: string, options: CallOptions = {}): Promise<JobLogs> {
    const run = await describeRun(this.#client, Number(jobId), abort(options));
    const [task] = run.tasks;
    const output = task === undefined ? {} : await readOutput(this.#client, task.id, abort(options));
    const said = [output.logs, output.trace ?? output.error].filter(Boolean).join('\n');
    return { address: run.pageUrl, tail: said.trimEnd().split('\n').slice(-TAIL_LINES).join('\n') };
  }

  async usage(clusterId: string, options: CallOptions = {}): Promise<ClusterUsage> {
    return databricksUsage(this.#client, clusterId, abort(options));
  }

  async capacity(clusterId: string, options: CallOptions = {}): Promise<ClusterCapacity | undefined> {
    return databricksCapacity(
      await this.#client.get('2.1/clusters/get', { cluster_id: clusterId }, abort(options)),
    );
  }

  async resize(clusterId: string, capacity: ClusterCapacity, options: CallOptions = {}): Promise<void> {
    const now = await this.#client.get('2.1/clusters/get', { cluster_id: clusterId }, abort(options));
    await this.#client.post('2.1/clusters/resize', resizeBody(now, capacity), abort(options));
  }

  async #cluster(id: string, options: CallOptions): Promise<ClusterStatus> {
    try {
      return clusterStatus(await this.#client.get('2.1/clusters/get', { cluster_id: id }, abort(options)));
    } catch (error) {
      if (!isMissing(error)) throw error;
      return { id, state: 'failed', reason: 'Databricks does not know this cluster any more' };
    }
  }

  /** The cluster's runs, oldest first, found by their names. */
  async #jobs(clusterId: string, createdAt: number, options: CallOptions): Promise<JobStatus[]> {
    const runs = await listRuns(this.#client, createdAt - CLOCK_SKEW, abort(options));
    return runs
      .filter(({ name }) => name.endsWith(runName('', clusterId)))
      .map((run) => jobStatus(run, clusterId))
      .reverse();
  }

  async #owned(
    request: OwnClusterRequest,
    options: CallOptions,
    generation?: number,
  ): Promise<ClusterStatus[]> {
    const owned: ClusterStatus[] = [];
    let token: JsonValue = '';
    do {
      const page: JsonObject = await this.#client.get(
        '2.1/clusters/list',
        { 'filter_by.cluster_states': ACTIVE, page_size: 100, ...(token ? { page_token: token } : {}) },
        abort(options),
      );
      for (const cluster of (page['clusters'] ?? []) as JsonObject[]) {
        const tags = (cluster['custom_tags'] ?? {}) as JsonObject;
        if (tags[OWNER_TAG] !== request.owner) continue;
        if (generation === undefined || tags[GENERATION_TAG] === String(generation))
          owned.push(clusterStatus(cluster));
      }
      token = page['next_page_token'] ?? '';
    } while (token);
    return owned.filter(({ state }) => state !== 'terminated' && state !== 'failed');
  }
}

/** Names a run so that a list of runs tells which cluster it is on. */
const runName = (job: string, clusterId: string): string => `${job} on ${clusterId}`;

function clusterStatus(cluster: JsonObject): ClusterStatus {
  const reason = (cluster['termination_reason'] ?? {}) as JsonObject;
  const parameters = Object.values((reason['parameters'] ?? {}) as JsonObject).map(String);
  const written = String(cluster['state'] ?? '');
  const ended: ClusterState = reason['type'] === 'SUCCESS' ? 'terminated' : 'failed';
  const state = STATES[written] ?? (/^(TERMINATED|ERROR|UNKNOWN)$/.test(written) ? ended : undefined);
  // A state we do not know must not be taken for any we do: guessing "ended" would submit the work twice.
  if (state === undefined)
    throw new WaybillError(
      'COMPUTE_REFUSED',
      `Databricks reports a cluster state that waybill does not know: ${written}.`,
      {
        state: written,
      },
    );
  return {
    id: String(cluster['cluster_id'] ?? ''),
    state,
    reason: [reason['code'], ...parameters].filter(Boolean).join(': '),
    ...(typeof cluster['start_time'] === 'number' ? { createdAt: cluster['start_time'] } : {}),
    ...(typeof cluster['terminated_time'] === 'number' ? { endedAt: cluster['terminated_time'] } : {}),
  };
}

function jobStatus(run: RunStatus, clusterId: string): JobStatus {
  const suffix = runName('', clusterId);
  return {
    id: String(run.id),
    name: run.name.endsWith(suffix) ? run.name.slice(0, -suffix.length) : run.name,
    state: jobState(run),
    reason: runEnded(run) ? run.message : '',
    ...(run.startedAt > 0 ? { startedAt: run.startedAt } : {}),
    ...(run.endedAt > 0 ? { endedAt: run.endedAt } : {}),
  };
}

function jobState(run: RunStatus): JobState {
  if (!runEnded(run)) return run.life === 'RUNNING' || run.life === 'TERMINATING' ? 'running' : 'pending';
  if (run.result === 'SUCCESS') return 'completed';
  // Ended by its cluster: cancelled by nobody who did not want it, which `sparkCluster` then tells from the cluster's state.
  return run.result === 'CANCELED' || CLUSTERS_FAULT.test(run.code ?? '') ? 'cancelled' : 'failed';
}

const abort = ({ signal }: CallOptions): { signal?: AbortSignal } => (signal ? { signal } : {});
