// A factory: the resources of one folder, each with its file, read leniently, found by kind and name.
import { type Dirent, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { MAX_JSON_LENGTH, readJson } from './json-reader.ts';
import { Problems } from './problem.ts';

/** The folder names of Data Factory's Git layout, and waybill's own `lakehouse`. */
export const KINDS = [
  'linkedService',
  'dataset',
  'pipeline',
  'trigger',
  'dataflow',
  'integrationRuntime',
  'factory',
  'credential',
  'managedVirtualNetwork',
  'managedPrivateEndpoint',
  'lakehouse',
] as const;
export type ResourceKind = (typeof KINDS)[number];

export interface Resource {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Relative to the factory directory, with forward slashes. */
  readonly file: string;
  /** The content of `properties`, or the whole object where the file has none. */
  readonly properties: JsonObject;
  /** Path of `properties` within the file: pointers start with it. */
  readonly path: readonly string[];
  readonly problems: Problems;
}

export interface Factory {
  readonly directory: string;
  readonly resources: readonly Resource[];
  /** Files that hold no resource, with the reason. */
  readonly unreadable: readonly Problems[];
  /** By name, exactly or else ignoring case. */
  find(kind: ResourceKind, name: string): Resource | undefined;
  names(kind: ResourceKind): string[];
}

const kindOfFolder = new Map<string, ResourceKind>(KINDS.map((kind) => [kind.toLowerCase(), kind]));
/** Folders are searched this deep for a nested root such as adf/src/pipeline/. */
const MAX_FOLDER_DEPTH = 6;
const SKIPPED = new Set(['node_modules', '.git', '.venv', 'build', 'dist']);

/**
 * Reads the resources below the directory, all or only those of some kinds. Throws OBJECT_MISSING where there is no such
 * directory.
 */
export function readFactory(directory: string, kinds: readonly ResourceKind[] = KINDS): Factory {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new WaybillError('OBJECT_MISSING', `There is no factory directory ${directory}.`, { directory });
  }
  const resources: Resource[] = [];
  const unreadable: Problems[] = [];
  for (const { path, kind } of findFiles(directory, kinds)) {
    const file = relative(directory, path).split(sep).join('/');
    const problems = new Problems(file);
    const resource = readResource(path, file, kind, problems);
    if (resource === undefined) unreadable.push(problems);
    else resources.push(resource);
  }
  return index(directory, resources, unreadable);
}

function findFiles(root: string, kinds: readonly ResourceKind[]): { path: string; kind: ResourceKind }[] {
  const found: { path: string; kind: ResourceKind }[] = [];
  const seen = new Set<string>();
  const visit = (directory: string, kind: ResourceKind | undefined, depth: number): void => {
    const real = realpathSync(directory);
    if (seen.has(real)) return;
    seen.add(real);
    const entries = readdirSync(directory, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(directory, entry.name);
      const type = typeOf(entry, path);
      if (type === 'directory' && depth < MAX_FOLDER_DEPTH && !SKIPPED.has(entry.name)) {
        // Folders within a kind's folder only sort its files; "factory" is also a usual name for a whole repository.
        const inner = kindOfFolder.get(entry.name.toLowerCase()) ?? (kind === 'factory' ? undefined : kind);
        if (inner === undefined || inner === 'factory' || kinds.includes(inner))
          visit(path, inner, depth + 1);
      } else if (
        type === 'file' &&
        kind !== undefined &&
        kinds.includes(kind) &&
        /\.json$/i.test(entry.name)
      ) {
        found.push({ path, kind });
      }
    }
  };
  // The root's own name says nothing: it may well be called "factory".
  visit(root, undefined, 0);
  return found;
}

/** Links are followed: mounted configuration is made of them. */
function typeOf(entry: Dirent, path: string): 'file' | 'directory' | 'other' {
  const kind = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
  return kind?.isFile() ? 'file' : kind?.isDirectory() ? 'directory' : 'other';
}

function readResource(
  path: string,
  file: string,
  kind: ResourceKind,
  problems: Problems,
): Resource | undefined {
  const size = statSync(path).size;
  if (size > MAX_JSON_LENGTH) {
    problems.error([], 'DEFINITION_INVALID', `The file has ${size} bytes; ${MAX_JSON_LENGTH} are allowed.`);
    return undefined;
  }
  const reading = readJson(decode(readFileSync(path)), file);
  problems.list.push(...reading.problems);
  const value = reading.value;
  if (value === undefined) return undefined;
  if (!isObject(value)) {
    problems.error([], 'DEFINITION_INVALID', 'The file holds no JSON object.');
    return undefined;
  }
  return { kind, ...shape(value, kind, file, problems), file, problems };
}

/** UTF-8, or UTF-16 where a byte order mark says so: PowerShell writes that. */
const decode = (bytes: Buffer): string =>
  bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.toString('utf16le') : bytes.toString('utf8');

/** Finds name and properties, in ADF's shape or without the `properties` wrapper. */
function shape(
  value: JsonObject,
  kind: ResourceKind,
  file: string,
  problems: Problems,
): Pick<Resource, 'name' | 'properties' | 'path'> {
  const fileName = (file.split('/').at(-1) ?? file).replace(/\.json$/i, '');
  let name = value['name'];
  if (typeof name !== 'string' || name === '') {
    if (kind !== 'lakehouse')
      problems.warn(
        [],
        'SHAPE_TOLERATED',
        'The resource has no name.',
        `Its file name "${fileName}" is used.`,
      );
    name = fileName;
  }
  const properties = value['properties'];
  if (isObject(properties)) return { name, properties, path: ['properties'] };
  if (kind !== 'lakehouse' && kind !== 'factory') {
    problems.warn(
      [],
      'SHAPE_TOLERATED',
      '"properties" is missing; its content stands at the top.',
      'Wrap everything but "name" in "properties": { ... }.',
    );
  }
  return { name, properties: value, path: [] };
}

function index(directory: string, resources: Resource[], unreadable: Problems[]): Factory {
  const byKey = new Map<string, Resource>();
  const key = (kind: ResourceKind, name: string): string => `${kind}/${name.toLowerCase()}`;
  for (const resource of resources) {
    const other = byKey.get(key(resource.kind, resource.name));
    if (other === undefined) byKey.set(key(resource.kind, resource.name), resource);
    else
      resource.problems.error(
        ['name'],
        'DEFINITION_INVALID',
        `${resource.kind} "${resource.name}" is also defined in ${other.file}.`,
        'Names are unique within a kind, whatever their case.',
      );
  }
  return {
    directory,
    resources,
    unreadable,
    find: (kind, name) => byKey.get(key(kind, name)),
    names: (kind) => resources.filter((resource) => resource.kind === kind).map(({ name }) => name),
  };
}

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
