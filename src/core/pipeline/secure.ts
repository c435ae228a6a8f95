// The envelope around values that no history may show: a payload that holds one is encrypted as a whole.
import type { JsonObject, JsonValue } from '../json.ts';

/** The property that marks an envelope. The payload codec looks for it. */
export const SECURE_MARKER = '$waybillSecure';

/** The value in an envelope. In memory it stays as it is; the codec encrypts it on its way to Temporal. */
export const sealed = (value: JsonValue): JsonObject => ({ [SECURE_MARKER]: value });

/** The value out of its envelope, or the value itself where it is in none. */
export function opened(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.keys(value).length === 1 && SECURE_MARKER in value ? (value[SECURE_MARKER] ?? null) : value;
}
