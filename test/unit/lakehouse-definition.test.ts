// Lakehouse definitions: the example is sound, and everything wrong with another is named, with place and advice.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { projectPath } from '../../dev/cache.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import { checkLakehouse } from '../../src/definitions/lakehouse/check.ts';
import { resolveDefinition, resolveLakehouse } from '../../src/definitions/lakehouse/resolve.ts';
import { lakehouseJsonSchema } from '../../src/definitions/lakehouse/schema.ts';
import { Problems } from '../../src/definitions/problem.ts';

const tiny = (): JsonObject =>
  JSON.parse(readFileSync(projectPath('test', 'fixtures', 'lakehouse', 'tiny.json'), 'utf8')) as JsonObject;

const serverlessEngine = (): JsonObject =>
  JSON.parse(
    readFileSync(projectPath('test', 'fixtures', 'lakehouse', 'serverless-engine.json'), 'utf8'),
  ) as JsonObject;

const run = {
  name: 'nycflights',
  window: '2013',
  runId: 'lakehouse/nycflights/2013',
  trigger: 'client',
  triggerTime: '2026-11-22T20:05:00.000Z',
  parameters: {},
};

/** Sets the value at a pointer; undefined removes it. */
function set(root: JsonObject, pointer: string, value: JsonValue | undefined): JsonObject {
  const path = pointer.split('/').slice(1);
  const last = path.pop() as string;
  let at = root;
  for (const segment of path) at = at[segment] as JsonObject;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return root;
}

function problemsOf(content: JsonObject): string[] {
  const problems = new Problems('lakehouse/tiny.json');
  checkLakehouse({ content, problems, linkedServices: ['ls'] });
  return problems.list.map(
    ({ pointer, reason, advice }) => `${pointer} ${reason}${advice ? ` ${advice}` : ''}`,
  );
}

test('the example resolves: no expression is left, numbers are numbers', () => {
  const plan = resolveLakehouse(projectPath('factory'), run);
  assert.ok(!JSON.stringify(plan).includes('@{'), 'an expression is left');
  assert.deepEqual(Object.keys(plan.stages), ['ingest', 'process', 'load', 'serve', 'optimize']);
  assert.equal(plan.stages.ingest?.timeout, 3_600_000);
  assert.deepEqual(
    plan.stages.ingest?.copies.map(({ name }) => name),
    ['flights', 'planes', 'airports', 'airlines'],
  );
  assert.deepEqual(plan.stages.ingest?.copies[0]?.sink.dataset['location'], {
    type: 'AmazonS3Location',
    bucketName: 'waybill-lake',
    folderPath: 'landing/flights/2013',
  });
  const bronze = plan.stages.process?.jobs[0];
  assert.deepEqual(bronze?.arguments, {
    lake: 's3://waybill-lake/lake',
    run: '2013',
    landing: 's3://waybill-lake/landing',
    'as-of': '2026-11-22T20:05:00.000Z',
  });
  assert.equal(plan.stages.load?.pivot, true);
  assert.ok(plan.engine.type === 'emr');
  assert.ok('cluster' in plan.engine);
  assert.equal(plan.engine.cluster.idleTerminationSeconds, 1_800);
  assert.deepEqual(plan.stages.optimize?.lifecycle?.rules[0]?.transition, {
    days: 30,
    storageClass: 'STANDARD_IA',
  });
});

test('parameters are bound: given ones win, text is read by type, unknown and missing ones are named', () => {
  const content = set(tiny(), '/parameters', {
    size: { type: 'int', defaultValue: 4 },
    place: { type: 'string' },
  });
  set(content, '/stages/process/retries', '@pipeline().parameters.size');
  set(content, '/storage/results', 's3://@{pipeline().parameters.place}/results');
  const problems = new Problems('lakehouse/tiny.json');
  const definition = checkLakehouse({ content, problems });
  assert.ok(definition, JSON.stringify(problems.list));
  const resolve = (parameters: JsonObject) =>
    resolveDefinition(definition, 'lakehouse/tiny.json', { ...run, name: 'tiny', parameters });
  const plan = resolve({ place: 'lake', size: '7' });
  assert.equal(plan.stages.process?.retries, 7);
  assert.equal(plan.storage.results, 's3://lake/results');
  assert.equal(resolve({ place: 'lake' }).stages.process?.retries, 4);

  const code = (parameters: JsonObject) => {
    try {
      resolve(parameters);
    } catch (error) {
      if (error instanceof WaybillError) return `${error.code}: ${error.message}`;
      throw error;
    }
    return 'no error';
  };
  assert.match(code({}), /^PARAMETER_MISSING: tiny needs a value for parameter place\./);
  assert.match(
    code({ place: 'x', size: 'many' }),
    /^DEFINITION_INVALID: Parameter size must be of type int\./,
  );
  assert.match(
    code({ place: 'x', sise: 1 }),
    /^REFERENCE_MISSING: .*no parameter sise\. Did you mean "size"\?/,
  );
  // What comes out of an expression must fit, too.
  assert.match(
    code({ place: 'x', size: 99 }),
    /^DEFINITION_INVALID: .*#\/stages\/process\/retries.*from 0 to 20/,
  );
});

