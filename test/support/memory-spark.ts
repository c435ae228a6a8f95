// A Spark service in memory, for tests of workflows: clusters and jobs that end as the test says.
import type { CallOptions, SparkRunner } from '../../src/compute/spark-runner.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { ClusterUsage } from '../../src/core/monitoring/cost.ts';
import type { ClusterCapacity } from '../../src/core/monitoring/supervision.ts';
import {
  type ClusterSnapshot,
  type ClusterState,
  type ClusterStatus,
  clusterEnded,
  type JobLogs,
  type JobState,
  type JobStatus,
  jobEnded,
  type OwnClusterRequest,
  type SparkEngine,
  type SparkJobRequest,
} from '../../src/core/spark.ts';
import type { MemoryLake } from './memory-lake.ts';

interface MemoryCluster {
  readonly id: string;
  readonly request: OwnClusterRequest;
  state: ClusterState;
  reason: string;
  readonly jobs: {
    readonly id: string;
    readonly request: SparkJobRequest;
    state: JobState;
    reason: string;
    endedAt?: number;
  }[];
}

/** What becomes of a job: its tables' rows when it completes, or another end; `hang` never ends by itself. */
export type Outcome = Readonly<Record<string, number>> | 'fail' | 'hang' | 'lose-cluster';

export class MemorySpark implements SparkRunner {
  readonly engine: SparkEngine;
  readonly clusters: MemoryCluster[] = [];
  /** By first argument of the job. One that is a list gives its entries to one attempt after the other. */
  readonly outcomes: Record<string, Outcome | Outcome[]> = {};
  /** What happened, in order: "run bronze", "cancel bronze", "end cluster". */
  readonly events: string[];
  /** Hours that a cluster that has ended was there, and when it began (ms since epoch). */
  usedHours = 1;
  createdAt = 1_000;
  /** Its clock, ms since epoch. */
  now = (): number => this.createdAt;
  /** Task machines. */
  machines = 2;
  /** What snapshots and usages were limited to. */
  readonly asked: CallOptions[] = [];
  readonly costAskedOf: (string | undefined)[] = [];
  /** Makes every create fail until it is zero. */
  refusals = 0;
  readonly #lake: MemoryLake;

  /** What else a job's result says, by its first argument. */
  readonly facts: Record<string, (given: readonly string[]) => object> = {};

  constructor(lake: MemoryLake, events: string[], engine: SparkEngine = 'emr') {
    this.engine = engine;
    this.#lake = lake;
    this.events = events;
  }

  get active(): MemoryCluster[] {
    return this.clusters.filter((cluster) => !clusterEnded(cluster.state));
  }

  async openCluster(request: OwnClusterRequest): Promise<ClusterStatus> {
    const [owned] = await this.findClusters(request);
    if (owned) return owned;
    if (this.refusals > 0) {
      this.refusals -= 1;
      throw new WaybillError('COMPUTE_BUSY', 'throttled');
    }
    const id = `j-${this.clusters.length + 1}`;
    this.clusters.push({ id, request, state: 'waiting', reason: '', jobs: [] });
    this.events.push('open cluster');
    return this.#status(id);
  }

