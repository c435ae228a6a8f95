// Who a linked service signs in as: a SQL login, or an identity of Entra ID whose tokens @azure/identity gets.
import type { TokenCredential } from '@azure/identity';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { objectSetting, textSetting } from '../common/settings.ts';

export type Authentication =
  | { readonly kind: 'login'; readonly user: string; readonly password: string }
  | { readonly kind: 'managedIdentity'; readonly clientId?: string; readonly resourceId?: string }
  | {
      readonly kind: 'servicePrincipal';
      readonly tenant: string;
      readonly clientId: string;
      readonly secret: string;
      /** https address of the cloud's sign-in, where it is not the public one. */
      readonly authority: string | undefined;
    }
  | { readonly kind: 'workloadIdentity'; readonly clientId?: string }
  | { readonly kind: 'default'; readonly clientId?: string };

/** ADF's authenticationType and ADO.NET's Authentication, in lower case without blanks. */
const KINDS: Readonly<Record<string, Authentication['kind']>> = {
  sql: 'login',
  sqlauthentication: 'login',
  sqlpassword: 'login',
  systemassignedmanagedidentity: 'managedIdentity',
  userassignedmanagedidentity: 'managedIdentity',
  managedidentity: 'managedIdentity',
  activedirectorymanagedidentity: 'managedIdentity',
  activedirectorymsi: 'managedIdentity',
  serviceprincipal: 'servicePrincipal',
  activedirectoryserviceprincipal: 'servicePrincipal',
  activedirectoryworkloadidentity: 'workloadIdentity',
  activedirectorydefault: 'default',
};

const AUTHORITIES: Readonly<Record<string, string>> = {
  azureusgovernment: 'https://login.microsoftonline.us',
  azurechina: 'https://login.chinacloudapi.cn',
};

/**
 * Reads the properties and the pairs of the connection string. Without a type named, a service principal or a login
 * says what is meant; without either, an Azure service means the worker's own identity, as in ADF.
 * Throws SETTINGS_INVALID for what is missing and DEFINITION_UNSUPPORTED for sign-ins there are none of here.
 */
