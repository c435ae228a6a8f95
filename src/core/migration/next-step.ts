// What a migration does next, from its state alone: the same in a replay, after a crash, and after it continued as new.
import type { DatasetPhase, MigrationPlan, MigrationState } from '../migration.ts';

export type MigrationStep =
  | { readonly kind: 'begin' | 'replicate' | 'job' }
  | { readonly kind: 'emr' | 'databricks' | 'compare'; readonly window: string }
  | { readonly kind: 'cutOver' | 'rollBack'; readonly dataset: string }
  | { readonly kind: 'wait'; readonly for: 'resume' | 'decision' | 'window' }
  | { readonly kind: 'done' };

/** Phases in which a dataset is still compared. */
const COMPARED: readonly DatasetPhase[] = [
  'waiting',
  'compared',
  'approved',
  'cutOver',
  'confirmed',
  'rollingBack',
];

/** Whether consumers read the dataset from Databricks. */
export const isCutOver = (phase: DatasetPhase): boolean => phase === 'cutOver' || phase === 'confirmed';

/** Datasets that are to be compared. */
export const comparedDatasets = (state: MigrationState): string[] =>
  state.datasets.filter(({ phase }) => COMPARED.includes(phase)).map(({ name }) => name);

/** The next step. Ways back go before all else, ways forward before more work. */
export function nextStep(state: MigrationState): MigrationStep {
  if (!state.begun) return state.problem ? { kind: 'wait', for: 'resume' } : { kind: 'begin' };
  const backwards = state.datasets.find(({ phase }) => phase === 'rollingBack');
  if (backwards) return { kind: 'rollBack', dataset: backwards.name };
  if (state.problem) return { kind: 'wait', for: 'resume' };
  if (!state.replicated) return { kind: 'replicate' };
  if (!state.job) return { kind: 'job' };
  const approved = state.datasets.find(({ phase }) => phase === 'approved');
  if (approved) return { kind: 'cutOver', dataset: approved.name };
  if (comparedDatasets(state).length === 0) return { kind: 'done' };
  const watched = state.datasets.some(({ phase }) => phase === 'cutOver');
  for (const one of state.windows) {
    const { window } = one;
    // A window to watch by is worth two runs only where something is watched.
    if (one.purpose === 'watch' && one.comparisons === 0 && !watched) continue;
    if (!one.emr) return { kind: 'emr', window };
    if (!one.databricks) return { kind: 'databricks', window };
    if (one.comparisons === 0 || one.due) return { kind: 'compare', window };
  }
  if (state.datasets.some(({ phase }) => phase === 'waiting' || phase === 'compared'))
    return { kind: 'wait', for: 'decision' };
  return watched ? { kind: 'wait', for: 'window' } : { kind: 'done' };
}

/** The state that a migration begins with. */
export function initialState(plan: MigrationPlan): MigrationState {
  return {
    begun: false,
    replicated: false,
    windows: plan.windows.map((window) => ({ window, purpose: 'trial', comparisons: 0, due: false })),
    datasets: plan.datasets.map(({ name }) => ({
      name,
      phase: 'waiting',
      comparisons: [],
      generation: 0,
      good: 0,
    })),
    reports: [],
  };
}
