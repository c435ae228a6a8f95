// The pure parts of runs: their log, their variables, slots, reruns, and Data Factory's records of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activityRunRecord, failureType, pipelineRunRecord } from '../../../src/core/pipeline/records.ts';
import { referredActivities } from '../../../src/core/pipeline/references.ts';
import { reuseOf } from '../../../src/core/pipeline/rerun.ts';
import { RunLog } from '../../../src/core/pipeline/run-log.ts';
import { SlotQueue } from '../../../src/core/pipeline/slots.ts';
import type { ActivitySnapshot, Dependency } from '../../../src/core/pipeline/snapshot.ts';
import { stableGuid } from '../../../src/core/pipeline/stable-id.ts';
import { parseTimeSpan, timeSpanText } from '../../../src/core/pipeline/time-span.ts';
import { Variables } from '../../../src/core/pipeline/variables.ts';
import type { ActivityRun } from '../../../src/core/run.ts';

const activity = (
  name: string,
  dependsOn: Dependency[] = [],
  blocks?: Record<string, ActivitySnapshot[]>,
): ActivitySnapshot => ({
  name,
  type: 'Wait',
  dependsOn,
  policy: { timeout: 1, retry: 0, retryIntervalSeconds: 30, secureInput: false, secureOutput: false },
  typeProperties: {},
  ...(blocks === undefined ? {} : { blocks }),
});

test('the log keeps what runs and what failed; of a long loop that went well, the last iterations', () => {
  const log = new RunLog();
  const loop = log.begin(activity('loop'), undefined, 0);
  for (let i = 0; i < 20_000; i++) {
    const run = log.begin(activity('inner'), String(i), i);
    log.end(
      run,
      i,
      i === 7 ? { status: 'Failed', error: { errorCode: 'E', message: 'm' } } : { status: 'Succeeded' },
    );
  }
  const runs = log.runs();
  assert.ok(runs.length <= 2000, `${runs.length}`);
  assert.equal(runs[0]?.activityName, loop.activityName);
  assert.ok(runs.some(({ item, status }) => item === '7' && status === 'Failed'));
  assert.equal(runs.at(-1)?.item, '19999');
  assert.equal(log.size, 20_001);
  assert.equal(log.size - log.unlisted >= runs.length, true);
});

test('a loop that fails everywhere still fits into a result: inputs, outputs and long messages go first', () => {
  const log = new RunLog();
  for (let i = 0; i < 30_000; i++) {
    const run = log.begin(activity('inner'), String(i), i);
    log.setInput(run, { text: 'x'.repeat(1000) });
    log.end(run, i, { status: 'Failed', error: { errorCode: 'E', message: 'm'.repeat(3000) } });
  }
  const text = JSON.stringify(log.runs());
  assert.ok(text.length < 1_900_000, `${text.length}`);
  assert.ok(log.runs().length <= 2000);
});

test('variables: appends cost no copy of the whole, what was read does not change, writes can be repeated', () => {
  const declared = { list: { type: 'Array' }, x: { type: 'String', defaultValue: 'old' } };
  const variables = new Variables(declared);
  variables.append('List', 1, 'a');
  const read = variables.get('list');
  variables.append('list', 2, 'loop');
  assert.deepEqual(read, [1]);
  const began = Date.now();
  for (let i = 0; i < 200_000; i++) variables.append('list', i, 'loop');
  assert.ok(Date.now() - began < 5_000);
  variables.set('x', 'new', 'b');
  variables.set('X', 'newer', 'b');
  variables.addReturnValue({ n: 1 }, 'c');
  variables.addReturnValue({ m: 2 }, 'c');
  assert.equal(variables.writes().length, 4);
  const again = new Variables(declared);
  again.repeat(variables.writes().filter(({ by }) => by !== 'loop'));
  assert.deepEqual(again.get('list'), [1]);
  assert.equal(again.get('x'), 'newer');
  assert.deepEqual(again.returnValue, { n: 1, m: 2 });
  assert.throws(() => again.append('x', 1, 'a'), { code: 'PARAMETER_INVALID' });
  // A child that goes on from values reports only its own writes.
  const child = new Variables(declared, variables.snapshot());
  child.append('list', 'c', 'loop');
  assert.deepEqual(child.writes(), [{ variable: 'list', by: 'loop', append: ['c'] }]);
  assert.equal((variables.get('list') as unknown[]).length, 200_002);
});

test('slots: first come, first served; asking twice takes one place; a smaller limit takes no slot away', () => {
  const queue = new SlotQueue({ limit: 1, holders: [], waiting: [] });
  const run = (runId: string): { workflowId: string; runId: string } => ({ workflowId: `w${runId}`, runId });
  for (const id of ['1', '2', '3', '2']) queue.request({ ...run(id), limit: 2 });
  assert.deepEqual(
    queue.grant().map(({ runId }) => runId),
    ['1', '2'],
  );
  assert.equal(queue.canGrant, false);
  // It has a slot, and asks again: it has not heard of it.
  queue.request({ ...run('1'), limit: 1 });
  assert.deepEqual(
    queue.grant().map(({ runId }) => runId),
    ['1'],
  );
  queue.release('2');
  assert.equal(queue.canGrant, false, 'the limit is one now');
  queue.release('1');
  assert.deepEqual(
    queue.grant().map(({ runId }) => runId),
    ['3'],
  );
  queue.release('3');
  assert.equal(queue.isEmpty, true);
  const continued = new SlotQueue({ limit: 1, holders: [run('a')], waiting: [run('b')] });
  continued.hold(run('b'));
  assert.deepEqual(continued.state().waiting, []);
});

