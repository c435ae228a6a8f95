// Which triggers watch a store by themselves: with what the workflow that does so begins.
import type { Settings } from '../config/settings.ts';
import type { WorkflowOf } from './trigger-keeper.ts';

/** BlobEventsTriggers for which settings name a store to look into. */
export const watcherOf =
  (settings: Pick<Settings, 'trigger'>): WorkflowOf =>
  (trigger) => {
    if (trigger.type !== 'BlobEventsTrigger') return undefined;
    const found = Object.entries(settings.trigger).find(
      ([name]) => name.toLowerCase() === trigger.name.toLowerCase(),
    );
    if (found === undefined) return undefined;
    const { linkedService, pollSeconds } = found[1];
    return { type: 'watchFiles', input: (started) => ({ started, linkedService, pollSeconds }) };
  };
