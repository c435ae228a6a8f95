// What each type of activity does. Control flow happens here; everything that moves data is a child workflow.
import { CancellationScope, CancelledFailure, sleep } from '@temporalio/workflow';
import { toText } from '../core/expression/values.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { itemLabels } from '../core/pipeline/item-label.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import { parseTimeSpan } from '../core/pipeline/time-span.ts';
import { returnValue, variableValue } from '../core/pipeline/variables.ts';
import type { ActivityRun } from '../core/run.ts';
import { copyActivity, executePipelineActivity } from './pipeline-children.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type BlockOutcome, type BlockScope, innerScope } from './pipeline-scope.ts';
import { withTimeout } from './pipeline-timeout.ts';

type Perform = (
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
) => Promise<JsonValue>;

const immediate =
  (
    perform: (interpreter: PipelineInterpreter, activity: ActivitySnapshot, scope: BlockScope) => JsonValue,
  ): Perform =>
  (interpreter, activity, scope) =>
    Promise.resolve(perform(interpreter, activity, scope));

const PERFORM: Readonly<Record<string, Perform>> = {
  AppendVariable: immediate(appendVariable),
  Copy: copyActivity,
  ExecutePipeline: executePipelineActivity,
  Fail: immediate(fail),
  Filter: immediate(filter),
  ForEach: forEach,
  IfCondition: ifCondition,
  SetVariable: immediate(setVariable),
  Switch: switchCase,
  Until: until,
  Wait: wait,
};

/** Data Factory's defaults and limits for ForEach. */
const DEFAULT_BATCH = 20;
const MAX_BATCH = 50;
const MAX_ITEMS = 100_000;
const DEFAULT_UNTIL_TIMEOUT = 7 * 24 * 3_600_000;

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

async function forEach(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): Promise<JsonValue> {
  const properties = activity.typeProperties;
  const items = interpreter.evaluate(properties['items'], scope);
  if (!Array.isArray(items))
    throw new ActivityEndedError(
      'EXPRESSION_INVALID',
      `"items" of ForEach "${activity.name}" is not an array.`,
    );
  if (items.length > MAX_ITEMS)
    throw new ActivityEndedError(
      'DEFINITION_INVALID',
      `ForEach takes ${MAX_ITEMS} items, not ${items.length}.`,
    );
  const sequential =
    convertTo('Bool', interpreter.evaluate(properties['isSequential'] ?? false, scope)) === true;
  const width = convertTo('Int', interpreter.evaluate(properties['batchCount'] ?? DEFAULT_BATCH, scope));
  const lanes = sequential ? 1 : Math.min(MAX_BATCH, Math.max(1, Number(width ?? DEFAULT_BATCH)));
  const labels = itemLabels(items);
  const outcomes: BlockOutcome[] = [];
  let next = 0;
  // Every iteration runs, also after one has failed, as in Data Factory; only a cancellation ends the loop early.
  const lane = async (): Promise<void> => {
    while (next < items.length && !CancellationScope.current().consideredCancelled) {
      const index = next++;
      const iteration = innerScope(scope, {
        label: labels[index] as string,
        item: items[index] as JsonValue,
      });
      outcomes[index] = await interpreter.runBlock(activity.blocks?.['activities'] ?? [], iteration);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(lanes, items.length) }, lane));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  throwInner(outcomes.find(({ failure }) => failure !== undefined));
  // Iterations that ended well although the loop was cancelled must not pass for the whole loop.
  if (next < items.length) throw new CancelledFailure('ForEach was cancelled');
  return { itemsCount: items.length };
}

function throwInner(outcome: BlockOutcome | undefined): void {
  if (outcome?.failure === undefined) return;
  const { activity, errorCode, message } = outcome.failure;
  throw new ActivityEndedError(errorCode, `Inner activity "${activity}" failed: ${message}`);
}

async function runBranch(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  block: string,
  scope: BlockScope,
): Promise<void> {
  throwInner(await interpreter.runBlock(activity.blocks?.[block] ?? [], innerScope(scope)));
}

