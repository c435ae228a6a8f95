// Every target of dbt/profiles.yml as its own adapter reads it: the project parses, values come from the environment that
// a linked service gives, and no file of the project holds any.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectPath } from '../../dev/cache.ts';
import { ensureDbt } from '../../dev/setup/dbt.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { machineEnvironment, storeEnvironment } from '../../src/activities/dbt/environment.ts';
import type { JsonObject } from '../../src/core/json.ts';

const SERVICES: Readonly<Record<string, { type: string; properties: JsonObject }>> = {
  snowflake: {
    type: 'SnowflakeV2',
    properties: {
      accountIdentifier: 'org-acme',
      user: 'w',
      password: 'hidden-1',
      database: 'D',
      role: 'LOADER',
    },
  },
  databricks: {
    type: 'AzureDatabricks',
    properties: {
      domain: 'https://dbc-1.cloud.databricks.com/',
      httpPath: '/sql/1.0/warehouses/abc',
      accessToken: 'hidden-2',
      catalog: 'sales',
    },
  },
  redshift: {
    type: 'AmazonRedshift',
    properties: { server: 'r.example', username: 'w', password: 'hidden-3', database: 'd' },
  },
  postgres: {
    type: 'PostgreSqlV2',
    properties: { server: 'p.example', username: 'w', password: 'hidden-4', database: 'd' },
  },
};

/** The profile as the adapter has it: what a connection would be made with, but for its secrets. */
const SHOWN: Readonly<Record<string, JsonObject>> = {
  snowflake: {
    type: 'snowflake',
    account: 'org-acme',
    user: 'w',
    database: 'D',
    role: 'LOADER',
    schema: 'gold',
  },
  databricks: {
    type: 'databricks',
    host: 'dbc-1.cloud.databricks.com',
    http_path: '/sql/1.0/warehouses/abc',
    catalog: 'sales',
    schema: 'gold',
  },
  redshift: {
    type: 'redshift',
    host: 'r.example',
    user: 'w',
    port: 5439,
    database: 'd',
    schema: 'gold',
    sslmode: 'require',
  },
  postgres: { type: 'postgres', host: 'p.example', user: 'w', port: 5432, database: 'd', schema: 'gold' },
  spark: { type: 'spark', method: 'session', schema: 'gold' },
};

describe("dbt's profiles", { timeout: 300_000 }, () => {
  let dbt: string;
  let directory: string;
  let sparkHome: string;

  before(async () => {
    ({ sparkHome } = await ensurePython((line) => console.error(line)));
    dbt = await ensureDbt((line) => console.error(line));
    directory = await mkdtemp(join(tmpdir(), 'waybill-dbt-profiles-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const environment = (target: string): NodeJS.ProcessEnv => {
    const service = SERVICES[target];
    return {
      // As the worker gives it: Spark's Python side is the installation's.
      ...machineEnvironment({ PATH: process.env['PATH'], SPARK_HOME: sparkHome }, directory),
      DBT_SCHEMA: 'gold',
      ...(service === undefined ? {} : storeEnvironment({ name: target, ...service })),
    };
  };

  for (const [target, expected] of Object.entries(SHOWN)) {
    it(`${target}: its adapter reads the profile, and the project parses for it`, async () => {
      const project = projectPath('dbt');
      const env = environment(target);
      const script = projectPath('test', 'support', 'dbt_profile.py');
      const python = join(dirname(dbt), 'python');
      const { stdout } = await promisify(execFile)(python, [script, project, target], { env });
      const shown = JSON.parse(stdout) as JsonObject;
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, shown[key]])), expected);

      const [written, logs] = [join(directory, target), join(directory, `${target}-logs`)];
      const places = ['--project-dir', project, '--profiles-dir', project, '--target-path', written];
      await promisify(execFile)(dbt, ['parse', '--target', target, ...places, '--log-path', logs], { env });
      const text = await readFile(join(written, 'manifest.json'), 'utf8');
      const manifest = JSON.parse(text) as {
        metadata: { adapter_type: string };
        nodes: Record<string, { schema: string }>;
      };
      assert.equal(manifest.metadata.adapter_type, target);
      assert.equal(manifest.nodes['model.nycflights.mart_carriers']?.schema, 'gold');
      const log = await readFile(join(logs, 'dbt.log'), 'utf8');
      assert.doesNotMatch(`${stdout}${text}${log}`, /hidden-\d/);
    });
  }
});
