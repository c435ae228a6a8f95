// Spark on EMR: clusters and steps found by name before they are created, and created once.

import {
  AddJobFlowStepsCommand,
  CancelStepsCommand,
  type Cluster,
  type ClusterSummary,
  DescribeClusterCommand,
  DescribeStepCommand,
  paginateListClusters,
  paginateListSteps,
  RunJobFlowCommand,
  SetTerminationProtectionCommand,
  type StepSummary,
  TerminateJobFlowsCommand,
} from '@aws-sdk/client-emr';
import { WaybillError } from '../../core/errors.ts';
import type { ClusterUsage } from '../../core/monitoring/cost.ts';
import type { ClusterCapacity } from '../../core/monitoring/supervision.ts';
import {
  type ClusterSnapshot,
  type ClusterStatus,
  type JobLogs,
  type JobStatus,
  jobEnded,
  type OwnClusterRequest,
  type SparkJobRequest,
} from '../../core/spark.ts';
import type { LakeStorage } from '../lake-storage.ts';
import { lookThenCreate } from '../look-then-create.ts';
import type { CallOptions, SparkRunner } from '../spark-runner.ts';
import { readCapacity, resizeCluster } from './capacity.ts';
import type { EmrClients } from './client.ts';
import { emrClusterName, GENERATION_TAG, OWNER_TAG, runJobFlowInput } from './cluster-input.ts';
import { emrError, isAmbiguous, isTerminationProtected, isUnknownCluster } from './errors.ts';
import { ACTIVE_CLUSTER_STATES, clusterStatus, jobStatus } from './statuses.ts';
import { logTail } from './step-logs.ts';
import { instanceUse } from './usage.ts';

export interface EmrRunnerOptions {
  readonly clients: EmrClients;
  /** Where EMR's logs are read from. */
  readonly storage: LakeStorage;
  /** ms until a created cluster or step can be relied on to show in EMR's lists. */
  readonly lookAgainAfter: number;
  /** ms to wait for a step's log to appear in S3; EMR ships logs up to five minutes late. */
  readonly logWait: number;
}

export class EmrRunner implements SparkRunner {
  readonly engine = 'emr';
  readonly #options: EmrRunnerOptions;

  constructor(options: EmrRunnerOptions) {
    this.#options = options;
  }

