// What is watched in a lakehouse run, from when on it is too much, and what is done then.

export type MonitoringAction = 'alert' | 'terminateIdle' | 'resize';

export interface Threshold {
  /** Minutes for ingestDelay and idle, a part of one for executorMemory, spill and hdfs, a count for failedStages. */
  readonly above: number;
  readonly action: MonitoringAction;
}

export const THRESHOLD_NAMES = [
  'ingestDelay',
  'executorMemory',
  'spill',
  'idle',
  'failedStages',
  'hdfs',
] as const;
export type ThresholdName = (typeof THRESHOLD_NAMES)[number];

/** Ingest later than 15 min, executor memory over 90 %, spill over half of the input, idle for 30 min. */
export const DEFAULT_THRESHOLDS: Readonly<Record<ThresholdName, Threshold>> = {
  ingestDelay: { above: 15, action: 'alert' },
  executorMemory: { above: 0.9, action: 'alert' },
  spill: { above: 0.5, action: 'alert' },
  idle: { above: 30, action: 'alert' },
  failedStages: { above: 0, action: 'alert' },
  hdfs: { above: 0.8, action: 'alert' },
};

/** Which actions make sense for which threshold; `alert` always does, and every action also alerts. */
export const THRESHOLD_ACTIONS: Readonly<Record<ThresholdName, readonly MonitoringAction[]>> = {
  ingestDelay: ['alert'],
  executorMemory: ['alert', 'resize'],
  spill: ['alert', 'resize'],
  idle: ['alert', 'terminateIdle'],
  failedStages: ['alert'],
  hdfs: ['alert', 'resize'],
};

/** How far `resize` goes, in machines (EMR: units of managed scaling, or task machines of a group). */
export interface ResizeLimits {
  readonly step: number;
  readonly maximum: number;
}

export interface Monitoring {
  /** Names of `[alerts.<name>]` in the settings. */
  readonly alerts: readonly string[];
  readonly thresholds: Readonly<Record<ThresholdName, Threshold>>;
  readonly resize?: ResizeLimits;
  /** Reads HDFSUtilization of EMR clusters from CloudWatch. */
  readonly cloudWatch: boolean;
  readonly alarms: CloudWatchAlarms;
}

/** Alarms that `waybill monitoring apply` puts into CloudWatch. */
export interface CloudWatchAlarms {
  readonly buckets: readonly {
    readonly bucket: string;
    readonly bytes?: number;
    readonly objects?: number;
  }[];
  readonly streams: readonly { readonly stream: string; readonly iteratorAgeMinutes: number }[];
}

/** Figures of one Spark job, as the job itself reports them. */
export interface JobMetrics {
  readonly job: string;
  readonly failedStages: number;
  readonly executorRunSeconds: number;
  readonly inputBytes: number;
  readonly shuffleReadBytes: number;
  readonly memorySpilledBytes: number;
  readonly diskSpilledBytes: number;
  /** Highest part of any executor's unified memory in use; absent where Spark has not told. */
  readonly peakMemoryShare?: number;
}

/** Something beyond its threshold. */
export interface Finding {
  /** The same finding again has the same key. */
  readonly key: string;
  readonly kind: ThresholdName;
  readonly message: string;
  readonly value: number;
  readonly above: number;
}

/** Less read than this, and a spill of it says nothing. */
const LEAST_INPUT_BYTES = 1024 * 1024;

/** What of a job's figures is beyond its threshold. */
export function judgeJob(metrics: JobMetrics, thresholds: Monitoring['thresholds']): Finding[] {
  const findings: Finding[] = [];
  const judge = (
    kind: ThresholdName,
    value: number | undefined,
    message: (value: number) => string,
  ): void => {
    const { above } = thresholds[kind];
    if (value === undefined || !(value > above)) return;
    findings.push({ key: `${kind}/${metrics.job}`, kind, value, above, message: message(value) });
  };
  const { job, diskSpilledBytes } = metrics;
  // Not every file system tells Spark what was read of it: what was shuffled is the least that was.
  const inputBytes = Math.max(metrics.inputBytes, metrics.shuffleReadBytes);
  judge('failedStages', metrics.failedStages, (count) => `${job}: ${count} stages failed.`);
  judge(
    'executorMemory',
    metrics.peakMemoryShare,
    (share) => `${job}: executors used ${percent(share)} of their memory.`,
  );
  judge(
    'spill',
    inputBytes >= LEAST_INPUT_BYTES ? diskSpilledBytes / inputBytes : undefined,
    (share) => `${job}: spilled ${percent(share)} of its input to disk.`,
  );
  return findings;
}

export const percent = (part: number): string => `${Math.round(part * 100)} %`;

/** The figures in a job's result or progress file; undefined where there are none. */
export function jobMetrics(job: string, value: unknown): JobMetrics | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const given = value as Readonly<Record<string, unknown>>;
  const count = (name: string): number => {
    const figure = given[name];
    return typeof figure === 'number' && Number.isFinite(figure) && figure >= 0 ? figure : 0;
  };
  const share = given['peakMemoryShare'];
  return {
    job,
    failedStages: count('failedStages'),
    executorRunSeconds: count('executorRunSeconds'),
    inputBytes: count('inputBytes'),
    shuffleReadBytes: count('shuffleReadBytes'),
    memorySpilledBytes: count('memorySpilledBytes'),
    diskSpilledBytes: count('diskSpilledBytes'),
    ...(typeof share === 'number' && Number.isFinite(share) ? { peakMemoryShare: share } : {}),
  };
}
