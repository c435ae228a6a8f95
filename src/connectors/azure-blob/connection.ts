// Makes the client of one container; the Azure packages load when the first one is opened.
import type { BlobServiceClient, ContainerClient, HttpAuthorization } from '@azure/storage-blob';
import { WaybillError } from '../../core/errors.ts';
import type { AzureAuthentication, AzureBlobConfig } from './config.ts';

/** Requests of one operation before it fails; Temporal retries beyond. */
const MAX_TRIES = 4;
/** A signature for copies within the account. */
const SAS_MINUTES = 60;

export interface AzureContainer {
  readonly client: ContainerClient;
  /** An address from which the service itself may read a blob of this container, and what proves that it may. */
  readonly copySource: (
    key: string,
  ) => Promise<{ readonly url: string; readonly authorization?: HttpAuthorization }>;
}

const RETRY_OPTIONS = { maxTries: MAX_TRIES, retryDelayInMs: 500, maxRetryDelayInMs: 10_000 };

/** The account itself. Throws SETTINGS_INVALID where the linked service is for one container. */
export const connectAccount = async ({
  container,
  endpoint,
  authentication,
}: AzureBlobConfig): Promise<BlobServiceClient> => {
  if (container !== undefined) {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `The linked service is for container ${container}, the dataset names none.`,
      { container },
    );
  }
  const storage = await import('@azure/storage-blob');
  const options = { retryOptions: RETRY_OPTIONS };
  switch (authentication.kind) {
    case 'sas':
      return new storage.BlobServiceClient(`${endpoint}?${authentication.token}`, undefined, options);
    case 'anonymous':
      return new storage.BlobServiceClient(endpoint, undefined, options);
    case 'accountKey': {
      const { account, key } = authentication;
      return new storage.BlobServiceClient(
        endpoint,
        new storage.StorageSharedKeyCredential(account, key),
        options,
      );
    }
    default:
      return new storage.BlobServiceClient(endpoint, await identity(authentication), options);
  }
};

export const connectContainer = async (
  config: AzureBlobConfig,
  container: string,
): Promise<AzureContainer> => {
  if (config.container !== undefined && config.container !== container) {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `The linked service is for container ${config.container}, the dataset is in ${container}.`,
      { container },
    );
  }
  const storage = await import('@azure/storage-blob');
  const address = `${config.endpoint}/${encodeURIComponent(container)}`;
  const options = { retryOptions: RETRY_OPTIONS };
  const { authentication } = config;
  if (authentication.kind === 'sas' || authentication.kind === 'anonymous') {
    const query = authentication.kind === 'sas' ? `?${authentication.token}` : '';
    const client = new storage.ContainerClient(`${address}${query}`, undefined, options);
    return { client, copySource: async (key) => ({ url: client.getBlobClient(key).url }) };
  }
  if (authentication.kind === 'accountKey') {
    const credential = new storage.StorageSharedKeyCredential(authentication.account, authentication.key);
    const client = new storage.ContainerClient(address, credential, options);
    const copySource = async (key: string): Promise<{ url: string }> => {
      const signature = storage.generateBlobSASQueryParameters(
        {
          containerName: container,
          blobName: key,
          permissions: storage.BlobSASPermissions.parse('r'),
          // Clocks differ by some minutes.
          startsOn: new Date(Date.now() - 15 * 60_000),
          expiresOn: new Date(Date.now() + SAS_MINUTES * 60_000),
        },
        credential,
      );
      return { url: `${client.getBlobClient(key).url}?${signature.toString()}` };
    };
    return { client, copySource };
  }
  const credential = await identity(authentication);
  const client = new storage.ContainerClient(address, credential, options);
  return {
    client,
    copySource: async (key) => {
      const token = await credential.getToken('https://storage.azure.com/.default');
      return {
        url: client.getBlobClient(key).url,
        ...(token === null ? {} : { authorization: { scheme: 'Bearer', value: token.token } }),
      };
    },
  };
};

const AUTHORITIES: Readonly<Record<string, string>> = {
  azurepublic: 'https://login.microsoftonline.com',
  azurechina: 'https://login.chinacloudapi.cn',
  azureusgovernment: 'https://login.microsoftonline.us',
};

const identity = async (
  authentication: Extract<AzureAuthentication, { kind: 'servicePrincipal' | 'managedIdentity' }>,
): Promise<import('@azure/identity').TokenCredential> => {
  const { ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential } = await import(
    '@azure/identity'
  );
  if (authentication.kind === 'servicePrincipal') {
    const authorityHost = AUTHORITIES[(authentication.cloud ?? 'AzurePublic').toLowerCase()];
    return new ClientSecretCredential(
      authentication.tenant,
      authentication.clientId,
      authentication.secret,
      authorityHost === undefined ? {} : { authorityHost },
    );
  }
  // ADF's own identity is, here, whatever the worker's machine is known by.
  return authentication.clientId === undefined
    ? new DefaultAzureCredential()
    : new ManagedIdentityCredential({ clientId: authentication.clientId });
};
