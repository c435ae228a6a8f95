// Runs of pipelines and lakehouse pipelines as the client sees them: inputs, results, progress.
import type { JsonObject, JsonValue } from './json.ts';

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
  readonly output?: JsonValue;
  readonly error?: { readonly errorCode: string; readonly message: string };
  /** Workflow id of the child that did it, where there is one (Copy, ExecutePipeline). */
  readonly workflowId?: string;
}

/** Result of `runPipeline`. */
export interface RunPipelineOutput {
  readonly status: 'Succeeded';
  readonly activityRuns: ActivityRun[];
  readonly returnValue: JsonObject;
}

/** Answer of the query `progress` on `runPipeline`. */
export interface PipelineProgress {
  readonly kind: 'pipeline';
  readonly pipeline: string;
  readonly status: 'InProgress' | 'Succeeded' | 'Failed' | 'Cancelled';
  readonly activities: ActivityRun[];
}

/** Input of the workflow `runLakehouse`. */
export interface RunLakehouseInput {
  readonly name: string;
  /** Logical window, such as "2013" or "2026-11-22"; last part of the workflow id. */
  readonly window: string;
  readonly parameters: JsonObject;
  readonly trigger: string;
}

export type StageName = 'ingest' | 'process' | 'load' | 'optimize';

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
}

/** Result of `runLakehouse`. */
export interface RunLakehouseOutput {
  readonly status: 'Succeeded';
  readonly stages: StageReport[];
  readonly cluster?: { readonly id: string; readonly state: string; readonly seconds: number };
}
