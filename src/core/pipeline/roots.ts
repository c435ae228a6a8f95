// What the scopes of a pipeline's expressions hold: pipeline(), variables(), activity(), item(), trigger(), triggerBody().
import { expressionError } from '../expression/expression-error.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { ActivityRun, PipelineInvocation } from '../run.ts';
import { activityRunId, failureType, MANUAL } from './records.ts';
import { timeSpanText } from './time-span.ts';

/** Values that are the same for a whole run. */
export interface RunConstants {
  readonly pipeline: string;
  readonly dataFactory: string;
  readonly runId: string;
  /** The first run of the group of reruns. */
  readonly groupId: string;
  readonly parameters: JsonObject;
  readonly globalParameters: JsonObject;
  readonly trigger: string;
  readonly triggerContext: JsonObject;
  readonly invokedBy?: PipelineInvocation;
  /** .NET "o" text of the moment the run began. */
  readonly startTime: string;
}

type Roots = Record<string, (args: JsonValue[]) => JsonValue>;

/** pipeline(), trigger() and triggerBody(): constant within a run. */
export function runRoots(run: RunConstants): Roots {
  const { invokedBy } = run;
  const name = run.trigger === MANUAL ? 'Manual' : run.trigger;
  const pipeline: JsonObject = {
    Pipeline: run.pipeline,
    DataFactory: run.dataFactory,
    RunId: run.runId,
    GroupId: run.groupId,
    TriggerId: textOf(run.triggerContext, 'id') ?? invokedBy?.runId ?? name,
    TriggerName: name,
    TriggerType:
      invokedBy === undefined ? (textOf(run.triggerContext, 'type') ?? 'Manual') : 'PipelineActivity',
    TriggerTime: textOf(run.triggerContext, 'startTime') ?? run.startTime,
    // Null but in a pipeline that Execute Pipeline runs: `pipeline()?.TriggeredByPipelineName`.
    TriggeredByPipelineName: invokedBy?.pipeline ?? null,
    TriggeredByPipelineRunId: invokedBy?.runId ?? null,
    parameters: run.parameters,
    globalParameters: run.globalParameters,
  };
  const trigger: JsonObject = { name: run.trigger, startTime: run.startTime, ...run.triggerContext };
  return {
    pipeline: () => pipeline,
    trigger: () => trigger,
    triggerbody: () => triggerBody(run.triggerContext),
  };
}

const textOf = (object: JsonObject, key: string): string | undefined => {
  const value = object[key];
  return typeof value === 'string' ? value : undefined;
};

/** `trigger().outputs.body`, as Data Factory defines triggerBody(). */
function triggerBody(context: JsonObject): JsonValue {
  const outputs = context['outputs'];
  const body =
    typeof outputs === 'object' && outputs !== null && !Array.isArray(outputs) ? outputs['body'] : undefined;
  return body ?? null;
}

/** variables('x'), found whatever the case. */
export function variableRoot(variables: { get(name: string): JsonValue | undefined }): Roots {
  return {
    variables: ([name]) => {
      const value = variables.get(String(name));
      if (value === undefined) throw expressionError(`There is no variable "${String(name)}"`);
      return value;
    },
  };
}

/** activity('x') from the runs that ended, as Data Factory shows them. */
export function activityRoot(
  run: { readonly pipeline: string; readonly runId: string },
  find: (name: string) => ActivityRun | undefined,
): Roots {
  return {
    activity: ([name]) => {
      const found = find(String(name).toLowerCase());
      if (found === undefined)
        throw expressionError(`Activity "${String(name)}" has not run; add it to dependsOn`);
      return activityView(run, found);
    },
  };
}

function activityView(
  run: { readonly pipeline: string; readonly runId: string },
  found: ActivityRun,
): JsonObject {
  const { start, end, output, error } = found;
  return {
    ActivityName: found.activityName,
    ActivityType: found.activityType,
    ActivityRunId: activityRunId(run.runId, found.activityName, found.item),
    PipelineName: run.pipeline,
    PipelineRunId: run.runId,
    Status: found.status,
    StatusCode: found.status === 'Succeeded' ? 200 : 400,
    ...(start === undefined ? {} : { ExecutionStartTime: new Date(start).toISOString() }),
    ...(end === undefined ? {} : { ExecutionEndTime: new Date(end).toISOString() }),
    ...(start === undefined || end === undefined
      ? {}
      : { Duration: timeSpanText(end - start), DurationInMs: end - start }),
    ...(found.input === undefined ? {} : { input: found.input }),
    ...(output === undefined ? {} : { output }),
    // `activity('x').error.message` is read on the Completed branch too, where there may be no error.
    error: {
      errorCode: error?.errorCode ?? '',
      message: error?.message ?? '',
      ...(error === undefined
        ? {}
        : { failureType: failureType(error.errorCode), target: found.activityName }),
    },
  };
}
