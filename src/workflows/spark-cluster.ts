// Owns one cluster: opens it, passes jobs to it, follows it with one poller, and ends it whatever happens.
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import {
  type ClusterRequest,
  type ClusterSnapshot,
  type ClusterStatus,
  clusterEnded,
  type JobStatus,
  jobEnded,
  type SparkClusterInput,
  type SparkClusterOutput,
  type SparkJobRequest,
} from '../core/spark.ts';
import { cancelJob, closeCluster, followCluster, openCluster, submitJob } from './spark-activities.ts';
import {
  cancelJobSignal,
  closeClusterSignal,
  clusterChangedSignal,
  clusterProgressQuery,
  type JobChange,
  jobChangedSignal,
  runJobSignal,
} from './spark-messages.ts';

interface Assignment {
  readonly job: SparkJobRequest;
  readonly replyTo: string;
  status?: JobStatus;
  lost?: Lost;
  cancelRequested: boolean;
  /** The submission under way; cancelled when the job is no longer wanted. */
  submission?: CancellationScope;
  submitted: boolean;
  cancelling: boolean;
}

interface Lost {
  readonly code: string;
  readonly message: string;
}

/** How often a cluster that will not end is asked again, once a minute, before this workflow reports it. */
const CLOSE_ATTEMPTS = 30;

/**
 * One cluster's life. It ends, with the cluster verified gone, when told to close, when cancelled (also because its
 * parent ended), or when the cluster ends by itself; then every job still open is told so.
 *
 * Fails with the reason when no cluster could be had, or when it ended by itself with errors.
 */
export async function sparkCluster({ request, notify }: SparkClusterInput): Promise<SparkClusterOutput> {
  const assignments = new Map<string, Assignment>();
  let snapshot: ClusterSnapshot | undefined;
  let closing = false;
  const own =
    'attach' in request
      ? { jobMark: request.jobMark, ...(request.since === undefined ? {} : { since: request.since }) }
      : {};

  setHandler(runJobSignal, ({ job, replyTo }) => {
    if (assignments.has(job.name)) return;
    assignments.set(job.name, { job, replyTo, cancelRequested: false, submitted: false, cancelling: false });
  });
  setHandler(cancelJobSignal, ({ name }) => {
    const assignment = assignments.get(name);
    if (assignment === undefined) return;
    assignment.cancelRequested = true;
    assignment.submission?.cancel();
  });
  setHandler(closeClusterSignal, () => {
    closing = true;
  });
  setHandler(clusterProgressQuery, () => ({
    kind: 'cluster',
    name: request.name,
    ...(snapshot === undefined ? {} : { cluster: snapshot.cluster }),
    jobs: snapshot?.jobs ?? [],
  }));

  /** Takes over what the service says, and tells those concerned. */
  const apply = async (now: ClusterSnapshot): Promise<void> => {
    const before = snapshot;
    snapshot = now;
    setCurrentDetails(details(now));
    if (notify !== undefined && now.cluster.state !== before?.cluster.state) {
      await tell(() => getExternalWorkflowHandle(notify).signal(clusterChangedSignal, now.cluster));
    }
    for (const status of now.jobs) {
      const assignment = assignments.get(status.name);
      if (assignment === undefined || assignment.status?.state === status.state) continue;
      assignment.status = status;
      // A step that the service cancelled because its cluster ended was not cancelled by anyone who did not want it.
      if (status.state === 'cancelled' && !assignment.cancelRequested && clusterEnded(now.cluster.state)) {
        assignment.lost = clusterEndedReason(now.cluster);
      }
      const { lost } = assignment;
      await reply(assignment, { status, clusterId: now.cluster.id, ...(lost === undefined ? {} : { lost }) });
    }
  };

  const follow = async (clusterId: string): Promise<void> => {
    while (snapshot !== undefined && !clusterEnded(snapshot.cluster.state)) {
      await apply(await followCluster({ engine: request.engine, clusterId, known: snapshot, ...own }));
    }
  };

  /** Starts what the jobs need, each on its own: a submission that EMR throttles must not hold up a cancellation. */
  const serve = async (clusterId: string): Promise<void> => {
    const tasks: Promise<void>[] = [];
    const broken: { error?: unknown } = {};
    const start = (task: Promise<void>): void => {
      tasks.push(
        task.catch((error: unknown) => {
          broken.error ??= error;
        }),
      );
    };
    while (broken.error === undefined) {
      await condition(() => broken.error !== undefined || [...assignments.values()].some(needsAttention));
      for (const one of assignments.values()) {
        if (needsSubmit(one)) start(submit(clusterId, one));
        else if (needsCancel(one)) start(cancel(clusterId, one));
      }
    }
    throw broken.error;
  };

  const submit = async (clusterId: string, assignment: Assignment): Promise<void> => {
    assignment.submitted = true;
    const scope = new CancellationScope();
    assignment.submission = scope;
    try {
      const status = await scope.run(() =>
        submitJob.executeWithOptions({ summary: assignment.job.name }, [
          { engine: request.engine, clusterId, job: assignment.job },
        ]),
      );
      // Found cancelled: only the poller can tell whether that was the cluster's end.
      if (status.state === 'cancelled') return;
      // The poller may have seen it already, and further on.
      assignment.status ??= status;
      await reply(assignment, { status: assignment.status, clusterId });
    } catch (error) {
      // Not wanted any more, and perhaps not submitted. Should it show up after all, it is cancelled then.
      const unwanted = isCancellation(error) && assignment.cancelRequested;
      if (isCancellation(error) && !unwanted) throw error;
      assignment.lost = unwanted ? cancelledEarly(assignment.job) : reasonOf(error);
      await reply(assignment, { lost: assignment.lost, clusterId });
    } finally {
      delete assignment.submission;
    }
  };

  const cancel = async (clusterId: string, assignment: Assignment): Promise<void> => {
    assignment.cancelling = true;
    if (assignment.status === undefined) {
      assignment.lost = cancelledEarly(assignment.job);
      return reply(assignment, { lost: assignment.lost, clusterId });
    }
    const jobId = assignment.status.id;
    try {
      const status = await cancelJob.executeWithOptions({ summary: assignment.job.name }, [
        { engine: request.engine, clusterId, jobId },
      ]);
      if (!jobEnded(status.state) || assignment.status.state === status.state) return;
      assignment.status = status;
      await reply(assignment, { status, clusterId });
    } catch (error) {
      if (isCancellation(error)) throw error;
      // The service refused, as when the cluster is ending: the poller will see the job's end.
    }
  };

  const work = new CancellationScope();
  let failure: unknown;
  try {
    await work.run(async () => {
      const cluster = await openCluster.executeWithOptions({ summary: request.name }, [request]);
      await apply({ cluster, jobs: [] });
      await Promise.race([condition(() => closing), follow(cluster.id), serve(cluster.id)]);
    });
  } catch (error) {
    failure = error;
  }

  // Whatever ended the work, the cluster goes, and is seen to be gone; one that is not ours stays, without our jobs.
  return CancellationScope.nonCancellable(async () => {
    work.cancel();
    const last = (await close(request, snapshot?.cluster.id)) ?? snapshot?.cluster;
    if (last !== undefined) await apply({ cluster: last, jobs: snapshot?.jobs ?? [] });
    const jobs = [...assignments.values()];
    for (const assignment of jobs) {
      if (assignment.lost !== undefined || (assignment.status && jobEnded(assignment.status.state))) continue;
      const lost = clusterEndedReason(last ?? { id: request.name, reason: '' });
      await reply(assignment, { lost, ...(last === undefined ? {} : { clusterId: last.id }) });
    }
    if (failure !== undefined) throw failure;
    if (last?.state === 'failed' && !closing) {
      throw ApplicationFailure.create({
        type: 'CLUSTER_FAILED',
        message: `Cluster ${last.id} ended by itself: ${last.reason || 'no reason given'}.`,
        nonRetryable: true,
        details: [{ clusterId: last.id }],
      });
    }
    return {
      ...(last === undefined ? {} : { cluster: last }),
      jobs: snapshot?.jobs ?? [],
      seconds: last?.createdAt && last.endedAt ? Math.round((last.endedAt - last.createdAt) / 1000) : 0,
    };
  });
}

