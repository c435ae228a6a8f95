// Settings of AzureBlobStorage and AzureBlobFS (ADLS Gen2) linked services: where the account is, and what signs requests.
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { objectSetting, textSetting } from '../common/settings.ts';

/** What a request is signed with. */
export type AzureAuthentication =
  | { readonly kind: 'accountKey'; readonly account: string; readonly key: string }
  | { readonly kind: 'sas'; readonly token: string }
  | {
      readonly kind: 'servicePrincipal';
      readonly tenant: string;
      readonly clientId: string;
      readonly secret: string;
      readonly cloud: string | undefined;
    }
  | { readonly kind: 'managedIdentity'; readonly clientId: string | undefined }
  | { readonly kind: 'anonymous' };

export interface AzureBlobConfig {
  /** The account's blob endpoint without a slash at its end: "https://acct.blob.core.windows.net". */
  readonly endpoint: string;
  /** The one container a shared access signature is for, where it is for one. */
  readonly container: string | undefined;
  readonly authentication: AzureAuthentication;
}

const invalid = (service: ConnectedLinkedService, why: string): WaybillError =>
  new WaybillError('SETTINGS_INVALID', `Linked service ${service.name}: ${why}`, {
    linkedService: service.name,
  });

/** Throws SETTINGS_INVALID for settings that name no account, or no way to sign in. */
export const azureBlobConfig = (service: ConnectedLinkedService): AzureBlobConfig => {
  const given = service.properties;
  const connectionString = textSetting(given, 'connectionString');
  if (connectionString !== undefined) return fromConnectionString(service, connectionString);
  const sasUri = textSetting(given, 'sasUri');
  if (sasUri !== undefined) return fromSasUri(service, sasUri);
  const address = textSetting(given, 'serviceEndpoint', 'url', 'containerUri');
  if (address === undefined)
    throw invalid(service, 'it has no connectionString, sasUri, serviceEndpoint or url.');
  const { endpoint, container } = split(service, address);
  return { endpoint, container, authentication: authenticationOf(service, endpoint) };
};

function authenticationOf(service: ConnectedLinkedService, endpoint: string): AzureAuthentication {
  const given = service.properties;
  const key = textSetting(given, 'accountKey');
  if (key !== undefined)
    return { kind: 'accountKey', account: textSetting(given, 'accountName') ?? accountOf(endpoint), key };
  const sas = textSetting(given, 'sasToken');
  if (sas !== undefined) return { kind: 'sas', token: sas.replace(/^\?/, '') };
  const clientId = textSetting(given, 'servicePrincipalId');
  if (clientId !== undefined) {
    const tenant = textSetting(given, 'tenant', 'tenantId');
    const secret = textSetting(given, 'servicePrincipalKey', 'servicePrincipalCredential');
    if (tenant === undefined || secret === undefined)
      throw invalid(service, 'a service principal needs tenant and servicePrincipalKey.');
    if ((textSetting(given, 'servicePrincipalCredentialType') ?? '').toLowerCase() === 'serviceprincipalcert')
      throw invalid(service, 'service principals with certificates are not supported; use a key.');
    return {
      kind: 'servicePrincipal',
      tenant,
      clientId,
      secret,
      cloud: textSetting(given, 'azureCloudType'),
    };
  }
  const kind = (textSetting(given, 'authenticationType') ?? '').toLowerCase();
  if (kind === 'anonymous' || textSetting(given, 'containerUri') !== undefined) return { kind: 'anonymous' };
  return { kind: 'managedIdentity', clientId: managedIdentityClient(given) };
}

/** A user-assigned identity; undefined for the machine's own. */
const managedIdentityClient = (given: JsonObject): string | undefined =>
  textSetting(given, 'managedIdentityClientId') ??
  textSetting(objectSetting(given, 'credential'), 'managedIdentityClientId', 'clientId');

function fromConnectionString(service: ConnectedLinkedService, text: string): AzureBlobConfig {
  const values = new Map<string, string>();
  for (const part of text.split(';')) {
    const at = part.indexOf('=');
    if (at > 0) values.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const development = values.get('usedevelopmentstorage')?.toLowerCase() === 'true';
  const account = values.get('accountname');
  const suffix = values.get('endpointsuffix') ?? 'core.windows.net';
  const protocol = values.get('defaultendpointsprotocol') ?? 'https';
  const address =
    values.get('blobendpoint') ??
    (account === undefined || development ? undefined : `${protocol}://${account}.blob.${suffix}`);
  if (address === undefined)
    throw invalid(service, 'its connectionString has neither BlobEndpoint nor AccountName.');
  const { endpoint, container } = split(service, address);
  const key = values.get('accountkey') ?? textSetting(service.properties, 'accountKey');
  if (key !== undefined) {
    const name = account ?? accountOf(endpoint);
    return { endpoint, container, authentication: { kind: 'accountKey', account: name, key } };
  }
  const sas = values.get('sharedaccesssignature') ?? textSetting(service.properties, 'sasToken');
  if (sas === undefined)
    throw invalid(service, 'its connectionString has neither AccountKey nor SharedAccessSignature.');
  return { endpoint, container, authentication: { kind: 'sas', token: sas.replace(/^\?/, '') } };
}

function fromSasUri(service: ConnectedLinkedService, text: string): AzureBlobConfig {
  const [address = '', query] = text.split('?');
  const token = query ?? textSetting(service.properties, 'sasToken')?.replace(/^\?/, '');
  if (token === undefined || token === '')
    throw invalid(service, 'its sasUri has no signature, and there is no sasToken.');
  return { ...split(service, address), authentication: { kind: 'sas', token } };
}

/**
 * Endpoint and container of an address. Storage emulators have the account in the path
 * ("http://127.0.0.1:10000/devstoreaccount1"), the service in the host name. Plain HTTP is used only where it says so.
 */
function split(
  service: ConnectedLinkedService,
  address: string,
): { readonly endpoint: string; readonly container: string | undefined } {
  const text = /^[a-z]+:\/\//i.test(address) ? address : `https://${address}`;
  if (!URL.canParse(text)) throw invalid(service, 'the address of the account is not a URL.');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw invalid(service, `the address of the account begins with ${url.protocol}, not with https:.`);
  // The blob protocol serves ADLS Gen2 accounts too, under the name beside.
  const host = url.host.replace('.dfs.', '.blob.');
  const parts = url.pathname.split('/').filter((part) => part !== '');
  const account = isEmulator(url.hostname) ? parts.shift() : undefined;
  return {
    endpoint: `${url.protocol}//${host}${account === undefined ? '' : `/${account}`}`,
    container: parts[0] === undefined ? undefined : decodeURIComponent(parts[0]),
  };
}

const isEmulator = (hostname: string): boolean =>
  hostname === 'localhost' || /^[\d.]+$/.test(hostname) || hostname.startsWith('[');

const accountOf = (endpoint: string): string => {
  const { hostname, pathname } = new URL(endpoint);
  return isEmulator(hostname) ? (pathname.split('/')[1] ?? '') : (hostname.split('.')[0] ?? '');
};
