// Turns secret references into their values, inside one activity attempt and nowhere else.
import { rememberSecret } from '../../config/redaction.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { SecretReference } from './references.ts';

/** Where a secret stands: for messages that say which key to set. */
export interface SecretPlace {
  readonly linkedService: string;
  readonly key: string;
}

export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a secret from where it is kept. Throws SECRET_MISSING, AUTHENTICATION_FAILED or CONNECTION_FAILED. */
  read(reference: SecretReference, place: SecretPlace): Promise<string>;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a definition's value is a SecureString or a Key Vault reference. */
export const isSecret = (value: JsonValue): boolean =>
  isObject(value) &&
  typeof value['type'] === 'string' &&
  /^(securestring|azurekeyvaultsecret)$/i.test(value['type']);

const textOf = (object: JsonObject, key: string): string | undefined => {
  const value = object[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

const SETTING_KEYS: readonly (readonly string[])[] = [
  ['env'],
  ['keyVault', 'secret', 'version'],
  ['awsSecret', 'key', 'region'],
];

/** The reference that a table of waybill.toml stands for: `{ env }`, `{ keyVault, secret }`, `{ awsSecret, key }`. */
const settingReference = (value: JsonObject): 'env' | SecretReference | undefined => {
  const keys = Object.keys(value);
  const form = SETTING_KEYS.find(
    ([first = '', ...more]) =>
      keys.includes(first) && keys.every((key) => key === first || more.includes(key)),
  );
  if (form === undefined || textOf(value, form[0] ?? '') === undefined) return undefined;
  if (form[0] === 'env') return 'env';
  if (form[0] === 'keyVault') {
    const [vault, secret] = [textOf(value, 'keyVault'), textOf(value, 'secret')];
    if (vault === undefined || secret === undefined) return undefined;
    return { store: 'keyVault', vault, secret, version: textOf(value, 'version') };
  }
  return {
    store: 'aws',
    secret: textOf(value, 'awsSecret') ?? '',
    key: textOf(value, 'key'),
    region: textOf(value, 'region'),
  };
};

/**
 * A setting's value with every reference in it replaced by the secret: `{ env = "NAME" }`,
 * `{ keyVault = "<linked service or https address>", secret = "name" }`, `{ awsSecret = "<name or ARN>", key = "field" }`.
 * Throws SECRET_MISSING.
 */
export async function resolveSetting(
  value: JsonValue,
  place: SecretPlace,
  sources: SecretSources,
): Promise<JsonValue> {
  if (Array.isArray(value)) return Promise.all(value.map((entry) => resolveSetting(entry, place, sources)));
  if (!isObject(value)) return value;
  const reference = settingReference(value);
  if (reference === 'env') return fromEnvironment(textOf(value, 'env') ?? '', place, sources);
  if (reference !== undefined) return remembered(await sources.read(reference, place));
  const entries = await Promise.all(
    Object.entries(value).map(
      async ([key, entry]) => [key, await resolveSetting(entry, place, sources)] as const,
    ),
  );
  return Object.fromEntries(entries);
}

/** A definition's value, with SecureString unwrapped and AzureKeyVaultSecret read from its vault. */
export async function resolveDefined(
  value: JsonValue,
  place: SecretPlace,
  sources: SecretSources,
): Promise<JsonValue> {
  if (typeof value === 'string') rememberInConnectionString(value);
  if (!isObject(value)) return value;
  const type = textOf(value, 'type')?.toLowerCase();
  if (type === 'securestring') {
    const secret = value['value'] ?? '';
    return typeof secret === 'string' ? remembered(secret) : secret;
  }
  if (type !== 'azurekeyvaultsecret') return value;
  const store = isObject(value['store']) ? value['store'] : {};
  const vault = textOf(store, 'referenceName');
  const secret = textOf(value, 'secretName');
  if (vault === undefined || secret === undefined) {
    throw new WaybillError(
      'DEFINITION_INVALID',
      `"${place.key}" of linked service "${place.linkedService}" is an AzureKeyVaultSecret without store.referenceName or secretName.`,
      { ...place },
    );
  }
  const read = await sources.read(
    { store: 'keyVault', vault, secret, version: textOf(value, 'secretVersion') },
    place,
  );
  rememberInConnectionString(read);
  return remembered(read);
}

const remembered = (secret: string): string => {
  rememberSecret(secret);
  return secret;
};

const fromEnvironment = (name: string, place: SecretPlace, { env }: SecretSources): string => {
  const secret = env[name];
  if (secret !== undefined && secret !== '') return remembered(secret);
  throw new WaybillError(
    'SECRET_MISSING',
    `Linked service "${place.linkedService}" takes "${place.key}" from the environment variable ${name}, which is not set.`,
    { ...place, variable: name },
  );
};

/** `...;Password=x;...`: what stands there must not reach a log either. */
function rememberInConnectionString(value: string): void {
  for (const found of value.matchAll(/(?:password|pwd|accountkey|sharedaccesskey)\s*=\s*([^;]+)/gi))
    rememberSecret((found[1] as string).trim());
}
