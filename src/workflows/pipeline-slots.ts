// Hands out the slots of one pipeline whose `concurrency` limits its runs: first come, first served, and none is lost when
// a run that holds one dies.
import {
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { type SlotActivities, SlotQueue, type SlotsInput } from '../core/pipeline/slots.ts';
import { releaseSlotSignal, requestSlotSignal, slotGrantedSignal } from './pipeline-messages.ts';

const { endedRuns, runsWithSlot } = proxyActivities<SlotActivities>({
  startToCloseTimeout: '1m',
  retry: { maximumInterval: '30s' },
});

/** History after which it continues as new. */
const MAX_EVENTS = 4_000;

/** Runs while somebody holds a slot or waits for one. */
export async function pipelineSlots(input: SlotsInput): Promise<void> {
  const queue = new SlotQueue(input.queue ?? { limit: 1, holders: [], waiting: [] });
  setHandler(requestSlotSignal, (request) => queue.request(request));
  setHandler(releaseSlotSignal, (runId) => queue.release(runId));
  // Somebody may have ended this workflow while runs had their slots.
  if (input.queue === undefined) for (const run of await runsWithSlot(input.pipeline)) queue.hold(run);
  let look = true;
  for (;;) {
    for (const run of queue.grant()) {
      const told = await tell(run.workflowId, run.runId);
      if (!told) queue.release(run.runId);
    }
    setCurrentDetails(details(queue));
    if (queue.canGrant) continue;
    if (queue.isEmpty) return;
    if (workflowInfo().historyLength > MAX_EVENTS)
      await continueAsNew<typeof pipelineSlots>({ ...input, queue: queue.state() });
    if (queue.someWait && look) {
      for (const { runId } of await endedRuns(queue.state().holders)) queue.release(runId);
      look = false;
      continue;
    }
    // Whoever holds a slot gives it back when it ends, unless it is terminated: then it is seen to have ended.
    const waiting = queue.someWait;
    const changed = (): boolean => queue.canGrant || queue.isEmpty || (!waiting && queue.someWait);
    look = waiting ? !(await condition(changed, `${input.checkSeconds}s`)) : true;
    if (!waiting) await condition(changed);
  }
}

/** Tells a run that it has a slot. False when there is no such run any more. */
async function tell(workflowId: string, runId: string): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(workflowId, runId).signal(slotGrantedSignal);
    return true;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return false;
  }
}

function details(queue: SlotQueue): string {
  const { limit, holders, waiting } = queue.state();
  const list = (runs: typeof holders): string =>
    runs
      .slice(0, 20)
      .map(({ workflowId }) => `- ${workflowId}`)
      .join('\n');
  return [
    `**${holders.length} of ${limit} slots taken, ${waiting.length} waiting**`,
    ...(holders.length === 0 ? [] : ['', 'running', list(holders)]),
    ...(waiting.length === 0 ? [] : ['', 'waiting', list(waiting)]),
  ].join('\n');
}
