// Proposes Spark settings and an EMR cluster for an amount of data, and says why, line by line.
import { type SparkProfileName, sparkProfile } from './spark-profiles.ts';

export interface SizeQuestion {
  /** Bytes that one run of the job reads, as they lie in the store. */
  readonly inputBytes: number;
  /** The largest partition after a shuffle over the median one; 1 is no skew. */
  readonly skew: number;
}

export interface SizeProposal {
  readonly profile: SparkProfileName;
  /** Settings that differ from the profile's. */
  readonly configuration: Readonly<Record<string, string>>;
  readonly executors: number;
  readonly cluster: {
    readonly instanceGroups: readonly {
      readonly name: string;
      readonly role: 'MASTER' | 'CORE' | 'TASK';
      readonly type: string;
      readonly count: number;
    }[];
    readonly managedScaling: {
      readonly unit: 'Instances';
      readonly minimum: number;
      readonly maximum: number;
      readonly maximumCore: number;
    };
  };
  /** Salts for each key of a skewed aggregation; 1 where none are needed. */
  readonly salts: number;
  readonly reasons: readonly string[];
}

/** A machine as EMR runs it: `yarnMemory` (MiB) is EMR's own default for the type, what it leaves to executors. */
interface Machine {
  readonly type: string;
  readonly cores: number;
  readonly yarnMemory: number;
}

interface Scale {
  readonly profile: SparkProfileName;
  /** The largest input, bytes. */
  readonly upTo: number;
  readonly worker: Machine;
  readonly master: string;
}

const GB = 1e9;
const MIB_PER_GIB = 1024;
/** 10 TB by 200 executors of 8 cores. */
const BYTES_PER_CORE = 6.25 * GB;
/** 10 TB by 10,000 partitions. */
const BYTES_PER_PARTITION = 1 * GB;
/** spark.memory.fraction: the part of the heap that execution and storage share. */
const MEMORY_FRACTION = 0.6;
/** spark.sql.adaptive.skewJoin.skewedPartitionFactor: from here on AQE splits a partition of a join. */
const AQE_SKEW_FACTOR = 5;

const SCALES: readonly Scale[] = [
  {
    profile: 'small',
    upTo: 100 * GB,
    worker: { type: 'r5.2xlarge', cores: 8, yarnMemory: 57_344 },
    master: 'm5.xlarge',
  },
  {
    profile: 'medium',
    upTo: 1_000 * GB,
    worker: { type: 'r5.4xlarge', cores: 16, yarnMemory: 122_880 },
    master: 'm5.2xlarge',
  },
  {
    profile: 'large',
    upTo: Number.POSITIVE_INFINITY,
    worker: { type: 'r5.24xlarge', cores: 96, yarnMemory: 778_240 },
    master: 'r5.8xlarge',
  },
];

