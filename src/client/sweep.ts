// `waybill sweep`: removes now what copies left behind that ended without cleaning up.
import { WorkflowIdConflictPolicy } from '@temporalio/client';
import { loadSettings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { SweepInput, SweepResult } from '../core/sweep.ts';
import { connectClient } from './connection.ts';
import { SWEEPER } from './sweeper-schedule.ts';

/** A copy that ended less long ago may have attempts that have not yet noticed. */
const LEAST_AGE_SECONDS = 60;

/** "90s", "30m", "24h", "7d" in seconds. */
export function parseAge(text: string, option = '--older-than'): number {
  const [, count, unit] = /^(\d+)\s*([smhd])$/.exec(text.trim()) ?? [];
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[unit ?? ''];
  if (count === undefined || seconds === undefined) {
    throw new WaybillError(
      'PARAMETER_INVALID',
      `${option} takes an age such as 90s, 30m, 24h or 7d, not "${text}".`,
    );
  }
  return Number(count) * seconds;
}

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
