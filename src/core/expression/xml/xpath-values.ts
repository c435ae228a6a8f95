// The values of XPath 1.0 and how they turn into each other.
import { textOf, type XmlNode } from './node.ts';

export type XPathValue = XmlNode[] | string | number | boolean;

export interface Place {
  readonly node: XmlNode;
  readonly position: number;
  readonly size: number;
}

export const stringOf = (value: XPathValue): string => {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value[0] === undefined ? '' : textOf(value[0]);
  return typeof value === 'number' && Object.is(value, -0) ? '0' : String(value);
};

export const numberOf = (value: XPathValue): number => {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  const text = stringOf(value).trim();
  return /^-?(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
};

export const booleanOf = (value: XPathValue): boolean =>
  Array.isArray(value) || typeof value === 'string'
    ? value.length > 0
    : typeof value === 'number'
      ? value !== 0 && !Number.isNaN(value)
      : value;
