// A lakehouse pipeline as its workflow runs it: the definition with every expression evaluated, and the activities
// that touch its storage.
import type { CopyEndpoint } from './copy.ts';
import type { RunDbtInput } from './dbt.ts';
import type { JsonObject } from './json.ts';
import type { Budget } from './monitoring/cost.ts';
import type { Monitoring } from './monitoring/thresholds.ts';
import type { StageName } from './run.ts';
import type {
  DatabricksClusterProfile,
  EmrClusterProfile,
  EmrServerlessApplication,
  EmrServerlessJobRuns,
  SparkEngine,
} from './spark.ts';

/** A definition resolved for one window: the snapshot in the run's history, so that an edit changes no run in flight. */
export interface LakehousePlan {
  readonly name: string;
  readonly window: string;
  readonly parameters: JsonObject;
  readonly storage: {
    /** `s3://…` prefix under which job code goes, by content. */
    readonly code: string;
    /** `s3://…` prefix under which jobs leave their results. */
    readonly results: string;
  };
  readonly engine: {
    /** The cluster's logical name. */
    readonly name: string;
    /** Spark settings of every job; none on Databricks, where they are the cluster's. */
    readonly configuration: Readonly<Record<string, string>>;
  } & (
    | { readonly type: 'emr'; readonly cluster: EmrClusterProfile }
    | { readonly type: 'databricks'; readonly cluster: DatabricksClusterProfile }
    /** A cluster that somebody else runs, by the service's id of it. */
    | { readonly type: 'emr' | 'databricks'; readonly attach: string }
    | ({ readonly type: 'emr-serverless'; readonly jobRuns: EmrServerlessJobRuns } & (
        | { readonly application: EmrServerlessApplication }
        /** An application that somebody else keeps. */
        | { readonly attach: string }
      ))
  );
  readonly stages: {
    readonly ingest?: IngestStage;
    readonly process?: SparkStage;
    readonly load?: LoadStage;
    readonly serve?: ServeStage;
    readonly optimize?: OptimizeStage;
  };
  readonly budget?: Budget;
  readonly monitoring?: Monitoring;
}

/** A definition made to run elsewhere: on another engine, on tables in other places, fewer of its stages. */
export interface LakehouseVariant {
  /** In place of the definition's own `engine`. */
  readonly engine: JsonObject;
  /** `s3://…` prefixes, and what takes their place wherever they stand in the stages. */
  readonly locations: readonly { readonly from: string; readonly to: string }[];
  readonly stages: readonly StageName[];
}

export interface StagePolicy {
  /** ms. */
  readonly timeout: number;
  /** How often each failed copy or job is tried again. */
  readonly retries: number;
  /** ms between two tries. */
  readonly retryInterval: number;
  /** Once a stage with this is done, earlier stages and it are kept even if a later stage fails. */
  readonly pivot: boolean;
  readonly checks: readonly StageCheck[];
}

/**
 * Two sums of counts that must be equal, such as silver + quarantine = bronze. A term is `<copy>:read`,
 * `<copy>:copied`, `<copy>:sink`, or `<job>:<table>.<field>` of the job's result, such as `silver:silver/flights.rows`.
 */
export interface StageCheck {
  readonly name: string;
  readonly sum: readonly string[];
  readonly equals: readonly string[];
}

export interface LakehouseCopy {
  readonly name: string;
  readonly source: CopyEndpoint;
  readonly sink: CopyEndpoint;
  readonly options: JsonObject;
}

export interface LandedInput {
  readonly name: string;
  /** `s3://…` prefix that must hold at least `minimumFiles` objects. */
  readonly prefix: string;
  readonly minimumFiles: number;
}

export interface LakehouseJob {
  readonly name: string;
  /** First argument of main.py. */
  readonly job: string;
  readonly arguments: Readonly<Record<string, string>>;
  readonly configuration: Readonly<Record<string, string>>;
  /** Tables that its result must report. */
  readonly resultTables: readonly string[];
}

