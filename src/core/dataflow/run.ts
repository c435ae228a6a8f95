// One run of a data flow, as workflows see it: what is staged, the Spark job, what is loaded. Names and counts only.
import type { CopyInput } from '../copy.ts';
import type { JsonObject } from '../json.ts';
import type { LakehousePlan } from '../lakehouse.ts';
import type { TaskInput } from '../pipeline/task.ts';
import type { FlowEnd } from './place.ts';

/** Input of the workflow `runDataFlow`. Every expression of the pipeline has been evaluated. */
export interface DataFlowInput {
  /** The workflow id: identity of the run of this activity, also over its retries. */
  readonly flowId: string;
  readonly pipeline: string;
  readonly activity: string;
  /** The data flow's name. */
  readonly name: string;
  readonly script: string;
  readonly sources: readonly FlowEnd[];
  readonly sinks: readonly FlowEnd[];
  /** As the activity gives them: values, or texts that are data flow expressions. */
  readonly parameters: JsonObject;
  /** The pipeline's run, for statements that are run as a Script. */
  readonly run: Pick<TaskInput, 'runId' | 'pipelineWorkflowId'>;
  /** An envelope of core/pipeline/secure.ts, where nothing of the copies may be readable in history. */
  readonly secure?: JsonObject;
}

/** One source on its way to the staging folder. */
export interface StagedSource {
  readonly name: string;
  readonly optional: boolean;
  readonly copies: readonly Pick<CopyInput, 'source' | 'sink' | 'options'>[];
  /** Whether the files that were read are deleted once every sink has its rows. */
  readonly purge?: true;
}

/** One sink's rows on their way from the staging folder. */
export interface LoadedSink {
  readonly name: string;
  readonly insert: Pick<CopyInput, 'source' | 'sink' | 'options'>;
  readonly change?: Pick<CopyInput, 'source' | 'sink' | 'options'>;
  /** Statements of the publishing transaction of the first copy. */
  readonly before: string;
  readonly after: readonly string[];
  /** Makes the table anew, or empties it or the folder, before anything is loaded. */
  readonly fresh?: { readonly statement: string } | { readonly folder: true };
  /** The sink's dataset, for a Script or a Delete. */
  readonly end: FlowEnd;
}

export interface DataFlowPlan extends Pick<LakehousePlan, 'engine' | 'storage' | 'window'> {
  /** `s3://` folder of everything staged. */
  readonly stagingUri: string;
  /** What the Spark job does; it stands in the staging folder. */
  readonly planUri: string;
  readonly sources: readonly StagedSource[];
  /** For each sink, the sources that its rows come from. */
  readonly streams: Readonly<Record<string, readonly string[]>>;
  /** An envelope, as in the input. */
  readonly secure?: JsonObject;
  /** Groups in the order of saveOrder: those of a group are loaded beside each other. */
  readonly sinks: readonly (readonly LoadedSink[])[];
}

/** Figures of one sink, as Spark counted them. */
export interface SinkFigures {
  readonly rows: number;
  readonly inserts: number;
  readonly changes: number;
}

export interface DataFlowActivities {
  /**
   * Reads the script, finds the places of its sources and sinks, and puts the job's plan into the staging folder. Throws
   * DEFINITION_INVALID, DEFINITION_UNSUPPORTED, PARAMETER_MISSING, SETTINGS_INVALID where no Spark is set, and what reading a
   * linked service throws.
   */
  prepareDataFlow(input: DataFlowInput & { readonly now: string }): Promise<DataFlowPlan>;
}

/** The name under which the staging folder's linked service is resolved: settings have it, no factory. */
export const STAGING_SERVICE = 'waybill:data-flow-staging';