const needsSubmit = (one: Assignment): boolean => !one.submitted && !one.cancelRequested;

const needsCancel = (one: Assignment): boolean =>
  one.cancelRequested &&
  !one.cancelling &&
  one.submission === undefined &&
  (one.status === undefined ? one.lost === undefined : !jobEnded(one.status.state));

const needsAttention = (one: Assignment): boolean => needsSubmit(one) || needsCancel(one);

const cancelledEarly = (job: SparkJobRequest): Lost => ({
  code: 'STEP_CANCELLED',
  message: `Step ${job.name} was cancelled before it began.`,
});

const clusterEndedReason = ({ id, reason }: Pick<ClusterStatus, 'id' | 'reason'>): Lost => ({
  code: 'CLUSTER_FAILED',
  message: `Cluster ${id} ended${reason ? `: ${reason}` : ''}.`,
});

/** Ends the cluster. What the service refuses (credentials that have run out) is asked again: it costs money. */
async function close(
  request: ClusterRequest,
  clusterId: string | undefined,
): Promise<ClusterStatus | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await closeCluster.executeWithOptions({ summary: request.name }, [
        { request, ...(clusterId === undefined ? {} : { clusterId }) },
      ]);
    } catch (error) {
      if (attempt >= CLOSE_ATTEMPTS) throw error;
      setCurrentDetails(
        `**${request.name}** cannot be ended: ${reasonOf(error).message} Asking again in a minute.`,
      );
      await sleep('1m');
    }
  }
}

const reply = (assignment: Assignment, change: JobChange): Promise<void> =>
  tell(() => getExternalWorkflowHandle(assignment.replyTo).signal(jobChangedSignal, change));

/** A message to a workflow that has ended is nobody's loss; our own cancellation is not swallowed. */
async function tell(send: () => Promise<void>): Promise<void> {
  try {
    await send();
  } catch (error) {
    if (isCancellation(error)) throw error;
  }
}

function reasonOf(error: unknown): Lost {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) return { code: cause.type ?? 'INTERNAL', message: cause.message };
  return { code: 'INTERNAL', message: cause instanceof Error ? cause.message : String(cause) };
}

function details({ cluster, jobs }: ClusterSnapshot): string {
  const rows = jobs.map((job) => `| ${job.name} | ${job.state} | ${job.id} |`);
  const head = `**${cluster.id}** ${cluster.state}${cluster.reason ? ` · ${cluster.reason}` : ''}`;
  return rows.length === 0 ? head : [head, '', '| step | state | id |', '|---|---|---|', ...rows].join('\n');
}
