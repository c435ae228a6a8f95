// From tedious's JavaScript values to canonical text, and back for a bulk load.
import type { Column, Row } from '../../core/types/column.ts';

type Decode = (value: unknown) => string;

const text: Decode = (value) => (typeof value === 'string' ? value : String(value));

const decoder = (column: Column): Decode => {
  switch (column.type) {
    case 'Boolean':
      return (value) => (value === true || value === 1 || value === '1' ? '1' : '0');
    case 'Guid':
      return (value) => text(value).toLowerCase();
    case 'Byte[]':
      return (value) => (value as Buffer).toString('hex').toUpperCase();
    default:
      return text;
  }
};

/** Makes the function that turns one result row into a Row, in place of the values it was given. */
export const formatRowDecoders = (columns: readonly Column[]): ((row: unknown[]) => Row) => {
  const decoders = columns.map(decoder);
  return (row) => {
    for (let i = 0; i < decoders.length; i++) {
      const value = row[i];
      row[i] = value === null || value === undefined ? null : (decoders[i] ?? text)(value);
    }
    return row as Row;
  };
};
