// A migration's state, step by step: what comes next, and what may be asked for when.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addWindow,
  applyComparison,
  applyFailedRun,
  approve,
  refuseApproval,
  refuseRejection,
  refuseRollBack,
  refuseWindow,
  rollBack,
} from '../../src/core/migration/changes.ts';
import { initialState, nextStep } from '../../src/core/migration/next-step.ts';
import type { Comparison, MigrationPlan, MigrationState, SideRun } from '../../src/core/migration.ts';

const plan = {
  windows: ['1', '2'],
  datasets: [{ name: 'a' }, { name: 'b' }],
  approval: 'manual',
  afterCutOver: { windows: 2 },
} as unknown as MigrationPlan;

const run: SideRun = { workflowId: 'w', ours: true, seconds: 1, stages: [] };

function begun(): MigrationState {
  const state = initialState(plan);
  return Object.assign(state, { begun: true, replicated: true, job: { id: 1, name: 'j', created: true } });
}

/** Runs and compares a window; `different` names datasets that differ. */
function compared(state: MigrationState, window: string, different: string[] = [], by = plan): void {
  const at = state.windows.find((one) => one.window === window);
  assert.ok(at);
  Object.assign(at, { emr: run, databricks: run });
  const found = ['a', 'b'].map((dataset): Comparison & { dataset: string } => ({
    ...{ dataset, window, rows: { emr: 1, databricks: 1 }, missing: 0, extra: 0, differing: 0 },
    equal: !different.includes(dataset),
    reasons: different.includes(dataset) ? ['it differs'] : [],
    named: { missing: [], extra: [], differing: [] },
  }));
  applyComparison(by, state, window, found, { json: 'j', html: 'h' });
}

const step = (state: MigrationState): string => Object.values(nextStep(state)).join(' ');

test('everything in its order', () => {
  const state = initialState(plan);
  assert.equal(step(state), 'begin');
  state.begun = true;
  assert.equal(step(state), 'replicate');
  state.replicated = true;
  assert.equal(step(state), 'job');
  state.job = { id: 1, name: 'j', created: true };
  assert.equal(step(state), 'emr 1');
  Object.assign(state.windows[0] ?? {}, { emr: run });
  assert.equal(step(state), 'databricks 1');
  Object.assign(state.windows[0] ?? {}, { databricks: run });
  assert.equal(step(state), 'compare 1');
  compared(state, '1');
  assert.equal(step(state), 'emr 2');
  assert.equal(state.datasets[0]?.phase, 'waiting');
  compared(state, '2');
  assert.equal(state.datasets[0]?.phase, 'compared');
  assert.equal(step(state), 'wait decision');
  approve(state, { dataset: 'a', by: 'x' });
  assert.equal(step(state), 'cutOver a');
});

test('a way back goes before all else, a problem before more work', () => {
  const state = begun();
  state.problem = { step: 's', code: 'C', message: 'm' };
  assert.equal(step(state), 'wait resume');
  Object.assign(state.datasets[0] ?? {}, { phase: 'cutOver' });
  applyFailedRun(state, '1', 'no capacity');
  assert.equal(step(state), 'rollBack a');
  assert.match(state.datasets[0]?.reason ?? '', /window 1 on Databricks failed: no capacity/);
});

test('windows after the cut-over count once each, and only in parity', () => {
  const state = begun();
  compared(state, '1');
  compared(state, '2');
  for (const dataset of state.datasets) dataset.phase = 'cutOver';
  assert.equal(step(state), 'wait window');
  addWindow(state, { window: '3' });
  compared(state, '3');
  compared(state, '3');
  assert.deepEqual(
    state.datasets.map(({ good }) => good),
    [1, 1],
  );
  addWindow(state, { window: '4' });
  compared(state, '4', ['b']);
  assert.deepEqual(
    state.datasets.map(({ phase }) => phase),
    ['confirmed', 'rollingBack'],
  );
  assert.equal(state.datasets[1]?.reason, 'window 4: it differs');
});

test('what is confirmed and breaks goes back, too', () => {
  const state = begun();
  for (const dataset of state.datasets) dataset.phase = 'confirmed';
  compared(state, '1', ['a']);
  assert.deepEqual(
    state.datasets.map(({ phase }) => phase),
    ['rollingBack', 'confirmed'],
  );
});

test('by tolerances, only what is in parity over all windows', () => {
  const byTolerances = { ...plan, approval: 'withinTolerances' } as MigrationPlan;
  const state = begun();
  compared(state, '1', ['b'], byTolerances);
  compared(state, '2', [], byTolerances);
  assert.deepEqual(
    state.datasets.map(({ phase }) => phase),
    ['approved', 'compared'],
  );
});

test('a window more is on trial before the decision, and watched after it', () => {
  const state = begun();
  addWindow(state, { window: '3' });
  assert.equal(state.windows.at(-1)?.purpose, 'trial');
  for (const dataset of state.datasets) dataset.phase = 'cutOver';
  addWindow(state, { window: '4' });
  assert.equal(state.windows.at(-1)?.purpose, 'watch');
  assert.match(refuseWindow(state, { window: '4' }) ?? '', /there already/);
  assert.match(refuseWindow(state, { window: '../4' }) ?? '', /cannot be a window/);
});

test('what makes no sense is refused', () => {
  const state = begun();
  const by = 'x';
  assert.match(refuseApproval(state, { dataset: 'a', by }) ?? '', /not been compared/);
  compared(state, '1', ['a']);
  compared(state, '2');
  assert.match(refuseApproval(state, { dataset: 'a', by }) ?? '', /differs in window 1 \(it differs\)/);
  assert.equal(refuseApproval(state, { dataset: 'a', by, force: true }), undefined);
  assert.match(refuseApproval(state, { dataset: 'c', by }) ?? '', /no dataset "c"/);
  assert.match(refuseRollBack(state, { dataset: 'a', by, reason: 'r' }) ?? '', /from EMR/);
  approve(state, { dataset: 'b', by });
  assert.match(refuseRejection(state, { dataset: 'b', by, reason: 'r' }) ?? '', /roll it back/);
  assert.equal(refuseRollBack(state, { dataset: 'b', by, reason: 'r' }), undefined);
  rollBack(state, { dataset: 'b', by, reason: 'r' });
  assert.equal(step(state), 'rollBack b');
  assert.match(refuseRejection(state, { dataset: 'a', by, reason: ' ' }) ?? '', /needs a reason/);
});
