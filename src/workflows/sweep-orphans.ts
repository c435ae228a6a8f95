// Removes what copies left behind whose workflow is gone: terminated, timed out, or failed and not run again.
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  executeChild,
  isCancellation,
  log,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
} from '@temporalio/workflow';
import type { OrphanedCopy, SweepActivities, SweepInput, SweepResult } from '../core/sweep.ts';
import { removeOrphan } from './remove-orphan.ts';

/** A failed copy keeps its chunks this long for whoever runs it again. */
const DAY_SECONDS = 86_400;
/** Copies of one sweep: the rest waits for the next. */
const LIMIT = 500;
const AT_ONCE = 4;

const { findOrphans } = proxyActivities<SweepActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '30s',
  retry: { maximumAttempts: 5 },
});
/** Finds copies that ended without cleaning up and removes what they left. Safe to run at any time, and again. */
export async function sweepOrphans(input: SweepInput = {}): Promise<SweepResult> {
  const result: SweepResult = { swept: [], running: [], failed: [] };
  const olderThanSeconds = input.olderThanSeconds ?? DAY_SECONDS;
  const orphans = await findOrphans({ olderThanSeconds, limit: LIMIT });
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let orphan = orphans[next++]; orphan !== undefined; orphan = orphans[next++]) {
      result[await sweepOne(orphan)].push(orphan.copyId);
      setCurrentDetails(`${result.swept.length} of ${orphans.length} copies swept`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, orphans.length) }, lane));
  return result;
}

/**
 * The child runs under the copy's own workflow id, of which Temporal lets one run at a time: a copy that is running, or
 * is started while its leftovers go, can never lose what it uses.
 */
async function sweepOne(orphan: OrphanedCopy): Promise<keyof SweepResult> {
  try {
    await executeChild(removeOrphan, {
      workflowId: orphan.copyId,
      args: [orphan],
      staticSummary: 'remove what a copy left behind',
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
    return 'swept';
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 'running';
    log.warn('a copy could not be swept', { copyId: orphan.copyId, error: String(error) });
    return 'failed';
  }
}
