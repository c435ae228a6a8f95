// The factory's pipelines and triggers as the HTTP door needs them, read again every few seconds.

import type { EventTrigger } from '../core/events/match-trigger.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { ParameterSpecification } from '../core/pipeline/snapshot.ts';
import type { TriggeredPipeline } from '../core/trigger/trigger.ts';
import { specificationsOf } from '../definitions/compile-store.ts';
import { type Factory, isObject, readFactory } from '../definitions/factory.ts';
import { globalParameters } from '../definitions/global-parameters.ts';
import { pipelineSchema } from '../definitions/schemas.ts';

export interface CatalogTrigger extends EventTrigger {
  /** As the definition says; what Temporal says counts more. */
  readonly runtimeState: string | undefined;
  readonly pipelines: readonly TriggeredPipeline[];
}

export interface FactoryCatalog {
  triggers(): readonly CatalogTrigger[];
  /** A pipeline's own spelling and its parameters; undefined where there is none of that name. */
  pipeline(name: string): { name: string; parameters: Record<string, ParameterSpecification> } | undefined;
  globals(): { readonly dataFactory: string; readonly values: JsonObject };
}

/** Milliseconds that what was read counts for. */
const FRESH = 3_000;

export function createFactoryCatalog(directory: string): FactoryCatalog {
  let read: { at: number; factory: Factory; triggers: CatalogTrigger[] } | undefined;
  const current = (): { factory: Factory; triggers: CatalogTrigger[] } => {
    if (read === undefined || Date.now() - read.at > FRESH) {
      const factory = readFactory(directory, ['pipeline', 'trigger', 'factory']);
      read = { at: Date.now(), factory, triggers: triggersOf(factory) };
    }
    return read;
  };
  return {
    triggers: () => current().triggers,
    pipeline: (name) => {
      const resource = current().factory.find('pipeline', name);
      if (resource === undefined) return undefined;
      const parsed = pipelineSchema.safeParse(resource.properties);
      return { name: resource.name, parameters: specificationsOf(parsed.data?.parameters ?? {}) };
    },
    globals: () => globalParameters(current().factory),
  };
}

function triggersOf(factory: Factory): CatalogTrigger[] {
  return factory.resources.flatMap(({ kind, name, properties }) => {
    if (kind !== 'trigger') return [];
    const { type, typeProperties, runtimeState, pipeline, pipelines } = properties;
    const list: JsonValue[] = [
      ...(Array.isArray(pipelines) ? pipelines : []),
      ...(pipeline === undefined ? [] : [pipeline]),
    ];
    return [
      {
        name,
        type: String(type),
        typeProperties: isObject(typeProperties) ? typeProperties : {},
        runtimeState: typeof runtimeState === 'string' ? runtimeState : undefined,
        pipelines: list.flatMap(triggered),
      },
    ];
  });
}

function triggered(entry: JsonValue): TriggeredPipeline[] {
  const reference = isObject(entry) ? entry['pipelineReference'] : undefined;
  const name = isObject(reference) ? reference['referenceName'] : undefined;
  const parameters = isObject(entry) ? entry['parameters'] : undefined;
  return typeof name === 'string'
    ? [{ pipeline: name, parameters: isObject(parameters) ? parameters : {} }]
    : [];
}
