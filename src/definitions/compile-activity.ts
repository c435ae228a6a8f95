// Turns one activity of a definition, and those inside it, into the form a run holds, reporting what is wrong.

import type { JsonObject, JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import { findCycle } from '../core/pipeline/dag.ts';
import type {
  ActivityPolicy,
  ActivitySnapshot,
  DatasetUse,
  Dependency,
  DependencyCondition,
} from '../core/pipeline/snapshot.ts';
import { parseTimeSpan } from '../core/pipeline/time-span.ts';
import { checkExpressions, type ExpressionScope } from './check-expressions.ts';
import { checkIncremental } from './check-incremental.ts';
import { unknownStore, unsupportedStore } from './compile-store.ts';
import { fabricPart } from './fabric.ts';
import { modernFileSide } from './legacy-files.ts';
import { parseWith } from './parse-resource.ts';
import { didYouMean, type Problems } from './problem.ts';
import { isObject } from './resource.ts';
import {
  type ActivityDefinition,
  activitySchema,
  NEEDS_LINKED_SERVICE,
  REQUIRED_PROPERTIES,
} from './schemas.ts';
import { activityType, isRunnableActivity, mistypedActivity, storeType } from './types.ts';

/** An ExecutePipeline's callee, with the names of the parameters it is given. */
export interface PipelineUse {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly path: readonly PropertyKey[];
}

/** What compiling a pipeline's activities needs to know, and collects. */
export interface PipelineContext {
  readonly problems: Problems;
  readonly scope: ExpressionScope;
  readonly variables: readonly string[];
  /** Names of the datasets and pipelines used, with the place of each reference. */
  readonly datasets: { use: DatasetUse; path: readonly PropertyKey[]; scope: ExpressionScope }[];
  readonly pipelines: PipelineUse[];
  readonly linkedServices: { name: string; path: readonly PropertyKey[] }[];
  readonly dataflows: { name: string; path: readonly PropertyKey[] }[];
  readonly lakehouses: { name: string; path: readonly PropertyKey[] }[];
  /** Every activity type met, for the coverage table. */
  readonly types: string[];
}

/** ADF's documented default where the definition states none. */
const DEFAULT_TIMEOUT = 7 * 24 * 3_600_000;
const BLOCKS = ['activities', 'ifTrueActivities', 'ifFalseActivities', 'defaultActivities'] as const;
const CONDITIONS: readonly DependencyCondition[] = ['Succeeded', 'Failed', 'Skipped', 'Completed'];

export function compileActivities(
  list: readonly JsonValue[],
  path: readonly PropertyKey[],
  context: PipelineContext,
): ActivitySnapshot[] {
  const compiled: { activity: ActivitySnapshot; index: number }[] = [];
  list.forEach((entry, index) => {
    const place = [...path, index];
    if (!isObject(entry)) {
      context.problems.error(place, 'DEFINITION_INVALID', 'An activity is an object.');
      return;
    }
    const parsed = parseWith(activitySchema, entry, place, context.problems);
    if (parsed !== undefined) compiled.push({ activity: compileActivity(parsed, place, context), index });
  });
  // Also those that could not be compiled: what depends on them is not wrong for it.
  const names = list.flatMap((entry) =>
    isObject(entry) && typeof entry['name'] === 'string' ? [entry['name']] : [],
  );
  const linked = compiled.map(({ activity, index }) =>
    withSiblings(activity, names, [...path, index], context.problems),
  );
  const cycle = findCycle(linked);
  if (cycle !== undefined)
    context.problems.error(
      path,
      'DEFINITION_INVALID',
      `Activities wait for each other: ${cycle.join(' → ')}.`,
    );
  return linked;
}

/** Checks that dependencies name siblings, in the siblings' own spelling. */
function withSiblings(
  activity: ActivitySnapshot,
  names: readonly string[],
  path: readonly PropertyKey[],
  problems: Problems,
): ActivitySnapshot {
  const dependsOn = activity.dependsOn.map((dependency, index) => {
    const wanted = dependency.activity;
    const found =
      names.find((name) => name === wanted) ??
      names.find((name) => name.toLowerCase() === wanted.toLowerCase());
    if (found !== undefined) return { ...dependency, activity: found };
    problems.error(
      [...path, 'dependsOn', index, 'activity'],
      'REFERENCE_MISSING',
      `"${activity.name}" depends on "${wanted}", which is not an activity beside it.`,
      didYouMean(nearestName(wanted, names)),
    );
    return dependency;
  });
  return { ...activity, dependsOn };
}

function compileActivity(
  parsed: ActivityDefinition,
  path: readonly PropertyKey[],
  context: PipelineContext,
): ActivitySnapshot {
  const { problems } = context;
  const type = activityType(parsed.type) ?? parsed.type;
  context.types.push(type);
  const inactiveAs = inactiveStatus(parsed);
  const typeProperties = { ...(parsed.typeProperties as JsonObject) };
  // What is switched off may be unfinished; Data Factory does not validate it either.
  const fabric = inactiveAs === undefined ? fabricPart(parsed as JsonObject) : undefined;
  if (fabric !== undefined)
    problems.error(
      [...path, ...fabric],
      'DEFINITION_UNSUPPORTED',
      `${type} "${parsed.name}" uses a connection of Microsoft Fabric, which stands in no file.`,
      'Give it a dataset and a linked service, as Data Factory has them.',
    );
  if (inactiveAs === undefined) checkType(parsed, type, typeProperties, path, problems, fabric !== undefined);
  if (type === 'Copy') moveMisplacedScript(typeProperties, path, problems);
  const blocks = compileBlocks(type, typeProperties, path, context);
  if (inactiveAs === undefined) {
    const scope = type === 'Filter' ? { ...context.scope, item: true } : context.scope;
    checkExpressions(typeProperties, [...path, 'typeProperties'], scope, problems);
    checkUse(type, typeProperties, path, context);
    useLinkedService(parsed as JsonObject, path, context);
    if (
      fabric === undefined &&
      NEEDS_LINKED_SERVICE.has(type) &&
      !isObject((parsed as JsonObject)['linkedServiceName'])
    )
      problems.error(path, 'DEFINITION_INVALID', `${type} "${parsed.name}" needs "linkedServiceName".`);
    useOthers(typeProperties, [...path, 'typeProperties'], context);
  }
  const inputs = datasetUses(parsed.inputs, [...path, 'inputs'], context, inactiveAs === undefined);
  const outputs = datasetUses(parsed.outputs, [...path, 'outputs'], context, inactiveAs === undefined);
  if (type === 'Copy' && inactiveAs === undefined)
    checkCopy(typeProperties, fabric === undefined ? { inputs, outputs } : {}, path, problems);
  if (type === 'Lookup' && inactiveAs === undefined) checkSide(typeProperties, 'source', path, problems);
  const linkedService = ownLinkedService(parsed as JsonObject);
  const userProperties = userPropertiesOf(parsed.userProperties ?? null);
  return {
    name: parsed.name,
    type,
    dependsOn: dependencies(parsed, path, problems),
    policy: compilePolicy(parsed.policy, [...path, 'policy'], problems),
    typeProperties,
    ...(userProperties === undefined ? {} : { userProperties }),
    ...(inactiveAs === undefined ? {} : { inactiveAs }),
    ...(inputs.length === 0 ? {} : { inputs }),
    ...(outputs.length === 0 ? {} : { outputs }),
    ...(linkedService === undefined ? {} : { linkedService }),
    ...(blocks === undefined ? {} : { blocks }),
  };
}

/** `[{ name, value }]` as one object. */
function userPropertiesOf(written: JsonValue): JsonObject | undefined {
  if (!Array.isArray(written)) return undefined;
  const entries = written.flatMap((entry): [string, JsonValue][] =>
    isObject(entry) && typeof entry['name'] === 'string' ? [[entry['name'], entry['value'] ?? null]] : [],
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function checkType(
  parsed: ActivityDefinition,
  type: string,
  typeProperties: JsonObject,
  path: readonly PropertyKey[],
  problems: Problems,
  fabric: boolean,
): void {
  const near = mistypedActivity(parsed.type);
  if (near !== undefined) {
    problems.error(
      [...path, 'type'],
      'ACTIVITY_UNKNOWN',
      `Data Factory has no activity type "${parsed.type}", which "${parsed.name}" has.`,
      didYouMean(near),
    );
  } else if (!isRunnableActivity(type)) {
    problems.error(
      [...path, 'type'],
      'DEFINITION_UNSUPPORTED',
      `waybill does not run ${type} activities yet, as "${parsed.name}" is.`,
    );
  }
  // Fabric names stores and addresses in other places.
  if (fabric) return;
  for (const property of REQUIRED_PROPERTIES[type] ?? []) {
    if (typeProperties[property] === undefined || typeProperties[property] === null)
      problems.error(
        [...path, 'typeProperties'],
        'DEFINITION_INVALID',
        `${type} "${parsed.name}" needs "${property}".`,
      );
  }
}

/** Notes linked services and data flows that are referred to anywhere else in the activity's properties. */
function useOthers(value: JsonValue, path: readonly PropertyKey[], context: PipelineContext): void {
  if (Array.isArray(value)) {
    value.forEach((entry, index) => {
      useOthers(entry, [...path, index], context);
    });
    return;
  }
  if (!isObject(value)) return;
  const { referenceName: name, type } = value;
  if (typeof name === 'string' && typeof type === 'string' && !name.includes('@')) {
    const use = { name, path: [...path, 'referenceName'] };
    if (/^LinkedServiceReference$/i.test(type)) {
      const at = JSON.stringify(use.path);
      if (!context.linkedServices.some((other) => JSON.stringify(other.path) === at))
        context.linkedServices.push(use);
    } else if (/^DataFlowReference$/i.test(type)) context.dataflows.push(use);
    else if (/^LakehouseReference$/i.test(type)) context.lakehouses.push(use);
    else if (/^DatasetReference$/i.test(type) && path.at(-1) !== 'dataset') {
      const parameters = isObject(value['parameters']) ? value['parameters'] : {};
      context.datasets.push({ use: { dataset: name, parameters }, path, scope: context.scope });
    }
  }
  for (const [key, entry] of Object.entries(value)) useOthers(entry, [...path, key], context);
}

function inactiveStatus(parsed: ActivityDefinition): ActivitySnapshot['inactiveAs'] {
  if (parsed.state?.toLowerCase() !== 'inactive') return undefined;
  const status = parsed.onInactiveMarkAs?.toLowerCase();
  return status === 'failed' ? 'Failed' : status === 'skipped' ? 'Skipped' : 'Succeeded';
}

/** `preCopyScript` is the sink's, but is often written beside it. */
function moveMisplacedScript(
  typeProperties: JsonObject,
  path: readonly PropertyKey[],
  problems: Problems,
): void {
  const script = typeProperties['preCopyScript'];
  if (script === undefined) return;
  problems.warn(
    [...path, 'typeProperties', 'preCopyScript'],
    'SHAPE_TOLERATED',
    'preCopyScript belongs into "sink"; it is run as if it stood there.',
    'Move it into "sink": Data Factory itself ignores it here.',
  );
  delete typeProperties['preCopyScript'];
  const sink = typeProperties['sink'];
  if (isObject(sink) && sink['preCopyScript'] === undefined)
    typeProperties['sink'] = { ...sink, preCopyScript: script };
}

/** Compiles inner activities and takes them out of `typeProperties`. */
function compileBlocks(
  type: string,
  typeProperties: JsonObject,
  path: readonly PropertyKey[],
  context: PipelineContext,
): Record<string, ActivitySnapshot[]> | undefined {
  const inner = type === 'ForEach' ? { ...context, scope: { ...context.scope, item: true } } : context;
  const blocks: Record<string, ActivitySnapshot[]> = {};
  for (const block of BLOCKS) {
    const list = typeProperties[block];
    if (!Array.isArray(list)) continue;
    blocks[block] = compileActivities(list, [...path, 'typeProperties', block], inner);
    delete typeProperties[block];
  }
  const cases = typeProperties['cases'];
  if (type === 'Switch' && Array.isArray(cases)) {
    cases.forEach((entry, index) => {
      if (!isObject(entry)) return;
      const list = Array.isArray(entry['activities']) ? entry['activities'] : [];
      const place = [...path, 'typeProperties', 'cases', index, 'activities'];
      blocks[`case ${String(entry['value'])}`] = compileActivities(list, place, inner);
    });
    delete typeProperties['cases'];
  }
  return Object.keys(blocks).length === 0 ? undefined : blocks;
}

function checkUse(
  type: string,
  typeProperties: JsonObject,
  path: readonly PropertyKey[],
  context: PipelineContext,
): void {
  if (type === 'ExecutePipeline') {
    const pipeline = typeProperties['pipeline'];
    const name = isObject(pipeline) ? pipeline['referenceName'] : undefined;
    const place = [...path, 'typeProperties', 'pipeline', 'referenceName'];
    const given = typeProperties['parameters'];
    const parameters = isObject(given) ? Object.keys(given) : [];
    if (typeof name === 'string') context.pipelines.push({ name, parameters, path: place });
    else context.problems.error(place, 'DEFINITION_INVALID', 'ExecutePipeline needs pipeline.referenceName.');
  }
  // A Web activity may send several along.
  const several = Array.isArray(typeProperties['datasets']) ? typeProperties['datasets'] : [];
  for (const [dataset, ...place] of [
    [typeProperties['dataset'], 'dataset'] as const,
    ...several.map((entry, index) => [entry, 'datasets', index] as const),
  ]) {
    if (!isObject(dataset) || typeof dataset['referenceName'] !== 'string') continue;
    const parameters = isObject(dataset['parameters']) ? dataset['parameters'] : {};
    const use = { dataset: dataset['referenceName'], parameters };
    context.datasets.push({ use, path: [...path, 'typeProperties', ...place], scope: context.scope });
  }
  if (type === 'Lookup') checkLookup(typeProperties, path, context.problems);
  if (type === 'Script') checkScript(typeProperties, path, context);
  if (type === 'Copy' && typeProperties['enableStaging'] === true)
    useLinkedService(
      typeProperties['stagingSettings'],
      [...path, 'typeProperties', 'stagingSettings'],
      context,
    );
  if (type === 'Delete' && typeProperties['enableLogging'] === true)
    useLinkedService(
      typeProperties['logStorageSettings'],
      [...path, 'typeProperties', 'logStorageSettings'],
      context,
    );
  if (type !== 'SetVariable' && type !== 'AppendVariable') return;
  const variable = typeProperties['variableName'];
  if (typeof variable !== 'string' || typeProperties['setSystemVariable'] === true) return;
  if (context.variables.some((name) => name.toLowerCase() === variable.toLowerCase())) return;
  context.problems.error(
    [...path, 'typeProperties', 'variableName'],
    'REFERENCE_MISSING',
    `The pipeline has no variable "${variable}".`,
    didYouMean(nearestName(variable, context.variables)),
  );
}

/** A Lookup reads what a Copy reads, but for tables that only Spark can open. The dataset's type says the rest. */
function checkLookup(typeProperties: JsonObject, path: readonly PropertyKey[], problems: Problems): void {
  const { source } = typeProperties;
  const type = isObject(source) ? source['type'] : undefined;
  if (typeof type === 'string' && type.toLowerCase() === 'deltasource')
    unsupportedStore('source', type, [...path, 'typeProperties', 'source', 'type'], problems);
}

function checkScript(
  typeProperties: JsonObject,
  path: readonly PropertyKey[],
  context: PipelineContext,
): void {
  const { scripts, scriptReference, logSettings } = typeProperties;
  const place = [...path, 'typeProperties'];
  useLinkedService(scriptReference, [...place, 'scriptReference'], context);
  if (isObject(logSettings)) {
    const { logLocationSettings: location } = logSettings;
    useLinkedService(location, [...place, 'logSettings', 'logLocationSettings'], context);
  }
  const some = (Array.isArray(scripts) && scripts.length > 0) || isExpressionText(scripts);
  if (some || isObject(scriptReference)) return;
  context.problems.error(place, 'DEFINITION_INVALID', 'Script needs "scripts" with at least one block.');
}

const isExpressionText = (value: JsonValue | undefined): boolean =>
  typeof value === 'string' || (isObject(value) && typeof value['value'] === 'string');

/** Notes the linked service that `owner.linkedServiceName` refers to. */
function useLinkedService(
  owner: JsonValue | undefined,
  path: readonly PropertyKey[],
  context: PipelineContext,
): void {
  const reference = isObject(owner) ? owner['linkedServiceName'] : undefined;
  const name = isObject(reference) ? reference['referenceName'] : undefined;
  if (typeof name === 'string' && !name.includes('@'))
    context.linkedServices.push({ name, path: [...path, 'linkedServiceName', 'referenceName'] });
}

function ownLinkedService(activity: JsonObject): ActivitySnapshot['linkedService'] {
  const reference = activity['linkedServiceName'];
  if (!isObject(reference) || typeof reference['referenceName'] !== 'string') return undefined;
  const { referenceName: name, parameters } = reference;
  return { name, ...(isObject(parameters) ? { parameters } : {}) };
}

function datasetUses(
  references: ActivityDefinition['inputs'],
  path: readonly PropertyKey[],
  context: PipelineContext,
  active: boolean,
): DatasetUse[] {
  return (references ?? []).map((reference, index) => {
    const use = { dataset: reference.referenceName, parameters: reference.parameters as JsonObject };
    if (active) {
      context.datasets.push({ use, path: [...path, index], scope: context.scope });
      checkExpressions(use.parameters, [...path, index, 'parameters'], context.scope, context.problems);
    }
    return use;
  });
}

function checkCopy(
  typeProperties: JsonObject,
  datasets: Record<string, readonly DatasetUse[]>,
  path: readonly PropertyKey[],
  problems: Problems,
): void {
  for (const [list, uses] of Object.entries(datasets)) {
    if (uses.length !== 1)
      problems.error([...path, list], 'DEFINITION_INVALID', `Copy has exactly one dataset in "${list}".`);
  }
  const incremental = typeProperties['incremental'];
  if (incremental !== undefined && incremental !== null)
    checkIncremental(incremental, [...path, 'typeProperties', 'incremental'], problems);
  checkSide(typeProperties, 'source', path, problems);
  checkSide(typeProperties, 'sink', path, problems);
}

/** Checks the type of a source or sink, and puts it into ADF's spelling. */
function checkSide(
  typeProperties: JsonObject,
  role: 'source' | 'sink',
  path: readonly PropertyKey[],
  problems: Problems,
): void {
  const side = typeProperties[role];
  const type = isObject(side) ? side['type'] : undefined;
  const place = [...path, 'typeProperties', role, 'type'];
  if (typeof type !== 'string') {
    if (side !== undefined && side !== null)
      problems.error(place, 'DEFINITION_INVALID', `The ${role} needs a "type".`);
    return;
  }
  const store = storeType(role, type);
  if (store.verdict === 'unknown') unknownStore(role, type, store.near, place, problems);
  if (store.verdict === 'unsupported') unsupportedStore(role, type, place, problems);
  if (store.verdict === 'supported' && isObject(side))
    typeProperties[role] = modernFileSide({ ...side, type: store.type });
}

function dependencies(
  parsed: ActivityDefinition,
  path: readonly PropertyKey[],
  problems: Problems,
): Dependency[] {
  return parsed.dependsOn.map(({ activity, dependencyConditions }, index) => ({
    activity,
    conditions: dependencyConditions.flatMap((written, position) => {
      const known = CONDITIONS.find((condition) => condition.toLowerCase() === written.toLowerCase());
      if (known !== undefined) return [known];
      problems.error(
        [...path, 'dependsOn', index, 'dependencyConditions', position],
        'DEFINITION_INVALID',
        `"${written}" is not one of ${CONDITIONS.join(', ')}.`,
        didYouMean(nearestName(written, CONDITIONS)),
      );
      return [];
    }),
  }));
}

function compilePolicy(
  policy: ActivityDefinition['policy'],
  path: readonly PropertyKey[],
  problems: Problems,
): ActivityPolicy {
  let timeout = DEFAULT_TIMEOUT;
  if (policy.timeout !== undefined && policy.timeout !== null) {
    const parsed = typeof policy.timeout === 'string' ? parseTimeSpan(policy.timeout) : undefined;
    if (parsed !== undefined && parsed > 0) timeout = parsed;
    else
      problems.warn(
        [...path, 'timeout'],
        'PROPERTY_IGNORED',
        `"${JSON.stringify(policy.timeout)}" is not a time span; 7 days hold.`,
        'Write it as d.hh:mm:ss, such as "0.12:00:00".',
      );
  }
  const interval = Number(policy.retryIntervalInSeconds ?? 30);
  return {
    timeout,
    retry: (policy.retry ?? 0) as JsonValue,
    retryIntervalSeconds: Number.isFinite(interval) && interval >= 0 ? interval : 30,
    secureInput: policy.secureInput ?? false,
    secureOutput: policy.secureOutput ?? false,
  };
}
