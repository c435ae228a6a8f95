// Resolves a linked service at the moment of use: definition, parameters, the settings' overrides, secrets.
import { randomInt, randomUUID } from 'node:crypto';
import { rememberSecret } from '../config/redaction.ts';
import type { Settings } from '../config/settings.ts';
import { connectionStringPairs } from '../connectors/common/connection-string.ts';
import { STAGING_SERVICE } from '../core/dataflow/run.ts';
import { WaybillError } from '../core/errors.ts';
import type { EvaluationContext } from '../core/expression/context.ts';
import { evaluateDeep } from '../core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import {
  type ConnectedLinkedService,
  type LinkedServiceResolver,
  overridesFor,
} from '../core/linked-service.ts';
import { nearestName } from '../core/nearest-name.ts';
import { resolveParameters } from '../core/pipeline/parameters.ts';
import { compileLinkedService, type LinkedServiceDefinition } from '../definitions/compile-store.ts';
import { type Factory, isObject, readFactory } from '../definitions/factory.ts';
import { globalParameters } from '../definitions/global-parameters.ts';
import { overriddenKeys, sentence } from '../definitions/validate.ts';
import { readAwsSecret } from './secrets/aws.ts';
import { readKeyVault } from './secrets/key-vault.ts';
import { describeReference, type SecretReference } from './secrets/references.ts';
import { isSecret, resolveDefined, resolveSetting, type SecretSources } from './secrets/resolve.ts';
import { SecretCache } from './secrets/secret-cache.ts';
import { createOutboundHttp } from './web/outbound-http.ts';

/** Properties of an address. Once settings give one of them, the definition's credentials no longer hold. */
const ADDRESS_KEYS = [
  'server',
  'host',
  'domain',
  'accountidentifier',
  'serviceurl',
  'url',
  'serviceendpoint',
];
/** Properties that carry a credential without saying so by their type. */
const CREDENTIAL_KEYS = ['credential', 'connectionstring', 'accesskeyid', 'sasuri', 'sastoken'];

/** Linked services that are HTTP endpoints. */
const HTTP_TYPES = ['RestService', 'HttpServer'];

type Environment = Readonly<Record<string, string | undefined>>;

/** Resolves linked services, and knows when a refused secret has a successor. */
export interface LinkedServices {
  readonly resolve: LinkedServiceResolver;
  /** The secret that stands in an activity: text, a SecureString or a Key Vault reference. Throws as `resolve` does. */
  secret(value: JsonValue, place: { readonly activity: string; readonly key: string }): Promise<JsonValue>;
  /** Whether a secret of the linked service has changed after `since`, ms since epoch; asks where it is kept. */
  secretsChanged(linkedService: string, since: number): Promise<boolean>;
}

/**
 * Linked services of the settings' factory. Reads their files at each call, so an edit counts for the next activity.
 * `resolve` throws REFERENCE_MISSING, DEFINITION_INVALID, PARAMETER_MISSING, EXPRESSION_INVALID, SECRET_MISSING, and what
 * a vault answers: AUTHENTICATION_FAILED or CONNECTION_FAILED.
 */
