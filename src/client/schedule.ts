// Temporal Schedules for lakehouse pipelines: create, trigger, pause, show, delete.
import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';
import { loadSettings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { RunLakehouseInput } from '../core/run.ts';
import { lakehouseWorkflowId } from '../core/workflow-ids.ts';
import { connectClient } from './connection.ts';
import { searchAttributesFor } from './start.ts';

export interface LakehouseSchedule {
  readonly name: string;
  /** Cron expression in UTC. */
  readonly cron: string;
  /** A fixed window; without one each run's window is its scheduled time. */
  readonly window?: string;
  readonly parameters: JsonObject;
  readonly taskQueue: string;
}

export const scheduleId = (name: string): string => `lakehouse/${name}`;

/**
 * Creates the schedule, or leaves an existing one of that id as it is. Runs never overlap: one that is late waits.
 * Temporal appends the scheduled time to the workflow id, so every window is its own run.
 */
export async function createSchedule(
  client: Client,
  schedule: LakehouseSchedule,
): Promise<'created' | 'exists'> {
  const input: RunLakehouseInput = {
    name: schedule.name,
    window: schedule.window ?? '',
    parameters: schedule.parameters,
    trigger: scheduleId(schedule.name),
  };
  try {
    await client.schedule.create({
      scheduleId: scheduleId(schedule.name),
      spec: { cronExpressions: [schedule.cron], timezone: 'UTC' },
      // A machine that slept for a day must not replay every missed run: the default catch-up window is a year.
      policies: { overlap: ScheduleOverlapPolicy.BUFFER_ONE, catchupWindow: '1 hour', pauseOnFailure: true },
      action: {
        type: 'startWorkflow',
        workflowType: 'runLakehouse',
        workflowId: lakehouseWorkflowId(schedule.name, schedule.window ?? 'scheduled'),
        taskQueue: schedule.taskQueue,
        args: [input],
        typedSearchAttributes: searchAttributesFor({
          name: schedule.name,
          trigger: scheduleId(schedule.name),
        }),
        staticSummary: `lakehouse ${schedule.name} · scheduled`,
      },
    });
    return 'created';
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) return 'exists';
    throw error;
  }
}

/** Triggers one run now and resolves with its workflow id once Temporal has started it. */
export async function triggerSchedule(client: Client, name: string): Promise<string> {
  const handle = client.schedule.getHandle(scheduleId(name));
  const before = new Set(await startedBy(client, name));
  await handle.trigger(ScheduleOverlapPolicy.BUFFER_ONE);
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const started = (await startedBy(client, name)).find((id) => !before.has(id));
    if (started !== undefined) return started;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new WaybillError(
    'INTERNAL',
    `Schedule ${scheduleId(name)} was triggered, but no run has appeared in 30 s.`,
  );
}

async function startedBy(client: Client, name: string): Promise<string[]> {
  const { info } = await client.schedule.getHandle(scheduleId(name)).describe();
  return info.recentActions.flatMap((recent) =>
    recent.action.type === 'startWorkflow' ? [recent.action.workflow.workflowId] : [],
  );
}

/** The CLI's `schedule` command. */
export async function scheduleCommand(
  verb: string,
  name: string,
  options: { cron: string; window?: string },
): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const { client, close } = await connectClient();
  try {
    const handle = client.schedule.getHandle(scheduleId(name));
    switch (verb) {
      case 'create': {
        const { cron, window } = options;
        const result = await createSchedule(client, {
          name,
          cron,
          ...(window === undefined ? {} : { window }),
          parameters: {},
          taskQueue: settings.taskQueue,
        });
        console.log(
          `schedule ${scheduleId(name)} ${result === 'created' ? 'created' : 'exists already; nothing changed'}`,
        );
        return;
      }
      case 'trigger':
        console.log(`started ${await triggerSchedule(client, name)}`);
        return;
      case 'pause':
        await handle.pause('paused by waybill schedule pause');
        console.log(`schedule ${scheduleId(name)} paused`);
        return;
      case 'unpause':
        await handle.unpause();
        console.log(`schedule ${scheduleId(name)} runs again`);
        return;
      case 'delete':
        await handle.delete();
        console.log(`schedule ${scheduleId(name)} deleted`);
        return;
      case 'show': {
        const { state, info, spec } = await handle.describe();
        console.log(`schedule ${scheduleId(name)} ${state.paused ? 'paused' : 'active'}`);
        console.log(
          `  ran ${info.numActionsTaken} times · next ${info.nextActionTimes[0]?.toISOString() ?? 'never'}`,
        );
        console.log(`  calendars ${spec.calendars?.length ?? 0}`);
        return;
      }
      default:
        throw new WaybillError(
          'SETTINGS_INVALID',
          `"${verb}" is not something a schedule can do: create, trigger, pause, unpause, delete or show.`,
        );
    }
  } finally {
    await close();
  }
}
