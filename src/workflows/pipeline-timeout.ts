// Time limits on activities of a pipeline.
import { CancellationScope } from '@temporalio/workflow';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import { ActivityEndedError } from './pipeline-failure.ts';

/** Runs `body` and cancels it after `timeout` ms. Throws ACTIVITY_TIMEOUT then. */
export async function withTimeout<T>(
  activity: ActivitySnapshot,
  timeout: number,
  body: () => Promise<T>,
): Promise<T> {
  const outer = CancellationScope.current();
  const scope = new CancellationScope({ cancellable: true, timeout });
  try {
    return await scope.run(body);
  } catch (error) {
    if (!scope.consideredCancelled || outer.consideredCancelled) throw error;
    throw new ActivityEndedError(
      'ACTIVITY_TIMEOUT',
      `"${activity.name}" ran longer than the ${Math.round(timeout / 1000)} s its timeout allows.`,
    );
  }
}
