// One-shot activities of a pipeline (Lookup, Script, GetMetadata, WebActivity, ...): what the workflow hands to the
// Temporal activity `perform<Type>`, and what comes back.
import { WaybillError } from '../errors.ts';
import type { JsonObject } from '../json.ts';

/** A linked service as an activity or dataset refers to it; expressions are evaluated, secrets are not there. */
export interface LinkedServiceUse {
  readonly name: string;
  readonly parameters?: JsonObject;
}

/** A dataset with its parameters applied and its expressions evaluated. */
export interface EvaluatedDataset {
  readonly name: string;
  /** ADF's type: SqlServerTable, DelimitedText, Binary, ... */
  readonly type: string;
  readonly typeProperties: JsonObject;
  readonly linkedService: LinkedServiceUse;
}

/** Input of every Temporal activity `perform<Type>`. */
export interface TaskInput {
  /** The pipeline run's id, as `@pipeline().RunId` shows it. */
  readonly runId: string;
  readonly pipelineWorkflowId: string;
  readonly pipeline: string;
  /** Name of the activity in the pipeline. */
  readonly activity: string;
  /** ADF's type of the activity. */
  readonly type: string;
  /** The iterations it is in, outermost first: "flights", "flights/2". */
  readonly item?: string;
  /**
   * Every expression evaluated. In an envelope of ./secure.ts on its way through history where secureInput asks for it, or
   * a secret stands in it; `asTask` opens it.
   */
  readonly typeProperties: JsonObject;
  /** By the property that refers to it: "dataset", "datasets/0". */
  readonly datasets: Readonly<Record<string, EvaluatedDataset>>;
  /** The activity's own linked service. */
  readonly linkedService?: LinkedServiceUse;
  /** Names one ADF attempt. Temporal's own retries of it have the same key, a retry by the policy has another. */
  readonly attemptKey: string;
  /** Where nothing of the input may be readable in history. */
  readonly secureInput?: true;
  /** Texts of the input that an earlier activity's secureOutput hides, in an envelope: no message may quote them. */
  readonly hidden?: JsonObject;
  /** Where the output must not be readable in history. */
  readonly secureOutput?: true;
}

/** Result of every Temporal activity `perform<Type>`: ADF's output of the activity. */
export interface TaskResult {
  readonly output: JsonObject;
}

export type TaskActivity = (input: TaskInput) => Promise<TaskResult>;

/** The dataset that an activity cannot do without. Throws REFERENCE_MISSING. */
export function requiredDataset(input: TaskInput, key = 'dataset'): EvaluatedDataset {
  const dataset = input.datasets[key];
  if (dataset !== undefined) return dataset;
  throw new WaybillError(
    'REFERENCE_MISSING',
    `${input.type} "${input.activity}" names no dataset that exists.`,
    {
      activity: input.activity,
    },
  );
}

/** The linked service that an activity cannot do without. Throws REFERENCE_MISSING. */
export function requiredLinkedService(input: TaskInput): LinkedServiceUse {
  if (input.linkedService !== undefined) return input.linkedService;
  throw new WaybillError('REFERENCE_MISSING', `${input.type} "${input.activity}" names no linked service.`, {
    activity: input.activity,
  });
}
