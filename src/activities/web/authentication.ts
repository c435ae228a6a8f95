// How a Web activity proves who it is: Data Factory's `authentication`, secrets resolved at use.
import type { TokenCredential } from '@azure/identity';
import { rememberSecret } from '../../config/redaction.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';

export interface Proof {
  readonly headers: Readonly<Record<string, string>>;
  readonly clientCertificate?: { readonly pfx: Buffer; readonly passphrase: string };
}

export interface AuthenticationSources {
  /** Name of the activity, for messages. */
  readonly activity: string;
  secret(value: JsonValue, place: { readonly activity: string; readonly key: string }): Promise<JsonValue>;
  /** typeProperties of a credential of the factory. */
  credential(name: string): JsonObject | undefined;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Headers and certificate for `authentication`. Throws DEFINITION_INVALID for what is missing or of no known type, what
 * resolving secrets throws, and AUTHENTICATION_FAILED where Azure gives no token.
 */
export async function proofOf(
  authentication: JsonValue | undefined,
  sources: AuthenticationSources,
): Promise<Proof> {
  if (!isObject(authentication)) return { headers: {} };
  const { activity } = sources;
  const type = String(authentication['type'] ?? 'None');
  const text = async (...keys: string[]): Promise<string> => {
    for (const key of keys) {
      const written = authentication[key];
      const value =
        written === undefined || written === null ? '' : await sources.secret(written, { activity, key });
      if (typeof value === 'string' && value !== '') return value;
    }
    throw new WaybillError(
      'DEFINITION_INVALID',
      `The ${type} authentication of "${activity}" needs "${keys[0]}".`,
      { activity, key: keys[0] ?? '' },
    );
  };
  switch (type.toLowerCase()) {
    case 'none':
    case 'anonymous':
      return { headers: {} };
    case 'basic': {
      // A user name is no secret, and remembering it as one would hide it wherever it stands.
      const user = authentication['username'];
      const password = await text('password');
      const pair = Buffer.from(`${typeof user === 'string' ? user : await text('username')}:${password}`);
      return authorization(`Basic ${pair.toString('base64')}`);
    }
    case 'clientcertificate': {
      const pfx = Buffer.from(await text('pfx'), 'base64');
      const passphrase = authentication['password'] === undefined ? '' : await text('password');
      return { headers: {}, clientCertificate: { pfx, passphrase } };
    }
    case 'msi':
    case 'systemassignedmanagedidentity':
    case 'userassignedmanagedidentity':
      return bearer(
        await identityOf(authentication, sources),
        resourceOf(authentication, activity),
        activity,
      );
    case 'serviceprincipal': {
      const { ClientSecretCredential } = await import('@azure/identity');
      const credential = new ClientSecretCredential(
        await text('tenant', 'userTenant'),
        await text('servicePrincipalId', 'username'),
        await text('servicePrincipalKey', 'password'),
        { disableInstanceDiscovery: process.env['AZURE_AUTHORITY_HOST'] !== undefined },
      );
      return bearer(credential, resourceOf(authentication, activity), activity);
    }
    default:
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `"${activity}" asks for ${type} authentication. There are: Basic, ClientCertificate, MSI, SystemAssignedManagedIdentity, UserAssignedManagedIdentity, ServicePrincipal.`,
        { activity, type },
      );
  }
}

function authorization(value: string): Proof {
  rememberSecret(value.replace(/^\w+ /, ''));
  return { headers: { Authorization: value } };
}

function resourceOf(authentication: JsonObject, activity: string): string {
  const { resource } = authentication;
  if (typeof resource === 'string' && resource !== '') return resource;
  throw new WaybillError('DEFINITION_INVALID', `The authentication of "${activity}" needs "resource".`, {
    activity,
    key: 'resource',
  });
}

/** This worker's own identity, or the one that a credential of the factory names. */
async function identityOf(
  authentication: JsonObject,
  { activity, credential }: AuthenticationSources,
): Promise<TokenCredential> {
  const { DefaultAzureCredential, ManagedIdentityCredential } = await import('@azure/identity');
  const reference = authentication['credential'];
  const name = isObject(reference) ? reference['referenceName'] : undefined;
  if (typeof name !== 'string') return new DefaultAzureCredential();
  const resourceId = credential(name)?.['resourceId'];
  if (typeof resourceId === 'string') return new ManagedIdentityCredential({ resourceId });
  throw new WaybillError('REFERENCE_MISSING', `There is no credential "${name}" with a "resourceId".`, {
    activity,
    credential: name,
  });
}

async function bearer(credential: TokenCredential, resource: string, activity: string): Promise<Proof> {
  try {
    const { token } = (await credential.getToken(`${resource.replace(/\/+$/, '')}/.default`)) ?? {};
    if (token !== undefined) return authorization(`Bearer ${token}`);
  } catch {
    // Azure's own words may quote the request.
  }
  throw new WaybillError(
    'AUTHENTICATION_FAILED',
    `Azure gives "${activity}" no token for ${resource}: this worker has no such identity, or it is refused.`,
    { activity, resource },
  );
}
