// Turns the spark-submit command of an EMR step into one that runs on this machine: YARN becomes local[2], s3:// is
// read by S3A, Delta and S3 libraries come from the curated jar directory. Pure: it plans, nothing is run here.
import type { Configuration } from '@aws-sdk/client-emr';

/** Where Spark and its parts are on this machine. */
export interface SparkInstallation {
  sparkHome: string;
  python: string;
  /** Directory of jars (Delta, S3A, JDBC) put before Spark's own. */
  jars: string;
  /** Class-data archive that makes the JVM start in about half the time; left out when the file is absent. */
  classData?: string;
  s3Endpoint: string;
  region: string;
}

/** A spark-submit command line taken apart. Files may still be s3:// URIs. */
export interface SparkSubmission {
  /** Options other than files and conf, as given, e.g. ['--name', 'silver']. */
  options: string[];
  conf: Map<string, string>;
  /** --py-files, --files, --jars and --archives. */
  files: Map<string, string[]>;
  /** The script or jar; undefined when the command has none (spark-submit then says so itself). */
  application: string | undefined;
  /** Arguments of the application: never touched, never seen by a shell. */
  args: string[];
  /** Variables the job asked for, as YARN would set them. */
  environment: Map<string, string>;
  /** What was left out or changed because this is one machine without YARN; printed in the step's controller log. */
  notes: string[];
}

const FILE_OPTIONS = new Set(['--py-files', '--files', '--jars', '--archives']);
const FLAGS = new Set(['--verbose', '-v', '--supervise', '--help', '-h', '--version', '--usage-error']);
/** Options that have a configuration name of their own: kept in one place so that the later one wins. */
const CONF_OF_OPTION: Record<string, string> = {
  '--driver-memory': 'spark.driver.memory',
  '--driver-java-options': 'spark.driver.extraJavaOptions',
  '--driver-class-path': 'spark.driver.extraClassPath',
  '--driver-library-path': 'spark.driver.extraLibraryPath',
  '--driver-cores': 'spark.driver.cores',
  '--executor-memory': 'spark.executor.memory',
  '--executor-cores': 'spark.executor.cores',
  '--num-executors': 'spark.executor.instances',
  '--queue': 'spark.yarn.queue',
  '--master': 'spark.master',
  '--deploy-mode': 'spark.submit.deployMode',
};
const FILE_OPTION_OF_CONF: Record<string, string> = {
  'spark.submit.pyFiles': '--py-files',
  'spark.files': '--files',
  'spark.jars': '--jars',
  'spark.archives': '--archives',
  'spark.yarn.dist.files': '--files',
  'spark.yarn.dist.jars': '--jars',
  'spark.yarn.dist.archives': '--archives',
};
/** Settings that only mean something on YARN or on EMR's own images; answered with a note, not with a failure. */
const LEFT_OUT = [
  /^spark\.master$/,
  /^spark\.submit\.deployMode$/,
  /^spark\.yarn\.(?!appMasterEnv\.)/,
  /^spark\.dynamicAllocation\./,
  /^spark\.shuffle\.service\./,
  /^spark\.pyspark\.(driver\.)?python$/,
  /^spark\.(driver|executor)\.extraLibraryPath$/,
  /^spark\.hadoop\.fs\.s3a?\.(impl|endpoint|access\.key|secret\.key|aws\.credentials\.provider)$/,
];
/** Interpreters and homes of an EMR image; this machine has its own. */
const OWN_VARIABLES = new Set(['PYSPARK_PYTHON', 'PYSPARK_DRIVER_PYTHON', 'JAVA_HOME', 'SPARK_HOME', 'PATH']);
const ENVIRONMENT_CONF = /^spark\.(?:yarn\.appMasterEnv|executorEnv)\.(.+)$/;
/** EMR puts Delta here when the delta-defaults classification enables it; ours is on the class path already. */
const IMAGE_JAR = /^(file:\/\/)?\/usr\/(share\/aws|lib)\//;
/** The one machine is shared by every process of the local world: no driver takes more, whatever a step asks for. */
const MOST_DRIVER_MEGABYTES = 2048;

/**
 * Takes a step's spark-submit arguments apart, on top of the cluster's spark-defaults (the step's own settings win).
 *
 * @param args the arguments after the word spark-submit
 */
