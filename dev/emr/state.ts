// The state the EMR stand-in keeps: clusters with their steps, in the shapes the API answers with.
// Points in time are epoch seconds, as on the wire.
import type {
  AutoScalingPolicy,
  BootstrapActionConfig,
  Configuration,
  InstanceFleetConfig,
  InstanceGroupConfig,
  Tag,
} from '@aws-sdk/client-emr';

export type ClusterState =
  | 'STARTING'
  | 'BOOTSTRAPPING'
  | 'RUNNING'
  | 'WAITING'
  | 'TERMINATING'
  | 'TERMINATED'
  | 'TERMINATED_WITH_ERRORS';

type ClusterReasonCode =
  | 'INTERNAL_ERROR'
  | 'VALIDATION_ERROR'
  | 'BOOTSTRAP_FAILURE'
  | 'USER_REQUEST'
  | 'STEP_FAILURE'
  | 'ALL_STEPS_COMPLETED';

export type StepState = 'PENDING' | 'CANCEL_PENDING' | 'RUNNING' | 'COMPLETED' | 'CANCELLED' | 'FAILED';

export type ActionOnFailure = 'TERMINATE_JOB_FLOW' | 'TERMINATE_CLUSTER' | 'CANCEL_AND_WAIT' | 'CONTINUE';

export interface ClusterReason {
  Code?: ClusterReasonCode;
  Message?: string;
}

export interface FailureDetails {
  Reason: string;
  Message: string;
  LogFile?: string;
}

/** A step as DescribeStep answers it. */
export interface StepView {
  Id: string;
  Name: string;
  Config: { Jar: string; MainClass?: string; Args: string[]; Properties: Record<string, string> };
  ActionOnFailure: ActionOnFailure;
  Status: {
    State: StepState;
    StateChangeReason: { Code?: 'NONE'; Message?: string };
    FailureDetails?: FailureDetails;
    Timeline: { CreationDateTime: number; StartDateTime?: number; EndDateTime?: number };
  };
  ExecutionRoleArn?: string;
}

/** A step and, while it runs, the process group that runs it. */
export interface StepRecord {
  view: StepView;
  processGroup?: number;
}

/** What a cluster is, as DescribeCluster answers it. */
interface ClusterView {
  Id: string;
  Name: string;
  ClusterArn: string;
  Status: {
    State: ClusterState;
    StateChangeReason: ClusterReason;
    Timeline: { CreationDateTime: number; ReadyDateTime?: number; EndDateTime?: number };
  };
  AutoTerminate: boolean;
  TerminationProtected: boolean;
  StepConcurrencyLevel: number;
  InstanceCollectionType: 'INSTANCE_FLEET' | 'INSTANCE_GROUP';
  Tags: Tag[];
  Configurations: Configuration[];
  /** Members that are only stored and answered: LogUri, ReleaseLabel, Applications, roles and the like. */
  [member: string]: unknown;
}

export interface FleetRecord {
  id: string;
  createdAt: number;
  config: InstanceFleetConfig;
}

export interface GroupRecord {
  id: string;
  createdAt: number;
  config: InstanceGroupConfig;
  autoScaling?: AutoScalingPolicy;
}

/** All of one cluster; the unit that is written to disk. */
export interface ClusterRecord {
  view: ClusterView;
  /** LogUri as given, without trailing slash and with the s3:// scheme; absent when the cluster keeps no logs. */
  logUri?: string;
  steps: StepRecord[];
  fleets: FleetRecord[];
  groups: GroupRecord[];
  bootstrapActions: BootstrapActionConfig[];
  managedScaling?: unknown;
  /** Seconds of idleness after which the cluster ends itself. */
  idleTimeout?: number;
  /** Since when the cluster has nothing to do: the later of becoming WAITING and of the policy being put. */
  idleSince?: number;
}

/** Now, in epoch seconds with milliseconds, as AWS JSON 1.1 carries timestamps. */
export function nowSeconds(): number {
  return Date.now() / 1000;
}

/** True when the cluster ends or has ended and accepts no change. */
export function isEnding(cluster: ClusterRecord): boolean {
  return cluster.view.Status.State.startsWith('TERMINAT');
}

/** True while the step has not reached a final state. */
export function isActive(step: StepRecord): boolean {
  return ['PENDING', 'RUNNING', 'CANCEL_PENDING'].includes(step.view.Status.State);
}
