// Reads secrets from Azure Key Vault.
import { readFileSync } from 'node:fs';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';

const textOf = (service: ConnectedLinkedService, ...keys: string[]): string | undefined => {
  for (const key of keys) {
    const value = service.properties[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
};

/**
 * Reads one secret, its newest version unless one is named. Signs in with the linked service's service principal, else as
 * whatever this process is (@azure/identity's DefaultAzureCredential: AZURE_CLIENT_ID and the like, workload identity,
 * managed identity, az login). Throws SECRET_MISSING, AUTHENTICATION_FAILED, CONNECTION_FAILED or SETTINGS_INVALID.
 */
export async function readKeyVault(
  service: ConnectedLinkedService,
  secret: string,
  version: string | undefined,
): Promise<string> {
  const address = textOf(service, 'baseUrl');
  if (address === undefined || !/^https:\/\//i.test(address)) {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service "${service.name}" needs "baseUrl", an https address.`,
      { linkedService: service.name, key: 'baseUrl' },
    );
  }
  const [{ SecretClient }, credential] = await Promise.all([
    import('@azure/keyvault-secrets'),
    credentialOf(service),
  ]);
  const caFile = textOf(service, 'caFile');
  const client = new SecretClient(address, credential, {
    // Only Azure's own vaults live under the host names that the client insists on.
    disableChallengeResourceVerification: !/\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)\/?$/i.test(
      address,
    ),
    ...(caFile === undefined ? {} : { tlsOptions: { ca: readFileSync(caFile, 'utf8') } }),
    retryOptions: { maxRetries: 2 },
  });
  try {
    const found = await client.getSecret(secret, version === undefined ? {} : { version });
    if (found.value !== undefined) return found.value;
  } catch (error) {
    throw vaultError(error, service.name, secret);
  }
  throw missing(service.name, secret, 'it has no value');
}

async function credentialOf(service: ConnectedLinkedService) {
  const identity = await import('@azure/identity');
  const own = process.env['AZURE_AUTHORITY_HOST'] !== undefined;
  const clientId = textOf(service, 'servicePrincipalId');
  const key = textOf(service, 'servicePrincipalKey');
  const tenant = textOf(service, 'tenant', 'tenantId');
  if (clientId !== undefined && key !== undefined && tenant !== undefined) {
    return new identity.ClientSecretCredential(tenant, clientId, key, { disableInstanceDiscovery: own });
  }
  const identityId = textOf(service, 'managedIdentityClientId');
  return new identity.DefaultAzureCredential(
    identityId === undefined ? {} : { managedIdentityClientId: identityId },
  );
}

const missing = (vault: string, secret: string, why: string): WaybillError =>
  new WaybillError(
    'SECRET_MISSING',
    `The secret "${secret}" in the Key Vault "${vault}" cannot be had: ${why}.`,
    {
      vault,
      secret,
    },
  );

function vaultError(error: unknown, vault: string, secret: string): WaybillError {
  const { statusCode, name } = error as { statusCode?: number; name?: string };
  if (statusCode === 404) return missing(vault, secret, 'the vault has none of that name or version');
  if (
    statusCode === 401 ||
    statusCode === 403 ||
    /^(Aggregate)?Authentication|CredentialUnavailable/.test(name ?? '')
  ) {
    return new WaybillError(
      'AUTHENTICATION_FAILED',
      `The Key Vault "${vault}" refuses this worker's identity${statusCode === undefined ? ': no credential of Azure was found' : ` (${statusCode})`}.`,
      { vault, secret, ...(statusCode === undefined ? {} : { status: statusCode }) },
    );
  }
  return new WaybillError('CONNECTION_FAILED', `The Key Vault "${vault}" did not answer for "${secret}".`, {
    vault,
    secret,
    ...(statusCode === undefined ? {} : { status: statusCode }),
  });
}
