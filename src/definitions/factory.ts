// A factory: the resources of one folder, each with its file, read leniently, found by kind and name.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { ADF_TYPES } from './adf-types.ts';
import { isTemplate, templateResources } from './arm-template.ts';
import { type FoundFile, findFiles } from './find-files.ts';
import { MAX_JSON_LENGTH, readJson } from './json-reader.ts';
import { Problems } from './problem.ts';
import { isObject, KINDS, type Resource, type ResourceKind } from './resource.ts';

export { isObject, type Resource, type ResourceKind } from './resource.ts';

export interface Factory {
  readonly directory: string;
  readonly resources: readonly Resource[];
  /** Files that hold no resource, with the reason. */
  readonly unreadable: readonly Problems[];
  /**
   * By name, exactly or else ignoring case. Where several factories lie in the directory, the one nearest to the resource
   * that refers to it, else the first.
   */
  find(kind: ResourceKind, name: string, from?: Resource): Resource | undefined;
  names(kind: ResourceKind): string[];
}

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
  for (const found of findFiles(directory)) {
    if (found.kind === 'loose') {
      resources.push(...readLoose(found).filter(({ kind }) => kinds.includes(kind)));
      continue;
    }
    const kind = found.kind === 'fabric' ? 'pipeline' : found.kind;
    if (!kinds.includes(kind)) continue;
    const problems = new Problems(found.file);
    const value = readObject(found, problems);
    if (value === undefined) unreadable.push(problems);
    else if (!isForeign(kind, value)) resources.push(resourceOf(value, kind, found, problems));
  }
  return index(directory, withoutCopies(resources), unreadable);
}

function readObject({ path, file }: FoundFile, problems: Problems): JsonObject | undefined {
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
  return value;
}

/** UTF-8, or UTF-16 where a byte order mark says so: PowerShell writes that. */
const decode = (bytes: Buffer): string =>
  bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.toString('utf16le') : bytes.toString('utf8');

function resourceOf(value: JsonObject, kind: ResourceKind, found: FoundFile, problems: Problems): Resource {
  const { file, root } = found;
  if (found.kind !== 'fabric') return { kind, ...shape(value, kind, file, problems), file, root, problems };
  const properties = value['properties'];
  const fabricId = platformId(found.path);
  return {
    kind,
    name: typeof value['name'] === 'string' ? value['name'] : itemName(file),
    ...(isObject(properties) ? { properties, path: ['properties'] } : { properties: value, path: [] }),
    file,
    root,
    problems,
    fabricId,
  };
}

/** `Load.DataPipeline/pipeline-content.json` is the pipeline "Load". */
function itemName(file: string): string {
  const folder = file.split('/').at(-2);
  return folder === undefined || folder.toLowerCase() === 'pipeline'
    ? 'pipeline-content'
    : folder.replace(/\.DataPipeline$/i, '');
}

/** Fabric keeps an item's logical id in a file beside it. */
function platformId(path: string): string {
  const platform = join(dirname(path), '.platform');
  if (!existsSync(platform)) return '';
  const { value } = readJson(decode(readFileSync(platform)), platform);
  const config = isObject(value) ? value['config'] : undefined;
  const id = isObject(config) ? config['logicalId'] : undefined;
  return typeof id === 'string' ? id : '';
}

/** What a file outside of the Git layout holds: an ARM template's resources, or one resource that is plainly such. */
function readLoose(found: FoundFile): Resource[] {
  if (statSync(found.path).size > MAX_JSON_LENGTH) return [];
  const text = decode(readFileSync(found.path));
  if (!/Microsoft\.(DataFactory|Synapse)|"(activities|typeProperties)"/i.test(text)) return [];
  const reading = readJson(text, found.file);
  const value = reading.value;
  if (!isObject(value)) return [];
  const { root, file } = found;
  if (isTemplate(value)) {
    let first = true;
    return templateResources(value, templateValues(found.path)).map((resource) => {
      // Each has its own problems: what is wrong with one pipeline of a template is not wrong with the next.
      const problems = new Problems(file);
      if (first) problems.list.push(...reading.problems);
      first = false;
      return { ...resource, file, root, problems };
    });
  }
  const kind = kindOfContent(value);
  if (kind === undefined) return [];
  const problems = new Problems(file);
  problems.list.push(...reading.problems);
  return [resourceOf(value, kind, { ...found, kind }, problems)];
}