  async openCluster(request: OwnClusterRequest, options: CallOptions = {}): Promise<ClusterStatus> {
    if (request.engine !== 'emr') throw new TypeError(`a cluster of ${request.engine} asked of EMR`);
    const look = async (): Promise<ClusterStatus | undefined> =>
      (await this.#owned(request, options, request.generation)).find(
        (cluster) => cluster.state !== 'terminating',
      );
    const create = async (): Promise<ClusterStatus> => {
      const { JobFlowId: id } = await this.#options.clients.once.send(
        new RunJobFlowCommand(runJobFlowInput(request)),
      );
      if (id === undefined)
        throw new WaybillError('COMPUTE_BUSY', 'EMR answered RunJobFlow without a cluster id.');
      return { id, state: 'starting', reason: '' };
    };
    return this.#lookThenCreate('RunJobFlow', look, create, options);
  }

  async submit(clusterId: string, job: SparkJobRequest, options: CallOptions = {}): Promise<JobStatus> {
    const look = async (): Promise<JobStatus | undefined> =>
      (await this.#steps(clusterId, options)).find((step) => step.name === job.name);
    const create = async (): Promise<JobStatus> => {
      const { StepIds: ids } = await this.#options.clients.once.send(
        new AddJobFlowStepsCommand({
          JobFlowId: clusterId,
          Steps: [
            {
              Name: job.name,
              // One failed step must not take the cluster: what follows it is waybill's decision.
              ActionOnFailure: 'CONTINUE',
              HadoopJarStep: { Jar: 'command-runner.jar', Args: sparkSubmit(job) },
            },
          ],
        }),
      );
      const id = ids?.[0];
      if (id === undefined)
        throw new WaybillError('COMPUTE_BUSY', 'EMR answered AddJobFlowSteps without a step id.');
      return { id, name: job.name, state: 'pending', reason: '' };
    };
    return this.#lookThenCreate('AddJobFlowSteps', look, create, options);
  }

  async snapshot(clusterId: string, options: CallOptions = {}): Promise<ClusterSnapshot> {
    // Steps first: when they were cancelled by the cluster's end, the cluster's state then says so.
    let jobs: JobStatus[];
    try {
      jobs = await this.#steps(clusterId, options);
    } catch (error) {
      if (!isUnknownCluster((error as Error).cause)) throw error;
      const gone = {
        id: clusterId,
        state: 'failed',
        reason: 'EMR does not know this cluster any more',
      } as const;
      return { cluster: gone, jobs: [] };
    }
    const cluster = await this.#describeCluster(clusterId, options);
    return { cluster: clusterStatus(cluster ?? { Id: clusterId }), jobs };
  }

  findClusters(request: OwnClusterRequest, options: CallOptions = {}): Promise<ClusterStatus[]> {
    return this.#owned(request, options);
  }

  async terminateCluster(clusterId: string, options: CallOptions = {}): Promise<void> {
    const { repeating } = this.#options.clients;
    const JobFlowIds = [clusterId];
    const terminate = () => repeating.send(new TerminateJobFlowsCommand({ JobFlowIds }), abort(options));
    try {
      await terminate();
    } catch (error) {
      if (!isTerminationProtected(error)) throw emrError(error, 'TerminateJobFlows');
      // EMR protects clusters with three masters by itself. Whoever asks for their end means it.
      await call('SetTerminationProtection', () =>
        repeating.send(
          new SetTerminationProtectionCommand({ JobFlowIds, TerminationProtected: false }),
          abort(options),
        ),
      );
      await call('TerminateJobFlows', terminate);
    }
  }

  async describe(clusterId: string, jobId: string, options: CallOptions = {}): Promise<JobStatus> {
    const { Step: step } = await call('DescribeStep', () =>
      this.#options.clients.repeating.send(
        new DescribeStepCommand({ ClusterId: clusterId, StepId: jobId }),
        abort(options),
      ),
    );
    return jobStatus(step ?? { Id: jobId });
  }

  async cancel(clusterId: string, jobId: string, options: CallOptions = {}): Promise<void> {
    if (jobEnded((await this.describe(clusterId, jobId, options)).state)) return;
    const { CancelStepsInfoList: infos = [] } = await call('CancelSteps', () =>
      this.#options.clients.repeating.send(
        new CancelStepsCommand({
          ClusterId: clusterId,
          StepIds: [jobId],
          // SEND_INTERRUPT, the default, cancels only steps that have not begun.
          StepCancellationOption: 'TERMINATE_PROCESS',
        }),
        abort(options),
      ),
    );
    const refused = infos.find((info) => info.Status === 'FAILED');
    if (refused === undefined || jobEnded((await this.describe(clusterId, jobId, options)).state)) return;
    throw new WaybillError(
      'COMPUTE_BUSY',
      `EMR did not cancel step ${jobId}: ${refused.Reason ?? 'no reason given'}.`,
      {
        clusterId,
        jobId,
      },
    );
  }

  async logs(clusterId: string, jobId: string, options: CallOptions = {}): Promise<JobLogs> {
    const cluster = await this.#describeCluster(clusterId, options);
    const base = cluster?.LogUri?.replace(/\/+$/, '').replace(/^s3[an]:/, 's3:');
    if (!base) return { address: '', tail: '' };
    const address = `${base}/${clusterId}/steps/${jobId}/`;
    return {
      address,
      tail: await logTail(this.#options.storage, address, this.#options.logWait, options.signal),
    };
  }

  async usage(clusterId: string, options: CallOptions = {}): Promise<ClusterUsage> {
    const cluster = await this.#describeCluster(clusterId, options);
    const known = { clusterId, engine: 'emr' } as const;
    if (cluster === undefined) return { ...known, machines: [], approximate: true };
    const { repeating } = this.#options.clients;
    return {
      ...known,
      machines: await call('ListInstances', () => instanceUse(repeating, cluster, abort(options))),
    };
  }

  async capacity(clusterId: string, options: CallOptions = {}): Promise<ClusterCapacity | undefined> {
    const cluster = await this.#describeCluster(clusterId, options);
    if (cluster === undefined) return undefined;
    const { repeating } = this.#options.clients;
    return call('GetManagedScalingPolicy', () => readCapacity(repeating, cluster, abort(options)));
  }

  async resize(clusterId: string, capacity: ClusterCapacity, options: CallOptions = {}): Promise<void> {
    const { repeating } = this.#options.clients;
    await call('PutManagedScalingPolicy', () =>
      resizeCluster(repeating, clusterId, capacity, abort(options)),
    );
  }

  #lookThenCreate<T>(
    operation: string,
    look: () => Promise<T | undefined>,
    create: () => Promise<T>,
    options: CallOptions,
  ): Promise<T> {
    const { lookAgainAfter } = this.#options;
    const cast = (error: unknown) => emrError(error, operation);
    return lookThenCreate({ look, create, isAmbiguous, cast, lookAgainAfter }, options);
  }

  async #owned(
    request: OwnClusterRequest,
    options: CallOptions,
    generation?: number,
  ): Promise<ClusterStatus[]> {
    const name = emrClusterName(request);
    const named = await call('ListClusters', async () => {
      const found: ClusterSummary[] = [];
      const pages = paginateListClusters(
        { client: this.#options.clients.repeating },
        { ClusterStates: [...ACTIVE_CLUSTER_STATES] },
        abort(options),
      );
      for await (const page of pages)
        found.push(...(page.Clusters ?? []).filter((cluster) => cluster.Name === name));
      return found;
    });
    const owned: ClusterStatus[] = [];
    for (const { Id: id } of named) {
      if (id === undefined) continue;
      const cluster = await this.#describeCluster(id, options);
      const tags = new Map(cluster?.Tags?.map((tag) => [tag.Key, tag.Value]));
      if (cluster === undefined || tags.get(OWNER_TAG) !== request.owner) continue;
      if (generation !== undefined && tags.get(GENERATION_TAG) !== String(generation)) continue;
      owned.push(clusterStatus(cluster));
    }
    return owned;
  }

  async #describeCluster(clusterId: string, options: CallOptions): Promise<Cluster | undefined> {
    try {
      const { repeating } = this.#options.clients;
      return (await repeating.send(new DescribeClusterCommand({ ClusterId: clusterId }), abort(options)))
        .Cluster;
    } catch (error) {
      if (isUnknownCluster(error)) return undefined;
      throw emrError(error, 'DescribeCluster');
    }
  }

  /** All steps, oldest first; EMR lists the newest first, 50 to a page. */
  async #steps(clusterId: string, options: CallOptions): Promise<JobStatus[]> {
    const steps = await call('ListSteps', async () => {
      const found: StepSummary[] = [];
      const pages = paginateListSteps(
        { client: this.#options.clients.repeating },
        { ClusterId: clusterId },
        abort(options),
      );
      for await (const page of pages) found.push(...(page.Steps ?? []));
      return found;
    });
    return steps.map(jobStatus).reverse();
  }
}

/** The step's command. Every argument is one element: no shell ever reads them. */
function sparkSubmit(job: SparkJobRequest): string[] {
  return [
    'spark-submit',
    '--deploy-mode',
    'cluster',
    '--name',
    job.name,
    ...Object.entries(job.configuration).flatMap(([key, value]) => ['--conf', `${key}=${value}`]),
    ...(job.pyFiles.length ? ['--py-files', job.pyFiles.join(',')] : []),
    job.main,
    ...job.arguments,
  ];
}

const abort = ({ signal }: CallOptions): { abortSignal?: AbortSignal } =>
  signal ? { abortSignal: signal } : {};

async function call<T>(operation: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw emrError(error, operation);
  }
}
