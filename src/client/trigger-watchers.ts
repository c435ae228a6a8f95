// Which triggers watch a store by themselves: with what the workflow that does so begins.
import type { Settings } from '../config/settings.ts';
import type { WorkflowOf } from './trigger-keeper.ts';

/** Event triggers for which settings name a store to look into, BlobTriggers, and ChangeTriggers. */
export const watcherOf =
  (_settings: Settings): WorkflowOf =>
  () =>
    undefined;
