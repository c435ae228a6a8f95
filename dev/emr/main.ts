// The EMR stand-in as a program. Prints {"ready":true,"port":N} on stdout when it listens; exits 0 on SIGTERM.
import '../../src/config/quiet-aws.ts';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { logEvent } from './log.ts';
import { ObjectStore } from './object-store.ts';
import { EmrServer } from './server.ts';

const USAGE = `EMR stand-in: clusters and steps by the EMR API, steps run by a real spark-submit on this machine.

  --port N            port on 127.0.0.1; 0 takes a free one
  --state-dir DIR     clusters, steps, step logs, requests.jsonl
  --spark-home DIR    Spark, e.g. <venv>/lib/python3.11/site-packages/pyspark
  --python FILE       Python of the jobs
  --jars DIR          jars put before Spark's: Delta, S3A, JDBC
  --class-data FILE   class-data archive of the JVM, optional
  --s3-endpoint URL   S3 that scripts are read from and logs are written to
  --provisioning-ms N from RunJobFlow to a started machine (default 200)
  --idle-second-ms N  what a second of an auto-termination IdleTimeout takes (default 1000)

Environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for S3, AWS_REGION (default us-east-1);
EMR_ACCESS_KEY_ID, if set, is the only key whose requests are answered.`;

/** Longest the end may take before the program leaves anyway. */
const CLOSE_DEADLINE_MS = 8_000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'state-dir': { type: 'string' },
      'spark-home': { type: 'string' },
      python: { type: 'string' },
      jars: { type: 'string' },
      'class-data': { type: 'string' },
      's3-endpoint': { type: 'string' },
      'provisioning-ms': { type: 'string', default: '200' },
      'idle-second-ms': { type: 'string', default: '1000' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const given = (name: 'state-dir' | 'spark-home' | 'python' | 'jars' | 's3-endpoint'): string => {
    const value = values[name];
    if (!value) throw new Error(`--${name} is missing; --help tells what it is`);
    return value;
  };
  const { env } = process;
  if (!env['AWS_ACCESS_KEY_ID'] || !env['AWS_SECRET_ACCESS_KEY']) {
    throw new Error(
      'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set: S3 is read with signed requests',
    );
  }
  const s3Endpoint = given('s3-endpoint');
  const classData =
    values['class-data'] && existsSync(values['class-data']) ? resolve(values['class-data']) : undefined;
  const region = env['AWS_REGION'] ?? 'us-east-1';
  const objects = new ObjectStore(s3Endpoint, region);
  const server = new EmrServer({
    stateDirectory: resolve(given('state-dir')),
    accessKeyId: env['EMR_ACCESS_KEY_ID'],
    timing: {
      provisioningMs: Number(values['provisioning-ms']),
      idleSecondMs: Number(values['idle-second-ms']),
    },
    resources: {
      objects,
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

  const port = await server.listen(Number(values.port));
  process.stdout.write(`${JSON.stringify({ ready: true, port })}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`emr: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
});
