// One attempt of a task as a process group of its own: started, watched, ended when asked to.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loggedFailure } from '../emr/failure.ts';
import { ObjectUnavailableError } from '../emr/object-store.ts';
import { STEP_VARIABLE, signalGroup } from '../emr/process-group.ts';
import type { SparkInstallation } from '../emr/spark-submit.ts';
import { ApiError } from './errors.ts';
import { tailOf } from './files.ts';
import type { TaskCommand } from './task-command.ts';

export type TaskOutcome =
  | { readonly kind: 'success'; readonly output?: string }
  | { readonly kind: 'failed'; readonly error: string; readonly trace: string }
  /** It never began: what it needs is not there. */
  | { readonly kind: 'unrunnable'; readonly code: string; readonly error: string };

const GRACE_MS = 5_000;
/** What a task may see of the environment the stand-in was started in. */
const PASSED_ON = /^(PATH|HOME|LANG|LC_\w+|TZ|JAVA_HOME|AWS_\w+)$/;
const MOST_TRACE = 64 * 1024;

export class TaskProcess {
  readonly #directory: string;
  #child: ChildProcess | undefined;
  #killer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Runs what `plan` says to its end; never rejects. `mark` is in the environment of each of its processes. */
  async run(
    plan: () => Promise<TaskCommand>,
    spark: SparkInstallation,
    mark: string,
    onStart: (group: number) => void,
  ): Promise<TaskOutcome> {
    mkdirSync(join(this.#directory, 'tmp'), { recursive: true });
    try {
      const command = await plan();
      if (this.#stopped) return { kind: 'failed', error: 'Run cancelled.', trace: '' };
      const exit = await this.#execute(
        command.program,
        command.args,
        { ...command.environment },
        spark,
        mark,
        onStart,
      );
      if (exit === 0) {
        const output = command.exitFile === undefined ? undefined : readIfThere(command.exitFile);
        return { kind: 'success', ...(output === undefined ? {} : { output }) };
      }
      const [stdout, stderr] = [join(this.#directory, 'stdout'), join(this.#directory, 'stderr')];
      const error = (await loggedFailure(stdout, stderr))?.message ?? `The program ended with ${exit}.`;
      return { kind: 'failed', error, trace: traceOf(stderr) ?? traceOf(stdout) ?? '' };
    } catch (error) {
      const code = error instanceof ApiError ? error.code : undefined;
      const message = error instanceof Error ? error.message : String(error);
      const known =
        code ?? (error instanceof ObjectUnavailableError ? 'RESOURCE_NOT_FOUND' : 'INTERNAL_ERROR');
      return {
        kind: 'unrunnable',
        code: known === 'RESOURCE_DOES_NOT_EXIST' ? 'RESOURCE_NOT_FOUND' : known,
        error: message,
      };
    } finally {
      clearTimeout(this.#killer);
    }
  }

  /** Asks with SIGTERM and insists with SIGKILL, or kills at once. */
  stop(force = false): void {
    this.#stopped = true;
    const group = this.#child?.pid;
    if (group === undefined) return;
    signalGroup(group, force ? 'SIGKILL' : 'SIGTERM');
    this.#killer ??= setTimeout(() => signalGroup(group, 'SIGKILL'), GRACE_MS);
  }

  async #execute(
    program: string,
    args: readonly string[],
    environment: Record<string, string>,
    spark: SparkInstallation,
    mark: string,
    onStart: (group: number) => void,
  ): Promise<number | string> {
    const passed = Object.entries(process.env).filter(([name]) => PASSED_ON.test(name));
    const stdio = ['stdout', 'stderr'].map((log) => openSync(join(this.#directory, log), 'a'));
    const child = spawn(program, args, {
      cwd: this.#directory,
      detached: true,
      stdio: ['ignore', ...stdio],
      env: {
        ...Object.fromEntries(passed),
        AWS_ENDPOINT_URL_S3: spark.s3Endpoint,
        AWS_REGION: spark.region,
        SPARK_HOME: spark.sparkHome,
        SPARK_LOCAL_DIRS: join(this.#directory, 'tmp'),
        SPARK_LOCAL_IP: '127.0.0.1',
        SPARK_LAUNCHER_OPTS: '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC',
        TMPDIR: join(this.#directory, 'tmp'),
        PYSPARK_PYTHON: spark.python,
        PYSPARK_DRIVER_PYTHON: spark.python,
        PYTHONUNBUFFERED: '1',
        ...environment,
        [STEP_VARIABLE]: mark,
      },
    });
    for (const descriptor of stdio) closeSync(descriptor);
    this.#child = child;
    if (child.pid !== undefined) onStart(child.pid);
    const exit = await new Promise<number | string>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? signal ?? 'no exit code'));
    });
    // Whatever it left running, its JVM above all, ends with it.
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    return exit;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** The last Python traceback in a log. */
function traceOf(file: string): string | undefined {
  const { text } = tailOf(file, MOST_TRACE);
  const at = text.lastIndexOf('Traceback (most recent call last):');
  return at === -1 ? undefined : text.slice(at).trimEnd();
}
