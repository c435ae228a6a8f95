// Migrations' definitions: the example is sound, what is wrong with another is named with its place, and the lakehouse that it
// moves becomes one for Databricks.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { projectPath } from '../../dev/cache.ts';
import { lakehouseJob } from '../../src/compute/databricks/lakehouse-job.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import { applyVariant, relocate } from '../../src/definitions/lakehouse/variant.ts';
import { checkMigration } from '../../src/definitions/migration/check.ts';
import { resolveMigratedJob, resolveMigration } from '../../src/definitions/migration/resolve.ts';
import { migrationJsonSchema } from '../../src/definitions/migration/schema.ts';
import { Problems } from '../../src/definitions/problem.ts';

const example = (): JsonObject =>
  JSON.parse(readFileSync(projectPath('factory', 'migration', 'nycflights.json'), 'utf8')) as JsonObject;

function problemsOf(pointer: string, value: JsonValue | undefined): string[] {
  const content = example();
  const path = pointer.split('/').slice(1);
  const last = path.pop() as string;
  let at = content;
  for (const segment of path) at = at[segment] as JsonObject;
  if (value === undefined) delete at[last];
  else at[last] = value;
  const problems = new Problems('m.json');
  checkMigration(content, problems);
  return problems.list.map((one) => `${one.pointer} ${one.reason}${one.advice ? ` ${one.advice}` : ''}`);
}

test('the example is sound, and moves what the jobs write', () => {
  const plan = resolveMigration(projectPath('factory'), example());
  assert.deepEqual(
    plan.datasets.map(({ name, replicate }) => `${name} ${replicate}`),
    ['bronze_flights once', 'flights once', 'planes once', 'delays_by_route_carrier never'],
  );
  assert.equal(plan.engine.cluster.sparkConf['spark.sql.shuffle.partitions'], '8');
  assert.equal(plan.storage.pointers, 's3://waybill-lake/pointers');
  const job = resolveMigratedJob(projectPath('factory'), plan);
  assert.deepEqual(Object.keys(job.stages), ['process', 'optimize']);
  // Every place that the jobs write to is on the other side; what they read of the landed files is not.
  const [bronze] = job.stages.process?.jobs ?? [];
  assert.equal(bronze?.arguments['lake'], 's3://waybill-lake/databricks/lake');
  assert.equal(bronze?.arguments['landing'], 's3://waybill-lake/landing');
  const { compensation } = job.stages.process ?? {};
  assert.ok(compensation?.kind === 'restoreTables');
  assert.ok(
    compensation.tables.every(({ location }) => location.startsWith('s3://waybill-lake/databricks/lake/')),
  );
  const body = lakehouseJob(job, { main: 's3://code/main.py', pyFiles: ['s3://code/w.whl'] }, 'migration/x');
  const tasks = body['tasks'] as {
    task_key: string;
    depends_on?: { task_key: string }[];
    job_cluster_key: string;
  }[];
  assert.deepEqual(
    tasks.map(({ task_key, depends_on }) => `${depends_on?.[0]?.task_key ?? ''}>${task_key}`),
    ['>bronze', 'bronze>silver', 'silver>gold', 'gold>optimize'],
  );
  assert.equal(body.name, 'waybill nycflights');
  assert.ok(JSON.stringify(tasks[0]).includes('"--run","{{job.parameters.window}}"'));
  assert.ok(JSON.stringify(tasks[0]).includes('"--as-of","{{job.parameters.triggerTime}}"'));
});

test('what is wrong is named, with its place', () => {
  const cases: [string, JsonValue | undefined, RegExp][] = [
    ['/dataset', [], /^\/dataset "dataset" is not a property that belongs here\. Did you mean "datasets"/],
    ['/lakehouse', undefined, /^\/lakehouse "lakehouse" is missing/],
    ['/windows/0', 'a/b', /^\/windows\/0 "0": is no window/],
    ['/windows', ['2013', '2013'], /^\/windows\/1 Window "2013" is there twice/],
    ['/approval', 'always', /^\/approval/],
    ['/datasets/0/keys', [], /^\/datasets\/0\/keys/],
    ['/datasets/0/keys/0', '_ingested_at', /keys\/0 "_ingested_at" is a key, and yet not to be compared/],
    ['/datasets/0/columns', { flight_id: { absolute: 1 } }, /columns\/flight_id .* has no tolerance/],
    ['/datasets/0/columns', { x: {} }, /columns\/x .*needs absolute or relative/],
    ['/datasets/0/columns', { x: { absolute: -1 } }, /absolute/],
    ['/datasets/0/name', 'Planes', /^\/datasets\/2\/name "planes" is the name of another dataset/],
    ['/datasets/1/databricks/location', 's3://waybill-lake/lake/silver/flights', /Both sides would write/],
    ['/datasets/1/databricks/location', 's3://waybill-lake/lake/silver/flights/x', /Both sides would write/],
    [
      '/datasets/1/databricks/location',
      's3://waybill-lake/databricks/lake/silver',
      /where dataset "flights" is/,
    ],
    ['/datasets/1/databricks/location', 's3://waybill-lake/@{x}', /location/],
    ['/datasets/1/databricks/table', 'a.b.c.d', /table/],
    ['/databricks/locations/0/databricks', 's3://waybill-lake/lake/x', /Both sides would write/],
    ['/databricks/engine/cluster/workers', -1, /workers/],
    ['/databricks/engine/type', 'emr', /type/],
    ['/storage/state', 's3://waybill-lake/lake/silver/flights/state', /lies in a table of dataset "flights"/],
  ];
  for (const [pointer, value, expected] of cases) {
    const found = problemsOf(pointer, value);
    assert.ok(
      found.some((one) => expected.test(one)),
      `${pointer}: ${JSON.stringify(found)}`,
    );
  }
});

