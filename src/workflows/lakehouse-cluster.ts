// The cluster of a lakehouse run: started when the first job needs it, started anew if it ended, closed at the end.

import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ApplicationFailure,
  CancellationScope,
  type ChildWorkflowHandle,
  executeChild,
  ParentClosePolicy,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { JobCode, LakehouseJob, LakehousePlan } from '../core/lakehouse.ts';
import type {
  AttachedCluster,
  ClusterProfile,
  ClusterStatus,
  SparkClusterOutput,
  SparkJobOutput,
  SparkJobRequest,
} from '../core/spark.ts';
import { clusterWorkflowId, sparkWorkflowId } from '../core/workflow-ids.ts';
import { sparkCluster } from './spark-cluster.ts';
import { sparkJob } from './spark-job.ts';
import { closeClusterSignal } from './spark-messages.ts';

/** How long an ended run's cluster workflow may take to clear away before this run gives up on its id. */
const ID_PATIENCE_ROUNDS = 60;

/** What of a plan says which cluster, and where its jobs leave their results. */
type ClusterPlan = Pick<LakehousePlan, 'engine' | 'storage' | 'window'>;

export class LakehouseCluster {
  readonly #plan: ClusterPlan;
  /** Tells this run's jobs from those of an earlier run of the same id, whose cluster may still be there. */
  readonly #runKey: string;
  #generation = 0;
  #handle: ChildWorkflowHandle<typeof sparkCluster> | undefined;
  #ended: Promise<unknown> | undefined;
  #isOpen = false;
  /** Why the last cluster's workflow failed. */
  #problem: unknown;
  #jobs = 0;
  /** Settles when the cluster that is being ended is gone: until then no job may go to it. */
  #closing: Promise<void> | undefined;
  /** Clusters that have ended, and how. */
  readonly outcomes: SparkClusterOutput[] = [];

  constructor(plan: ClusterPlan) {
    this.#plan = plan;
    this.#runKey = workflowInfo().firstExecutionRunId.slice(0, 8);
  }

