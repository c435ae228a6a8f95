// Runs one step: plans it, starts it as a process group of its own, writes its logs, ends it when asked to.
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Configuration } from '@aws-sdk/client-emr';
import { loggedFailure } from './failure.ts';
import { ObjectUnavailableError } from './object-store.ts';
import { STEP_VARIABLE, signalGroup } from './process-group.ts';
import type { Resources } from './resources.ts';
import type { FailureDetails, StepView } from './state.ts';
import { planStep, UnrunnableStepError } from './step-command.ts';
import type { StepLogName, StepLogs } from './step-logs.ts';

export type StepOutcome =
  | { state: 'COMPLETED' }
  | { state: 'CANCELLED' }
  | { state: 'FAILED'; failure: FailureDetails };

export interface StepRunInput {
  clusterId: string;
  step: StepView;
  configurations: readonly Configuration[];
  logs: StepLogs;
  /** The step's own directory. Its `work` holds downloads and temporary files and goes when the step ends. */
  directory: string;
}

/** How long an interrupted process may take to end by itself. */
const GRACE_MS = 10_000;
/** What a step may see of the environment the stand-in was started in; nothing else of it is a cluster's business. */
const PASSED_ON = /^(PATH|HOME|LANG|LC_\w+|TZ|JAVA_HOME|AWS_\w+)$/;

export class StepRun {
  readonly #input: StepRunInput;
  readonly #resources: Resources;
  readonly #logs: StepLogs;
  readonly #work: string;
  #child: ChildProcess | undefined;
  #cancelled = false;
  #abandoned = false;
  #killer: NodeJS.Timeout | undefined;

  constructor(input: StepRunInput, resources: Resources) {
    this.#input = input;
    this.#resources = resources;
    this.#logs = input.logs;
    this.#work = join(input.directory, 'work');
  }

  /**
   * Runs the step to its end and ships its logs. Never rejects: whatever goes wrong is the step's failure.
   * EMR ships logs every five minutes and after the step; here they are in S3 when the step's final state shows.
   *
   * @param onStart told the process group as soon as there is one
   */
  async run(onStart: (processGroup: number) => void): Promise<StepOutcome> {
    mkdirSync(join(this.#work, 'tmp'), { recursive: true });
    this.#logs.create();
    let outcome: StepOutcome;
    try {
      outcome = await this.#execute(onStart);
    } catch (error) {
      outcome = this.#cancelled ? { state: 'CANCELLED' } : this.#failed(error);
    }
    clearTimeout(this.#killer);
    this.#logs.control(
      `step ended ${outcome.state}${outcome.state === 'FAILED' ? `: ${outcome.failure.Message}` : ''}`,
    );
    if (!this.#abandoned) await this.#logs.ship(this.#resources.objects);
    await rm(this.#work, { recursive: true, force: true }).catch(() => undefined);
    return outcome;
  }

  /** Ends the step: asks with SIGTERM and insists with SIGKILL after a while, or kills at once when forced. */
  cancel(force: boolean): void {
    this.#cancelled = true;
    const group = this.#child?.pid;
    if (group === undefined) return;
    signalGroup(group, force ? 'SIGKILL' : 'SIGTERM');
    this.#killer ??= setTimeout(() => signalGroup(group, 'SIGKILL'), GRACE_MS);
  }

  /** Kills the step because the stand-in stops; what it logged is shipped when the stand-in is back. */
  abandon(): void {
    this.#abandoned = true;
    this.cancel(true);
  }

  async #execute(onStart: (processGroup: number) => void): Promise<StepOutcome> {
    const { step, configurations } = this.#input;
    const { spark, objects } = this.#resources;
    this.#logs.control(
      `step ${step.Id} '${step.Name}': ${step.Config.Jar} ${JSON.stringify(step.Config.Args)}`,
    );
    const command = await planStep(step.Config, configurations, spark, objects, this.#work);
    for (const note of command.notes) this.#logs.control(note);
    if (this.#cancelled) return { state: 'CANCELLED' };
    this.#logs.control(`running ${JSON.stringify([command.program, ...command.args])}`);

    const stdio = (['stdout', 'stderr'] as const).map((log) => openSync(this.#logs.file(log), 'a'));
    const child = spawn(command.program, command.args, {
      cwd: this.#work,
      detached: true,
      stdio: ['ignore', ...stdio],
      env: { ...this.#environment(), ...command.environment, [STEP_VARIABLE]: step.Id },
    });
    for (const descriptor of stdio) closeSync(descriptor);
    this.#child = child;
    if (child.pid !== undefined) onStart(child.pid);
    const exit = await ended(child);
    // Whatever the program left running in the background ends with the step.
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    this.#logs.control(`program ended with ${exit}`);
    if (this.#cancelled) return { state: 'CANCELLED' };
    return exit === 0 ? { state: 'COMPLETED' } : { state: 'FAILED', failure: await this.#failureOf(exit) };
  }

  #environment(): Record<string, string | undefined> {
    const { spark } = this.#resources;
    const passed = Object.entries(process.env).filter(([name]) => PASSED_ON.test(name));
    return {
      ...Object.fromEntries(passed),
      AWS_ENDPOINT_URL_S3: spark.s3Endpoint,
      AWS_REGION: spark.region,
      SPARK_HOME: spark.sparkHome,
      SPARK_LOCAL_DIRS: join(this.#work, 'tmp'),
      SPARK_LOCAL_IP: '127.0.0.1',
      // The small JVM that only puts the command line together.
      SPARK_LAUNCHER_OPTS: '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC',
      TMPDIR: join(this.#work, 'tmp'),
      PYSPARK_PYTHON: spark.python,
      PYSPARK_DRIVER_PYTHON: spark.python,
      PYTHONUNBUFFERED: '1',
      EMR_CLUSTER_ID: this.#input.clusterId,
    };
  }

  async #failureOf(exit: number | string): Promise<FailureDetails> {
    const logged = await loggedFailure(this.#logs.file('stdout'), this.#logs.file('stderr'));
    // EMR says "Unknown Error." when it cannot tell the cause by its own list; the message carries what was logged.
    return this.#details(
      'Unknown Error.',
      logged?.message ?? `The program ended with ${exit}.`,
      logged?.log ?? 'stderr',
    );
  }

  #failed(error: unknown): StepOutcome {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof UnrunnableStepError) {
      return { state: 'FAILED', failure: this.#details(error.reason, message, 'controller') };
    }
    if (error instanceof ObjectUnavailableError) {
      const line = `${error.name}: ${message}`;
      appendFileSync(this.#logs.file('stderr'), `Exception in thread "main" ${line}\n`);
      return { state: 'FAILED', failure: this.#details('Cannot read a file of the step.', line, 'stderr') };
    }
    return { state: 'FAILED', failure: this.#details('Cannot start the step.', message, 'controller') };
  }

  #details(Reason: string, Message: string, log: StepLogName): FailureDetails {
    const LogFile = this.#logs.uri(log);
    return LogFile ? { Reason, Message, LogFile } : { Reason, Message };
  }
}

/** Exit code, or the name of the signal that ended the program; rejects when it could not be started. */
function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const what = error.code === 'ENOENT' ? 'error=2, No such file or directory' : error.message;
      reject(new Error(`Cannot run program "${child.spawnfile}": ${what}`));
    });
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'no exit code'));
  });
}