export function parseSparkSubmit(
  args: readonly string[],
  configurations: readonly Configuration[],
): SparkSubmission {
  const submission: SparkSubmission = {
    options: [],
    conf: new Map(),
    files: new Map(),
    application: undefined,
    args: [],
    environment: new Map(exportedVariables(configurations)),
    notes: [],
  };
  for (const [name, value] of Object.entries(sparkDefaults(configurations))) submission.conf.set(name, value);
  const rest = [...args];
  while (rest.length > 0) {
    const [option, value] = takeOption(rest);
    if (!option.startsWith('-')) {
      submission.application = option;
      submission.args = rest;
      break;
    }
    if (FILE_OPTIONS.has(option)) submission.files.set(option, (value ?? '').split(',').filter(Boolean));
    else if (option === '--conf' || option === '-c') setConf(submission.conf, value ?? '');
    else if (CONF_OF_OPTION[option]) submission.conf.set(CONF_OF_OPTION[option], value ?? '');
    else submission.options.push(option, ...(value === undefined ? [] : [value]));
  }
  adapt(submission);
  return submission;
}

/** Arguments for this machine's bin/spark-submit; every s3:// file of the submission must have become local. */
export function sparkSubmitArguments(submission: SparkSubmission, spark: SparkInstallation): string[] {
  const conf = new Map(Object.entries(baseConfiguration(spark)));
  for (const [name, value] of submission.conf) conf.set(name, value);
  // With the first compiler alone the code cache is 48 MB by default: a job with many plans fills it and dies of it.
  // The methods that Spark makes of a query with many columns are over 8000 bytes, which the JVM by default interprets.
  const javaOptions = [
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    '-XX:ReservedCodeCacheSize=240m',
    '-XX:-DontCompileHugeMethods',
  ];
  if (spark.classData) javaOptions.push(`-XX:SharedArchiveFile=${spark.classData}`);
  const asked = conf.get('spark.driver.extraJavaOptions');
  if (asked) javaOptions.push(withoutCollector(asked));
  const classPath = [`${spark.jars}/*`, conf.get('spark.driver.extraClassPath')].filter(Boolean).join(':');
  conf.delete('spark.driver.extraJavaOptions');
  conf.delete('spark.driver.extraClassPath');
  return [
    '--master',
    'local[2]',
    '--driver-class-path',
    classPath,
    '--driver-java-options',
    javaOptions.join(' ').trim(),
    ...[...conf].flatMap(([name, value]) => ['--conf', `${name}=${value}`]),
    ...[...submission.files].flatMap(([option, files]) => (files.length ? [option, files.join(',')] : [])),
    ...submission.options,
    ...(submission.application === undefined ? [] : [submission.application, ...submission.args]),
  ];
}

/** What every job gets unless the cluster or the step sets it. Credentials are not here: they are in the environment. */
function baseConfiguration(spark: SparkInstallation): Record<string, string> {
  return {
    'spark.driver.memory': '1g',
    'spark.driver.host': '127.0.0.1',
    'spark.driver.bindAddress': '127.0.0.1',
    'spark.ui.enabled': 'false',
    'spark.ui.showConsoleProgress': 'false',
    'spark.sql.session.timeZone': 'UTC',
    'spark.sql.shuffle.partitions': '2',
    // A file counts as 4 MB by default, so that hundreds of small ones become a dozen tasks on two cores.
    'spark.sql.files.openCostInBytes': '131072',
    // Without this, Delta's VACUUM lists files with thousands of tasks.
    'spark.sql.sources.parallelPartitionDiscovery.parallelism': '2',
    'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension',
    'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
    'spark.databricks.delta.snapshotPartitions': '1',
    'spark.hadoop.fs.s3.impl': 'org.apache.hadoop.fs.s3a.S3AFileSystem',
    'spark.hadoop.fs.s3n.impl': 'org.apache.hadoop.fs.s3a.S3AFileSystem',
    'spark.hadoop.fs.s3a.endpoint': spark.s3Endpoint,
    'spark.hadoop.fs.s3a.endpoint.region': spark.region,
    'spark.hadoop.fs.s3a.path.style.access': 'true',
    // Not by way of a temporary file for each file written.
    'spark.hadoop.fs.s3a.fast.upload.buffer': 'bytebuffer',
    'spark.hadoop.fs.s3a.connection.ssl.enabled': String(spark.s3Endpoint.startsWith('https:')),
    'spark.hadoop.fs.s3a.aws.credentials.provider':
      'software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider',
  };
}

