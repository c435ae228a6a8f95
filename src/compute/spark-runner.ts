// What a Spark service must be able to do. One implementation per service; workflows never see which.
import type { ClusterUsage } from '../core/monitoring/cost.ts';
import type { ClusterCapacity } from '../core/monitoring/supervision.ts';
import type {
  ClusterSnapshot,
  ClusterStatus,
  JobLogs,
  JobStatus,
  OwnClusterRequest,
  SparkEngine,
  SparkJobRequest,
} from '../core/spark.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /**
   * An earlier attempt may have made the same call and died before it learned the answer. Lists are eventually
   * consistent, so the runner then waits one look-up delay before it looks.
   */
  readonly repeated?: boolean;
  /** ms since epoch: jobs that began before are of no concern. Heeded where lists of jobs can be long. */
  readonly since?: number;
  /** Only jobs whose names have this in them count; absent: all. */
  readonly jobMark?: string;
}

/**
 * Creating calls look for the deterministic name first and are sent once. When the answer is lost the runner looks
 * again, and if it still sees nothing throws COMPUTE_BUSY (retryable): the next attempt looks before it creates.
 *
 * Every method throws COMPUTE_BUSY (throttled or out of reach; try again), AUTHENTICATION_FAILED, CLUSTER_FAILED or
 * QUERY_FAILED (the service refused the request; do not try again).
 */
export interface SparkRunner {
  readonly engine: SparkEngine;
  openCluster(request: OwnClusterRequest, options?: CallOptions): Promise<ClusterStatus>;
  /** The cluster and all its jobs, oldest first. */
  snapshot(clusterId: string, options?: CallOptions): Promise<ClusterSnapshot>;
  /** Clusters of this name and owner that have not ended, whatever their generation. */
  findClusters(request: OwnClusterRequest, options?: CallOptions): Promise<ClusterStatus[]>;
  /** Asks for the cluster's end; returns at once. Asked again until the cluster has ended: it may take several steps. */
  terminateCluster(clusterId: string, options?: CallOptions): Promise<void>;
  submit(clusterId: string, job: SparkJobRequest, options?: CallOptions): Promise<JobStatus>;
  describe(clusterId: string, jobId: string, options?: CallOptions): Promise<JobStatus>;
  /** Asks for the job's end; a job that has ended is left as it is. */
  cancel(clusterId: string, jobId: string, options?: CallOptions): Promise<void>;
  /** The last lines of the job's log, if the service has put it where it says. */
  logs(clusterId: string, jobId: string, options?: CallOptions): Promise<JobLogs>;
  /** Machines with their times, or what jobs used, of a cluster that runs or has ended. */
  usage(clusterId: string, options?: CallOptions): Promise<ClusterUsage>;
  /** What of the cluster can be made larger; undefined where nothing can. */
  capacity(clusterId: string, options?: CallOptions): Promise<ClusterCapacity | undefined>;
  /** Asks for that capacity; repeated, it is the same. */
  resize(clusterId: string, capacity: ClusterCapacity, options?: CallOptions): Promise<void>;
}
