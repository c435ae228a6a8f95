// A migration from EMR to Databricks as its workflow runs it: the definition resolved, the state that travels along,
// and the activities that touch the world.
import type { JsonObject } from './json.ts';
import type { LakehouseVariant } from './lakehouse.ts';
import type { RunCost } from './monitoring/cost.ts';
import type { ClusterProgress, DatabricksClusterProfile } from './spark.ts';

export type Side = 'emr' | 'databricks';

/** A table that moves: where it is on either side, and what makes it the same there. Locations without "/" at the end. */
export interface MigrationDataset {
  readonly name: string;
  readonly emr: { readonly format: 'parquet' | 'delta'; readonly location: string };
  readonly databricks: { readonly location: string; readonly table?: string };
  readonly keys: readonly string[];
  /** Columns that are not compared. */
  readonly ignore: readonly string[];
  /** How far numbers may lie apart, by column. */
  readonly columns: Readonly<Record<string, { readonly absolute?: number; readonly relative?: number }>>;
  /** `any`: types may differ as long as values do not. */
  readonly types: 'same' | 'any';
  /** Only rows whose value of this column is the window are compared. */
  readonly windowColumn?: string;
  /** Rows that may be missing, extra or different. */
  readonly allow: { readonly missing: number; readonly extra: number; readonly differing: number };
  readonly partitionBy: readonly string[];
  /** Brought over by replication: what there was before the first window, all that is new, or nothing. */
  readonly replicate: 'once' | 'always' | 'never';
}

/** A migration resolved: the snapshot in the run's history. */
export interface MigrationPlan {
  readonly name: string;
  readonly lakehouse: string;
  /** Of the lakehouse, on EMR and on Databricks. */
  readonly parameters: { readonly emr: JsonObject; readonly databricks: JsonObject };
  /** What makes the lakehouse one on Databricks. */
  readonly variant: LakehouseVariant;
  /** The cluster for replication and comparison. */
  readonly engine: {
    readonly name: string;
    readonly configuration: Readonly<Record<string, string>>;
    readonly type: 'databricks';
    readonly cluster: DatabricksClusterProfile;
  };
  readonly storage: { readonly code: string; readonly state: string; readonly pointers: string };
  readonly datasets: readonly MigrationDataset[];
  readonly windows: readonly string[];
  readonly approval: 'manual' | 'withinTolerances';
  readonly afterCutOver: { readonly windows: number };
}

/** What is known of a side's run over a window. */
export interface SideRun {
  readonly workflowId: string;
  /** False where the window had been run before the migration came to it. */
  readonly ours: boolean;
  readonly seconds: number;
  readonly clusterId?: string;
  readonly clusterSeconds?: number;
  readonly stages: readonly { readonly stage: string; readonly seconds: number }[];
  /** What its clusters cost, by the ledger. */
  readonly cost?: RunCost;
}

export interface MigrationWindow {
  readonly window: string;
  /** Before the decision, or to watch what was cut over. */
  readonly purpose: 'trial' | 'watch';
  /** ISO 8601: the moment that both sides take for theirs. */
  triggerTime?: string;
  emr?: SideRun;
  databricks?: SideRun;
  /** How often it was compared. */
  comparisons: number;
  /** A comparison is wanted. */
  due: boolean;
}

/** One dataset's comparison over one window: counts, names of columns, keys. Values are in the report alone. */
export interface Comparison {
  readonly window: string;
  readonly equal: boolean;
  readonly reasons: readonly string[];
  readonly rows: { readonly emr: number; readonly databricks: number };
  readonly missing: number;
  readonly extra: number;
  readonly differing: number;
  readonly named: {
    readonly missing: readonly string[];
    readonly extra: readonly string[];
    readonly differing: readonly { readonly key: string; readonly columns: readonly string[] }[];
  };
}

/**
 * waiting: not all windows compared; compared: waits for a decision; approved: about to be cut over; cutOver: watched;
 * confirmed: watched long enough; rollingBack: about to be; rejected and rolledBack: consumers read from EMR.
 */
export type DatasetPhase =
  | 'waiting'
  | 'compared'
  | 'approved'
  | 'cutOver'
  | 'confirmed'
  | 'rejected'
  | 'rollingBack'
  | 'rolledBack';

export interface DatasetState {
  readonly name: string;
  phase: DatasetPhase;
  /** Newest comparison of each window, oldest window first. */
  comparisons: Comparison[];
  decision?: { readonly by: string; readonly comment: string; readonly forced: boolean };
  /** Why it was rejected or rolled back. */
  reason?: string;
  /** Generation of the pointer as last read or written. */
  generation: number;
  /** Windows in parity since it was cut over. */
  good: number;
}

