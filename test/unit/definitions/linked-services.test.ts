// Resolving linked services at use: parameters, overrides, secrets, and what may never be shown to another address.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLinkedServices } from '../../../src/activities/linked-services.ts';
import { redact } from '../../../src/config/redaction.ts';
import type { WaybillError } from '../../../src/core/errors.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { writeFactory } from '../../support/factory-files.ts';

const vaultSecret = (secretName: string): JsonObject => ({
  type: 'AzureKeyVaultSecret',
  store: { referenceName: 'ls_kv', type: 'LinkedServiceReference' },
  secretName,
});

const factory = writeFactory({
  'linkedService/ls_kv.json': {
    name: 'ls_kv',
    properties: { type: 'AzureKeyVault', typeProperties: { baseUrl: 'https://kv.vault.azure.net/' } },
  },
  'linkedService/ls_sql.json': {
    name: 'ls_sql',
    properties: {
      type: 'sqlserver',
      parameters: { db: { type: 'String', defaultValue: 'main' } },
      typeProperties: {
        server: 'prod.example',
        database: { value: '@linkedService().db', type: 'Expression' },
        userName: 'u',
        password: vaultSecret('sql-password'),
        encryptedCredential: 'ew0KICAi',
      },
    },
  },
  'credential/worker.json': {
    name: 'worker',
    properties: { type: 'ManagedIdentity', typeProperties: { resourceId: '/subscriptions/s/id' } },
  },
  'credential/principal.json': {
    name: 'principal',
    properties: {
      type: 'ServicePrincipal',
      typeProperties: {
        servicePrincipalId: 'app',
        servicePrincipalKey: { type: 'SecureString', value: 'key-of-app' },
      },
    },
  },
  'linkedService/ls_identity.json': {
    name: 'ls_identity',
    properties: {
      type: 'AzureSqlDatabase',
      parameters: { who: { type: 'String', defaultValue: 'worker' } },
      typeProperties: {
        server: 'prod.example',
        credential: { referenceName: 'worker', type: 'CredentialReference' },
      },
    },
  },
  'linkedService/ls_principal.json': {
    name: 'ls_principal',
    properties: {
      type: 'AzureSqlDatabase',
      typeProperties: {
        server: 'prod.example',
        credential: { referenceName: 'principal', type: 'CredentialReference' },
      },
    },
  },
  'linkedService/ls_text.json': {
    name: 'ls_text',
    properties: {
      type: 'AzureSqlDatabase',
      parameters: { db: { type: 'String' } },
      typeProperties: { connectionString: 'Server=s;Database=@{linkedService().db};Password=hunter2hunter2' },
    },
  },
  'linkedService/ls_secure.json': {
    name: 'ls_secure',
    properties: {
      type: 'PostgreSqlV2',
      typeProperties: { server: 's', password: { type: 'SecureString', value: '@not an expression' } },
    },
  },
});
after(() => factory.remove());

type Overrides = Record<string, Record<string, JsonObject | string>>;
const resolver = (linkedService: Overrides = {}, env: Record<string, string> = {}) =>
  createLinkedServices({ settings: { factoryDirectory: factory.directory, linkedService }, env }).resolve;

const failure = (promise: Promise<unknown>): Promise<WaybillError> =>
  promise.then(
    () => assert.fail('it was resolved'),
    (error: WaybillError) => error,
  );

test('definition, parameters and overrides come together; encryptedCredential is dropped', async () => {
  const resolve = resolver({ LS_SQL: { password: { env: 'PW' }, caFile: '/ca.pem' } }, { PW: '@secret{1}' });
  assert.deepEqual(await resolve('ls_sql', { db: 'other' }), {
    name: 'ls_sql',
    type: 'SqlServer',
    properties: {
      server: 'prod.example',
      database: 'other',
      userName: 'u',
      password: '@secret{1}',
      caFile: '/ca.pem',
    },
  });
  assert.equal(redact('login @secret{1} failed'), 'login [secret] failed');
});

test('a Key Vault that cannot be reached names vault, secret and the key to set', async () => {
  const error = await failure(resolver({ ls_kv: { baseUrl: 'http://127.0.0.1:9' } })('ls_sql'));
  assert.equal(error.code, 'SETTINGS_INVALID');
  assert.match(error.message, /"sql-password" in the Key Vault "ls_kv"/);
  assert.match(error.message, /\[linkedService\.ls_sql\] password = \{ env = "NAME" \}/);
});

test('an environment variable that is not set is named', async () => {
  const error = await failure(resolver({ ls_sql: { password: { env: 'NO_SUCH' } } })('ls_sql'));
  assert.equal(error.code, 'SECRET_MISSING');
  assert.match(error.message, /variable NO_SUCH, which is not set/);
});

test("with another address the definition's credentials are not used", async () => {
  const { properties } = await resolver({ ls_sql: { server: 'localhost,1' } })('ls_sql');
  assert.deepEqual(properties, { database: 'main', userName: 'u', server: 'localhost,1' });
  const text = await resolver({ ls_text: { server: 'localhost' } })('ls_text', { db: 'd' });
  // What the database is called is no credential.
  assert.deepEqual(text.properties, { server: 'localhost', database: 'd' });
});

test('connection strings are evaluated and their password is kept out of logs', async () => {
  const { properties } = await resolver()('ls_text', { db: 'd1' });
  assert.equal(properties['connectionString'], 'Server=s;Database=d1;Password=hunter2hunter2');
  assert.equal(redact('x hunter2hunter2 y'), 'x [secret] y');
  assert.equal((await failure(resolver()('ls_text'))).code, 'PARAMETER_MISSING');
});

test('a SecureString is a value, never an expression', async () => {
  const { properties } = await resolver()('ls_secure');
  assert.equal(properties['password'], '@not an expression');
});

test('a name that is not there has a nearest one', async () => {
  const error = await failure(resolver()('ls_sqll'));
  assert.equal(error.code, 'REFERENCE_MISSING');
  assert.match(error.message, /nearest name is "ls_sql"/);
});

test('a credential stands where it is referred to, its secrets in clear, and not at another address', async () => {
  const { properties } = await resolver()('ls_identity');
  const credential = { referenceName: 'worker', type: 'ManagedIdentity', resourceId: '/subscriptions/s/id' };
  assert.deepEqual(properties, { server: 'prod.example', credential });
  const principal = (await resolver()('ls_principal')).properties['credential'] as JsonObject;
  assert.equal(principal['servicePrincipalKey'], 'key-of-app');
  assert.equal(redact('key-of-app'), '[secret]');
  const moved = await resolver({ ls_principal: { server: 'localhost' } })('ls_principal');
  assert.deepEqual(moved.properties, { server: 'localhost' });
});
