// The keys that encrypt what secureInput and secureOutput hide, from the environment variables that the settings name.
import { createHash } from 'node:crypto';
import { WaybillError } from '../core/errors.ts';
import { rememberSecret } from './redaction.ts';

/** One key of AES-256, and the name by which payloads say that they need it. */
export interface PayloadKey {
  /** The first 16 hex digits of the key's SHA-256. */
  readonly id: string;
  readonly bytes: Buffer;
}

const KEY_BYTES = 32;

/**
 * The keys in these variables, in their order: the first one encrypts, the others still decrypt what older workers wrote.
 * Each is 32 bytes as base64 or hex; one variable may hold several, separated by commas. Throws SECRET_MISSING or
 * SETTINGS_INVALID naming the variable.
 */
export function readPayloadKeys(
  variables: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): PayloadKey[] {
  return variables.flatMap((variable) => {
    const value = env[variable];
    if (value === undefined || value.trim() === '')
      throw new WaybillError('SECRET_MISSING', `The environment variable ${variable} is not set.`, {
        variable,
      });
    return value.split(',').map((text) => payloadKey(text.trim(), variable));
  });
}

function payloadKey(text: string, variable: string): PayloadKey {
  const bytes = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
  if (bytes.length !== KEY_BYTES)
    throw new WaybillError(
      'SETTINGS_INVALID',
      `The key in ${variable} is not 32 bytes in base64 or hex. Make one: openssl rand -base64 32`,
      { variable },
    );
  rememberSecret(text);
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes };
}
