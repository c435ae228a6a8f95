// Dependency conditions and Data Factory's outcome rule. Pure logic over names and statuses.
import type { ActivitySnapshot, DependencyCondition } from './snapshot.ts';

/** How an activity ended, for the activities that depend on it. */
export type Ending = 'Succeeded' | 'Failed' | 'Skipped';

type Node = Pick<ActivitySnapshot, 'name' | 'dependsOn'>;

/** "Completed" is Succeeded or Failed; a skipped activity did not complete. */
const meets = (condition: DependencyCondition, ending: Ending): boolean =>
  condition === 'Completed' ? ending !== 'Skipped' : condition === ending;

/**
 * What to do with an activity now: wait for a dependency, run it, or skip it because a dependency ended otherwise.
 * All dependencies must hold (AND); the conditions of one dependency are alternatives (OR).
 */
export function readiness(activity: Node, endings: ReadonlyMap<string, Ending>): 'wait' | 'run' | 'skip' {
  let verdict: 'run' | 'skip' = 'run';
  for (const dependency of activity.dependsOn) {
    const ending = endings.get(dependency.activity);
    if (ending === undefined) return 'wait';
    if (!dependency.conditions.some((condition) => meets(condition, ending))) verdict = 'skip';
  }
  return verdict;
}

/**
 * The activities that make a block fail; none means it succeeded. Every leaf is evaluated; where a leaf was skipped its
 * parents are evaluated instead, and so on upwards (Microsoft: "Pipeline failure and error message").
 */
export function failedLeaves(activities: readonly Node[], endings: ReadonlyMap<string, Ending>): string[] {
  const byName = new Map(activities.map((activity) => [activity.name, activity]));
  const parents = new Set(
    activities.flatMap((activity) => activity.dependsOn.map(({ activity: name }) => name)),
  );
  const failed = new Set<string>();
  const seen = new Set<string>();
  const evaluate = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const ending = endings.get(name);
    if (ending === 'Failed') failed.add(name);
    if (ending !== 'Skipped') return;
    for (const dependency of byName.get(name)?.dependsOn ?? []) evaluate(dependency.activity);
  };
  for (const activity of activities) if (!parents.has(activity.name)) evaluate(activity.name);
  return [...failed];
}

/** The names along one cycle of dependencies, first name repeated at the end; undefined when there is none. */
export function findCycle(activities: readonly Node[]): string[] | undefined {
  const byName = new Map(activities.map((activity) => [activity.name, activity]));
  const state = new Map<string, 'open' | 'done'>();
  for (const root of activities) {
    // An explicit stack: a chain of thousands of activities must not overflow.
    const path: { name: string; next: number }[] = [{ name: root.name, next: 0 }];
    if (state.has(root.name)) continue;
    state.set(root.name, 'open');
    while (path.length > 0) {
      const top = path[path.length - 1] as { name: string; next: number };
      const dependency = byName.get(top.name)?.dependsOn[top.next++]?.activity;
      if (dependency === undefined) {
        state.set(top.name, 'done');
        path.pop();
      } else if (state.get(dependency) === 'open') {
        const from = path.findIndex(({ name }) => name === dependency);
        return [...path.slice(from).map(({ name }) => name), dependency];
      } else if (!state.has(dependency) && byName.has(dependency)) {
        state.set(dependency, 'open');
        path.push({ name: dependency, next: 0 });
      }
    }
  }
  return undefined;
}
