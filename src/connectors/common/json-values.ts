// Values of rows as Data Factory's activities show them in JSON: numbers as numbers, moments as ISO 8601 texts without a
// zone unless they have one, bytes in base64.
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { Column } from '../../core/types/column.ts';

/** An integer's text as a number; as the text it is where a number would lose digits. */
export const integerValue = (text: string): JsonValue => {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
};

/** A number's text as a number; NaN and the infinities, which JSON does not have, stay text. */
export const numberValue = (text: string): JsonValue => {
  const number = Number(text);
  return Number.isFinite(number) && text.trim() !== '' ? number : text;
};

/** The shortest decimal that reads back as the same 32-bit float. */
export const singleValue = (value: number): JsonValue => {
  if (!Number.isFinite(value)) return String(value);
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === Math.fround(value)) return shorter;
  }
  return Number(value.toPrecision(9));
};

/** "2024-02-29T13:14:15.120000" -> "2024-02-29T13:14:15.12": no zeros at the end of a second's fraction. */
export const shortMoment = (text: string): string =>
  text.replace(/\.(\d*?)0+(?=\D|$)/, (_all, digits) => (digits === '' ? '' : `.${digits}`));

/** A moment as stores print it ("2024-02-29 13:14:15.120000", "2024-02-29"): with a T, and a time of day. */
export const momentValue = (text: string): string => {
  const whole = text.replace(' ', 'T');
  return shortMoment(/^\d{4}-\d\d-\d\d$/.test(whole) ? `${whole}T00:00:00` : whole);
};

/** The value of a column's canonical text (core/types/column.ts). */
export const jsonValue = (column: Column, text: string | null): JsonValue => {
  if (text === null) return null;
  switch (column.type) {
    case 'Int16':
    case 'Int32':
    case 'Int64':
      return integerValue(text);
    case 'Decimal':
      return column.scale === 0 ? integerValue(text) : numberValue(text);
    case 'Double':
    case 'Single':
      return numberValue(text);
    case 'Boolean':
      return text === '1';
    case 'Date':
    case 'DateTime':
      return momentValue(text);
    case 'DateTimeOffset':
      return shortMoment(text).replace(/Z$/, '+00:00');
    case 'TimeSpan':
      return shortMoment(text);
    case 'Byte[]':
      return Buffer.from(text, 'hex').toString('base64');
    default:
      return text;
  }
};

/**
 * Names for the members of a row: one that has none is "Column<n>" unless it is to be kept so, one that was there before is
 * told apart by a number.
 */
export const memberNames = (names: readonly string[], keepsNameless = false): string[] => {
  const used = new Set<string>();
  return names.map((given, i) => {
    const wanted = given === '' && !keepsNameless ? `Column${i + 1}` : given;
    let name = wanted;
    for (let n = 1; used.has(name); n++) name = `${wanted}${n}`;
    used.add(name);
    return name;
  });
};

/** A row's object. Names come from the store: "__proto__" is a member like any other. */
export const rowObject = (names: readonly string[], values: readonly JsonValue[]): JsonObject =>
  Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));
