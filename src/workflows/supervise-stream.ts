// A streaming job kept running for as long as it is wanted: started, watched, started anew from its checkpoint after a
// failure, drained and started on new code, stopped. Continues as new, while its job goes on.
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import {
  ActivityCancellationType,
  allHandlersFinished,
  CancellationScope,
  ContinueAsNew,
  condition,
  continueAsNew,
  defineQuery,
  defineUpdate,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { JobCode, LakehouseActivities } from '../core/lakehouse.ts';
import type { Alert, AlertActivities, AlertKind, AlertSeverity } from '../core/monitoring/alert.ts';
import { type ClusterRequest, clusterEnded, jobEnded, type SparkJobRequest } from '../core/spark.ts';
import {
  afterFailure,
  fenceOf,
  type StreamActivities,
  type StreamFailure,
  type StreamHealth,
  type StreamObservation,
  type StreamPhase,
  type StreamPlan,
  type StreamState,
  type StreamStatus,
  type SuperviseStreamInput,
  streamFiles,
} from '../core/streams.ts';
import { cancelJob, closeCluster, openCluster, readJobLogs, submitJob } from './spark-activities.ts';

const { loadStream, requestDrain } = proxyActivities<StreamActivities>({
  startToCloseTimeout: '1m',
  retry: { maximumAttempts: 5 },
});
const { uploadJobs } = proxyActivities<LakehouseActivities>({
  startToCloseTimeout: '10m',
  retry: { maximumInterval: '30s', maximumAttempts: 8 },
});
const { raiseAlert } = proxyActivities<AlertActivities>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '10m',
  retry: { initialInterval: '2s', maximumInterval: '1m' },
});
const { watchStream } = proxyActivities<StreamActivities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: '30s',
  retry: { maximumInterval: '30s' },
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export const streamQuery = defineQuery<StreamStatus>('stream');
/** Ends the job after its batch and starts it on the code and definition as they are now; answers when that is done. */
export const drainStreamUpdate = defineUpdate<StreamStatus>('drain');
/** Ends the job after its batch, then the cluster if it is the stream's own; answers when that is done. */
export const stopStreamUpdate = defineUpdate<StreamStatus>('stop');

/** History after which it continues as new. */
const MAX_EVENTS = 4_000;
/** How long a job that was cancelled may take to end before its cluster is ended without it. */
const CANCEL_PATIENCE = 2 * 60_000;
/** Log lines that a failure keeps: what failed, not the whole trace. */
const REASON_LENGTH = 1_500;

/**
 * Returns when the stream has been stopped. Fails with STREAM_FAILED after more failures within a window than the
 * definition allows, with CLUSTER_FAILED when a cluster that it was attached to has ended, or with what is wrong with the
 * definition at the first start. Cancelled, it ends the job at once; the checkpoint stays whole.
 */
export function superviseStream(input: SuperviseStreamInput): Promise<StreamStatus> {
  return new Supervisor(input).run();
}

class Supervisor {
  readonly #input: SuperviseStreamInput;
  readonly #state: StreamState;
  #phase: StreamPhase = 'starting';
  #reason = '';
  #seen: StreamObservation | undefined;
  /** What has been asked for, and is not done yet. */
  #wish: 'run' | 'drain' | 'stop' = 'run';
  #next: { plan: StreamPlan; code: JobCode } | undefined;
  /** A drain reads the new definition; the job does not know of it yet. */
  #preparing = false;
  /** Alerts on their way. */
  #telling = 0;