test('a rerun keeps what succeeded and depends on nothing that runs again', () => {
  const on = (name: string, ...conditions: Dependency['conditions']): Dependency[] => [
    { activity: name, conditions },
  ];
  const activities = [
    activity('a'),
    activity('b', on('a', 'Succeeded')),
    activity('c', on('b', 'Failed')),
    activity('d', on('a', 'Succeeded')),
    activity('off', on('a', 'Succeeded')),
    activity('e', on('off', 'Skipped')),
    activity('loop', on('d', 'Succeeded'), { activities: [activity('inner')] }),
    activity('f', on('loop', 'Succeeded')),
  ];
  const run = (activityName: string, status: ActivityRun['status']): ActivityRun => ({
    activityName,
    activityType: 'Wait',
    status,
  });
  const earlier = {
    activities: [
      run('a', 'Succeeded'),
      run('b', 'Failed'),
      run('c', 'Succeeded'),
      run('d', 'Succeeded'),
      run('off', 'Inactive'),
      run('e', 'Succeeded'),
      run('loop', 'Succeeded'),
      run('f', 'Succeeded'),
    ],
    writes: [
      { variable: 'x', by: 'a', set: 1 },
      { variable: 'x', by: 'c', set: 2 },
    ],
  };
  const failed = reuseOf('failed', activities, earlier);
  assert.deepEqual([...failed.results.keys()], ['a', 'd', 'e', 'loop', 'f']);
  assert.deepEqual(failed.writes, [{ variable: 'x', by: 'a', set: 1 }]);
  const inner = reuseOf({ activity: 'INNER' }, activities, earlier);
  assert.deepEqual([...inner.results.keys()], ['a', 'd', 'e']);
  assert.throws(() => reuseOf({ activity: 'loup' }, activities, earlier), { code: 'REFERENCE_MISSING' });
});

test('references to activities are found without evaluating anything', () => {
  assert.deepEqual(
    referredActivities({
      a: "@activity('Look Up 1').output",
      b: ["@{Activity( 'it''s' ).status}", 'activity'],
    }),
    new Set(['look up 1', "it's"]),
  );
  assert.equal(referredActivities({ a: "@activity(variables('x')).output" }), 'all');
  assert.deepEqual(referredActivities({ a: "@concat('activity', 'x')" }), new Set());
});

test("records have Data Factory's fields and ids that are the same whenever they are made", () => {
  const entry: ActivityRun = {
    activityName: 'Copy1',
    activityType: 'Copy',
    item: 'flights',
    status: 'Failed',
    start: 1000,
    end: 3500,
    error: { errorCode: 'STORE_BUSY', message: 'later' },
    retryAttempt: 2,
  };
  const record = activityRunRecord({ pipelineName: 'pl', runId: 'r' }, entry);
  assert.deepEqual(record, {
    pipelineName: 'pl',
    pipelineRunId: 'r',
    activityName: 'Copy1',
    activityType: 'Copy',
    activityRunId: stableGuid('r', 'copy1', 'flights'),
    linkedServiceName: '',
    status: 'Failed',
    activityRunStart: '1970-01-01T00:00:01.000Z',
    activityRunEnd: '1970-01-01T00:00:03.500Z',
    durationInMs: 2500,
    input: null,
    output: null,
    error: {
      errorCode: 'STORE_BUSY',
      message: 'later',
      failureType: 'SystemError',
      target: 'Copy1',
      details: [],
    },
    retryAttempt: 2,
    iterationHash: record.iterationHash,
    userProperties: {},
    recoveryStatus: 'None',
    iteration: 'flights',
  });
  assert.match(record.iterationHash, /^[0-9a-f]{32}$/);
  assert.notEqual(stableGuid('a', 'b'), stableGuid('ab', ''));
  assert.equal(failureType('42'), 'UserError');
  assert.equal(failureType('toString'), 'UserError');
  const run = pipelineRunRecord({
    workflowId: 'pipeline/pl/k',
    runId: 'r',
    isLatest: true,
    input: { pipeline: 'pl', key: 'k', parameters: { n: 1, s: 'text', o: { a: [true] } }, trigger: 'client' },
    status: 'InProgress',
    start: 0,
    updated: 5,
  });
  assert.deepEqual(run.parameters, { n: '1', s: 'text', o: '{"a":[true]}' });
  assert.deepEqual(run.invokedBy, { id: 'Manual', name: 'Manual', invokedByType: 'Manual' });
  assert.deepEqual([run.runEnd, run.durationInMs, run.runGroupId], [null, null, 'r']);
});

test('time spans are written as they are read', () => {
  for (const text of ['00:00:00', '00:01:30', '23:59:59', '2.03:04:05'])
    assert.equal(timeSpanText(parseTimeSpan(text) ?? -1), text);
  assert.equal(timeSpanText(90_061), '00:01:30.061');
});
