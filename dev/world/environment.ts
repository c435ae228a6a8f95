// Pointing other processes at a running world: its environment for a shell, for a command, for a worker.
import { spawn } from 'node:child_process';
import { projectPath } from '../cache.ts';
import { findWorld } from './lifecycle.ts';
import { workerCommand } from './worker-command.ts';

/** The variables of a running world, or undefined when it is down. */
export async function worldEnvironment(name: string): Promise<Readonly<Record<string, string>> | undefined> {
  return (await findWorld(name))?.env;
}

const quote = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`;

/** Prints `export` lines for `eval`. Returns the exit code. */
export async function printEnvironment(name: string): Promise<number> {
  const environment = await worldEnvironment(name);
  if (environment === undefined) return tellDown(name);
  for (const [key, value] of Object.entries(environment)) console.log(`export ${key}=${quote(value)}`);
  return 0;
}

/** Runs a worker with the world's environment in the foreground. Returns its exit code. */
export const runWorker = (name: string): Promise<number> => runProgram(name, workerCommand());

/** Runs the HTTP door with the world's environment in the foreground. Returns its exit code. */
export const runServer = (name: string): Promise<number> =>
  runProgram(name, [projectPath('build', 'src', 'server.js')]);

async function runProgram(name: string, command: readonly string[]): Promise<number> {
  const environment = await worldEnvironment(name);
  if (environment === undefined) return tellDown(name);
  const child = spawn(process.execPath, command, {
    env: { ...process.env, ...environment },
    stdio: 'inherit',
  });
  // Ctrl-C reaches it by itself: this process only waits for it to drain.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

function tellDown(name: string): number {
  console.error(`✖ the local world "${name}" is down. Start it: waybill dev up --name ${name}`);
  return 3;
}
