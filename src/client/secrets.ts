// `waybill secrets check`: resolves every secret that the factory refers to, as a worker would, and prints none.
import { loadSettings, type Settings } from '../config/settings.ts';
import { ERRORS, WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { type LinkedServiceResolver, overridesFor } from '../core/linked-service.ts';
import { isObject, readFactory } from '../definitions/factory.ts';
import { formatTable } from './format.ts';

/** What the command needs of the worker's own resolver. */
export interface SecretResolver {
  readonly resolve: LinkedServiceResolver;
  secret(value: JsonValue, place: { readonly activity: string; readonly key: string }): Promise<JsonValue>;
}

/** One place that refers to secrets. */
export interface CheckedPlace {
  /** "linked service ls_sql", "activity call of pl_x". */
  readonly place: string;
  /** What it refers to, never what that is: "AzureKeyVaultSecret sql-password", "env SQL_PASSWORD". */
  readonly references: readonly string[];
  /** unknown: its parameters have no values before it runs. */
  readonly state: 'resolved' | 'failed' | 'unknown';
  readonly code?: string;
  readonly message?: string;
}

/** Prints what was resolved and what was not; exit code 1 when something was not. */
export async function secretsCheckCommand(
  options: { json?: boolean },
  createResolver: (settings: Settings) => SecretResolver,
): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const places = await checkSecrets(settings, createResolver(settings));
  const failed = places.filter(({ state }) => state === 'failed');
  if (failed.length > 0) process.exitCode = 1;
  if (options.json === true) {
    console.log(JSON.stringify({ places, failed: failed.length }, null, 2));
    return;
  }
  if (places.length === 0) console.log('The factory refers to no secret.');
  const rows = places.map(({ state, place, references }) => [
    state === 'resolved' ? '✔' : state === 'failed' ? '✖' : '·',
    place,
    references.join(', '),
  ]);
  for (const line of formatTable(rows)) console.log(line);
  for (const { place, code, message, state } of places) {
    if (state === 'failed') console.log(`✖ ${place}: ${code} ${message}`);
    if (state === 'unknown') console.log(`· ${place}: ${message}`);
  }
}

/** Resolves each linked service, and each secret in an activity, of the settings' factory. */
export async function checkSecrets(settings: Settings, resolver: SecretResolver): Promise<CheckedPlace[]> {
  const factory = readFactory(settings.factoryDirectory);
  const places: CheckedPlace[] = [];
  for (const { kind, name, properties } of factory.resources) {
    if (kind === 'linkedService') {
      const { overrides } = overridesFor(settings, { name, type: String(properties['type'] ?? '') });
      const references = [
        ...referencesIn(properties['typeProperties'] ?? null).map(({ text }) => text),
        ...settingsReferencesIn(overrides as JsonObject),
      ];
      if (references.length === 0) continue;
      places.push(await tried(`linked service ${name}`, references, () => resolver.resolve(name)));
    } else if (kind === 'pipeline') {
      for (const { activity, key, value, text } of referencesIn(properties['activities'] ?? null))
        places.push(
          await tried(`activity ${activity} of ${name}`, [text], () =>
            resolver.secret(value, { activity, key }),
          ),
        );
    }
  }
  return places;
}

async function tried(
  place: string,
  references: readonly string[],
  resolve: () => Promise<unknown>,
): Promise<CheckedPlace> {
  try {
    await resolve();
    return { place, references, state: 'resolved' };
  } catch (error) {
    // Only our own words: a driver's might quote what it was given.
    const known = error instanceof WaybillError;
    const code = known ? error.code : 'INTERNAL';
    const message = known ? error.message : ERRORS.INTERNAL.meaning;
    const unknown = code === 'PARAMETER_MISSING' || code === 'EXPRESSION_INVALID';
    return { place, references, state: unknown ? 'unknown' : 'failed', code, message };
  }
}

interface Reference {
  readonly activity: string;
  readonly key: string;
  readonly value: JsonObject;
  readonly text: string;
}

/** Every SecureString and AzureKeyVaultSecret below a value, with the activity and property it stands in. */
function referencesIn(value: JsonValue, activity = '', key = ''): Reference[] {
  if (Array.isArray(value)) return value.flatMap((entry) => referencesIn(entry, activity, key));
  if (!isObject(value)) return [];
  const type = typeof value['type'] === 'string' ? value['type'].toLowerCase() : '';
  if (type === 'azurekeyvaultsecret')
    return [{ activity, key, value, text: `AzureKeyVaultSecret ${describe(value['secretName'])}` }];
  const inside = typeof value['name'] === 'string' && 'typeProperties' in value ? value['name'] : activity;
  return Object.entries(value).flatMap(([name, entry]) => referencesIn(entry, inside, name));
}

const describe = (name: JsonValue | undefined): string =>
  typeof name === 'string' ? name : 'by an expression';

/** `{ env = .. }`, `{ keyVault = .. }` and `{ awsSecret = .. }` in settings. */
function settingsReferencesIn(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(settingsReferencesIn);
  if (!isObject(value)) return [];
  if (typeof value['env'] === 'string') return [`env ${value['env']}`];
  if (typeof value['keyVault'] === 'string')
    return [`keyVault ${value['keyVault']} ${describe(value['secret'])}`];
  if (typeof value['awsSecret'] === 'string') return [`awsSecret ${value['awsSecret']}`];
  return Object.values(value).flatMap(settingsReferencesIn);
}
