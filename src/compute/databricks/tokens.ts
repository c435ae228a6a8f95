// Tokens of Databricks' own kinds: a personal access token, and OAuth for a service principal (machine to machine).
import { WaybillError } from '../../core/errors.ts';
import type { TokenSource } from './client.ts';

/** Seconds before its end that a token is replaced. */
const MARGIN = 60;
const TIMEOUT = 30_000;

export const personalToken =
  (token: string): TokenSource =>
  async () =>
    token;

/** Keeps a token until shortly before its end; throws AUTHENTICATION_FAILED or COMPUTE_BUSY. */
export function principalTokens(host: string, clientId: string, clientSecret: string): TokenSource {
  let kept: { token: string; until: number } | undefined;
  return async (fresh) => {
    if (kept !== undefined && !fresh && kept.until > Date.now()) return kept.token;
    let response: Response;
    try {
      response = await fetch(`${host}/oidc/v1/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
          'user-agent': 'waybill',
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'all-apis' }),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT),
      });
    } catch (cause) {
      throw new WaybillError(
        'COMPUTE_BUSY',
        `${host} gave no answer to the request for a token.`,
        {},
        { cause },
      );
    }
    if (response.status === 429 || response.status >= 500)
      throw new WaybillError('COMPUTE_BUSY', `${host} gave no token: HTTP ${response.status}.`);
    const body = (await response.json().catch(() => ({}))) as { access_token?: string; expires_in?: number };
    if (!response.ok || body.access_token === undefined)
      throw new WaybillError(
        'AUTHENTICATION_FAILED',
        `${host} gives the service principal ${clientId} no token: HTTP ${response.status}.`,
        { host, clientId },
      );
    const seconds = Math.max(0, (body.expires_in ?? 0) - MARGIN);
    kept = { token: body.access_token, until: Date.now() + seconds * 1000 };
    return kept.token;
  };
}
