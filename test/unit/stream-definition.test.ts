// Streams' definitions: what a sound one comes to, what is wrong with another, and the rules of health and restarts.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectPath } from '../../dev/cache.ts';
import type { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import {
  afterFailure,
  fenceOf,
  healthOf,
  type StreamFailure,
  type StreamPlan,
} from '../../src/core/streams.ts';
import { resolveStream } from '../../src/definitions/streams/resolve.ts';

type Definition = Record<string, JsonObject>;

const sound = (): Definition =>
  JSON.parse(readFileSync(projectPath('test', 'fixtures', 'lakehouse', 'stream.json'), 'utf8')) as Definition;

function resolve(definition: JsonObject, parameters: JsonObject = {}): StreamPlan {
  const factory = mkdtempSync(join(tmpdir(), 'waybill-stream-'));
  try {
    mkdirSync(join(factory, 'streams'));
    writeFileSync(join(factory, 'streams', 'orders.json'), JSON.stringify(definition));
    return resolveStream(factory, { name: 'orders', parameters, runId: 'stream/orders' });
  } finally {
    rmSync(factory, { recursive: true });
  }
}

function problem(change: (definition: Definition) => void): string {
  const definition = sound();
  change(definition);
  try {
    resolve(definition);
  } catch (error) {
    return `${(error as WaybillError).code} ${(error as Error).message}`;
  }
  return '';
}

test('a definition comes to a plan, with defaults and parameters', () => {
  const definition = sound();
  Object.assign(definition, { parameters: { topic: { type: 'string', defaultValue: 'orders' } } });
  Object.assign(definition['job'] ?? {}, { profile: 'small', interval: '1 minute' });
  (definition['job']?.['arguments'] as JsonObject)['topics'] = '@{pipeline().parameters.topic}';
  const plan = resolve(definition, { topic: 'orders_v2' });
  assert.equal(plan.job.arguments['topics'], 'orders_v2');
  assert.equal(plan.job.arguments['interval'], '1 minute');
  assert.equal(plan.job.configuration['spark.sql.adaptive.enabled'], 'true');
  assert.deepEqual(plan.restart, {
    maximum: 2,
    window: 3_600_000,
    interval: 10_000,
    maximumInterval: 600_000,
  });
  assert.deepEqual(plan.lag, { offsets: 1000, seconds: 900, silentSeconds: 300 });
  assert.deepEqual([plan.drainTimeout, plan.leaseSeconds], [600_000, 1800]);
  assert.equal(typeof plan.engine.cluster === 'object' && plan.engine.cluster.engine, 'emr');
});

test('settings go to a Databricks cluster of its own, and none to one that it is attached to', () => {
  const definition = sound();
  const cluster = { sparkVersion: '17.3.x-scala2.13', nodeTypeId: 'r6id.large', workers: 2 };
  const engine = { type: 'databricks', name: 'orders', configuration: { 'spark.a': '1' } };
  definition['engine'] = { ...engine, cluster };
  const plan = resolve(definition);
  const own = plan.engine.cluster;
  assert.ok(typeof own === 'object' && own.engine === 'databricks');
  assert.deepEqual([own.profile.sparkConf['spark.a'], plan.engine.configuration], ['1', {}]);
  definition['engine'] = { type: 'databricks', name: 'orders', attach: '1123-abc' };
  assert.equal(resolve(definition).engine.cluster, '1123-abc');
});

test('what is wrong is named, with its place and what was probably meant', () => {
  assert.match(
    problem(({ job }) => Object.assign(job ?? {}, { intervall: 'x' })),
    /job\/intervall: .*"interval"/,
  );
  assert.match(
    problem(({ engine }) => delete engine?.['cluster']),
    /needs "cluster" or "attach"/,
  );
  assert.match(
    problem(({ engine }) => Object.assign(engine ?? {}, { attach: 'j-1' })),
    /and not both/,
  );
  assert.match(
    problem(({ job }) => Object.assign(job?.['arguments'] ?? {}, { control: 'x' })),
    /arguments\/control: .*set by the supervisor/,
  );
  assert.match(
    problem(({ job }) => Object.assign(job ?? {}, { profile: 'tiny' })),
    /no Spark profile "tiny"/,
  );
  assert.match(
    problem(({ restart }) => Object.assign(restart ?? {}, { window: '1h' })),
    /restart\/window/,
  );
  assert.match(
    problem(({ job }) => Object.assign(job ?? {}, { interval: '@pipeline().parameters.none' })),
    /none/,
  );
  assert.match(
    problem((all) => {
      all['engine'] = { type: 'databricks', name: 'x', attach: 'c', configuration: { a: 'b' } };
    }),
    /cluster of the stream’s own alone/,
  );
  assert.throws(() => resolveStream(projectPath('factory'), { name: 'none', parameters: {}, runId: 'x' }), {
    code: 'REFERENCE_MISSING',
  });
});

test('health: behind, silent, starting', () => {
  const limits = { offsets: 10, seconds: 60, batchSeconds: 5, silentSeconds: 30 };
  const at = new Date(1_000_000).toISOString();
  const told = { generation: 1, state: 'running', at, batch: 1, batchSeconds: 1, rowsPerSecond: 1, rows: 1 };
  const health = (behind: object, now = 1_000_000, more = {}) =>
    healthOf({ ...told, behind, ...more }, limits, 0, now);
  assert.deepEqual(health({ offsets: 10, seconds: 60 }), { health: 'ok', reason: '' });
  assert.equal(health({ offsets: 11 }).reason, 'messages waiting 11, at most 10');
  assert.equal(
    health({ seconds: 61 }, 1_000_000, { batchSeconds: 6 }).reason,
    'seconds behind 61, at most 60; seconds a batch 6, at most 5',
  );
  assert.equal(health({}).health, 'ok');
  assert.equal(health({}, 1_031_000).health, 'silent');
  assert.equal(healthOf(undefined, limits, 1_000, 20_000).health, 'starting');
  assert.equal(healthOf(undefined, limits, 1_000, 40_000).health, 'silent');
});

test('restarts: doubled waits, a limit within the window, and none outside of it', () => {
  const policy = { maximum: 3, window: 1_000, interval: 10, maximumInterval: 30 };
  let failures: StreamFailure[] = [];
  const waits: (number | undefined)[] = [];
  for (const at of [0, 100, 200, 300, 5_000]) {
    const next = afterFailure(failures, { at, code: 'STEP_FAILED', reason: '' }, policy);
    failures = next.failures;
    waits.push(next.wait);
  }
  assert.deepEqual(waits, [10, 20, 30, undefined, 10]);
  assert.ok(fenceOf({ since: 5_000, starts: 2 }) > fenceOf({ since: 5_000, starts: 1 }));
  assert.ok(fenceOf({ since: 6_000, starts: 1 }) > fenceOf({ since: 5_000, starts: 900 }));
});
