// Runs a cluster's bootstrap actions: scripts fetched from S3 and executed here, in order, before any step.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BootstrapActionConfig } from '@aws-sdk/client-emr';
import { logEvent } from './log.ts';
import { parseS3Uri } from './object-store.ts';
import { signalGroup } from './process-group.ts';
import type { Resources } from './resources.ts';

/** Where EMR keeps the logs of bootstrap actions of the master node, which is this machine. */
const MASTER_NODE = 'i-00000000000000000';

export class BootstrapRun {
  readonly #resources: Resources;
  readonly #directory: string;
  readonly #logUri: string | undefined;
  #group: number | undefined;
  #stopped = false;

  /** @param logUri prefix of the cluster's logs (LogUri with the cluster id), if it keeps logs */
  constructor(resources: Resources, directory: string, logUri: string | undefined) {
    this.#resources = resources;
    this.#directory = directory;
    this.#logUri = logUri;
  }

  /** Runs all actions; gives EMR's message of the first that failed, or undefined when all succeeded. */
  async run(actions: readonly BootstrapActionConfig[]): Promise<string | undefined> {
    for (const [index, action] of actions.entries()) {
      if (this.#stopped) return undefined;
      const number = index + 1;
      try {
        const exit = await this.#runAction(action, number);
        if (exit !== 0 && !this.#stopped) {
          return `On the master instance (${MASTER_NODE}), bootstrap action ${number} returned a non-zero return code`;
        }
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return `On the master instance (${MASTER_NODE}), bootstrap action ${number} could not be run: ${why}`;
      }
    }
    return undefined;
  }

  /** Ends the running action; those after it are not started. */
  stop(): void {
    this.#stopped = true;
    if (this.#group !== undefined) signalGroup(this.#group, 'SIGKILL');
  }

  async #runAction(action: BootstrapActionConfig, number: number): Promise<number | null> {
    const { Path, Args } = action.ScriptBootstrapAction ?? { Path: undefined };
    const directory = join(this.#directory, String(number));
    mkdirSync(directory, { recursive: true });
    const script = await this.#fetch(Path ?? '', directory);
    const stdio = ['stdout', 'stderr'].map((log) => openSync(join(directory, log), 'w'));
    const child = spawn(script, Args ?? [], { cwd: directory, detached: true, stdio: ['ignore', ...stdio] });
    for (const descriptor of stdio) closeSync(descriptor);
    this.#group = child.pid;
    const exit = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code));
    });
    this.#group = undefined;
    await this.#ship(directory, number);
    return exit;
  }

  async #fetch(path: string, directory: string): Promise<string> {
    if (!parseS3Uri(path)) return path;
    const file = join(directory, basename(path));
    await this.#resources.objects.download(path, file);
    await chmod(file, 0o700);
    return file;
  }

  async #ship(directory: string, number: number): Promise<void> {
    if (!this.#logUri) return;
    for (const log of ['stdout', 'stderr']) {
      const uri = `${this.#logUri}/node/${MASTER_NODE}/bootstrap-actions/${number}/${log}.gz`;
      await this.#resources.objects.uploadGzipped(join(directory, log), uri).catch((error: unknown) => {
        logEvent('warn', 'could not ship a bootstrap log', { uri, error: String(error) });
      });
    }
  }
}
