// One tumbling window trigger: every window once, oldest first, never more than maxConcurrency at a time. Lives as long
// as the trigger does; continues as new, while its windows go on.
import {
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
} from '@temporalio/common';
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { RunPipelineInput } from '../core/run.ts';
import type { TriggerActivities } from '../core/trigger/activities.ts';
import { type ActiveWindow, type Beginning, editFault, Lineage } from '../core/trigger/lineage.ts';
import { lineageDetails, lineageView } from '../core/trigger/lineage-view.ts';
import {
  type ConfigureTrigger,
  TRIGGER_MEMO,
  type TriggerMemo,
  type TumblingWindowInput,
  type WindowSpan,
} from '../core/trigger/messages.ts';
import {
  evaluateParameters,
  instantText,
  triggeredKey,
  triggeredRuns,
} from '../core/trigger/start-values.ts';
import { triggerId } from '../core/trigger/trigger.ts';
import { type Window, windowsBeginning } from '../core/trigger/windows.ts';
import { pipelineWorkflowId } from '../core/workflow-ids.ts';
import {
  cancelWindowsUpdate,
  configureSignal,
  editUpdate,
  haveSucceededQuery,
  rerunWindowsUpdate,
  watchWindowsSignal,
  windowsChangedSignal,
  windowsQuery,
} from './trigger-messages.ts';
import { startTriggeredRun, workflowChance } from './trigger-runs.ts';

const { runStates, windowsSucceeded } = proxyActivities<TriggerActivities>({
  startToCloseTimeout: '2m',
  retry: { maximumInterval: '1m' },
});

/** History after which it continues as new. */
const MAX_EVENTS = 4_000;

/** ms between two looks at what nobody tells of, growing while nothing changes. */
const LOOK = { least: 2_000, most: 60_000 };
const ASK = { least: 15_000, most: 300_000 };

/** Runs until it is terminated: a trigger without windows left still answers, and runs windows again. */
export async function tumblingWindow(input: TumblingWindowInput): Promise<void> {
  const runner = new WindowRunner(input);
  await runner.run();
}

class WindowRunner {
  private readonly lineage: Lineage;
  private facts: TumblingWindowInput['facts'];
  /** Something happened that may let a window begin. */
  private dirty = true;
  private changed = true;
  /** Windows whose runs an earlier execution of this workflow has started: nobody tells of their end. */
  private readonly adopted: Set<number>;
  private look = { at: 0, wait: LOOK.least };
  private ask = { at: 0, wait: ASK.least };
  private readonly toCancel: ActiveWindow[] = [];

  constructor(input: TumblingWindowInput) {
    this.lineage = new Lineage(input.trigger, input.state);
    this.facts = input.facts;
    this.adopted = new Set(
      input.state.active.filter(({ retryAt }) => retryAt === undefined).map(({ index }) => index),
    );
    this.handle();
  }

  async run(): Promise<void> {
    // A continued execution has no memo of its own.
    upsertMemo({ [TRIGGER_MEMO]: this.memo() });
    for (;;) {
      this.dirty = false;
      await this.cancelRuns();
      await this.lookAtAdopted();
      await this.askOthers();
      for (
        let next = this.lineage.take(Date.now());
        next !== undefined;
        next = this.lineage.take(Date.now())
      ) {
        await this.begin(next);
        if (this.isLong()) break;
      }
      this.show();
      if (this.isLong()) {
        await condition(allHandlersFinished);
        await continueAsNew<typeof tumblingWindow>(this.input());
      }
      const wake = this.wakeAt();
      const woken = (): boolean => this.dirty;
      if (wake === undefined) await condition(woken);
      else if (wake > Date.now()) await condition(woken, wake - Date.now());
    }
  }

