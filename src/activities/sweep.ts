// Finds copies whose workflow ended without cleaning up, and cleans up for them.
import type { CopyInput } from '../core/copy.ts';
import type { FindOrphansInput, OrphanedCopy, SweepActivities } from '../core/sweep.ts';
import { cleanUpCopy } from './copy/clean-up.ts';
import type { CopyDependencies } from './copy/endpoints.ts';
import { withHeartbeat } from './copy/heartbeat.ts';

/** What Temporal knows of copies. */
export interface CopyRuns {
  /** Runs that closed before `instant` and may have left something, newest first. */
  unclean(instant: Date): AsyncIterable<OrphanedCopy>;
  /** Whether nothing ran under the copy's id since: it is not running, and was neither done nor swept. */
  isLast(run: OrphanedCopy): Promise<boolean>;
  /** What the run was started with. */
  inputOf(run: OrphanedCopy): Promise<CopyInput>;
}

export interface SweepDependencies extends CopyDependencies {
  readonly runs: CopyRuns;
}

async function findOrphans(runs: CopyRuns, input: FindOrphansInput): Promise<OrphanedCopy[]> {
  const orphans = new Map<string, OrphanedCopy>();
  for await (const run of runs.unclean(new Date(Date.now() - input.olderThanSeconds * 1000))) {
    if (orphans.size === input.limit) break;
    if (!orphans.has(run.copyId) && (await runs.isLast(run))) orphans.set(run.copyId, run);
  }
  return [...orphans.values()].reverse();
}

export const createSweepActivities = (dependencies: SweepDependencies): SweepActivities => ({
  findOrphans: (input) =>
    withHeartbeat(
      () => 'looking',
      () => findOrphans(dependencies.runs, input),
    ),
  removeOrphan: async (orphan) => {
    await cleanUpCopy(dependencies, await dependencies.runs.inputOf(orphan));
  },
});
