// What dbt is called with, what is made of its log and results, and which failures are tried again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dbtArguments } from '../../../src/activities/dbt/arguments.ts';
import { machineEnvironment, storeEnvironment } from '../../../src/activities/dbt/environment.ts';
import { DbtLog } from '../../../src/activities/dbt/log.ts';
import { dbtResults } from '../../../src/activities/dbt/results.ts';
import { rememberSecret } from '../../../src/config/redaction.ts';
import { isTransient, mayPass, selectorOf, unfinishedNodes } from '../../../src/core/dbt.ts';
import { WaybillError } from '../../../src/core/errors.ts';

const places = { project: '/p', target: '/t', logs: '/l' };
const after = (args: readonly string[], option: string): string[] => {
  const from = args.indexOf(option) + 1;
  const rest = from === 0 ? [] : args.slice(from);
  const end = rest.findIndex((arg) => arg.startsWith('--'));
  return end === -1 ? rest : rest.slice(0, end);
};

test('a step becomes one command with selection, variables and places of its own', () => {
  const args = dbtArguments(
    {
      target: 'snowflake',
      vars: { day: '2013-01-01' },
      step: { command: 'build', select: ['a+', 'tag:daily'], exclude: ['b'], fullRefresh: true },
    },
    places,
  );
  assert.deepEqual(after(args, '--select'), ['a+', 'tag:daily']);
  assert.deepEqual(after(args, '--exclude'), ['b']);
  assert.deepEqual(after(args, '--vars'), ['{"day":"2013-01-01"}']);
  assert.deepEqual(after(args, '--target-path'), ['/t']);
  assert.ok(args.includes('build') && args.includes('--full-refresh'));
  const freshness = dbtArguments({ target: 't', vars: {}, step: { command: 'source freshness' } }, places);
  assert.equal(freshness[freshness.indexOf('source') + 1], 'freshness');
});

test('a retry selects exactly the nodes it is for', () => {
  const nodes = ['model.p.a', 'model.p.b.v2', 'test.p.unique_a_id.0123456789', 'source.p.raw.t'];
  const step = { command: 'build', select: ['everything'], exclude: ['model'] } as const;
  const args = dbtArguments({ target: 't', vars: {}, step, nodes }, places);
  assert.deepEqual(after(args, '--select'), ['fqn:a', 'fqn:b.v2', 'fqn:unique_a_id', 'source:p.raw.t']);
  assert.deepEqual(after(args, '--indirect-selection'), ['empty']);
  assert.ok(!args.includes('--exclude'));
  assert.equal(selectorOf('snapshot.p.names'), 'fqn:names');
});

test('a selector cannot be an option', () => {
  const step = { command: 'run', select: ['--profiles-dir=/etc'] } as const;
  assert.throws(
    () => dbtArguments({ target: 't', vars: {}, step }, places),
    (error) => error instanceof WaybillError && error.code === 'DEFINITION_INVALID',
  );
});

test("the worker's secrets are not in dbt's environment", () => {
  const env = machineEnvironment(
    { PATH: '/bin', MY_PASSWORD: 'x', AWS_SECRET_ACCESS_KEY: 'y', https_proxy: 'h' },
    '/home',
  );
  assert.deepEqual(env, {
    PATH: '/bin',
    https_proxy: 'h',
    HOME: '/home',
    DBT_SEND_ANONYMOUS_USAGE_STATS: 'false',
  });
});

