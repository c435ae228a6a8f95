// What changes a migration's state: a comparison, a failed run, and what people ask for. Each refuses what makes no sense.
import { WINDOW_PATTERN } from '../lakehouse/window.ts';
import type {
  ApproveRequest,
  Comparison,
  DatasetState,
  DeclineRequest,
  MigrationPlan,
  MigrationState,
} from '../migration.ts';
import { nearestName } from '../nearest-name.ts';
import { comparedDatasets, isCutOver } from './next-step.ts';

/** Windows and reports that are remembered; a migration that needs more is none. */
const MOST_WINDOWS = 500;
const MOST_REPORTS = 20;
const MOST_TEXT = 1_000;

/** Takes over what a comparison of a window found, for each dataset that was compared. */
export function applyComparison(
  plan: MigrationPlan,
  state: MigrationState,
  window: string,
  found: readonly (Comparison & { readonly dataset: string })[],
  report: { readonly json: string; readonly html: string },
): void {
  const at = windowOf(state, window);
  at.comparisons += 1;
  at.due = false;
  state.reports = [...state.reports, { window, ...report }].slice(-MOST_REPORTS);
  for (const { dataset: name, ...comparison } of found) {
    const dataset = state.datasets.find((one) => one.name === name);
    if (dataset === undefined) continue;
    const isNew = !dataset.comparisons.some((one) => one.window === window);
    dataset.comparisons = [...dataset.comparisons.filter((one) => one.window !== window), comparison];
    if (!isCutOver(dataset.phase)) continue;
    if (!comparison.equal) {
      dataset.phase = 'rollingBack';
      dataset.reason = `window ${window}: ${comparison.reasons.join('; ')}`;
    } else if (isNew && at.purpose === 'watch') {
      dataset.good += 1;
      confirm(plan, dataset);
    }
  }
  decide(plan, state);
}

/** After all windows on trial: what is within tolerances is approved where that is how to approve; the rest waits. */
function decide(plan: MigrationPlan, state: MigrationState): void {
  if (state.windows.some((one) => one.purpose === 'trial' && one.comparisons === 0)) return;
  for (const dataset of state.datasets) {
    if (dataset.phase !== 'waiting' && dataset.phase !== 'compared') continue;
    dataset.phase = 'compared';
    if (plan.approval !== 'withinTolerances' || !inParity(dataset)) continue;
    dataset.phase = 'approved';
    dataset.decision = { by: 'tolerances', comment: '', forced: false };
  }
}

/** A dataset that has been watched for long enough needs no more windows. */
export function confirm(plan: MigrationPlan, dataset: DatasetState): void {
  if (dataset.phase === 'cutOver' && dataset.good >= plan.afterCutOver.windows) dataset.phase = 'confirmed';
}

/** A run on Databricks that fails leaves consumers of what was cut over without the window: they go back. */
export function applyFailedRun(state: MigrationState, window: string, message: string): void {
  for (const dataset of state.datasets) {
    if (!isCutOver(dataset.phase)) continue;
    dataset.phase = 'rollingBack';
    dataset.reason = `the run of window ${window} on Databricks failed: ${message}`.slice(0, MOST_TEXT);
  }
}

const inParity = ({ comparisons }: DatasetState): boolean =>
  comparisons.length > 0 && comparisons.every(({ equal }) => equal);

/** Why a request cannot be granted; undefined when it can. */
export type Refusal = string | undefined;

export function refuseApproval(state: MigrationState, { dataset, force }: ApproveRequest): Refusal {
  const found = datasetOf(state, dataset);
  if (typeof found === 'string') return found;
  if (found.phase !== 'compared')
    return found.phase === 'waiting'
      ? `${dataset} has not been compared over all windows yet.`
      : `${dataset} is ${found.phase}: there is nothing to approve.`;
  if (inParity(found) || force === true) return undefined;
  const differing = found.comparisons.filter(({ equal }) => !equal);
  return `${dataset} differs in ${differing.map(({ window, reasons }) => `window ${window} (${reasons.join('; ')})`).join(', ')}. Approve it with force where that is as it should be.`;
}

