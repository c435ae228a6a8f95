// Runs of pipelines and lakehouse pipelines as the client sees them: inputs, results, progress.
import type { JsonObject, JsonValue } from './json.ts';
import type { LakehouseVariant } from './lakehouse.ts';
import type { AlertKind, AlertSeverity } from './monitoring/alert.ts';
import type { BudgetState, RunCost } from './monitoring/cost.ts';

/** Input of the workflow `runPipeline`. */
export interface RunPipelineInput {
  readonly pipeline: string;
  /** Logical key of the run: last part of the workflow id. */
  readonly key: string;
  readonly parameters: JsonObject;
  /** What started it: a trigger's name, or "client". */
  readonly trigger: string;
  /** Values for `@trigger()` and `@triggerBody()`, where a trigger started it. */
  readonly triggerContext?: JsonObject;
  readonly windowStart?: string;
  /** The run whose Execute Pipeline activity started this one. */
  readonly invokedBy?: PipelineInvocation;
  /** Values for the run's dimensions, as Data Factory's monitoring filters by them. */
  readonly runDimensions?: JsonObject;
  /** Events of history after which loops go on in children: 2000 unless set, four times as many in a child. */
  readonly historyEvents?: number;
  /** Set on a rerun: the run it repeats, under the same workflow id, and what of it counts again. */
  readonly rerun?: Rerun;
}

/** Where an Execute Pipeline activity stands. */
export interface PipelineInvocation {
  readonly pipeline: string;
  readonly runId: string;
  readonly workflowId: string;
}

/** How much of an earlier run is done again. */
export interface Rerun {
  /** Temporal's run id of the run that is repeated, which is ADF's runId. */
  readonly runId: string;
  /** The first run of the group: ADF's runGroupId. */
  readonly groupId: string;
  /**
   * 'all': everything anew. 'failed': what did not succeed, and all that depends on it. `{ activity }`: that activity,
   * what did not succeed, and all that depends on either.
   */
  readonly from: 'all' | 'failed' | { readonly activity: string };
}

export type ActivityStatus =
  | 'Queued'
  | 'InProgress'
  | 'Succeeded'
  | 'Failed'
  | 'Cancelled'
  | 'Skipped'
  | 'Inactive';

/** One activity's run within a pipeline, ADF's ActivityRun in short. Times are ms since epoch (workflow time). */
export interface ActivityRun {
  readonly activityName: string;
  readonly activityType: string;
  /** The iterations it is in, outermost first, as in child workflow ids: "flights", "flights/2". */
  readonly item?: string;
  readonly status: ActivityStatus;
  readonly start?: number;
  readonly end?: number;
  /** Evaluated; absent where `secureInput` hides it. */
  readonly input?: JsonValue;
  readonly output?: JsonValue;
  readonly error?: ActivityRunError;
  /** Evaluated `userProperties`. */
  readonly userProperties?: JsonObject;
  /** Further attempts that `policy.retry` allowed and that were made; absent where the first one sufficed. */
  readonly retryAttempt?: number;
  /** Its output is hidden (secureOutput): what holds this run with its output travels sealed. */
  readonly secure?: true;
  /** Workflow id of the child that did it, where there is one (Copy, ExecutePipeline). */
  readonly workflowId?: string;
  /** Workflow ids of the children that ran a long loop's iterations, a slice each; their runs are listed there. */
  readonly slices?: string[];
  /** Set where a rerun took the result over: the run that it comes from. */
  readonly reusedFrom?: string;
}

export interface ActivityRunError {
  readonly errorCode: string;
  readonly message: string;
  /** Facts that came with the failure: names, ranges, counts. */
  readonly details?: JsonValue;
}

/** Result of `runPipeline`. */
export interface RunPipelineOutput {
  readonly status: 'Succeeded';
  readonly activityRuns: ActivityRun[];
  readonly returnValue: JsonObject;
}

