// Activities that look at runs of pipelines from outside: who has a slot, what an earlier run has done.
import type { RerunActivities } from '../core/pipeline/rerun.ts';
import type { SlotActivities } from '../core/pipeline/slots.ts';

/** What the activities ask of Temporal; the same shapes as the activities themselves. */
export type RunRegistry = SlotActivities & RerunActivities;

/** The activities' implementation: asking twice is asking once. */
export function createRunActivities({ runs }: { runs: RunRegistry }): SlotActivities & RerunActivities {
  return {
    requestSlot: (request) => runs.requestSlot(request),
    endedRuns: (references) => runs.endedRuns(references),
    runsWithSlot: (pipeline) => runs.runsWithSlot(pipeline),
    loadEarlierRun: (run) => runs.loadEarlierRun(run),
  };
}
