// Datasets and linked services: checks them once and keeps what the runtime needs of them.
import type { JsonObject, JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import type { DatasetSnapshot, ParameterSpecification } from '../core/pipeline/snapshot.ts';
import { checkExpressions } from './check-expressions.ts';
import type { Factory } from './factory.ts';
import { modernFileDataset } from './legacy-files.ts';
import { parseWith } from './parse-resource.ts';
import { didYouMean, type Problems } from './problem.ts';
import { isObject, type Resource } from './resource.ts';
import { datasetSchema, linkedServiceSchema } from './schemas.ts';
import { type StoreRole, storeType } from './types.ts';

export interface LinkedServiceDefinition {
  readonly name: string;
  /** ADF's type; in ADF's spelling where waybill has a connector. */
  readonly type: string;
  readonly typeProperties: JsonObject;
  readonly parameters: Record<string, ParameterSpecification>;
}

/** Linked services' typeProperties that settings replace, by name; only the keys matter here. */
export type OverriddenKeys = (linkedService: string, type: string) => readonly string[];

/** zod leaves `undefined` behind for what is absent; snapshots do not. */
export const specificationsOf = (
  parsed: Record<string, { type: string; defaultValue?: unknown }>,
): Record<string, ParameterSpecification> =>
  Object.fromEntries(
    Object.entries(parsed).map(([name, { type, defaultValue }]) => [
      name,
      (defaultValue === undefined ? { type } : { type, defaultValue }) as ParameterSpecification,
    ]),
  );

export function compileLinkedService(
  resource: Resource,
  factory: Factory,
  overridden: OverriddenKeys,
  globals: readonly string[],
): LinkedServiceDefinition | undefined {
  const { problems, path } = resource;
  const parsed = parseWith(linkedServiceSchema, resource.properties, path, problems);
  if (parsed === undefined) return undefined;
  const typeProperties = parsed.typeProperties as JsonObject;
  const store = storeType('linkedService', parsed.type);
  if (store.verdict === 'unknown')
    unknownStore('linkedService', parsed.type, store.near, [...path, 'type'], problems);
  const keys = new Set(overridden(resource.name, parsed.type).map((key) => key.toLowerCase()));
  checkExpressions(
    typeProperties,
    [...path, 'typeProperties'],
    { linkedService: Object.keys(parsed.parameters), globalParameters: globals },
    problems,
  );
  if ('encryptedCredential' in typeProperties && keys.size === 0) {
    problems.warn(
      [...path, 'typeProperties', 'encryptedCredential'],
      'SECRET_OPAQUE',
      'Only Azure can open encryptedCredential.',
      `Set [linkedService.${resource.name}] password in waybill.toml, or use a Key Vault reference.`,
    );
  }
  checkVaults(resource, typeProperties, factory, keys);
  return {
    name: resource.name,
    type: store.verdict === 'supported' ? store.type : parsed.type,
    typeProperties,
    parameters: specificationsOf(parsed.parameters),
  };
}

/** Every Key Vault reference that settings do not replace needs its linked service. */
function checkVaults(
  resource: Resource,
  typeProperties: JsonObject,
  factory: Factory,
  keys: ReadonlySet<string>,
): void {
  for (const [key, value] of Object.entries(typeProperties)) {
    if (keys.has(key.toLowerCase()) || !isObject(value) || value['type'] !== 'AzureKeyVaultSecret') continue;
    const vault = isObject(value['store']) ? value['store']['referenceName'] : undefined;
    if (typeof vault === 'string' && factory.find('linkedService', vault, resource) !== undefined) continue;
    resource.problems.error(
      [...resource.path, 'typeProperties', key, 'store', 'referenceName'],
      'REFERENCE_MISSING',
      `There is no linked service "${String(vault)}" for the vault of "${key}".`,
      didYouMean(nearestName(String(vault), factory.names('linkedService'))) ??
        `Or set [linkedService.${resource.name}] ${key} in waybill.toml.`,
    );
  }
}

export function compileDataset(
  resource: Resource,
  factory: Factory,
  globals: readonly string[],
): DatasetSnapshot | undefined {
  const { problems, path } = resource;
  const parsed = parseWith(datasetSchema, resource.properties, path, problems);
  if (parsed === undefined) return undefined;
  const store = storeType('dataset', parsed.type);
  if (store.verdict === 'unknown')
    unknownStore('dataset', parsed.type, store.near, [...path, 'type'], problems);
  const legacy =
    store.verdict === 'supported'
      ? modernFileDataset(
          store.type,
          parsed.typeProperties as JsonObject,
          [...path, 'typeProperties'],
          problems,
        )
      : undefined;
  const { referenceName, parameters } = parsed.linkedServiceName;
  if (factory.find('linkedService', referenceName, resource) === undefined) {
    problems.error(
      [...path, 'linkedServiceName', 'referenceName'],
      'REFERENCE_MISSING',
      `There is no linked service "${referenceName}".`,
      didYouMean(nearestName(referenceName, factory.names('linkedService'))),
    );
  }
  const scope = { dataset: Object.keys(parsed.parameters), globalParameters: globals, caller: true };
  checkExpressions(parsed.typeProperties as JsonObject, [...path, 'typeProperties'], scope, problems);
  checkExpressions(parameters as JsonObject, [...path, 'linkedServiceName', 'parameters'], scope, problems);
  const type = legacy?.type ?? (store.verdict === 'supported' ? store.type : parsed.type);
  return {
    type,
    linkedService: referenceName,
    linkedServiceParameters: parameters as JsonObject,
    parameters: specificationsOf(parsed.parameters),
    typeProperties: withSchema(
      legacy?.typeProperties['formatless'] === true ? 'DelimitedText' : type,
      legacy?.typeProperties ?? (parsed.typeProperties as JsonObject),
      parsed['schema'] ?? (legacy === undefined ? undefined : parsed['structure']),
    ),
  };
}

/** Files of text do not say their columns' types: ADF keeps them in the dataset's schema, beside its typeProperties. */
const withSchema = (type: string, properties: JsonObject, schema: unknown): JsonObject => {
  if (!['delimitedtext', 'excel', 'json'].includes(type.toLowerCase())) return properties;
  return Array.isArray(schema) && schema.length > 0
    ? { ...properties, schema: schema as JsonValue[] }
    : properties;
};

const ROLE_NAMES: Readonly<Record<StoreRole, string>> = {
  linkedService: 'linked service',
  dataset: 'dataset',
  source: 'source',
  sink: 'sink',
};

/** Reports a mistyped store type. */
export function unknownStore(
  role: StoreRole,
  type: string,
  near: string,
  path: readonly PropertyKey[],
  problems: Problems,
): void {
  problems.error(
    path,
    'STORE_UNKNOWN',
    `${ROLE_NAMES[role]} type "${type}" is not one Data Factory has.`,
    didYouMean(near),
  );
}

/** Reports a store type that Data Factory has and waybill has not. */
export function unsupportedStore(
  role: StoreRole,
  type: string,
  path: readonly PropertyKey[],
  problems: Problems,
): void {
  problems.error(
    path,
    'DEFINITION_UNSUPPORTED',
    `waybill has no connector for ${ROLE_NAMES[role]} type "${type}" yet.`,
  );
}
