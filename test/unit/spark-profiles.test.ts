// Spark profiles, cluster profiles and `waybill size`: the figures, what overrides what, and what is refused.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { projectPath } from '../../dev/cache.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import { parseBytes, proposeSize } from '../../src/core/lakehouse/size.ts';
import { SPARK_PROFILES, SPARK_SETTINGS, sparkProfile } from '../../src/core/lakehouse/spark-profiles.ts';
import { checkLakehouse } from '../../src/definitions/lakehouse/check.ts';
import { resolveDefinition } from '../../src/definitions/lakehouse/resolve.ts';
import { Problems } from '../../src/definitions/problem.ts';

interface Definition extends JsonObject {
  engine: JsonObject & { cluster: JsonObject };
  stages: JsonObject & { process: { jobs: JsonObject[] } };
}

const tiny = (): Definition =>
  JSON.parse(readFileSync(projectPath('test', 'fixtures', 'lakehouse', 'tiny.json'), 'utf8')) as Definition;

function problemsOf(content: JsonObject): string[] {
  const problems = new Problems('lakehouse/tiny.json');
  checkLakehouse({ content, problems });
  return problems.list.map(({ pointer, reason, advice }) => `${pointer} ${reason} ${advice ?? ''}`);
}

function resolve(content: JsonObject, parameters: JsonObject = {}) {
  const problems = new Problems('lakehouse/tiny.json');
  const definition = checkLakehouse({ content, problems });
  assert.ok(definition, JSON.stringify(problems.list));
  return resolveDefinition(definition, 'tiny.json', {
    name: 'tiny',
    window: '2013',
    runId: 'lakehouse/tiny/2013',
    trigger: 'client',
    triggerTime: '2026-11-22T20:05:00.000Z',
    parameters,
  });
}

test('every setting of every profile is explained in one sentence', () => {
  for (const name of SPARK_PROFILES)
    for (const key of Object.keys(sparkProfile(name, 'emr') ?? {}))
      assert.match(SPARK_SETTINGS[key]?.why ?? '', /^[A-Z][^.]*(\.\d[^.]*)*\.$/, `${name}: ${key}`);
  assert.equal(sparkProfile('toString', 'emr'), undefined);
});

test('the large profile has the figures for 10 TB, and Databricks takes none of those that it sets itself', () => {
  const large = sparkProfile('large', 'emr') ?? {};
  const expected = {
    'spark.sql.shuffle.partitions': '10000',
    'spark.sql.adaptive.enabled': 'true',
    'spark.sql.files.maxPartitionBytes': '256MB',
    'spark.executor.memory': '24g',
    'spark.executor.cores': '8',
    'spark.executor.instances': '200',
    'spark.executor.memoryOverhead': '4g',
    'spark.memory.offHeap.enabled': 'true',
    'spark.memory.offHeap.size': '16g',
    'spark.shuffle.service.enabled': 'true',
    'spark.shuffle.service.port': '7337',
    'spark.shuffle.io.maxRetries': '10',
    'spark.shuffle.io.retryWait': '60s',
    'spark.hadoop.mapreduce.input.fileinputformat.list-status.num-threads': '20',
    'spark.speculation': 'true',
  };
  for (const [key, value] of Object.entries(expected)) assert.equal(large[key], value, key);
  const databricks = Object.keys(sparkProfile('large', 'databricks') ?? {});
  assert.deepEqual(
    databricks.filter((key) => /executor|offHeap|service/.test(key)),
    [],
  );
  assert.ok(databricks.includes('spark.sql.shuffle.partitions'));
});

test('a setting written out goes before the profile, a job before the engine', () => {
  const content = tiny();
  content.engine['profile'] = 'large';
  content.engine['configuration'] = { 'spark.executor.memory': '30g' };
  Object.assign(content.stages.process.jobs[0] as JsonObject, {
    profile: 'small',
    configuration: { 'spark.executor.cores': '2' },
  });
  const { engine, stages } = resolve(content);
  assert.equal(engine.configuration['spark.executor.memory'], '30g');
  assert.equal(engine.configuration['spark.executor.instances'], '200');
  const [job] = stages.process?.jobs ?? [];
  assert.equal(job?.configuration['spark.executor.cores'], '2');
  assert.equal(job?.configuration['spark.executor.instances'], '4');
  assert.ok(!('profile' in (job ?? {})));
});

test('a profile may be an expression, and what it comes to is checked', () => {
  const content = tiny();
  content.engine['profile'] = '@pipeline().parameters.size';
  content['parameters'] = { size: { type: 'string', defaultValue: 'medium' } };
  assert.equal(resolve(content).engine.configuration['spark.executor.instances'], '40');
  assert.throws(() => resolve(content, { size: 'huge' }), /There is no Spark profile "huge"/);
});