test('linked services become what profiles.yml reads', () => {
  const snowflake = storeEnvironment({
    name: 'w',
    type: 'SnowflakeV2',
    properties: {
      accountIdentifier: 'a',
      host: 'http://127.0.0.1:4',
      user: 'u',
      password: 'p455',
      database: 'D',
    },
  });
  assert.equal(snowflake['DBT_SNOWFLAKE_PORT'], '4');
  assert.equal(snowflake['DBT_SNOWFLAKE_PROTOCOL'], 'http');
  assert.equal(snowflake['DBT_ENV_SECRET_SNOWFLAKE_PASSWORD'], 'p455');
  const databricks = storeEnvironment({
    name: 'd',
    type: 'AzureDatabricks',
    properties: { domain: 'https://adb-1.net/', httpPath: '/sql/1', accessToken: 'token', catalog: 'main' },
  });
  assert.equal(databricks['DBT_DATABRICKS_HOST'], 'adb-1.net');
  const redshift = storeEnvironment({
    name: 'r',
    type: 'AmazonRedshift',
    properties: { server: 's', username: 'u', password: 'word', database: 'd' },
  });
  assert.equal(redshift['DBT_POSTGRES_PORT'], '5439');
  assert.throws(
    () =>
      storeEnvironment({ name: 'd', type: 'AzureDatabricks', properties: { domain: 'x', httpPath: 'y' } }),
    (error) =>
      error instanceof WaybillError && error.code === 'SETTINGS_INVALID' && /accessToken/.test(error.message),
  );
  assert.throws(
    () => storeEnvironment({ name: 's', type: 'SqlServer', properties: {} }),
    (error) => error instanceof WaybillError && error.code === 'DEFINITION_UNSUPPORTED',
  );
});

test('the log tells what runs and what is done, and complaints without secrets', () => {
  const log = new DbtLog();
  const line = (name: string, id: string, status: string): string =>
    JSON.stringify({
      info: { name, level: 'info', msg: '' },
      data: { node_info: { unique_id: id, node_status: status } },
    });
  log.line(line('LogStartLine', 'model.p.a', 'started'));
  log.line(line('LogStartLine', 'model.p.b', 'started'));
  assert.deepEqual(log.beat(), { done: 0, running: ['model.p.a', 'model.p.b'] });
  log.line(line('LogModelResult', 'model.p.a', 'success'));
  assert.deepEqual(log.beat(), {
    done: 1,
    running: ['model.p.b'],
    last: { node: 'model.p.a', status: 'success' },
  });
  rememberSecret('hunter22');
  log.line('Traceback: hunter22');
  assert.equal(log.complaints(), 'Traceback: [secret]');
  log.line(JSON.stringify({ info: { level: 'error', msg: 'user u with hunter22' } }));
  log.line('WARN: what a JVM has to say');
  assert.equal(log.complaints(), 'user u with [secret]');
});

const result = (id: string, status: string, message?: string): object => ({
  unique_id: id,
  status,
  message: message ?? null,
  execution_time: 1.2345,
  failures: null,
  adapter_response: { rows_affected: 7 },
});

test('results keep every failure and are otherwise cut; messages hold no secret', () => {
  rememberSecret('hunter22');
  const many = Array.from({ length: 1_500 }, (_, at) => result(`model.p.m${at}`, 'success', 'SUCCESS 7'));
  const text = JSON.stringify({
    results: [...many, result('model.p.z', 'error', `${'x'.repeat(40)} hunter22 ${'y'.repeat(900)}`)],
  });
  const { nodes, counts, left } = dbtResults(text);
  assert.deepEqual(counts, { success: 1_500, error: 1 });
  assert.equal(nodes.length, 1_000);
  assert.equal(left, 501);
  assert.equal(nodes[0]?.node, 'model.p.z');
  assert.equal(nodes[0]?.message?.length, 500);
  assert.ok(!JSON.stringify(nodes).includes('hunter22'));
  assert.deepEqual(nodes[1], { node: 'model.p.m0', status: 'success', seconds: 1.23, rows: 7 });
  assert.throws(() => dbtResults('{}'), SyntaxError);
});

test('only what passes by itself is tried again, and a failed test never is', () => {
  const node = (status: string, message: string) => ({ node: 'model.p.a', status, seconds: 0, message });
  const reset = node('error', 'Connection reset by peer');
  assert.ok(mayPass([reset, node('skipped', '')]));
  assert.ok(!mayPass([reset, node('error', "invalid identifier 'X'")]));
  assert.ok(!mayPass([node('fail', 'Got 3 results, a timeout is no excuse')]));
  assert.ok(!mayPass([node('success', '')]));
  for (const text of [
    '429 Too Many Requests',
    'ConcurrentAppendException',
    'Could not connect to Snowflake backend',
  ])
    assert.ok(isTransient(text), text);
  assert.ok(!isTransient("Table 'CONNECTIONS' does not exist"));
  assert.equal(unfinishedNodes([reset, node('skipped', ''), node('pass', '')]).length, 2);
});
