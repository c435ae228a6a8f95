// ADF's typeConversionSettings of a translator: what a definition allows, and how it writes dates and numbers.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';

export interface TypeSettings {
  /** Pairs that lose are carried: digits beyond the sink's are cut (toward zero), never whole digits. */
  readonly allowDataTruncation: boolean;
  /** With it, digits beyond a decimal column's are rounded half up instead of cut, as Spark and databases cast them. */
  readonly roundDecimals?: boolean;
  /** A Boolean becomes the text "1" or "0" instead of "True" or "False". */
  readonly treatBooleanAsNumber: boolean;
  /** .NET format strings for moments in text. */
  readonly dateTimeFormat?: string;
  readonly dateTimeOffsetFormat?: string;
  readonly timeSpanFormat?: string;
  /** Signs of numbers in text, from the culture. */
  readonly decimalPoint: string;
  readonly groupSeparator: string;
}

export const DEFAULT_TYPE_SETTINGS: TypeSettings = {
  allowDataTruncation: false,
  treatBooleanAsNumber: false,
  decimalPoint: '.',
  groupSeparator: ',',
};

const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;

const isTrue = (value: JsonValue | undefined): boolean => String(value ?? 'false').toLowerCase() === 'true';

/** Point and group sign of a culture such as "de-DE". Throws DEFINITION_INVALID for one that does not exist. */
const signsOf = (culture: string): { decimalPoint: string; groupSeparator: string } => {
  try {
    const parts = new Intl.NumberFormat(culture, { useGrouping: true }).formatToParts(1_234_567.5);
    const sign = (type: string, other: string): string =>
      parts.find((part) => part.type === type)?.value ?? other;
    return { decimalPoint: sign('decimal', '.'), groupSeparator: sign('group', ',') };
  } catch (error) {
    throw new WaybillError(
      'DEFINITION_INVALID',
      `typeConversionSettings names no culture: "${culture}".`,
      {},
      { cause: error },
    );
  }
};

/** Reads `translator.typeConversionSettings`. With `typeConversion: false` they do not count. */
export const typeSettings = (translator: JsonValue | undefined): TypeSettings => {
  const whole = asObject(translator);
  const given = asObject(whole?.['typeConversionSettings']);
  if (given === undefined || String(whole?.['typeConversion'] ?? 'true').toLowerCase() === 'false') {
    return DEFAULT_TYPE_SETTINGS;
  }
  const text = (name: string): string | undefined => {
    const value = given[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const formats = ['dateTimeFormat', 'dateTimeOffsetFormat', 'timeSpanFormat'] as const;
  const culture = text('culture');
  return {
    allowDataTruncation: isTrue(given['allowDataTruncation']),
    ...(isTrue(given['roundDecimals']) ? { roundDecimals: true } : {}),
    treatBooleanAsNumber: isTrue(given['treatBooleanAsNumber']),
    ...Object.fromEntries(
      formats.flatMap((name) => {
        const format = text(name);
        return format === undefined ? [] : [[name, format]];
      }),
    ),
    ...(culture === undefined || /^(invariant.*|)$/i.test(culture)
      ? { decimalPoint: '.', groupSeparator: ',' }
      : signsOf(culture)),
  };
};