  /** In the name of every job of this run, and of no other's. */
  get #jobMark(): string {
    return `#${this.#runKey}.`;
  }

  /** What EMR Serverless, and no other engine, is told with each job. */
  get #serverless(): Pick<SparkJobRequest, 'serverless'> {
    const { engine } = this.#plan;
    if (engine.type !== 'emr-serverless') return {};
    const { workflowId: owner, startTime } = workflowInfo();
    return { serverless: { ...engine.jobRuns, owner, since: startTime.getTime() } };
  }

  /** Which of the jobs are this run's, where the cluster has others' too. */
  get ownJobs(): { jobMark?: string; since?: number } {
    const { engine } = this.#plan;
    return engine.type === 'emr-serverless' && 'attach' in engine
      ? { jobMark: this.#jobMark, since: workflowInfo().startTime.getTime() }
      : {};
  }

  /** Runs a job to its end. Fails as `sparkJob` does, or with CLUSTER_FAILED when the cluster ends first. */
  async run(
    job: LakehouseJob,
    code: JobCode,
    attempt: number,
    onStart: (workflowId: string) => void,
  ): Promise<SparkJobOutput> {
    this.#jobs += 1;
    try {
      return await this.#run(job, code, attempt, onStart);
    } finally {
      this.#jobs -= 1;
    }
  }

  /** Prefix under which this run's jobs leave results. */
  get results(): string {
    return `${this.#plan.storage.results}/${this.#plan.window}/${this.#runKey}`;
  }

  /** Ends the cluster unless a job of it is under way; the next job opens another. */
  async closeIfIdle(): Promise<boolean> {
    if (this.#jobs > 0) return false;
    await this.close();
    return true;
  }

  async #run(
    job: LakehouseJob,
    code: JobCode,
    attempt: number,
    onStart: (workflowId: string) => void,
  ): Promise<SparkJobOutput> {
    const handle = await this.#open();
    const name = `${job.name}${this.#jobMark}${attempt}`;
    const resultUri = `${this.results}/${job.name}.${attempt}.json`;
    const workflowId = sparkWorkflowId(workflowInfo().workflowId, job.name);
    onStart(workflowId);
    const scope = new CancellationScope();
    const running = scope.run(() =>
      executeChild(sparkJob, {
        workflowId,
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        staticSummary: `${job.name} on ${this.#plan.engine.name}`,
        args: [
          {
            engine: this.#plan.engine.type,
            cluster: handle.workflowId,
            resultUri,
            job: {
              name,
              main: code.main,
              pyFiles: code.pyFiles,
              configuration: { ...this.#plan.engine.configuration, ...job.configuration },
              ...this.#serverless,
              arguments: [
                job.job,
                ...Object.entries(job.arguments).flatMap(([key, value]) => [`--${key}`, value]),
                '--result',
                resultUri,
              ],
            },
          },
        ],
      }),
    );
    // Settles with the job when the cluster outlives it, as it should.
    const clusterGone = this.#ended?.then((): never => {
      throw ApplicationFailure.create({
        type: 'CLUSTER_FAILED',
        message: `The cluster ended under ${name}.${this.#problem === undefined ? '' : ` ${messageOf(this.#problem)}`}`,
      });
    });
    clusterGone?.catch(() => undefined);
    try {
      return await Promise.race([running, ...(clusterGone === undefined ? [] : [clusterGone])]);
    } catch (error) {
      scope.cancel();
      await running.catch(() => undefined);
      throw error;
    }
  }

  /** Ends the cluster, if there is one, and returns when its workflow has ended. */
  async close(): Promise<void> {
    if (this.#handle === undefined || !this.#isOpen) return;
    const [handle, ended] = [this.#handle, this.#ended];
    this.#closing = (async () => {
      // A cluster workflow that has just ended by itself no longer takes signals.
      await handle.signal(closeClusterSignal).catch(() => undefined);
      await ended;
    })();
    try {
      await this.#closing;
    } finally {
      this.#closing = undefined;
    }
  }

  get last(): { status: ClusterStatus; seconds: number } | undefined {
    const outcome = this.outcomes.at(-1);
    return outcome?.cluster && { status: outcome.cluster, seconds: outcome.seconds };
  }

  async #open(): Promise<ChildWorkflowHandle<typeof sparkCluster>> {
    if (this.#closing !== undefined) await this.#closing;
    if (this.#handle !== undefined && this.#isOpen) return this.#handle;
    this.#generation += 1;
    // Cancelling the run must not end the cluster at once: undoing may need it. close() ends it.
    const handle = await CancellationScope.nonCancellable(() => this.#start());
    this.#handle = handle;
    this.#isOpen = true;
    this.#ended = handle.result().then(
      (outcome) => {
        this.#isOpen = false;
        this.outcomes.push(outcome);
      },
      (error: unknown) => {
        this.#isOpen = false;
        this.#problem = error;
      },
    );
    return handle;
  }

  async #start(): Promise<ChildWorkflowHandle<typeof sparkCluster>> {
    const { workflowId } = workflowInfo();
    const { engine } = this.#plan;
    for (let round = 1; ; round++) {
      try {
        return await startChild(sparkCluster, {
          workflowId: clusterWorkflowId(engine.name, workflowId),
          parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
          staticSummary: `cluster ${engine.name} for ${workflowId}`,
          args: [
            {
              notify: workflowId,
              request: {
                ...profileOf(engine, this.#jobMark),
                ...this.ownJobs,
                name: engine.name,
                owner: workflowId,
                generation: this.#generation,
                ...(engine.type === 'emr-serverless' ? { run: this.#runKey } : {}),
              },
            },
          ],
        });
      } catch (error) {
        // An earlier run under this id ended a moment ago, and its cluster is still being ended.
        if (!(error instanceof WorkflowExecutionAlreadyStartedError) || round >= ID_PATIENCE_ROUNDS)
          throw error;
        await sleep('5s');
      }
    }
  }
}

const profileOf = (engine: ClusterPlan['engine'], jobMark: string): ClusterProfile | AttachedCluster =>
  'attach' in engine
    ? { engine: engine.type, attach: engine.attach, jobMark }
    : engine.type === 'emr'
      ? { engine: 'emr', profile: engine.cluster }
      : engine.type === 'emr-serverless'
        ? { engine: 'emr-serverless', profile: engine.application }
        : { engine: 'databricks', profile: engine.cluster };

/** The innermost message: what happened, without the layers it came through. */
function messageOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return inner instanceof Error ? inner.message : String(inner);
}
