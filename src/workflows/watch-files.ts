// An event trigger without events: looks into its store again and again, and starts its pipelines for each new file, once
// per path and etag, under the key that an event about the file would have.
import { WorkflowExecutionAlreadyStartedError, WorkflowIdReusePolicy } from '@temporalio/common';
import {
  condition,
  continueAsNew,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import { WaybillError } from '../core/errors.ts';
import type { FoundFiles, WatchActivities } from '../core/trigger/activities.ts';
import { TRIGGER_MEMO, type TriggerMemo, type WatchFilesInput } from '../core/trigger/messages.ts';
import { evaluateParameters, triggeredKey, triggeredRuns } from '../core/trigger/start-values.ts';
import { configureSignal } from './trigger-messages.ts';
import { startTriggeredRun, workflowChance } from './trigger-runs.ts';

const { lookForFiles } = proxyActivities<WatchActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '1m',
  // A store that is away comes back; one that refuses may be mended: the trigger stays.
  retry: { maximumInterval: '5m', maximumAttempts: 5 },
});

/** History after which it continues as new. */
const MAX_EVENTS = 4_000;

/** Runs until it is terminated. Starting it takes note of what is there; files that come later fire. */
export async function watchFiles(input: WatchFilesInput): Promise<void> {
  let { trigger, facts, started, state } = input;
  let changed = false;
  let fired = 0;
  const memo = (): TriggerMemo => ({ started, trigger, facts });
  upsertMemo({ [TRIGGER_MEMO]: memo() });
  setHandler(configureSignal, (change) => {
    if (change.trigger !== undefined && 'typeProperties' in change.trigger) trigger = change.trigger;
    facts = change.facts ?? facts;
    // What came while it was stopped is not made up for, as in Data Factory.
    if (change.started === true && !started) state = undefined;
    started = change.started ?? started;
    changed = true;
    upsertMemo({ [TRIGGER_MEMO]: memo() });
  });
  for (;;) {
    changed = false;
    let more = false;
    if (started) {
      const before = state;
      const found = await look({
        trigger,
        linkedService: input.linkedService,
        ...(state === undefined ? {} : { state }),
      });
      // It may have been stopped, or started anew, in the meantime.
      if (found !== undefined && started && state === before) {
        for (const file of found.files) await fire(file);
        fired += found.files.length;
        ({ state, more } = found);
      }
    }
    setCurrentDetails(
      `**${trigger.name}** is ${started ? 'started' : 'stopped'}: ${fired} files since it was last continued`,
    );
    if (workflowInfo().historyLength > MAX_EVENTS || workflowInfo().continueAsNewSuggested)
      await continueAsNew<typeof watchFiles>({
        ...input,
        trigger,
        facts,
        started,
        ...(state === undefined ? {} : { state }),
      });
    if (more || changed) continue;
    if (started) await condition(() => changed, input.pollSeconds * 1000);
    else await condition(() => changed);
  }

  async function fire({ key, context }: FoundFiles['files'][number]): Promise<void> {
    for (const { written, ...run } of triggeredRuns(
      trigger,
      triggeredKey(trigger.name, key),
      context,
      undefined,
    )) {
      try {
        const parameters = evaluateParameters(written, context, facts, workflowChance);
        const child = await startTriggeredRun({ ...run, parameters }, WorkflowIdReusePolicy.REJECT_DUPLICATE);
        child.result().catch(() => {});
      } catch (error) {
        // An event told of the file before.
        if (error instanceof WorkflowExecutionAlreadyStartedError) continue;
        if (!(error instanceof WaybillError)) throw error;
        log.error('a trigger could not start a pipeline', {
          trigger: trigger.name,
          pipeline: run.pipeline,
          reason: error.message,
        });
      }
    }
  }

  async function look(
    request: Parameters<WatchActivities['lookForFiles']>[0],
  ): Promise<FoundFiles | undefined> {
    try {
      return await lookForFiles(request);
    } catch (error) {
      log.warn('a trigger could not look into its store', { trigger: trigger.name, error: String(error) });
      return undefined;
    }
  }
}
