// Makes the input of `copyData` from a Copy activity: evaluates the activity, its datasets, and what the datasets pass
// on to their linked services.
import type { CopyEndpoint } from '../copy.ts';
import { WaybillError } from '../errors.ts';
import type { EvaluationContext } from '../expression/context.ts';
import { evaluateDeep } from '../expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { resolveParameters } from './parameters.ts';
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
  const dataset = use === undefined ? undefined : datasets[use.dataset.toLowerCase()];
  if (use === undefined || dataset === undefined)
    throw new WaybillError(
      'REFERENCE_MISSING',
      `Copy "${activity.name}" refers to a dataset that is not there.`,
    );
  const given = evaluateDeep(use.parameters, context) as JsonObject;
  const parameters = resolveParameters(`dataset "${use.dataset}"`, dataset.parameters, given, {
    ignoreUnknown: true,
  });
  const inDataset: EvaluationContext = {
    ...context,
    roots: { ...context.roots, dataset: () => parameters },
  };
  const linkedServiceParameters = evaluateDeep(dataset.linkedServiceParameters, inDataset) as JsonObject;
  return {
    linkedService: dataset.linkedService,
    ...(Object.keys(linkedServiceParameters).length === 0 ? {} : { linkedServiceParameters }),
    datasetType: dataset.type,
    dataset: evaluateDeep(dataset.typeProperties, inDataset) as JsonObject,
    settings: evaluateDeep(settings ?? {}, context) as JsonObject,
  };
}
