// EMR's cluster and step records as ours.
import type { Cluster, ClusterStatus as EmrClusterStatus, StepSummary } from '@aws-sdk/client-emr';
import { WaybillError } from '../../core/errors.ts';
import type { ClusterState, ClusterStatus, JobState, JobStatus } from '../../core/spark.ts';

/** States in which a cluster still costs money or can still take work. */
export const ACTIVE_CLUSTER_STATES = [
  'STARTING',
  'BOOTSTRAPPING',
  'RUNNING',
  'WAITING',
  'TERMINATING',
] as const;

const CLUSTER_STATES: Record<string, ClusterState> = {
  STARTING: 'starting',
  BOOTSTRAPPING: 'starting',
  RUNNING: 'running',
  WAITING: 'waiting',
  TERMINATING: 'terminating',
  TERMINATED: 'terminated',
  TERMINATED_WITH_ERRORS: 'failed',
};

const JOB_STATES: Record<string, JobState> = {
  PENDING: 'pending',
  // EMR has been asked to cancel the step but has not yet: it is still running.
  CANCEL_PENDING: 'running',
  RUNNING: 'running',
  COMPLETED: 'completed',
  CANCELLED: 'cancelled',
  INTERRUPTED: 'cancelled',
  FAILED: 'failed',
};

export function clusterStatus(cluster: Pick<Cluster, 'Id' | 'Status'>): ClusterStatus {
  const status: EmrClusterStatus = cluster.Status ?? {};
  const { Code: code = '', Message: message = '' } = status.StateChangeReason ?? {};
  return {
    id: cluster.Id ?? '',
    state: known(CLUSTER_STATES, status.State, 'cluster'),
    reason: [code, message].filter(Boolean).join(': '),
    ...time('createdAt', status.Timeline?.CreationDateTime),
    ...time('endedAt', status.Timeline?.EndDateTime),
  };
}

export function jobStatus(step: StepSummary): JobStatus {
  const status = step.Status ?? {};
  const failure = status.FailureDetails;
  const reason = [failure?.Reason, failure?.Message, status.StateChangeReason?.Message]
    .filter(Boolean)
    .join(': ');
  return {
    id: step.Id ?? '',
    name: step.Name ?? '',
    state: known(JOB_STATES, status.State, 'step'),
    reason,
    ...time('startedAt', status.Timeline?.StartDateTime),
    ...time('endedAt', status.Timeline?.EndDateTime),
  };
}

/** A state we do not know must not be taken for any we do: guessing "ended" would submit the work twice. */
function known<S>(states: Record<string, S>, state: string | undefined, what: string): S {
  const found = states[state ?? ''];
  if (found !== undefined) return found;
  throw new WaybillError(
    'COMPUTE_REFUSED',
    `EMR reports a ${what} state that waybill does not know: ${state}.`,
    {
      state: state ?? '',
    },
  );
}

const time = <K extends string>(key: K, value: Date | undefined): { [P in K]?: number } =>
  value === undefined ? {} : ({ [key]: value.getTime() } as { [P in K]: number });
