// How payloads travel to Temporal and back: for every worker, client and door alike.
import type { DataConverter } from '@temporalio/common';
import { readPayloadKeys } from '../config/payload-keys.ts';
import type { Settings } from '../config/settings.ts';
import { SecureCodec } from './secure-codec.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** For those who do the work. Throws SECRET_MISSING or SETTINGS_INVALID naming the variable. */
export const workerDataConverter = (
  { payloadKeys }: Pick<Settings, 'payloadKeys'>,
  env: Environment,
): DataConverter => ({ payloadCodecs: [new SecureCodec({ keys: readPayloadKeys(payloadKeys, env) })] });

/** For those who mostly look: without a key they see that there is something they may not see. */
export const clientDataConverter = (
  { payloadKeys }: Pick<Settings, 'payloadKeys'>,
  env: Environment,
): DataConverter => {
  const there = payloadKeys.filter((variable) => env[variable]);
  return { payloadCodecs: [new SecureCodec({ keys: readPayloadKeys(there, env), lenient: true })] };
};
