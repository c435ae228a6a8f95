// One firing of a trigger: starts its pipelines, once per scheduled time. The action of every trigger's schedule.
import {
  ApplicationFailure,
  defineSearchAttributeKey,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
} from '@temporalio/common';
import { workflowInfo } from '@temporalio/workflow';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { StartTriggeredInput, StartTriggeredOutput } from '../core/trigger/messages.ts';
import { isDue } from '../core/trigger/recurrence.ts';
import {
  evaluateParameters,
  instantText,
  triggeredKey,
  triggeredRuns,
} from '../core/trigger/start-values.ts';
import { startTriggeredRun, workflowChance } from './trigger-runs.ts';

const scheduledStartKey = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME');

/** Temporal appends the scheduled time to the workflow ids of a schedule. */
const SCHEDULED_SUFFIX = /-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/;

/**
 * Starts every pipeline of the trigger, also where one of them cannot be started; then it fails with the reason. A run
 * that is there under its key already is the one that is wanted.
 */
export async function startTriggered(input: StartTriggeredInput): Promise<StartTriggeredOutput> {
  const { trigger, firing } = input;
  const scheduled = scheduledTime();
  if (
    firing === undefined &&
    input.filter &&
    trigger.type === 'ScheduleTrigger' &&
    !isDue(trigger.recurrence, scheduled)
  )
    return { status: 'NotDue', scheduledTime: instantText(scheduled), triggeredPipelines: {} };
  const context: JsonObject = firing?.context ?? {
    type: trigger.type,
    name: trigger.name,
    scheduledTime: instantText(scheduled),
    startTime: new Date(Date.now()).toISOString(),
  };
  const at = firing === undefined ? instantText(scheduled) : undefined;
  const runs = triggeredRuns(
    trigger,
    triggeredKey(trigger.name, firing?.key ?? instantText(scheduled)),
    context,
    at,
  );
  const triggeredPipelines: Record<string, string> = {};
  const faults: string[] = [];
  for (const { written, ...run } of runs) {
    try {
      const parameters = evaluateParameters(written, context, input.facts, workflowChance);
      const child = await startTriggeredRun({ ...run, parameters }, WorkflowIdReusePolicy.REJECT_DUPLICATE);
      triggeredPipelines[run.pipeline] = child.firstExecutionRunId;
      // Nobody waits for it here.
      child.result().catch(() => {});
    } catch (error) {
      if (error instanceof WaybillError) faults.push(`${run.pipeline}: ${error.message}`);
      else if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
  if (faults.length > 0)
    throw ApplicationFailure.nonRetryable(
      `Trigger "${trigger.name}" could not start ${faults.join('; ')}`,
      'EXPRESSION_INVALID',
    );
  return { status: 'Succeeded', ...(at === undefined ? {} : { scheduledTime: at }), triggeredPipelines };
}

function scheduledTime(): number {
  const { typedSearchAttributes, workflowId, startTime } = workflowInfo();
  const scheduled = typedSearchAttributes.get(scheduledStartKey);
  const suffix = SCHEDULED_SUFFIX.exec(workflowId)?.[1];
  return (scheduled ?? (suffix === undefined ? startTime : new Date(suffix))).getTime();
}