/** The values of `ARMTemplateParameters….json` beside a template. */
function templateValues(path: string): JsonObject {
  const beside = path.replace(/ARMTemplate(?!Parameters)([^/\\]*)$/i, 'ARMTemplateParameters$1');
  if (beside === path || !existsSync(beside) || statSync(beside).size > MAX_JSON_LENGTH) return {};
  const { value } = readJson(decode(readFileSync(beside)), beside);
  const parameters = isObject(value) ? value['parameters'] : undefined;
  if (!isObject(parameters)) return {};
  return Object.fromEntries(
    Object.entries(parameters).flatMap(([name, given]): [string, JsonValue][] =>
      isObject(given) && given['value'] !== undefined && given['value'] !== ''
        ? [[name, given['value']]]
        : [],
    ),
  );
}

const linkedServiceTypes = new Set(ADF_TYPES.linkedService.map((type) => type.toLowerCase()));

function kindOfContent(value: JsonObject): ResourceKind | undefined {
  const properties = value['properties'];
  if (!isObject(properties)) return undefined;
  if (Array.isArray(properties['activities'])) return 'pipeline';
  const type = String(properties['type'] ?? '');
  if (isObject(properties['linkedServiceName'])) return 'dataset';
  if (/Trigger$/.test(type)) return 'trigger';
  return linkedServiceTypes.has(type.toLowerCase()) && isObject(properties['typeProperties'])
    ? 'linkedService'
    : undefined;
}

/** Exports hold their resources twice, in one template and in linked ones. */
function withoutCopies(resources: Resource[]): Resource[] {
  const linked = /(^|\/)linkedTemplates\//i;
  const whole = new Set(
    resources
      .filter(({ file }) => !linked.test(file))
      .map(({ kind, name }) => `${kind}/${name.toLowerCase()}`),
  );
  return resources.filter(
    ({ file, kind, name }) => !linked.test(file) || !whole.has(`${kind}/${name.toLowerCase()}`),
  );
}

/** Kinds that Data Factory has not: their content stands at the top of their files. */
const OWN_KINDS: readonly ResourceKind[] = ['lakehouse', 'streams', 'migration'];

/** Other tools keep files in folders of such names: one that has nothing of a definition is theirs. */
const isForeign = (kind: ResourceKind, value: JsonObject): boolean =>
  OWN_KINDS.includes(kind) &&
  !['$schema', 'stages', 'engine', 'storage', 'job', 'lakehouse', 'datasets', 'properties'].some(
    (key) => key in value,
  );

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
    if (!OWN_KINDS.includes(kind))
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
  if (!OWN_KINDS.includes(kind) && kind !== 'factory') {
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
  const byKey = new Map<string, Resource[]>();
  const key = (kind: ResourceKind, name: string): string => `${kind}/${name.toLowerCase()}`;
  for (const resource of resources) {
    const others = byKey.get(key(resource.kind, resource.name)) ?? [];
    report(resource, others);
    byKey.set(key(resource.kind, resource.name), [...others, resource]);
    if (resource.fabricId !== undefined && resource.fabricId !== '')
      byKey.set(key(resource.kind, resource.fabricId), [resource]);
  }
  return {
    directory,
    resources,
    unreadable,
    find: (kind, name, from) => nearest(byKey.get(key(kind, name)) ?? [], from),
    names: (kind) => resources.filter((resource) => resource.kind === kind).map(({ name }) => name),
  };
}

/** One name twice is an error within a factory; two factories in one directory may use the same names. */
function report(resource: Resource, others: readonly Resource[]): void {
  const same = others.find(({ root }) => root === resource.root);
  if (same !== undefined)
    resource.problems.error(
      resource.path.slice(0, -1).concat('name'),
      'DEFINITION_INVALID',
      `${resource.kind} "${resource.name}" is also defined in ${same.file}.`,
      'Names are unique within a kind, whatever their case.',
    );
  else if (others[0] !== undefined && resource.kind === 'pipeline')
    resource.problems.warn(
      resource.path.slice(0, -1).concat('name'),
      'SHAPE_TOLERATED',
      `${resource.kind} "${resource.name}" is also defined in ${others[0].file}: there are several factories here.`,
      'Each uses the definitions of its own folder. Name that folder to run this one.',
    );
}

/** The candidate whose folder shares most with the referring resource's. */
function nearest(candidates: readonly Resource[], from: Resource | undefined): Resource | undefined {
  if (from === undefined || candidates.length < 2) return candidates[0];
  const wanted = from.root.split('/');
  const shared = ({ root }: Resource): number => {
    if (root === from.root) return Number.POSITIVE_INFINITY;
    const folders = root.split('/');
    let count = 0;
    while (count < folders.length && folders[count] === wanted[count]) count++;
    return count;
  };
  return candidates.reduce((best, other) => (shared(other) > shared(best) ? other : best));
}
