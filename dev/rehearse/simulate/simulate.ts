// Goes through a pipeline before it runs, with the values that its run will have, and notes what it needs to find.
import { WaybillError } from '../../../src/core/errors.ts';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { ActivitySnapshot } from '../../../src/core/pipeline/snapshot.ts';
import { returnValue } from '../../../src/core/pipeline/variables.ts';
import type { CompiledPipeline } from '../../../src/definitions/compile-factory.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import { valueFor } from '../infer/values.ts';
import { type Needs, noNeeds } from '../needs.ts';
import { copyNeeds } from './copy-needs.ts';
import { dataFlowNeeds } from './data-flow-needs.ts';
import { getMetadata, validation, wipe } from './file-activities.ts';
import { needContainer } from './file-needs.ts';
import { Frame, type Stage } from './frame.ts';
import { levelColumns, levelHoldings, levelRows } from './level-columns.ts';
import { lookup, procedure, script } from './sql-activities.ts';
import { stubOf } from './stubs.ts';
import { triggerContext } from './triggers.ts';

/** How a pipeline will be rehearsed. */
export interface Simulation {
  readonly needs: Needs;
  /** Values for its parameters. */
  readonly parameters: JsonObject;
  /** Names of parameters whose values were made up. */
  readonly derived: readonly string[];
  readonly trigger: JsonObject;
}

/** Loops are followed for this many items; those after them need what these need. */
const FOLLOWED_ITEMS = 50;
const MAX_DEPTH = 8;
/** What variables hold before anything is set. */
const NO_VALUE: Readonly<Record<string, JsonValue>> = { array: [], boolean: false, bool: false, integer: 0 };

/** Simulates a pipeline as if someone started it by hand, or by its trigger. */
export function simulate(stage: Stage, pipeline: CompiledPipeline): Simulation {
  const needs = noNeeds();
  const trigger = triggerContext(stage, pipeline);
  const { values, derived } = parametersFor(stage, pipeline, trigger);
  runFrame(stage, pipeline, needs, values, trigger, 0);
  levelColumns(needs);
  levelHoldings(needs);
  levelRows(needs);
  return { needs, parameters: values, derived, trigger: trigger.context };
}

