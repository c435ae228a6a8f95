// Datasets of files as Data Factory wrote them before formats were datasets of their own: the container is the first
// part of folderPath, and fileName may be a pattern. Such a location is `{ type, path, name }` until it is evaluated.
import type { JsonObject, JsonValue } from '../json.ts';

const CONTAINER_KEYS: Readonly<Record<string, string>> = {
  AzureBlobStorageLocation: 'container',
  AzureBlobFSLocation: 'fileSystem',
};

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const PATTERN = /[*?]/;

/**
 * Evaluated typeProperties of a dataset with the location of today: container, folderPath and fileName. A pattern stands
 * in `location.wildcardFileName`, from where `withWildcard` takes it to the source that reads it.
 */
export function resolveLegacyLocation(properties: JsonObject): JsonObject {
  const { location, ...others } = properties;
  if (!isObject(location) || !('path' in location)) return properties;
  const { path, name, ...rest } = location;
  const parts = String(path ?? '')
    .split('/')
    .filter((part) => part !== '');
  const key = CONTAINER_KEYS[String(rest['type'])];
  const container = key === undefined ? undefined : parts.shift();
  const fileName = typeof name === 'string' && name !== '' ? name : undefined;
  return {
    ...others,
    location: {
      ...rest,
      ...(key === undefined || container === undefined ? {} : { [key]: container }),
      folderPath: parts.join('/'),
      ...(fileName === undefined
        ? {}
        : { [PATTERN.test(fileName) ? 'wildcardFileName' : 'fileName']: fileName }),
    },
  };
}

/** The source's settings with the pattern that its dataset names. */
export function withWildcard(dataset: JsonObject, settings: JsonObject): JsonObject {
  const location = dataset['location'];
  const pattern = isObject(location) ? location['wildcardFileName'] : undefined;
  if (pattern === undefined) return settings;
  const storeSettings = isObject(settings['storeSettings']) ? settings['storeSettings'] : {};
  return { ...settings, storeSettings: { wildcardFileName: pattern, ...storeSettings } };
}
