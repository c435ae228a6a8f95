// Starts the local world's S3: ministack on loopback, objects kept in a directory, or the S3 that
// WAYBILL_S3_ENDPOINT names instead.
//
// ministack's limit is memory: an upload is held until it completes, at a bit more than twice its size (measured: 256
// MiB in 32 MiB parts at 94 MB/s, 37 MB before and after, 560 MB between). Objects themselves lie on disk and a restart
// finds them, after SIGKILL too; bucket settings (lifecycle, encryption) are written at an orderly end only. For more
// data use another backend by setting, e.g. versitygw.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  ListBucketsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { freePort, untilListening } from '../world/ports.ts';

export interface S3Options {
  /** Python of the environment ministack is installed in. */
  python: string;
  /** Where objects and bucket settings are kept; must be the stand-in's own. */
  stateDirectory: string;
  /** Port on 127.0.0.1; a free one when left out or 0. */
  port?: number;
  /** Other services to offer beside S3, by ministack's names: "secretsmanager". */
  services?: readonly string[];
  /** Buckets that exist when `startS3` returns. */
  buckets?: readonly string[];
  /** Ministack accepts any; another backend needs its own. Default: AWS_ACCESS_KEY_ID and so on. */
  credentials?: { accessKeyId: string; secretAccessKey: string };
  /** Where ministack's log goes; nowhere when left out. */
  logTo?: NodeJS.WritableStream;
}

/** A program to start, for those who supervise it themselves. */
export interface S3Program {
  command: string;
  args: string[];
  environment: Record<string, string>;
}

export interface RunningS3 {
  /** http://127.0.0.1:PORT, or what WAYBILL_S3_ENDPOINT says. */
  endpoint: string;
  /** The process, unless another S3 is used. */
  pid: number | undefined;
  /** Stops the process in order, so that bucket settings are written; does nothing to another S3. */
  stop(): Promise<void>;
}

/** How long ministack may take to its first answer; a loaded machine needs some seconds. */
const START_MS = 60_000;
const STOP_MS = 10_000;

/** How ministack is started so that it is S3 and Kinesis only, on loopback only, with its data in `stateDirectory`. */
export function ministackProgram(python: string, port: number, stateDirectory: string): S3Program {
  return {
    command: python,
    args: ['-m', 'ministack'],
    environment: {
      // Without the first three it listens on every interface, for MQTT too.
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      IOT_MTLS_ENABLED: '0',
      SERVICES: 's3,kinesis',
      S3_PERSIST: '1',
      S3_DATA_DIR: join(stateDirectory, 'objects'),
      PERSIST_STATE: '1',
      STATE_DIR: join(stateDirectory, 'settings'),
      LOG_LEVEL: 'WARNING',
      PYTHONDONTWRITEBYTECODE: '1',
    },
  };
}

/**
 * Starts S3 and makes the buckets.
 *
 * @throws when ministack ends or does not answer within a minute, or when the other S3 cannot be reached
 */
export async function startS3(options: S3Options): Promise<RunningS3> {
  const other = process.env['WAYBILL_S3_ENDPOINT'];
  if (other) {
    await createBuckets(other, options);
    return { endpoint: other, pid: undefined, stop: async () => undefined };
  }
  const port = options.port || (await freePort());
  const endpoint = `http://127.0.0.1:${port}`;
  const program = ministackProgram(options.python, port, options.stateDirectory);
  const { command, args } = program;
  const environment = {
    ...program.environment,
    SERVICES: ['s3', ...(options.services ?? [])].join(','),
  };
  await mkdir(options.stateDirectory, { recursive: true });
  const child = spawn(command, args, {
    cwd: options.stateDirectory,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lastWords = collectLog(child, options.logTo);
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(new Error(`ministack could not be started: ${error.message}`)));
    child.once('exit', (code, signal) => {
      reject(new Error(`ministack ended with ${code ?? signal} at its start: ${lastWords()}`));
    });
  });
  failed.catch(() => undefined);
  try {
    await Promise.race([untilListening(port, START_MS), failed]);
    await Promise.race([createBuckets(endpoint, options), failed]);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return { endpoint, pid: child.pid, stop: () => stop(child) };
}

async function createBuckets(endpoint: string, { buckets = [], credentials }: S3Options): Promise<void> {
  const region = process.env['AWS_REGION'] ?? 'us-east-1';
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    ...(credentials && { credentials }),
  });
  try {
    await client.send(new ListBucketsCommand({}));
    for (const Bucket of buckets) {
      await client.send(new CreateBucketCommand({ Bucket })).catch((error: unknown) => {
        if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
      });
    }
  } catch (error) {
    throw new Error(`S3 at ${endpoint} cannot be used: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  } finally {
    client.destroy();
  }
}

/** Passes the log on and keeps its end for the error of a failed start. */
function collectLog(child: ChildProcess, logTo: NodeJS.WritableStream | undefined): () => string {
  let end = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      end = (end + chunk.toString()).slice(-2000);
      logTo?.write(chunk);
    });
  }
  return () => end.trim().split('\n').slice(-5).join(' | ');
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(timer);
}
