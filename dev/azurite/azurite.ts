// Starts the local world's Azure Blob Storage: Azurite on loopback, blobs kept in a directory, one account with its own key.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { projectPath } from '../cache.ts';
import { freePort, untilListening } from '../world/ports.ts';

/** The one account of the local world. */
export const azureAccount = 'waybill';

/** How long Azurite may take to its first answer; a loaded machine needs some seconds. */
const START_MS = 60_000;
const STOP_MS = 10_000;

/** A program to start, for those who supervise it themselves. */
export interface AzuriteProgram {
  readonly command: string;
  readonly args: string[];
  readonly environment: Record<string, string>;
}

/** A key as Azure makes them: 64 random bytes in Base64. */
export const newAccountKey = (): string => randomBytes(64).toString('base64');

/** How Azurite is started so that it serves blobs only, on loopback only, and calls nobody. */
export function azuriteProgram(port: number, directory: string, accountKey: string): AzuriteProgram {
  return {
    command: process.execPath,
    args: [
      projectPath('node_modules', 'azurite', 'dist', 'src', 'blob', 'main.js'),
      ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', directory],
      // The client speaks a newer version of the protocol than Azurite has heard of.
      ...['--skipApiVersionCheck', '--disableProductStyleUrl', '--disableTelemetry', '--silent'],
    ],
    environment: { AZURITE_ACCOUNTS: `${azureAccount}:${accountKey}` },
  };
}

export const azuriteEndpoint = (port: number): string => `http://127.0.0.1:${port}/${azureAccount}`;

/** Makes a container where there is none. @throws when Azurite does not answer, or refuses the key */
export async function ensureContainer(
  endpoint: string,
  accountKey: string,
  container: string,
): Promise<void> {
  const credential = new StorageSharedKeyCredential(azureAccount, accountKey);
  const client = new ContainerClient(`${endpoint}/${container}`, credential, {
    retryOptions: { maxTries: 1 },
  });
  await client.createIfNotExists();
}

export interface RunningAzurite {
  /** http://127.0.0.1:PORT/waybill */
  readonly endpoint: string;
  readonly accountKey: string;
  readonly pid: number;
  /** Stops the process in order. */
  stop(): Promise<void>;
}

/**
 * Starts Azurite and makes the containers.
 *
 * @throws when it ends or does not answer within a minute
 */
export async function startAzurite(options: {
  readonly directory: string;
  readonly containers?: readonly string[];
  readonly port?: number;
  readonly accountKey?: string;
}): Promise<RunningAzurite> {
  const port = options.port ?? (await freePort());
  const accountKey = options.accountKey ?? newAccountKey();
  const { command, args, environment } = azuriteProgram(port, options.directory, accountKey);
  await mkdir(options.directory, { recursive: true });
  const child = spawn(command, args, {
    cwd: options.directory,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let lastWords = '';
  child.stderr.on('data', (piece: Buffer) => {
    lastWords = (lastWords + piece.toString()).slice(-2_000);
  });
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(new Error(`Azurite could not be started: ${error.message}`)));
    child.once('exit', (code, signal) => {
      reject(new Error(`Azurite ended with ${code ?? signal} at its start: ${lastWords.trim()}`));
    });
  });
  failed.catch(() => undefined);
  const endpoint = azuriteEndpoint(port);
  try {
    await Promise.race([untilListening(port, START_MS), failed]);
    for (const container of options.containers ?? []) {
      await Promise.race([ensureContainer(endpoint, accountKey, container), failed]);
    }
  } catch (error) {
    await stop(child);
    throw error;
  }
  return { endpoint, accountKey, pid: child.pid ?? 0, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(timer);
}