/** What stands in the way until someone says `resume`. */
export interface MigrationProblem {
  readonly step: string;
  readonly code: string;
  readonly message: string;
}

/** Everything a migration knows; travels along when its workflow continues as new. */
export interface MigrationState {
  begun: boolean;
  replicated: boolean;
  job?: DatabricksJob;
  windows: MigrationWindow[];
  datasets: DatasetState[];
  problem?: MigrationProblem;
  reports: { readonly window: string; readonly json: string; readonly html: string }[];
}

export interface DatabricksJob {
  readonly id: number;
  readonly name: string;
  /** False where a job of this name was there and was given these settings. */
  readonly created: boolean;
}

/** What consumers read to know where a dataset is: one JSON object in storage, replaced in one piece. */
export interface DatasetPointer {
  readonly dataset: string;
  readonly engine: Side;
  readonly format: 'parquet' | 'delta';
  readonly location: string;
  readonly table?: string;
  /** Grows with every change. */
  readonly generation: number;
  /** ISO 8601. */
  readonly since: string;
  readonly migration: string;
  readonly reason: string;
}

/** Input of the workflow `migrateToDatabricks`. */
export interface MigrationInput {
  /** The definition as its file has it. */
  readonly definition: JsonObject;
  readonly trigger: string;
  /** Set when it continues as new. */
  readonly carried?: { readonly plan: MigrationPlan; readonly state: MigrationState };
  /** Events of history after which it continues as new; 4,000 unless set. */
  readonly historyEvents?: number;
}

/** Answer of the query `status`, and result of the workflow. */
export interface MigrationStatus {
  readonly kind: 'migration';
  readonly name: string;
  readonly lakehouse: string;
  readonly status: 'InProgress' | 'Waiting' | 'Succeeded' | 'Failed' | 'Cancelled';
  /** What it does, or waits for, in a few words. */
  readonly doing: string;
  readonly datasets: readonly (Omit<DatasetState, 'generation'> & { readonly needed: number })[];
  readonly windows: readonly MigrationWindow[];
  readonly job?: DatabricksJob;
  readonly problem?: MigrationProblem;
  readonly reports: MigrationState['reports'];
  readonly cluster?: ClusterProgress['cluster'];
}

/** Names of messages, for client and workflow alike. */
export const MIGRATION = {
  status: 'status',
  approve: 'approve',
  reject: 'reject',
  rollBack: 'rollBack',
  addWindow: 'addWindow',
  compare: 'compare',
  resume: 'resume',
} as const;

export interface ApproveRequest {
  readonly dataset: string;
  readonly by: string;
  readonly comment?: string;
  /** Approve though the sides differ. */
  readonly force?: boolean;
}

export interface DeclineRequest {
  readonly dataset: string;
  readonly by: string;
  readonly reason: string;
}

/** A lakehouse run as another workflow finds it. */
export interface FoundRun {
  readonly state: 'none' | 'running' | 'succeeded' | 'failed';
  /** ISO 8601: when it began. */
  readonly startTime?: string;
  readonly run?: SideRun;
}

/** Activities behind `migrateToDatabricks`. All idempotent. */
export interface MigrationActivities {
  /** Checks the definition and resolves it. Throws DEFINITION_INVALID, REFERENCE_MISSING. */
  loadMigration(input: { definition: JsonObject }): Promise<MigrationPlan>;
  /** Reads each dataset's pointer, and writes one to EMR where there is none. */
  readPointers(input: { plan: MigrationPlan; at: string }): Promise<DatasetPointer[]>;
  /** Replaces a pointer. Throws POINTER_MOVED when someone else has replaced it since. */
  writePointer(input: { prefix: string; pointer: DatasetPointer }): Promise<DatasetPointer>;
  /** Makes the Databricks job of the migrated lakehouse, or gives the one there is these settings. */
  putMigratedJob(input: { plan: MigrationPlan }): Promise<DatabricksJob>;
  /** Writes what the jobs `replicate` and `parity` are to do; returns its address. */
  writeMigrationSpec(input: {
    plan: MigrationPlan;
    window: string;
    datasets: readonly string[];
  }): Promise<string>;
  /** Looks for a run of a lakehouse by its workflow id. */
  findLakehouseRun(input: { workflowId: string }): Promise<FoundRun>;
  /** Joins a comparison with the runs it is of, as JSON and HTML in storage. */
  writeMigrationReport(input: {
    plan: MigrationPlan;
    window: MigrationWindow;
    /** What the job `parity` wrote. */
    comparison: string;
    at: string;
  }): Promise<{ json: string; html: string }>;
}
