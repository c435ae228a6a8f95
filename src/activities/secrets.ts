// Turns secret references into their values, inside one activity attempt and nowhere else.
import { rememberSecret } from '../config/redaction.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';

/** Where a secret stands: for messages that say which key to set. */
export interface SecretPlace {
  readonly linkedService: string;
  readonly key: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a definition's value is a SecureString or a Key Vault reference. */
export const isSecret = (value: JsonValue): boolean =>
  isObject(value) &&
  typeof value['type'] === 'string' &&
  /^(securestring|azurekeyvaultsecret)$/i.test(value['type']);

/** A setting's value, with every `{ env: "NAME" }` replaced by that variable. Throws SECRET_MISSING. */
export function resolveSetting(value: JsonValue, place: SecretPlace, env: Environment): JsonValue {
  if (Array.isArray(value)) return value.map((entry) => resolveSetting(entry, place, env));
  if (!isObject(value)) return value;
  const name = value['env'];
  if (typeof name === 'string' && Object.keys(value).length === 1) {
    const secret = env[name];
    if (secret !== undefined && secret !== '') {
      rememberSecret(secret);
      return secret;
    }
    throw new WaybillError(
      'SECRET_MISSING',
      `Linked service "${place.linkedService}" takes "${place.key}" from the environment variable ${name}, which is not set.`,
      { ...place, variable: name },
    );
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, resolveSetting(entry, place, env)]),
  );
}

/**
 * A definition's value, with SecureString unwrapped. Key Vault references cannot be opened yet: SECRET_MISSING names
 * vault, secret, and the key in waybill.toml that replaces it.
 */
export function resolveDefined(value: JsonValue, place: SecretPlace): JsonValue {
  if (typeof value === 'string') rememberInConnectionString(value);
  if (!isObject(value)) return value;
  const type = typeof value['type'] === 'string' ? value['type'].toLowerCase() : '';
  if (type === 'securestring') {
    const secret = value['value'] ?? '';
    if (typeof secret === 'string') rememberSecret(secret);
    return secret;
  }
  if (type !== 'azurekeyvaultsecret') return value;
  const vault = isObject(value['store'] ?? null)
    ? (value['store'] as JsonObject)['referenceName']
    : undefined;
  const secret = typeof value['secretName'] === 'string' ? value['secretName'] : '?';
  throw new WaybillError(
    'SECRET_MISSING',
    `"${place.key}" of linked service "${place.linkedService}" is the secret "${secret}" in the Key Vault "${String(vault)}". ` +
      `waybill cannot open Key Vault yet: set [linkedService.${place.linkedService}] ${place.key} = { env = "NAME" } in waybill.toml.`,
    { ...place, vault: String(vault), secret },
  );
}

/** `...;Password=x;...`: what stands there must not reach a log either. */
function rememberInConnectionString(value: string): void {
  for (const found of value.matchAll(/(?:password|pwd|accountkey|sharedaccesskey)\s*=\s*([^;]+)/gi))
    rememberSecret((found[1] as string).trim());
}
