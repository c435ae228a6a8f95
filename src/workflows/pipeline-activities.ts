// What each type of activity does. Control flow happens here; everything that moves data is a child workflow.
import { sleep } from '@temporalio/workflow';
import { toText } from '../core/expression/values.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import { lookupOnlyReads } from '../core/pipeline/query-kind.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import { returnValue, variableValue } from '../core/pipeline/variables.ts';
import type { ActivityRun } from '../core/run.ts';
import { copyActivity, executePipelineActivity } from './pipeline-children.ts';
import { dataFlowActivity } from './pipeline-data-flow.ts';
import {
  databricksJob,
  databricksNotebook,
  databricksSparkJar,
  databricksSparkPython,
} from './pipeline-databricks.ts';
import { dbtActivity } from './pipeline-dbt.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import { throwInner, truth } from './pipeline-inner.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { lakehouseActivity } from './pipeline-lakehouse.ts';
import { forEach, until } from './pipeline-loops.ts';
import { type BlockScope, innerScope } from './pipeline-scope.ts';
import { taskActivity } from './pipeline-tasks.ts';
import { validationActivity } from './pipeline-validation.ts';
import { azureFunctionActivity, webActivity, webHook } from './pipeline-web.ts';

type Perform = (
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
) => Promise<JsonValue>;

const immediate =
  (
    perform: (
      interpreter: PipelineInterpreter,
      activity: ActivitySnapshot,
      scope: BlockScope,
      entry: ActivityRun,
    ) => JsonValue,
  ): Perform =>
  (interpreter, activity, scope, entry) =>
    Promise.resolve(perform(interpreter, activity, scope, entry));

const PERFORM: Readonly<Record<string, Perform>> = {
  AppendVariable: immediate(appendVariable),
  AzureFunctionActivity: azureFunctionActivity,
  Copy: copyActivity,
  DatabricksJob: databricksJob,
  DatabricksNotebook: databricksNotebook,
  DatabricksSparkJar: databricksSparkJar,
  DatabricksSparkPython: databricksSparkPython,
  Delete: taskActivity('Delete', { repeatable: true }),
  ExecuteDataFlow: dataFlowActivity,
  ExecutePipeline: executePipelineActivity,
  Fail: immediate(fail),
  Filter: immediate(filter),
  ForEach: forEach,
  GetMetadata: taskActivity('GetMetadata', { repeatable: true }),
  IfCondition: ifCondition,
  Lookup: taskActivity('Lookup', { repeatable: lookupOnlyReads }),
  Script: taskActivity('Script', { repeatable: false }),
  SetVariable: immediate(setVariable),
  SqlServerStoredProcedure: taskActivity('SqlServerStoredProcedure', { repeatable: false }),
  Switch: switchCase,
  Until: until,
  Validation: validationActivity,
  Wait: wait,
  WaybillDbt: dbtActivity,
  WaybillLakehouse: lakehouseActivity,
  WebActivity: webActivity,
  WebHook: webHook,
};

/** Runs one activity and gives its output. Throws what made it fail. */
export const performActivity: Perform = async (interpreter, activity, scope, entry) => {
  const perform = PERFORM[activity.type];
  // Validation refuses such pipelines; a snapshot from a newer version might still hold one.
  if (perform === undefined)
    throw new ActivityEndedError(
      'DEFINITION_UNSUPPORTED',
      `waybill does not run ${activity.type} activities.`,
    );
  return await perform(interpreter, activity, scope, entry);
};

async function runBranch(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  block: string,
  scope: BlockScope,
): Promise<void> {
  throwInner(await interpreter.runBlock(activity.blocks?.[block] ?? [], innerScope(scope, activity.name)));
}

async function ifCondition(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const value = truth(interpreter, activity, scope);
  interpreter.noteInput(activity, entry, { expression: value });
  await runBranch(interpreter, activity, value ? 'ifTrueActivities' : 'ifFalseActivities', scope);
  return { result: value };
}

async function switchCase(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const on = interpreter.evaluate(activity.typeProperties['on'], scope);
  const value = toText(on);
  interpreter.noteInput(activity, entry, { on });
  const names = Object.keys(activity.blocks ?? {});
  // Texts are compared as they are; of a boolean nobody can say whether "true" or "True" was meant.
  const block =
    names.find((name) => name === `case ${value}`) ??
    names.find((name) => typeof on === 'boolean' && name.toLowerCase() === `case ${value}`.toLowerCase());
  await runBranch(interpreter, activity, block ?? 'defaultActivities', scope);
  return { case: block === undefined ? 'default' : block.slice('case '.length) };
}

async function wait(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const seconds = convertTo(
    'Float',
    interpreter.evaluate(activity.typeProperties['waitTimeInSeconds'], scope),
  );
  if (typeof seconds !== 'number' || seconds < 0)
    throw new ActivityEndedError('EXPRESSION_INVALID', `"waitTimeInSeconds" is not a number of seconds.`);
  interpreter.noteInput(activity, entry, { waitTimeInSeconds: seconds });
  await sleep(Math.round(seconds * 1000), { summary: activity.name });
  return {};
}

function filter(interpreter: PipelineInterpreter, activity: ActivitySnapshot, scope: BlockScope): JsonValue {
  const items = interpreter.evaluate(activity.typeProperties['items'], scope);
  if (!Array.isArray(items))
    throw new ActivityEndedError(
      'EXPRESSION_INVALID',
      `"items" of Filter "${activity.name}" is not an array.`,
    );
  const kept = items.filter((item) => {
    const inner: BlockScope = { ...innerScope(scope, activity.name), item: { value: item } };
    const value = interpreter.evaluate(activity.typeProperties['condition'], inner);
    return convertTo('Bool', value) === true;
  });
  return { ItemsCount: items.length, FilteredItemsCount: kept.length, Value: kept };
}

function setVariable(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): JsonValue {
  const { variableName, value, setSystemVariable } = activity.typeProperties;
  const name = String(variableName);
  if (setSystemVariable === true && name.toLowerCase() === 'pipelinereturnvalue') {
    const result = returnValue(value ?? null, (text) => interpreter.evaluate(text, scope));
    interpreter.noteInput(activity, entry, { variableName: name, value: result });
    interpreter.variables.addReturnValue(result, scope.top ?? activity.name);
    return { name, value: result };
  }
  const evaluated = interpreter.evaluate(value, scope);
  const typed = variableValue(name, interpreter.loaded.pipeline.variables, evaluated);
  interpreter.noteInput(activity, entry, { variableName: name, value: evaluated });
  interpreter.variables.set(name, typed, scope.top ?? activity.name);
  return { name, value: typed };
}

function appendVariable(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): JsonValue {
  const { variableName, value } = activity.typeProperties;
  const name = String(variableName);
  const appended = interpreter.evaluate(value, scope);
  interpreter.noteInput(activity, entry, { variableName: name, value: appended });
  interpreter.variables.append(name, appended, scope.top ?? activity.name);
  return { name, value: appended };
}

function fail(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): never {
  const { message, errorCode } = interpreter.evaluate(activity.typeProperties, scope) as JsonObject;
  const said = { message: toText(message ?? ''), errorCode: toText(errorCode ?? '') };
  interpreter.noteInput(activity, entry, said);
  throw new ActivityEndedError(said.errorCode, said.message);
}
