// Applications and job runs of EMR Serverless as our clusters and jobs.
import type { Application, JobRun, JobRunSummary } from '@aws-sdk/client-emr-serverless';
import { WaybillError } from '../../core/errors.ts';
import type { ClusterState, ClusterStatus, JobState, JobStatus } from '../../core/spark.ts';

/** States of an application that has not been deleted. */
export const PRESENT_STATES = ['CREATING', 'CREATED', 'STARTING', 'STARTED', 'STOPPING', 'STOPPED'] as const;
/** States of a job run that has not ended. */
export const ACTIVE_RUN_STATES = [
  'SUBMITTED',
  'PENDING',
  'SCHEDULED',
  'QUEUED',
  'RUNNING',
  'CANCELLING',
] as const;

/** A stopped application is no end: a job starts it. Only a deleted one takes no more. */
const APPLICATION_STATES: Record<string, ClusterState> = {
  CREATING: 'starting',
  CREATED: 'waiting',
  STARTING: 'starting',
  STARTED: 'running',
  STOPPING: 'running',
  STOPPED: 'waiting',
  TERMINATED: 'terminated',
};

const RUN_STATES: Record<string, JobState> = {
  SUBMITTED: 'pending',
  PENDING: 'pending',
  SCHEDULED: 'pending',
  QUEUED: 'pending',
  RUNNING: 'running',
  // It has been asked to cancel the run but has not yet: it is still running.
  CANCELLING: 'running',
  SUCCESS: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
};

export function applicationStatus(application: Application): ClusterStatus {
  const state = known(APPLICATION_STATES, application.state, 'an application');
  return {
    id: application.applicationId ?? '',
    state,
    reason: application.stateDetails ?? '',
    ...time('createdAt', application.createdAt),
    ...(state === 'terminated' ? time('endedAt', application.updatedAt) : {}),
  };
}

/** An application that the service does not know (any more). */
export const unknownApplication = (id: string): ClusterStatus => ({
  id,
  state: 'terminated',
  reason: 'EMR Serverless does not know this application',
});

/** Summaries have no times of their own: a run then begins when it was made, and ends when it last changed. */
export function jobRunStatus(run: JobRun | JobRunSummary): JobStatus {
  const state = known(RUN_STATES, run.state, 'a job run');
  const ended = state === 'completed' || state === 'failed' || state === 'cancelled';
  const started = 'startedAt' in run ? run.startedAt : undefined;
  const end = 'endedAt' in run ? run.endedAt : undefined;
  return {
    id: ('jobRunId' in run ? run.jobRunId : (run as JobRunSummary).id) ?? '',
    name: run.name ?? '',
    state,
    reason: state === 'failed' || state === 'cancelled' ? (run.stateDetails ?? '') : '',
    ...time('startedAt', started ?? run.createdAt),
    ...(ended ? time('endedAt', end ?? run.updatedAt) : {}),
  };
}

/** A state we do not know must not be taken for any we do: guessing "ended" would submit the work twice. */
function known<S>(states: Record<string, S>, state: string | undefined, what: string): S {
  const found = states[state ?? ''];
  if (found !== undefined) return found;
  throw new WaybillError(
    'COMPUTE_REFUSED',
    `EMR Serverless reports a state of ${what} that waybill does not know: ${state}.`,
    { state: state ?? '' },
  );
}

const time = <K extends string>(key: K, value: Date | undefined): { [P in K]?: number } =>
  value === undefined ? {} : ({ [key]: value.getTime() } as { [P in K]: number });
