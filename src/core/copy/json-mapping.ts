// A translator as a source of JSON reads it: which values of a document make a row, and which array makes rows.
import type { JsonObject, JsonValue } from '../json.ts';
import { type JsonPath, type JsonPathStep, jsonPath } from './json-path.ts';

/** A value of each row. */
export interface JsonField {
  /** The name of its column, as `sourceLabel` gives it to the copy's mapping. */
  readonly label: string;
  readonly path: JsonPath;
}

export interface JsonMapping {
  /** The array whose elements are the rows; absent where each document is one. */
  readonly collection?: readonly JsonPathStep[];
  /** Empty where the mapping names no columns: every member of a row is one then. */
  readonly fields: readonly JsonField[];
  /** Objects and arrays become their JSON text; otherwise NULL, as in ADF. */
  readonly complexAsText: boolean;
}

const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;

/** `collectionReference`, where it names anything. */
export const collectionOf = (translator: JsonObject | undefined): string | undefined => {
  const reference = translator?.['collectionReference'];
  return typeof reference === 'string' && reference.trim() !== '' ? reference : undefined;
};

/** "$['a']", "['a']", "$.a" and "a" name the column a. */
export const nameInPath = (path: string): string | undefined =>
  /^\$?\[\s*(['"])([^'"\]\\]+)\1\s*\]$/.exec(path.trim())?.[2] ??
  /^(?:\$\.)?([^.[\]$]+)$/.exec(path.trim())?.[1];

/**
 * The name of the source's column that a mapping entry means: `name`, or what `path` says. Where an array is taken apart,
 * $['id'] and ['id'] are two columns, so the path stands as it is written. `given` are additional columns' names.
 */
export const sourceLabel = (
  end: JsonObject | undefined,
  collection: boolean,
  given: ReadonlySet<string>,
): string | undefined => {
  const { name, path } = end ?? {};
  const inPath = typeof path === 'string' ? nameInPath(path) : undefined;
  if (inPath !== undefined && given.has(inPath.toLowerCase())) return inPath;
  if (collection && typeof path === 'string' && path.trim() !== '') return path;
  if (typeof name === 'string' && name !== '') return name;
  return inPath ?? (typeof path === 'string' && path.trim() !== '' ? path : undefined);
};

/** Names of the source's additional columns, in lower case. */
export const givenNames = (sourceSettings: JsonObject): ReadonlySet<string> => {
  const given = sourceSettings['additionalColumns'];
  return new Set(
    (Array.isArray(given) ? given : []).map((entry) => String(asObject(entry)?.['name'] ?? '').toLowerCase()),
  );
};

/** `schemaMapping`, the oldest form: [source, sink] in the order written. */
export const schemaMappingPairs = (translator: JsonObject | undefined): [string, string][] =>
  Object.entries(asObject(translator?.['schemaMapping']) ?? {}).map(([source, sink]) => [
    source,
    String(sink),
  ]);

/**
 * Undefined where the members of each object are columns as they come: no mapping, or one by positions. Throws
 * DEFINITION_UNSUPPORTED for paths that cannot be followed.
 */
export const jsonMapping = (
  translator: JsonValue | undefined,
  sourceSettings: JsonObject = {},
): JsonMapping | undefined => {
  const object = asObject(translator);
  const reference = collectionOf(object);
  const collection = reference === undefined ? [] : withoutRoot(jsonPath(reference).steps);
  const complex = object?.['mapComplexValuesToString'];
  const complexAsText = complex === undefined || complex === null || String(complex).toLowerCase() === 'true';
  const base = { complexAsText, ...(collection.length === 0 ? {} : { collection }) };
  const given = givenNames(sourceSettings);
  const ends = sourceEnds(object);
  if (ends.some(({ name, path }) => typeof name !== 'string' && typeof path !== 'string')) {
    return collection.length === 0 ? undefined : { ...base, fields: [] };
  }
  const fields: JsonField[] = [];
  for (const end of [...ends, ...repeatedColumns(ends, sourceSettings)]) {
    const label = sourceLabel(end, reference !== undefined, given);
    if (
      label === undefined ||
      given.has(label.toLowerCase()) ||
      fields.some((field) => field.label === label)
    )
      continue;
    fields.push({ label, path: pathOf(end) });
  }
  return fields.length === 0 && collection.length === 0 ? undefined : { ...base, fields };
};

const pathOf = ({ name, path }: JsonObject): JsonPath =>
  typeof path === 'string' && path.trim() !== ''
    ? jsonPath(path)
    : { absolute: false, steps: [{ member: String(name) }] };

/** An array at the root is taken apart anyway, and a collection ends with its elements whether it says so or not. */
const withoutRoot = (steps: readonly JsonPathStep[]): readonly JsonPathStep[] => {
  const first = steps.findIndex((step) => 'member' in step);
  if (first < 0) return [];
  const last = steps.findLastIndex((step) => !('every' in step));
  return steps.slice(first, last + 1);
};

const sourceEnds = (translator: JsonObject | undefined): JsonObject[] => {
  const mappings = translator?.['mappings'];
  if (Array.isArray(mappings) && mappings.length > 0)
    return mappings.map((entry) => asObject(asObject(entry)?.['source']) ?? {});
  return schemaMappingPairs(translator).map(([path]) => ({ path }));
};

/** Columns that `$$COLUMN:x` repeats and the mapping does not name. */
const repeatedColumns = (ends: readonly JsonObject[], settings: JsonObject): JsonObject[] => {
  const given = settings['additionalColumns'];
  if (ends.length === 0 || !Array.isArray(given)) return [];
  return given.flatMap((entry) => {
    const value = asObject(entry)?.['value'];
    return typeof value === 'string' && value.startsWith('$$COLUMN:')
      ? [{ name: value.slice('$$COLUMN:'.length) }]
      : [];
  });
};

/** Columns of a sink of documents that do not stand at an object's top: their names as mappings have them, and where. */
export const sinkPaths = (translator: JsonValue | undefined): Map<string, readonly JsonPathStep[]> => {
  const object = asObject(translator);
  const mappings = object?.['mappings'];
  const written = Array.isArray(mappings)
    ? mappings.map((entry) => asObject(asObject(entry)?.['sink']) ?? {})
    : schemaMappingPairs(object).map(([, path]): JsonObject => ({ path }));
  return new Map(
    written.flatMap(({ name, path }) =>
      (typeof name === 'string' && name !== '') || typeof path !== 'string' || nameInPath(path) !== undefined
        ? []
        : [[path, jsonPath(path).steps] as const],
    ),
  );
};
