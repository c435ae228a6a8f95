// Reads members of request bodies, with the API's own error where one has the wrong type.
import { invalid } from './errors.ts';

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function objectIn(body: Json, key: string): Json | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (isObject(value)) return value;
  throw invalid(`${key} must be an object.`);
}

export function objectsIn(body: Json, key: string): Json[] {
  const value = body[key] ?? [];
  if (Array.isArray(value) && value.every(isObject)) return value;
  throw invalid(`${key} must be an array of objects.`);
}

export function textsIn(body: Json, key: string): string[] {
  const value = body[key] ?? [];
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw invalid(`${key} must be an array of strings.`);
}

export function textIn(body: Json, key: string): string | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw invalid(`${key} must be a string.`);
}

/** A number, also where it is written as text, as query parameters are. */
export function numberIn(body: Json, key: string): number | undefined {
  const value = body[key];
  if (value === undefined || value === null || value === '') return undefined;
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw invalid(`${key} must be a number.`);
}

export const flagIn = (body: Json, key: string): boolean => body[key] === true || body[key] === 'true';

export function required<T>(value: T | undefined, key: string): T {
  if (value === undefined || value === '') throw invalid(`Missing required field: ${key}`);
  return value;
}

/** Texts by name; numbers and booleans count as their text. */
export function mapIn(body: Json, key: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(objectIn(body, key) ?? {}).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}
