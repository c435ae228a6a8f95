// Says which program a step runs, after bringing the files it names from S3 to this machine.
import { existsSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Configuration } from '@aws-sdk/client-emr';
import { type ObjectStore, parseS3Uri } from './object-store.ts';
import { parseSparkSubmit, type SparkInstallation, sparkSubmitArguments } from './spark-submit.ts';
import type { StepView } from './state.ts';

/** A program with its arguments, started without a shell. */
export interface StepCommand {
  program: string;
  args: string[];
  environment: Record<string, string>;
  notes: string[];
}

/** The step cannot run here; `reason` is for FailureDetails.Reason. */
export class UnrunnableStepError extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.name = 'UnrunnableStepError';
    this.reason = reason;
  }
}

/** Programs that come with Hadoop or the EMR image; a step that wants one fails and says so. */
const NOT_INSTALLED = new Set(
  'aws hadoop hadoop-streaming hbase hdfs hive hive-script hudi-cli pig-script presto-cli s3-dist-cp trino-cli yarn'.split(
    ' ',
  ),
);

/**
 * Plans a step: command-runner.jar with spark-submit or a plain program, or script-runner.jar with a script in S3.
 *
 * @param directory the step's working directory; downloaded files are put there, as YARN does
 * @throws UnrunnableStepError, ObjectUnavailableError
 */
export async function planStep(
  config: StepView['Config'],
  configurations: readonly Configuration[],
  spark: SparkInstallation,
  objects: ObjectStore,
  directory: string,
): Promise<StepCommand> {
  const [program, ...args] = config.Args;
  const jar = basename(config.Jar);
  if (jar === 'script-runner.jar') {
    if (!program)
      throw new UnrunnableStepError('Invalid step.', 'script-runner.jar needs the script as first argument.');
    const script = await localise(program, directory, objects);
    await chmod(script, 0o700);
    return { program: script, args, environment: {}, notes: [] };
  }
  if (jar !== 'command-runner.jar') {
    throw new UnrunnableStepError(
      'Not implemented by this stand-in.',
      `A custom JAR step runs 'hadoop jar ${config.Jar}', and Hadoop is not installed here. ` +
        'Use command-runner.jar with spark-submit --class.',
    );
  }
  if (!program)
    throw new UnrunnableStepError('Invalid step.', 'command-runner.jar needs a command as first argument.');
  if (NOT_INSTALLED.has(program)) {
    throw new UnrunnableStepError(
      'Not implemented by this stand-in.',
      `Cannot run program "${program}": it comes with the EMR image and is not installed here.`,
    );
  }
  if (program !== 'spark-submit') return { program, args, environment: {}, notes: [] };

  const submission = parseSparkSubmit(args, configurations);
  if (submission.application) {
    submission.application = await localise(submission.application, directory, objects);
  }
  for (const [option, files] of submission.files) {
    const local: string[] = [];
    for (const file of files) local.push(await localise(file, directory, objects));
    submission.files.set(option, local);
  }
  return {
    program: join(spark.sparkHome, 'bin', 'spark-submit'),
    args: sparkSubmitArguments(submission, spark),
    environment: Object.fromEntries(submission.environment),
    notes: submission.notes,
  };
}

/**
 * Downloads an S3 file into the directory and gives its local path; other paths stay. Honours Spark's `file#name`.
 * Where two files have the same name, the later one gets a directory of its own.
 */
async function localise(uri: string, directory: string, objects: ObjectStore): Promise<string> {
  const at = parseS3Uri(uri);
  if (!at) return uri;
  const [key, alias] = at.key.split('#', 2) as [string, string | undefined];
  const name = basename(alias ?? key);
  const taken = existsSync(join(directory, name));
  const file = join(taken ? await mkdtemp(join(directory, 'file-')) : directory, name);
  await objects.download(`s3://${at.bucket}/${key}`, file);
  return alias ? `${file}#${alias}` : file;
}
