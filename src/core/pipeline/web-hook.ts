// What a WebHook activity makes of the call that it waits for.

import { toText } from '../expression/values.ts';
import type { JsonObject, JsonValue } from '../json.ts';

/** Name of the signal that brings a callback to the pipeline's run. */
export const CALLBACK_SIGNAL = 'webHookCallback';

export interface WebHookCallback {
  /** The attempt that the callBackUri was made for: `TaskInput.attemptKey`. */
  readonly attemptKey: string;
  /** The JSON that was posted; in an envelope of ./secure.ts where the activity's output is secure. */
  readonly body: JsonValue;
}

export type CallbackOutcome =
  | { readonly output: JsonObject }
  | { readonly error: { readonly errorCode: string; readonly message: string } };

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A property whatever its case, as .NET reads JSON. */
const read = (object: JsonObject, name: string): JsonValue | undefined =>
  object[name] ?? Object.entries(object).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];

/**
 * The activity's outcome. With `reportStatusOnCallBack` a StatusCode of 400 or more, or an Error, makes it fail, and Output is its
 * output; without, the whole body is, and what stands in Output can be read as if it stood beside it.
 */
export function callbackOutcome(body: JsonValue, reportsStatus: boolean): CallbackOutcome {
  if (!isObject(body)) return { output: body === null ? {} : { Response: body } };
  const output = read(body, 'Output');
  const error = read(body, 'Error');
  const status = Number(read(body, 'StatusCode') ?? 200);
  if (!reportsStatus) return { output: { ...(isObject(output) ? output : {}), ...body } };
  if (status >= 400 || (isObject(error) && Object.keys(error).length > 0)) {
    const facts = isObject(error) ? error : {};
    return {
      error: {
        errorCode: toText(read(facts, 'ErrorCode') ?? 'WEB_FAILED'),
        message: toText(read(facts, 'Message') ?? `The callback reports status ${status}.`),
      },
    };
  }
  return {
    output: isObject(output) ? output : output === undefined || output === null ? {} : { Output: output },
  };
}
