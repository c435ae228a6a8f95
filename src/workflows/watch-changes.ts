// A trigger that waits for a table's changes: hands each change set to its pipelines once, in order, the upper bound of one
// being the lower of the next, and goes on once they have succeeded.
import { WorkflowExecutionAlreadyStartedError, WorkflowIdReusePolicy } from '@temporalio/common';
import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  condition,
  continueAsNew,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import { WaybillError } from '../core/errors.ts';
import type { RunPipelineInput } from '../core/run.ts';
import type { ChangeActivities, FoundChanges, TriggerActivities } from '../core/trigger/activities.ts';
import { type ChangeSet, type ChangeState, changeSetKey } from '../core/trigger/change-set.ts';
import { TRIGGER_MEMO, type TriggerMemo, type WatchChangesInput } from '../core/trigger/messages.ts';
import { evaluateParameters, triggeredKey, triggeredRuns } from '../core/trigger/start-values.ts';
import { pipelineWorkflowId } from '../core/workflow-ids.ts';
import { configureSignal } from './trigger-messages.ts';
import { startTriggeredRun, workflowChance } from './trigger-runs.ts';

const { lookForChanges } = proxyActivities<ChangeActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '1m',
  retry: { maximumInterval: '5m', maximumAttempts: 5 },
});
const { runStates } = proxyActivities<Pick<TriggerActivities, 'runStates'>>({ startToCloseTimeout: '1m' });

/** Failures that no later look mends. */
const FINAL = ['SOURCE_CHANGED', 'DEFINITION_INVALID', 'DEFINITION_UNSUPPORTED', 'OBJECT_MISSING'];

/** History after which it continues as new. */
const MAX_EVENTS = 4_000;

/** Longest pause, in seconds, between two questions about a run that others started. */
const MAX_PAUSE = 600;

/** Runs until it is terminated. */
export async function watchChanges(input: WatchChangesInput): Promise<void> {
  let { trigger, facts, started } = input;
  let state: ChangeState = input.state ?? { generation: 1 };
  let changed = false;
  const tell = (): void => {
    const fault = state.fault ?? state.failed;
    const memo: TriggerMemo = { started, trigger, facts, ...(fault === undefined ? {} : { fault }) };
    upsertMemo({ [TRIGGER_MEMO]: memo });
    setCurrentDetails(
      `**${trigger.name}** is ${started ? 'started' : 'stopped'}, changes are handed over up to ${state.since ?? 'none'}${fault === undefined ? '' : `\n\n${fault}`}`,
    );
  };
  tell();
  setHandler(configureSignal, (change) => {
    if (change.trigger?.type === 'ChangeTrigger') trigger = change.trigger;
    facts = change.facts ?? facts;
    if (change.started === true) {
      const { failed: _, ...rest } = state;
      state = state.fault === undefined ? rest : { generation: state.generation + 1 };
    }
    started = change.started ?? started;
    changed = true;
    tell();
  });
  for (;;) {
    changed = false;
    if (started && state.pending === undefined) await look();
    if (started && state.pending !== undefined && state.failed === undefined) await handOver(state.pending);
    tell();
    if (workflowInfo().historyLength > MAX_EVENTS || workflowInfo().continueAsNewSuggested)
      await continueAsNew<typeof watchChanges>({ trigger, facts, started, state });
    if (changed) continue;
    if (started && state.failed === undefined) await condition(() => changed, trigger.pollSeconds * 1000);
    else await condition(() => changed);
  }

  async function look(): Promise<void> {
    const first = state.since === undefined;
    const since = state.since ?? null;
    let found: FoundChanges;
    try {
      found = await lookForChanges({ trigger, since });
    } catch (error) {
      if (isCancellation(error)) throw error;
      const cause = error instanceof ActivityFailure ? error.cause : error;
      log.warn('a trigger could not look for changes', { trigger: trigger.name, error: String(cause) });
      if (cause instanceof ApplicationFailure && FINAL.includes(cause.type ?? '')) {
        started = false;
        // Versions that went backwards say nothing any more; a definition that is mended goes on where it was.
        state =
          cause.type === 'SOURCE_CHANGED'
            ? { ...state, fault: cause.message }
            : { ...state, failed: cause.message };
      }
      return;
    }
    const { version } = found;
    if (first && !trigger.snapshotFirst) state = { ...state, since: version };
    else if (!found.changed || version === null) state = { ...state, since: version };
    else state = { ...state, since, pending: { from: since, to: version } };
  }

  /** Every pipeline to its end; then, and only then, the next change set can come. */
  async function handOver(set: ChangeSet): Promise<void> {
    const now = new Date(Date.now()).toISOString();
    const context = {
      type: trigger.type,
      name: trigger.name,
      scheduledTime: now,
      startTime: now,
      outputs: { fromVersion: set.from, toVersion: set.to },
    };
    const key = triggeredKey(trigger.name, changeSetKey(set, state.generation));
    const failures = await Promise.all(
      triggeredRuns(trigger, key, context, undefined).map(async ({ written, ...run }) => {
        try {
          const parameters = evaluateParameters(written, context, facts, workflowChance);
          return await toItsEnd({ ...run, parameters });
        } catch (error) {
          if (error instanceof WaybillError) return `${run.pipeline}: ${error.message}`;
          throw error;
        }
      }),
    );
    const failed = failures.filter((failure) => failure !== undefined);
    if (failed.length > 0) {
      const text = `The changes after ${set.from ?? 'nothing'} up to ${set.to} wait: ${failed.join('; ')}. \`waybill triggers start ${trigger.name}\` tries again.`;
      state = { ...state, failed: text };
      return;
    }
    const { pending: _, ...rest } = state;
    state = { ...rest, since: set.to };
  }

  async function toItsEnd(run: RunPipelineInput): Promise<string | undefined> {
    for (let attempt = 0; ; attempt++) {
      const failure = await once(run);
      if (failure === undefined || attempt >= trigger.retry.count || !started) return failure;
      await sleep(trigger.retry.intervalSeconds * 1000);
    }
  }

  /** Why the run failed. One that succeeded under its key before is not run again. */
  async function once(run: RunPipelineInput): Promise<string | undefined> {
    const workflowId = pipelineWorkflowId(run.pipeline, run.key);
    try {
      const child = await startTriggeredRun(run, WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY);
      await child.result();
      return undefined;
    } catch (error) {
      if (error instanceof ChildWorkflowFailure) return `${workflowId} failed: ${error.cause?.message ?? ''}`;
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    for (let pause = 1; ; pause = Math.min(pause * 2, MAX_PAUSE)) {
      const [found] = await runStates([{ workflowId }]);
      if (found?.status === 'Succeeded') return undefined;
      if (found?.status !== 'Running') return `${workflowId} has ended as ${found?.status ?? 'Missing'}`;
      await sleep(pause * 1000);
    }
  }
}