const cases: readonly (readonly [string, JsonValue | undefined, RegExp])[] = [
  [
    '/stages/process/jobz',
    [],
    /^\/stages\/process\/jobz "jobz" is not a property that belongs here\. Did you mean "jobs"\?/,
  ],
  [
    '/stages/process/jobs/0/argumentz',
    {},
    /^\/stages\/process\/jobs\/0\/argumentz .*Did you mean "arguments"\?/,
  ],
  ['/engine/cluster/releaselabel', 'x', /^\/engine\/cluster\/releaselabel .*Did you mean "releaseLabel"\?/],
  ['/storage/code', undefined, /^\/storage\/code "code" is missing\./],
  ['/storage/code', 'file:///tmp', /^\/storage\/code .*must be an address such as s3:/],
  ['/stages/process/timeout', '2 hours', /^\/stages\/process\/timeout .*0\.02:00:00/],
  ['/stages/process/retries', -1, /^\/stages\/process\/retries .*whole number from 0 to 20/],
  [
    '/stages/process/jobs/0/arguments/run',
    '@pipeline().parameters.windov',
    /^\/stages\/process\/jobs\/0\/arguments\/run .*"windov".*Did you mean "window"\?/,
  ],
  ['/stages/process/jobs/0/arguments/run', '@pipeline(', /^\/stages\/process\/jobs\/0\/arguments\/run /],
  [
    '/stages/process/checks/0/equals/0',
    'b:copied',
    /^\/stages\/process\/checks\/0\/equals\/0 "b:copied" names no copy or job/,
  ],
  ['/stages/process/jobs/0/name', 'a', /"a" is the name of another copy, input or job/],
  [
    '/stages/ingest/copies/0/source/linkedService',
    'lz',
    /^\/stages\/ingest\/copies\/0\/source\/linkedService .*Did you mean "ls"\?/,
  ],
  ['/stages/ingest/compensation/kind', 'restoreTables', /^\/stages\/ingest\/compensation/],
  ['/engine/cluster/instanceFleets', [], /^\/engine\/cluster\/instanceFleets/],
  [
    '/engine/cluster/instanceGroups',
    undefined,
    /^\/engine\/cluster .*needs instanceFleets or instanceGroups/,
  ],
  ['/engine/cluster/instanceGroups/0/role', 'CORE', /^\/engine\/cluster .*exactly one MASTER/],
  ['/engine/attach', 'j-1', /needs cluster \(one of its own\) or attach \(one that runs\), and not both/],
  ['/engine/cluster', undefined, /needs cluster \(one of its own\) or attach/],
  ['/engine/cluster/instanceGroups/0/count', 2, /must be 1, or 3 for high availability/],
  ['/engine/cluster/instanceGroups/0/autoScaling', { minimum: 1, maximum: 2 }, /is for CORE and TASK/],
  ['/engine/cluster/tags', { 'waybill:owner': 'me' }, /reserved/],
  [
    '/engine/cluster/managedScaling',
    { unit: 'Instances', minimum: 5, maximum: 2 },
    /maximum .*below the minimum/,
  ],
  ['/engine/cluster/idleTerminationSeconds', 5, /from 60 to 604800/],
  ['/stages/optimize/lifecycle/rules/0', { id: 'nothing' }, /does nothing/],
  ['/stages', {}, /^\/stages .*at least one of ingest/],
  ['/parameters', { window: { type: 'string' } }, /"window" is a parameter that every run has already/],
  [
    '/parameters',
    { size: { type: 'int', defaultValue: 'four' } },
    /^\/parameters\/size\/defaultValue .*not of type int/,
  ],
];

for (const [pointer, value, expected] of cases) {
  test(`names what is wrong: ${pointer} = ${JSON.stringify(value)}`, () => {
    const found = problemsOf(set(tiny(), pointer, value));
    assert.ok(
      found.some((problem) => expected.test(problem)),
      found.join('\n') || 'no problem found',
    );
  });
}

