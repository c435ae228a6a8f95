// The factory's global parameters: factory/<name>.json, properties.globalParameters.
import type { JsonObject } from '../core/json.ts';
import { type Factory, isObject } from './factory.ts';

/** Name of the factory and its global parameters' values. */
export function globalParameters(factory: Factory): { dataFactory: string; values: JsonObject } {
  const values: JsonObject = {};
  let dataFactory = 'waybill';
  for (const resource of factory.resources) {
    if (resource.kind !== 'factory') continue;
    const declared = resource.properties['globalParameters'];
    // Tools leave other JSON files in this folder.
    if (resource.path.length > 0) dataFactory = resource.name;
    if (!isObject(declared)) continue;
    for (const [name, specification] of Object.entries(declared)) {
      if (isObject(specification) && specification['value'] !== undefined)
        values[name] = specification['value'];
    }
  }
  return { dataFactory, values };
}