/** First detail of the failure ACTIVITY_FAILED that a pipeline ends with. */
export interface FailedActivity {
  readonly pipeline: string;
  readonly activity: string;
  readonly errorCode: string;
  /** The activity's own message. Absent in histories of version 0.1. */
  readonly reason?: string;
}

/** Second detail of that failure: the runs as they can be read when no worker answers. */
export interface FailedRunDetails {
  readonly activityRuns: ActivityRun[];
  readonly parameters?: JsonObject;
}

/** Memo of a cancelled run: its FailedRunDetails. */
export const RUNS_MEMO = 'waybillRuns';

/** Answer of the query `progress` on `runPipeline`. */
export interface PipelineProgress {
  readonly kind: 'pipeline';
  readonly pipeline: string;
  /** Queued: it waits for a slot, because the pipeline's `concurrency` allows no further run. */
  readonly status: 'Queued' | 'InProgress' | 'Succeeded' | 'Failed' | 'Cancelling' | 'Cancelled';
  readonly activities: ActivityRun[];
  /** The parameters with their defaults, once the definition is loaded. */
  readonly parameters?: JsonObject;
}

/** Input of the workflow `runLakehouse`. */
export interface RunLakehouseInput {
  readonly name: string;
  /** Logical window, such as "2013" or "2026-11-22"; last part of the workflow id. */
  readonly window: string;
  readonly parameters: JsonObject;
  readonly trigger: string;
  /** ISO 8601: the run's moment, where it is not the one at which it begins. */
  readonly triggerTime?: string;
  /** Set by a migration: what makes the definition one for Databricks. */
  readonly variant?: LakehouseVariant;
}

export type StageName = 'ingest' | 'process' | 'load' | 'serve' | 'optimize';

/** One table's figures after a stage, as the engine that wrote it counted them. */
export interface TableReport {
  readonly table: string;
  readonly rows: number;
  readonly bytes?: number;
  readonly files?: number;
}

/** One statement about the result that is either true or not. */
export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly detail: string;
}

export interface StageReport {
  readonly stage: StageName;
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'compensated';
  /** ms since epoch (workflow time); absent until it began or ended. */
  readonly start?: number;
  readonly end?: number;
  /** What it is doing now, in a few words: "j-2AXX running, step 2 of 3 silver". */
  readonly doing: string;
  readonly tables: TableReport[];
  readonly checks: Check[];
  /** Workflow ids of children. */
  readonly children: string[];
}

/** Answer of the query `progress` on `runLakehouse`. */
export interface LakehouseProgress {
  readonly kind: 'lakehouse';
  readonly name: string;
  readonly window: string;
  readonly status: 'InProgress' | 'Succeeded' | 'Failed' | 'Cancelled';
  readonly stages: StageReport[];
  readonly cluster?: { readonly id: string; readonly state: string };
  /** What its clusters have cost so far; final once the run has ended. */
  readonly cost?: RunCost;
  /** `paused`: it waits for the update `resumeBudget`. */
  readonly budget?: BudgetState | 'paused';
  readonly alerts?: readonly ToldAlert[];
  /** What supervision could not do, in words. */
  readonly notes?: readonly string[];
}

/** An alert that a run has raised. */
export interface ToldAlert {
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: AlertSeverity;
  readonly title: string;
  /** Channels that have it. */
  readonly told: readonly string[];
  /** Channels that could not be told, with the reason. */
  readonly failed: readonly string[];
}

/** Memo of a lakehouse run that has ended: its figures, for lists. */
export const FIGURES_MEMO = 'waybillFigures';

/** What copies of a run moved, and what its clusters cost. */
export interface RunFigures {
  readonly rows: number;
  readonly bytes: number;
  readonly cost?: number;
  readonly currency?: string;
  readonly estimate?: boolean;
}

/** Result of `runLakehouse`. */
export interface RunLakehouseOutput {
  readonly status: 'Succeeded';
  readonly stages: StageReport[];
  readonly cluster?: { readonly id: string; readonly state: string; readonly seconds: number };
  readonly cost?: RunCost;
}
