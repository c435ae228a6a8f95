// `waybill sweep`: removes now what copies left behind that ended without cleaning up.
import { WorkflowIdConflictPolicy } from '@temporalio/client';
import { loadSettings } from '../config/settings.ts';
import type { SweepInput, SweepResult } from '../core/sweep.ts';
import { parseAge } from './age.ts';
import { connectClient } from './connection.ts';
import { SWEEPER } from './sweeper-schedule.ts';

/** A copy that ended less long ago may have attempts that have not yet noticed. */
const LEAST_AGE_SECONDS = 60;

export async function sweepCommand(options: { olderThan: string; json?: boolean }): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const olderThanSeconds = Math.max(LEAST_AGE_SECONDS, parseAge(options.olderThan));
  const { client, close } = await connectClient();
  try {
    const result = await client.workflow.execute<(input: SweepInput) => Promise<SweepResult>>(
      'sweepOrphans',
      {
        workflowId: `${SWEEPER}/client`,
        taskQueue: settings.taskQueue,
        args: [{ olderThanSeconds }],
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
        staticSummary: 'remove what copies left behind',
      },
    );
    if (options.json === true) console.log(JSON.stringify(result));
    else for (const line of describe(result)) console.log(line);
    if (result.failed.length > 0) process.exitCode = 1;
  } finally {
    await close();
  }
}

function describe({ swept, running, failed }: SweepResult): string[] {
  if (swept.length + running.length + failed.length === 0) return ['Nothing was left behind.'];
  return [
    ...swept.map((id) => `swept    ${id}`),
    ...running.map((id) => `running  ${id}`),
    ...failed.map((id) => `failed   ${id}`),
  ];
}