export const sqlServerAuthentication = (
  { name, type, properties }: ConnectedLinkedService,
  string: ReadonlyMap<string, string>,
): Authentication => {
  const text = (...keys: string[]): string | undefined => textSetting(properties, ...keys);
  const need = (value: string | undefined, key: string): string => {
    if (value !== undefined && value !== '') return value;
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${name} lacks "${key}".`, { key });
  };
  const user = text('userName') ?? string.get('userid') ?? string.get('uid') ?? string.get('user');
  const password = text('password') ?? string.get('password') ?? string.get('pwd');
  const credential = objectSetting(properties, 'credential');
  switch (kindOf(name, type, properties, string, user)) {
    case 'managedIdentity':
      return { kind: 'managedIdentity', ...identityOf(properties, credential, user, name) };
    case 'workloadIdentity':
      return { kind: 'workloadIdentity', ...(user === undefined ? {} : { clientId: user }) };
    case 'default':
      return { kind: 'default', ...(user === undefined ? {} : { clientId: user }) };
    case 'servicePrincipal':
      if (/cert/i.test(text('servicePrincipalCredentialType') ?? '')) {
        throw new WaybillError(
          'DEFINITION_UNSUPPORTED',
          `Linked service ${name}: a service principal signs in by its key here, not by a certificate.`,
          { key: 'servicePrincipalCredentialType' },
        );
      }
      return {
        kind: 'servicePrincipal',
        tenant: need(text('tenant', 'tenantId') ?? textSetting(credential, 'tenant'), 'tenant'),
        clientId: need(
          text('servicePrincipalId') ?? textSetting(credential, 'servicePrincipalId') ?? user,
          'servicePrincipalId',
        ),
        secret: need(
          text('servicePrincipalKey', 'servicePrincipalCredential') ??
            textSetting(credential, 'servicePrincipalKey') ??
            password,
          'servicePrincipalKey',
        ),
        authority: AUTHORITIES[(text('azureCloudType') ?? '').toLowerCase()],
      };
    default:
      return { kind: 'login', user: need(user, 'userName'), password: need(password, 'password') };
  }
};

const kindOf = (
  name: string,
  type: string,
  properties: JsonObject,
  string: ReadonlyMap<string, string>,
  user: string | undefined,
): Authentication['kind'] => {
  const named = textSetting(properties, 'authenticationType') ?? string.get('authentication');
  const integrated = string.get('integratedsecurity') ?? string.get('trusted_connection') ?? 'false';
  if (named === undefined && ['true', 'yes', 'sspi'].includes(integrated.toLowerCase()))
    throw notHere(name, 'Windows');
  if (named !== undefined && named !== '') {
    const kind = KINDS[named.toLowerCase().replaceAll(' ', '')];
    if (kind === undefined) throw notHere(name, named);
    return kind;
  }
  if (textSetting(properties, 'servicePrincipalId') !== undefined) return 'servicePrincipal';
  if (properties['credential'] !== undefined) {
    return /principal/i.test(textSetting(objectSetting(properties, 'credential'), 'type') ?? '')
      ? 'servicePrincipal'
      : 'managedIdentity';
  }
  return user === undefined && type.startsWith('Azure') ? 'managedIdentity' : 'login';
};

const notHere = (name: string, authentication: string): WaybillError =>
  new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `Linked service ${name}: authentication "${authentication}" is not supported. Use a SQL login, a managed identity or a service principal.`,
    { authentication },
  );

/** Of a user-assigned identity: its client id, or the resource id that ADF's credential holds. */
const identityOf = (
  properties: JsonObject,
  credential: JsonObject,
  user: string | undefined,
  name: string,
): { clientId?: string; resourceId?: string } => {
  const clientId = textSetting(credential, 'clientId') ?? textSetting(properties, 'clientId') ?? user;
  const resourceId = textSetting(credential, 'resourceId');
  if (resourceId !== undefined) return { resourceId };
  if (clientId !== undefined) return { clientId };
  if (/^userassigned/i.test(textSetting(properties, 'authenticationType') ?? '')) {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service ${name}: its credential names no identity. Set [linkedService.${name}] credential = { clientId = "..." } in waybill.toml.`,
      { key: 'credential' },
    );
  }
  return {};
};

/**
 * What gets the tokens; @azure/identity loads when the first one is needed. An authority of one's own
 * (AZURE_AUTHORITY_HOST) is not known to Microsoft's instance discovery, so that is off for it.
 */
export const tokenCredential = async (
  authentication: Exclude<Authentication, { kind: 'login' }>,
): Promise<TokenCredential> => {
  const identity = await import('@azure/identity');
  switch (authentication.kind) {
    case 'managedIdentity':
      if (authentication.resourceId !== undefined)
        return new identity.ManagedIdentityCredential({ resourceId: authentication.resourceId });
      return authentication.clientId === undefined
        ? new identity.ManagedIdentityCredential()
        : new identity.ManagedIdentityCredential({ clientId: authentication.clientId });
    case 'workloadIdentity':
      return new identity.WorkloadIdentityCredential(
        authentication.clientId === undefined ? {} : { clientId: authentication.clientId },
      );
    case 'default':
      return new identity.DefaultAzureCredential(
        authentication.clientId === undefined ? {} : { managedIdentityClientId: authentication.clientId },
      );
    case 'servicePrincipal': {
      const { tenant, secret, authority } = authentication;
      const own = process.env['AZURE_AUTHORITY_HOST'] !== undefined && authority === undefined;
      return new identity.ClientSecretCredential(tenant, authentication.clientId, secret, {
        ...(authority === undefined ? {} : { authorityHost: authority }),
        ...(own ? { disableInstanceDiscovery: true } : {}),
      });
    }
  }
};