  constructor(input: SuperviseStreamInput) {
    this.#input = input;
    this.#state = input.state ?? {
      since: workflowInfo().startTime.getTime(),
      starts: 0,
      failures: [],
      health: 'starting',
      alerts: 0,
    };
    setHandler(streamQuery, () => this.#status());
    const refuse = (): void => {
      if (this.#preparing || this.#wish !== 'run')
        throw new Error(`The stream is asked to ${this.#preparing ? 'drain' : this.#wish} already.`);
    };
    setHandler(drainStreamUpdate, () => this.#drain(), { validator: refuse });
    setHandler(stopStreamUpdate, () => this.#stop(), {
      validator: () => {
        if (this.#wish === 'stop') throw new Error('The stream is asked to stop already.');
      },
    });
  }

  async run(): Promise<StreamStatus> {
    try {
      this.#state.plan ??= await this.#load();
      this.#state.code ??= await this.#upload(this.#state.plan);
      await this.#supervise(this.#state.plan);
      this.#show('stopped', '');
      await condition(() => allHandlersFinished() && this.#telling === 0);
      return this.#status();
    } catch (error) {
      if (isContinuation(error)) throw error;
      await CancellationScope.nonCancellable(() => this.#end());
      this.#show(isCancellation(error) ? 'cancelled' : 'failed', rootOf(error).message);
      const { plan } = this.#state;
      if (plan !== undefined && !isCancellation(error))
        this.#alert(plan, 'runFailed', 'critical', `stream ${plan.name} failed`, this.#reason, {});
      const isQuiet = (): boolean => allHandlersFinished() && this.#telling === 0;
      await CancellationScope.nonCancellable(() => condition(isQuiet, '1m'));
      throw error;
    }
  }

  /** One start of the job after the other, until it is to stop. */
  async #supervise(first: StreamPlan): Promise<void> {
    let plan = first;
    for (;;) {
      if (this.#isTo('stop')) return this.#end();
      if (this.#isTo('drain')) plan = await this.#renew(plan);
      const failure = await this.#once(plan);
      delete this.#state.job;
      this.#state.health = 'starting';
      if (!this.#isTo('run')) continue;
      const { failures, wait } = afterFailure(this.#state.failures, failure, plan.restart);
      this.#state.failures = failures;
      if (typeof plan.engine.cluster === 'string' && failure.code === 'CLUSTER_FAILED')
        throw asError(failure);
      if (wait === undefined) throw this.#tooOften(plan, failure);
      this.#show('waiting', failure.reason);
      await condition(() => !this.#isTo('run'), wait);
    }
  }

  #isTo(wish: 'run' | 'drain' | 'stop'): boolean {
    return this.#wish === wish;
  }

  /** Takes over the definition and the code that a drain was asked for. */
  async #renew(plan: StreamPlan): Promise<StreamPlan> {
    const next = this.#next ?? { plan, code: this.#state.code };
    if (JSON.stringify(next.plan.engine) !== JSON.stringify(plan.engine)) await this.#closeCluster(plan);
    Object.assign(this.#state, next);
    this.#next = undefined;
    if (this.#isTo('drain')) this.#wish = 'run';
    return next.plan;
  }

  /** Starts the job and follows it to its end; says how it ended. */
  async #once(plan: StreamPlan): Promise<StreamFailure> {
    try {
      // An earlier execution of this workflow may have started it.
      if (this.#state.job === undefined) await this.#start(plan);
      else this.#show('running', '');
      const over = { yes: false };
      const following = this.#follow(plan).finally(() => {
        over.yes = true;
      });
      const [failure] = await Promise.all([following, this.#endWhenAsked(plan, () => over.yes)]);
      return failure;
    } catch (error) {
      if (isCancellation(error) || isContinuation(error)) throw error;
      const { code, message } = rootOf(error);
      // A cluster that takes no job any more is of no use to the next start.
      if (/^(CLUSTER_FAILED|COMPUTE_REFUSED)$/.test(code)) await this.#closeCluster(plan);
      return { at: Date.now(), code, reason: message };
    }
  }

  async #start(plan: StreamPlan): Promise<void> {
    const state = this.#state;
    state.starts += 1;
    this.#seen = undefined;
    this.#show('starting', '');
    const { cluster, name } = plan.engine;
    if (typeof cluster === 'string') state.cluster = { id: cluster, generation: 0 };
    else if (state.cluster === undefined) {
      const generation = fenceOf(state);
      const opened = await openCluster.executeWithOptions({ summary: name }, [
        { ...cluster, name, owner: workflowInfo().workflowId, generation },
      ]);
      state.cluster = { id: opened.id, generation };
    }
    const job = this.#request(plan);
    const clusterId = state.cluster.id;
    // Not cut off by a cancellation: a job that was submitted has to be known to be ended.
    const submitted = await CancellationScope.nonCancellable(() =>
      submitJob.executeWithOptions({ summary: job.name }, [{ engine: plan.engine.type, clusterId, job }]),
    );
    state.job = { id: submitted.id, name: job.name, at: Date.now() };
    this.#show('running', '');
  }

  #request(plan: StreamPlan): SparkJobRequest {
    const fence = fenceOf(this.#state);
    const files = streamFiles(plan);
    const given: Record<string, string> = {
      ...plan.job.arguments,
      run: `streams/${plan.name}/${fence}`,
      progress: files.progress,
      control: files.control,
      generation: String(fence),
      'lease-seconds': String(plan.leaseSeconds),
      result: files.result(fence),
    };
    const code = this.#state.code as JobCode;
    return {
      name: `${plan.name}#${fence}`,
      main: code.main,
      pyFiles: code.pyFiles,
      configuration: { ...plan.engine.configuration, ...plan.job.configuration },
      arguments: [plan.job.job, ...Object.entries(given).flatMap(([key, value]) => [`--${key}`, value])],
    };
  }

  async #follow(plan: StreamPlan): Promise<StreamFailure> {
    const { cluster, job } = this.#state;
    if (cluster === undefined || job === undefined) throw new Error('no job to follow');
    const { lease, progress } = streamFiles(plan);
    for (;;) {
      const seen: StreamObservation = await watchStream.executeWithOptions({ summary: job.name }, [
        {
          engine: plan.engine.type,
          lag: plan.lag,
          leaseSeconds: plan.leaseSeconds,
          lease,
          progress,
          clusterId: cluster.id,
          jobId: job.id,
          fence: fenceOf(this.#state),
          startedAt: job.at,
          known: {
            health: this.#state.health,
            ...(this.#seen === undefined ? {} : { cluster: this.#seen.cluster.state }),
            ...(this.#seen?.job === undefined ? {} : { job: this.#seen.job.state }),
          },
        },
      ]);
      this.#seen = seen;
      this.#changeHealth(plan, seen);
      const gone = clusterEnded(seen.cluster.state);
      if (gone || seen.job === undefined || jobEnded(seen.job.state)) {
        // The next start needs another cluster; of this one nothing may be left.
        if (gone) await this.#closeCluster(plan);
        return this.#failureOf(plan, seen, gone);
      }
      this.#show(this.#phase, seen.reason);
      const { historyLength, continueAsNewSuggested } = workflowInfo();
      const isLong = historyLength > (this.#input.maxEvents ?? MAX_EVENTS) || continueAsNewSuggested;
      if (isLong && this.#isTo('run') && this.#telling === 0 && allHandlersFinished())
        await continueAsNew<typeof superviseStream>({ ...this.#input, state: this.#state });
    }
  }

  /** Tells of a stream that falls behind or silent, and of one that does no longer. */
  #changeHealth(plan: StreamPlan, { health, reason, progress }: StreamObservation): void {
    const { health: before } = this.#state;
    this.#state.health = health;
    const isBad = (what: StreamHealth): boolean => what === 'lagging' || what === 'silent';
    if (health === before || (!isBad(health) && !(isBad(before) && health === 'ok'))) return;
    const title = `stream ${plan.name} ${health === 'ok' ? 'keeps up again' : `is ${health}`}`;
    const { offsets, seconds } = progress?.behind ?? {};
    this.#alert(plan, 'streamLag', health === 'ok' ? 'info' : 'warning', title, reason, {
      ...(offsets === undefined ? {} : { messagesWaiting: offsets }),
      ...(seconds === undefined ? {} : { secondsBehind: seconds }),
    });
  }

  /** Tells every channel, each by itself; what cannot be told does not hold up the stream. */
  #alert(
    plan: StreamPlan,
    kind: AlertKind,
    severity: AlertSeverity,
    title: string,
    text: string,
    facts: Alert['facts'],
  ): void {
    this.#state.alerts += 1;
    const { since, alerts } = this.#state;
    const { workflowId } = workflowInfo();
    const at = new Date(Date.now()).toISOString();
    const key = `${workflowId}/${since}/${alerts}`;
    const alert: Alert = { key, kind, severity, run: workflowId, title, text, at, facts };
    for (const channel of plan.alerts) {
      this.#telling += 1;
      CancellationScope.nonCancellable(() =>
        raiseAlert.executeWithOptions({ summary: `${kind} to ${channel}` }, [{ channel, alert }]),
      )
        .catch(() => undefined)
        .finally(() => {
          this.#telling -= 1;
        });
    }
  }

  async #failureOf(
    plan: StreamPlan,
    { job, cluster }: StreamObservation,
    gone: boolean,
  ): Promise<StreamFailure> {
    const at = Date.now();
    if (gone || job === undefined) {
      const reason = `Cluster ${cluster.id} ended under the stream${cluster.reason ? `: ${cluster.reason}` : ''}.`;
      return { at, code: 'CLUSTER_FAILED', reason };
    }
    const what = `${job.name} (${job.id} on ${cluster.id})`;
    if (job.state === 'completed') return { at, code: 'STREAM_FAILED', reason: `${what} ended by itself.` };
    if (job.state === 'cancelled') return { at, code: 'STEP_CANCELLED', reason: `${what} was cancelled.` };
    const logs = await readJobLogs
      .executeWithOptions({ summary: job.name }, [
        { engine: plan.engine.type, clusterId: cluster.id, jobId: job.id },
      ])
      .catch((error: unknown) => {
        if (isCancellation(error)) throw error;
        return { address: '', tail: '' };
      });
    const parts = [
      `${what} failed${job.reason ? `: ${job.reason}` : '.'}`,
      logs.address,
      logs.tail.slice(-REASON_LENGTH),
    ];
    return { at, code: 'STEP_FAILED', reason: parts.filter(Boolean).join('\n') };
  }

  async #drain(): Promise<StreamStatus> {
    this.#preparing = true;
    try {
      // What is wrong with the new definition is said before the running job is touched.
      const plan = await this.#load();
      this.#next = { plan, code: await this.#upload(plan) };
    } catch (error) {
      const { code, message } = rootOf(error);
      throw asError({ at: 0, code, reason: message });
    } finally {
      this.#preparing = false;
    }
    const { starts } = this.#state;
    if (!this.#isTo('stop')) this.#wish = 'drain';
    await condition(() => this.#isOver() || (this.#state.starts > starts && this.#phase === 'running'));
    return this.#answer();
  }

  async #stop(): Promise<StreamStatus> {
    this.#wish = 'stop';
    await condition(() => this.#isOver());
    return this.#answer();
  }

  #isOver(): boolean {
    return /^(stopped|failed|cancelled)$/.test(this.#phase);
  }

  #answer(): StreamStatus {
    if (this.#phase === 'failed' || this.#phase === 'cancelled')
      throw asError({ at: 0, code: 'STREAM_FAILED', reason: `The stream has ended: ${this.#reason}` });
    return this.#status();
  }

  /** When it is to drain or stop, asks the job to end after its batch; one that does not in time is cut off. */
  async #endWhenAsked(plan: StreamPlan, isOver: () => boolean): Promise<void> {
    await condition(() => isOver() || !this.#isTo('run'));
    const { job, cluster } = this.#state;
    if (isOver() || job === undefined || cluster === undefined) return;
    this.#show(this.#isTo('stop') ? 'stopping' : 'draining', '');
    await requestDrain({ uri: streamFiles(plan).drain(fenceOf(this.#state)) });
    if (await condition(isOver, plan.drainTimeout)) return;
    this.#show(this.#phase, 'the batch took too long and is cut off; it is done again');
    await cancelJob.executeWithOptions({ summary: job.name }, [
      { engine: plan.engine.type, clusterId: cluster.id, jobId: job.id },
    ]);
  }

  /** Leaves nothing running: the job is cancelled and seen to have ended, a cluster of the stream's own is ended. */
  async #end(): Promise<void> {
    const { job, plan, cluster } = this.#state;
    if (plan === undefined) return;
    if (job !== undefined && cluster !== undefined) {
      const where = { engine: plan.engine.type, clusterId: cluster.id, jobId: job.id };
      const until = Date.now() + CANCEL_PATIENCE;
      let ended = false;
      while (!ended && Date.now() < until) {
        ended = await cancelJob(where).then(
          ({ state }) => jobEnded(state),
          () => true,
        );
        if (!ended) await sleep('2s');
      }
      delete this.#state.job;
    }
    await this.#closeCluster(plan);
  }

  async #closeCluster(plan: StreamPlan): Promise<void> {
    const { cluster, name } = plan.engine;
    const { cluster: open } = this.#state;
    delete this.#state.cluster;
    if (typeof cluster === 'string' || this.#state.starts === 0) return;
    const request: ClusterRequest = {
      ...cluster,
      name,
      owner: workflowInfo().workflowId,
      generation: open?.generation ?? fenceOf(this.#state),
    };
    await closeCluster.executeWithOptions({ summary: name }, [
      { request, ...(open === undefined ? {} : { clusterId: open.id }) },
    ]);
  }

  #load(): Promise<StreamPlan> {
    const { name, parameters } = this.#input;
    return loadStream({ name, parameters, runId: workflowInfo().workflowId });
  }

  #upload({ storage, engine }: StreamPlan): Promise<JobCode> {
    return uploadJobs({ prefix: storage.code, engine: engine.type });
  }

  #tooOften({ name, restart }: StreamPlan, { reason }: StreamFailure): ApplicationFailure {
    const minutes = Math.round(restart.window / 60_000);
    return ApplicationFailure.create({
      type: 'STREAM_FAILED',
      message: `Stream ${name} failed ${this.#state.failures.length} times within ${minutes} min; ${restart.maximum} are started anew. Last: ${reason}`,
      nonRetryable: true,
      details: [{ stream: name, failures: this.#state.failures.length }],
    });
  }

  #show(phase: StreamPhase, reason: string): void {
    this.#phase = phase;
    this.#reason = reason;
    setCurrentDetails(details(this.#status()));
  }

  #status(): StreamStatus {
    const { starts, cluster, job, code, failures, health } = this.#state;
    return {
      name: this.#input.name,
      phase: this.#phase,
      health,
      reason: this.#reason,
      starts,
      ...(cluster === undefined ? {} : { cluster: cluster.id }),
      ...(job === undefined ? {} : { job: { id: job.id, name: job.name } }),
      ...(code === undefined ? {} : { code: code.main }),
      ...(this.#seen?.progress === undefined ? {} : { progress: this.#seen.progress }),
      failures,
    };
  }
}

/** How `continueAsNew` ends an execution: not a failure. */
const isContinuation = (error: unknown): boolean => error instanceof ContinueAsNew;

function rootOf(error: unknown): { code: string; message: string } {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) return { code: cause.type ?? 'INTERNAL', message: cause.message };
  return { code: 'INTERNAL', message: cause instanceof Error ? cause.message : String(cause) };
}

const asError = ({ code, reason }: StreamFailure): ApplicationFailure =>
  ApplicationFailure.create({ type: code, message: reason, nonRetryable: true });

function details({ phase, health, reason, starts, progress, failures }: StreamStatus): string {
  const lines = [
    `**${phase}** · ${health}${reason ? ` · ${reason.split('\n', 1)[0]}` : ''}`,
    '',
    `start ${starts}`,
  ];
  if (progress !== undefined) {
    const { offsets, seconds } = progress.behind;
    const behind = [
      ...(offsets === undefined ? [] : [`${offsets} waiting`]),
      ...(seconds === undefined ? [] : [`${seconds} s behind`]),
    ];
    lines.push(
      `batch ${progress.batch} · ${progress.rows} rows · ${progress.rowsPerSecond} rows/s · ${behind.join(', ')}`,
    );
  }
  if (failures.length > 0) lines.push(`${failures.length} failures that count`);
  return lines.join('\n\n');
}
