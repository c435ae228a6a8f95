// Temporal Schedules of triggers: what they fire on, and what they start.
import { type Client, type ScheduleOptions, ScheduleOverlapPolicy } from '@temporalio/client';
import type { StartTriggeredInput } from '../core/trigger/messages.ts';
import { type CalendarFields, scheduleSpec } from '../core/trigger/schedule-spec.ts';
import { type CompiledTrigger, type FactoryFacts, triggerId } from '../core/trigger/trigger.ts';

const DAYS = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'] as const;
const MONTHS = [
  'JANUARY',
  'FEBRUARY',
  'MARCH',
  'APRIL',
  'MAY',
  'JUNE',
  'JULY',
  'AUGUST',
  'SEPTEMBER',
  'OCTOBER',
  'NOVEMBER',
  'DECEMBER',
] as const;

/** A server that was down makes up for what it missed in so long, and for no more. */
const CATCH_UP = '1 day';

type Calendars = NonNullable<ScheduleOptions['spec']['calendars']>;

/**
 * The schedule of a trigger. Only a ScheduleTrigger's fires by itself; an event trigger's holds its state, and fires when
 * it is told to. Runs may overlap, as in Data Factory: who minds sets `concurrency` in the pipeline.
 */
export function triggerSchedule(
  trigger: CompiledTrigger,
  facts: FactoryFacts,
  options: { taskQueue: string; started: boolean; now: number },
): ScheduleOptions {
  const found =
    trigger.type === 'ScheduleTrigger' ? scheduleSpec(trigger.recurrence, options.now) : undefined;
  const input: StartTriggeredInput = { trigger, facts, filter: found?.exact === false };
  return {
    scheduleId: triggerId(trigger.name),
    spec:
      found === undefined
        ? {}
        : {
            intervals: found.intervals.map(({ every, offset }) => ({ every, offset })),
            calendars: found.calendars.map(calendar),
            timezone: found.timeZone,
            startAt: new Date(found.start),
            ...(found.end === undefined ? {} : { endAt: new Date(found.end) }),
          },
    policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL, catchupWindow: CATCH_UP },
    state: { paused: !options.started, note: options.started ? '' : 'stopped' },
    action: {
      type: 'startWorkflow',
      workflowType: 'startTriggered',
      workflowId: `${triggerId(trigger.name)}/fired`,
      taskQueue: options.taskQueue,
      args: [input],
      staticSummary: `${trigger.type} ${trigger.name}`,
    },
  };
}

function calendar(fields: CalendarFields): Calendars[number] {
  const { second, minute, hour, dayOfWeek, dayOfMonth, month, year } = fields;
  return {
    second,
    minute,
    hour,
    ...(dayOfWeek === undefined ? {} : { dayOfWeek: dayOfWeek.flatMap((day) => DAYS[day] ?? []) }),
    ...(dayOfMonth === undefined ? {} : { dayOfMonth }),
    ...(month === undefined ? {} : { month: month.flatMap((number) => MONTHS[number - 1] ?? []) }),
    ...(year === undefined ? {} : { year }),
  };
}

/** Creates the schedule, or gives an existing one this form. */
export async function putSchedule(client: Client, options: ScheduleOptions, exists: boolean): Promise<void> {
  if (!exists) {
    await client.schedule.create(options);
    return;
  }
  const { scheduleId, state: _, ...rest } = options;
  // Whether it is paused stays as it is.
  await client.schedule.getHandle(scheduleId).update(({ state }) => ({ ...rest, state }) as never);
}
