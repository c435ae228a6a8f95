// What a pipeline's trigger would tell it: windows, files, and the parameters that the trigger's definition passes on.

import { evaluateDeep } from '../../../src/core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { CompiledPipeline } from '../../../src/definitions/compile-factory.ts';
import { isObject, type Resource } from '../../../src/definitions/factory.ts';
import { valueFor } from '../infer/values.ts';
import { FIRST_MOMENT } from '../rows.ts';
import type { Stage } from './frame.ts';

export interface TriggerSight {
  /** What `@trigger()` shows. */
  readonly context: JsonObject;
  /** Parameters as the trigger's definition gives them. */
  readonly parameters: JsonObject;
}

/** The sight of the first trigger that starts the pipeline, or of one that could. */
export function triggerContext(stage: Stage, pipeline: CompiledPipeline): TriggerSight {
  const name = pipeline.resource.name.toLowerCase();
  const shapes = stage.shapes.pipelines.get(name);
  const found = stage.compiled.factory.resources
    .filter(({ kind }) => kind === 'trigger')
    .flatMap((resource) => uses(resource).map((use) => ({ resource, use })))
    .find(({ use }) => use.pipeline.toLowerCase() === name);
  const day = 86_400_000;
  const today = Math.floor(stage.now / day) * day;
  const context: JsonObject = {
    name: found?.resource.name ?? 'rehearsal',
    type: String(found?.resource.properties['type'] ?? 'Manual'),
    scheduledTime: new Date(today).toISOString(),
    startTime: new Date(today).toISOString(),
    outputs: {
      // All made-up rows and files lie in this window.
      windowStartTime: new Date(FIRST_MOMENT).toISOString(),
      windowEndTime: new Date(today + day).toISOString(),
      body: bodyFor(stage, shapes?.triggerBody, found?.resource),
    },
  };
  const parameters: JsonObject = {};
  for (const [key, value] of Object.entries(found?.use.parameters ?? {})) {
    try {
      parameters[key] = evaluateDeep(value, {
        roots: {
          trigger: () => context,
          triggerbody: () => (context['outputs'] as JsonObject)['body'] ?? null,
          pipeline: () => ({ globalParameters: stage.globals }),
        },
        now: () => stage.now,
        guid: () => '00000000-0000-4000-8000-000000000001',
        random: () => 0.5,
      });
    } catch {
      // It is derived like that of a pipeline without a trigger.
    }
  }
  return { context, parameters };
}

function uses({ properties }: Resource): { pipeline: string; parameters: JsonObject }[] {
  const list: JsonValue[] = Array.isArray(properties['pipelines']) ? properties['pipelines'] : [];
  if (isObject(properties['pipeline'])) list.push(properties['pipeline']);
  return list.flatMap((entry) => {
    const reference = isObject(entry) ? entry['pipelineReference'] : undefined;
    if (!isObject(entry) || !isObject(reference)) return [];
    const parameters = isObject(entry['parameters']) ? entry['parameters'] : {};
    return [{ pipeline: String(reference['referenceName']), parameters }];
  });
}

function bodyFor(
  stage: Stage,
  shape: Parameters<typeof valueFor>[0] | undefined,
  trigger: Resource | undefined,
): JsonObject {
  const body: JsonObject = { fileName: 'file_1.csv', folderPath: 'rehearsal/folder_1' };
  for (const property of shape?.properties.values() ?? [])
    body[property.name] = valueFor(property, property.name, { seed: stage.seed, index: 0 });
  const settings = trigger?.properties['typeProperties'];
  if (!isObject(settings)) return body;
  const begins = String(settings['blobPathBeginsWith'] ?? '');
  const ends = String(settings['blobPathEndsWith'] ?? '');
  const [, container, folder] = /^\/?([^/]+)\/blobs\/?(.*)$/.exec(begins) ?? [];
  if (container !== undefined)
    body['folderPath'] = [container, (folder ?? '').replace(/\/?[^/]*$/, '')].filter(Boolean).join('/');
  if (ends !== '')
    body['fileName'] = ends.startsWith('.') ? `file_1${ends}` : (ends.split('/').at(-1) ?? ends);
  return body;
}
