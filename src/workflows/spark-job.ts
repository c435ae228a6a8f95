// One Spark job: handed to its cluster once, followed, cancelled when this workflow is, its result collected.
import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { jobsOwnError } from '../core/lakehouse/job-error.ts';
import { type JobStatus, jobEnded, type SparkJobInput, type SparkJobOutput } from '../core/spark.ts';
import { readJobLogs, readJobResult } from './spark-activities.ts';
import {
  cancelJobSignal,
  type JobChange,
  jobChangedSignal,
  jobProgressQuery,
  runJobSignal,
} from './spark-messages.ts';

/** How long a cancelled job may take to stop before this workflow ends without knowing. */
const CANCEL_PATIENCE = '2m';

/**
 * Fails with STEP_FAILED (carries the log's tail and address), STEP_CANCELLED, CLUSTER_FAILED when the cluster ended
 * under it, or what `readJobResult` throws.
 */
export async function sparkJob(input: SparkJobInput): Promise<SparkJobOutput> {
  const { job, engine } = input;
  let change: JobChange = {};
  setHandler(jobChangedSignal, (next) => {
    // Messages can overtake each other: an ended job stays ended.
    if (change.status === undefined || !jobEnded(change.status.state)) change = { ...change, ...next };
  });
  setHandler(jobProgressQuery, () => ({
    kind: 'sparkJob',
    name: job.name,
    state: change.status?.state ?? 'queued',
    ...(change.status === undefined ? {} : { id: change.status.id }),
  }));
  const ended = (): boolean =>
    change.lost !== undefined || (!!change.status && jobEnded(change.status.state));

  const cluster = getExternalWorkflowHandle(input.cluster);
  try {
    await send(
      () => cluster.signal(runJobSignal, { job, replyTo: workflowInfo().workflowId }),
      input.cluster,
    );
    let shown: string | undefined;
    while (!ended()) {
      await condition(() => ended() || change.status?.state !== shown);
      shown = change.status?.state;
      if (change.status)
        setCurrentDetails(`**${job.name}** ${shown} · step ${change.status.id} on ${change.clusterId}`);
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    await CancellationScope.nonCancellable(async () => {
      await send(() => cluster.signal(cancelJobSignal, { name: job.name }), input.cluster).catch(
        () => undefined,
      );
      await condition(ended, CANCEL_PATIENCE);
    });
    throw error;
  }

  const { status, lost, clusterId = '' } = change;
  if (status?.state === 'completed') {
    const result = await readJobResult.executeWithOptions({ summary: job.name }, [{ uri: input.resultUri }]);
    return { status, result, seconds: secondsOf(status) };
  }
  if (
    status === undefined ||
    !jobEnded(status.state) ||
    (lost !== undefined && status.state === 'cancelled')
  ) {
    const { code, message } = lost ?? { code: 'INTERNAL', message: `${job.name} ended without a word.` };
    throw ApplicationFailure.create({
      type: code,
      message,
      nonRetryable: true,
      details: [{ job: job.name, clusterId }],
    });
  }
  const logs = await readJobLogs
    .executeWithOptions({ summary: job.name }, [{ engine, clusterId, jobId: status.id }])
    .catch((error: unknown) => {
      if (error instanceof CancelledFailure) throw error;
      return { address: '', tail: '' };
    });
  const what = status.state === 'cancelled' ? 'was cancelled' : 'failed';
  const reason = jobsOwnError(logs.tail) ?? status.reason;
  const parts = [
    `Step ${job.name} (${status.id} on ${clusterId}) ${what}${reason ? `: ${reason}` : '.'}`,
    logs.address && `Full log: ${logs.address}`,
    logs.tail,
  ];
  throw ApplicationFailure.create({
    type: status.state === 'cancelled' ? 'STEP_CANCELLED' : 'STEP_FAILED',
    message: parts.filter(Boolean).join('\n'),
    nonRetryable: true,
    details: [{ job: job.name, stepId: status.id, clusterId, log: logs.address }],
  });
}

/** A cluster's workflow that is not there has ended, and its cluster with it. */
async function send(signal: () => Promise<void>, cluster: string): Promise<void> {
  try {
    await signal();
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw ApplicationFailure.create({
      type: 'CLUSTER_FAILED',
      message: `The cluster's workflow ${cluster} is not running, so its cluster takes no more jobs.`,
      nonRetryable: true,
    });
  }
}

const secondsOf = (status: JobStatus): number =>
  status.startedAt && status.endedAt ? Math.round((status.endedAt - status.startedAt) / 100) / 10 : 0;
