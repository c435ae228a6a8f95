// Checks a Copy's "incremental" as far as it can be known before its expressions have values.
import { INCREMENTAL_KEYS, incrementalOptions } from '../core/copy/incremental-options.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import { isObject } from './factory.ts';
import { didYouMean, type Problems } from './problem.ts';

/** Whether the value is known only when the pipeline runs. */
const isExpression = (value: JsonValue): boolean =>
  (typeof value === 'string' && value.includes('@')) || (isObject(value) && value['type'] === 'Expression');

/** Reports unknown keys, and bad values of those that are no expressions. */
export function checkIncremental(given: JsonValue, path: readonly PropertyKey[], problems: Problems): void {
  if (isExpression(given)) return;
  if (!isObject(given)) {
    problems.error(path, 'DEFINITION_INVALID', '"incremental" is an object.');
    return;
  }
  const unknown = Object.keys(given).filter((key) => !(INCREMENTAL_KEYS as readonly string[]).includes(key));
  for (const key of unknown) {
    problems.error(
      [...path, key],
      'DEFINITION_INVALID',
      `"incremental" has no "${key}"; it has ${INCREMENTAL_KEYS.join(', ')}.`,
      didYouMean(nearestName(key, INCREMENTAL_KEYS)),
    );
  }
  const known = Object.entries(given).filter(
    ([key, value]) => !unknown.includes(key) && !isExpression(value),
  );
  // A name that is an expression stands for some column.
  const sample = {
    watermarkColumn: 'watermarkColumn' in given ? 'column' : '',
    ...Object.fromEntries(known),
  };
  try {
    incrementalOptions({ incremental: sample });
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error;
    const key = String(error.details['key'] ?? '').replace(/^incremental\.?/, '');
    problems.error(
      key === '' || !(key in given) ? path : [...path, key],
      'DEFINITION_INVALID',
      error.message,
    );
  }
}
