// Makes the input of `copyData` from a Copy activity: evaluates the activity, its datasets, and what the datasets pass
// on to their linked services.
import type { CopyEndpoint } from '../copy.ts';
import type { EvaluationContext } from '../expression/context.ts';
import { evaluateDeep } from '../expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { evaluateDataset } from './evaluate-dataset.ts';
import { withWildcard } from './legacy-location.ts';
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
  const [from, to] = withFormats(
    endpoint(activity, activity.inputs?.[0], source, datasets, context),
    endpoint(activity, activity.outputs?.[0], sink, datasets, context),
  );
  return {
    source: { ...from, settings: withWildcard(from.dataset, from.settings) },
    sink: to,
    options: evaluateDeep(options, context) as JsonObject,
  };
}

/** Legacy datasets without a format are copied as they are from file to file, and are delimited text beside a table. */
function withFormats(source: CopyEndpoint, sink: CopyEndpoint): [CopyEndpoint, CopyEndpoint] {
  const formatless = ({ dataset }: CopyEndpoint): boolean => dataset['formatless'] === true;
  const asText = (end: CopyEndpoint): CopyEndpoint => ({ ...end, datasetType: 'DelimitedText' });
  if (formatless(source) && sink.datasetType !== 'Binary') return [asText(source), sink];
  if (formatless(sink) && source.datasetType !== 'Binary') return [source, asText(sink)];
  return [source, sink];
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
