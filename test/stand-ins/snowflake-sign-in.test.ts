// Signing in to Snowflake in the product's way: password, key pairs in every form, OAuth tokens, service principals.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { ask, coded, snowflakeService } from '../support/snowflake-product.ts';
import { makeHome, password, StandIn, user } from '../support/snowflake-stand-in.ts';

const run = promisify(execFile);

/** An access token as Entra ID would sign it. */
const accessToken = (key: KeyObject, claims: Readonly<Record<string, unknown>> = {}): string => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const body = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ sub: user, iat: now, exp: now + 600, ...claims })}`;
  return `${body}.${sign('RSA-SHA256', Buffer.from(body), key).toString('base64url')}`;
};

describe('signing in to Snowflake', { timeout: 240_000 }, () => {
  const home = makeHome();
  const directory = mkdtempSync(join(tmpdir(), 'waybill-snowflake-sign-in-'));
  const oauth = generateKeyPairSync('rsa', { modulusLength: 2048 });
  let server: StandIn;

  const whoAmI = async (properties: JsonObject): Promise<unknown> => {
    const service = {
      name: 'ls',
      type: 'SnowflakeV2',
      properties: { host: server.url, accountIdentifier: 'waybill', database: 'DB1', ...properties },
    };
    return (await ask(service, 'SELECT CURRENT_USER() AS ME'))[0]?.['me'];
  };

  before(async () => {
    const key = join(directory, 'oauth.pub');
    writeFileSync(key, oauth.publicKey.export({ type: 'spki', format: 'pem' }));
    server = await StandIn.start(home, '--oauth-key', key);
  });
  after(async () => {
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
    rmSync(home.directory, { recursive: true, force: true });
  });

  test('a password, by properties and by both forms of the older connection string', async () => {
    assert.equal(await whoAmI({ user, password }), user.toUpperCase());
    assert.equal(await whoAmI({ authenticationType: 'Basic', user, password }), user.toUpperCase());
    const pairs = `account=waybill;user=${user};password=${password};db=DB1;warehouse=WH;role=LOADER`;
    assert.equal(
      await whoAmI({ connectionString: pairs, accountIdentifier: null, database: null }),
      user.toUpperCase(),
    );
    const jdbc = `jdbc:snowflake://waybill.snowflakecomputing.com/?user=${user}&db=DB1&warehouse=WH&role=R1`;
    const [row] = await ask(
      {
        name: 'ls',
        type: 'Snowflake',
        properties: { connectionString: jdbc, host: server.url, password },
      },
      'SELECT CURRENT_ROLE() AS R, CURRENT_WAREHOUSE() AS W, CURRENT_SCHEMA() AS S',
    );
    assert.deepEqual([row?.['r'], row?.['w']], ['R1', 'WH']);
    await assert.rejects(whoAmI({ user, password: 'wrong-password' }), (error: unknown) => {
      assert.ok(coded('AUTHENTICATION_FAILED', /390100/)(error));
      return !String((error as Error).message).includes('wrong-password');
    });
  });

  test('a key pair: plain, encrypted, from a file, on one line, without its frame', async () => {
    const keyPair = { authenticationType: 'KeyPair', user };
    const plain = home.privateKey;
    const encrypted = createPrivateKey(plain)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' })
      .toString();
    const file = join(directory, 'key.p8');
    writeFileSync(file, encrypted);
    const body = plain.replaceAll(/-----[^-]+-----|\s/g, '');
    for (const properties of [
      { privateKey: plain },
      { privateKey: plain.replaceAll('\n', '\\n') },
      { privateKey: plain.replaceAll('\n', ' ') },
      { privateKey: body },
      { privateKey: encrypted, privateKeyPassphrase: 'open sesame' },
      { privateKeyFile: file, privateKeyPassphrase: 'open sesame' },
      { privateKey: createPrivateKey(plain).export({ type: 'pkcs1', format: 'pem' }).toString() },
    ]) {
      assert.equal(await whoAmI({ ...keyPair, ...properties }), user.toUpperCase());
    }
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const otherPem = other.export({ type: 'pkcs8', format: 'pem' }).toString();
    await assert.rejects(
      whoAmI({ ...keyPair, privateKey: otherPem }),
      coded('AUTHENTICATION_FAILED', /390144/),
    );
    const wrong = { ...keyPair, privateKey: encrypted, privateKeyPassphrase: 'wrong' };
    await assert.rejects(whoAmI(wrong), coded('SETTINGS_INVALID', /privateKeyPassphrase is wrong/));
    await assert.rejects(whoAmI(keyPair), coded('SETTINGS_INVALID', /lacks "privateKey"/));
  });

  test('an OAuth token: signed, in time, for the user; an expired one is worth another attempt', async () => {
    const signIn = { authenticationType: 'OAuth' };
    assert.equal(await whoAmI({ ...signIn, token: accessToken(oauth.privateKey) }), user.toUpperCase());
    assert.equal(
      await whoAmI({ user, token: accessToken(oauth.privateKey, { sub: 'x', upn: user }) }),
      user.toUpperCase(),
    );
    const expired = accessToken(oauth.privateKey, { exp: Math.floor(Date.now() / 1000) - 60 });
    await assert.rejects(whoAmI({ ...signIn, token: expired }), (error: unknown) => {
      assert.ok(coded('CONNECTION_FAILED', /390318/)(error));
      assert.ok(!(error as Error).message.includes(expired));
      return (error as WaybillError).retryable;
    });
    const forged = accessToken(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
    await assert.rejects(whoAmI({ ...signIn, token: forged }), coded('AUTHENTICATION_FAILED', /390303/));
    const stranger = accessToken(oauth.privateKey, { sub: 'stranger' });
    await assert.rejects(whoAmI({ ...signIn, token: stranger }), coded('AUTHENTICATION_FAILED', /390317/));
    await assert.rejects(
      whoAmI({ authenticationType: 'Kerberos', user }),
      coded('DEFINITION_UNSUPPORTED', /Kerberos/),
    );
  });

  test("a service principal's token comes from Entra ID, each time anew", async () => {
    const keyFile = join(directory, 'tls.pem');
    const certificateFile = join(directory, 'tls.crt');
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const newKey = ['-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile];
    await run('openssl', ['req', '-x509', ...newKey, '-out', certificateFile, '-days', '2', ...subject]);
    const grants: URLSearchParams[] = [];
    const authority = createServer(
      { key: readFileSync(keyFile), cert: readFileSync(certificateFile) },
      (request, response) => {
        let body = '';
        request.on('data', (piece: Buffer) => {
          body += piece.toString();
        });
        request.on('end', () => {
          const base = `https://localhost:${(authority.address() as AddressInfo).port}/tenant-of-test`;
          response.setHeader('content-type', 'application/json');
          if (request.url?.includes('openid-configuration')) {
            const metadata = {
              issuer: `${base}/v2.0`,
              authorization_endpoint: `${base}/authorize`,
              token_endpoint: `${base}/oauth2/v2.0/token`,
              jwks_uri: `${base}/keys`,
            };
            response.end(JSON.stringify(metadata));
            return;
          }
          const grant = new URLSearchParams(body);
          grants.push(grant);
          const right = grant.get('client_secret') === 'secret-of-test';
          response.statusCode = right ? 200 : 401;
          response.end(
            JSON.stringify(
              right
                ? { token_type: 'Bearer', expires_in: 600, access_token: accessToken(oauth.privateKey) }
                : { error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret.' },
            ),
          );
        });
      },
    );
    await new Promise<void>((resolve) => authority.listen(0, '127.0.0.1', resolve));
    try {
      const signIn = async (clientSecret: string): Promise<string> => {
        const properties = {
          ...snowflakeService(server.url, { user: null, password: null }).properties,
          authenticationType: 'AADServicePrincipal',
          clientId: 'client-of-test',
          clientSecret,
          tenantId: 'tenant-of-test',
          scope: 'api://snowflake/.default',
        };
        const { port } = authority.address() as AddressInfo;
        // A process of its own: Node reads NODE_EXTRA_CA_CERTS at its start only.
        const program = join(import.meta.dirname, '../support/snowflake-who-am-i.js');
        const { stdout } = await run(process.execPath, [program, JSON.stringify(properties)], {
          env: {
            ...process.env,
            AZURE_AUTHORITY_HOST: `https://localhost:${port}`,
            NODE_EXTRA_CA_CERTS: certificateFile,
          },
        });
        return stdout.trim();
      };
      assert.equal(await signIn('secret-of-test'), user.toUpperCase());
      assert.equal(grants[0]?.get('scope')?.split(' ')[0], 'api://snowflake/.default');
      assert.equal(grants[0]?.get('client_id'), 'client-of-test');
      const refused = await signIn('wrong-secret');
      assert.match(refused, /^AUTHENTICATION_FAILED .*AADSTS7000215/);
      assert.doesNotMatch(refused, /wrong-secret/);
    } finally {
      authority.close();
      authority.closeAllConnections();
    }
  });
});
