// The small pure parts of a pipeline run: parameters, loop labels, time spans, return values, the details table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/core/json.ts';
import { pipelineDetails } from '../../../src/core/pipeline/details.ts';
import { itemLabels } from '../../../src/core/pipeline/item-label.ts';
import { resolveParameters } from '../../../src/core/pipeline/parameters.ts';
import { RunLog } from '../../../src/core/pipeline/run-log.ts';
import type { ActivitySnapshot } from '../../../src/core/pipeline/snapshot.ts';
import { parseTimeSpan } from '../../../src/core/pipeline/time-span.ts';
import { returnValue } from '../../../src/core/pipeline/variables.ts';

const declared = {
  s: { type: 'String', defaultValue: 'd' },
  i: { type: 'int', defaultValue: 1 },
  b: { type: 'Bool', defaultValue: false },
  a: { type: 'Array', defaultValue: [] },
  o: { type: 'Object', defaultValue: {} },
  f: { type: 'Float', defaultValue: 0.5 },
};
const resolve = (given: JsonObject): JsonObject =>
  resolveParameters('pipeline "p"', declared, given, { ignoreUnknown: false });

test('parameters take their defaults, and text is converted to the declared type', () => {
  assert.deepEqual(resolve({}), { s: 'd', i: 1, b: false, a: [], o: {}, f: 0.5 });
  assert.deepEqual(resolve({ S: 'x', i: '7', b: 'True', a: '["q"]', o: '{"k":1}', f: '2.5' }), {
    s: 'x',
    i: 7,
    b: true,
    a: ['q'],
    o: { k: 1 },
    f: 2.5,
  });
});

for (const [name, value] of [
  ['i', '1.5'],
  ['i', 'x'],
  ['b', 'yes'],
  ['a', '{}'],
  ['a', 'flights,planes'],
  ['f', ''],
] as const) {
  test(`parameter ${name} refuses ${JSON.stringify(value)}`, () => {
    assert.throws(() => resolve({ [name]: value }), { code: 'PARAMETER_INVALID' });
  });
}

test('loop iterations are named by short distinct scalars, else numbered', () => {
  assert.deepEqual(itemLabels(['flights', 'planes']), ['flights', 'planes']);
  assert.deepEqual(itemLabels([2013, 2014]), ['2013', '2014']);
  assert.deepEqual(itemLabels(['a', 'A']), ['0', '1']);
  assert.deepEqual(itemLabels(['a/b', 'c']), ['0', '1']);
  assert.deepEqual(itemLabels([{ a: 1 }, { a: 2 }]), ['0', '1']);
  assert.deepEqual(itemLabels(['']), ['0']);
});

test('time spans', () => {
  assert.equal(parseTimeSpan('0.12:00:00'), 12 * 3_600_000);
  assert.equal(parseTimeSpan('7.00:00:00'), 7 * 86_400_000);
  assert.equal(parseTimeSpan('02:00:00'), 2 * 3_600_000);
  assert.equal(parseTimeSpan('00:10'), 600_000);
  assert.equal(parseTimeSpan('1 hour'), undefined);
  assert.equal(parseTimeSpan('00:61:00'), undefined);
});

test("a return value's nested types", () => {
  const value = [
    { key: 's', value: { type: 'String', content: 'x' } },
    { key: 'n', value: { type: 'Null' } },
    {
      key: 'a',
      value: {
        type: 'Array',
        content: [
          { type: 'Int', content: 1 },
          { type: 'Boolean', content: true },
        ],
      },
    },
    { key: 'o', value: { type: 'Object', content: [{ key: 'k', value: { type: 'String', content: 'v' } }] } },
  ];
  assert.deepEqual(
    returnValue(value, (text) => text),
    { s: 'x', n: null, a: [1, true], o: { k: 'v' } },
  );
});

const activity = (name: string): ActivitySnapshot => ({
  name,
  type: 'Copy',
  dependsOn: [],
  policy: { timeout: 1, retry: 0, retryIntervalSeconds: 30, secureInput: false, secureOutput: false },
  typeProperties: {},
});

test('details are a table that stays short, with failures first', () => {
  const log = new RunLog();
  for (let i = 0; i < 60; i++) {
    const run = log.begin(activity(`c|${i}`), undefined, 0);
    if (i === 59) log.end(run, 5000, { status: 'Failed', error: { errorCode: 'X', message: 'a\nb' } });
    else log.end(run, 1000, { status: 'Succeeded', output: { rowsCopied: 336776 } });
  }
  const text = pipelineDetails('pl', log.runs(), 6000);
  const lines = text.split('\n');
  assert.equal(lines[4], '| ✖ | c 59 | Copy | 5 s | X: a b |');
  assert.ok(text.includes('| ✔ | c 0 | Copy | 1 s | 336,776 rows |'));
  assert.ok(lines.length < 50);
  assert.match(text, /and 20 more/);
});

test('outputs beyond the budget are left out of a result, runs are not', () => {
  const log = new RunLog();
  for (let i = 0; i < 10; i++) {
    const run = log.begin(activity(`c${i}`), undefined, 0);
    log.end(run, 1, { status: 'Succeeded', output: { text: 'x'.repeat(100_000) } });
  }
  const runs = log.runs();
  assert.equal(runs.length, 10);
  assert.ok(JSON.stringify(runs).length < 600_000);
  assert.ok(runs[0]?.output !== undefined);
  assert.equal(runs[9]?.output, undefined);
});

test('of very many runs the dull ones are left out, never a failure or the outermost', () => {
  const log = new RunLog();
  log.begin(activity('each'), undefined, 0);
  for (let i = 0; i < 20_000; i++) {
    const run = log.begin(activity('c'), String(i), 0);
    log.end(
      run,
      1,
      i === 5 ? { status: 'Failed', error: { errorCode: 'X', message: 'y' } } : { status: 'Succeeded' },
    );
  }
  const runs = log.runs();
  assert.equal(runs.length, 2000);
  assert.equal(runs[0]?.activityName, 'each');
  assert.equal(runs[1]?.status, 'Failed');
  assert.equal(runs.at(-1)?.item, '19999');
  assert.ok(JSON.stringify(runs).length < 1_000_000);
});
