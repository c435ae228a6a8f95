// Activities behind `superviseStream`: its definition, the one poller that watches its job, and the request to drain it.
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { LakeStorage } from '../compute/lake-storage.ts';
import type { SparkRunner } from '../compute/spark-runner.ts';
import { jobEnded, type SparkEngine } from '../core/spark.ts';
import {
  healthOf,
  type StreamActivities,
  type StreamObservation,
  type StreamProgress,
  type WatchStreamInput,
} from '../core/streams.ts';
import { resolveStream } from '../definitions/streams/resolve.ts';

export interface StreamDependencies {
  readonly runners: Readonly<Record<SparkEngine, SparkRunner>>;
  /** Where jobs leave their progress and look for their lease. */
  readonly storage: LakeStorage;
  readonly factoryDirectory: string;
  /** ms between two looks at a cluster. */
  readonly pollInterval: number;
  /** ms after which a watch returns what it last saw, so that the workflow's own answer is not older; default 5 min. */
  readonly refresh?: number;
}

const HEARTBEAT_MS = 2_000;
/** How often a lease is renewed in the time it holds. */
const RENEWALS = 5;

export function createStreamActivities(dependencies: StreamDependencies): StreamActivities {
  const { runners, storage, factoryDirectory, pollInterval, refresh = 5 * 60_000 } = dependencies;

  /** When each lease was last renewed by this worker: a watch that begins anew need not renew it at once. */
  const renewed = new Map<string, number>();

  return {
    async loadStream(input) {
      return resolveStream(factoryDirectory, input);
    },

    async watchStream(input) {
      const context = Context.current();
      const signal = context.cancellationSignal;
      const deadline = Date.now() + refresh;
      let seen: StreamObservation | undefined;
      const lease = `${input.lease}#${input.fence}`;
      // A heartbeat carries the last look: `waybill stream status` shows it.
      const beat = (): void => context.heartbeat(seen);
      beat();
      const timer = setInterval(beat, HEARTBEAT_MS);
      try {
        for (;;) {
          if (Date.now() - (renewed.get(lease) ?? 0) >= (input.leaseSeconds * 1000) / RENEWALS) {
            const beat = Date.now();
            const body = JSON.stringify({ generation: input.fence, beat });
            await storage.write(input.lease, Buffer.from(body), 'application/json', signal);
            renewed.set(lease, beat);
          }
          seen = await look(runners[input.engine], storage, input, signal);
          beat();
          if (seen.job !== undefined && jobEnded(seen.job.state)) renewed.delete(lease);
          if (differs(seen, input) || Date.now() >= deadline) return seen;
          await sleep(pollInterval * (0.8 + Math.random() * 0.4), undefined, { signal });
        }
      } catch (error) {
        // A call cut off by cancellation is the cancellation, not the service's failure.
        if (signal.aborted) await context.cancelled;
        throw error;
      } finally {
        clearInterval(timer);
      }
    },

    async requestDrain({ uri }) {
      const signal = Context.current().cancellationSignal;
      await storage.write(uri, Buffer.from('{}'), 'application/json', signal);
    },
  };
}

async function look(
  runner: SparkRunner,
  storage: LakeStorage,
  { clusterId, jobId, fence, startedAt, lag, progress: uri }: WatchStreamInput,
  signal: AbortSignal,
): Promise<StreamObservation> {
  const { cluster, jobs } = await runner.snapshot(clusterId, { signal });
  const job = jobs.find(({ id }) => id === jobId);
  const body = await storage.read(uri, signal);
  const progress = body === undefined ? undefined : parseProgress(body.toString('utf8'), fence);
  const now = Date.now();
  // A job that waits for machines cannot tell of itself.
  const began = job === undefined || job.state === 'pending' ? now : (job.startedAt ?? startedAt);
  return {
    cluster,
    ...(job === undefined ? {} : { job }),
    ...(progress === undefined ? {} : { progress }),
    ...healthOf(progress, lag, began, now),
  };
}

const differs = ({ job, cluster, health }: StreamObservation, { known }: WatchStreamInput): boolean =>
  (job !== undefined && jobEnded(job.state)) ||
  job?.state !== known.job ||
  cluster.state !== known.cluster ||
  health !== known.health;

/** A job's report; undefined for one of an earlier start, or one that is not what jobs write. */
function parseProgress(text: string, fence: number): StreamProgress | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const given = value as Partial<StreamProgress> | null;
  if (typeof given !== 'object' || given === null || given.generation !== fence) return undefined;
  if (typeof given.at !== 'string' || Number.isNaN(Date.parse(given.at))) return undefined;
  const count = (number: unknown): number => (typeof number === 'number' ? number : 0);
  const behind = typeof given.behind === 'object' && given.behind !== null ? given.behind : {};
  return {
    generation: fence,
    state: String(given.state ?? ''),
    at: given.at,
    batch: count(given.batch),
    batchSeconds: count(given.batchSeconds),
    rowsPerSecond: count(given.rowsPerSecond),
    rows: count(given.rows),
    ...(typeof given.newest === 'string' ? { newest: given.newest } : {}),
    behind: {
      ...(typeof behind.offsets === 'number' ? { offsets: behind.offsets } : {}),
      ...(typeof behind.seconds === 'number' ? { seconds: behind.seconds } : {}),
    },
  };
}