export function createLinkedServices(dependencies: {
  settings: Pick<Settings, 'factoryDirectory' | 'linkedService' | 'linkedServiceType'> &
    Partial<Pick<Settings, 'web'>>;
  env: Environment;
}): LinkedServices {
  const { settings, env } = dependencies;
  const read = async (reference: SecretReference): Promise<string> =>
    reference.store === 'aws'
      ? readAwsSecret(reference)
      : readKeyVault(await vaultOf(reference.vault), reference.secret, reference.version);
  const cache = new SecretCache(read);
  const http = createOutboundHttp(settings.web?.allow ?? []);
  const resolve: LinkedServiceResolver = async (name, parameters = {}) => {
    const { definition, globals } = readDefinition(name, settings);
    const values = resolveParameters(
      `linked service "${definition.name}"`,
      definition.parameters,
      parameters,
      {
        ignoreUnknown: true,
      },
    );
    const sources: SecretSources = {
      env,
      read: (reference, place) =>
        cache.get(reference, definition.name).catch((error: unknown) => {
          throw named(error, reference, place.linkedService, place.key);
        }),
    };
    const service = await connect(definition, values, globals, overridesFor(settings, definition), sources);
    return HTTP_TYPES.includes(service.type) ? { ...service, http } : service;
  };
  /** A vault's own settings may come from the environment, not from another vault: nobody could tell where that ends. */
  const vaultOf = async (vault: string): Promise<ConnectedLinkedService> => {
    if (/^https:/i.test(vault)) return { name: vault, type: 'AzureKeyVault', properties: { baseUrl: vault } };
    const { definition, globals } = readDefinition(vault, settings);
    const sources: SecretSources = {
      env,
      read: async (reference, place) => {
        throw new WaybillError(
          'DEFINITION_UNSUPPORTED',
          `"${place.key}" of the Key Vault "${vault}" is ${describeReference(reference)}; give it by { env = "NAME" } in waybill.toml.`,
          { ...place },
        );
      },
    };
    return connect(definition, {}, globals, overridesFor(settings, definition), sources);
  };
  return {
    resolve,
    secret: (value, { activity, key }) => {
      if (typeof value === 'string') rememberSecret(value);
      const sources: SecretSources = {
        env,
        read: (reference) =>
          cache.get(reference, `activity ${activity}`).catch((error: unknown) => {
            const cause = error instanceof WaybillError ? error : undefined;
            throw new WaybillError(
              cause?.code ?? 'CONNECTION_FAILED',
              `"${key}" of "${activity}" is ${describeReference(reference)}. ${cause?.message ?? 'It cannot be read.'}`,
              { activity, key, ...cause?.details },
            );
          }),
      };
      return resolveDefined(value, { linkedService: activity, key }, sources);
    },
    secretsChanged: (linkedService, since) => {
      const { definition } = readDefinition(linkedService, settings);
      return cache.changedSince(definition.name, since);
    },
  };
}

/** What could not be read, for whom, and which key replaces it. */
function named(error: unknown, reference: SecretReference, linkedService: string, key: string): WaybillError {
  const cause = error instanceof WaybillError ? error : undefined;
  return new WaybillError(
    cause?.code ?? 'CONNECTION_FAILED',
    `"${key}" of linked service "${linkedService}" is ${describeReference(reference)}. ${cause?.message ?? 'It cannot be read.'} ` +
      `To do without: [linkedService.${linkedService}] ${key} = { env = "NAME" } in waybill.toml.`,
    { linkedService, key, ...cause?.details },
  );
}

function readDefinition(
  name: string,
  settings: Pick<Settings, 'factoryDirectory' | 'linkedService' | 'linkedServiceType'>,
): { definition: LinkedServiceDefinition; globals: JsonObject } {
  if (name === STAGING_SERVICE)
    return { definition: { name, type: 'AmazonS3', typeProperties: {}, parameters: {} }, globals: {} };
  const factory = readFactory(settings.factoryDirectory, ['linkedService', 'factory', 'credential']);
  const resource = factory.find('linkedService', name);
  if (resource === undefined) {
    const near = nearestName(name, factory.names('linkedService'));
    throw new WaybillError(
      'REFERENCE_MISSING',
      `There is no linked service "${name}" in ${settings.factoryDirectory}.${near === undefined ? '' : ` The nearest name is "${near}".`}`,
      { linkedService: name },
    );
  }
  const globals = globalParameters(factory).values;
  const definition = compileLinkedService(resource, factory, overriddenKeys(settings), Object.keys(globals));
  const broken = resource.problems.list.find(({ severity }) => severity === 'error');
  if (definition === undefined || broken !== undefined) {
    const reason = broken === undefined ? `${resource.file} cannot be read.` : sentence(broken);
    throw new WaybillError('DEFINITION_INVALID', reason, { linkedService: name });
  }
  return { definition: withCredential(definition, factory), globals };
}