const databricksEngine = {
  type: 'databricks',
  name: 'tiny',
  configuration: { 'spark.sql.shuffle.partitions': '400' },
  cluster: {
    sparkVersion: '17.3.x-scala2.13',
    nodeTypeId: 'r6id.2xlarge',
    autoscale: { minimum: 20, maximum: 200 },
  },
};
const onDatabricks = (): JsonObject =>
  set(tiny(), '/engine', structuredClone(databricksEngine) as unknown as JsonObject);

const databricksCases: readonly (readonly [string, JsonValue | undefined, RegExp])[] = [
  ['/engine/cluster/sparkversion', 'x', /^\/engine\/cluster\/sparkversion .*Did you mean "sparkVersion"\?/],
  ['/engine/cluser', {}, /^\/engine\/cluser .*Did you mean "cluster"\?/],
  ['/engine/cluster/nodeTypeId', undefined, /needs nodeTypeId or instancePoolId/],
  ['/engine/cluster/workers', 3, /needs workers or autoscale, and not both/],
  ['/engine/cluster/autoscale/maximum', 20, /maximum .*must be above the minimum/],
  ['/engine/cluster/autoterminationMinutes', 5, /from 10 to 10000/],
  ['/engine/cluster/tags', { 'waybill:owner': 'me' }, /reserved/],
  [
    '/engine/cluster/releaseLabel',
    'emr-7.10.0',
    /^\/engine\/cluster\/releaseLabel .*not a property that belongs here/,
  ],
  ['/engine/type', 'glue', /^\/engine\/type /],
  ['/stages/process/jobs/0/configuration', { a: 'b' }, /Databricks takes no Spark settings with a job/],
];

for (const [pointer, value, expected] of databricksCases) {
  test(`names what is wrong on Databricks: ${pointer} = ${JSON.stringify(value)}`, () => {
    const found = problemsOf(set(onDatabricks(), pointer, value));
    assert.ok(
      found.some((problem) => expected.test(problem)),
      found.join('\n') || 'no problem found',
    );
  });
}

test('a Databricks engine gives its Spark settings to the cluster', () => {
  const problems = new Problems('lakehouse/tiny.json');
  const definition = checkLakehouse({ content: onDatabricks(), problems });
  assert.ok(definition, JSON.stringify(problems.list));
  const { engine } = resolveDefinition(definition, 'tiny.json', run);
  assert.ok(engine.type === 'databricks');
  assert.deepEqual(engine.configuration, {});
  assert.ok('cluster' in engine);
  assert.equal(engine.cluster.sparkConf['spark.sql.shuffle.partitions'], '400');
  assert.equal(engine.cluster.autoterminationMinutes, 10);
});

const onServerless = (): JsonObject => set(tiny(), '/engine', serverlessEngine());

const serverlessCases: readonly (readonly [string, JsonValue | undefined, RegExp])[] = [
  ['/engine/application', undefined, /needs application \(one of its own\) or attach \(one that runs\)/],
  ['/engine/attach', '00fabc', /needs application .* and not both/],
  ['/engine/cluster', {}, /^\/engine\/cluster "cluster" is not a property that belongs here/],
  ['/engine/jobRuns', undefined, /^\/engine\/jobRuns "jobRuns" is missing/],
  ['/engine/jobRuns/executionRoleArn', 'lake-jobs', /must be the ARN of a role/],
  ['/engine/jobRuns/logUri', '/var/log', /must be an address such as s3:/],
  ['/engine/jobRuns/executionTimeoutMinutes', 0, /from 1 to 1000000/],
  ['/engine/jobRuns/retryPolicy', {}, /"retryPolicy" is not a property that belongs here/],
  ['/engine/application/releaseLable', 'emr-7.10.0', /Did you mean "releaseLabel"\?/],
  ['/engine/application/architecture', 'arm', /^\/engine\/application\/architecture /],
  ['/engine/application/initialCapacity/driver/vcpus', 3, /must be 1, 2, 4, 8 or 16/],
  ['/engine/application/initialCapacity/driver/memoryGb', 31, /from 8 to 30 in steps of 1 with 4 vCPU/],
  ['/engine/application/initialCapacity/executor/memoryGb', 50, /from 16 to 60 in steps of 4 with 8 vCPU/],
  ['/engine/application/maximumCapacity/vcpus', 32, /is below the 36 of initialCapacity/],
  ['/engine/application/subnetIds', undefined, /name its subnetIds, too/],
  ['/engine/application/tags', { 'waybill:owner': 'me' }, /reserved/],
  ['/engine/application/tags', { team: 'größe' }, /\/tags\/team .*at most 256 letters/],
  ['/engine/application/tags', { 'te*am': 'a' }, /\/tags\/te\*am /],
  ['/engine/application/initialCapacity', {}, /names no worker/],
  ['/engine/attach', 'J-1K48', /must be the id of an application/],
  ['/engine/jobRuns/executionRoleArn', 'me@home', /must be the ARN of a role/],
  ['/engine/application/autoStopMinutes', 20_000, /from 1 to 10080/],
  ['/engine/configuration', { 'spark.master': 'yarn' }, /EMR Serverless decides where a job runs/],
  ['/stages/process/jobs/0/configuration', { 'spark.yarn.queue': 'a' }, /decides where a job runs/],
  ['/monitoring', { resize: { step: 1, maximum: 9 } }, /is not resized/],
  ['/monitoring', { cloudWatch: true }, /has no HDFS/],
];

