// `incremental` in a Copy's typeProperties, waybill's own: reading only what is new by a watermark column.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';

export interface IncrementalOptions {
  readonly watermarkColumn: string;
  /** Where the first run begins, included; everything where absent. */
  readonly initialValue: string | undefined;
  /** What becomes of rows whose watermark is NULL. */
  readonly onNull: 'fail' | 'include' | 'skip';
  /** Read again below the watermark: seconds of a date-time, days of a date, units of a number. Upserts only. */
  readonly lag: number;
  /** Read everything again, in place of what the target holds, and begin a new watermark with it. */
  readonly fullReload: boolean;
  /** Name of the state, where it is to outlive a renamed pipeline or activity. */
  readonly name: string | undefined;
}

/** The keys `incremental` may have. */
export const INCREMENTAL_KEYS = [
  'watermarkColumn',
  'initialValue',
  'onNull',
  'lag',
  'fullReload',
  'name',
] as const;

const ON_NULL = ['fail', 'include', 'skip'] as const;

const invalid = (key: string, message: string): WaybillError =>
  new WaybillError('DEFINITION_INVALID', message, { key: `incremental.${key}` });

const isTrue = (value: JsonValue | undefined): boolean => String(value ?? 'false').toLowerCase() === 'true';

/** The options, or undefined for a copy that is not incremental. Throws DEFINITION_INVALID naming the key. */
export const incrementalOptions = (options: JsonObject): IncrementalOptions | undefined => {
  const given = options['incremental'];
  if (given === undefined || given === null) return undefined;
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw new WaybillError('DEFINITION_INVALID', '"incremental" is an object.', { key: 'incremental' });
  }
  for (const key of Object.keys(given)) {
    if (!(INCREMENTAL_KEYS as readonly string[]).includes(key)) {
      throw invalid(key, `"incremental" has no "${key}"; it has ${INCREMENTAL_KEYS.join(', ')}.`);
    }
  }
  const { watermarkColumn, initialValue, onNull = 'fail', lag = 0, fullReload, name } = given;
  if (typeof watermarkColumn !== 'string' || watermarkColumn === '') {
    throw invalid('watermarkColumn', '"incremental.watermarkColumn" must name a column of the source.');
  }
  const rule = ON_NULL.find((one) => one === String(onNull).toLowerCase());
  if (rule === undefined) throw invalid('onNull', `"incremental.onNull" is one of ${ON_NULL.join(', ')}.`);
  const back = Number(lag);
  if (!Number.isSafeInteger(back) || back < 0) {
    throw invalid('lag', '"incremental.lag" is a whole number: seconds, days or units of the column.');
  }
  if (typeof initialValue === 'object' && initialValue !== null) {
    throw invalid('initialValue', '"incremental.initialValue" is a value of the watermark column.');
  }
  return {
    watermarkColumn,
    initialValue:
      initialValue === undefined || initialValue === null || initialValue === ''
        ? undefined
        : String(initialValue),
    onNull: rule,
    lag: back,
    fullReload: isTrue(fullReload),
    name: typeof name === 'string' && name !== '' ? name : undefined,
  };
};