/** The definition with what its credential says (`{ type, resourceId, ... }`) in place of the reference to it. */
function withCredential(definition: LinkedServiceDefinition, factory: Factory): LinkedServiceDefinition {
  const { credential } = definition.typeProperties;
  const name = isObject(credential) ? credential['referenceName'] : undefined;
  const found = typeof name === 'string' ? factory.find('credential', name)?.properties : undefined;
  if (!isObject(credential) || !isObject(found)) return definition;
  const own = isObject(found['typeProperties']) ? found['typeProperties'] : {};
  const merged = { ...credential, type: found['type'] ?? null, ...own } as JsonObject;
  return { ...definition, typeProperties: { ...definition.typeProperties, credential: merged } };
}

async function connect(
  definition: LinkedServiceDefinition,
  parameters: JsonObject,
  globals: JsonObject,
  { overrides, defaults }: ReturnType<typeof overridesFor>,
  sources: SecretSources,
): Promise<ConnectedLinkedService> {
  const context: EvaluationContext = {
    roots: { linkedservice: () => parameters, pipeline: () => ({ globalParameters: globals }) },
    now: () => Date.now(),
    guid: () => randomUUID(),
    random: () => randomInt(2 ** 32) / 2 ** 32,
  };
  const replaced = new Set(Object.keys(overrides).map((key) => key.toLowerCase()));
  const elsewhere = ADDRESS_KEYS.some((address) => replaced.has(address));
  const properties: JsonObject = {};
  let named: JsonObject = {};
  for (const [key, value] of Object.entries(definition.typeProperties)) {
    const lower = key.toLowerCase();
    // Only Azure can open an encryptedCredential; `validate` has warned of it.
    if (replaced.has(lower) || lower === 'encryptedcredential') continue;
    // A credential belongs to the address it was written with: never show it to another one.
    if (elsewhere && (isSecret(value) || CREDENTIAL_KEYS.includes(lower))) {
      if (lower === 'connectionstring') named = namedIn(value, context);
      continue;
    }
    const place = { linkedService: definition.name, key };
    const evaluated = evaluateDeep(value, context);
    properties[key] =
      lower === 'credential' && isObject(evaluated)
        ? await resolveEach(evaluated as JsonObject, place, sources)
        : await resolveDefined(evaluated, place, sources);
  }
  const spelling = new Map(Object.keys(definition.typeProperties).map((key) => [key.toLowerCase(), key]));
  for (const [key, value] of Object.entries(overrides)) {
    // Settings are values, not expressions: a password may well begin with "@".
    const place = { linkedService: definition.name, key };
    const name = spelling.get(key.toLowerCase()) ?? key;
    properties[name] = await resolveSetting(value as JsonValue, place, sources);
  }
  // What a database is called says a connection string too, which went with its credentials.
  const known = new Set(Object.keys(properties).map((key) => key.toLowerCase()));
  for (const [key, value] of Object.entries({ ...defaults, ...named }))
    if (!known.has(key.toLowerCase())) properties[key] = value;
  return { name: definition.name, type: definition.type, properties };
}

/** The database, schema and warehouse that a connection string names; none where it is a secret or an expression fails. */
function namedIn(value: JsonValue, context: EvaluationContext): JsonObject {
  let text: JsonValue | undefined;
  try {
    text = isObject(value) && isSecret(value) ? value['value'] : evaluateDeep(value, context);
  } catch {
    return {};
  }
  if (typeof text !== 'string') return {};
  const query = /^(?:jdbc:)?snowflake:\/\/[^?]*\?(.*)$/i.exec(text)?.[1];
  const pairs =
    query === undefined
      ? connectionStringPairs(text)
      : new Map([...new URLSearchParams(query)].map(([key, entry]) => [key.toLowerCase(), entry]));
  const names = {
    database: pairs.get('database') ?? pairs.get('initialcatalog') ?? pairs.get('db'),
    schema: pairs.get('schema'),
    warehouse: pairs.get('warehouse'),
  };
  return Object.fromEntries(Object.entries(names).filter(([, name]) => name !== undefined)) as JsonObject;
}

/** A credential's own properties may be secrets. */
async function resolveEach(
  value: JsonObject,
  place: { readonly linkedService: string; readonly key: string },
  sources: SecretSources,
): Promise<JsonObject> {
  const resolved: JsonObject = {};
  for (const [key, entry] of Object.entries(value))
    resolved[key] = await resolveDefined(entry, place, sources);
  return resolved;
}
