// How Web activities prove who they are: to a real TLS server that asks for a certificate, and with tokens of a managed
// identity's endpoint.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createAddressGuard } from '../../../src/activities/web/address-guard.ts';
import { type AuthenticationSources, proofOf } from '../../../src/activities/web/authentication.ts';
import { type HttpRequest, sendRequest } from '../../../src/activities/web/http-client.ts';
import { redact } from '../../../src/config/redaction.ts';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';

const directory = mkdtempSync(join(tmpdir(), 'waybill-authentication-'));
const path = (name: string): string => join(directory, name);
const asked: string[] = [];
let secure: NetServer;
let identity: Server;
let origin = '';

const portOf = async (server: NetServer): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

before(async () => {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  for (const name of ['server', 'client'])
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      path(`${name}.key`),
      '-out',
      path(`${name}.pem`),
    );
  openssl(
    'pkcs12',
    '-export',
    '-inkey',
    path('client.key'),
    '-in',
    path('client.pem'),
    '-passout',
    'pass:pfx-password',
    '-out',
    path('client.pfx'),
  );
  secure = createSecureServer(
    {
      key: readFileSync(path('server.key')),
      cert: readFileSync(path('server.pem')),
      ca: readFileSync(path('client.pem')),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      const socket = request.socket as TLSSocket;
      response.end(
        JSON.stringify({ client: socket.authorized ? socket.getPeerCertificate().subject.CN : 'nobody' }),
      );
    },
  );
  origin = `https://127.0.0.1:${await portOf(secure)}`;
  identity = createServer((request, response) => {
    asked.push(request.url ?? '');
    const known = request.headers['x-identity-header'] === 'identity-secret';
    response.writeHead(known ? 200 : 400, { 'content-type': 'application/json' });
    const expires = Math.floor(Date.now() / 1000) + 600;
    response.end(
      JSON.stringify({
        access_token: 'token-of-the-identity',
        expires_on: String(expires),
        token_type: 'Bearer',
      }),
    );
  });
  process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${await portOf(identity)}/msi/token`;
  process.env['IDENTITY_HEADER'] = 'identity-secret';
});
after(() => {
  secure?.close();
  identity?.close();
  rmSync(directory, { recursive: true, force: true });
});

const sources: AuthenticationSources = {
  activity: 'call',
  secret: async (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? (value['value'] ?? '') : value,
  credential: (name) => (name === 'cr_user' ? { resourceId: '/subscriptions/s/identity/u' } : undefined),
};
const proof = (authentication: JsonValue): ReturnType<typeof proofOf> => proofOf(authentication, sources);
const send = (more: Partial<HttpRequest>) =>
  sendRequest(
    { method: 'GET', url: origin, headers: {}, timeout: 20_000, verifyCertificate: true, ...more },
    createAddressGuard(['127.0.0.0/8']),
  );

test('a client certificate is shown to who asks for it', async () => {
  const pfx = readFileSync(path('client.pfx')).toString('base64');
  const { clientCertificate } = await proof({
    type: 'ClientCertificate',
    pfx,
    password: { type: 'SecureString', value: 'pfx-password' },
  });
  assert.ok(clientCertificate);
  const answer = await send({ clientCertificate, verifyCertificate: false });
  assert.deepEqual(JSON.parse(answer.body.toString()), { client: 'client' });
  const without = await send({ verifyCertificate: false });
  assert.deepEqual(JSON.parse(without.body.toString()), { client: 'nobody' });
});

test('a certificate that nobody vouches for is refused unless the definition says otherwise', async () => {
  await assert.rejects(send({}), { code: 'CONNECTION_FAILED', message: /certificate .* is not trusted/ });
});

test('the managed identity gives a token for the resource', async () => {
  const { headers } = await proof({ type: 'MSI', resource: 'https://management.azure.com/' });
  assert.deepEqual(headers, { Authorization: 'Bearer token-of-the-identity' });
  assert.match(asked.at(-1) ?? '', /resource=https%3A%2F%2Fmanagement\.azure\.com(&|$)/);
  const user: JsonObject = {
    type: 'UserAssignedManagedIdentity',
    resource: 'https://vault.azure.net',
    credential: { referenceName: 'cr_user' },
  };
  await proof(user);
  assert.match(asked.at(-1) ?? '', /mi_res_id=%2Fsubscriptions%2Fs%2Fidentity%2Fu|msi_res_id/);
  await assert.rejects(proof({ ...user, credential: { referenceName: 'cr_other' } }), {
    code: 'REFERENCE_MISSING',
  });
  assert.equal(redact('a log line with token-of-the-identity in it').includes('token-of'), false);
});

test('what is missing or of no known type is said', async () => {
  await assert.rejects(proof({ type: 'Basic', username: 'u' }), {
    code: 'DEFINITION_INVALID',
    message: /needs "password"/,
  });
  await assert.rejects(proof({ type: 'MSI' }), { code: 'DEFINITION_INVALID', message: /needs "resource"/ });
  await assert.rejects(proof({ type: 'OAuth2' }), { code: 'DEFINITION_UNSUPPORTED', message: /OAuth2/ });
  assert.deepEqual(await proof(null), { headers: {} });
  assert.deepEqual(await proof({ type: 'None' }), { headers: {} });
});
