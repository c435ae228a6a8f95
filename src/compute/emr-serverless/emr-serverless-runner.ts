// Spark on EMR Serverless: an application stands where a cluster does, a job run where a step does. Both are looked for
// before they are created, created once, and created with a token that makes a second create the first one.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Application,
  CancelJobRunCommand,
  CreateApplicationCommand,
  DeleteApplicationCommand,
  GetApplicationCommand,
  GetJobRunCommand,
  type JobRun,
  type JobRunSummary,
  paginateListApplications,
  paginateListJobRuns,
  StartJobRunCommand,
  StopApplicationCommand,
} from '@aws-sdk/client-emr-serverless';
import { WaybillError } from '../../core/errors.ts';
import type { ClusterUsage } from '../../core/monitoring/cost.ts';
import {
  type ClusterSnapshot,
  type ClusterStatus,
  type JobLogs,
  type JobStatus,
  jobEnded,
  type OwnClusterRequest,
  type SparkJobRequest,
} from '../../core/spark.ts';
import { GENERATION_TAG, OWNER_TAG } from '../emr/cluster-input.ts';
import { emrError, isAmbiguous } from '../emr/errors.ts';
import { logTail } from '../emr/step-logs.ts';
import type { LakeStorage } from '../lake-storage.ts';
import { lookThenCreate } from '../look-then-create.ts';
import type { CallOptions, SparkRunner } from '../spark-runner.ts';
import type { EmrServerlessClients } from './client.ts';
import { applicationName, createApplicationInput, startJobRunInput, tagValue } from './requests.ts';
import {
  ACTIVE_RUN_STATES,
  applicationStatus,
  jobRunStatus,
  PRESENT_STATES,
  unknownApplication,
} from './statuses.ts';
import { workerUse } from './usage.ts';

export interface EmrServerlessRunnerOptions {
  readonly clients: EmrServerlessClients;
  /** Where logs are read from. */
  readonly storage: LakeStorage;
  /** ms until a created application or job run can be relied on to show in lists. */
  readonly lookAgainAfter: number;
  /** ms to wait for a job run's log to appear in S3. */
  readonly logWait: number;
}

/** ms that the services' clocks may differ by. */
const CLOCK_SKEW = 60_000;
/** How often an application that takes no jobs right now is looked at, before the caller is to try again. */
const MOST_LOOKS = 60;

export class EmrServerlessRunner implements SparkRunner {
  readonly engine = 'emr-serverless';
  readonly #options: EmrServerlessRunnerOptions;

  constructor(options: EmrServerlessRunnerOptions) {
    this.#options = options;
  }

  async openCluster(request: OwnClusterRequest, options: CallOptions = {}): Promise<ClusterStatus> {
    if (request.engine !== 'emr-serverless')
      throw new TypeError(`a cluster of ${request.engine} asked of EMR Serverless`);
    const look = async (): Promise<ClusterStatus | undefined> =>
      (await this.#owned(request, options, request.generation))[0];
    const create = async (): Promise<ClusterStatus> => {
      const { applicationId: id } = await this.#options.clients.once.send(
        new CreateApplicationCommand(createApplicationInput(request)),
      );
      if (id === undefined) throw unanswered('CreateApplication');
      return { id, state: 'starting', reason: '' };
    };
    return this.#lookThenCreate('CreateApplication', look, create, options);
  }

