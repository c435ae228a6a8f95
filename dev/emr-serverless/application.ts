// The life of one application: it starts when a job run needs it, runs jobs side by side, stops when it has none for a
// while. Every change is on disk before anyone can see it.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { logEvent } from '../emr/log.ts';
import { killOrphanedGroup } from '../emr/process-group.ts';
import type { Resources } from '../emr/resources.ts';
import { StepLogs } from '../emr/step-logs.ts';
import { type StepOutcome, StepRun } from '../emr/step-runner.ts';
import { configurationsOf, sparkArguments, utilization } from './spark-command.ts';
import {
  type ApplicationRecord,
  type ApplicationState,
  isActive,
  nowSeconds,
  type RunRecord,
  type RunState,
} from './state.ts';
import type { Store } from './store.ts';

/** How fast the stand-in's clock runs where the service takes minutes. Milliseconds. */
export interface Timing {
  /** From CREATING to CREATED, from STARTING to STARTED, from STOPPING to STOPPED. */
  provisioningMs: number;
  /** What a minute of a timeout or of an idle time takes. */
  minuteMs: number;
  /** Job runs of an application that run at a time on this machine; the others are SCHEDULED. */
  concurrentRuns: number;
}

const MOST_DETAILS = 256;
const LONGEST_TIMER = 2 ** 31 - 1;

export class ApplicationLife {
  readonly record: ApplicationRecord;
  readonly #store: Store;
  readonly #resources: Resources;
  readonly #timing: Timing;
  readonly #runs = new Map<
    string,
    { run: StepRun; done: Promise<void>; timer: NodeJS.Timeout | undefined }
  >();
  readonly #ended = new AbortController();
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(record: ApplicationRecord, store: Store, resources: Resources, timing: Timing) {
    this.record = record;
    this.#store = store;
    this.#resources = resources;
    this.#timing = timing;
  }

  /** Goes on from the state on disk: that of a new application, or of one that an earlier run of the stand-in left. */
  resume(): void {
    const { state } = this.record.view;
    for (const run of this.record.runs) if (/^(RUNNING|CANCELLING)$/.test(run.view.state)) this.#recover(run);
    if (state === 'CREATING') void this.#reach('CREATED');
    else if (state === 'STARTING') void this.#reach('STARTED');
    else if (state === 'STOPPING') void this.#reach('STOPPED');
    else this.#pump();
  }

  start(): void {
    this.#enter('STARTING');
    void this.#reach('STARTED');
  }