test('a lakehouse that is not there, or not on EMR, is refused', () => {
  const code = (change: JsonObject): string => {
    try {
      resolveMigration(projectPath('factory'), { ...example(), ...change });
    } catch (error) {
      assert.ok(error instanceof WaybillError);
      return `${error.code} ${error.message}`;
    }
    return 'none';
  };
  assert.match(code({ lakehouse: 'nycflight' }), /REFERENCE_MISSING .*Did you mean "nycflights"/);
  assert.match(code({ parameters: { bucket: 'x' } }), /REFERENCE_MISSING .*no parameter bucket/);
});

test('settings of Spark SQL go along, those of machines do not, and two that disagree are refused', () => {
  const job = (name: string, configuration: JsonObject): JsonObject => ({ name, job: name, configuration });
  const content = (second: string): JsonObject => ({
    engine: { type: 'emr', configuration: { 'spark.sql.a': '1', 'spark.executor.memory': '9g' } },
    stages: {
      ingest: { copies: [{ name: 'in' }] },
      process: {
        jobs: [job('x', { 'spark.sql.b': '2' }), job('y', { 'spark.sql.b': second })],
        checks: [
          { name: 'kept', sum: ['x:t.rows'], equals: ['y:t.rows'] },
          { name: 'gone', sum: ['x:t.rows'], equals: ['in:copied'] },
        ],
      },
    },
  });
  const variant = {
    engine: { type: 'databricks', configuration: {} },
    locations: [],
    stages: ['process' as const],
  };
  const made = applyVariant(content('2'), variant) as {
    engine: JsonObject;
    stages: { process: { jobs: JsonObject[]; checks: JsonObject[] } };
  };
  assert.deepEqual(made.engine['configuration'], { 'spark.sql.a': '1', 'spark.sql.b': '2' });
  assert.deepEqual(Object.keys(made.stages), ['process']);
  assert.deepEqual(made.stages.process.jobs[0], { name: 'x', job: 'x' });
  assert.deepEqual(
    made.stages.process.checks.map(({ name }) => name),
    ['kept'],
  );
  assert.throws(() => applyVariant(content('3'), variant), /spark\.sql\.b to "2" and to "3"/);
  const decided = { ...variant, engine: { type: 'databricks', configuration: { 'spark.sql.b': '4' } } };
  const engine = (applyVariant(content('3'), decided)['engine'] as JsonObject)['configuration'];
  assert.deepEqual(engine, { 'spark.sql.a': '1', 'spark.sql.b': '4' });
});

test('places move by their longest prefix, and only whole names', () => {
  const locations = [
    { from: 's3://a/x', to: 's3://b/x' },
    { from: 's3://a/x/y', to: 's3://c' },
  ];
  const moved = relocate(['s3://a/x', 's3://a/x/y/z', 's3://a/xy', { p: 's3://a/x/q' }, 7], locations);
  assert.deepEqual(moved, ['s3://b/x', 's3://c/z', 's3://a/xy', { p: 's3://b/x/q' }, 7]);
});

test('schemas/migration.schema.json is what the definition is checked by', () => {
  const stored = JSON.parse(
    readFileSync(projectPath('schemas', 'migration.schema.json'), 'utf8'),
  ) as JsonObject;
  assert.deepEqual(
    stored,
    JSON.parse(JSON.stringify(migrationJsonSchema())),
    "write it anew: node -e \"import('./build/src/definitions/migration/schema.js').then(m => " +
      'console.log(JSON.stringify(m.migrationJsonSchema(), null, 2)))" > schemas/migration.schema.json',
  );
});
