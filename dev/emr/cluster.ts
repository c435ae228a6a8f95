// The life of one cluster: start, bootstrap, steps in order and side by side, idleness, end. Every change is on disk
// before anyone can see it.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StepConfig } from '@aws-sdk/client-emr';
import { BootstrapRun } from './bootstrap.ts';
import { newId } from './identifiers.ts';
import { logEvent } from './log.ts';
import { killOrphanedGroup } from './process-group.ts';
import type { Resources } from './resources.ts';
import {
  type ActionOnFailure,
  type ClusterReason,
  type ClusterRecord,
  type ClusterState,
  type FailureDetails,
  isActive,
  isEnding,
  nowSeconds,
  type StepRecord,
  type StepState,
} from './state.ts';
import { StepLogs } from './step-logs.ts';
import { type StepOutcome, StepRun } from './step-runner.ts';
import type { Store } from './store.ts';

/** How fast the stand-in's clock runs where real EMR takes minutes. Milliseconds. */
export interface Timing {
  /** From RunJobFlow until the cluster's machine is there. */
  provisioningMs: number;
  /** What one second of an IdleTimeout takes. */
  idleSecondMs: number;
}

export class Cluster {
  readonly record: ClusterRecord;
  readonly #store: Store;
  readonly #resources: Resources;
  readonly #timing: Timing;
  readonly #runs = new Map<string, { run: StepRun; done: Promise<void> }>();
  readonly #life = new AbortController();
  #bootstrap: BootstrapRun | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(record: ClusterRecord, store: Store, resources: Resources, timing: Timing) {
    this.record = record;
    this.#store = store;
    this.#resources = resources;
    this.#timing = timing;
  }

  /** Starts the cluster's machine, runs bootstrap actions, then steps. */
  async start(): Promise<void> {
    await delay(this.#timing.provisioningMs, undefined, { signal: this.#life.signal }).catch(() => undefined);
    if (this.#gone()) return;
    this.#enter('BOOTSTRAPPING', { Message: 'Running bootstrap actions' });
    const { Id } = this.record.view;
    const logUri = this.record.logUri && `${this.record.logUri}/${Id}`;
    this.#bootstrap = new BootstrapRun(
      this.#resources,
      this.#store.stepDirectory(Id, 'bootstrap-actions'),
      logUri,
    );
    const failure = await this.#bootstrap.run(this.record.bootstrapActions);
    if (this.#gone()) return;
    if (failure) return this.end({ Code: 'BOOTSTRAP_FAILURE', Message: failure });
    this.record.view.Status.Timeline.ReadyDateTime = nowSeconds();
    this.#pump();
  }

  /** Takes up a cluster that an earlier run of the stand-in left on disk. */
  resume(): void {
    const { State } = this.record.view.Status;
    if (State === 'TERMINATED' || State === 'TERMINATED_WITH_ERRORS') return;
    for (const step of this.record.steps) {
      if (isActive(step) && step.view.Status.State !== 'PENDING') this.#recover(step);
    }
    if (State === 'TERMINATING') void this.#finishEnding();
    else if (State === 'STARTING' || State === 'BOOTSTRAPPING') void this.start();
    else this.#pump();
  }

  /** Appends steps in order and starts what may start. */
  addSteps(configs: readonly StepConfig[], executionRole?: string): StepRecord[] {
    const steps = configs.map((config) => stepOf(config, executionRole));
    this.record.steps.push(...steps);
    this.#save();
    // The answer with the ids goes out before anything runs.
    setImmediate(() => this.#pump());
    return steps;
  }

  /** Cancels a step. Gives the reason when it cannot be cancelled. */
  cancelStep(stepId: string, force: boolean): string | undefined {
    const step = this.record.steps.find((candidate) => candidate.view.Id === stepId);
    if (!step) return `Step id '${stepId}' is not valid.`;
    if (step.view.Status.State === 'PENDING') {
      this.#endStep(step, 'CANCELLED');
    } else if (step.view.Status.State === 'RUNNING') {
      step.view.Status.State = 'CANCEL_PENDING';
      this.#runs.get(stepId)?.run.cancel(force);
    } else {
      return `Step ${stepId} is ${step.view.Status.State}; only pending and running steps can be cancelled.`;
    }
    this.#save();
    setImmediate(() => this.#pump());
    return undefined;
  }

  /** Ends the cluster: pending steps are cancelled, running ones killed. A no-op when it is ending already. */
  end(reason: ClusterReason): void {
    if (isEnding(this.record)) return;
    clearTimeout(this.#idleTimer);
    for (const step of this.record.steps) {
      if (step.view.Status.State === 'PENDING') this.#endStep(step, 'CANCELLED');
      else if (isActive(step)) step.view.Status.State = 'CANCEL_PENDING';
    }
    this.#enter('TERMINATING', reason);
    this.#life.abort();
    this.#bootstrap?.stop();
    void this.#finishEnding();
  }

  /** Takes notice of a changed setting (keep alive, concurrency, auto-termination) and saves it. */
  settingsChanged(): void {
    this.#save();
    this.#armIdleTimer();
    setImmediate(() => this.#pump());
  }

  /** Ends the processes and nothing else: the stand-in stops, the cluster is taken up again at its next start. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#idleTimer);
    this.#life.abort();
    this.#bootstrap?.stop();
    for (const { run } of this.#runs.values()) run.abandon();
    await Promise.all([...this.#runs.values()].map(({ done }) => done));
  }

  #pump(): void {
    const { State, Timeline } = this.record.view.Status;
    if (this.#gone() || Timeline.ReadyDateTime === undefined) return;
    for (const step of this.record.steps) {
      if (this.#running() >= this.record.view.StepConcurrencyLevel) break;
      if (step.view.Status.State === 'PENDING') this.#launch(step);
    }
    if (this.#running() > 0) {
      if (State !== 'RUNNING') this.#enter('RUNNING', { Message: 'Running step' });
    } else if (this.record.view.AutoTerminate) {
      const bad = this.record.steps.some((step) => step.view.Status.State === 'FAILED');
      this.end({
        Code: 'ALL_STEPS_COMPLETED',
        Message: bad ? 'Steps completed with errors' : 'Steps completed',
      });
    } else if (State !== 'WAITING') {
      const ran = this.record.steps.length > 0;
      this.record.idleSince = nowSeconds();
      this.#enter('WAITING', {
        Message: ran ? 'Cluster ready after last step completed.' : 'Cluster ready to run steps.',
      });
      this.#armIdleTimer();
    } else {
      this.#armIdleTimer();
    }
  }

  #running(): number {
    return this.record.steps.filter(({ view }) => ['RUNNING', 'CANCEL_PENDING'].includes(view.Status.State))
      .length;
  }

  #launch(step: StepRecord): void {
    const { view } = step;
    view.Status.State = 'RUNNING';
    view.Status.Timeline.StartDateTime = nowSeconds();
    this.#save();
    const run = new StepRun(
      {
        clusterId: this.record.view.Id,
        step: view,
        configurations: this.record.view.Configurations,
        logs: this.#logsOf(step),
        directory: this.#store.stepDirectory(this.record.view.Id, view.Id),
      },
      this.#resources,
    );
    logEvent('info', 'step started', { cluster: this.record.view.Id, step: view.Id, name: view.Name });
    this.#runs.set(view.Id, { run, done: this.#follow(step, run) });
  }

  async #follow(step: StepRecord, run: StepRun): Promise<void> {
    const started = (processGroup: number): void => {
      step.processGroup = processGroup;
      this.#save();
    };
    const outcome = await run.run(started).catch((error: unknown): StepOutcome => {
      const failure = { Reason: 'The stand-in failed.', Message: String(error) };
      return { state: 'FAILED', failure };
    });
    this.#runs.delete(step.view.Id);
    // Stopping the stand-in is no outcome: the file still says RUNNING, and the next start makes that a failure.
    if (this.#closing) return;
    this.#endStep(step, outcome.state, outcome.state === 'FAILED' ? outcome.failure : undefined);
    logEvent('info', 'step ended', {
      cluster: this.record.view.Id,
      step: step.view.Id,
      state: outcome.state,
    });
    if (outcome.state === 'FAILED') this.#afterFailure(step);
    else this.#save();
    this.#pump();
  }

  /** ActionOnFailure, with the exceptions the API reference states for protection and for concurrent steps. */
  #afterFailure(step: StepRecord): void {
    const { AutoTerminate, TerminationProtected, StepConcurrencyLevel } = this.record.view;
    const action = step.view.ActionOnFailure;
    if (action !== 'CONTINUE' && StepConcurrencyLevel === 1 && !isEnding(this.record)) {
      const stays = action === 'CANCEL_AND_WAIT' || (TerminationProtected && !AutoTerminate);
      if (!stays) {
        this.end({ Code: 'STEP_FAILURE', Message: 'Shut down as step failed' });
        return;
      }
      for (const other of this.record.steps) {
        if (other.view.Status.State === 'PENDING') this.#endStep(other, 'CANCELLED');
      }
    }
    this.#save();
  }

  /** Ends what is left of a step that ran when the stand-in stopped. */
  #recover(step: StepRecord): void {
    const { view } = step;
    if (step.processGroup !== undefined) killOrphanedGroup(step.processGroup, view.Id);
    const logs = this.#logsOf(step);
    logs.create();
    rmSync(join(this.#store.stepDirectory(this.record.view.Id, view.Id), 'work'), {
      recursive: true,
      force: true,
    });
    if (view.Status.State === 'CANCEL_PENDING') {
      this.#endStep(step, 'CANCELLED');
      this.#save();
    } else {
      const Message = 'The EMR stand-in stopped while the step was running; its processes were ended.';
      const LogFile = logs.uri('controller');
      this.#endStep(step, 'FAILED', {
        Reason: 'The stand-in was stopped.',
        Message,
        ...(LogFile && { LogFile }),
      });
      this.#afterFailure(step);
    }
    logs.control(`the stand-in was stopped while the step ran; it is ${view.Status.State}`);
    void logs.ship(this.#resources.objects);
  }

  #logsOf({ view }: StepRecord): StepLogs {
    const { logUri } = this.record;
    const { Id } = this.record.view;
    return new StepLogs(this.#store.stepDirectory(Id, view.Id), logUri && `${logUri}/${Id}/steps/${view.Id}`);
  }

  #endStep(step: StepRecord, state: StepState, failure?: FailureDetails): void {
    const { Status } = step.view;
    Status.State = state;
    Status.Timeline.EndDateTime = nowSeconds();
    if (failure) Status.FailureDetails = failure;
    delete step.processGroup;
  }

  async #finishEnding(): Promise<void> {
    for (const { run } of this.#runs.values()) run.cancel(false);
    await Promise.all([...this.#runs.values()].map(({ done }) => done));
    if (this.#closing) return;
    const reason = this.record.view.Status.StateChangeReason;
    const failed = ['BOOTSTRAP_FAILURE', 'STEP_FAILURE', 'INTERNAL_ERROR'].includes(reason.Code ?? '');
    this.record.view.Status.Timeline.EndDateTime = nowSeconds();
    this.#enter(failed ? 'TERMINATED_WITH_ERRORS' : 'TERMINATED', reason);
  }

  /** (Re)starts the clock of the auto-termination policy, which runs only while the cluster waits. */
  #armIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    const { idleTimeout, idleSince } = this.record;
    if (this.record.view.Status.State !== 'WAITING' || idleTimeout === undefined || idleSince === undefined)
      return;
    const left = idleTimeout * this.#timing.idleSecondMs - (nowSeconds() - idleSince) * 1000;
    this.#idleTimer = setTimeout(
      () => this.end({ Code: 'USER_REQUEST', Message: `Auto-terminated after ${idleTimeout} idle seconds` }),
      Math.max(0, Math.min(left, 2 ** 31 - 1)),
    );
  }

  #enter(state: ClusterState, reason: ClusterReason): void {
    this.record.view.Status.State = state;
    this.record.view.Status.StateChangeReason = reason;
    if (state !== 'WAITING') delete this.record.idleSince;
    this.#save();
    logEvent('info', 'cluster state', {
      cluster: this.record.view.Id,
      name: this.record.view.Name,
      state,
      ...reason,
    });
  }

  #gone(): boolean {
    return this.#closing || isEnding(this.record);
  }

  #save(): void {
    this.#store.save(this.record);
  }
}

function stepOf(config: StepConfig, executionRole: string | undefined): StepRecord {
  const { Jar = '', MainClass, Args = [], Properties = [] } = config.HadoopJarStep ?? {};
  return {
    view: {
      Id: newId('s-'),
      Name: config.Name ?? '',
      Config: {
        Jar,
        ...(MainClass === undefined ? {} : { MainClass }),
        Args,
        Properties: Object.fromEntries(Properties.map(({ Key = '', Value = '' }) => [Key, Value])),
      },
      ActionOnFailure: (config.ActionOnFailure ?? 'TERMINATE_CLUSTER') as ActionOnFailure,
      Status: { State: 'PENDING', StateChangeReason: {}, Timeline: { CreationDateTime: nowSeconds() } },
      ...(executionRole === undefined ? {} : { ExecutionRoleArn: executionRole }),
    },
  };
}
