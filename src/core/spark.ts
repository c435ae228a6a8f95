// Spark as workflows see it: clusters, jobs, and the activities that reach the service which runs them.
import type { JsonObject } from './json.ts';

/** Services that run Spark. */
export type SparkEngine = 'emr' | 'emr-serverless' | 'databricks';

/** How an EMR cluster is made. Names follow RunJobFlow, in camel case; every expression has been evaluated. */
export interface EmrClusterProfile {
  readonly releaseLabel: string;
  readonly applications: readonly string[];
  readonly serviceRole: string;
  readonly instanceProfile: string;
  readonly logUri: string;
  readonly subnetIds?: readonly string[];
  readonly securityConfiguration?: string;
  /** KMS key that the logs in S3 are encrypted with. */
  readonly logEncryptionKmsKeyId?: string;
  /** Role by which EMR scales instance groups with `autoScaling`. */
  readonly autoScalingRole?: string;
  readonly customAmiId?: string;
  readonly ec2KeyName?: string;
  readonly instanceFleets?: readonly EmrInstanceFleet[];
  readonly instanceGroups?: readonly EmrInstanceGroup[];
  readonly managedScaling?: EmrManagedScaling;
  /** Steps that may run at once, 1 to 256. */
  readonly stepConcurrency: number;
  /** Seconds without work after which EMR itself ends the cluster, 60 to 604800: the net below our own termination. */
  readonly idleTerminationSeconds: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly configurations: readonly EmrConfiguration[];
  readonly bootstrapActions: readonly EmrBootstrapAction[];
}

export type EmrRole = 'MASTER' | 'CORE' | 'TASK';

export interface EmrInstanceFleet {
  readonly name: string;
  readonly type: EmrRole;
  readonly onDemandCapacity: number;
  readonly spotCapacity: number;
  readonly instanceTypes: readonly {
    readonly type: string;
    readonly weight: number;
    /** Highest spot price as a percentage of the on-demand price. */
    readonly bidPercentage?: number;
    readonly volumeGb?: number;
  }[];
  readonly spot?: {
    readonly timeoutMinutes: number;
    readonly timeoutAction: 'SWITCH_TO_ON_DEMAND' | 'TERMINATE_CLUSTER';
    readonly allocationStrategy:
      | 'capacity-optimized'
      | 'price-capacity-optimized'
      | 'lowest-price'
      | 'diversified'
      | 'capacity-optimized-prioritized';
  };
}

export interface EmrInstanceGroup {
  readonly name: string;
  readonly role: EmrRole;
  readonly type: string;
  readonly count: number;
  readonly market: 'ON_DEMAND' | 'SPOT';
  /** Highest spot price as a percentage of the on-demand price. */
  readonly bidPercentage?: number;
  readonly volumeGb?: number;
  readonly autoScaling?: EmrAutoScaling;
}

/** Automatic scaling of one instance group by a CloudWatch metric. */
export interface EmrAutoScaling {
  readonly minimum: number;
  readonly maximum: number;
  readonly rules: readonly {
    readonly name: string;
    readonly metric: string;
    readonly comparison: 'GREATER_THAN_OR_EQUAL' | 'GREATER_THAN' | 'LESS_THAN' | 'LESS_THAN_OR_EQUAL';
    readonly threshold: number;
    /** Periods of five minutes in a row for which it must hold. */
    readonly periods: number;
    /** Nodes to add; negative: to take away. */
    readonly adjustment: number;
    readonly cooldownSeconds: number;
  }[];
}

export interface EmrManagedScaling {
  readonly unit: 'Instances' | 'InstanceFleetUnits' | 'VCPU';
  readonly minimum: number;
  readonly maximum: number;
  readonly maximumOnDemand?: number;
  readonly maximumCore?: number;
}

export interface EmrConfiguration {
  readonly classification: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly configurations?: readonly EmrConfiguration[];
}

export interface EmrBootstrapAction {
  readonly name: string;
  readonly path: string;
  readonly arguments: readonly string[];
}

/** How an EMR Serverless application is made. Names follow CreateApplication; every expression has been evaluated. */
export interface EmrServerlessApplication {
  readonly releaseLabel: string;
  readonly architecture: 'X86_64' | 'ARM64';
  /** Workers that are kept ready while the application is started: they cost without a job. */
  readonly initialCapacity?: {
    readonly driver?: EmrServerlessWorkers;
    readonly executor?: EmrServerlessWorkers;
  };
  /** What all its workers may have together. */
  readonly maximumCapacity?: { readonly vcpus: number; readonly memoryGb: number; readonly diskGb?: number };
  /** Minutes without a job after which EMR Serverless itself stops the application, 1 to 10080. */
  readonly autoStopMinutes: number;
  readonly subnetIds?: readonly string[];
  readonly securityGroupIds?: readonly string[];
  readonly imageUri?: string;
  readonly configurations: readonly EmrConfiguration[];
  readonly tags: Readonly<Record<string, string>>;
}

