// Signing in the product's way: logins, managed identities and service principals through @azure/identity, TLS, TDS 8.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { openProduct, type SqlServerUnderTest, startSqlServer } from '../support/sql-server-stand-in.ts';

const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
const listening = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

describe('signing in to SQL Server', { timeout: 240_000 }, () => {
  let server: SqlServerUnderTest;
  /** App Service's identity endpoint, which @azure/identity speaks to by two environment variables. */
  let endpoint: Server;
  let claims: Readonly<Record<string, unknown>> = {};
  const asked: string[] = [];

  const whoAmI = async (properties: JsonObject, type = 'AzureSqlDatabase'): Promise<unknown> => {
    const connection = await openProduct(server, properties, type);
    try {
      const [row] = await connection.query('SELECT SUSER_SNAME() AS me', 'asking');
      return row?.['me'];
    } finally {
      await connection.close();
    }
  };

  before(async () => {
    server = await startSqlServer();
    endpoint = createServer((request, response) => {
      asked.push(request.url ?? '');
      const { aud = 'https://database.windows.net/' } = claims;
      if (
        request.headers['x-identity-header'] !== 'header-of-test' ||
        /client_id=unknown/.test(request.url ?? '')
      ) {
        response.writeHead(400).end('{"statusCode":400,"message":"No such identity"}');
        return;
      }
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          access_token: server.accessToken({ appid: 'the-worker', ...claims }),
          expires_on: String(Math.floor(Date.now() / 1000) + 600),
          resource: aud,
          token_type: 'Bearer',
        }),
      );
    });
    process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${await listening(endpoint)}/msi/token`;
    process.env['IDENTITY_HEADER'] = 'header-of-test';
  });
  after(async () => {
    delete process.env['IDENTITY_ENDPOINT'];
    delete process.env['IDENTITY_HEADER'];
    endpoint?.close();
    await server?.stop();
  });

  test('a SQL login, by fields and by connection string', async () => {
    assert.equal(await whoAmI({}, 'SqlServer'), 'sa');
    assert.equal(
      await whoAmI({ authenticationType: 'SQL', userName: 'sa', password: 'Waybill-test-1' }),
      'sa',
    );
    await assert.rejects(
      whoAmI({ authenticationType: 'SQL', userName: 'sa', password: 'wrong-password' }),
      coded('AUTHENTICATION_FAILED'),
    );
  });

  test("a managed identity's token signs in, by every way of asking for it", async () => {
    claims = {};
    assert.equal(await whoAmI({ authenticationType: 'SystemAssignedManagedIdentity' }), 'the-worker');
    assert.match(asked.at(-1) ?? '', /resource=https(%3A|:)(%2F|\/){2}database\.windows\.net/);
    const assigned = { referenceName: 'id', type: 'CredentialReference', clientId: 'client-of-test' };
    assert.equal(
      await whoAmI({ authenticationType: 'UserAssignedManagedIdentity', credential: assigned }),
      'the-worker',
    );
    assert.match(asked.at(-1) ?? '', /client_id=client-of-test/);
    const connectionString = `Data Source=localhost,${server.port};Initial Catalog=master;Authentication=Active Directory Managed Identity`;
    assert.equal(await whoAmI({ connectionString, userName: '', password: '' }), 'the-worker');
  });

  test('a token that is out of date, for another service or signed by another key is refused', async () => {
    for (const bad of [{ exp: 1 }, { aud: 'https://storage.azure.com/' }, { nbf: 4_000_000_000 }]) {
      claims = bad;
      await assert.rejects(
        whoAmI({ authenticationType: 'SystemAssignedManagedIdentity' }),
        coded('AUTHENTICATION_FAILED'),
        JSON.stringify(bad),
      );
    }
    claims = {};
    const other = await startSqlServer();
    try {
      await assert.rejects(
        (async () =>
          (await openProduct(other, { authenticationType: 'SystemAssignedManagedIdentity' })).close())(),
        coded('AUTHENTICATION_FAILED'),
      );
    } finally {
      await other.stop();
    }
  });

  test('an identity that cannot be had says so, and is not tried for ever', async () => {
    await assert.rejects(
      whoAmI({ authenticationType: 'UserAssignedManagedIdentity', credential: { clientId: 'unknown' } }),
      coded('AUTHENTICATION_FAILED'),
    );
  });

  test('a service principal gets its token by the client-credentials grant', async () => {
    const grants: string[] = [];
    const authority = createSecureServer(
      { key: readFileSync(server.keyFile), cert: server.certificate },
      (request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        request.on('end', () => {
          response.setHeader('content-type', 'application/json');
          const base = `https://localhost:${(authority.address() as AddressInfo).port}/tenant-of-test`;
          if (request.url?.includes('openid-configuration')) {
            response.end(
              JSON.stringify({
                issuer: `${base}/v2.0`,
                authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
                token_endpoint: `${base}/oauth2/v2.0/token`,
                jwks_uri: `${base}/keys`,
              }),
            );
            return;
          }
          grants.push(body);
          const right = new URLSearchParams(body).get('client_secret') === 'secret-of-test';
          response.statusCode = right ? 200 : 401;
          response.end(
            JSON.stringify(
              right
                ? {
                    token_type: 'Bearer',
                    expires_in: 600,
                    access_token: server.accessToken({ appid: 'principal' }),
                  }
                : {
                    error: 'invalid_client',
                    error_description: 'AADSTS7000215: Invalid client secret provided.',
                  },
            ),
          );
        });
      },
    );
    const port = await listening(authority);
    // A process of its own: Node reads NODE_EXTRA_CA_CERTS at its start only.
    const program = join(import.meta.dirname, '../support/sql-server-who-am-i.js');
    const ask = async (secret: string): Promise<string> => {
      const properties = {
        ...{ server: `localhost,${server.port}`, database: 'master', caFile: server.certificateFile },
        ...{ servicePrincipalId: 'app-of-test', servicePrincipalKey: secret, tenant: 'tenant-of-test' },
      };
      const env = {
        ...process.env,
        NODE_EXTRA_CA_CERTS: server.certificateFile,
        AZURE_AUTHORITY_HOST: `https://localhost:${port}`,
      };
      const run = promisify(execFile)(process.execPath, [program, JSON.stringify(properties)], { env });
      return (await run).stdout.trim();
    };
    try {
      assert.equal(await ask('secret-of-test'), 'principal');
      assert.match(grants[0] ?? '', /scope=https%3A%2F%2Fdatabase\.windows\.net%2F\.default/);
      assert.equal(await ask('another'), 'AUTHENTICATION_FAILED');
    } finally {
      authority.closeAllConnections();
      authority.close();
    }
  });

  test('certificates are verified unless told otherwise, under the name that is given', async () => {
    await assert.rejects(
      whoAmI({ caFile: undefined as unknown as string }, 'SqlServer'),
      coded('CONNECTION_FAILED'),
    );
    assert.equal(await whoAmI({ hostNameInCertificate: 'localhost' }, 'SqlServer'), 'sa');
    await assert.rejects(
      whoAmI({ hostNameInCertificate: 'elsewhere.example' }, 'SqlServer'),
      coded('CONNECTION_FAILED'),
    );
    assert.equal(await whoAmI({ encrypt: 'optional' }, 'SqlServer'), 'sa');
    assert.equal(await whoAmI({ encrypt: 'mandatory' }, 'SqlServer'), 'sa');
  });

  test('encrypt strict: TLS before the first byte of TDS', async () => {
    assert.equal(await whoAmI({ encrypt: 'strict' }, 'SqlServer'), 'sa');
    assert.equal(
      await whoAmI({ encrypt: 'strict', authenticationType: 'SystemAssignedManagedIdentity' }),
      'the-worker',
    );
    await assert.rejects(
      whoAmI({ encrypt: 'strict', hostNameInCertificate: 'elsewhere.example' }, 'SqlServer'),
      coded('CONNECTION_FAILED'),
    );
  });
});