const cases: readonly (readonly [string, (content: Definition) => void, RegExp])[] = [
  [
    'an engine',
    ({ engine }) => Object.assign(engine, { profile: 'larg' }),
    /^\/engine\/profile .*Did you mean "large"/,
  ],
  [
    'a job',
    ({ stages }) => Object.assign(stages.process.jobs[0] as JsonObject, { profile: 'xyz' }),
    /^\/stages\/process\/jobs\/0\/profile There is no Spark profile "xyz". Profiles: small, /,
  ],
  [
    'a cluster',
    ({ engine }) => Object.assign(engine.cluster, { profile: 'r5' }),
    /^\/engine\/cluster\/profile .*r5-10tb/,
  ],
];
for (const [where, change, expected] of cases)
  test(`a profile that does not exist is refused in ${where}`, () => {
    const content = tiny();
    change(content);
    const found = problemsOf(content);
    assert.ok(
      found.some((problem) => expected.test(problem)),
      found.join('\n'),
    );
  });

test('the ready cluster: 1, 10 and 50 machines, task nodes from 30 to 100', () => {
  const content = tiny();
  const { releaseLabel, logUri } = content.engine.cluster as Record<string, JsonValue>;
  content.engine.cluster = { profile: 'r5-10tb', releaseLabel: releaseLabel ?? '', logUri: logUri ?? '' };
  const { engine } = resolve(content);
  assert.ok(engine.type === 'emr' && 'cluster' in engine);
  assert.ok(!('profile' in engine.cluster));
  assert.deepEqual(
    engine.cluster.instanceGroups?.map(({ role, type, count }) => `${role} ${type} ${count}`),
    ['MASTER r5.8xlarge 1', 'CORE r5.24xlarge 10', 'TASK r5.24xlarge 50'],
  );
  // Managed scaling counts core and task nodes; the core nodes stay at 10.
  assert.deepEqual(engine.cluster.managedScaling, {
    unit: 'Instances',
    minimum: 40,
    maximum: 110,
    maximumCore: 10,
  });

  content.engine.cluster['profile'] = 'r5-10tb-spot';
  const spot = resolve(content).engine;
  assert.ok(spot.type === 'emr' && 'cluster' in spot);
  const task = spot.cluster.instanceFleets?.find(({ type }) => type === 'TASK');
  assert.equal(task?.spotCapacity, 50);
  assert.equal(task?.spot?.timeoutAction, 'SWITCH_TO_ON_DEMAND');
});

test("machines of one's own replace all of the profile's, its scaling with them", () => {
  const content = tiny();
  content.engine.cluster['profile'] = 'r5-10tb-spot';
  const { engine } = resolve(content);
  assert.ok(engine.type === 'emr' && 'cluster' in engine);
  assert.equal(engine.cluster.instanceGroups?.length, 1);
  assert.equal(engine.cluster.instanceFleets, undefined);
  assert.equal(engine.cluster.managedScaling, undefined);
});

test('10 TB come to the figures of the large profile', () => {
  const { profile, configuration, executors, cluster, salts } = proposeSize({ inputBytes: 10e12, skew: 1 });
  assert.deepEqual([profile, configuration, executors, salts], ['large', {}, 200, 1]);
  // 12 executors of 8 cores on 96 cores; 200 of them and the driver.
  assert.equal(
    cluster.instanceGroups.filter(({ role }) => role !== 'MASTER').reduce((sum, { count }) => sum + count, 0),
    17,
  );
});

test('more data is never fewer executors, partitions or salts, and no proposal is refused as a definition', () => {
  let before = 0;
  for (const size of ['1B', '99GB', '100GB', '101GB', '1TB', '1.5 TiB', '40TB', '1PB']) {
    const inputBytes = parseBytes(size);
    assert.ok(inputBytes !== undefined);
    const { profile, configuration, cluster, executors, reasons } = proposeSize({ inputBytes, skew: 7.5 });
    const cores = executors * Number(sparkProfile(profile, 'emr')?.['spark.executor.cores']);
    assert.ok(cores >= before, `${size}: ${cores} cores, fewer than ${before}`);
    before = cores;
    assert.match(reasons.at(-1) ?? '', /salt its key with 8 values/);
    const content = tiny();
    Object.assign(content.engine, {
      profile,
      configuration,
      cluster: { ...content.engine.cluster, ...cluster },
    });
    assert.deepEqual(problemsOf(content), [], size);
  }
});

test('sizes are read in decimal and binary units, and what is none is not', () => {
  assert.equal(parseBytes('10TB'), 10e12);
  assert.equal(parseBytes('1.5 tib'), 1.5 * 1024 ** 4);
  for (const text of ['', '10', '0GB', '-1GB', '1e3GB', '10 TBs', '9999PB', 'TB'])
    assert.equal(parseBytes(text), undefined, text);
});

test('the command prints its reasons, gives JSON, and refuses by name', () => {
  const size = (...given: string[]) =>
    spawnSync(process.execPath, [projectPath('build', 'src', 'client.js'), 'size', ...given], {
      encoding: 'utf8',
    });
  const text = size('--input', '10TB', '--skew', '40');
  assert.match(text.stdout, /^Profile large: 10 TB/);
  assert.match(text.stdout, /spark\.shuffle\.io\.retryWait=60s\n {6}Wait between/);
  const json = JSON.parse(size('--input', '500GB', '--json').stdout) as { engine: { profile: string } };
  assert.equal(json.engine.profile, 'medium');
  for (const bad of [
    ['--input', 'much'],
    ['--input', '1.1PB'],
    ['--input', '1TB', '--skew', '0'],
    ['--input', '1TB', '--skew', 'x'],
  ]) {
    const refused = size(...bad);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /PARAMETER_INVALID/);
  }
});
