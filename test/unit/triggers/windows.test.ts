// Windows of tumbling window triggers, and the memory of how they ended.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileTrigger } from '../../../src/core/trigger/compile.ts';
import { emptyLineage, Lineage } from '../../../src/core/trigger/lineage.ts';
import { type EndedStatus, WindowLog } from '../../../src/core/trigger/window-log.ts';
import {
  indexAt,
  type WindowPlan,
  windowAt,
  windowCount,
  windowsWithin,
} from '../../../src/core/trigger/windows.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const iso = (instant: number): string => new Date(instant).toISOString().slice(0, 16);

test('windows follow each other without a gap, and every instant lies in the window that indexAt names', () => {
  const plans: WindowPlan[] = [
    { frequency: 'Minute', interval: 15, start: Date.UTC(2026, 2, 28, 22, 5) },
    { frequency: 'Hour', interval: 24, start: Date.UTC(2026, 2, 28, 22) },
    { frequency: 'Month', interval: 1, start: Date.UTC(2023, 11, 31, 5) },
    { frequency: 'Month', interval: 3, start: Date.UTC(2024, 1, 29) },
  ];
  for (const plan of plans) {
    for (let index = 0; index < 400; index++) {
      const window = windowAt(plan, index);
      assert.equal(window.end, windowAt(plan, index + 1).start);
      assert.ok(window.end > window.start);
      for (const instant of [window.start, window.end - 1, (window.start + window.end) / 2])
        assert.equal(indexAt(plan, instant), index, `${plan.frequency} ${index} ${iso(instant)}`);
    }
  }
});

test('months keep the day of the start time, or take their last', () => {
  const plan: WindowPlan = { frequency: 'Month', interval: 1, start: Date.UTC(2024, 0, 31) };
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => iso(windowAt(plan, index).start).slice(0, 10)),
    ['2024-01-31', '2024-02-29', '2024-03-31', '2024-04-30'],
  );
});

test('no window ends after endTime; spans are cut to the windows there are', () => {
  const plan: WindowPlan = { frequency: 'Hour', interval: 2, start: 0, end: 7 * HOUR };
  assert.equal(windowCount(plan), 3);
  assert.equal(windowCount({ ...plan, end: 8 * HOUR }), 4);
  assert.deepEqual(windowsWithin(plan, -5 * HOUR, 3 * HOUR), { first: 0, end: 2 });
  assert.deepEqual(windowsWithin(plan, 2 * HOUR, 4 * HOUR), { first: 1, end: 2 });
  assert.deepEqual(windowsWithin(plan, 5 * HOUR, 99 * HOUR), { first: 2, end: 3 });
  assert.deepEqual(windowsWithin(plan, -9 * HOUR, -5 * HOUR), { first: 0, end: 0 });
});

test('the log of windows agrees with a plain map, whatever is set and cleared, and stays in ranges', () => {
  const log = new WindowLog();
  const plain = new Map<number, EndedStatus>();
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  for (let step = 0; step < 5_000; step++) {
    const index = random(60);
    if (random(4) === 0) {
      log.clear(index);
      plain.delete(index);
    } else {
      const status = (['Succeeded', 'Failed', 'Cancelled'] as const)[random(3)] ?? 'Failed';
      log.set(index, status);
      plain.set(index, status);
    }
    for (let at = 0; at < 60; at++) assert.equal(log.get(at), plain.get(at));
    const ranges = log.ranges();
    for (const [at, range] of ranges.entries()) {
      const before = ranges[at - 1];
      if (before !== undefined)
        assert.ok(
          before.to < range.from && !(before.to === range.from - 1 && before.status === range.status),
        );
    }
    const [from, to] = [random(60), random(60)].sort((a, b) => a - b) as [number, number];
    const all = Array.from({ length: to - from }, (_, at) => plain.get(from + at) === 'Succeeded').every(
      Boolean,
    );
    assert.equal(log.allSucceeded(from, to), all);
  }
  const long = new WindowLog();
  for (let index = 0; index < 100_000; index++) long.set(index, 'Succeeded');
  assert.deepEqual(long.ranges(), [{ from: 0, to: 99_999, status: 'Succeeded' }]);
});

test('what is no tumbling window is told; Data Factory’s defaults hold for what is left out', () => {
  const compiled = compileTrigger('tr', {
    type: 'TumblingWindowTrigger',
    typeProperties: { frequency: 'hour', interval: '24', startTime: '2026-01-01T00:00:00Z' },
  });
  assert.ok(compiled.trigger?.type === 'TumblingWindowTrigger');
  const { maxConcurrency, retry, delay, dependsOn } = compiled.trigger;
  assert.deepEqual([maxConcurrency, retry, delay, dependsOn], [50, { count: 0, intervalSeconds: 30 }, 0, []]);
  const wrong = compileTrigger('tr', {
    type: 'TumblingWindowTrigger',
    typeProperties: {
      frequency: 'Hour',
      startTime: 'soon',
      maxConcurrency: 51,
      delay: 'a while',
      dependsOn: [{ type: 'SelfDependencyTumblingWindowTriggerReference', offset: '01:00:00' }],
    },
  });
  assert.deepEqual(
    wrong.faults.map(({ path }) => path.slice(1).join('/')),
    ['startTime', 'delay', 'maxConcurrency', 'dependsOn/0/offset'],
  );
});

test('a lineage survives being written down at any moment', () => {
  const { trigger } = compileTrigger('tr', {
    type: 'TumblingWindowTrigger',
    typeProperties: { frequency: 'Hour', interval: 24, startTime: '2026-01-01T00:00:00Z', maxConcurrency: 3 },
  });
  assert.ok(trigger?.type === 'TumblingWindowTrigger');
  let lineage = new Lineage(trigger, emptyLineage(true));
  const now = Date.UTC(2026, 0, 1) + 40 * DAY;
  const begun: number[] = [];
  for (let step = 0; step < 200; step++) {
    lineage = new Lineage(trigger, JSON.parse(JSON.stringify(lineage.state())));
    const next = lineage.take(now);
    if (next === undefined) {
      const [oldest] = lineage.activeWindows();
      if (oldest === undefined) break;
      lineage.succeeded(oldest.index, now);
    } else {
      begun.push(next.window.index);
      assert.ok(lineage.activeWindows().length <= 3);
    }
  }
  assert.deepEqual(
    begun,
    Array.from({ length: 40 }, (_, index) => index),
  );
  assert.equal(lineage.wakeAt(), Date.UTC(2026, 0, 1) + 41 * DAY);
});
