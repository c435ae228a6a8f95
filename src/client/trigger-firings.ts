// Data Factory's TriggerRun records: each firing of a trigger, the pipelines that it started, or why it started none.
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { type TriggerRun, triggerRunRecord } from '../core/pipeline/records.ts';
import type { StartTriggeredInput } from '../core/trigger/messages.ts';
import { instantText, triggeredKey } from '../core/trigger/start-values.ts';
import { triggerId } from '../core/trigger/trigger.ts';
import { listRunsWithInput, type RunFilter, type RunWithInput } from './records.ts';
import { endingOf, inputOf } from './run-history.ts';
import { quoted } from './visibility.ts';

const LIST_LIMIT = 100;

/** Firings, newest first: those that started runs, and those that could not. */
export async function listTriggerRuns(client: Client, filter: RunFilter): Promise<TriggerRun[]> {
  const [runs, faults] = await Promise.all([
    listRunsWithInput(client, filter),
    failedFirings(client, filter),
  ]);
  return mergeFirings(groupFirings(runs), faults).slice(0, filter.limit ?? LIST_LIMIT);
}

/** Newest first. A firing that started some of its pipelines and not all is one record, and failed. */
export function mergeFirings(started: readonly TriggerRun[], faults: readonly TriggerRun[]): TriggerRun[] {
  const firings = new Map(faults.map((firing) => [firing.triggerRunId, firing]));
  for (const firing of started) {
    const fault = firings.get(firing.triggerRunId);
    const { triggeredPipelines } = firing;
    firings.set(firing.triggerRunId, fault === undefined ? firing : { ...fault, triggeredPipelines });
  }
  return [...firings.values()].sort((a, b) => (a.triggerRunTimestamp < b.triggerRunTimestamp ? 1 : -1));
}

/** The firings that started these runs, in their order: pipelines that one firing started belong together. */
export function groupFirings(runs: readonly RunWithInput[]): TriggerRun[] {
  const firings = new Map<string, TriggerRun>();
  for (const { run, input } of runs) {
    const { invokedByType, name } = run.invokedBy;
    if (invokedByType === 'Manual' || invokedByType === 'PipelineActivity') continue;
    const firing = triggerRunRecord({
      trigger: name,
      type: invokedByType,
      key: input.key,
      time: run.runStart,
      context: input.triggerContext ?? {},
      triggeredPipelines: { [run.pipelineName]: run.runId },
    });
    const known = firings.get(firing.triggerRunId);
    const earliest =
      known === undefined || firing.triggerRunTimestamp < known.triggerRunTimestamp ? firing : known;
    const triggeredPipelines = { ...known?.triggeredPipelines, ...firing.triggeredPipelines };
    firings.set(firing.triggerRunId, { ...earliest, triggeredPipelines });
  }
  return [...firings.values()];
}

/** Firings that ended without having started all their pipelines. */
export async function failedFirings(client: Client, filter: RunFilter): Promise<TriggerRun[]> {
  const clauses = [
    "WorkflowType = 'startTriggered'",
    "ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')",
  ];
  // Firings carry no attribute of ours: their ids say whose they are.
  if (filter.trigger !== undefined)
    clauses.push(`WorkflowId STARTS_WITH ${quoted(`${triggerId(filter.trigger)}/fired`)}`);
  if (filter.since !== undefined) clauses.push(`StartTime >= '${filter.since.toISOString()}'`);
  if (filter.until !== undefined) clauses.push(`StartTime < '${filter.until.toISOString()}'`);
  const found: TriggerRun[] = [];
  for await (const info of client.workflow.list({ query: clauses.join(' AND ') })) {
    found.push(await failedFiring(client, info));
    if (found.length >= (filter.limit ?? LIST_LIMIT)) break;
  }
  return found;
}

async function failedFiring(client: Client, info: WorkflowExecutionInfo): Promise<TriggerRun> {
  const place = { workflowId: info.workflowId, runId: info.runId };
  const [{ trigger, firing }, { failure }] = await Promise.all([
    inputOf<StartTriggeredInput>(client, place),
    endingOf(client, place),
  ]);
  const scheduled = scheduledTime(info);
  return triggerRunRecord({
    trigger: trigger.name,
    type: trigger.type,
    key: triggeredKey(trigger.name, firing?.key ?? scheduled),
    time: info.startTime.toISOString(),
    context: firing?.context ?? { scheduledTime: scheduled },
    triggeredPipelines: {},
    failure: failure?.message ?? `The firing ended as ${info.status.name} in Temporal.`,
  });
}

/** Temporal appends the scheduled time to the workflow ids of a schedule. */
function scheduledTime({ workflowId, startTime }: WorkflowExecutionInfo): string {
  const suffix = /-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/.exec(workflowId)?.[1];
  return suffix ?? instantText(startTime.getTime());
}
