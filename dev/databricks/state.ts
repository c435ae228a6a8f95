// The state the Databricks stand-in keeps: jobs, runs with their tasks, clusters. Points in time are epoch ms.
import type { Json } from './json.ts';

export type LifeCycle =
  | 'BLOCKED'
  | 'QUEUED'
  | 'WAITING_FOR_RETRY'
  | 'PENDING'
  | 'RUNNING'
  | 'TERMINATING'
  | 'TERMINATED'
  | 'SKIPPED'
  | 'INTERNAL_ERROR';

export type Result =
  | 'SUCCESS'
  | 'FAILED'
  | 'TIMEDOUT'
  | 'CANCELED'
  | 'UPSTREAM_FAILED'
  | 'UPSTREAM_CANCELED'
  | 'EXCLUDED'
  | 'MAXIMUM_CONCURRENT_RUNS_REACHED'
  | 'SUCCESS_WITH_FAILURES';

export interface RunState {
  life: LifeCycle;
  result?: Result;
  message: string;
  /** termination_details.code of API 2.2. */
  code?: string;
}

/** One task of a run in its latest attempt. */
export interface TaskRecord {
  run_id: number;
  key: string;
  /** The task as it was given, without its key. */
  spec: Json;
  attempt: number;
  state: RunState;
  startTime: number;
  endTime: number;
  /** ms until its cluster was there. */
  setup: number;
  clusterId?: string;
  processGroup?: number;
  /** What a notebook passed to dbutils.notebook.exit. */
  output?: string;
  error?: string;
  trace?: string;
  /** The attempts before this one, as runs/get answers them. */
  earlier: Json[];
}

export interface RunRecord {
  run_id: number;
  name: string;
  job_id: number;
  type: 'JOB_RUN' | 'SUBMIT_RUN';
  creator: string;
  state: RunState;
  startTime: number;
  endTime: number;
  tasks: TaskRecord[];
  jobClusters: Json[];
  /** Clusters that exist for this run only, by job_cluster_key. */
  shared: Record<string, string>;
  parameters: Record<string, string>;
  overriding: Json;
  timeoutSeconds: number;
  cancelled: boolean;
  timedOut: boolean;
  token?: string;
  repairs: Json[];
  queueing: boolean;
}

export interface JobRecord {
  job_id: number;
  settings: Json;
  created: number;
  creator: string;
}

export type ClusterState = 'PENDING' | 'RUNNING' | 'RESIZING' | 'TERMINATING' | 'TERMINATED';

export interface ClusterRecord {
  cluster_id: string;
  /** As given to clusters/create, or as new_cluster. */
  settings: Json;
  source: 'API' | 'JOB';
  creator: string;
  state: ClusterState;
  message: string;
  started: number;
  terminated?: number;
  lastActivity: number;
  reason?: { code: string; type: string; parameters: Record<string, string> };
}

export const runEnded = ({ life }: RunState): boolean =>
  life === 'TERMINATED' || life === 'SKIPPED' || life === 'INTERNAL_ERROR';