export function approve(state: MigrationState, { dataset, by, comment, force }: ApproveRequest): void {
  const found = state.datasets.find(({ name }) => name === dataset);
  if (found === undefined) return;
  found.phase = 'approved';
  found.decision = {
    by: by.slice(0, MOST_TEXT),
    comment: (comment ?? '').slice(0, MOST_TEXT),
    forced: force === true && !inParity(found),
  };
}

export function refuseRejection(state: MigrationState, { dataset, reason }: DeclineRequest): Refusal {
  const found = datasetOf(state, dataset);
  if (typeof found === 'string') return found;
  if (reason.trim() === '') return 'A rejection needs a reason.';
  if (isCutOver(found.phase) || found.phase === 'approved')
    return `${dataset} is ${found.phase}: roll it back instead.`;
  return found.phase === 'waiting' || found.phase === 'compared'
    ? undefined
    : `${dataset} is ${found.phase}: there is nothing to reject.`;
}

export function reject(state: MigrationState, { dataset, by, reason }: DeclineRequest): void {
  const found = state.datasets.find(({ name }) => name === dataset);
  if (found === undefined) return;
  found.phase = 'rejected';
  found.reason = `${by}: ${reason}`.slice(0, MOST_TEXT);
}

export function refuseRollBack(state: MigrationState, { dataset, reason }: DeclineRequest): Refusal {
  const found = datasetOf(state, dataset);
  if (typeof found === 'string') return found;
  if (reason.trim() === '') return 'A way back needs a reason.';
  return isCutOver(found.phase) || found.phase === 'approved'
    ? undefined
    : `${dataset} is ${found.phase}: consumers read it from EMR.`;
}

export function rollBack(state: MigrationState, { dataset, by, reason }: DeclineRequest): void {
  const found = state.datasets.find(({ name }) => name === dataset);
  if (found === undefined) return;
  found.phase = 'rollingBack';
  found.reason = `${by}: ${reason}`.slice(0, MOST_TEXT);
}

export function refuseWindow(state: MigrationState, { window }: { window: string }): Refusal {
  if (!WINDOW_PATTERN.test(window))
    return `"${window}" cannot be a window: letters, digits, ".", "_" and "-" only, at most 100.`;
  if (state.windows.some((one) => one.window === window)) return `Window ${window} is there already.`;
  return state.windows.length < MOST_WINDOWS ? undefined : `${MOST_WINDOWS} windows are the most.`;
}

/** Before anything is cut over a window is one more on trial; afterwards it is watched. */
export function addWindow(state: MigrationState, { window }: { window: string }): void {
  const watched = state.datasets.some(({ phase }) => isCutOver(phase));
  const undecided = state.datasets.some(({ phase }) => phase === 'waiting' || phase === 'compared');
  const purpose = watched || !undecided ? 'watch' : 'trial';
  state.windows.push({ window, purpose, comparisons: 0, due: false });
}

export function refuseComparison(state: MigrationState, { window }: { window: string }): Refusal {
  const found = state.windows.find((one) => one.window === window);
  if (found === undefined) {
    const known = state.windows.map((one) => one.window);
    return `There is no window ${window}. Windows: ${known.slice(-10).join(', ')}.`;
  }
  if (!found.emr || !found.databricks) return `Window ${window} has not been run on both sides yet.`;
  return comparedDatasets(state).length > 0 ? undefined : 'No dataset is left to compare.';
}

export function compareAgain(state: MigrationState, { window }: { window: string }): void {
  windowOf(state, window).due = true;
}

function datasetOf(state: MigrationState, name: string): DatasetState | string {
  const found = state.datasets.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = state.datasets.map((one) => one.name);
  const near = nearestName(name, names);
  return `There is no dataset "${name}". ${near === undefined ? `Datasets: ${names.join(', ')}.` : `Did you mean "${near}"?`}`;
}

export function windowOf(state: MigrationState, window: string): MigrationState['windows'][number] {
  const found = state.windows.find((one) => one.window === window);
  if (found === undefined) throw new Error(`no window ${window}`);
  return found;
}
