// The Databricks stand-in as a program. Prints {"ready":true,"port":N} on stdout when it listens; exits 0 on SIGTERM.
import '../../src/config/quiet-aws.ts';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ObjectStore } from '../emr/object-store.ts';
import { DatabricksServer } from './server.ts';

const USAGE = `Databricks stand-in: jobs, runs and clusters by the REST API, tasks run by real Python and Spark on this machine.

  --port N               port on 127.0.0.1; 0 takes a free one
  --state-dir DIR        jobs, runs, clusters, files, logs, requests.jsonl
  --spark-home DIR       Spark, e.g. <venv>/lib/python3.11/site-packages/pyspark
  --python FILE          Python of the tasks
  --jars DIR             jars put before Spark's: Delta, S3A, JDBC
  --dbt FILE             the program dbt (with dbt-spark) that dbt tasks run, optional
  --class-data FILE      class-data archive of the JVM, optional
  --s3-endpoint URL      S3 that s3:// files are read from, optional
  --token-env NAME       variable with the personal access token
  --client-id ID         service principal whose secret gets tokens at /oidc/v1/token
  --client-secret-env N  variable with that secret
  --token-seconds N      how long such a token is good for (default 3600)
  --provisioning-ms N    from a cluster's creation to its being there (default 200)
  --idle-minute-ms N     what a minute of autotermination_minutes takes (default 60000)
  --faults FILE          JSON array of { "operation", "kind": "throttled" | "busy" | "lost", "times" }, read at each request`;

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'state-dir': text,
      'spark-home': text,
      python: text,
      jars: text,
      'class-data': text,
      dbt: text,
      's3-endpoint': text,
      'token-env': text,
      'client-id': text,
      'client-secret-env': text,
      'token-seconds': { type: 'string', default: '3600' },
      'provisioning-ms': { type: 'string', default: '200' },
      'idle-minute-ms': { type: 'string', default: '60000' },
      faults: text,
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const given = (name: 'state-dir' | 'spark-home' | 'python' | 'jars'): string => {
    const value = values[name];
    if (!value) throw new Error(`--${name} is missing; --help tells what it is`);
    return value;
  };
  const { env } = process;
  const secret = (name: 'token-env' | 'client-secret-env'): string | undefined => {
    const variable = values[name];
    if (variable === undefined) return undefined;
    const value = env[variable];
    if (!value) throw new Error(`the variable ${variable} that --${name} names is not set`);
    return value;
  };
  const [token, clientSecret] = [secret('token-env'), secret('client-secret-env')];
  if (token === undefined && clientSecret === undefined)
    throw new Error(
      '--token-env or --client-id and --client-secret-env must say whose requests are answered',
    );
  const region = env['AWS_REGION'] ?? 'us-east-1';
  const endpoint = values['s3-endpoint'];
  const classData = values['class-data'];
  const server = new DatabricksServer({
    stateDirectory: resolve(given('state-dir')),
    objects: endpoint === undefined ? undefined : new ObjectStore(endpoint, region),
    spark: {
      sparkHome: resolve(given('spark-home')),
      // Not resolved through links: a venv's python is a link, and its place is what makes it the venv's.
      python: resolve(given('python')),
      jars: resolve(given('jars')),
      s3Endpoint: endpoint ?? '',
      region,
      ...(classData && existsSync(classData) ? { classData: resolve(classData) } : {}),
    },
    dbt: values.dbt === undefined ? undefined : resolve(values.dbt),
    credentials: {
      token,
      clientId: values['client-id'],
      clientSecret,
      tokenSeconds: Number(values['token-seconds']),
    },
    timing: {
      provisioningMs: Number(values['provisioning-ms']),
      idleMinuteMs: Number(values['idle-minute-ms']),
    },
    faultsFile: values.faults,
  });
  const stop = (): void => {
    server.close();
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const port = await server.listen(Number(values.port));
  process.stdout.write(`${JSON.stringify({ ready: true, port })}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`databricks: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
});
