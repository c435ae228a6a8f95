// The keys of the HTTP door, from the environment variables that the settings name.
import { WaybillError } from '../core/errors.ts';
import { rememberSecret } from './redaction.ts';
import type { ServerSettings } from './settings.ts';

/** A key that can be guessed protects nothing. */
const SHORTEST = 16;

/** The keys in these variables, in their order. Throws SECRET_MISSING or SETTINGS_INVALID naming the variable. */
export function readKeys(
  variables: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  return variables.map((variable) => {
    const key = env[variable];
    if (key === undefined || key === '')
      throw new WaybillError('SECRET_MISSING', `The environment variable ${variable} is not set.`, {
        variable,
      });
    if (key.length < SHORTEST)
      throw new WaybillError(
        'SETTINGS_INVALID',
        `The key in ${variable} has fewer than ${SHORTEST} characters. Make one: openssl rand -hex 32`,
        { variable },
      );
    rememberSecret(key);
    return key;
  });
}

/** Where callbacks reach the HTTP door, and what signs their addresses; undefined where settings name no door. */
export function callbackDoor(
  { publicUrl, signingKeys }: ServerSettings,
  env: Readonly<Record<string, string | undefined>>,
): { publicUrl: string; signingKey: string } | undefined {
  const [signingKey] = readKeys(signingKeys.slice(0, 1), env);
  return publicUrl === undefined || signingKey === undefined ? undefined : { publicUrl, signingKey };
}