export interface IngestStage extends StagePolicy {
  readonly copies: readonly LakehouseCopy[];
  readonly inputs: readonly LandedInput[];
  readonly compensation: { readonly kind: 'deleteLanded' | 'keep' };
}

/** A Delta table that a stage writes, for putting it back. */
export interface DeltaTable {
  readonly table: string;
  readonly location: string;
}

export interface SparkStage extends StagePolicy {
  readonly jobs: readonly LakehouseJob[];
  readonly compensation:
    | { readonly kind: 'keep' }
    | {
        readonly kind: 'restoreTables';
        /** The job that puts tables back; it gets the recorded versions as `--versions {"<table>": n}`. */
        readonly job: string;
        readonly arguments: Readonly<Record<string, string>>;
        readonly tables: readonly DeltaTable[];
      };
}

export interface LoadStage extends StagePolicy {
  readonly copies: readonly LakehouseCopy[];
  /** A copy publishes at once or not at all and cleans up after itself, so there is nothing to undo. */
  readonly compensation: { readonly kind: 'keep' };
}

/** One run of dbt: its stage's policy gives the retries, and the time of all. */
export type LakehouseDbt = Pick<
  RunDbtInput,
  'name' | 'linkedService' | 'target' | 'schema' | 'vars' | 'steps'
>;

export interface ServeStage extends StagePolicy {
  readonly dbt: readonly LakehouseDbt[];
  /** What dbt builds is made anew by the next run. */
  readonly compensation: { readonly kind: 'keep' };
}

export interface OptimizeStage extends StagePolicy {
  readonly jobs: readonly LakehouseJob[];
  readonly lifecycle?: { readonly bucket: string; readonly rules: readonly LifecycleRule[] };
  readonly compensation: { readonly kind: 'keep' };
}

/** One lifecycle rule of a bucket; `id` is unique within the pipeline. */
export interface LifecycleRule {
  readonly id: string;
  readonly prefix: string;
  readonly transition?: { readonly days: number; readonly storageClass: string };
  readonly expireAfterDays?: number;
  readonly abortIncompleteUploadsAfterDays?: number;
}

/** Version of a Delta table; -1 when the table does not exist. */
export interface TableVersion extends DeltaTable {
  readonly version: number;
}

export interface JobCode {
  readonly main: string;
  readonly pyFiles: string[];
}

/** Activities behind `runLakehouse`. All idempotent; all heartbeat and can be cancelled. */
export interface LakehouseActivities {
  /** Reads, validates and resolves the definition. Throws DEFINITION_INVALID, PARAMETER_MISSING, EXPRESSION_INVALID. */
  loadLakehouse(input: {
    name: string;
    window: string;
    runId: string;
    trigger: string;
    /** ISO 8601; the run's moment, `pipeline().TriggerTime`. */
    triggerTime: string;
    parameters: JsonObject;
    variant?: LakehouseVariant;
  }): Promise<LakehousePlan>;
  /**
   * Puts the job package under a key made of its content; nothing is sent when it is there already. EMR takes a zip, and
   * Databricks a wheel.
   */
  uploadJobs(input: { prefix: string; engine?: SparkEngine }): Promise<JobCode>;
  /** Counts what lies under each prefix; `newest`: ms since epoch at which the last of it landed. Throws OBJECT_MISSING when there is too little. */
  countLanded(input: {
    inputs: readonly LandedInput[];
  }): Promise<{ name: string; files: number; bytes: number; newest?: number }[]>;
  /** Deletes what lies under the prefixes and aborts unfinished uploads there. */
  deleteLanded(input: { prefixes: readonly string[] }): Promise<{ files: number; uploads: number }>;
  /** Reads each table's version from its Delta log. */
  readTableVersions(input: { tables: readonly DeltaTable[] }): Promise<TableVersion[]>;
  /** Makes the bucket's rules of this pipeline exactly these; every other rule stays. */
  applyLifecycle(input: {
    bucket: string;
    owner: string;
    rules: readonly LifecycleRule[];
  }): Promise<{ applied: number; kept: number }>;
}