  stop(details: string): void {
    clearTimeout(this.#idleTimer);
    this.#enter('STOPPING', details);
    void this.#reach('STOPPED', details);
  }

  delete(): void {
    this.#enter('TERMINATED');
  }

  addRun(run: RunRecord): void {
    clearTimeout(this.#idleTimer);
    this.record.runs.push(run);
    this.#store.save(this.record);
    // The answer with the id goes out before anything runs.
    setImmediate(() => {
      if (run.view.state === 'SUBMITTED')
        this.#change(run, 'PENDING', 'The job run waits for the application.');
      this.#pump();
    });
  }

  cancelRun(run: RunRecord): void {
    const running = this.#runs.get(run.view.jobRunId);
    if (running === undefined) {
      this.#endRun(run, 'CANCELLED', 'Cancelled by user.');
      this.#pump();
    } else if (run.view.state !== 'CANCELLING') {
      this.#change(run, 'CANCELLING', 'Cancelled by user.');
      running.run.cancel(false);
    }
  }

  settingsChanged(): void {
    this.record.view.updatedAt = nowSeconds();
    this.#store.save(this.record);
  }

  /** Ends the processes and nothing else: the stand-in stops, the application is taken up again at its next start. */
  async close(): Promise<void> {
    this.#ended.abort();
    clearTimeout(this.#idleTimer);
    for (const { run, timer } of this.#runs.values()) {
      clearTimeout(timer);
      run.abandon();
    }
    await Promise.all([...this.#runs.values()].map(({ done }) => done));
  }

  async #reach(state: ApplicationState, details?: string): Promise<void> {
    const { signal } = this.#ended;
    await delay(this.#timing.provisioningMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    this.#enter(state, details);
    this.#pump();
  }

  #pump(): void {
    const { state, autoStartConfiguration } = this.record.view;
    if (this.#ended.signal.aborted) return;
    // A run whose files are being fetched is SCHEDULED still.
    const waiting = this.record.runs.filter(
      ({ view }) => /^(SUBMITTED|PENDING|SCHEDULED)$/.test(view.state) && !this.#runs.has(view.jobRunId),
    );
    if (waiting.length > 0 && /^(CREATED|STOPPED)$/.test(state)) {
      if (autoStartConfiguration.enabled !== false) this.start();
      return;
    }
    if (state !== 'STARTED') return;
    for (const run of waiting) {
      if (run.view.state !== 'SCHEDULED')
        this.#change(run, 'SCHEDULED', 'The job run waits for its workers.');
      if (this.#runs.size < this.#timing.concurrentRuns) this.#launch(run);
    }
    if (!this.record.runs.some(isActive)) this.#armIdleTimer();
  }

  #launch(run: RunRecord): void {
    const { applicationId, jobRunId, name = '' } = run.view;
    const stepRun = new StepRun(
      {
        clusterId: applicationId,
        step: {
          Id: jobRunId,
          Name: name,
          ActionOnFailure: 'CONTINUE',
          Config: {
            Jar: 'command-runner.jar',
            Args: ['spark-submit', ...sparkArguments(run)],
            Properties: {},
          },
          Status: { State: 'RUNNING', StateChangeReason: {}, Timeline: { CreationDateTime: nowSeconds() } },
        },
        configurations: configurationsOf(this.record, run),
        logs: this.#logsOf(run),
        directory: this.#store.runDirectory(applicationId, jobRunId),
      },
      this.#resources,
    );
    const running = { run: stepRun, done: Promise.resolve(), timer: undefined as NodeJS.Timeout | undefined };
    this.#runs.set(jobRunId, running);
    const limit = { reached: false };
    const started = (processGroup: number): void => {
      run.processGroup = processGroup;
      run.view.startedAt = nowSeconds();
      if (run.view.state === 'SCHEDULED') this.#change(run, 'RUNNING', 'The job run is running.');
      const wait = run.view.executionTimeoutMinutes * this.#timing.minuteMs;
      // 0 is no limit, and what is beyond the longest timer is none to us.
      if (wait === 0 || wait > LONGEST_TIMER) return;
      running.timer = setTimeout(() => {
        limit.reached = true;
        stepRun.cancel(true);
      }, wait);
    };
    running.done = this.#follow(run, stepRun, started, limit).finally(() => clearTimeout(running.timer));
  }

  async #follow(
    run: RunRecord,
    stepRun: StepRun,
    started: (processGroup: number) => void,
    limit: { reached: boolean },
  ): Promise<void> {
    const outcome = await stepRun.run(started).catch((error: unknown): StepOutcome => {
      return { state: 'FAILED', failure: { Reason: 'The stand-in failed.', Message: String(error) } };
    });
    this.#runs.delete(run.view.jobRunId);
    // Stopping the stand-in is no outcome: the file still says RUNNING, and the next start makes that a failure.
    if (this.#ended.signal.aborted) return;
    if (limit.reached)
      this.#endRun(run, 'CANCELLED', 'The job run took longer than executionTimeoutMinutes.');
    else if (outcome.state === 'COMPLETED') this.#endRun(run, 'SUCCESS', 'The job run has succeeded.');
    else if (outcome.state === 'CANCELLED') this.#endRun(run, 'CANCELLED', 'Cancelled by user.');
    else
      this.#endRun(
        run,
        'FAILED',
        `Job failed, please check complete logs in configured logging destination. ${outcome.failure.Message}`,
      );
    this.#pump();
  }

  /** Ends what is left of a run that was running when the stand-in stopped. */
  #recover(run: RunRecord): void {
    const { applicationId, jobRunId, state } = run.view;
    if (run.processGroup !== undefined) killOrphanedGroup(run.processGroup, jobRunId);
    const logs = this.#logsOf(run);
    logs.create();
    rmSync(join(this.#store.runDirectory(applicationId, jobRunId), 'work'), { recursive: true, force: true });
    if (state === 'CANCELLING') this.#endRun(run, 'CANCELLED', 'Cancelled by user.');
    else this.#endRun(run, 'FAILED', 'The EMR Serverless stand-in stopped while the job run was running.');
    void logs.ship(this.#resources.objects);
  }

  #endRun(run: RunRecord, state: RunState, details: string): void {
    const { view } = run;
    view.endedAt = nowSeconds();
    if (view.startedAt !== undefined) {
      const seconds = view.endedAt - view.startedAt;
      const { total, billed } = utilization(this.record, run, seconds);
      view.totalExecutionDurationSeconds = Math.round(seconds);
      view.totalResourceUtilization = total;
      view.billedResourceUtilization = billed;
    }
    delete run.processGroup;
    this.#change(run, state, details);
  }

  #change(run: RunRecord, state: RunState, details: string): void {
    run.view.state = state;
    run.view.stateDetails = details.slice(0, MOST_DETAILS);
    run.view.updatedAt = nowSeconds();
    this.#store.save(this.record);
    const { applicationId, jobRunId, name } = run.view;
    logEvent('info', 'job run state', { application: applicationId, run: jobRunId, name, state });
  }

  #logsOf({ view }: RunRecord): StepLogs {
    const { applicationId, jobRunId } = view;
    const monitoring = view.configurationOverrides?.monitoringConfiguration;
    const base = monitoring?.s3MonitoringConfiguration?.logUri
      ?.replace(/\/+$/, '')
      .replace(/^s3[an]:/, 's3:');
    return new StepLogs(
      this.#store.runDirectory(applicationId, jobRunId),
      base && `${base}/applications/${applicationId}/jobs/${jobRunId}/SPARK_DRIVER`,
      ['stderr', 'stdout'],
    );
  }

  #armIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    const { enabled, idleTimeoutMinutes = 15 } = this.record.view.autoStopConfiguration;
    if (enabled === false) return;
    const wait = Math.min(idleTimeoutMinutes * this.#timing.minuteMs, LONGEST_TIMER);
    this.#idleTimer = setTimeout(() => {
      if (this.record.view.state === 'STARTED' && !this.record.runs.some(isActive))
        this.stop(`Stopped after ${idleTimeoutMinutes} idle minutes.`);
    }, wait);
  }

  #enter(state: ApplicationState, details?: string): void {
    const { view } = this.record;
    view.state = state;
    if (details === undefined) delete view.stateDetails;
    else view.stateDetails = details;
    view.updatedAt = nowSeconds();
    this.#store.save(this.record);
    logEvent('info', 'application state', { application: view.applicationId, name: view.name, state });
  }
}
