// What Microsoft Fabric's pipelines have instead of datasets and linked services: connections, which stand in no file.
import type { JsonObject } from '../core/json.ts';
import { isObject } from './resource.ts';

/** Where an activity uses a connection or an item of a Fabric workspace; undefined for one of Data Factory. */
export function fabricPart(activity: JsonObject): readonly string[] | undefined {
  if (isObject(activity['externalReferences'])) return ['externalReferences'];
  if (isObject(activity['linkedService'])) return ['linkedService'];
  const properties = activity['typeProperties'];
  if (!isObject(properties)) return undefined;
  if (isObject(properties['datasetSettings'])) return ['typeProperties', 'datasetSettings'];
  for (const side of ['source', 'sink'] as const) {
    const part = properties[side];
    if (isObject(part) && isObject(part['datasetSettings']))
      return ['typeProperties', side, 'datasetSettings'];
  }
  return undefined;
}