/** The proposal for an amount of data. It goes by the figures of the 10 TB profile, in proportion: no run is measured. */
export function proposeSize({ inputBytes, skew }: SizeQuestion): SizeProposal {
  const { profile, worker, master } = SCALES.find(({ upTo }) => inputBytes <= upTo) as Scale;
  const settings = sparkProfile(profile, 'emr') ?? {};
  const setting = (name: string): string => settings[name] ?? '';
  const cores = Number(setting('spark.executor.cores'));
  const heap = gibibytes(setting('spark.executor.memory'));
  const offHeap = gibibytes(setting('spark.memory.offHeap.size'));
  const container = heap + gibibytes(setting('spark.executor.memoryOverhead')) + offHeap;
  const readBytes = Number.parseInt(setting('spark.sql.files.maxPartitionBytes'), 10) * MIB_PER_GIB * 1024;

  const executors = Math.max(2, Math.ceil(inputBytes / (BYTES_PER_CORE * cores)));
  const tasksAtOnce = executors * cores;
  const readTasks = Math.max(1, Math.ceil(inputBytes / readBytes));
  const partitions = Math.max(3 * tasksAtOnce, Math.ceil(inputBytes / BYTES_PER_PARTITION));
  const byCores = Math.floor(worker.cores / cores);
  const byMemory = Math.floor(worker.yarnMemory / (container * MIB_PER_GIB));
  const perNode = Math.min(byCores, byMemory);
  // One container more: in cluster mode the driver is on a worker, too.
  const nodes = Math.max(2, Math.ceil((executors + 1) / perNode));
  const core = Math.max(1, Math.ceil(nodes / 6));
  const task = nodes - core;
  const least = core + Math.ceil(task * 0.6);
  const most = core + task * 2;
  const perTask = (heap * MEMORY_FRACTION + offHeap) / cores;
  const skewed = Math.ceil((inputBytes / partitions) * skew);
  const salts = skew >= AQE_SKEW_FACTOR ? Math.ceil(skew) : 1;

  const proposed = {
    'spark.sql.shuffle.partitions': String(partitions),
    'spark.executor.instances': String(executors),
  };
  return {
    profile,
    configuration: Object.fromEntries(
      Object.entries(proposed).filter(([key, value]) => settings[key] !== value),
    ),
    executors,
    cluster: {
      instanceGroups: [
        { name: 'master', role: 'MASTER', type: master, count: 1 },
        { name: 'core', role: 'CORE', type: worker.type, count: core },
        { name: 'task', role: 'TASK', type: worker.type, count: task },
      ],
      managedScaling: { unit: 'Instances', minimum: least, maximum: most, maximumCore: core },
    },
    salts,
    reasons: [
      `Profile ${profile}: ${bytes(inputBytes)} of input${profile === 'large' ? '' : `, at most ${bytes(SCALES.find((one) => one.profile === profile)?.upTo ?? 0)}`}.`,
      `Reading: ${count(readTasks)} tasks of at most ${setting('spark.sql.files.maxPartitionBytes')} each, if the files can be split.`,
      `Executors: ${count(executors)} of ${cores} cores: ${bytes(BYTES_PER_CORE)} of input a core, as 10 TB by 200 executors of 8.`,
      `Waves: ${count(tasksAtOnce)} tasks run at a time, so all is read in ${count(Math.ceil(readTasks / tasksAtOnce))} waves.`,
      `Shuffle: ${count(partitions)} partitions: at most ${bytes(BYTES_PER_PARTITION)} of input each, at least 3 for each core; AQE joins small ones.`,
      `Memory: ${container} GiB an executor (${heap} heap, ${container - heap - offHeap} overhead, ${offHeap} off-heap); ${perTask.toFixed(1)} GiB for the work of each task.`,
      `Nodes: ${perNode} executors on each ${worker.type} (${byCores} by its ${worker.cores} cores, ${byMemory} by the ${count(worker.yarnMemory / MIB_PER_GIB)} GiB that EMR gives YARN): ${nodes} nodes for ${count(executors)} executors and the driver.`,
      `Cluster: ${core} core and ${task} task nodes, one to five as in r5-10tb; scaling from ${least} to ${most} nodes, the task nodes from 60 % to 200 %.`,
      skewReason(skew, skewed, perTask, salts),
    ],
  };
}

function skewReason(skew: number, skewed: number, perTask: number, salts: number): string {
  if (skew <= 1) return 'Skew: none was named; measure the largest partition over the median one.';
  const size = `Skew: ${skew} times the median is a partition of about ${bytes(skewed)}`;
  if (salts === 1) return `${size}: below AQE's factor of ${AQE_SKEW_FACTOR}, and left alone.`;
  const fits =
    skewed > perTask * 1024 ** 3
      ? 'more than the memory of a task, so it would spill'
      : 'which the memory of a task holds';
  return `${size}, ${fits}. A join is split by AQE; an aggregation is not: salt its key with ${count(salts)} values, aggregate twice.`;
}

const gibibytes = (text: string): number => (text === '' ? 0 : Number.parseInt(text, 10));
const count = (value: number): string => value.toLocaleString('en-US');

function bytes(value: number): string {
  const [unit, size] =
    value >= 1e12 ? ['TB', 1e12] : value >= GB ? ['GB', GB] : value >= 1e6 ? ['MB', 1e6] : ['B', 1];
  return `${Number((value / (size as number)).toFixed(2))} ${unit}`;
}

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  PB: 1e15,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
  PIB: 1024 ** 5,
};

/** Bytes of "10TB", "500 GiB", "1.5 tb"; undefined for what is no size above zero. */
export function parseBytes(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) ?? [];
  const factor = UNITS[unit?.toUpperCase() ?? ''];
  if (number === undefined || factor === undefined) return undefined;
  const value = Math.ceil(Number(number) * factor);
  return value > 0 && Number.isSafeInteger(value) ? value : undefined;
}
