// What of an earlier run a rerun keeps, and what it does again.
import { WaybillError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import { nearestName } from '../nearest-name.ts';
import type { ActivityRun, Rerun } from '../run.ts';
import type { ActivitySnapshot } from './snapshot.ts';
import type { VariableWrite } from './variables.ts';

/** What a run tells of itself to its rerun: the answer of the query `resume`. */
export interface EarlierRun {
  /** The activities of the outermost block, with their outputs. */
  readonly activities: ActivityRun[];
  readonly writes: readonly VariableWrite[];
}

/** The activity that reads an earlier run. */
export interface RerunActivities {
  /**
   * Asks a run, also a closed one, what it has done: an EarlierRun, sealed where an activity of it hides its output.
   * Throws OBJECT_MISSING where Temporal knows it no more.
   */
  loadEarlierRun(run: {
    readonly workflowId: string;
    readonly runId: string;
  }): Promise<EarlierRun | JsonObject>;
}

/** What a rerun takes over. */
export interface Reuse {
  /** By lower-case name. */
  readonly results: ReadonlyMap<string, ActivityRun>;
  readonly writes: readonly VariableWrite[];
}

/**
 * Keeps what succeeded and depends on nothing that is done again. Containers are kept or done again whole, as in Data
 * Factory; variables are as the kept activities left them. Throws REFERENCE_MISSING for an activity that is not there.
 */
export function reuseOf(
  from: Exclude<Rerun['from'], 'all'>,
  activities: readonly ActivitySnapshot[],
  earlier: EarlierRun,
): Reuse {
  const succeeded = new Map(
    earlier.activities
      .filter(({ status }) => status === 'Succeeded')
      .map((run) => [run.activityName.toLowerCase(), run]),
  );
  // What was skipped or switched off did nothing, and is judged anew anyway: it is no reason to repeat what follows it.
  const passed = new Set(
    earlier.activities
      .filter(({ status }) => status === 'Skipped' || status === 'Inactive')
      .map(({ activityName }) => activityName.toLowerCase()),
  );
  const again = new Set(
    activities
      .filter(({ name }) => !succeeded.has(name.toLowerCase()) && !passed.has(name.toLowerCase()))
      .map(({ name }) => name),
  );
  if (typeof from === 'object') again.add(outermost(from.activity, activities));
  for (let grown = true; grown; ) {
    grown = false;
    for (const { name, dependsOn } of activities) {
      if (again.has(name) || !dependsOn.some(({ activity }) => again.has(activity))) continue;
      again.add(name);
      grown = true;
    }
  }
  const kept = activities
    .filter(({ name }) => !again.has(name) && succeeded.has(name.toLowerCase()))
    .map(({ name }) => name.toLowerCase());
  return {
    results: new Map(kept.map((name) => [name, succeeded.get(name) as ActivityRun])),
    writes: earlier.writes.filter(({ by }) => kept.includes(by.toLowerCase())),
  };
}

/** The activity of the outermost block that is, or holds, the named one. */
function outermost(wanted: string, activities: readonly ActivitySnapshot[]): string {
  const names: string[] = [];
  const holds = (activity: ActivitySnapshot): boolean => {
    names.push(activity.name);
    return (
      activity.name.toLowerCase() === wanted.toLowerCase() ||
      Object.values(activity.blocks ?? {}).some((block) => block.some(holds))
    );
  };
  const found = activities.find(holds);
  if (found !== undefined) return found.name;
  const near = nearestName(wanted, names);
  throw new WaybillError(
    'REFERENCE_MISSING',
    `The pipeline has no activity "${wanted}".${near === undefined ? '' : ` The nearest name is "${near}".`}`,
    { activity: wanted },
  );
}
