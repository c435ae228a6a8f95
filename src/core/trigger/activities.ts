// What the workflows of triggers ask of the world outside.
import type { JsonObject } from '../json.ts';
import type { ChangeTrigger, EventTrigger } from './trigger.ts';
import type { WatchState } from './watched-files.ts';

/** A run that a trigger has started. */
export interface RunOfTrigger {
  readonly workflowId: string;
  /** Absent: the newest of this workflow id. */
  readonly runId?: string;
}

export interface RunState {
  readonly status: 'Running' | 'Succeeded' | 'Failed' | 'Cancelled' | 'Missing';
  readonly runId: string;
}

/** Windows of a trigger that others wait for. ms since epoch, `to` not included. */
export interface WindowRange {
  readonly trigger: string;
  readonly from: number;
  readonly to: number;
}

export interface TriggerActivities {
  /** How the runs are doing, in their order. */
  runStates(runs: readonly RunOfTrigger[]): Promise<RunState[]>;
  /**
   * Whether all windows of each range have succeeded, in their order; false for a trigger that does not run yet. The
   * triggers tell `waiter` when that may have changed.
   */
  windowsSucceeded(input: {
    readonly waiter: string;
    readonly ranges: readonly WindowRange[];
  }): Promise<boolean[]>;
}

/** A look into a store for an event trigger. */
export interface FileLook {
  readonly trigger: EventTrigger;
  readonly linkedService: string;
  /** Absent for the first look, which only takes note of what is there. */
  readonly state?: WatchState;
}

export interface FoundFiles {
  /** Each with the key of its runs, and what `@trigger()` shows of it. */
  readonly files: readonly { readonly key: string; readonly context: JsonObject }[];
  readonly state: WatchState;
  readonly more: boolean;
}

export interface WatchActivities {
  /** Lists the files that the trigger is about, and tells which are new. Throws as the store does. */
  lookForFiles(look: FileLook): Promise<FoundFiles>;
}

export interface ChangeLook {
  readonly trigger: ChangeTrigger;
  /** Changes up to this version are handed over; null where none are. */
  readonly since: string | null;
}

export interface FoundChanges {
  /** The highest version that there is; null in a table without any. */
  readonly version: string | null;
  /** Whether anything of the table has changed after `since`, up to `version`. */
  readonly changed: boolean;
}

export interface ChangeActivities {
  /**
   * Throws SOURCE_CHANGED where versions went backwards or changes are gone, DEFINITION_INVALID or
   * DEFINITION_UNSUPPORTED where the store cannot tell, else as the store does.
   */
  lookForChanges(look: ChangeLook): Promise<FoundChanges>;
}