function parametersFor(
  stage: Stage,
  pipeline: CompiledPipeline,
  trigger: { readonly parameters: JsonObject },
): { values: JsonObject; derived: string[] } {
  const name = pipeline.resource.name.toLowerCase();
  const shape = stage.shapes.pipelines.get(name)?.parameters;
  const seen = stage.seenParameters.get(name) ?? {};
  const values: JsonObject = {};
  const derived: string[] = [];
  for (const [key, { type, defaultValue }] of Object.entries(pipeline.parameters)) {
    const property = shape?.properties.get(key.toLowerCase());
    // A default that reads like an expression stays text in Data Factory too; a value is made up for it.
    const isText = typeof defaultValue === 'string' && /^@\{?[a-z]+\(/i.test(defaultValue);
    const isEmpty = defaultValue === undefined || defaultValue === null || defaultValue === '' || isText;
    // An empty default of something that is used is a place to fill in, unless the pipeline asks whether it is empty.
    if (!isEmpty || (defaultValue === '' && (property === undefined || property.mayBeEmpty))) {
      values[key] = defaultValue as JsonValue;
      continue;
    }
    derived.push(key);
    const other = trigger.parameters[key] ?? seen[key];
    values[key] =
      other !== undefined && other !== null && other !== ''
        ? other
        : property === undefined
          ? 'rehearsal'
          : valueFor(property, key, { seed: stage.seed, index: 0 }, type);
  }
  return { values, derived };
}

function runFrame(
  stage: Stage,
  pipeline: CompiledPipeline,
  needs: Needs,
  parameters: JsonObject,
  trigger: { readonly context: JsonObject },
  depth: number,
): JsonObject {
  const shapes = stage.shapes.pipelines.get(pipeline.resource.name.toLowerCase());
  if (shapes === undefined || pipeline.snapshot === undefined) return {};
  const frame = new Frame({ stage, pipeline, shapes, needs, parameters, trigger: trigger.context, depth });
  for (const [name, { type, defaultValue }] of Object.entries(pipeline.snapshot.variables))
    frame.variables.set(name.toLowerCase(), defaultValue ?? NO_VALUE[type.toLowerCase()] ?? '');
  block(frame, pipeline.snapshot.activities);
  return frame.returned;
}

/** Activities in an order that their dependencies allow. */
function block(frame: Frame, activities: readonly ActivitySnapshot[]): void {
  const left = new Set(activities);
  const done = new Set<string>();
  while (left.size > 0) {
    const next =
      [...left].find((each) => each.dependsOn.every(({ activity }) => done.has(activity))) ?? [...left][0];
    if (next === undefined) return;
    left.delete(next);
    done.add(next.name);
    const output = next.inactiveAs === undefined ? attempt(frame, next) : {};
    if (next.inactiveAs === undefined) logPlaces(frame, next.typeProperties);
    frame.outputs.set(next.name.toLowerCase(), {
      ActivityName: next.name,
      ActivityType: next.type,
      status: 'Succeeded',
      ExecutionStartTime: new Date(frame.stage.now).toISOString(),
      ExecutionEndTime: new Date(frame.stage.now).toISOString(),
      DurationInMs: 0,
      output,
      error: { errorCode: '', message: '', failureType: '', target: '' },
    });
  }
}

/** Logs and staged parts go to `{ linkedServiceName, path }`, wherever that stands in an activity. */
function logPlaces(frame: Frame, value: JsonValue): void {
  if (!isObject(value)) return;
  const service = value['linkedServiceName'];
  const path = frame.evaluate(value['path']);
  if (isObject(service) && typeof path === 'string') {
    const store = frame.linkedService(String(service['referenceName']), {});
    const container = path.split('/').find((part) => part !== '');
    if (store !== undefined && container !== undefined) needContainer(frame, store, container);
  }
  for (const entry of Object.values(value)) logPlaces(frame, entry);
}

/** What cannot be foreseen is left to the run, which says why it fails; the other pipelines are rehearsed all the same. */
function attempt(frame: Frame, activity: ActivitySnapshot): JsonObject {
  try {
    return perform(frame, activity);
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error;
    frame.needs.notes.add(`could not be made ready: "${activity.name}": ${error.message}`);
    return {};
  }
}

function perform(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const { typeProperties: properties, type } = activity;
  switch (type) {
    case 'ForEach':
      return forEach(frame, activity);
    case 'IfCondition':
      branches(
        frame,
        activity,
        frame.evaluate(properties['expression']) === false ? 'ifFalseActivities' : 'ifTrueActivities',
      );
      return {};
    case 'Switch': {
      const chosen = `case ${String(frame.evaluate(properties['on']) ?? '')}`;
      branches(frame, activity, activity.blocks?.[chosen] === undefined ? 'defaultActivities' : chosen);
      return {};
    }
    case 'Until':
      block(frame, activity.blocks?.['activities'] ?? []);
      return {};
    case 'Filter':
      return filter(frame, activity);
    case 'SetVariable':
      return setVariable(frame, properties);
    case 'AppendVariable': {
      const name = String(properties['variableName']).toLowerCase();
      const value = frame.evaluate(properties['value']);
      const before = frame.variables.get(name);
      if (value !== undefined) frame.variables.set(name, [...(Array.isArray(before) ? before : []), value]);
      return {};
    }
    case 'ExecutePipeline':
      return executePipeline(frame, properties);
    case 'Copy':
      return copyNeeds(frame, activity);
    case 'ExecuteDataFlow':
      return dataFlowNeeds(frame, activity);
    case 'Lookup':
      return lookup(frame, activity);
    case 'Script':
      return script(frame, activity);
    case 'SqlServerStoredProcedure':
      return procedure(frame, activity);
    case 'GetMetadata':
      return getMetadata(frame, activity);
    case 'Validation':
      return validation(frame, activity);
    case 'Delete':
      return wipe(frame, activity);
    default:
      return stubOf(frame, activity);
  }
}

function forEach(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const items = frame.evaluate(activity.typeProperties['items']);
  const outer = frame.item;
  for (const item of Array.isArray(items) ? items.slice(0, FOLLOWED_ITEMS) : []) {
    frame.item = item;
    block(frame, activity.blocks?.['activities'] ?? []);
  }
  if (outer === undefined) frame.item = undefined;
  else frame.item = outer;
  return {};
}

/** Every branch is gone through, the one that the run will take last: its variables stay. */
function branches(frame: Frame, activity: ActivitySnapshot, taken: string): void {
  const before = new Map(frame.variables);
  for (const [name, activities] of Object.entries(activity.blocks ?? {})) {
    if (name === taken) continue;
    block(frame, activities);
    frame.variables.clear();
    for (const [key, value] of before) frame.variables.set(key, value);
  }
  block(frame, activity.blocks?.[taken] ?? []);
}

function filter(frame: Frame, { typeProperties }: ActivitySnapshot): JsonObject {
  const items = frame.evaluate(typeProperties['items']);
  const list = Array.isArray(items) ? items : [];
  const outer = frame.item;
  const kept = list.filter((item) => {
    frame.item = item;
    const value = frame.evaluate(typeProperties['condition']);
    return value === true || value === 'true' || value === 'True';
  });
  frame.item = outer;
  return { ItemsCount: list.length, FilteredItemsCount: kept.length, Value: kept };
}

function setVariable(frame: Frame, properties: JsonObject): JsonObject {
  const { variableName, value, setSystemVariable } = properties;
  if (setSystemVariable === true) {
    try {
      Object.assign(
        frame.returned,
        returnValue(value ?? null, (text) => frame.evaluate(text) ?? null),
      );
    } catch {
      // A value that only the run can tell.
    }
    return {};
  }
  const evaluated = frame.evaluate(value);
  if (evaluated !== undefined) frame.variables.set(String(variableName).toLowerCase(), evaluated);
  return {};
}

function executePipeline(frame: Frame, properties: JsonObject): JsonObject {
  const reference = properties['pipeline'];
  const name = isObject(reference) ? String(reference['referenceName']) : '';
  const { compiled } = frame.stage;
  const resource = compiled.factory.find('pipeline', name);
  const callee = compiled.pipelines.find((pipeline) => pipeline.resource === resource);
  if (callee === undefined || frame.depth >= MAX_DEPTH) return {};
  const given = isObject(properties['parameters']) ? frame.evaluateEach(properties['parameters']) : {};
  const byName = new Map(Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]));
  const parameters: JsonObject = {};
  for (const [key, { defaultValue }] of Object.entries(callee.parameters))
    parameters[key] = byName.get(key.toLowerCase()) ?? defaultValue ?? null;
  const key = callee.resource.name.toLowerCase();
  if (!frame.stage.seenParameters.has(key)) frame.stage.seenParameters.set(key, parameters);
  const returned = runFrame(
    frame.stage,
    callee,
    frame.needs,
    parameters,
    { context: frame.trigger },
    frame.depth + 1,
  );
  return {
    pipelineRunId: '00000000-0000-4000-8000-000000000002',
    pipelineName: callee.resource.name,
    pipelineReturnValue: returned,
  };
}
