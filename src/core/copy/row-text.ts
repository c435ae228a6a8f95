// The one text per row that the content checksum hashes. Every store can build the same text in its own SQL.
import { type Column, isFloat, type Row } from '../types/column.ts';

/** What a field of the row's text is made of. */
export type FieldText = 'value' | 'escaped' | 'presence';

/**
 * Fields are joined by `|`; NULL is `N`, a value is `V` and its canonical text with `|` doubled. No field text starts
 * with `|` and no separator is followed by one, so two different rows never have the same text. Doubling needs one
 * REPLACE in any SQL and, unlike a backslash, no escaping of its own. Of floats only "NULL or not" takes part:
 * stores print them differently.
 */
export const fieldText = (column: Column): FieldText =>
  isFloat(column.type) ? 'presence' : column.type === 'String' ? 'escaped' : 'value';

/** The checksum's text of `row`; `fields` says how each column takes part. */
export const rowText = (row: Row, fields: readonly FieldText[]): string => {
  let text = '';
  for (let i = 0; i < fields.length; i++) {
    if (i > 0) text += '|';
    const value = row[i];
    if (value === null || value === undefined) text += 'N';
    else if (fields[i] === 'value') text += `V${value}`;
    else if (fields[i] === 'presence') text += 'V';
    else text += value.includes('|') ? `V${value.replaceAll('|', '||')}` : `V${value}`;
  }
  return text;
};

/** `rowText` for rows of these columns. */
export const rowTextFunction = (columns: readonly Column[]): ((row: Row) => string) => {
  const fields = columns.map(fieldText);
  return (row) => rowText(row, fields);
};
