// Triggers as they run: what a definition says, read into one form per kind.
import type { JsonObject } from '../json.ts';
import type { Recurrence } from './recurrence.ts';
import type { WindowPlan } from './windows.ts';

/** A pipeline that a trigger starts. */
export interface TriggeredPipeline {
  readonly pipeline: string;
  /** With expressions over `@trigger()`, `@triggerBody()` and global parameters. */
  readonly parameters: JsonObject;
}

interface Common {
  readonly name: string;
  readonly pipelines: readonly TriggeredPipeline[];
  /** As the definition says. What Temporal holds counts more. */
  readonly runtimeState: 'Started' | 'Stopped';
}

export interface ScheduleTrigger extends Common {
  readonly type: 'ScheduleTrigger';
  readonly recurrence: Recurrence;
}

/** Windows that a window waits for, all of which must have succeeded. Times in ms. */
export interface WindowDependency {
  /** Absent: the trigger itself. */
  readonly trigger?: string;
  /** From the start of the window that waits to the start of the range it waits for. */
  readonly offset: number;
  /** Length of that range; absent: that of the window. */
  readonly size?: number;
}

export interface TumblingWindowTrigger extends Common {
  readonly type: 'TumblingWindowTrigger';
  readonly plan: WindowPlan;
  /** ms after a window's end at which it may begin. */
  readonly delay: number;
  readonly maxConcurrency: number;
  readonly retry: { readonly count: number; readonly intervalSeconds: number };
  readonly dependsOn: readonly WindowDependency[];
}

/** Data Factory's record of windows that are to run again; waybill takes it as an order to do so when applied. */
export interface RerunTumblingWindowTrigger extends Common {
  readonly type: 'RerunTumblingWindowTrigger';
  readonly parentTrigger: string;
  /** ms since epoch: windows that begin in here. */
  readonly from: number;
  readonly to: number;
  readonly rerunConcurrency: number;
}

/** Fired by the HTTP door, or by looking into the store that settings name. */
export interface EventTrigger extends Common {
  readonly type: 'BlobEventsTrigger' | 'CustomEventsTrigger';
  /** As written. */
  readonly typeProperties: JsonObject;
}

/** Waits for changes of a table. waybill's own. */
export interface ChangeTrigger extends Common {
  readonly type: 'ChangeTrigger';
  readonly linkedService: string;
  /** With mode stream: the stream. */
  readonly table: { readonly schema?: string; readonly table: string };
  readonly mode: 'changeTracking' | 'stream' | 'watermark';
  /** The watermark. */
  readonly column?: string;
  readonly pollSeconds: number;
  /** Whether the first change set is all that is there. */
  readonly snapshotFirst: boolean;
  readonly retry: TumblingWindowTrigger['retry'];
}

export type CompiledTrigger =
  | ScheduleTrigger
  | TumblingWindowTrigger
  | RerunTumblingWindowTrigger
  | EventTrigger
  | ChangeTrigger;

/** What expressions in a trigger's parameters see of the factory. */
export interface FactoryFacts {
  readonly dataFactory: string;
  readonly globalParameters: JsonObject;
}

/** The id of a trigger's schedule or workflow, whichever keeps it. */
export const triggerId = (name: string): string => `trigger/${name}`;
