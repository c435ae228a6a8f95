// What a trigger gives to the pipelines it starts: keys, `@trigger()`, and parameters evaluated.
import { evaluateDeep } from '../expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { RunPipelineInput } from '../run.ts';
import type { FactoryFacts, TriggeredPipeline } from './trigger.ts';

/** "2026-01-01T00:00:00Z": an instant in keys, ids and expressions. */
export const instantText = (instant: number): string => `${new Date(instant).toISOString().slice(0, 19)}Z`;

/** The key of a run that a trigger starts for one instant, version or window. */
export const triggeredKey = (trigger: string, what: string): string => `${trigger}-${what}`;

/** Where the values of expressions come from that are no constants. */
export interface Chance {
  readonly now: () => number;
  readonly guid: () => string;
  readonly random: () => number;
}

/** The input of each run that a trigger starts. A pipeline that it starts twice has two keys. */
export function triggeredRuns(
  trigger: { readonly name: string; readonly pipelines: readonly TriggeredPipeline[] },
  key: string,
  context: JsonObject,
  windowStart: string | undefined,
): (RunPipelineInput & { readonly written: JsonObject })[] {
  const seen = new Map<string, number>();
  return trigger.pipelines.map(({ pipeline, parameters }) => {
    const times = (seen.get(pipeline) ?? 0) + 1;
    seen.set(pipeline, times);
    return {
      pipeline,
      key: times === 1 ? key : `${key}-${times}`,
      parameters: {},
      written: parameters,
      trigger: trigger.name,
      triggerContext: context,
      ...(windowStart === undefined ? {} : { windowStart }),
    };
  });
}

/** A trigger's parameters for one firing. Throws EXPRESSION_INVALID. */
export function evaluateParameters(
  parameters: JsonObject,
  context: JsonObject,
  facts: FactoryFacts,
  chance: Chance,
): JsonObject {
  const outputs = context['outputs'];
  const body =
    typeof outputs === 'object' && outputs !== null && !Array.isArray(outputs) ? outputs['body'] : undefined;
  const pipeline: JsonObject = {
    DataFactory: facts.dataFactory,
    TriggerName: context['name'] ?? '',
    TriggerType: context['type'] ?? '',
    TriggerTime: context['startTime'] ?? '',
    globalParameters: facts.globalParameters,
  };
  const values: JsonObject = {};
  for (const [name, value] of Object.entries(parameters))
    values[name] = evaluateDeep(value as JsonValue, {
      roots: { trigger: () => context, triggerbody: () => body ?? null, pipeline: () => pipeline },
      ...chance,
    });
  return values;
}
