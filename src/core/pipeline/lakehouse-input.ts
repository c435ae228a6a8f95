// What a WaybillLakehouse activity runs, from its evaluated properties.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { WINDOW_PATTERN } from '../lakehouse/window.ts';
import type { RunLakehouseInput } from '../run.ts';

/** Properties of the activity; what is not here is refused by name. */
const PROPERTIES = ['lakehouse', 'window', 'parameters'];

/** Reads evaluated typeProperties. Throws PARAMETER_INVALID naming the property. */
export function lakehouseActivityInput(
  properties: JsonObject,
): Pick<RunLakehouseInput, 'name' | 'window' | 'parameters'> {
  const other = Object.keys(properties).find((key) => !PROPERTIES.includes(key));
  if (other !== undefined)
    throw new WaybillError(
      'PARAMETER_INVALID',
      `WaybillLakehouse has no property "${other}": ${PROPERTIES.join(', ')} are there.`,
      { property: other },
    );
  const { lakehouse, window, parameters } = properties;
  const name = isObject(lakehouse) ? lakehouse['referenceName'] : undefined;
  if (typeof name !== 'string') throw invalid('lakehouse', 'a reference with a referenceName');
  if (typeof window !== 'string' || !WINDOW_PATTERN.test(window))
    throw invalid('window', 'a text of letters, digits, ".", "_" and "-", at most 100');
  if (parameters !== undefined && parameters !== null && !isObject(parameters))
    throw invalid('parameters', 'an object');
  return { name, window, parameters: isObject(parameters) ? parameters : {} };
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (property: string, what: string): WaybillError =>
  new WaybillError('PARAMETER_INVALID', `"${property}" of WaybillLakehouse must be ${what}.`, { property });
