// Data Factory's own records of runs, field for field: PipelineRun, ActivityRun and TriggerRun, as its REST API and SDKs
// answer them (api-version 2018-06-01), made from what waybill's workflows tell of themselves.
import { ERRORS } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { ActivityRun as RunEntry, RunPipelineInput } from '../run.ts';
import { stableGuid, stableHash } from './stable-id.ts';

export type PipelineRunStatus = 'Queued' | 'InProgress' | 'Succeeded' | 'Failed' | 'Canceling' | 'Cancelled';

export interface InvokedBy {
  readonly id: string;
  readonly name: string;
  /** Manual, ScheduleTrigger, TumblingWindowTrigger, BlobEventsTrigger, PipelineActivity, ... */
  readonly invokedByType: string;
  /** Of the pipeline whose Execute Pipeline activity started the run. */
  readonly pipelineName?: string;
  readonly pipelineRunId?: string;
}

/** One run of a pipeline. Times are ISO 8601, UTC. */
export interface PipelineRun {
  /** Temporal's workflow id, by which `waybill watch`, `cancel` and `rerun` know the run. */
  readonly id: string;
  /** A GUID: Temporal's run id, which is what `@pipeline().RunId` gives. */
  readonly runId: string;
  /** The first run of the group that a run and its reruns make. */
  readonly runGroupId: string;
  readonly isLatest: boolean;
  readonly pipelineName: string;
  /** Every value as text, as Data Factory records it: objects and arrays as JSON. */
  readonly parameters: Record<string, string>;
  readonly runDimensions: Record<string, string>;
  readonly invokedBy: InvokedBy;
  readonly lastUpdated: string;
  readonly runStart: string;
  readonly runEnd: string | null;
  readonly durationInMs: number | null;
  readonly status: PipelineRunStatus;
  readonly message: string;
  readonly pipelineReturnValue?: JsonObject;
}

export interface RecordedError {
  /** Empty where the activity did not fail. */
  readonly errorCode: string;
  readonly message: string;
  /** UserError: the definition, the data or a permission has to be mended. SystemError: trying again may help. */
  readonly failureType: '' | 'UserError' | 'SystemError';
  /** The activity. */
  readonly target: string;
  readonly details: JsonValue;
}

/** One run of an activity within a pipeline's run. */
export interface ActivityRun {
  readonly pipelineName: string;
  readonly pipelineRunId: string;
  readonly activityName: string;
  readonly activityType: string;
  /** A function of run, activity and iteration: the same whenever it is asked for. */
  readonly activityRunId: string;
  readonly linkedServiceName: string;
  readonly status: 'Queued' | 'InProgress' | 'Succeeded' | 'Failed' | 'Cancelled' | 'Skipped' | 'Inactive';
  readonly activityRunStart: string | null;
  readonly activityRunEnd: string | null;
  readonly durationInMs: number | null;
  /** Null where `secureInput` hides it. */
  readonly input: JsonValue;
  /** Null where `secureOutput` hides it, and where there is none. */
  readonly output: JsonValue;
  readonly error: RecordedError;
  readonly retryAttempt: number | null;
  /** Tells the iterations of loops apart; empty outside of them. */
  readonly iterationHash: string;
  readonly userProperties: JsonObject;
  /** "Reused" where a rerun took the result of an earlier run. */
  readonly recoveryStatus: 'None' | 'Reused';
  /** The iterations it is in, outermost first: "flights", "flights/2". Not Data Factory's. */
  readonly iteration?: string;
  /** Workflow id of the child that did it. Not Data Factory's. */
  readonly workflowId?: string;
}

export type TriggerRunStatus = 'Succeeded' | 'Failed' | 'Inprogress';

/** One firing of a trigger. */
export interface TriggerRun {
  readonly triggerRunId: string;
  readonly triggerName: string;
  /** ScheduleTrigger, TumblingWindowTrigger, BlobEventsTrigger, CustomEventsTrigger, ... */
  readonly triggerType: string;
  readonly triggerRunTimestamp: string;
  readonly status: TriggerRunStatus;
  readonly message: string;
  /** TriggerTime, ScheduleTime, windowStartTime, windowEndTime, ... as text. */
  readonly properties: Record<string, string>;
  /** Run ids by pipeline name. */
  readonly triggeredPipelines: Record<string, string>;
  readonly runDimension: Record<string, string>;
  readonly dependencyStatus: JsonObject;
}

/** What a record of a pipeline's run is made from. Times in ms since epoch. */
export interface PipelineRunFacts {
  readonly workflowId: string;
  readonly runId: string;
  readonly isLatest: boolean;
  readonly input: RunPipelineInput;
  /** With defaults, where known; else those that were given. */
  readonly parameters?: JsonObject;
  readonly status: PipelineRunStatus;
  readonly start: number;
  readonly end?: number;
  readonly updated: number;
  readonly message?: string;
  readonly returnValue?: JsonObject;
}

const iso = (time: number): string => new Date(time).toISOString();

const asText = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value));

const asTexts = (values: JsonObject): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, asText(value)]));

