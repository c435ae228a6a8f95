// What a pipeline's copies would do, as the workflow planPipeline answers and `waybill plan` prints.
import type { CopyPreview } from '../copy/activities.ts';
import type { JsonObject } from '../json.ts';

/** Input of the workflow `planPipeline`. */
export interface PlanPipelineInput {
  readonly pipeline: string;
  readonly parameters: JsonObject;
}

/** One Copy activity, or one iteration of it. Exactly one of `preview`, `refused` and `unknown` is there. */
export interface PlannedCopy {
  readonly activity: string;
  /** The iterations it is in: "flights". */
  readonly item?: string;
  readonly preview?: CopyPreview;
  /** Why it would fail before its first row. */
  readonly refused?: { readonly code: string; readonly message: string };
  /** What it waits for: results of activities that a plan does not run. */
  readonly unknown?: string;
}

/** Result of `planPipeline`. */
export interface PipelinePlan {
  readonly pipeline: string;
  readonly copies: readonly PlannedCopy[];
  /** Pipelines it runs, whose copies are planned by themselves. */
  readonly runs: readonly string[];
}