  async findClusters(request: OwnClusterRequest): Promise<ClusterStatus[]> {
    return this.active.filter((one) => one.request.owner === request.owner).map(({ id }) => this.#status(id));
  }

  async snapshot(clusterId: string, options: CallOptions = {}): Promise<ClusterSnapshot> {
    this.asked.push(options);
    const { jobs } = this.#find(clusterId);
    return { cluster: this.#status(clusterId), jobs: jobs.map(({ id }) => this.#job(clusterId, id)) };
  }

  async terminateCluster(clusterId: string): Promise<void> {
    this.#end(clusterId, 'terminated', 'USER_REQUEST');
  }

  async submit(clusterId: string, request: SparkJobRequest, _options?: CallOptions): Promise<JobStatus> {
    const cluster = this.#find(clusterId);
    if (clusterEnded(cluster.state)) throw new WaybillError('COMPUTE_REFUSED', 'the cluster has ended');
    const known = cluster.jobs.find((one) => one.request.name === request.name);
    if (known) return this.#job(clusterId, known.id);
    const id = `s-${cluster.jobs.length + 1}`;
    cluster.jobs.push({ id, request, state: 'running', reason: '' });
    const kind = request.arguments[0] ?? '';
    this.events.push(`run ${kind}`);
    const planned = this.outcomes[kind] ?? {};
    this.#finish(clusterId, id, Array.isArray(planned) ? (planned.shift() ?? {}) : planned);
    return this.#job(clusterId, id);
  }

  async describe(clusterId: string, jobId: string): Promise<JobStatus> {
    return this.#job(clusterId, jobId);
  }

  async cancel(clusterId: string, jobId: string): Promise<void> {
    const job = this.#find(clusterId).jobs.find(({ id }) => id === jobId);
    if (job === undefined || jobEnded(job.state)) return;
    job.state = 'cancelled';
    job.endedAt = this.now();
    this.events.push(`cancel ${job.request.arguments[0]}`);
  }

  /** Two machines since the cluster began, by a clock that the test moves. */
  async usage(clusterId: string, { jobMark }: CallOptions = {}): Promise<ClusterUsage> {
    this.costAskedOf.push(jobMark);
    const { state } = this.#find(clusterId);
    const from = this.createdAt;
    const to = clusterEnded(state) ? { to: from + this.usedHours * 3_600_000 } : {};
    const machine = { type: 'r5.xlarge', from, ...to };
    return {
      clusterId,
      engine: this.engine,
      machines: [
        { ...machine, role: 'MASTER', market: 'onDemand', count: 1 },
        { ...machine, role: 'TASK', market: 'spot', count: 2 },
      ],
    };
  }

  async capacity(): Promise<ClusterCapacity> {
    return { kind: 'group', id: 'ig-1', size: this.machines };
  }

  async resize(_clusterId: string, { size }: ClusterCapacity): Promise<void> {
    this.machines = size;
    this.events.push(`resize ${size}`);
  }

  async logs(clusterId: string, jobId: string): Promise<JobLogs> {
    return { address: `s3://logs/${clusterId}/steps/${jobId}/`, tail: '[stderr]\nValueError: kaput' };
  }

  /** Ends a job that hangs, well; `more` goes into its result. */
  complete(kind: string, more: object = {}): void {
    for (const cluster of this.clusters)
      for (const job of cluster.jobs)
        if (job.request.arguments[0] === kind && !jobEnded(job.state)) {
          this.#finish(cluster.id, job.id, {}, more);
        }
  }

  /** Where the newest job of this kind is to write its result. */
  resultOf(kind: string): string {
    const jobs = this.clusters.flatMap((cluster) => cluster.jobs);
    const given = jobs.findLast(({ request }) => request.arguments[0] === kind)?.request.arguments ?? [];
    return given[given.indexOf('--result') + 1] ?? '';
  }

  #finish(clusterId: string, jobId: string, outcome: Outcome, more: object = {}): void {
    const job = this.#find(clusterId).jobs.find(({ id }) => id === jobId);
    if (job === undefined || outcome === 'hang') return;
    if (outcome === 'lose-cluster') {
      this.#end(clusterId, 'failed', 'INSTANCE_FAILURE: spot taken back');
      return;
    }
    if (outcome === 'fail') {
      job.state = 'failed';
      job.reason = 'Unknown Error.';
      return;
    }
    const given = job.request.arguments;
    const tables = Object.entries(outcome).map(([table, rows]) => ({ table, rows }));
    const result = { job: given[0], tables, ...this.facts[given[0] ?? '']?.(given), ...more };
    this.#lake.put(given[given.indexOf('--result') + 1] ?? '', JSON.stringify(result));
    job.state = 'completed';
    job.endedAt = this.now();
  }

  #end(clusterId: string, state: ClusterState, reason: string): void {
    const cluster = this.#find(clusterId);
    if (clusterEnded(cluster.state)) return;
    cluster.state = state;
    cluster.reason = reason;
    for (const job of cluster.jobs) if (!jobEnded(job.state)) job.state = 'cancelled';
    this.events.push(state === 'terminated' ? 'end cluster' : 'lose cluster');
  }

  #find(clusterId: string): MemoryCluster {
    const found = this.clusters.find(({ id }) => id === clusterId);
    if (found === undefined) throw new WaybillError('COMPUTE_REFUSED', `no cluster ${clusterId}`);
    return found;
  }

  #status(clusterId: string): ClusterStatus {
    const { id, state, reason } = this.#find(clusterId);
    return {
      id,
      state,
      reason,
      createdAt: this.createdAt,
      ...(clusterEnded(state) ? { endedAt: this.createdAt + 60_000 } : {}),
    };
  }

  #job(clusterId: string, jobId: string): JobStatus {
    const job = this.#find(clusterId).jobs.find(({ id }) => id === jobId);
    if (job === undefined) throw new WaybillError('COMPUTE_REFUSED', `no job ${jobId}`);
    const { id, request, state, reason, endedAt } = job;
    return { id, name: request.name, state, reason, ...(endedAt === undefined ? {} : { endedAt }) };
  }
}
