// Who a Snowflake linked service signs in as: a password, a key pair, an OAuth token, or an Entra ID service principal
// whose token @azure/identity gets.
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { textSetting } from '../common/settings.ts';

export type Authentication =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | {
      readonly kind: 'keyPair';
      readonly user: string;
      readonly privateKey: string;
      readonly passphrase: string | undefined;
    }
  | { readonly kind: 'token'; readonly user: string | undefined; readonly token: string }
  | {
      readonly kind: 'servicePrincipal';
      readonly user: string | undefined;
      readonly tenant: string;
      readonly clientId: string;
      readonly secret: string;
      readonly scope: string;
      /** https address of the sign-in, where it is not the public cloud's. */
      readonly authority: string | undefined;
    };

/** ADF's authenticationType and the drivers' authenticator, in lower case. */
const KINDS: Readonly<Record<string, Authentication['kind']>> = {
  basic: 'password',
  snowflake: 'password',
  keypair: 'keyPair',
  snowflake_jwt: 'keyPair',
  oauth: 'token',
  aadserviceprincipal: 'servicePrincipal',
};

const readKey = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new WaybillError('SETTINGS_INVALID', `privateKeyFile ${path} cannot be read.`, {
      key: 'privateKeyFile',
    });
  }
};

/** A PEM key that lost its line breaks on the way through a vault, with them again; a bare base64 body gets its frame. */
const pem = (text: string, encrypted: boolean): string => {
  const plain = text.replaceAll('\\n', '\n').trim();
  const framed = /^-----BEGIN ([A-Z ]+)-----([\s\S]*)-----END [A-Z ]+-----$/.exec(plain);
  // The older form has header lines (Proc-Type, DEK-Info) that must stay where they are.
  if (framed?.[2]?.includes(':')) return plain;
  const label = framed?.[1] ?? (encrypted ? 'ENCRYPTED PRIVATE KEY' : 'PRIVATE KEY');
  const body = (framed?.[2] ?? plain).replaceAll(/\s/g, '');
  return `-----BEGIN ${label}-----\n${body.replaceAll(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
};

/**
 * Reads the properties and the older connection string's parts. Without a type named, whichever secret is there says
 * what is meant. Throws SETTINGS_INVALID naming a key that is missing, DEFINITION_UNSUPPORTED for another sign-in.
 */
export const snowflakeAuthentication = (
  { name, properties }: ConnectedLinkedService,
  string: ReadonlyMap<string, string>,
): Authentication => {
  const text = (...keys: string[]): string | undefined => textSetting(properties, ...keys);
  const need = (value: string | undefined, key: string): string => {
    if (value !== undefined && value !== '') return value;
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${name} lacks "${key}".`, { key });
  };
  const user = text('user') ?? string.get('user') ?? string.get('username') ?? string.get('uid');
  const file = text('privateKeyFile');
  const key = text('privateKey') ?? (file === undefined ? undefined : readKey(file));
  const token = text('token') ?? string.get('token');
  const named = text('authenticationType') ?? string.get('authenticator');
  const kind =
    named !== undefined
      ? KINDS[named.toLowerCase()]
      : key !== undefined
        ? 'keyPair'
        : token !== undefined
          ? 'token'
          : 'password';
  switch (kind) {
    case 'password':
      return {
        kind,
        user: need(user, 'user'),
        password: need(text('password') ?? string.get('password') ?? string.get('pwd'), 'password'),
      };
    case 'keyPair': {
      const passphrase = text('privateKeyPassphrase');
      const privateKey = pem(need(key, 'privateKey'), passphrase !== undefined);
      return { kind, user: need(user, 'user'), privateKey, passphrase };
    }
    case 'token':
      return { kind, user, token: need(token, 'token') };
    case 'servicePrincipal':
      return {
        kind,
        user,
        tenant: need(text('tenantId', 'tenant'), 'tenantId'),
        clientId: need(text('clientId'), 'clientId'),
        secret: need(text('clientSecret'), 'clientSecret'),
        scope: need(text('scope'), 'scope'),
        authority: text('authorityHost'),
      };
    default:
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `Linked service ${name}: authentication "${named}" is not supported. Use Basic, KeyPair, OAuth or AADServicePrincipal.`,
        { authentication: named ?? '' },
      );
  }
};

/** snowflake-sdk's options for signing in. A service principal's token is fetched here, each time anew. */
export const signInOptions = async (
  authentication: Authentication,
): Promise<Readonly<Record<string, string>>> => {
  const user = authentication.user === undefined ? {} : { username: authentication.user };
  switch (authentication.kind) {
    case 'password':
      return { ...user, password: authentication.password };
    case 'keyPair':
      return {
        ...user,
        authenticator: 'SNOWFLAKE_JWT',
        privateKey: plainKey(authentication.privateKey, authentication.passphrase),
      };
    case 'token':
      return { ...user, authenticator: 'OAUTH', token: authentication.token };
    case 'servicePrincipal':
      return { ...user, authenticator: 'OAUTH', token: await servicePrincipalToken(authentication) };
  }
};

/** The driver takes keys in PKCS #8 without a passphrase only as text. */
const plainKey = (key: string, passphrase: string | undefined): string => {
  try {
    return createPrivateKey({ key, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) })
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();
  } catch {
    throw new WaybillError(
      'SETTINGS_INVALID',
      'The Snowflake privateKey is not a PEM private key, or its privateKeyPassphrase is wrong.',
      { key: 'privateKey' },
    );
  }
};

const servicePrincipalToken = async (
  principal: Extract<Authentication, { kind: 'servicePrincipal' }>,
): Promise<string> => {
  const { ClientSecretCredential } = await import('@azure/identity');
  const { tenant, clientId, secret, scope, authority } = principal;
  // An authority of one's own is not known to Microsoft's instance discovery.
  const own = authority !== undefined || process.env['AZURE_AUTHORITY_HOST'] !== undefined;
  try {
    const credential = new ClientSecretCredential(tenant, clientId, secret, {
      ...(authority === undefined ? {} : { authorityHost: authority }),
      ...(own ? { disableInstanceDiscovery: true } : {}),
    });
    return (await credential.getToken(scope)).token;
  } catch (error) {
    throw identityError(error);
  }
};

/** Of Entra ID's answer only its code is told: the text may repeat what was sent. */
const identityError = (error: unknown): WaybillError => {
  const raw = error as { name?: string; message?: string; statusCode?: number };
  const code = /AADSTS\d+/.exec(raw.message ?? '')?.[0] ?? raw.name ?? 'unknown';
  const refused = /AADSTS\d+|invalid_client|invalid_scope|unauthorized/i.test(raw.message ?? '');
  return new WaybillError(
    refused ? 'AUTHENTICATION_FAILED' : 'CONNECTION_FAILED',
    `Entra ID gave no token for Snowflake: ${code}.`,
    { store: 'Snowflake', number: code },
  );
};
