// Activities behind `sparkCluster` and `sparkJob`: open, follow and close clusters; submit, cancel and read jobs.
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { LakeStorage } from '../compute/lake-storage.ts';
import type { CallOptions, SparkRunner } from '../compute/spark-runner.ts';
import { WaybillError } from '../core/errors.ts';
import {
  type AttachedCluster,
  type ClusterSnapshot,
  type ClusterStatus,
  clusterEnded,
  type JobResult,
  jobEnded,
  type SparkActivities,
  type SparkEngine,
} from '../core/spark.ts';

export interface SparkDependencies {
  readonly runners: Readonly<Record<SparkEngine, SparkRunner>>;
  /** Where jobs leave their results. */
  readonly storage: LakeStorage;
  /** ms between two looks at a cluster: 20,000 on AWS, whose calls are rationed; less against a stand-in. */
  readonly pollInterval: number;
}

/** Heartbeats go out at least this often, whatever the poll interval, so that cancellation arrives in time. */
const HEARTBEAT_MS = 2_000;
/** One look at a cluster lasts at most this long, to keep an attempt well below its time limit. */
const FOLLOW_MS = 20 * 60_000;

export function createSparkActivities(dependencies: SparkDependencies): SparkActivities {
  const { runners, storage, pollInterval } = dependencies;

  /** Cancels what the run has on a cluster that is not its own, and waits until it has ended. */
  const clearJobs = async (
    runner: SparkRunner,
    { attach, jobMark, since }: AttachedCluster,
  ): Promise<ClusterStatus> => {
    for (;;) {
      const { cluster, jobs } = ownJobs(
        await heartbeating(() => runner.snapshot(attach, callOptions(since))),
        jobMark,
      );
      const open = jobs.filter(({ state }) => !jobEnded(state));
      if (open.length === 0 || clusterEnded(cluster.state)) return cluster;
      for (const { id } of open) await heartbeating(() => runner.cancel(attach, id, callOptions()));
      await pause(jittered(pollInterval));
    }
  };

  return {
    async openCluster(request) {
      if ('attach' in request) return attached(runners[request.engine], request);
      return heartbeating(() => runners[request.engine].openCluster(request, callOptions()));
    },

    async followCluster({ engine, clusterId, known, jobMark, since }) {
      const deadline = Date.now() + FOLLOW_MS;
      for (;;) {
        const now = ownJobs(
          await heartbeating(() => runners[engine].snapshot(clusterId, callOptions(since))),
          jobMark,
        );
        if (differs(now, known) || Date.now() >= deadline) return now;
        await pause(jittered(pollInterval));
      }
    },

    async closeCluster({ request, clusterId }) {
      const runner = runners[request.engine];
      if ('attach' in request) return clearJobs(runner, request);
      let last: ClusterStatus | undefined;
      for (let look = 1; ; look++) {
        const clusters = await heartbeating(() => runner.findClusters(request, callOptions()));
        for (const cluster of clusters) {
          last = cluster;
          if (!clusterEnded(cluster.state)) {
            await heartbeating(() => runner.terminateCluster(cluster.id, callOptions()));
          }
        }
        // Nothing listed on the first look may be a cluster too new to be listed.
        if (clusters.length === 0 && (last !== undefined || clusterId !== undefined || look > 1)) break;
        await pause(jittered(pollInterval));
      }
      // Gone from the list of active clusters; its last state is still there to be read.
      const id = last?.id ?? clusterId;
      return id === undefined
        ? undefined
        : (await heartbeating(() => runner.snapshot(id, callOptions()))).cluster;
    },

    async submitJob({ engine, clusterId, job }) {
      return heartbeating(() => runners[engine].submit(clusterId, job, callOptions()));
    },

    async cancelJob({ engine, clusterId, jobId }) {
      return heartbeating(async () => {
        await runners[engine].cancel(clusterId, jobId, callOptions());
        return runners[engine].describe(clusterId, jobId, callOptions());
      });
    },

    async readJobLogs({ engine, clusterId, jobId }) {
      return heartbeating(() => runners[engine].logs(clusterId, jobId, callOptions()));
    },

    async readJobResult({ uri }) {
      const body = await heartbeating(() => storage.read(uri, Context.current().cancellationSignal));
      if (body === undefined) {
        throw new WaybillError('OBJECT_MISSING', `The job ended well but left no result at ${uri}.`, { uri });
      }
      return parseResult(body.toString('utf8'), uri);
    },
  };
}

/** A job's result, checked for the fields that waybill relies on. */
function parseResult(text: string, uri: string): JobResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const result = value as Partial<JobResult> | null | undefined;
  const isResult =
    typeof result === 'object' &&
    result !== null &&
    typeof result.job === 'string' &&
    Array.isArray(result.tables) &&
    result.tables.every((table) => typeof table?.table === 'string' && Number.isSafeInteger(table.rows));
  if (!isResult) {
    throw new WaybillError(
      'CHECK_FAILED',
      `${uri} is not a job result: {"job", "tables": [{"table", "rows"}]}.`,
      {
        uri,
      },
    );
  }
  return result as JobResult;
}

async function attached(
  runner: SparkRunner,
  { attach: clusterId, since }: AttachedCluster,
): Promise<ClusterStatus> {
  const { cluster } = await heartbeating(() => runner.snapshot(clusterId, callOptions(since)));
  if (!clusterEnded(cluster.state)) return cluster;
  const message = `The cluster to attach to, ${clusterId}, is ${cluster.state}${cluster.reason ? `: ${cluster.reason}` : '.'}`;
  throw new WaybillError('COMPUTE_REFUSED', message, { clusterId });
}

const ownJobs = ({ cluster, jobs }: ClusterSnapshot, mark: string | undefined): ClusterSnapshot => ({
  cluster,
  jobs: mark === undefined ? jobs : jobs.filter(({ name }) => name.includes(mark)),
});

/** True when anything a workflow acts on is different. */
function differs(now: ClusterSnapshot, known: ClusterSnapshot): boolean {
  if (now.cluster.state !== known.cluster.state) return true;
  const states = new Map(known.jobs.map((job) => [job.id, job.state]));
  return now.jobs.some((job) => states.get(job.id) !== job.state);
}

const jittered = (interval: number): number => interval * (0.8 + Math.random() * 0.4);

function callOptions(since?: number): CallOptions {
  const { info, cancellationSignal } = Context.current();
  return {
    signal: cancellationSignal,
    repeated: info.attempt > 1,
    ...(since === undefined ? {} : { since }),
  };
}

/** Heartbeats while the service answers; its calls have time limits of their own, so a hung one ends. */
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

async function pause(duration: number): Promise<void> {
  await heartbeating(() => sleep(duration, undefined, { signal: Context.current().cancellationSignal }));
}
