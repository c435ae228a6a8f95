// A stand-in that runs Spark, as a program: its flags, its ready line on stdout, and its end by SIGTERM.
import '../../src/config/quiet-aws.ts';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { logEvent } from './log.ts';
import { ObjectStore } from './object-store.ts';
import type { Resources } from './resources.ts';

/** What a stand-in is made with. */
export interface SparkStandIn {
  stateDirectory: string;
  resources: Resources;
  /** The only access key that may sign requests; undefined lets any. */
  accessKeyId: string | undefined;
  /** The program's own flags, which are all numbers. */
  number: (flag: string) => number;
}

export interface Program {
  name: string;
  /** What --help prints above the flags that every such program has. */
  title: string;
  /** Flags of its own: what they mean, and the number where they are not given. */
  flags: Readonly<Record<string, readonly [meaning: string, otherwise: number]>>;
  /** Variable that names the only access key. */
  accessKeyVariable: string;
  create: (options: SparkStandIn) => { listen(port: number): Promise<number>; close(): Promise<void> };
}

const FLAGS = `
  --port N            port on 127.0.0.1; 0 takes a free one
  --state-dir DIR     what outlives the program, logs, requests.jsonl
  --spark-home DIR    Spark, e.g. <venv>/lib/python3.11/site-packages/pyspark
  --python FILE       Python of the jobs
  --jars DIR          jars put before Spark's: Delta, S3A, JDBC
  --class-data FILE   class-data archive of the JVM, optional
  --s3-endpoint URL   S3 that scripts are read from and logs are written to`;

/** Longest the end may take before the program leaves anyway. */
const CLOSE_DEADLINE_MS = 8_000;

/** Runs until SIGTERM; wrong flags end it with 2 and a line that says which. */
export function runProgram(program: Program): void {
  main(program).catch((error: unknown) => {
    process.stderr.write(`${program.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  });
}

async function main({ title, flags, accessKeyVariable, create }: Program): Promise<void> {
  const own = Object.entries(flags);
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'state-dir': { type: 'string' },
      'spark-home': { type: 'string' },
      python: { type: 'string' },
      jars: { type: 'string' },
      'class-data': { type: 'string' },
      's3-endpoint': { type: 'string' },
      help: { type: 'boolean' },
      ...Object.fromEntries(
        own.map(([flag, [, otherwise]]) => [flag, { type: 'string' as const, default: String(otherwise) }]),
      ),
    },
  });
  const texts = values as Readonly<Record<string, string | boolean | undefined>>;
  if (values.help) {
    const lines = own.map(
      ([flag, [meaning, otherwise]]) => `  ${`--${flag} N`.padEnd(19)} ${meaning} (default ${otherwise})`,
    );
    process.stdout.write(
      `${title}\n${FLAGS}\n${lines.join('\n')}\n\nEnvironment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for S3, ` +
        `AWS_REGION (default us-east-1);\n${accessKeyVariable}, if set, is the only key whose requests are answered.\n`,
    );
    return;
  }
  const given = (name: string): string => {
    const value = texts[name];
    if (typeof value !== 'string' || !value) throw new Error(`--${name} is missing; --help tells what it is`);
    return value;
  };
  const { env } = process;
  if (!env['AWS_ACCESS_KEY_ID'] || !env['AWS_SECRET_ACCESS_KEY']) {
    throw new Error(
      'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set: S3 is read with signed requests',
    );
  }
  const s3Endpoint = given('s3-endpoint');
  const archive = texts['class-data'];
  const classData = typeof archive === 'string' && existsSync(archive) ? resolve(archive) : undefined;
  const region = env['AWS_REGION'] ?? 'us-east-1';
  const server = create({
    stateDirectory: resolve(given('state-dir')),
    accessKeyId: env[accessKeyVariable],
    number: (flag) => Number(given(flag)),
    resources: {
      objects: new ObjectStore(s3Endpoint, region),
      spark: {
        sparkHome: resolve(given('spark-home')),
        // Not resolved through links: a venv's python is a link, and its place is what makes it the venv's.
        python: resolve(given('python')),
        jars: resolve(given('jars')),
        s3Endpoint,
        region,
        ...(classData && { classData }),
      },
    },
  });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(0), CLOSE_DEADLINE_MS).unref();
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logEvent('error', 'could not stop cleanly', { error: String(error) });
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);

  const port = await server.listen(Number(given('port')));
  process.stdout.write(`${JSON.stringify({ ready: true, port })}\n`);
}
