// Iterations of a loop that a child workflow runs: what it is given and what it gives back.
import type { JsonObject, JsonValue } from '../json.ts';
import type { ActivityRun, RunPipelineInput } from '../run.ts';
import type { ActivitySnapshot, LoadedPipeline } from './snapshot.ts';
import type { VariableWrite } from './variables.ts';

export interface LoopItem {
  /** The iteration in workflow ids and logs. */
  readonly label: string;
  readonly item: JsonValue;
}

/** Why a block failed: the first failure that counts. */
export interface BlockFailure {
  readonly activity: string;
  readonly errorCode: string;
  readonly message: string;
}

/** What may hold secrets where the pipeline has activities with secureOutput: sealed then. */
export interface LoopState {
  /** Variables by lower-case name. */
  readonly variables: JsonObject;
  /** What the loop has written to them so far. */
  readonly writes: readonly VariableWrite[];
  /** Results that expressions in the loop refer to. */
  readonly results: readonly ActivityRun[];
}

/** Input of the workflow `pipelineLoop`. */
export interface LoopInput {
  readonly run: RunPipelineInput;
  readonly identity: { readonly workflowId: string; readonly runId: string; readonly startTime: number };
  /** The run's snapshot without the activities. */
  readonly loaded: LoadedPipeline;
  /** The ForEach or Until, with its inner activities. */
  readonly activity: ActivitySnapshot;
  /** Where the loop stands: the iterations and the item around it, and the outermost activity it is in. */
  readonly labels: readonly string[];
  readonly item?: { readonly value: JsonValue };
  readonly top: string;
  /** ForEach: the items of this slice, and how many run at a time. */
  readonly items?: readonly LoopItem[];
  readonly lanes?: number;
  /** Items, or iterations of the Until, that are done. */
  readonly done: number;
  readonly state: LoopState | JsonObject;
  /** Activities whose last results the run wants back; 'all' where a name is made by an expression. */
  readonly wanted: readonly string[] | 'all';
  /** Whether states travel sealed. */
  readonly secure: boolean;
  readonly failure?: BlockFailure;
  /** Of the parts before a continuation as new. */
  readonly log?: readonly ActivityRun[];
  readonly unlisted?: number;
}

/** Result of the workflow `pipelineLoop`. */
export interface LoopOutput {
  readonly done: number;
  readonly state: LoopState | JsonObject;
  readonly failure?: BlockFailure;
  /** Activities that ran in it. */
  readonly activityRuns: number;
}
