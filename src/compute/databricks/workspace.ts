// The workspace that the environment names, by the variables of Databricks' own clients.
import { WaybillError } from '../../core/errors.ts';
import type { DatabricksConnection } from './client.ts';
import { databricksService } from './linked-service.ts';
import { personalToken, principalTokens } from './tokens.ts';

/**
 * DATABRICKS_HOST with DATABRICKS_TOKEN, or with DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET; nothing where there is
 * no host. Throws SETTINGS_INVALID for a host without either.
 */
export function databricksWorkspace(env: Readonly<Record<string, string | undefined>>): {
  databricks?: DatabricksConnection;
} {
  const { DATABRICKS_HOST: domain, DATABRICKS_TOKEN: token } = env;
  const { DATABRICKS_CLIENT_ID: clientId, DATABRICKS_CLIENT_SECRET: clientSecret } = env;
  if (!domain) return {};
  if (!token && !(clientId && clientSecret))
    throw new WaybillError(
      'SETTINGS_INVALID',
      'DATABRICKS_HOST is set, and neither DATABRICKS_TOKEN nor DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.',
    );
  const { host, identity } = databricksService({
    name: 'DATABRICKS_HOST',
    type: 'AzureDatabricks',
    properties: token
      ? { domain, accessToken: token }
      : { domain, clientId: clientId ?? '', clientSecret: clientSecret ?? '' },
  });
  const source =
    identity.kind === 'principal'
      ? principalTokens(host, identity.clientId, identity.clientSecret)
      : personalToken(token ?? '');
  return { databricks: { host, token: source } };
}
