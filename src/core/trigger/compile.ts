// Reads a trigger's definition into the form that it runs in. Nothing is thrown: what cannot be read is told.
import type { JsonObject, JsonValue } from '../json.ts';
import { compileChanges } from './compile-changes.ts';
import { compileRecurrence } from './compile-recurrence.ts';
import { compileTumblingWindow } from './compile-window.ts';
import { asObject, type Fault, Reader, referenceName } from './read-json.ts';
import type { CompiledTrigger, EventTrigger, TriggeredPipeline } from './trigger.ts';

export interface Compiled {
  /** Absent where there are faults. */
  readonly trigger?: CompiledTrigger;
  readonly faults: readonly Fault[];
}

/** The types of triggers that Data Factory has, and waybill's own ChangeTrigger. */
const TRIGGER_TYPES = [
  'ScheduleTrigger',
  'TumblingWindowTrigger',
  'RerunTumblingWindowTrigger',
  'BlobEventsTrigger',
  'CustomEventsTrigger',
  'ChangeTrigger',
  'BlobTrigger',
  'ChainingTrigger',
] as const;

/** Reads the `properties` of a trigger. */
export function compileTrigger(name: string, properties: JsonObject): Compiled {
  const reader = new Reader();
  const written = String(properties['type']);
  const type = TRIGGER_TYPES.find((known) => known.toLowerCase() === written.toLowerCase());
  const typeProperties = asObject(properties['typeProperties']) ?? {};
  const common = {
    name,
    pipelines: triggeredPipelines(properties),
    runtimeState: /^started$/i.test(String(properties['runtimeState'] ?? '')) ? 'Started' : 'Stopped',
  } as const;
  const trigger = ((): CompiledTrigger | undefined => {
    switch (type) {
      case 'ScheduleTrigger': {
        const recurrence = compileRecurrence(typeProperties, reader);
        return recurrence === undefined ? undefined : { ...common, type, recurrence };
      }
      case 'TumblingWindowTrigger': {
        const window = compileTumblingWindow(typeProperties, reader);
        return window === undefined ? undefined : { ...common, type, ...window };
      }
      case 'RerunTumblingWindowTrigger':
        return {
          ...common,
          type,
          parentTrigger: referenceName(typeProperties['parentTrigger']) ?? '',
          from: reader.instant(typeProperties, 'requestedStartTime') ?? 0,
          to: reader.instant(typeProperties, 'requestedEndTime') ?? 0,
          rerunConcurrency: reader.whole(typeProperties, 'rerunConcurrency', { least: 1, otherwise: 1 }),
        };
      case 'BlobEventsTrigger':
      case 'CustomEventsTrigger':
        return { ...common, type, typeProperties } satisfies EventTrigger;
      case 'ChangeTrigger': {
        const changes = compileChanges(typeProperties, reader);
        return changes === undefined ? undefined : { ...common, type, ...changes };
      }
      case 'BlobTrigger':
        reader.fault(
          ['type'],
          'waybill does not run BlobTrigger, which Data Factory has replaced: use BlobEventsTrigger',
        );
        return undefined;
      case 'ChainingTrigger':
        reader.fault(
          ['type'],
          'waybill does not run ChainingTrigger: let a pipeline call the next by Execute Pipeline',
        );
        return undefined;
      default:
        reader.fault(['type'], `"${written}" is not a type of trigger`);
        return undefined;
    }
  })();
  if (trigger?.type === 'TumblingWindowTrigger' && trigger.pipelines.length > 1)
    reader.fault(['pipelines'], 'a TumblingWindowTrigger starts one pipeline');
  const { faults } = reader;
  return { ...(trigger === undefined || faults.length > 0 ? {} : { trigger }), faults };
}

/** What a trigger starts: `pipelines`, or `pipeline` of a tumbling window. */
function triggeredPipelines(properties: JsonObject): TriggeredPipeline[] {
  const { pipeline, pipelines } = properties;
  const list: JsonValue[] = [
    ...(Array.isArray(pipelines) ? pipelines : []),
    ...(pipeline === undefined || pipeline === null ? [] : [pipeline]),
  ];
  return list.flatMap((entry) => {
    const name = referenceName(asObject(entry)?.['pipelineReference']);
    const parameters = asObject(asObject(entry)?.['parameters']) ?? {};
    return name === undefined ? [] : [{ pipeline: name, parameters }];
  });
}
