// One process of dbt in a group of its own, which ends with whoever asked for it: on cancellation, and when the worker dies.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { WaybillError } from '../../core/errors.ts';

export interface DbtProcess {
  readonly executable: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** All of it: nothing of the worker's own is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Time dbt has to cancel its queries before it is killed, in ms. */
const GRACE = 5_000;

/** Kills the group once the pipe at descriptor 3 ends, which is when the worker is gone or has closed it. */
const WATCHED = '(cat <&3; kill -KILL 0) >/dev/null 2>&1 & exec "$@" 3<&-';

/** Runs dbt to its end and gives the exit code. Throws SETTINGS_INVALID where there is no such program. */
export async function runDbtProcess(process_: DbtProcess): Promise<number> {
  const { executable, args, directory, env, onLine, signal } = process_;
  signal.throwIfAborted();
  const child = spawn('/bin/sh', ['-c', WATCHED, 'dbt', executable, ...args], {
    cwd: directory,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const group = child.pid;
  const lifeline = child.stdio[3];
  const send = (name: NodeJS.Signals): void => {
    try {
      if (group !== undefined) process.kill(-group, name);
    } catch {
      // The group has ended by itself.
    }
  };
  let killing: NodeJS.Timeout | undefined;
  const stop = (): void => {
    send('SIGINT');
    killing = setTimeout(() => send('SIGKILL'), GRACE);
  };
  signal.addEventListener('abort', stop, { once: true });
  const lines = [child.stdout, child.stderr].map(async (stream) => {
    if (stream !== null) for await (const line of createInterface({ input: stream })) onLine(line);
  });
  try {
    const [code] = await exited;
    // What dbt started and left goes too; its pipes end with it.
    if (lifeline instanceof Writable) lifeline.destroy();
    send('SIGKILL');
    await Promise.all(lines);
    if (code === 127)
      throw new WaybillError('SETTINGS_INVALID', `There is no dbt at "${executable}". Set dbtExecutable.`, {
        key: 'dbtExecutable',
      });
    return code ?? -1;
  } finally {
    clearTimeout(killing);
    signal.removeEventListener('abort', stop);
  }
}
