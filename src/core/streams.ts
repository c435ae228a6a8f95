// Supervised streams: what a definition comes to, what is seen of a stream, how it stands, and when it is started anew.
import type { JsonObject } from './json.ts';
import type { JobCode } from './lakehouse.ts';
import type { ClusterProfile, ClusterStatus, JobStatus, SparkEngine } from './spark.ts';

/** A definition of `factory/streams/` with every expression evaluated. */
export interface StreamPlan {
  readonly name: string;
  readonly storage: {
    readonly code: string;
    /** `s3://…` prefix for results, progress and control files. */
    readonly results: string;
  };
  readonly engine: {
    readonly type: SparkEngine;
    readonly name: string;
    readonly configuration: Readonly<Record<string, string>>;
    /** A cluster of the stream's own, or the id of one that somebody else keeps. */
    readonly cluster: ClusterProfile | string;
  };
  readonly job: {
    /** First argument of main.py. */
    readonly job: string;
    readonly arguments: Readonly<Record<string, string>>;
    readonly configuration: Readonly<Record<string, string>>;
  };
  readonly restart: RestartPolicy;
  readonly lag: LagLimits;
  /** ms that a batch may take to end when the stream is drained; then it is cut off. */
  readonly drainTimeout: number;
  /** Seconds after which a job that nobody watches any more ends by itself. */
  readonly leaseSeconds: number;
  /** Channels that are told when the stream's health changes and when it fails: `[alerts.<name>]` of the settings. */
  readonly alerts: readonly string[];
}

/** All in ms but `maximum`: so many failures within the window are started anew, one more ends the supervision. */
export interface RestartPolicy {
  readonly maximum: number;
  readonly window: number;
  readonly interval: number;
  readonly maximumInterval: number;
}

export interface LagLimits {
  /** Messages that wait. */
  readonly offsets?: number;
  /** Age of the last message taken while others wait; for Kinesis, how long the next one has waited. */
  readonly seconds?: number;
  readonly batchSeconds?: number;
  /** Seconds without a word from the job. */
  readonly silentSeconds: number;
}

/** What a streaming job writes to `--progress` after each batch, and every ten seconds (jobs/README.md). */
export interface StreamProgress {
  readonly generation: number;
  readonly state: string;
  /** ISO 8601, the driver's clock. */
  readonly at: string;
  readonly batch: number;
  readonly batchSeconds: number;
  readonly rowsPerSecond: number;
  /** Since the job's start. */
  readonly rows: number;
  readonly newest?: string;
  readonly behind: { readonly offsets?: number; readonly seconds?: number };
}

/** `silent`: the job has not told of itself for too long. */
export type StreamHealth = 'starting' | 'ok' | 'lagging' | 'silent';

/** How a stream stands, and why: "12,000 messages wait; 10,000 may". */
export function healthOf(
  progress: StreamProgress | undefined,
  limits: LagLimits,
  startedAt: number,
  now: number,
): { health: StreamHealth; reason: string } {
  const told = progress === undefined ? startedAt : Date.parse(progress.at);
  const silence = Math.round((now - told) / 1000);
  if (silence > limits.silentSeconds)
    return { health: 'silent', reason: `no word for ${silence} s; ${limits.silentSeconds} s may pass` };
  if (progress === undefined) return { health: 'starting', reason: '' };
  const over = (what: string, found: number | undefined, most: number | undefined): string[] =>
    found !== undefined && most !== undefined && found > most ? [`${what} ${found}, at most ${most}`] : [];
  const reasons = [
    ...over('messages waiting', progress.behind.offsets, limits.offsets),
    ...over('seconds behind', progress.behind.seconds, limits.seconds),
    ...over('seconds a batch', progress.batchSeconds, limits.batchSeconds),
  ];
  return { health: reasons.length > 0 ? 'lagging' : 'ok', reason: reasons.join('; ') };
}

export interface StreamFailure {
  /** ms since epoch. */
  readonly at: number;
  readonly code: string;
  readonly reason: string;
}

