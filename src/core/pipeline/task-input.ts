// Makes the input of `perform<Type>` from an activity of a pipeline: evaluates its properties, its datasets and its
// linked service.

import type { EvaluationContext } from '../expression/context.ts';
import { evaluateDeep } from '../expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { evaluateDataset } from './evaluate-dataset.ts';
import type { ActivitySnapshot, DatasetSnapshot, DatasetUse } from './snapshot.ts';
import type { EvaluatedDataset, LinkedServiceUse, TaskInput } from './task.ts';

export type EvaluatedTask = Pick<TaskInput, 'typeProperties' | 'datasets' | 'linkedService'>;

/** Evaluates a one-shot activity. `datasets` is by lower-case name. Throws what evaluating throws. */
export function evaluateTask(
  activity: ActivitySnapshot,
  datasets: Readonly<Record<string, DatasetSnapshot>>,
  context: EvaluationContext,
): EvaluatedTask {
  const owner = `${activity.type} "${activity.name}"`;
  const linkedService = evaluateLinkedService(activity, context);
  return {
    typeProperties: evaluateDeep(activity.typeProperties, context) as JsonObject,
    datasets: Object.fromEntries(
      datasetUses(activity.typeProperties).map(([key, use]): [string, EvaluatedDataset] => [
        key,
        evaluateDataset(owner, use, datasets, context),
      ]),
    ),
    ...(linkedService === undefined ? {} : { linkedService }),
  };
}

function evaluateLinkedService(
  activity: ActivitySnapshot,
  context: EvaluationContext,
): LinkedServiceUse | undefined {
  if (activity.linkedService === undefined) return undefined;
  const { name, parameters } = activity.linkedService;
  const evaluated = evaluateDeep(parameters ?? {}, context) as JsonObject;
  return { name, ...(Object.keys(evaluated).length === 0 ? {} : { parameters: evaluated }) };
}

/** The datasets that an activity's properties refer to, by property: "dataset", "datasets/0". */
function datasetUses(properties: JsonObject): [string, DatasetUse][] {
  const list = Array.isArray(properties['datasets']) ? properties['datasets'] : [];
  const places: [string, JsonValue | undefined][] = [
    ['dataset', properties['dataset']],
    ...list.map((entry, index): [string, JsonValue] => [`datasets/${index}`, entry]),
  ];
  return places.flatMap(([key, value]): [string, DatasetUse][] => {
    if (!isObject(value) || typeof value['referenceName'] !== 'string') return [];
    const parameters = isObject(value['parameters']) ? value['parameters'] : {};
    return [[key, { dataset: value['referenceName'], parameters }]];
  });
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