for (const [pointer, value, expected] of serverlessCases) {
  test(`names what is wrong on EMR Serverless: ${pointer} = ${JSON.stringify(value)}`, () => {
    const found = problemsOf(set(onServerless(), pointer, value));
    assert.ok(
      found.some((problem) => expected.test(problem)),
      found.join('\n') || 'no problem found',
    );
  });
}

test('an EMR Serverless engine has an application or attaches to one, and settings that need no nodes', () => {
  assert.deepEqual(problemsOf(onServerless()), []);
  const engineOf = (content: JsonObject) => {
    const problems = new Problems('lakehouse/tiny.json');
    const definition = checkLakehouse({ content, problems });
    assert.ok(definition, JSON.stringify(problems.list));
    return resolveDefinition(definition, 'tiny.json', run).engine;
  };
  const engine = engineOf(onServerless());
  assert.ok(engine.type === 'emr-serverless' && 'application' in engine);
  assert.equal(engine.configuration['spark.sql.shuffle.partitions'], '8');
  assert.equal(engine.configuration['spark.executor.memory'], '8g');
  assert.equal(engine.configuration['spark.shuffle.service.enabled'], undefined);
  assert.deepEqual([engine.application.autoStopMinutes, engine.jobRuns.executionTimeoutMinutes], [15, 720]);
  const attached = set(set(onServerless(), '/engine/application', undefined), '/engine/attach', '00fabc');
  const other = engineOf(attached);
  assert.ok(other.type === 'emr-serverless' && 'attach' in other);
  assert.equal(other.jobRuns.logUri, 's3://logs/serverless/');
  assert.match(problemsOf(set(attached, '/budget', { amount: 1 })).join(), /budget of this run alone/);
});

test('the definition that the cases are made from has no problem, and several faults are found at once', () => {
  assert.deepEqual(problemsOf(tiny()), []);
  const broken = set(set(tiny(), '/storage/code', 'x'), '/stages/load/pivot', 'yes');
  assert.equal(problemsOf(broken).length, 2);
});

test('dbt in the serve stage: names, commands, selectors and linked services are checked', () => {
  const serve = (dbt: JsonObject): string[] =>
    problemsOf(set(tiny(), '/stages/serve', { dbt: [{ name: 'marts', target: 'snowflake', ...dbt }] }));
  assert.deepEqual(serve({ linkedService: 'ls', steps: [{ command: 'source freshness' }] }), []);
  assert.match(serve({ linkedService: 'other' }).join(), /dbt\/0\/linkedService There is no linked service/);
  assert.match(serve({ steps: [{ command: 'debug' }] }).join(), /steps\/0\/command/);
  assert.match(serve({ steps: [{ command: 'run', select: ['--vars'] }] }).join(), /select\/0/);
  assert.match(serve({ password: 'x' }).join(), /"password" is not a property/);
  assert.match(serve({ name: 'a' }).join(), /is the name of another/);
});

test('schemas/lakehouse.schema.json is what the definition is checked by', () => {
  const stored = JSON.parse(
    readFileSync(projectPath('schemas', 'lakehouse.schema.json'), 'utf8'),
  ) as JsonObject;
  assert.deepEqual(
    stored,
    JSON.parse(JSON.stringify(lakehouseJsonSchema())),
    "write it anew: node -e \"import('./build/src/definitions/lakehouse/schema.js').then(m => " +
      'console.log(JSON.stringify(m.lakehouseJsonSchema(), null, 2)))" > schemas/lakehouse.schema.json',
  );
  assert.equal(stored['additionalProperties'], false);
});
