// A client for each linked service AzureDatabricks; tokens are kept between activities, by who asks where.
import { createHash } from 'node:crypto';
import type { TokenCredential } from '@azure/identity';
import { DatabricksClient, type TokenSource } from '../../compute/databricks/client.ts';
import {
  type DatabricksIdentity,
  type DatabricksService,
  databricksService,
} from '../../compute/databricks/linked-service.ts';
import { personalToken, principalTokens } from '../../compute/databricks/tokens.ts';
import { rememberSecret } from '../../config/redaction.ts';
import { WaybillError } from '../../core/errors.ts';
import type { LinkedServiceResolver } from '../../core/linked-service.ts';
import type { LinkedServiceUse } from '../../core/pipeline/task.ts';

/** Databricks' own id in Azure AD: what a token must be for. */
const AZURE_SCOPE = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default';

export interface Workspace {
  readonly client: DatabricksClient;
  readonly service: DatabricksService;
}

/** Gives the workspace that a linked service names. Throws what resolving throws, and DEFINITION_INVALID. */
export function createWorkspaces(
  resolve: LinkedServiceResolver,
): (use: LinkedServiceUse) => Promise<Workspace> {
  const sources = new Map<string, TokenSource>();
  return async ({ name, parameters }) => {
    const service = databricksService(await resolve(name, parameters));
    const { host, identity } = service;
    // The secret is part of the key, so that a new one takes the place of the old one at once.
    const key = createHash('sha256')
      .update(JSON.stringify([host, identity]))
      .digest('hex');
    const source = sources.get(key) ?? tokensOf(host, identity);
    sources.set(key, source);
    const token: TokenSource = async (fresh) => {
      const given = await source(fresh);
      rememberSecret(given);
      return given;
    };
    return { client: new DatabricksClient({ host, token }), service };
  };
}

function tokensOf(host: string, identity: DatabricksIdentity): TokenSource {
  switch (identity.kind) {
    case 'token':
      return personalToken(identity.token);
    case 'principal':
      return principalTokens(host, identity.clientId, identity.clientSecret);
    default: {
      let credential: Promise<TokenCredential> | undefined;
      return async () => {
        credential ??= azureCredential(identity);
        try {
          // Azure's client keeps a token until shortly before its end.
          const { token } = (await (await credential).getToken(AZURE_SCOPE)) ?? {};
          if (token !== undefined) return token;
        } catch {
          // Azure's own words may quote the request.
        }
        throw new WaybillError(
          'AUTHENTICATION_FAILED',
          `Azure gives no token for ${host}: this worker has no such identity, or it is refused.`,
          { host },
        );
      };
    }
  }
}

async function azureCredential(
  identity: Extract<DatabricksIdentity, { kind: 'azurePrincipal' | 'managedIdentity' }>,
): Promise<TokenCredential> {
  const { ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential } = await import(
    '@azure/identity'
  );
  if (identity.kind === 'azurePrincipal')
    return new ClientSecretCredential(identity.tenant, identity.clientId, identity.clientSecret, {
      disableInstanceDiscovery: process.env['AZURE_AUTHORITY_HOST'] !== undefined,
    });
  return identity.resourceId === undefined
    ? new DefaultAzureCredential()
    : new ManagedIdentityCredential({ resourceId: identity.resourceId });
}