  private isLong(): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    return historyLength > MAX_EVENTS || continueAsNewSuggested;
  }

  private input(): TumblingWindowInput {
    return { trigger: this.lineage.trigger, facts: this.facts, state: this.lineage.state() };
  }

  private wakeAt(): number | undefined {
    const times = [
      this.lineage.wakeAt(),
      this.adopted.size > 0 ? this.look.at : undefined,
      this.lineage.needs().length > 0 ? this.ask.at : undefined,
    ].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  private touch(): void {
    this.dirty = true;
    this.changed = true;
  }

  /** Starts a window's run. One after the other: their start times are in the windows' order. */
  private async begin({ window, again, attempt }: Beginning): Promise<void> {
    const { index } = window;
    const now = Date.now();
    this.changed = true;
    let input: RunPipelineInput | undefined;
    try {
      input = this.runInput(window);
      if (input === undefined) {
        // A trigger may have no pipeline yet.
        this.lineage.succeeded(index, now);
        return;
      }
      const reuse = again
        ? WorkflowIdReusePolicy.ALLOW_DUPLICATE
        : WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY;
      const child = await startTriggeredRun(input, reuse);
      this.lineage.running(index, { workflowId: child.workflowId, runId: child.firstExecutionRunId });
      this.follow(index, attempt, child.result());
      await this.cancelIfAsked(index);
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError && input !== undefined)
        await this.adopt(index, pipelineWorkflowId(input.pipeline, input.key));
      else if (error instanceof WaybillError) this.lineage.failed(index, now, error.message, false);
      else throw error;
    }
  }

  private runInput(window: Window): RunPipelineInput | undefined {
    const { trigger } = this.lineage;
    const start = instantText(window.start);
    const context: JsonObject = {
      type: trigger.type,
      name: trigger.name,
      scheduledTime: instantText(window.end + trigger.delay),
      startTime: new Date(Date.now()).toISOString(),
      outputs: { windowStartTime: start, windowEndTime: instantText(window.end) },
    };
    const [run] = triggeredRuns(trigger, triggeredKey(trigger.name, start), context, start);
    if (run === undefined) return undefined;
    const { written, ...input } = run;
    return { ...input, parameters: evaluateParameters(written, context, this.facts, workflowChance) };
  }

  /** Counts the window as ended when its run has. */
  private follow(index: number, attempt: number, result: Promise<unknown>): void {
    const isCurrent = (): boolean =>
      this.lineage.activeWindows().some((window) => window.index === index && window.attempt === attempt);
    result.then(
      () => {
        if (!isCurrent()) return;
        this.lineage.succeeded(index, Date.now());
        this.tellWatchers();
        this.touch();
      },
      (error: unknown) => {
        if (!isCurrent()) return;
        const cause = error instanceof ChildWorkflowFailure ? error.cause : error;
        if (cause instanceof CancelledFailure || cause instanceof TerminatedFailure)
          this.lineage.cancelled(index, Date.now());
        else this.lineage.failed(index, Date.now(), cause instanceof Error ? cause.message : String(cause));
        this.touch();
      },
    );
  }

  /** There is a run under the window's key already: it is this window's. */
  private async adopt(index: number, workflowId: string): Promise<void> {
    const [state] = await runStates([{ workflowId }]);
    if (state !== undefined && state.status !== 'Missing')
      this.lineage.running(index, { workflowId, runId: state.runId });
    this.adopted.add(index);
    this.look = { at: 0, wait: LOOK.least };
    this.dirty = true;
  }

  private async lookAtAdopted(): Promise<void> {
    if (this.adopted.size === 0 || Date.now() < this.look.at) return;
    const windows = this.lineage.activeWindows().filter(({ index }) => this.adopted.has(index));
    const states = await runStates(
      windows.map(({ workflowId = '', runId }) => ({
        workflowId,
        ...(runId === undefined ? {} : { runId }),
      })),
    );
    let ended = 0;
    for (const [at, { index }] of windows.entries()) {
      const status = states[at]?.status;
      if (status === undefined || status === 'Running') continue;
      ended += 1;
      this.adopted.delete(index);
      if (status === 'Succeeded') this.lineage.succeeded(index, Date.now());
      else if (status === 'Cancelled') this.lineage.cancelled(index, Date.now());
      else if (status === 'Failed') this.lineage.failed(index, Date.now(), 'The run failed.');
      else this.lineage.failed(index, Date.now(), 'Temporal does not know the run any more.');
    }
    const wait = ended > 0 ? LOOK.least : Math.min(this.look.wait * 1.5, LOOK.most);
    this.look = { at: Date.now() + wait, wait };
    if (ended === 0) return;
    this.touch();
    this.tellWatchers();
  }

  /** Asks other triggers about the windows that ours wait for. */
  private async askOthers(): Promise<void> {
    const needs = this.lineage.needs();
    if (needs.length === 0 || Date.now() < this.ask.at) return;
    const answers = await windowsSucceeded({
      waiter: this.lineage.trigger.name,
      ranges: needs.map(({ trigger, from, to }) => ({ trigger, from, to })),
    });
    const fulfilled = needs.filter((_, at) => answers[at] === true);
    for (const { index, place } of fulfilled) this.lineage.fulfil(index, place);
    const wait = fulfilled.length > 0 ? ASK.least : Math.min(this.ask.wait * 1.5, ASK.most);
    this.ask = { at: Date.now() + wait, wait };
  }

  private tellWatchers(): void {
    for (const watcher of this.lineage.watchedBy())
      getExternalWorkflowHandle(triggerId(watcher))
        .signal(windowsChangedSignal)
        // It is gone; if it comes back it says so.
        .catch(() => this.lineage.unwatch(watcher));
  }

  private async cancelIfAsked(index: number): Promise<void> {
    const window = this.lineage.activeWindows().find((active) => active.index === index);
    if (window?.cancelRequested === true) this.toCancel.push(window);
    await this.cancelRuns();
  }

  private async cancelRuns(): Promise<void> {
    for (let window = this.toCancel.shift(); window !== undefined; window = this.toCancel.shift()) {
      if (window.workflowId === undefined) continue;
      // It may have ended in the meantime.
      await getExternalWorkflowHandle(window.workflowId, window.runId)
        .cancel()
        .catch(() => {});
    }
  }

  private handle(): void {
    setHandler(windowsQuery, () => lineageView(this.lineage));
    setHandler(haveSucceededQuery, (spans) =>
      spans.map(({ from, to }) => this.lineage.hasSucceeded(from, to)),
    );
    setHandler(watchWindowsSignal, (trigger) => this.lineage.watch(trigger));
    setHandler(windowsChangedSignal, () => {
      this.ask = { at: 0, wait: ASK.least };
      this.touch();
    });
    setHandler(configureSignal, (change) => this.configure(change));
    setHandler(
      editUpdate,
      (change) => {
        this.configure(change);
        return this.memo();
      },
      { validator: (change) => this.refuse(this.editFault(change)) },
    );
    setHandler(
      rerunWindowsUpdate,
      (span) => {
        const { first, end } = this.indexes(span);
        const indexes = this.lineage.rerun(first, end);
        this.touch();
        return indexes.map((index) => instantText(this.lineage.window(index).start));
      },
      {
        validator: (span) => {
          const { first, end } = this.indexes(span);
          this.refuse(this.lineage.rerunFault(first, end));
        },
      },
    );
    setHandler(
      cancelWindowsUpdate,
      (span) => {
        const { first, end } = this.indexes(span);
        const { cancelled, running } = this.lineage.cancel(first, end, Date.now());
        this.toCancel.push(...running);
        this.touch();
        return cancelled.map((index) => instantText(this.lineage.window(index).start));
      },
      { validator: (span) => void this.indexes(span) },
    );
  }

  private configure(change: ConfigureTrigger): void {
    const { trigger, facts, started } = change;
    if (trigger?.type === 'TumblingWindowTrigger' && this.editFault(change) === undefined)
      this.lineage.trigger = trigger;
    if (facts !== undefined) this.facts = facts;
    if (started !== undefined) this.lineage.started = started;
    upsertMemo({ [TRIGGER_MEMO]: this.memo() });
    this.touch();
  }

  private editFault({ trigger }: ConfigureTrigger): string | undefined {
    if (trigger === undefined) return undefined;
    if (trigger.type !== 'TumblingWindowTrigger') return `A trigger does not become a ${trigger.type}.`;
    return editFault(this.lineage.trigger, trigger);
  }

  private memo(): TriggerMemo {
    return { started: this.lineage.started, trigger: this.lineage.trigger, facts: this.facts };
  }

  private indexes({ from, to }: WindowSpan): { first: number; end: number } {
    const [start, end] = [Date.parse(from), Date.parse(to)];
    if (Number.isNaN(start) || Number.isNaN(end)) this.refuse(`"${from}" to "${to}" is no span of time.`);
    return windowsBeginning(this.lineage.trigger.plan, start, end);
  }

  private refuse(fault: string | undefined): void {
    if (fault !== undefined) throw ApplicationFailure.nonRetryable(fault, 'PARAMETER_INVALID');
  }

  private show(): void {
    if (!this.changed) return;
    this.changed = false;
    setCurrentDetails(lineageDetails(this.lineage));
  }
}
