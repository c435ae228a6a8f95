// What is said to and by the workflows of triggers: names of signals, updates and queries, and their contents.
import type { JsonObject } from '../json.ts';
import type { ChangeState } from './change-set.ts';
import type { LineageState } from './lineage.ts';
import type {
  ChangeTrigger,
  CompiledTrigger,
  EventTrigger,
  FactoryFacts,
  TumblingWindowTrigger,
} from './trigger.ts';
import type { WatchState } from './watched-files.ts';

/** Memo of a trigger's workflow: a TriggerMemo, which can be read when no worker answers. */
export const TRIGGER_MEMO = 'waybillTrigger';

export interface TriggerMemo {
  readonly started: boolean;
  readonly trigger: CompiledTrigger;
  readonly facts: FactoryFacts;
  /** Why it does not go on, where something keeps it from doing so. */
  readonly fault?: string;
}

/** Signal: another definition, or another state. What cannot change stays as it is. */
export const CONFIGURE = 'configureTrigger';
export interface ConfigureTrigger {
  readonly trigger?: CompiledTrigger;
  readonly facts?: FactoryFacts;
  readonly started?: boolean;
}

/** Update: as the signal, but refused where a window's bounds would change. Gives what holds now. */
export const EDIT = 'editTrigger';

/** Updates: windows that begin in a span of time, `to` not included. */
export const RERUN_WINDOWS = 'rerunWindows';
export const CANCEL_WINDOWS = 'cancelWindows';
export interface WindowSpan {
  /** ISO 8601. */
  readonly from: string;
  readonly to: string;
}

/** Signals between triggers of which one waits for the other's windows. */
export const WATCH_WINDOWS = 'watchWindows';
export const WINDOWS_CHANGED = 'windowsChanged';

/** Query of a TumblingWindowView. */
export const WINDOWS = 'windows';
/** Query: whether all windows of each span (ms, `to` not included) have succeeded. */
export const HAVE_SUCCEEDED = 'haveSucceeded';

/** Input of the workflow `tumblingWindow`. */
export interface TumblingWindowInput {
  readonly trigger: TumblingWindowTrigger;
  readonly facts: FactoryFacts;
  readonly state: LineageState;
}

/** A window as it is shown. Times are ISO 8601. */
export interface WindowView {
  readonly windowStartTime: string;
  readonly windowEndTime: string;
  readonly status:
    | 'Waiting'
    | 'WaitingOnDependency'
    | 'Running'
    | 'Retrying'
    | 'Succeeded'
    | 'Failed'
    | 'Cancelled';
  readonly attempt: number;
  readonly start?: string;
  readonly end?: string;
  readonly runId?: string;
  readonly message?: string;
}

/** Answer of the query `windows`. */
export interface TumblingWindowView {
  readonly trigger: string;
  readonly type: 'TumblingWindowTrigger';
  readonly runtimeState: 'Started' | 'Stopped';
  readonly maxConcurrency: number;
  /** How many ended, and how. */
  readonly counts: { readonly Succeeded: number; readonly Failed: number; readonly Cancelled: number };
  /** Start of the next window that has not been looked at; absent when there is none left. */
  readonly nextWindowStartTime?: string;
  /** Those that go on, wait or have ended lately, oldest first. */
  readonly windows: readonly WindowView[];
  /** All that ended, as spans of windows that ended alike. */
  readonly ended: readonly {
    readonly from: string;
    readonly to: string;
    readonly windows: number;
    readonly status: string;
  }[];
}

/** Input of the workflow `startTriggered`: one firing of a trigger. */
export interface StartTriggeredInput {
  readonly trigger: CompiledTrigger;
  readonly facts: FactoryFacts;
  /** Whether the schedule also fires at times that are not due, which are then let pass. */
  readonly filter: boolean;
  /** Set where a person or an event fires it: a key of its own, and what `@trigger()` shows. */
  readonly firing?: { readonly key: string; readonly context: JsonObject };
}

/** Its result. */
export interface StartTriggeredOutput {
  readonly status: 'Succeeded' | 'NotDue';
  readonly scheduledTime?: string;
  /** Run ids by pipeline. */
  readonly triggeredPipelines: Record<string, string>;
}

/** Input of the workflow `watchFiles`. */
export interface WatchFilesInput {
  readonly trigger: EventTrigger;
  readonly facts: FactoryFacts;
  readonly started: boolean;
  readonly linkedService: string;
  readonly pollSeconds: number;
  /** Set when it continues as new. */
  readonly state?: WatchState;
}

/** Input of the workflow `watchChanges`. */
export interface WatchChangesInput {
  readonly trigger: ChangeTrigger;
  readonly facts: FactoryFacts;
  readonly started: boolean;
  /** Set when it continues as new. */
  readonly state?: ChangeState;
}
