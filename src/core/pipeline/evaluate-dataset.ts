// Applies parameters to a dataset as an activity refers to it.
import { WaybillError } from '../errors.ts';
import type { EvaluationContext } from '../expression/context.ts';
import { evaluateDeep } from '../expression/evaluate.ts';
import type { JsonObject } from '../json.ts';
import { resolveLegacyLocation } from './legacy-location.ts';
import { resolveParameters } from './parameters.ts';
import type { DatasetSnapshot, DatasetUse } from './snapshot.ts';
import type { EvaluatedDataset } from './task.ts';

/**
 * The dataset with its parameters and expressions evaluated, and what it passes on to its linked service. `datasets` is
 * by lower-case name, `owner` is who refers to it: `Copy "load"`. Throws REFERENCE_MISSING, PARAMETER_MISSING,
 * PARAMETER_INVALID, EXPRESSION_INVALID.
 */
export function evaluateDataset(
  owner: string,
  use: DatasetUse | undefined,
  datasets: Readonly<Record<string, DatasetSnapshot>>,
  context: EvaluationContext,
): EvaluatedDataset {
  const dataset = use === undefined ? undefined : datasets[use.dataset.toLowerCase()];
  if (use === undefined || dataset === undefined)
    throw new WaybillError('REFERENCE_MISSING', `${owner} refers to a dataset that is not there.`);
  const given = evaluateDeep(use.parameters, context) as JsonObject;
  const parameters = resolveParameters(`dataset "${use.dataset}"`, dataset.parameters, given, {
    ignoreUnknown: true,
  });
  const inDataset: EvaluationContext = {
    ...context,
    roots: { ...context.roots, dataset: () => parameters },
  };
  const passedOn = evaluateDeep(dataset.linkedServiceParameters, inDataset) as JsonObject;
  return {
    name: use.dataset,
    type: dataset.type,
    typeProperties: resolveLegacyLocation(evaluateDeep(dataset.typeProperties, inDataset) as JsonObject),
    linkedService: {
      name: dataset.linkedService,
      ...(Object.keys(passedOn).length === 0 ? {} : { parameters: passedOn }),
    },
  };
}