export interface EmrServerlessWorkers {
  readonly count: number;
  readonly vcpus: number;
  readonly memoryGb: number;
  readonly diskGb?: number;
}

/** What EMR Serverless is told with every job run. */
export interface EmrServerlessJobRuns {
  readonly executionRoleArn: string;
  /** `s3://…` prefix that logs go to. */
  readonly logUri: string;
  /** KMS key that the logs in S3 are encrypted with. */
  readonly logEncryptionKmsKeyArn?: string;
  /** Minutes after which EMR Serverless itself ends a job run: the net below the stage's timeout. */
  readonly executionTimeoutMinutes: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** How a Databricks cluster is made. Names follow clusters/create, in camel case; every expression has been evaluated. */
export interface DatabricksClusterProfile {
  readonly sparkVersion: string;
  readonly nodeTypeId?: string;
  readonly driverNodeTypeId?: string;
  readonly instancePoolId?: string;
  readonly driverInstancePoolId?: string;
  readonly workers?: number;
  readonly autoscale?: { readonly minimum: number; readonly maximum: number };
  /** Minutes without work after which Databricks itself ends the cluster: the net below our own termination. */
  readonly autoterminationMinutes: number;
  readonly runtimeEngine: 'STANDARD' | 'PHOTON';
  readonly policyId?: string;
  readonly dataSecurityMode: string;
  readonly singleUserName?: string;
  readonly awsAttributes?: {
    readonly availability: 'SPOT' | 'ON_DEMAND' | 'SPOT_WITH_FALLBACK';
    readonly firstOnDemand: number;
    readonly zoneId: string;
    readonly spotBidPricePercent?: number;
    readonly instanceProfileArn?: string;
  };
  readonly azureAttributes?: {
    readonly availability: 'SPOT_AZURE' | 'ON_DEMAND_AZURE' | 'SPOT_WITH_FALLBACK_AZURE';
    readonly firstOnDemand: number;
    readonly spotBidMaxPrice?: number;
  };
  readonly sparkConf: Readonly<Record<string, string>>;
  readonly sparkEnvVars: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly initScripts: readonly string[];
  readonly logUri?: string;
}

/** A service with the profile of its own kind. */
export type ClusterProfile =
  | { readonly engine: 'emr'; readonly profile: EmrClusterProfile }
  | { readonly engine: 'emr-serverless'; readonly profile: EmrServerlessApplication }
  | { readonly engine: 'databricks'; readonly profile: DatabricksClusterProfile };

/** A cluster that somebody else runs: jobs are put on it, and it is left running. */
export interface AttachedCluster {
  readonly engine: SparkEngine;
  /** The service's own id of it. */
  readonly attach: string;
  /** What the names of this run's jobs have in them and no other's: others' jobs on the cluster are no concern here. */
  readonly jobMark: string;
  /** ms since epoch before which none of the run's jobs can have begun; a list goes back no further where that helps. */
  readonly since?: number;
}

/** Which cluster is wanted. `name`, `owner` and `generation` identify it: asked for twice, it is the same cluster. */
export type ClusterRequest = OwnClusterRequest | (ClusterIdentity & AttachedCluster);

/** A cluster that exists for its owner alone. */
export type OwnClusterRequest = ClusterIdentity & ClusterProfile;

interface ClusterIdentity {
  readonly name: string;
  /** Id of the workflow that the cluster exists for. */
  readonly owner: string;
  /** Grows when a cluster is needed in place of one that ended. */
  readonly generation: number;
  /** Tells it from what an earlier run of this owner asked for: idempotency tokens outlive what they made. */
  readonly run?: string;
}

export type ClusterState = 'starting' | 'running' | 'waiting' | 'terminating' | 'terminated' | 'failed';

export interface ClusterStatus {
  readonly id: string;
  readonly state: ClusterState;
  /** The service's own reason for the state; empty where it gives none. */
  readonly reason: string;
  /** ms since epoch, the service's clock. */
  readonly createdAt?: number;
  readonly endedAt?: number;
}

/** One Spark job to run on a cluster. `name` identifies it there: submitted twice, it is the same job. */
export interface SparkJobRequest {
  /** `<job>#<generation>`; unique within the cluster. */
  readonly name: string;
  /** URI of the Python entry. */
  readonly main: string;
  /** URIs that go with it. */
  readonly pyFiles: readonly string[];
  readonly arguments: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
  /** On EMR Serverless: the rest of what a job run is told, whose it is, and since when it may be there (ms since epoch). */
  readonly serverless?: EmrServerlessJobRuns & { readonly owner: string; readonly since: number };
}

export type JobState = 'pending' | 'running' | 'completed' | 'failed' | 'cancelled';

export interface JobStatus {
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
  /** The service's own reason for a failure or cancellation; empty where it gives none. */
  readonly reason: string;
  readonly startedAt?: number;
  readonly endedAt?: number;
}

export interface ClusterSnapshot {
  readonly cluster: ClusterStatus;
  readonly jobs: readonly JobStatus[];
}

/** The end of a job's log, and where the whole of it lies. */
export interface JobLogs {
  readonly address: string;
  /** Last lines of driver output and error, newest last. */
  readonly tail: string;
}

/** What every job writes to `--result`. Fields beyond these are the job's own. */
export interface JobResult extends JsonObject {
  job: string;
  tables: (JsonObject & { table: string; rows: number; files?: number; bytes?: number })[];
}

/** True when the cluster can take no more work. */
export const clusterEnded = (state: ClusterState): boolean =>
  state === 'terminating' || state === 'terminated' || state === 'failed';

/** True when a job will not change any more. */
export const jobEnded = (state: JobState): boolean =>
  state === 'completed' || state === 'failed' || state === 'cancelled';

/** Activities behind `sparkCluster` and `sparkJob`. All idempotent; all heartbeat and can be cancelled. */
export interface SparkActivities {
  /** Finds the cluster by name, owner and generation, or creates it, once. */
  openCluster(request: ClusterRequest): Promise<ClusterStatus>;
  /** Returns as soon as cluster or jobs differ from `known`, or unchanged after a while. The cluster's one poller. */
  followCluster(input: {
    engine: SparkEngine;
    clusterId: string;
    known: ClusterSnapshot;
    /** Only jobs whose names have this in them; absent: all. */
    jobMark?: string;
    /** As in `AttachedCluster`. */
    since?: number;
  }): Promise<ClusterSnapshot>;
  /**
   * A cluster that is attached is left running, once the run's own jobs on it have ended; they are cancelled.
   * Ends every other cluster of this name and owner, and returns when the service says they are gone: the last state of
   * `clusterId`, or of the one found; undefined when there was none.
   */
  closeCluster(input: { request: ClusterRequest; clusterId?: string }): Promise<ClusterStatus | undefined>;
  /** Finds the job by name on the cluster, or submits it, once. */
  submitJob(input: { engine: SparkEngine; clusterId: string; job: SparkJobRequest }): Promise<JobStatus>;
  /** Asks the service to stop the job; a job that has ended is left as it is. */
  cancelJob(input: { engine: SparkEngine; clusterId: string; jobId: string }): Promise<JobStatus>;
  readJobLogs(input: { engine: SparkEngine; clusterId: string; jobId: string }): Promise<JobLogs>;
  /** Reads what the job wrote to `--result`. Throws OBJECT_MISSING, or CHECK_FAILED when it is not a result. */
  readJobResult(input: { uri: string }): Promise<JobResult>;
}

/** Input of the workflow `sparkCluster`. */
export interface SparkClusterInput {
  readonly request: ClusterRequest;
  /** Lets the owner know of changes by the signal `clusterChanged`. */
  readonly notify?: string;
}

/** Result of `sparkCluster`, returned only when the cluster is known to be gone. */
export interface SparkClusterOutput {
  readonly cluster?: ClusterStatus;
  readonly jobs: readonly JobStatus[];
  /** Seconds from creation to end by the service's clock; 0 when there never was a cluster. */
  readonly seconds: number;
}

/** Answer of the query `progress` on `sparkCluster`. */
export interface ClusterProgress {
  readonly kind: 'cluster';
  readonly name: string;
  readonly cluster?: ClusterStatus;
  readonly jobs: readonly JobStatus[];
}

/** Input of the workflow `sparkJob`. */
export interface SparkJobInput {
  readonly engine: SparkEngine;
  /** Workflow id of the `sparkCluster` to run on. */
  readonly cluster: string;
  readonly job: SparkJobRequest;
  /** Where the job writes its result; the job gets it as `--result`. */
  readonly resultUri: string;
}

/** Result of `sparkJob`. */
export interface SparkJobOutput {
  readonly status: JobStatus;
  readonly result: JobResult;
  /** Seconds by the service's clock. */
  readonly seconds: number;
}

/** Answer of the query `progress` on `sparkJob`. */
export interface SparkJobProgress {
  readonly kind: 'sparkJob';
  readonly name: string;
  readonly state: JobState | 'queued';
  readonly id?: string;
}
