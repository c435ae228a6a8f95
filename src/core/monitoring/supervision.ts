// Watching a run's cluster while it works: activities, and what they tell the workflow.
import type { SparkEngine } from '../spark.ts';
import type { ClusterCost, RunCost } from './cost.ts';
import type { Finding, Monitoring } from './thresholds.ts';

export interface SuperviseInput {
  readonly engine: SparkEngine;
  readonly clusterId: string;
  readonly ledger: LedgerPlace;
  /** Prefix under which this run's jobs leave figures while they run. */
  readonly results: string;
  /** Amounts of this cluster alone at which to come back. */
  readonly amounts: readonly number[];
  readonly thresholds?: Monitoring['thresholds'];
  readonly cloudWatch: boolean;
  /** Keys of findings that are known already. */
  readonly known: readonly string[];
}

export interface ClusterFindings {
  readonly cost: ClusterCost;
  readonly findings: readonly Finding[];
  /** The cluster takes no more work. */
  readonly ended: boolean;
}

/** Where ledger entries of a run go, and whose they are. */
export interface LedgerPlace {
  /** `s3://…` prefix of the ledger. */
  readonly prefix: string;
  readonly pipeline: string;
  readonly window: string;
  /** Workflow id and run id. */
  readonly workflowId: string;
  readonly runId: string;
}

/** One JSON object of the ledger: one cluster of one run. */
export interface LedgerEntry extends ClusterCost {
  readonly pipeline: string;
  readonly window: string;
  readonly workflowId: string;
  readonly runId: string;
  /** False while the cluster may still cost. */
  readonly final: boolean;
  /** ISO 8601: until when it is reckoned. */
  readonly until: string;
}

/** What of a cluster can be made larger while it runs. */
export interface ClusterCapacity {
  /** EMR's managed scaling, an instance group or fleet of its; Databricks' bounds or its fixed number of workers. */
  readonly kind: 'managedScaling' | 'group' | 'fleet' | 'autoscale' | 'workers';
  /** The group or fleet. */
  readonly id?: string;
  /** Upper bound, or number. */
  readonly size: number;
}

export interface MonitoringActivities {
  /**
   * Follows cost, idleness and the jobs' figures. Returns when an amount is reached, something new is beyond its
   * threshold, the cluster has ended, or after a while. Writes the ledger entry each time before it returns.
   */
  superviseCluster(input: SuperviseInput): Promise<ClusterFindings>;
  /** Reckons what ended clusters cost and writes their final ledger entries. Idempotent. */
  recordCost(input: {
    engine: SparkEngine;
    clusterIds: readonly string[];
    ledger: LedgerPlace;
    /** Of the jobs on them only those whose names have this in them, and that began since (ms since epoch). */
    jobMark?: string;
    since?: number;
  }): Promise<RunCost | undefined>;
  /** How many machines the cluster may have now; undefined where that cannot be changed. */
  readCapacity(input: { engine: SparkEngine; clusterId: string }): Promise<ClusterCapacity | undefined>;
  /** Asks the service for exactly so many; asked twice, it is the same. */
  resizeCluster(input: { engine: SparkEngine; clusterId: string; capacity: ClusterCapacity }): Promise<void>;
}
