// How a linked service that is an HTTP endpoint proves who asks, as Data Factory's REST and HTTP connectors name it.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { ConnectedLinkedService } from '../../../core/linked-service.ts';
import type { CancelSignal, OutboundHttp, OutboundProof } from '../../../core/outbound-http.ts';
import { booleanSetting, objectSetting, textSetting } from '../settings.ts';

/** An endpoint as requests need it. */
export interface HttpService {
  readonly http: OutboundHttp;
  /** Of the linked service, without a slash at its end. */
  readonly url: string;
  readonly verifyCertificate: boolean;
  readonly proof: OutboundProof;
}

const TOKEN_TIMEOUT = 60_000;

const missing = (service: ConnectedLinkedService, key: string, type: string): WaybillError =>
  new WaybillError(
    'SETTINGS_INVALID',
    `Linked service ${service.name} needs "${key}" for ${type} authentication.`,
    { linkedService: service.name, key },
  );

/** Throws SETTINGS_INVALID, DEFINITION_UNSUPPORTED, AUTHENTICATION_FAILED and what requests throw. */
export const httpService = async (
  service: ConnectedLinkedService,
  signal: CancelSignal,
): Promise<HttpService> => {
  const { http, properties, name } = service;
  const url = textSetting(properties, 'url')?.trim().replace(/\/+$/, '');
  if (http === undefined || url === undefined || !/^https?:\/\//i.test(url))
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${name} names no http or https "url".`, {
      linkedService: name,
      key: 'url',
    });
  const verifyCertificate = booleanSetting(properties, 'enableServerCertificateValidation') ?? true;
  const proof = await proofOf(service, http, verifyCertificate, signal);
  return {
    http,
    url,
    verifyCertificate,
    proof: { ...proof, headers: { ...authHeaders(properties), ...proof.headers } },
  };
};

/** `authHeaders`: headers with keys, such as { "x-api-key": "..." }. */
const authHeaders = (properties: JsonObject): Record<string, string> =>
  Object.fromEntries(
    Object.entries(objectSetting(properties, 'authHeaders')).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value]] : [],
    ),
  );

const proofOf = async (
  service: ConnectedLinkedService,
  http: OutboundHttp,
  verifyCertificate: boolean,
  signal: CancelSignal,
): Promise<OutboundProof> => {
  const { properties, name } = service;
  const type = textSetting(properties, 'authenticationType') ?? 'Anonymous';
  const needed = (...keys: string[]): string => {
    const value = textSetting(properties, ...keys);
    if (value === undefined) throw missing(service, keys[0] ?? '', type);
    return value;
  };
  switch (type.toLowerCase()) {
    case 'anonymous':
      return { headers: {} };
    case 'basic':
      return http.prove(
        { type: 'Basic', username: needed('userName', 'username'), password: needed('password') },
        name,
      );
    case 'aadserviceprincipal':
    case 'serviceprincipal':
      return http.prove(
        {
          type: 'ServicePrincipal',
          tenant: needed('tenant'),
          servicePrincipalId: needed('servicePrincipalId'),
          servicePrincipalKey: needed('servicePrincipalKey', 'servicePrincipalCredential'),
          resource: needed('aadResourceId', 'servicePrincipalResourceId'),
        },
        name,
      );
    case 'managedserviceidentity':
    case 'systemassignedmanagedidentity':
      return http.prove(
        { type: 'MSI', resource: needed('aadResourceId', 'managedIdentityResourceId') },
        name,
      );
    case 'oauth2clientcredential':
      return clientCredential(service, http, verifyCertificate, signal, needed);
    case 'clientcertificate':
      return http.prove(
        {
          type: 'ClientCertificate',
          pfx: needed('embeddedCertData'),
          ...(textSetting(properties, 'password') === undefined ? {} : { password: needed('password') }),
        },
        name,
      );
    default:
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `Linked service ${name} asks for ${type} authentication. There are: Anonymous, Basic, AadServicePrincipal, ManagedServiceIdentity, OAuth2ClientCredential, ClientCertificate.`,
        { linkedService: name, type },
      );
  }
};

/** RFC 6749, 4.4: a token for the client itself. Its secret goes in the body, as Data Factory sends it. */
const clientCredential = async (
  { name, properties }: ConnectedLinkedService,
  http: OutboundHttp,
  verifyCertificate: boolean,
  signal: CancelSignal,
  needed: (...keys: string[]) => string,
): Promise<OutboundProof> => {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: needed('clientId'),
    client_secret: needed('clientSecret'),
  });
  for (const key of ['scope', 'resource']) {
    const value = textSetting(properties, key);
    if (value !== undefined) form.set(key, value);
  }
  const answer = await http.send({
    method: 'POST',
    url: needed('tokenEndpoint'),
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: form.toString(),
    timeout: TOKEN_TIMEOUT,
    signal,
    verifyCertificate,
    proof: { headers: {} },
  });
  const token = answer.status === 200 ? tokenIn(answer.body) : undefined;
  if (token !== undefined) return { headers: { Authorization: `Bearer ${token}` } };
  throw new WaybillError(
    'AUTHENTICATION_FAILED',
    `The token endpoint of linked service ${name} gave no access_token; it answered ${answer.status}.`,
    { linkedService: name, status: answer.status },
  );
};

const tokenIn = (body: Uint8Array): string | undefined => {
  try {
    const { access_token: token } = JSON.parse(Buffer.from(body).toString('utf8')) as {
      access_token?: unknown;
    };
    return typeof token === 'string' && token !== '' ? token : undefined;
  } catch {
    return undefined;
  }
};
