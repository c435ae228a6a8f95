// Resolves a linked service at the moment of use: definition, parameters, the settings' overrides, secrets.
import { randomInt, randomUUID } from 'node:crypto';
import type { LinkedServiceOverrides, Settings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { EvaluationContext } from '../core/expression/context.ts';
import { evaluateDeep } from '../core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { ConnectedLinkedService, LinkedServiceResolver } from '../core/linked-service.ts';
import { nearestName } from '../core/nearest-name.ts';
import { resolveParameters } from '../core/pipeline/parameters.ts';
import { compileLinkedService, type LinkedServiceDefinition } from '../definitions/compile-store.ts';
import { readFactory } from '../definitions/factory.ts';
import { globalParameters } from '../definitions/global-parameters.ts';
import { overriddenKeys, sentence } from '../definitions/validate.ts';
import { isSecret, resolveDefined, resolveSetting } from './secrets.ts';

/** Properties of an address. Once settings give one of them, the definition's credentials no longer hold. */
const ADDRESS_KEYS = ['server', 'host', 'accountidentifier', 'serviceurl', 'url', 'serviceendpoint'];
/** Properties that carry a credential without saying so by their type. */
const CREDENTIAL_KEYS = ['connectionstring', 'accesskeyid', 'sasuri', 'sastoken'];

/**
 * A resolver over the settings' factory. Reads the linked services at each call, so an edit counts for the next activity.
 * Throws REFERENCE_MISSING, DEFINITION_INVALID, PARAMETER_MISSING, EXPRESSION_INVALID or SECRET_MISSING.
 */
export function createLinkedServiceResolver(dependencies: {
  settings: Pick<Settings, 'factoryDirectory' | 'linkedService'>;
  env: Readonly<Record<string, string | undefined>>;
}): LinkedServiceResolver {
  const { settings, env } = dependencies;
  return async (name, parameters = {}) => {
    const { definition, globals } = readDefinition(name, settings);
    const overrides = overridesOf(settings, definition.name);
    const values = resolveParameters(
      `linked service "${definition.name}"`,
      definition.parameters,
      parameters,
      {
        ignoreUnknown: true,
      },
    );
    return connect(definition, values, globals, overrides, env);
  };
}

function readDefinition(
  name: string,
  settings: Pick<Settings, 'factoryDirectory' | 'linkedService'>,
): { definition: LinkedServiceDefinition; globals: JsonObject } {
  const factory = readFactory(settings.factoryDirectory, ['linkedService', 'factory']);
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
  return { definition, globals };
}

const overridesOf = (settings: Pick<Settings, 'linkedService'>, name: string): LinkedServiceOverrides =>
  Object.entries(settings.linkedService).find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1] ??
  {};

function connect(
  definition: LinkedServiceDefinition,
  parameters: JsonObject,
  globals: JsonObject,
  overrides: LinkedServiceOverrides,
  env: Readonly<Record<string, string | undefined>>,
): ConnectedLinkedService {
  const context: EvaluationContext = {
    roots: { linkedservice: () => parameters, pipeline: () => ({ globalParameters: globals }) },
    now: () => Date.now(),
    guid: () => randomUUID(),
    random: () => randomInt(2 ** 32) / 2 ** 32,
  };
  const replaced = new Set(Object.keys(overrides).map((key) => key.toLowerCase()));
  const elsewhere = ADDRESS_KEYS.some((address) => replaced.has(address));
  const properties: JsonObject = {};
  for (const [key, value] of Object.entries(definition.typeProperties)) {
    const lower = key.toLowerCase();
    // Only Azure can open an encryptedCredential; `validate` has warned of it.
    if (replaced.has(lower) || lower === 'encryptedcredential') continue;
    // A credential belongs to the address it was written with: never show it to another one.
    if (elsewhere && (isSecret(value) || CREDENTIAL_KEYS.includes(lower))) continue;
    const place = { linkedService: definition.name, key };
    properties[key] = resolveDefined(evaluateDeep(value, context), place);
  }
  const spelling = new Map(Object.keys(definition.typeProperties).map((key) => [key.toLowerCase(), key]));
  for (const [key, value] of Object.entries(overrides)) {
    // Settings are values, not expressions: a password may well begin with "@".
    const place = { linkedService: definition.name, key };
    properties[spelling.get(key.toLowerCase()) ?? key] = resolveSetting(value as JsonValue, place, env);
  }
  return { name: definition.name, type: definition.type, properties };
}
