// Activities behind the supervision of a lakehouse run: what its cluster costs and does, and making it larger.
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { ClusterMetrics } from '../compute/cloudwatch/metrics.ts';
import type { LakeStorage } from '../compute/lake-storage.ts';
import type { CallOptions, SparkRunner } from '../compute/spark-runner.ts';
import { type ClusterCost, clusterCost, type PriceTable, runCost } from '../core/monitoring/cost.ts';
import type { LedgerEntry, LedgerPlace, MonitoringActivities } from '../core/monitoring/supervision.ts';
import {
  type Finding,
  jobMetrics,
  judgeJob,
  type Monitoring,
  percent,
} from '../core/monitoring/thresholds.ts';
import { type ClusterSnapshot, clusterEnded, jobEnded, type SparkEngine } from '../core/spark.ts';

export interface MonitoringDependencies {
  readonly runners: Readonly<Record<SparkEngine, SparkRunner>>;
  readonly storage: LakeStorage;
  readonly prices: PriceTable;
  readonly metrics: ClusterMetrics;
  /** ms between two looks at cost and figures. */
  readonly interval: number;
  readonly now?: () => number;
}

/** Heartbeats go out at least this often, so that cancellation arrives in time. */
const HEARTBEAT_MS = 2_000;
/** One attempt follows a cluster at most so long. */
const FOLLOW_MS = 20 * 60_000;
const MINUTE = 60_000;

export function createMonitoringActivities(dependencies: MonitoringDependencies): MonitoringActivities {
  const { runners, storage, prices, metrics, interval } = dependencies;
  const now = dependencies.now ?? Date.now;

  const record = async (cost: ClusterCost, ledger: LedgerPlace, final: boolean): Promise<void> => {
    const { prefix, ...of } = ledger;
    const entry: LedgerEntry = { ...of, ...cost, final, until: new Date(now()).toISOString() };
    const uri = ledgerUri(ledger, cost.clusterId);
    await storage.write(uri, Buffer.from(`${JSON.stringify(entry)}\n`), 'application/json', signal());
  };

  return {
    async superviseCluster({ engine, clusterId, ledger, results, amounts, thresholds, cloudWatch, known }) {
      const runner = runners[engine];
      const deadline = Date.now() + FOLLOW_MS;
      const seen = new Set(known);
      return heartbeating(async () => {
        for (;;) {
          const snapshot = await runner.snapshot(clusterId, options());
          const cost = clusterCost(await runner.usage(clusterId, options()), prices, now());
          const all = thresholds === undefined ? [] : await judge(snapshot, results, thresholds, cloudWatch);
          const findings = all.filter(({ key }) => !seen.has(key));
          const ended = clusterEnded(snapshot.cluster.state);
          const reached = amounts.some((amount) => cost.amount >= amount);
          if (findings.length > 0 || ended || reached || Date.now() >= deadline) {
            await record(cost, ledger, false);
            return { cost, findings, ended };
          }
          await sleep(interval, undefined, { signal: signal() });
        }
      });
    },

    async recordCost({ engine, clusterIds, ledger, ...of }) {
      return heartbeating(async () => {
        const costs: ClusterCost[] = [];
        for (const clusterId of clusterIds) {
          const usage = await runners[engine].usage(clusterId, { ...options(), ...of });
          const cost = clusterCost(usage, prices, now());
          await record(cost, ledger, true);
          costs.push(cost);
        }
        return runCost(costs);
      });
    },

    async readCapacity({ engine, clusterId }) {
      return heartbeating(() => runners[engine].capacity(clusterId, options()));
    },

    async resizeCluster({ engine, clusterId, capacity }) {
      await heartbeating(() => runners[engine].resize(clusterId, capacity, options()));
    },
  };

  /** Everything that is beyond its threshold now. */
  async function judge(
    snapshot: ClusterSnapshot,
    results: string,
    thresholds: Monitoring['thresholds'],
    cloudWatch: boolean,
  ): Promise<Finding[]> {
    const findings: Finding[] = [];
    const { cluster } = snapshot;
    const minutes = idleMinutes(snapshot, now());
    if (minutes > thresholds.idle.above)
      findings.push({
        // A cluster that works again and is idle again is another matter.
        key: `idle/${cluster.id}/${snapshot.jobs.length}`,
        kind: 'idle',
        value: minutes,
        above: thresholds.idle.above,
        message: `Cluster ${cluster.id} has had no work for ${Math.floor(minutes)} minutes.`,
      });
    for await (const page of storage.list(`${results}/`, signal())) {
      for (const { uri } of page) {
        const job = /\/([^/]+)\.metrics\.json$/.exec(uri)?.[1];
        if (job === undefined) continue;
        const figures = parsed(await storage.read(uri, signal()));
        const said = jobMetrics(job, figures);
        if (said !== undefined) findings.push(...judgeJob(said, thresholds));
      }
    }
    const used = cloudWatch ? await metrics.hdfsUtilization(cluster.id, now()) : undefined;
    if (used !== undefined && used > thresholds.hdfs.above)
      findings.push({
        key: `hdfs/${cluster.id}`,
        kind: 'hdfs',
        value: used,
        above: thresholds.hdfs.above,
        message: `HDFS of cluster ${cluster.id} is ${percent(used)} full.`,
      });
    return findings;
  }
}

/** The ledger's object for one cluster of one run: the same however often it is written. */
const ledgerUri = ({ prefix, window, runId }: LedgerPlace, clusterId: string): string =>
  `${prefix}/${window}/${runId}.${clusterId}.json`;

/** Minutes since the last job ended, or the cluster began, while it can work and has none. */
function idleMinutes({ cluster, jobs }: ClusterSnapshot, now: number): number {
  const ready = cluster.state === 'waiting' || cluster.state === 'running';
  if (!ready || jobs.some(({ state }) => !jobEnded(state))) return 0;
  const since = Math.max(cluster.createdAt ?? now, ...jobs.map(({ endedAt }) => endedAt ?? 0));
  return Math.max(0, now - since) / MINUTE;
}

function parsed(body: Buffer | undefined): unknown {
  try {
    return JSON.parse(body?.toString('utf8') ?? '');
  } catch {
    // Read while it was being written.
    return undefined;
  }
}

const signal = (): AbortSignal => Context.current().cancellationSignal;
const options = (): CallOptions => ({ signal: signal() });

async function heartbeating<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  context.heartbeat();
  const timer = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    return await work();
  } catch (error) {
    // A call cut off by cancellation is the cancellation, not the service's failure.
    if (context.cancellationSignal.aborted) await context.cancelled;
    throw error;
  } finally {
    clearInterval(timer);
  }
}
