// Who asks: a personal access token, or a token got for a service principal's client id and secret (OAuth M2M).
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { ApiError } from './errors.ts';

export interface Credentials {
  readonly token: string | undefined;
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  /** Seconds that a token of OAuth is good for. */
  readonly tokenSeconds: number;
}

export class Authentication {
  readonly #known: Credentials;
  /** Tokens are signed with it and need not be kept; a restart makes them void, as a revocation does. */
  readonly #key = randomBytes(32);

  constructor(known: Credentials) {
    this.#known = known;
  }

  /** The user of a request. Throws 401 for no or an unknown token, as Databricks does. */
  check(authorization: string | undefined): string {
    const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '';
    const { token: pat, clientId } = this.#known;
    if (pat !== undefined && same(token, pat)) return 'local@waybill.example';
    if (clientId !== undefined && this.#isOurs(token)) return clientId;
    throw new ApiError(
      401,
      'UNAUTHENTICATED',
      'Credential was not sent or was of an unsupported type for this API.',
    );
  }

  /** POST /oidc/v1/token */
  issue(form: URLSearchParams, authorization: string | undefined): Record<string, unknown> {
    const { clientId, clientSecret, tokenSeconds } = this.#known;
    const basic = Buffer.from(/^Basic (.+)$/i.exec(authorization ?? '')?.[1] ?? '', 'base64').toString(
      'utf8',
    );
    const [id = '', ...rest] = basic ? basic.split(':') : [form.get('client_id') ?? ''];
    const secret = basic ? rest.join(':') : (form.get('client_secret') ?? '');
    if (form.get('grant_type') !== 'client_credentials')
      throw new ApiError(400, 'unsupported_grant_type', 'The grant type is not supported.');
    if (
      clientId === undefined ||
      clientSecret === undefined ||
      !same(id, clientId) ||
      !same(secret, clientSecret)
    )
      throw new ApiError(401, 'invalid_client', 'Client authentication failed');
    const until = String(Date.now() + tokenSeconds * 1000);
    const access_token = `${until}.${this.#sign(until)}`;
    return { access_token, token_type: 'Bearer', scope: 'all-apis', expires_in: tokenSeconds };
  }

  #isOurs(token: string): boolean {
    const [until = '', signature = ''] = token.split('.');
    return same(signature, this.#sign(until)) && Number(until) > Date.now();
  }

  #sign(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('hex');
  }
}

function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
