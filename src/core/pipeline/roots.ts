// What the scopes of a pipeline's expressions hold: pipeline(), variables(), activity(), item(), trigger(), triggerBody().
import { expressionError } from '../expression/expression-error.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { ActivityRun } from '../run.ts';

/** Values that are the same for a whole run. */
export interface RunConstants {
  readonly pipeline: string;
  readonly dataFactory: string;
  readonly runId: string;
  readonly parameters: JsonObject;
  readonly globalParameters: JsonObject;
  readonly trigger: string;
  readonly triggerContext: JsonObject;
  /** .NET "o" text of the moment the run began. */
  readonly startTime: string;
}

type Roots = Record<string, (args: JsonValue[]) => JsonValue>;

/** pipeline(), trigger() and triggerBody(): constant within a run. */
export function runRoots(run: RunConstants): Roots {
  const pipeline: JsonObject = {
    Pipeline: run.pipeline,
    DataFactory: run.dataFactory,
    RunId: run.runId,
    GroupId: run.runId,
    TriggerId: run.trigger,
    TriggerName: run.trigger,
    TriggerType: textOf(run.triggerContext, 'type') ?? 'Manual',
    TriggerTime: textOf(run.triggerContext, 'startTime') ?? run.startTime,
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
export function variableRoot(variables: ReadonlyMap<string, JsonValue>): Roots {
  return {
    variables: ([name]) => {
      const value = variables.get(String(name).toLowerCase());
      if (value === undefined) throw expressionError(`There is no variable "${String(name)}"`);
      return value;
    },
  };
}

/** activity('x') from the runs that ended, as Data Factory shows them. */
export function activityRoot(find: (name: string) => ActivityRun | undefined): Roots {
  return {
    activity: ([name]) => {
      const run = find(String(name).toLowerCase());
      if (run === undefined)
        throw expressionError(`Activity "${String(name)}" has not run; add it to dependsOn`);
      return activityView(run);
    },
  };
}

function activityView(run: ActivityRun): JsonObject {
  const view: JsonObject = {
    ActivityName: run.activityName,
    ActivityType: run.activityType,
    status: run.status,
  };
  if (run.start !== undefined) view['ExecutionStartTime'] = new Date(run.start).toISOString();
  if (run.end !== undefined) view['ExecutionEndTime'] = new Date(run.end).toISOString();
  if (run.start !== undefined && run.end !== undefined) view['DurationInMs'] = run.end - run.start;
  if (run.output !== undefined) view['output'] = run.output;
  // `activity('x').error.message` is read on the Completed branch too, where there may be no error.
  view['error'] = run.error === undefined ? { errorCode: '', message: '' } : { ...run.error };
  return view;
}