/** Removes the next option from `rest` with its value, which may follow it or stand after '='. */
function takeOption(rest: string[]): [option: string, value: string | undefined] {
  const first = rest.shift() as string;
  const joined = /^(--[^=]+)=(.+)$/s.exec(first);
  if (joined?.[1]) return [joined[1], joined[2]];
  if (!first.startsWith('-') || FLAGS.has(first)) return [first, undefined];
  return [first, rest.shift()];
}

function setConf(conf: Map<string, string>, setting: string): void {
  const at = setting.indexOf('=');
  conf.set(setting.slice(0, at === -1 ? undefined : at), at === -1 ? '' : setting.slice(at + 1));
}

/** Moves settings to where they work on this machine and leaves out what cannot, with a note for each. */
function adapt(submission: SparkSubmission): void {
  const { conf, files, environment, notes } = submission;
  for (const [name, value] of [...conf]) {
    const variable = ENVIRONMENT_CONF.exec(name)?.[1];
    const option = FILE_OPTION_OF_CONF[name];
    if (variable) environment.set(variable, value);
    else if (option)
      files.set(option, [...new Set([...(files.get(option) ?? []), ...value.split(',').filter(Boolean)])]);
    else if (name === 'spark.driver.memory') conf.set(name, limitMemory(value, notes));
    else if (LEFT_OUT.some((pattern) => pattern.test(name)) || value.startsWith('com.amazon')) {
      notes.push(`left out ${name}: no YARN and no EMR image here`);
      conf.delete(name);
    }
    if (variable || option) conf.delete(name);
  }
  const extra = conf.get('spark.driver.extraClassPath');
  if (extra) conf.set('spark.driver.extraClassPath', withoutImagePaths(extra.split(':'), notes).join(':'));
  for (const [option, list] of files) files.set(option, withoutImagePaths(list, notes));
  for (const name of OWN_VARIABLES) {
    if (environment.delete(name)) notes.push(`left out variable ${name}: this machine has its own`);
  }
}

function withoutImagePaths(paths: string[], notes: string[]): string[] {
  const kept = paths.filter((path) => !IMAGE_JAR.test(path));
  if (kept.length < paths.length)
    notes.push('left out jars of the EMR image; Delta and S3A are on the class path');
  return kept;
}

function limitMemory(value: string, notes: string[]): string {
  const match = /^(\d+)([kmgt]?)b?$/i.exec(value.trim());
  if (!match) return value;
  const factor = { k: 1 / 1024, m: 1, g: 1024, t: 1024 * 1024 }[(match[2] || 'm').toLowerCase()] ?? 1;
  if (Number(match[1]) * factor <= MOST_DRIVER_MEGABYTES) return value;
  notes.push(`spark.driver.memory ${value} became ${MOST_DRIVER_MEGABYTES}m: one machine for everything`);
  return `${MOST_DRIVER_MEGABYTES}m`;
}

/** A JVM refuses to start with two garbage collectors; ours is the one that starts fastest. */
function withoutCollector(options: string): string {
  return options
    .split(/\s+/)
    .filter((option) => !/^-XX:\+Use\w*GC$/.test(option))
    .join(' ');
}

function sparkDefaults(configurations: readonly Configuration[]): Record<string, string> {
  return Object.assign(
    {},
    ...configurations.filter((c) => c.Classification === 'spark-defaults').map((c) => c.Properties ?? {}),
  );
}

/** Variables of `spark-env` and `yarn-env`, which EMR puts into nested `export` classifications. */
function exportedVariables(configurations: readonly Configuration[]): [string, string][] {
  return configurations
    .filter((c) => c.Classification === 'spark-env' || c.Classification === 'yarn-env')
    .flatMap((c) => c.Configurations ?? [])
    .filter((c) => c.Classification === 'export')
    .flatMap((c) => Object.entries(c.Properties ?? {}))
    .map(([name, value]) => [name, value.replace(/^"(.*)"$/s, '$1')]);
}
