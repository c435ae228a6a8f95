// Parameters of statements and procedures as definitions write them.
import type { ParameterDirection, SqlParameter } from '../../connectors/sql-commands.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const typeOf = (value: JsonValue | undefined): { type?: string } =>
  typeof value === 'string' && value.trim() !== '' ? { type: value } : {};

/** storedProcedureParameters: `{ name: { value, type } }`, or `{ name: value }`; a parameter without a value is NULL. */
export function namedParameters(given: JsonValue | undefined): SqlParameter[] {
  if (!isObject(given)) return [];
  return Object.entries(given).map(([name, entry]): SqlParameter => {
    const described = isObject(entry) && ('value' in entry || 'type' in entry);
    return {
      name: name.replace(/^@/, ''),
      value: described ? (entry['value'] ?? null) : entry,
      ...(described ? typeOf(entry['type']) : {}),
      direction: 'Input',
    };
  });
}

const DIRECTIONS: readonly ParameterDirection[] = ['Input', 'Output', 'InputOutput'];

/** A script block's parameters: `[{ name, type, value, direction, size }]`. Throws DEFINITION_INVALID. */
export function listedParameters(given: JsonValue | undefined, block: string): SqlParameter[] {
  if (!Array.isArray(given)) return [];
  return given.map((entry, index): SqlParameter => {
    const name = isObject(entry) ? entry['name'] : undefined;
    if (!isObject(entry) || (typeof name !== 'string' && typeof name !== 'number')) {
      throw new WaybillError('DEFINITION_INVALID', `Parameter ${index + 1} of ${block} has no name.`);
    }
    const written = String(entry['direction'] ?? 'Input');
    const direction = DIRECTIONS.find((known) => known.toLowerCase() === written.toLowerCase());
    if (direction === undefined) {
      throw new WaybillError(
        'DEFINITION_INVALID',
        `Parameter "${name}" of ${block} has the direction "${written}"; there are ${DIRECTIONS.join(', ')}.`,
        { parameter: String(name) },
      );
    }
    const size = Number(entry['size'] ?? -1);
    return {
      name: String(name).replace(/^@/, ''),
      value: entry['value'] ?? null,
      ...typeOf(entry['type']),
      direction,
      ...(Number.isInteger(size) && size > 0 ? { size } : {}),
    };
  });
}