/** An expression that must be true or false. */
function truth(interpreter: PipelineInterpreter, activity: ActivitySnapshot, scope: BlockScope): boolean {
  const value = convertTo('Bool', interpreter.evaluate(activity.typeProperties['expression'], scope));
  if (typeof value === 'boolean') return value;
  throw new ActivityEndedError(
    'EXPRESSION_INVALID',
    `The expression of ${activity.type} "${activity.name}" is neither true nor false.`,
  );
}

async function ifCondition(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): Promise<JsonValue> {
  const value = truth(interpreter, activity, scope);
  await runBranch(interpreter, activity, value ? 'ifTrueActivities' : 'ifFalseActivities', scope);
  return { result: value };
}

async function switchCase(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): Promise<JsonValue> {
  const value = toText(interpreter.evaluate(activity.typeProperties['on'], scope));
  const block = `case ${value}`;
  const known = activity.blocks?.[block] !== undefined;
  await runBranch(interpreter, activity, known ? block : 'defaultActivities', scope);
  return { case: known ? value : 'default' };
}

async function until(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): Promise<JsonValue> {
  const written = interpreter.evaluate(activity.typeProperties['timeout'], scope);
  const timeout = (typeof written === 'string' ? parseTimeSpan(written) : undefined) ?? DEFAULT_UNTIL_TIMEOUT;
  let iterations = 0;
  let outcome: BlockOutcome = {};
  await withTimeout(activity, timeout, async () => {
    for (;;) {
      iterations++;
      const iteration = innerScope(scope, { label: String(iterations) });
      outcome = await interpreter.runBlock(activity.blocks?.['activities'] ?? [], iteration);
      // A failed iteration does not end the loop: loops that try again until it works rely on that.
      if (truth(interpreter, activity, iteration)) return;
    }
  });
  throwInner(outcome);
  return { iterations };
}

async function wait(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): Promise<JsonValue> {
  const seconds = convertTo(
    'Float',
    interpreter.evaluate(activity.typeProperties['waitTimeInSeconds'], scope),
  );
  if (typeof seconds !== 'number' || seconds < 0)
    throw new ActivityEndedError('EXPRESSION_INVALID', `"waitTimeInSeconds" is not a number of seconds.`);
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
    const inner: BlockScope = { ...innerScope(scope), item: { value: item } };
    const value = interpreter.evaluate(activity.typeProperties['condition'], inner);
    return convertTo('Bool', value) === true;
  });
  return { ItemsCount: items.length, FilteredItemsCount: kept.length, Value: kept };
}

function setVariable(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): JsonValue {
  const { variableName, value, setSystemVariable } = activity.typeProperties;
  const name = String(variableName);
  if (setSystemVariable === true && name.toLowerCase() === 'pipelinereturnvalue') {
    const result = returnValue(value ?? null, (text) => interpreter.evaluate(text, scope));
    Object.assign(interpreter.returnValue, result);
    return { name, value: result };
  }
  const evaluated = interpreter.evaluate(value, scope);
  const typed = variableValue(name, interpreter.loaded.pipeline.variables, evaluated);
  interpreter.variables.set(name.toLowerCase(), typed);
  return { name, value: typed };
}

function appendVariable(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): JsonValue {
  const { variableName, value } = activity.typeProperties;
  const name = String(variableName);
  const before = interpreter.variables.get(name.toLowerCase());
  if (!Array.isArray(before))
    throw new ActivityEndedError('PARAMETER_INVALID', `Variable "${name}" is not an array.`);
  const appended = interpreter.evaluate(value, scope);
  // A new array: an earlier activity's output may still hold the old one.
  interpreter.variables.set(name.toLowerCase(), [...before, appended]);
  return { name, value: appended };
}

function fail(interpreter: PipelineInterpreter, activity: ActivitySnapshot, scope: BlockScope): never {
  const { message, errorCode } = interpreter.evaluate(activity.typeProperties, scope) as JsonObject;
  throw new ActivityEndedError(toText(errorCode ?? ''), toText(message ?? ''));
}
