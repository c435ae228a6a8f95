// How expression values compare and turn into text, the way Data Factory (JSON.NET) does it.
import type { JsonValue } from '../json.ts';
import { Float, type RawValue } from './syntax.ts';

/** A value as a string: booleans as True/False, null as nothing, arrays and objects as compact JSON. */
export function toText(value: RawValue): string {
  if (value instanceof Float) return numberText(value.value, true);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'number' ? numberText(value, !Number.isInteger(value)) : JSON.stringify(value);
}

/** .NET writes a double with an exponent from 1E+15 on and below 1E-04, of two digits at least. */
function numberText(value: number, float: boolean): string {
  const size = Math.abs(value);
  if (float && value !== 0 && (size < 1e-4 || size >= 1e15)) return exponent(value);
  return size < 1e21 ? String(value) : BigInt(value).toString();
}

function exponent(value: number): string {
  const [digits = '', power = '0'] = value.toExponential().split('e');
  return `${digits}E${power.slice(0, 1)}${power.slice(1).padStart(2, '0')}`;
}

/** Deep equality. `true` equals 1 and `false` equals 0, as in Data Factory. */
export function sameValue(a: JsonValue, b: JsonValue): boolean {
  if (typeof a === 'boolean' && typeof b === 'number') return Number(a) === b;
  if (typeof a === 'number' && typeof b === 'boolean') return a === Number(b);
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((entry, index) => sameValue(entry, b[index] as JsonValue))
    );
  }
  if (Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key] as JsonValue, b[key] as JsonValue))
  );
}