  async submit(applicationId: string, job: SparkJobRequest, options: CallOptions = {}): Promise<JobStatus> {
    const since = job.serverless?.since;
    const look = async (): Promise<JobStatus | undefined> => {
      const runs = await this.#runs(applicationId, { ...options, ...(since === undefined ? {} : { since }) });
      const found = runs.find(({ name }) => name === job.name);
      return found && jobRunStatus(found);
    };
    const create = async (): Promise<JobStatus> => {
      const { jobRunId: id } = await this.#options.clients.once.send(
        new StartJobRunCommand(startJobRunInput(applicationId, job)),
      );
      if (id === undefined) throw unanswered('StartJobRun');
      return { id, name: job.name, state: 'pending', reason: '' };
    };
    await this.#settled(applicationId, options);
    return this.#lookThenCreate('StartJobRun', look, create, options);
  }

  async snapshot(applicationId: string, options: CallOptions = {}): Promise<ClusterSnapshot> {
    // Runs first: when they ended with the application, its state then says so.
    let runs: JobRunSummary[];
    try {
      runs = await this.#runs(applicationId, options);
    } catch (error) {
      if (nameOf((error as Error).cause) !== 'ResourceNotFoundException') throw error;
      return { cluster: unknownApplication(applicationId), jobs: [] };
    }
    const application = await this.#application(applicationId, options);
    return {
      cluster: application === undefined ? unknownApplication(applicationId) : applicationStatus(application),
      jobs: runs.map(jobRunStatus),
    };
  }

  findClusters(request: OwnClusterRequest, options: CallOptions = {}): Promise<ClusterStatus[]> {
    return this.#owned(request, options);
  }

  /**
   * One step on the way to the application's end: its runs are cancelled, then it is stopped, then deleted. Each can
   * only be asked for once the one before it is done, so whoever wants the end asks until it has come.
   */
  async terminateCluster(applicationId: string, options: CallOptions = {}): Promise<void> {
    const { repeating } = this.#options.clients;
    const application = await this.#application(applicationId, options);
    if (application === undefined) return;
    const runs = await this.#runs(applicationId, options, ACTIVE_RUN_STATES);
    for (const { id, state } of runs) {
      if (id !== undefined && state !== 'CANCELLING') await this.cancel(applicationId, id, options);
    }
    if (runs.length > 0) return;
    const command =
      application.state === 'STARTED' || application.state === 'STARTING'
        ? new StopApplicationCommand({ applicationId })
        : application.state === 'CREATED' || application.state === 'STOPPED'
          ? new DeleteApplicationCommand({ applicationId })
          : undefined;
    if (command === undefined) return;
    const operation = command instanceof StopApplicationCommand ? 'StopApplication' : 'DeleteApplication';
    try {
      await repeating.send(command as DeleteApplicationCommand, abort(options));
    } catch (error) {
      const name = nameOf(error);
      if (name === 'ResourceNotFoundException') return;
      // Its state has changed since it was read.
      if (name === 'ValidationException' || name === 'ConflictException')
        throw busy(operation, (error as Error).message, error);
      throw castError(error, operation);
    }
  }

  async describe(applicationId: string, jobId: string, options: CallOptions = {}): Promise<JobStatus> {
    return jobRunStatus(await this.#run(applicationId, jobId, options));
  }

  async cancel(applicationId: string, jobId: string, options: CallOptions = {}): Promise<void> {
    if (jobEnded((await this.describe(applicationId, jobId, options)).state)) return;
    try {
      await this.#options.clients.repeating.send(
        new CancelJobRunCommand({ applicationId, jobRunId: jobId }),
        abort(options),
      );
    } catch (error) {
      // It may have ended meanwhile.
      if (!jobEnded((await this.describe(applicationId, jobId, options)).state))
        throw castError(error, 'CancelJobRun');
    }
  }

  async logs(applicationId: string, jobId: string, options: CallOptions = {}): Promise<JobLogs> {
    const { configurationOverrides } = await this.#run(applicationId, jobId, options);
    const { logUri } = configurationOverrides?.monitoringConfiguration?.s3MonitoringConfiguration ?? {};
    const base = logUri?.replace(/\/+$/, '').replace(/^s3[an]:/, 's3:');
    if (!base) return { address: '', tail: '' };
    const address = `${base}/applications/${applicationId}/jobs/${jobId}/SPARK_DRIVER/`;
    const { storage, logWait } = this.#options;
    return { address, tail: await logTail(storage, address, logWait, options.signal) };
  }

  async usage(applicationId: string, options: CallOptions = {}): Promise<ClusterUsage> {
    const known = { clusterId: applicationId, engine: 'emr-serverless', machines: [] } as const;
    const application = await this.#application(applicationId, options);
    if (application === undefined) return { ...known, approximate: true };
    const summaries = await this.#runs(applicationId, options);
    const runs: JobRun[] = [];
    for (const { id, name = '' } of summaries) {
      if (id !== undefined && name.includes(options.jobMark ?? ''))
        runs.push(await this.#run(applicationId, id, options));
    }
    return { ...known, ...workerUse(application, runs) };
  }

  /** An application grows by itself up to its maximum, which can only be changed while it is stopped. */
  async capacity(): Promise<undefined> {
    return undefined;
  }

  async resize(): Promise<void> {
    throw new WaybillError(
      'COMPUTE_REFUSED',
      'An application of EMR Serverless is not resized: it grows by itself.',
    );
  }

  #lookThenCreate<T>(
    operation: string,
    look: () => Promise<T | undefined>,
    create: () => Promise<T>,
    options: CallOptions,
  ): Promise<T> {
    const { lookAgainAfter } = this.#options;
    const cast = (error: unknown) => castError(error, operation);
    // A conflict says that this token has made something, or is making it right now.
    const unclear = (error: unknown) => isAmbiguous(error) || nameOf(error) === 'ConflictException';
    return lookThenCreate({ look, create, isAmbiguous: unclear, cast, lookAgainAfter }, options);
  }

  async #owned(
    request: OwnClusterRequest,
    options: CallOptions,
    generation?: number,
  ): Promise<ClusterStatus[]> {
    const name = applicationName(request);
    const named = await call('ListApplications', async () => {
      const ids: string[] = [];
      const pages = paginateListApplications(
        { client: this.#options.clients.repeating },
        { states: [...PRESENT_STATES] },
        abort(options),
      );
      for await (const page of pages)
        for (const one of page.applications ?? []) if (one.name === name && one.id) ids.push(one.id);
      return ids;
    });
    const owned: ClusterStatus[] = [];
    for (const id of named) {
      const application = await this.#application(id, options);
      const tags = application?.tags ?? {};
      if (application === undefined || tags[OWNER_TAG] !== tagValue(request.owner)) continue;
      if (generation !== undefined && tags[GENERATION_TAG] !== String(generation)) continue;
      const status = applicationStatus(application);
      if (status.state !== 'terminated') owned.push(status);
    }
    return owned;
  }

  /** Waits while the application is being made or stopped: it takes no jobs then, and will in a moment. */
  async #settled(applicationId: string, options: CallOptions): Promise<void> {
    const { signal } = options;
    for (let looks = MOST_LOOKS; ; looks--) {
      const state = (await this.#application(applicationId, options))?.state ?? '';
      if (!/^(CREATING|STOPPING)$/.test(state)) return;
      if (looks === 0) throw busy('StartJobRun', `application ${applicationId} is ${state}`);
      await sleep(Math.min(this.#options.lookAgainAfter, 2_000), undefined, signal ? { signal } : {});
    }
  }

  /** Undefined when the service does not know it. */
  async #application(applicationId: string, options: CallOptions): Promise<Application | undefined> {
    try {
      const command = new GetApplicationCommand({ applicationId });
      return (await this.#options.clients.repeating.send(command, abort(options))).application;
    } catch (error) {
      if (nameOf(error) === 'ResourceNotFoundException') return undefined;
      throw castError(error, 'GetApplication');
    }
  }

  async #run(applicationId: string, jobRunId: string, options: CallOptions): Promise<JobRun> {
    const { jobRun } = await call('GetJobRun', () =>
      this.#options.clients.repeating.send(new GetJobRunCommand({ applicationId, jobRunId }), abort(options)),
    );
    if (jobRun === undefined) throw unanswered('GetJobRun');
    return jobRun;
  }

  /** Oldest first. */
  async #runs(
    applicationId: string,
    { since, ...options }: CallOptions,
    states?: readonly (typeof ACTIVE_RUN_STATES)[number][],
  ): Promise<JobRunSummary[]> {
    const runs = await call('ListJobRuns', async () => {
      const found: JobRunSummary[] = [];
      const pages = paginateListJobRuns(
        { client: this.#options.clients.repeating },
        {
          applicationId,
          maxResults: 50,
          ...(states === undefined ? {} : { states: [...states] }),
          ...(since === undefined ? {} : { createdAtAfter: new Date(since - CLOCK_SKEW) }),
        },
        abort(options),
      );
      for await (const page of pages) found.push(...(page.jobRuns ?? []));
      return found;
    });
    return runs.sort((a, b) => (a.createdAt?.getTime() ?? 0) - (b.createdAt?.getTime() ?? 0));
  }
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

const castError = (error: unknown, operation: string): WaybillError =>
  emrError(error, operation, 'EMR Serverless');

const unanswered = (operation: string): WaybillError =>
  new WaybillError('COMPUTE_BUSY', `EMR Serverless answered ${operation} without what was asked for.`);

const busy = (operation: string, why: string, cause?: unknown): WaybillError =>
  new WaybillError(
    'COMPUTE_BUSY',
    `EMR Serverless cannot do ${operation} yet: ${why}.`.replace(/\.\.$/, '.'),
    { operation, service: 'emr-serverless' },
    { cause },
  );

const abort = ({ signal }: CallOptions): { abortSignal?: AbortSignal } =>
  signal ? { abortSignal: signal } : {};

async function call<T>(operation: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw castError(error, operation);
  }
}
