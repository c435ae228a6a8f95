// A pipeline as a run holds it: the definition it began with, defaults applied, without secrets. History keeps it, so
// an edit of the files never changes a run in flight.
import type { JsonObject, JsonValue } from '../json.ts';

export type DependencyCondition = 'Succeeded' | 'Failed' | 'Skipped' | 'Completed';

export interface Dependency {
  readonly activity: string;
  readonly conditions: DependencyCondition[];
}

export interface ActivityPolicy {
  /** Milliseconds. */
  readonly timeout: number;
  /** Further attempts after the first. May be an expression. */
  readonly retry: JsonValue;
  readonly retryIntervalSeconds: number;
  readonly secureInput: boolean;
  readonly secureOutput: boolean;
}

/** A dataset as an activity refers to it; parameters may hold expressions. */
export interface DatasetUse {
  readonly dataset: string;
  readonly parameters: JsonObject;
}

export interface ActivitySnapshot {
  readonly name: string;
  /** ADF's type in ADF's own spelling. */
  readonly type: string;
  readonly dependsOn: Dependency[];
  readonly policy: ActivityPolicy;
  /** Set where the activity is switched off: the status it then counts as. */
  readonly inactiveAs?: 'Succeeded' | 'Failed' | 'Skipped';
  /** Values may hold expressions. */
  readonly userProperties?: JsonObject;
  /** Without the inner activities. */
  readonly typeProperties: JsonObject;
  readonly inputs?: DatasetUse[];
  readonly outputs?: DatasetUse[];
  /** The activity's own linked service; parameters may hold expressions. */
  readonly linkedService?: { readonly name: string; readonly parameters?: JsonObject };
  /** Inner activities: `activities`, `ifTrueActivities`, `ifFalseActivities`, `defaultActivities`, `case <value>`. */
  readonly blocks?: Record<string, ActivitySnapshot[]>;
}

export interface ParameterSpecification {
  readonly type: string;
  readonly defaultValue?: JsonValue;
}

export interface DatasetSnapshot {
  readonly type: string;
  readonly linkedService: string;
  readonly linkedServiceParameters: JsonObject;
  readonly parameters: Record<string, ParameterSpecification>;
  readonly typeProperties: JsonObject;
}

export interface PipelineSnapshot {
  readonly name: string;
  readonly activities: ActivitySnapshot[];
  readonly variables: Record<string, ParameterSpecification>;
  /** Runs of it that may go on at the same time; further ones wait. */
  readonly concurrency?: number;
}

/** A source or sink of a data flow: a dataset, or a linked service with the format in the script. */
export interface DataFlowEnd {
  /** Of the stream in the script. */
  readonly name: string;
  readonly dataset?: string;
  readonly linkedService?: string;
}

/** A mapping data flow. Its script is what history keeps: the program made of it is ten times as large. */
export interface DataFlowSnapshot {
  readonly name: string;
  readonly script: string;
  readonly sources: readonly DataFlowEnd[];
  readonly sinks: readonly DataFlowEnd[];
}

/** Result of the activity `loadPipeline`. */
export interface LoadedPipeline {
  /**
   * What the loading worker expects of workflow code: 2 waits for slots, runs long loops in children and keeps what a
   * rerun needs. Absent in histories of version 0.1, which replay as they ran.
   */
  readonly format?: number;
  readonly dataFactory: string;
  readonly pipeline: PipelineSnapshot;
  /** The datasets that the pipeline refers to, by name. */
  readonly datasets: Record<string, DatasetSnapshot>;
  /** The data flows that the pipeline runs, by lower-case name; absent where there are none. */
  readonly dataFlows?: Record<string, DataFlowSnapshot>;
  readonly globalParameters: JsonObject;
  /** Every declared parameter with its value, typed as declared. */
  readonly parameters: JsonObject;
}

export interface LoadPipelineInput {
  readonly pipeline: string;
  readonly parameters: JsonObject;
  /** Drop values for parameters that the pipeline does not declare, as Data Factory does for Execute Pipeline. */
  readonly ignoreUnknownParameters: boolean;
}

/** The format that this version's `loadPipeline` names. */
export const SNAPSHOT_FORMAT = 2;

/** The activities that read definitions. */
export interface DefinitionActivities {
  /**
   * Validates the pipeline and what it refers to, and returns the snapshot to run. Throws, before anything runs, with
   * every reason: DEFINITION_INVALID, DEFINITION_UNSUPPORTED, REFERENCE_MISSING, PARAMETER_MISSING, PARAMETER_INVALID.
   */
  loadPipeline(input: LoadPipelineInput): Promise<LoadedPipeline>;
}
