// The JVM class-data archive with which spark-submit starts in seconds.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, projectPath, shortHash } from '../cache.ts';
import { freePort, untilListening } from '../world/ports.ts';
import { buildOnce, isComplete } from './build-once.ts';
import type { PythonHome } from './python.ts';
import { doneLine, formatBytes, type Report, SetupError } from './report.ts';
import { runCommand } from './run-command.ts';

/** JVM options that suit short jobs on few cores; an archive fits only the options it was made with. */
export const shortJobOptions = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC';

/**
 * Runs a small Delta job once and keeps the classes it loaded (about 40 s and 200 MB, once), so that later submits
 * map them instead of loading them (measured: a session in 1.0 s instead of 3.1).
 * @returns the archive, or undefined when Java could not make it
 * @throws SetupError when there is no Java 17 or newer
 */
export async function ensureClassData(
  report: Report,
  python: PythonHome,
  jars: string,
): Promise<string | undefined> {
  const java = await javaVersion();
  const name = `class-data-${shortHash(java, python.directory, jars, shortJobOptions, await readFile(job))}`;
  const target = join(cacheDirectory(), name);
  const archive = join(target, 'spark.jsa');
  if (await isComplete(target)) return archive;
  const startedAt = Date.now();
  try {
    await buildOnce({
      target,
      label: 'class-data archive',
      report,
      build: async (directory) => {
        report('    class-data archive: running one Spark job to learn its classes, about a minute');
        await record(directory, python, jars);
        const { size } = await stat(join(directory, 'spark.jsa'));
        report(
          doneLine(
            'class-data archive',
            startedAt,
            `${formatBytes(size)}, sessions start three times as fast`,
          ),
        );
      },
    });
    return archive;
  } catch (error) {
    // Without it everything works, only slower.
    report(`  ! class-data archive could not be made, Spark will start slower: ${(error as Error).message}`);
    return undefined;
  }
}

async function record(directory: string, python: PythonHome, jars: string): Promise<void> {
  const port = await freePort();
  const s3 = spawn(python.python, ['-c', 'from ministack.app import main; main()'], {
    cwd: directory,
    stdio: 'ignore',
    env: {
      ...process.env,
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      IOT_MTLS_ENABLED: '0',
      SERVICES: 's3',
    },
  });
  try {
    await once(s3, 'spawn');
    await untilListening(port, 30_000);
    await runJob(directory, python, jars, `http://127.0.0.1:${port}`);
  } finally {
    const ended = s3.exitCode === null && once(s3, 'exit');
    s3.kill('SIGKILL');
    await ended;
  }
}

async function runJob(
  directory: string,
  python: PythonHome,
  jars: string,
  s3Endpoint: string,
): Promise<void> {
  const script = join(directory, 'job.py');
  await copyFile(job, script);
  const options = `${shortJobOptions} -XX:ArchiveClassesAtExit=${join(directory, 'spark.jsa')}`;
  await runCommand(
    join(python.sparkHome, 'bin', 'spark-submit'),
    [
      ...['--master', 'local[2]', '--driver-class-path', `${jars}/*`],
      '--driver-java-options',
      options,
      script,
      directory,
      s3Endpoint,
    ],
    {
      cwd: directory,
      env: {
        ...process.env,
        SPARK_HOME: python.sparkHome,
        PYSPARK_PYTHON: python.python,
        SPARK_LOCAL_IP: '127.0.0.1',
        AWS_ACCESS_KEY_ID: 'local',
        AWS_SECRET_ACCESS_KEY: 'local-only',
      },
      doing: 'making the class-data archive',
      advice: 'nothing need be done; it is tried again at the next start.',
    },
  );
}

/** What `java -version` says. @throws SetupError when there is no Java 17 or newer */
export async function javaVersion(): Promise<string> {
  const advice =
    'Install Java 17 (Debian: apt-get install openjdk-17-jre-headless) so that `java` is on the PATH.';
  const output = await promisify(execFile)('java', ['-version']).catch((error: Error) => {
    throw new SetupError(`Spark needs Java 17 or newer: ${error.message}`, advice);
  });
  const version = output.stderr;
  const major = Number(/version "(\d+)/.exec(version)?.[1]);
  if (major >= 17) return version;
  throw new SetupError(`Spark needs Java 17 or newer, found: ${version.split('\n')[0]}`, advice);
}

const job = projectPath('dev', 'setup', 'class_data_job.py');
