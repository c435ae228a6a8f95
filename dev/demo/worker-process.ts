// The demo's worker: a process of its own, as in production, so that it can be killed as in production.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { workerCommand } from '../world/worker-command.ts';

export class WorkerProcess {
  readonly #env: NodeJS.ProcessEnv;
  readonly #logFile: string;
  readonly #failure: Promise<never>;
  #fail: (reason: Error) => void = () => {};
  #child: ChildProcess | undefined;
  #expectedToEnd = false;

  constructor(env: NodeJS.ProcessEnv, logFile: string) {
    this.#env = env;
    this.#logFile = logFile;
    this.#failure = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    // Who does not ask need not hear.
    this.#failure.catch(() => {});
  }

  /** Starts a worker; its log is appended to the log file. */
  start(): void {
    mkdirSync(dirname(this.#logFile), { recursive: true });
    const log = openSync(this.#logFile, 'a');
    this.#expectedToEnd = false;
    this.#child = spawn(process.execPath, workerCommand(), { env: this.#env, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child.once('exit', (code, signal) => {
      if (this.#expectedToEnd) return;
      this.#fail(new Error(`the worker ended by itself (exit ${code ?? signal}):\n${this.lastLines()}`));
    });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Never resolves; rejects when a worker ends that nobody asked to end. */
  failure(): Promise<never> {
    return this.#failure;
  }

  /** The end of the log, for an error message. */
  lastLines(count = 12): string {
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  }

  /** SIGKILL, as a crashed machine would; resolves once the process is gone. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM: drains and ends. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#expectedToEnd = true;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    const tooLong = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(tooLong);
  }
}
