// Removes what one closed copy left behind. Runs under that copy's workflow id; sweep-orphans.ts says why.
import { proxyActivities } from '@temporalio/workflow';
import type { OrphanedCopy, SweepActivities } from '../core/sweep.ts';

const { removeOrphan: remove } = proxyActivities<SweepActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '15s',
  retry: { initialInterval: '1s', maximumInterval: '20s', maximumAttempts: 5 },
});

export async function removeOrphan(orphan: OrphanedCopy): Promise<void> {
  await remove(orphan);
}
