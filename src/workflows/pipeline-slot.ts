// A run's own side of `concurrency`: it waits for a slot, and gives it back however it ends.
import { defineSearchAttributeKey } from '@temporalio/common';
import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  proxyActivities,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { SLOT_STAGES, type SlotActivities } from '../core/pipeline/slots.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import { slotsWorkflowId } from '../core/workflow-ids.ts';
import { releaseSlotSignal, slotGrantedSignal } from './pipeline-messages.ts';

const { requestSlot } = proxyActivities<SlotActivities>({
  startToCloseTimeout: '1m',
  summary: 'ask for a slot',
  retry: { maximumInterval: '30s' },
});

/** A run that has heard nothing for so long asks again: whoever hands out slots may have been terminated. */
const ASK_AGAIN = '5m';

const stageKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.stage, 'KEYWORD');

/** Runs `body` once the pipeline has a slot free for this run. `onGranted` is called when it has. */
export async function withSlot<T>(
  pipeline: string,
  limit: number,
  onGranted: () => void,
  body: () => Promise<T>,
): Promise<T> {
  const { workflowId, runId } = workflowInfo();
  let granted = false;
  setHandler(slotGrantedSignal, () => {
    granted = true;
  });
  upsertSearchAttributes([{ key: stageKey, value: SLOT_STAGES.waiting }]);
  try {
    while (!granted) {
      await requestSlot({ pipeline, limit, workflowId, runId });
      await condition(() => granted, ASK_AGAIN);
    }
    upsertSearchAttributes([{ key: stageKey, value: SLOT_STAGES.granted }]);
    onGranted();
    return await body();
  } finally {
    await CancellationScope.nonCancellable(async () => {
      // Where nobody hands out slots any more there is nothing to give back.
      await getExternalWorkflowHandle(slotsWorkflowId(pipeline))
        .signal(releaseSlotSignal, runId)
        .catch(() => {});
    });
  }
}
