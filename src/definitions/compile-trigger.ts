// Triggers: checks that they start pipelines that exist, with parameters those have.
import type { JsonObject, JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import { compileTrigger } from '../core/trigger/compile.ts';
import { checkExpressions } from './check-expressions.ts';
import type { Factory } from './factory.ts';
import { didYouMean } from './problem.ts';
import { isObject, type Resource } from './resource.ts';

const TRIGGERS = [
  'ScheduleTrigger',
  'TumblingWindowTrigger',
  'RerunTumblingWindowTrigger',
  'BlobEventsTrigger',
  'CustomEventsTrigger',
  'ChangeTrigger',
  'BlobTrigger',
  'ChainingTrigger',
] as const;

/** Checks one trigger. Names are looked up in the factory; oddities that have one meaning are warnings. */
export function checkTrigger(resource: Resource, factory: Factory, globals: readonly string[]): void {
  const { problems, path, properties } = resource;
  const written = properties['type'];
  const type = TRIGGERS.find((known) => known.toLowerCase() === String(written).toLowerCase());
  if (type === undefined) {
    problems.error(
      [...path, 'type'],
      'DEFINITION_INVALID',
      `"${String(written)}" is not a type of trigger.`,
      didYouMean(nearestName(String(written), TRIGGERS)),
    );
  }
  const single = properties['pipeline'];
  if (isObject(single)) checkStart(single, [...path, 'pipeline'], resource, factory, globals);
  const list = properties['pipelines'];
  if (Array.isArray(list))
    list.forEach((entry, index) => {
      checkStart(entry, [...path, 'pipelines', index], resource, factory, globals);
    });
  checkShape(type, properties, resource);
  if (type === 'ChangeTrigger') checkChanges(resource, factory);
}

/** waybill's own type, so nothing about it is tolerated. */
function checkChanges(resource: Resource, factory: Factory): void {
  const { problems, path, properties, name } = resource;
  const { trigger, faults } = compileTrigger(name, properties);
  for (const fault of faults)
    problems.error([...path, ...fault.path], 'DEFINITION_INVALID', `ChangeTrigger: ${fault.reason}.`);
  if (trigger?.type !== 'ChangeTrigger') return;
  const { linkedService } = trigger;
  if (factory.find('linkedService', linkedService, resource) !== undefined) return;
  problems.error(
    [...path, 'typeProperties', 'linkedServiceName', 'referenceName'],
    'REFERENCE_MISSING',
    `There is no linked service "${linkedService}".`,
    didYouMean(nearestName(linkedService, factory.names('linkedService'))),
  );
}

function checkStart(
  start: JsonValue,
  path: readonly PropertyKey[],
  resource: Resource,
  factory: Factory,
  globals: readonly string[],
): void {
  const { problems } = resource;
  const reference = isObject(start) ? start['pipelineReference'] : undefined;
  const name = isObject(reference) ? reference['referenceName'] : undefined;
  if (typeof name !== 'string') {
    problems.error(
      path,
      'DEFINITION_INVALID',
      'A trigger names its pipeline in pipelineReference.referenceName.',
    );
    return;
  }
  if (factory.find('pipeline', name, resource) === undefined) {
    const near = nearestName(name, factory.names('pipeline'));
    problems.error(
      [...path, 'pipelineReference', 'referenceName'],
      'REFERENCE_MISSING',
      `There is no pipeline "${name}".`,
      near === undefined ? undefined : `The nearest name is "${near}".`,
    );
  }
  const parameters = isObject(start) ? start['parameters'] : undefined;
  checkExpressions(
    parameters,
    [...path, 'parameters'],
    { trigger: true, globalParameters: globals },
    problems,
  );
}

/** What Data Factory demands and real files leave out. */
function checkShape(type: string | undefined, properties: JsonObject, { problems, path }: Resource): void {
  const typeProperties = properties['typeProperties'];
  if (!isObject(typeProperties)) {
    problems.warn(path, 'SHAPE_TOLERATED', `${type ?? 'A trigger'} has no "typeProperties".`);
    return;
  }
  if (type === 'TumblingWindowTrigger' && typeProperties['maxConcurrency'] === undefined)
    problems.warn(
      [...path, 'typeProperties'],
      'SHAPE_TOLERATED',
      'TumblingWindowTrigger has no "maxConcurrency"; 50 holds.',
      'Data Factory itself demands it, from 1 to 50.',
    );
}
