// What sparkCluster, sparkJob and the cluster's owner tell each other.
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type {
  ClusterProgress,
  ClusterStatus,
  JobStatus,
  SparkJobProgress,
  SparkJobRequest,
} from '../core/spark.ts';

/** To sparkCluster: run this job and tell `replyTo` of every change. Told twice, it runs once. */
export const runJobSignal = defineSignal<[{ job: SparkJobRequest; replyTo: string }]>('runJob');
/** To sparkCluster: stop this job. */
export const cancelJobSignal = defineSignal<[{ name: string }]>('cancelJob');
/** To sparkCluster: no more work; end the cluster. */
export const closeClusterSignal = defineSignal('closeCluster');
/** To the job's workflow: what has become of it. */
export const jobChangedSignal = defineSignal<[JobChange]>('jobChanged');
/** To the owner's workflow: what has become of the cluster. */
export const clusterChangedSignal = defineSignal<[ClusterStatus]>('clusterChanged');

export const clusterProgressQuery = defineQuery<ClusterProgress>('progress');
export const jobProgressQuery = defineQuery<SparkJobProgress>('progress');

export interface JobChange {
  /** Absent when the job never reached the service. */
  readonly status?: JobStatus;
  /** Set when the job will never end well because its cluster has ended, or the service refused it. */
  readonly lost?: { readonly code: string; readonly message: string };
  readonly clusterId?: string;
}