/** The failures that count, with this one; and when to start anew, undefined when there have been too many. */
export function afterFailure(
  failures: readonly StreamFailure[],
  failure: StreamFailure,
  policy: RestartPolicy,
): { failures: StreamFailure[]; wait: number | undefined } {
  const counted = [...failures, failure].filter(({ at }) => at > failure.at - policy.window);
  const wait = Math.min(policy.interval * 2 ** (counted.length - 1), policy.maximumInterval);
  return { failures: counted, wait: counted.length > policy.maximum ? undefined : wait };
}

/** What is known of a stream's job at one look. `job` is absent when the cluster does not know it. */
export interface StreamObservation {
  readonly cluster: ClusterStatus;
  readonly job?: JobStatus;
  readonly progress?: StreamProgress;
  readonly health: StreamHealth;
  readonly reason: string;
}

export type StreamPhase =
  | 'starting'
  | 'running'
  | 'draining'
  | 'waiting'
  | 'stopping'
  | 'stopped'
  | 'failed'
  | 'cancelled';

/** Answer of the query `stream` on `superviseStream`, and of its updates. */
export interface StreamStatus {
  readonly name: string;
  readonly phase: StreamPhase;
  readonly health: StreamHealth;
  /** Why the health is what it is, or why the stream is not running. */
  readonly reason: string;
  /** Starts of the job since the stream was started. */
  readonly starts: number;
  readonly cluster?: string;
  readonly job?: { readonly id: string; readonly name: string };
  readonly code?: string;
  readonly progress?: StreamProgress;
  /** Those that count towards the limit, oldest first. */
  readonly failures: readonly StreamFailure[];
}

/** What one execution of `superviseStream` hands to the next. */
export interface StreamState {
  /** ms; when the stream was started, over all executions. */
  readonly since: number;
  starts: number;
  plan?: StreamPlan;
  code?: JobCode;
  cluster?: { readonly id: string; readonly generation: number };
  job?: { readonly id: string; readonly name: string; readonly at: number };
  failures: StreamFailure[];
  /** As it was seen last, so that each change is told once. */
  health: StreamHealth;
  /** How many alerts there have been. */
  alerts: number;
}

export interface SuperviseStreamInput {
  readonly name: string;
  readonly parameters: JsonObject;
  /** History after which it continues as new; default 4,000 events. */
  readonly maxEvents?: number;
  readonly state?: StreamState;
}

/** Where a stream's files lie. */
export const streamFiles = ({ storage, name }: StreamPlan) => {
  const base = `${storage.results}/streams/${name}`;
  return {
    control: `${base}/control`,
    lease: `${base}/control/lease.json`,
    progress: `${base}/progress.json`,
    result: (fence: number) => `${base}/results/${fence}.json`,
    drain: (fence: number) => `${base}/control/drain-${fence}`,
  };
};

/** Grows with every start of a stream's job, also over streams that were ended and started again. */
export const fenceOf = ({ since, starts }: Pick<StreamState, 'since' | 'starts'>): number =>
  Math.floor(since / 1000) * 1000 + starts;

/** Activities behind `superviseStream`, beside those of Spark. All idempotent; all heartbeat and can be cancelled. */
export interface StreamActivities {
  /** Reads, validates and resolves the definition. Throws REFERENCE_MISSING, DEFINITION_INVALID, PARAMETER_MISSING. */
  loadStream(input: { name: string; parameters: JsonObject; runId: string }): Promise<StreamPlan>;
  /**
   * Renews the job's lease and returns when its state, its cluster's or its health differ from `known`, or after a few
   * minutes. The stream's one poller; its heartbeats carry what it sees.
   */
  watchStream(input: WatchStreamInput): Promise<StreamObservation>;
  /** Asks the job to end after the batch under way. */
  requestDrain(input: { uri: string }): Promise<void>;
}

export interface WatchStreamInput {
  readonly engine: SparkEngine;
  /** URIs: what the job writes, and what tells it that it is watched. */
  readonly progress: string;
  readonly lease: string;
  readonly leaseSeconds: number;
  readonly lag: LagLimits;
  readonly clusterId: string;
  readonly jobId: string;
  readonly fence: number;
  /** ms; when the job was submitted. */
  readonly startedAt: number;
  readonly known: { readonly job?: string; readonly cluster?: string; readonly health: StreamHealth };
}
