// Keeps the schedule that sweeps in being: without it, what a killed copy left would stay for ever.
import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';

export const SWEEPER = 'sweeper';

/** Creates the schedule, every hour, unless there is one: who changed or paused it keeps it so. */
export async function ensureSweeper(client: Client, taskQueue: string): Promise<'created' | 'exists'> {
  try {
    await client.schedule.create({
      scheduleId: SWEEPER,
      spec: { intervals: [{ every: '1 hour' }] },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
      action: {
        type: 'startWorkflow',
        workflowType: 'sweepOrphans',
        workflowId: SWEEPER,
        taskQueue,
        args: [{}],
        staticSummary: 'remove what copies left behind',
      },
    });
    return 'created';
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) return 'exists';
    throw error;
  }
}
