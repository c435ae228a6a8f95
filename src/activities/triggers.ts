// Activities of triggers' workflows that ask Temporal: how runs are doing, which windows of other triggers succeeded.
import type { TriggerActivities } from '../core/trigger/activities.ts';

/** The activities' implementation: asking twice is asking once. */
export function createTriggerActivities({ triggers }: { triggers: TriggerActivities }): TriggerActivities {
  return {
    runStates: (runs) => triggers.runStates(runs),
    windowsSucceeded: (input) => triggers.windowsSucceeded(input),
  };
}
