// Makes the input of `copyData` from a Copy activity: evaluates the activity, its datasets, and what the datasets pass
// on to their linked services.
import type { CopyEndpoint } from '../copy.ts';
import type { EvaluationContext } from '../expression/context.ts';
import { evaluateDeep } from '../expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { evaluateDataset } from './evaluate-dataset.ts';
import type { ActivitySnapshot, DatasetSnapshot, DatasetUse } from './snapshot.ts';

export interface EvaluatedCopy {
  readonly source: CopyEndpoint;
  readonly sink: CopyEndpoint;
  readonly options: JsonObject;
}

/** Evaluates a Copy activity. `datasets` is by lower-case name. Throws what evaluating throws. */
export function evaluateCopy(
  activity: ActivitySnapshot,
  datasets: Readonly<Record<string, DatasetSnapshot>>,
  context: EvaluationContext,
): EvaluatedCopy {
  const { source, sink, ...options } = activity.typeProperties;
  return {
    source: endpoint(activity, activity.inputs?.[0], source, datasets, context),
    sink: endpoint(activity, activity.outputs?.[0], sink, datasets, context),
    options: evaluateDeep(options, context) as JsonObject,
  };
}

function endpoint(
  activity: ActivitySnapshot,
  use: DatasetUse | undefined,
  settings: JsonValue | undefined,
  datasets: Readonly<Record<string, DatasetSnapshot>>,
  context: EvaluationContext,
): CopyEndpoint {
  const dataset = evaluateDataset(`Copy "${activity.name}"`, use, datasets, context);
  const { name, parameters } = dataset.linkedService;
  return {
    linkedService: name,
    ...(parameters === undefined ? {} : { linkedServiceParameters: parameters }),
    datasetType: dataset.type,
    dataset: dataset.typeProperties,
    settings: evaluateDeep(settings ?? {}, context) as JsonObject,
  };
}