/** The record of a pipeline's run. */
export function pipelineRunRecord(facts: PipelineRunFacts): PipelineRun {
  const { input, start, end } = facts;
  return {
    id: facts.workflowId,
    runId: facts.runId,
    runGroupId: input.rerun?.groupId ?? facts.runId,
    isLatest: facts.isLatest,
    pipelineName: input.pipeline,
    parameters: asTexts(facts.parameters ?? input.parameters),
    runDimensions: asTexts(input.runDimensions ?? {}),
    invokedBy: invokedByOf(input),
    lastUpdated: iso(facts.updated),
    runStart: iso(start),
    runEnd: end === undefined ? null : iso(end),
    durationInMs: end === undefined ? null : end - start,
    status: facts.status,
    message: facts.message ?? '',
    ...(facts.returnValue === undefined || Object.keys(facts.returnValue).length === 0
      ? {}
      : { pipelineReturnValue: facts.returnValue }),
  };
}

function invokedByOf(input: RunPipelineInput): InvokedBy {
  const { invokedBy, trigger, triggerContext } = input;
  if (invokedBy !== undefined)
    return {
      id: invokedBy.runId,
      name: invokedBy.pipeline,
      invokedByType: 'PipelineActivity',
      pipelineName: invokedBy.pipeline,
      pipelineRunId: invokedBy.runId,
    };
  if (trigger === MANUAL) return { id: 'Manual', name: 'Manual', invokedByType: 'Manual' };
  const type = triggerContext?.['type'];
  return { id: trigger, name: trigger, invokedByType: typeof type === 'string' ? type : 'Trigger' };
}

/** What `RunPipelineInput.trigger` says where a person or a program asked for the run, and no trigger did. */
export const MANUAL = 'client';

/** What the record of a firing is made from. */
export interface TriggerRunFacts {
  readonly trigger: string;
  readonly type: string;
  /** Key of the runs it started: the same for one firing, whenever its runs are looked at. */
  readonly key: string;
  /** ISO 8601. */
  readonly time: string;
  /** What `@trigger()` shows in the runs. */
  readonly context: JsonObject;
  /** Run ids by pipeline name. */
  readonly triggeredPipelines: Record<string, string>;
  /** Why it could not start its pipelines. */
  readonly failure?: string;
}

/** The record of one firing of a trigger. */
export function triggerRunRecord(facts: TriggerRunFacts): TriggerRun {
  const { context, time } = facts;
  const outputs = context['outputs'];
  const windows =
    typeof outputs === 'object' && outputs !== null && !Array.isArray(outputs)
      ? pick(outputs, { windowStartTime: 'windowStartTime', windowEndTime: 'windowEndTime' })
      : {};
  return {
    triggerRunId: stableGuid('trigger-run', facts.trigger, facts.key),
    triggerName: facts.trigger,
    triggerType: facts.type,
    triggerRunTimestamp: time,
    status: facts.failure === undefined ? 'Succeeded' : 'Failed',
    message: facts.failure ?? '',
    properties: {
      TriggerTime: typeof context['startTime'] === 'string' ? context['startTime'] : time,
      ...pick(context, { ScheduleTime: 'scheduledTime' }),
      ...windows,
    },
    triggeredPipelines: facts.triggeredPipelines,
    runDimension: {},
    dependencyStatus: {},
  };
}

function pick(from: JsonObject, names: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([to, name]) => {
      const value = from[name];
      return typeof value === 'string' ? [[to, value]] : [];
    }),
  );
}

/** The record of one activity's run in a pipeline's run. */
export function activityRunRecord(
  run: { readonly pipelineName: string; readonly runId: string },
  entry: RunEntry,
): ActivityRun {
  const { start, end, item } = entry;
  return {
    pipelineName: run.pipelineName,
    pipelineRunId: run.runId,
    activityName: entry.activityName,
    activityType: entry.activityType,
    activityRunId: activityRunId(run.runId, entry.activityName, item),
    linkedServiceName: '',
    status: entry.status,
    activityRunStart: start === undefined ? null : iso(start),
    activityRunEnd: end === undefined ? null : iso(end),
    durationInMs: start === undefined || end === undefined ? null : end - start,
    input: entry.input ?? null,
    output: entry.output ?? null,
    error: recordedError(entry),
    retryAttempt: entry.retryAttempt ?? null,
    iterationHash: item === undefined ? '' : stableHash(item),
    userProperties: entry.userProperties ?? {},
    recoveryStatus: entry.reusedFrom === undefined ? 'None' : 'Reused',
    ...(item === undefined ? {} : { iteration: item }),
    ...(entry.workflowId === undefined ? {} : { workflowId: entry.workflowId }),
  };
}

/** The id of an activity's run, which `@activity('x').ActivityRunId` gives too. */
export const activityRunId = (runId: string, activity: string, item: string | undefined): string =>
  stableGuid(runId, activity.toLowerCase(), item ?? '');

function recordedError({ error, activityName }: RunEntry): RecordedError {
  return {
    errorCode: error?.errorCode ?? '',
    message: error?.message ?? '',
    failureType: error === undefined ? '' : failureType(error.errorCode),
    target: activityName,
    details: error?.details ?? [],
  };
}

/** Data Factory tells apart what its user has to mend from what may pass by itself. */
export function failureType(errorCode: string): 'UserError' | 'SystemError' {
  const known = Object.hasOwn(ERRORS, errorCode) ? ERRORS[errorCode as keyof typeof ERRORS] : undefined;
  return known?.retryable === true ? 'SystemError' : 'UserError';
}
