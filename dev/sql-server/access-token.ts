// Access tokens as Entra ID issues them: JWTs signed with RS256, here by the key whose public half the server was given.
import { type KeyObject, verify } from 'node:crypto';
import { SqlError } from './errors.ts';

/** Which tokens the server takes. */
export interface TokenRules {
  readonly key: KeyObject;
  /** Where clients get tokens, such as https://login.microsoftonline.com/<tenant>. */
  readonly authority: string;
  /** What tokens must be for. */
  readonly resource: string;
}

const CLOCK_SKEW_SECONDS = 300;

const refused = (): SqlError =>
  new SqlError(18456, "Login failed for user '<token-identified principal>'.", 14);

/** Checks signature, audience and times, and returns the principal's name. Throws 18456. */
export function principalOf(token: string, rules: TokenRules): string {
  const [head = '', body = '', signature = ''] = token.split('.');
  const signed = Buffer.from(`${head}.${body}`, 'ascii');
  if (!verify('RSA-SHA256', signed, rules.key, Buffer.from(signature, 'base64url'))) throw refused();
  const read = (part: string): Record<string, unknown> => {
    try {
      return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>;
    } catch {
      throw refused();
    }
  };
  const claims = read(body);
  const seconds = Date.now() / 1000;
  const bare = (url: unknown): string => String(url).replace(/\/+$/, '');
  if (
    read(head)['alg'] !== 'RS256' ||
    bare(claims['aud']) !== bare(rules.resource) ||
    !(Number(claims['exp']) > seconds) ||
    Number(claims['nbf'] ?? 0) > seconds + CLOCK_SKEW_SECONDS
  ) {
    throw refused();
  }
  return String(claims['upn'] ?? claims['appid'] ?? claims['oid'] ?? claims['sub'] ?? 'token');
}
