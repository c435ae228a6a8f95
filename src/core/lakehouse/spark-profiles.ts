// Spark settings as named profiles: what a job of some size asks for, each setting with its unit and its reason.

import type { SparkEngine } from '../spark.ts';

interface SparkSetting {
  /** One sentence, with the unit of the value. */
  readonly why: string;
  /** Databricks sizes executors by the node type and has no external shuffle service: these are EMR's alone. */
  readonly emrOnly?: true;
  /** EMR Serverless has no nodes that jobs share: these are for clusters. */
  readonly nodesOnly?: true;
}

/** Every setting that a profile may have. */
export const SPARK_SETTINGS: Readonly<Record<string, SparkSetting>> = {
  'spark.sql.shuffle.partitions': {
    why: 'Partitions after a join or aggregation (a number): about 1 GB of input each at most; AQE joins those that turn out small.',
  },
  'spark.sql.adaptive.enabled': {
    why: 'Adaptive query execution (true or false): plans again after each shuffle, by the sizes that were measured.',
  },
  'spark.sql.adaptive.skewJoin.enabled': {
    why: 'Whether AQE splits a partition of a join that is much larger than the median one (true or false).',
  },
  'spark.sql.files.maxPartitionBytes': {
    why: 'Bytes of files that one reading task takes, at most: larger means fewer tasks and less scheduling.',
  },
  'spark.executor.memory': {
    why: "An executor's heap (GiB as g), shared by its cores.",
    emrOnly: true,
  },
  'spark.executor.cores': { why: 'Tasks that an executor runs at a time (a number).', emrOnly: true },
  'spark.executor.instances': {
    why: 'Executors to begin with (a number): with dynamic allocation, which EMR turns on, more or fewer follow the work.',
    emrOnly: true,
  },
  'spark.executor.memoryOverhead': {
    why: 'Memory of an executor beside its heap (GiB as g), for Python workers, threads and network buffers.',
    emrOnly: true,
  },
  'spark.memory.offHeap.enabled': {
    why: 'Whether sorting and aggregation may use memory that no garbage collection walks (true or false).',
    emrOnly: true,
  },
  'spark.memory.offHeap.size': {
    why: 'Off-heap memory of an executor (GiB as g); YARN counts it on top of heap and overhead.',
    emrOnly: true,
  },
  'spark.shuffle.service.enabled': {
    why: "Whether the node keeps an executor's shuffle files after the executor has gone (true or false).",
    emrOnly: true,
    nodesOnly: true,
  },
  'spark.shuffle.service.port': {
    why: 'TCP port of the shuffle service on every node (a number).',
    emrOnly: true,
    nodesOnly: true,
  },
  'spark.shuffle.compress': {
    why: 'Whether shuffle files are compressed (true or false): less network for some CPU.',
  },
  'spark.shuffle.spill.compress': { why: 'Whether what is spilled to disk is compressed (true or false).' },
  'spark.io.compression.codec': {
    why: 'Codec of shuffle, spill and broadcast (a name): snappy is fast and good enough.',
  },
  'spark.shuffle.io.maxRetries': {
    why: 'How often a fetch of shuffle data is tried again after a network failure (a number).',
  },
  'spark.shuffle.io.retryWait': {
    why: 'Wait between two such fetches (seconds as s): 10 of 60 s outlast a node that restarts.',
  },
  'spark.hadoop.mapreduce.input.fileinputformat.list-status.num-threads': {
    why: 'Threads that list input directories at a time (a number): S3 answers slowly, but many at once.',
  },
  'spark.sql.parquet.mergeSchema': {
    why: 'Whether the footers of all Parquet files are read for their schema (true or false): one suffices.',
  },
  'spark.speculation': {
    why: 'Whether a task much slower than its like is started once more elsewhere (true or false).',
  },
  'spark.decommission.enabled': {
    why: 'Whether an executor on a node that is to go takes no more tasks (true or false).',
    emrOnly: true,
    nodesOnly: true,
  },
  'spark.databricks.delta.optimizeWrite.enabled': {
    why: 'Whether rows are gathered before a Delta write, so that files come out larger (true or false).',
  },
  'spark.databricks.delta.autoCompact.enabled': {
    why: 'Whether small files are compacted right after a Delta write (true or false).',
  },
};

const common = {
  'spark.sql.adaptive.enabled': 'true',
  'spark.sql.adaptive.skewJoin.enabled': 'true',
  'spark.shuffle.service.enabled': 'true',
  'spark.shuffle.service.port': '7337',
  'spark.shuffle.compress': 'true',
  'spark.shuffle.spill.compress': 'true',
  'spark.io.compression.codec': 'snappy',
  'spark.shuffle.io.maxRetries': '10',
  'spark.shuffle.io.retryWait': '60s',
  'spark.hadoop.mapreduce.input.fileinputformat.list-status.num-threads': '20',
  'spark.sql.parquet.mergeSchema': 'false',
  'spark.databricks.delta.optimizeWrite.enabled': 'true',
  'spark.databricks.delta.autoCompact.enabled': 'true',
};

const large = {
  ...common,
  'spark.sql.shuffle.partitions': '10000',
  'spark.sql.files.maxPartitionBytes': '256MB',
  'spark.executor.memory': '24g',
  'spark.executor.cores': '8',
  'spark.executor.instances': '200',
  'spark.executor.memoryOverhead': '4g',
  'spark.memory.offHeap.enabled': 'true',
  'spark.memory.offHeap.size': '16g',
  'spark.speculation': 'true',
};

const PROFILES = {
  small: {
    ...common,
    'spark.sql.shuffle.partitions': '100',
    'spark.sql.files.maxPartitionBytes': '128MB',
    'spark.executor.memory': '8g',
    'spark.executor.cores': '4',
    'spark.executor.instances': '4',
    'spark.executor.memoryOverhead': '1g',
    'spark.memory.offHeap.enabled': 'false',
    'spark.speculation': 'false',
  },
  medium: {
    ...common,
    'spark.sql.shuffle.partitions': '1000',
    'spark.sql.files.maxPartitionBytes': '128MB',
    'spark.executor.memory': '16g',
    'spark.executor.cores': '4',
    'spark.executor.instances': '40',
    'spark.executor.memoryOverhead': '2g',
    'spark.memory.offHeap.enabled': 'true',
    'spark.memory.offHeap.size': '4g',
    'spark.speculation': 'true',
  },
  large,
  'large-spot': { ...large, 'spark.executor.instances': '100', 'spark.decommission.enabled': 'true' },
} satisfies Record<string, Readonly<Record<string, string>>>;

export type SparkProfileName = keyof typeof PROFILES;

/** Names of the profiles: up to 100 GB, 1 TB, 10 TB, and 10 TB on machines that may be taken away. */
export const SPARK_PROFILES = Object.keys(PROFILES) as readonly SparkProfileName[];

/** The settings of a profile that an engine takes; undefined for a name that is none. */
export function sparkProfile(
  name: string,
  engine: SparkEngine,
): Readonly<Record<string, string>> | undefined {
  if (!Object.hasOwn(PROFILES, name)) return undefined;
  const settings = Object.entries(PROFILES[name as SparkProfileName]);
  const kept = { emr: () => true, 'emr-serverless': forServerless, databricks: forDatabricks }[engine];
  return Object.fromEntries(settings.filter(([key]) => kept(SPARK_SETTINGS[key])));
}

const forServerless = (setting: SparkSetting | undefined): boolean => setting?.nodesOnly !== true;
const forDatabricks = (setting: SparkSetting | undefined): boolean => setting?.emrOnly !== true;
