// What a world is on disk: its directory, the state file its supervisor keeps, its secrets.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import type { Setup } from '../setup/ensure-all.ts';
import { SetupError } from '../setup/report.ts';
import type { ProcessId } from './processes.ts';

/** The engines that a world runs unless told otherwise. */
export const engineNames = [
  'temporal',
  'postgres',
  'mysql',
  'sqlserver',
  'snowflake',
  's3',
  'azure-blob',
  'emr',
  'emr-serverless',
  'databricks',
] as const;
/** Kafka is started where it is asked for: it is a JVM of 300 MB that few need. */
export type EngineName = (typeof engineNames)[number] | 'kafka';

/** starting → running → stopped (asked to) or failed (died, and dying again after one restart). */
export interface EngineStatus {
  state: 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';
  process?: ProcessId;
  readonly ports: Record<string, number>;
  version?: string;
  /** Milliseconds from its start to its first answer. */
  readyAfter?: number;
  readonly log: string;
  /** What went wrong since the world came up, oldest first. */
  readonly incidents: Incident[];
}

/** An engine ended without being asked to, or did not come up. */
export interface Incident {
  readonly at: string;
  readonly what: string;
  readonly lastLines: readonly string[];
}

/** world.json: written whole by the supervisor at every change, absent when the world is down. */
export interface WorldState {
  readonly name: string;
  readonly directory: string;
  readonly startedAt: string;
  readonly supervisor: ProcessId;
  /** Unix socket on which the supervisor takes requests. */
  readonly control: string;
  readonly engines: Partial<Record<EngineName, EngineStatus>>;
}

/** config.json: what the supervisor is to run, and from what. */
export interface WorldConfig {
  readonly name: string;
  readonly directory: string;
  readonly setup: Setup;
  readonly engines: readonly EngineName[];
  /** Another S3 in place of the local one, for more data than that can hold (WAYBILL_S3_ENDPOINT). */
  readonly s3Endpoint?: string;
}

/** Random per world, kept in a file only its owner can read, handed on through environment variables only. */
export interface Secrets {
  readonly sqlServerPassword: string;
  readonly snowflakePassword: string;
  readonly mysqlPassword: string;
  readonly azureAccountKey: string;
  readonly awsAccessKeyId: string;
  readonly awsSecretAccessKey: string;
  /** Personal access token of the local Databricks workspace. */
  readonly databricksToken: string;
  /** Keys of the HTTP door: signatures, senders of events, readers of runs. */
  readonly signingKey: string;
  readonly eventKey: string;
  readonly apiKey: string;
  /** Encrypts what secureInput and secureOutput hide. */
  readonly payloadKey: string;
}

/** The directory of the world called `name`. @throws when the name is not a plain short word */
export function worldDirectory(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) {
    throw new Error(`"${name}" cannot name a world: use up to 40 lower-case letters, digits and dashes`);
  }
  return join(cacheDirectory(), 'world', name);
}

/** Where this world's PostgreSQL keeps its data: a place its user can reach, which the world's directory may not be. */
export function postgresDataDirectory({ setup, name }: Pick<WorldConfig, 'setup' | 'name'>): string {
  return join(setup.postgres.dataRoot, 'world-postgres', name);
}

/** Where this world's MariaDB keeps its data: it runs as the same user as PostgreSQL. */
export function mysqlDataDirectory({ setup, name }: Pick<WorldConfig, 'setup' | 'name'>): string {
  return join(setup.postgres.dataRoot, 'world-mysql', name);
}

/** The state file, or undefined when the world is down. */
export function readState(directory: string): WorldState | undefined {
  return readJson<WorldState>(join(directory, 'world.json'));
}

/** What the world was last started with, or undefined when it never was. */
export function readConfig(directory: string): WorldConfig | undefined {
  return readJson<WorldConfig>(join(directory, 'config.json'));
}

/** The secrets of the world, made at its first start. */
export async function ensureSecrets(directory: string): Promise<Secrets> {
  const file = join(directory, 'secrets.json');
  const made: Secrets = {
    // Longer than SQL Server's rule asks for, and with the upper, lower, digit and symbol that it wants.
    sqlServerPassword: `Wb1!${randomBytes(18).toString('base64url')}`,
    snowflakePassword: randomBytes(18).toString('base64url'),
    mysqlPassword: randomBytes(18).toString('base64url'),
    // As long as Azure's own.
    azureAccountKey: randomBytes(64).toString('base64'),
    awsAccessKeyId: `LOCAL${randomBytes(10).toString('hex').toUpperCase().slice(0, 15)}`,
    awsSecretAccessKey: randomBytes(30).toString('base64url'),
    databricksToken: `dapi${randomBytes(16).toString('hex')}`,
    signingKey: randomBytes(32).toString('hex'),
    eventKey: randomBytes(24).toString('hex'),
    apiKey: randomBytes(24).toString('hex'),
    payloadKey: randomBytes(32).toString('base64'),
  };
  try {
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(JSON.stringify(made, null, 2));
    await handle.close();
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const kept = JSON.parse(await readFile(file, 'utf8')) as Partial<Secrets>;
    // A world of an older version lacks the secrets of engines that came later.
    const secrets = { ...made, ...kept };
    if (Object.keys(kept).length < Object.keys(secrets).length) {
      await writeWhole(file, JSON.stringify(secrets, null, 2));
    }
    return secrets;
  }
}

/** Puts the AWS credentials of the environment in place of the world's own: another S3 wants its own. */
export async function useAwsCredentials(directory: string): Promise<void> {
  const { AWS_ACCESS_KEY_ID: awsAccessKeyId, AWS_SECRET_ACCESS_KEY: awsSecretAccessKey } = process.env;
  if (!awsAccessKeyId || !awsSecretAccessKey) {
    throw new SetupError(
      'WAYBILL_S3_ENDPOINT names another S3, but there are no credentials for it.',
      'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY too.',
    );
  }
  const secrets = { ...(await ensureSecrets(directory)), awsAccessKeyId, awsSecretAccessKey };
  await writeWhole(join(directory, 'secrets.json'), JSON.stringify(secrets, null, 2));
}

/** Writes a file whole or not at all: a reader sees the old content or the new. */
export async function writeWhole(file: string, content: string): Promise<void> {
  const scratch = `${file}.${process.pid}.new`;
  await writeFile(scratch, content, { mode: 0o600 });
  await rename(scratch, file);
}

/** Makes a directory only its owner can enter. */
export async function makePrivate(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
}

/** The last lines of a log file, without empty ones. */
export function lastLines(file: string, count = 12): string[] {
  try {
    const text = readFileSync(file, 'utf8');
    return text.slice(-64_000).split('\n').filter(Boolean).slice(-count);
  } catch {
    return [];
  }
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
