// A Key Vault for tests: keeps secrets with their versions, over TLS, for bearers of tokens that its own identity endpoint
// (App Service's form of managed identity) has signed. What Key Vault has beyond that answers NotImplemented.
import { execFileSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const RESOURCE = 'https://vault.azure.net';

export interface KeyVaultUnderTest {
  readonly url: string;
  /** PEM file of the certificate that signs the server's: its own. */
  readonly caFile: string;
  /** What a process needs in its environment for the vault to know it. */
  readonly env: Readonly<Record<string, string>>;
  /** Paths asked for, in order. */
  readonly asked: string[];
  /** Adds a version. */
  set(name: string, value: string): void;
  /** From here on the identity is known but may read nothing. */
  forbid(forbidden: boolean): void;
  stop(): Promise<void>;
}

export async function startKeyVault(): Promise<KeyVaultUnderTest> {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-vault-'));
  const [keyFile, caFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', caFile, '-days', '2', ...subject], {
    stdio: 'ignore',
  });
  const tokenKey = randomBytes(32);
  const header = randomBytes(8).toString('hex');
  const secrets = new Map<string, { version: string; value: string }[]>();
  const asked: string[] = [];
  let forbidden = false;

  const sign = (text: string): string => createHmac('sha256', tokenKey).update(text).digest('base64url');
  const token = (audience: string): string => {
    const claims = Buffer.from(JSON.stringify({ aud: audience, exp: Date.now() / 1000 + 600 })).toString(
      'base64url',
    );
    return `e30.${claims}.${sign(claims)}`;
  };
  const isKnown = (authorization: string | undefined): boolean => {
    const [, claims = '', signature] = (authorization ?? '').replace(/^Bearer /, '').split('.');
    if (signature !== sign(claims)) return false;
    const { aud, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
      aud: string;
      exp: number;
    };
    return aud === RESOURCE && exp > Date.now() / 1000;
  };
  const answer = (response: ServerResponse, status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const refusal = (code: string, message: string): object => ({ error: { code, message } });

  const identity = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://localhost');
    if (request.headers['x-identity-header'] !== header)
      return answer(response, 400, { message: 'No such identity' });
    return answer(response, 200, {
      access_token: token(url.searchParams.get('resource') ?? ''),
      expires_on: String(Math.floor(Date.now() / 1000) + 600),
      token_type: 'Bearer',
    });
  });
  const vault = createSecureServer(
    { key: readFileSync(keyFile), cert: readFileSync(caFile) },
    (request, response) => {
      const { pathname } = new URL(request.url ?? '', 'https://localhost');
      asked.push(pathname);
      if (!isKnown(request.headers.authorization)) {
        response.setHeader(
          'WWW-Authenticate',
          `Bearer authorization="https://login.microsoftonline.com/test", resource="${RESOURCE}"`,
        );
        return answer(response, 401, refusal('Unauthorized', 'AKV10000: Request is missing a Bearer token.'));
      }
      const [, kind, name = '', version = ''] = pathname.split('/');
      if (request.method !== 'GET' || kind !== 'secrets' || name === '')
        return answer(response, 501, refusal('NotImplemented', `${request.method} ${pathname}`));
      if (forbidden)
        return answer(response, 403, refusal('Forbidden', 'Caller is not authorized to perform action.'));
      const found = secrets
        .get(name)
        ?.filter((one) => version === '' || one.version === version)
        .at(-1);
      if (found === undefined)
        return answer(
          response,
          404,
          refusal('SecretNotFound', `A secret with (name/id) ${name} was not found.`),
        );
      return answer(response, 200, {
        value: found.value,
        id: `https://localhost/secrets/${name}/${found.version}`,
        attributes: { enabled: true },
      });
    },
  );
  const [identityPort, vaultPort] = await Promise.all([listen(identity), listen(vault)]);
  return {
    url: `https://localhost:${vaultPort}/`,
    caFile,
    env: { IDENTITY_ENDPOINT: `http://127.0.0.1:${identityPort}/msi/token`, IDENTITY_HEADER: header },
    asked,
    set(name, value) {
      const version = randomBytes(16).toString('hex');
      secrets.set(name, [...(secrets.get(name) ?? []), { version, value }]);
    },
    forbid(now) {
      forbidden = now;
    },
    async stop() {
      await Promise.all([identity, vault].map((server) => new Promise((resolve) => server.close(resolve))));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};
