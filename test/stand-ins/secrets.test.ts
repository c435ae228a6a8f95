// Secrets by reference: read from Azure Key Vault and AWS Secrets Manager at use, and read again once a store refuses them.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { createLinkedServices } from '../../src/activities/linked-services.ts';
import { SecretCache } from '../../src/activities/secrets/secret-cache.ts';
import { redact } from '../../src/config/redaction.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { type TemporaryFactory, writeFactory } from '../support/factory-files.ts';
import { type KeyVaultUnderTest, startKeyVault } from '../support/key-vault.ts';

const fromVault = (secretName: string, secretVersion?: string): JsonObject => ({
  type: 'AzureKeyVaultSecret',
  store: { referenceName: 'ls_vault', type: 'LinkedServiceReference' },
  secretName,
  ...(secretVersion === undefined ? {} : { secretVersion }),
});

describe('Azure Key Vault', { timeout: 120_000 }, () => {
  let vault: KeyVaultUnderTest;
  let factory: TemporaryFactory;
  const before_ = { ...process.env };

  before(async () => {
    vault = await startKeyVault();
    Object.assign(process.env, vault.env);
    factory = writeFactory({
      'linkedService/ls_vault.json': {
        properties: { type: 'AzureKeyVault', typeProperties: { baseUrl: vault.url } },
      },
      'linkedService/ls_sql.json': {
        properties: {
          type: 'SqlServer',
          typeProperties: { server: 's', database: 'd', userName: 'u', password: fromVault('sql-password') },
        },
      },
      'linkedService/ls_text.json': {
        properties: {
          type: 'SqlServer',
          typeProperties: { connectionString: fromVault('sql-connection'), database: 'd' },
        },
      },
      'linkedService/ls_none.json': {
        properties: { type: 'SqlServer', typeProperties: { server: 's', password: fromVault('no-such') } },
      },
    });
  });
  after(async () => {
    for (const name of Object.keys(vault.env)) {
      if (before_[name] === undefined) delete process.env[name];
      else process.env[name] = before_[name];
    }
    factory.remove();
    await vault.stop();
  });

  const services = () =>
    createLinkedServices({
      settings: {
        factoryDirectory: factory.directory,
        linkedService: { ls_vault: { caFile: vault.caFile } },
      },
      env: {},
    });
  const failure = (promise: Promise<unknown>): Promise<WaybillError> =>
    promise.then(
      () => assert.fail('it was resolved'),
      (error: WaybillError) => error,
    );

  test('a secret is read as the worker’s managed identity, and kept out of texts', async () => {
    vault.set('sql-password', 'first-password');
    const { properties } = await services().resolve('ls_sql');
    assert.equal(properties['password'], 'first-password');
    assert.equal(redact('login with first-password failed'), 'login with [secret] failed');
  });

  test('a connection string may be a secret as a whole, and its password is one too', async () => {
    vault.set('sql-connection', 'Server=x;User Id=u;Password=inner-password');
    const { properties } = await services().resolve('ls_text');
    assert.equal(properties['connectionString'], 'Server=x;User Id=u;Password=inner-password');
    assert.equal(redact('inner-password'), '[secret]');
  });

  test('asked for again it comes from memory, until a store has refused it and the vault has another', async () => {
    vault.set('sql-password', 'second-password');
    const { resolve, secretsChanged } = services();
    assert.equal((await resolve('ls_sql')).properties['password'], 'second-password');
    const asked = vault.asked.length;
    await resolve('ls_sql');
    assert.equal(vault.asked.length, asked);
    assert.equal(await secretsChanged('ls_sql', Date.now()), false, 'refused, and still the same');
    const since = Date.now();
    vault.set('sql-password', 'third-password');
    assert.equal(await secretsChanged('ls_sql', since), true);
    assert.equal((await resolve('ls_sql')).properties['password'], 'third-password');
    assert.equal(await secretsChanged('ls_sql', since), true, 'for the other attempt that had the old one');
  });

  test('what the vault has not, or does not give, is told by name and without a value', async () => {
    const missing = await failure(services().resolve('ls_none'));
    assert.equal(missing.code, 'SECRET_MISSING');
    assert.match(
      missing.message,
      /"password" of linked service "ls_none" is the secret "no-such" in the Key Vault "ls_vault"/,
    );
    assert.match(missing.message, /\[linkedService\.ls_none\] password = \{ env = "NAME" \}/);
    vault.forbid(true);
    try {
      const refused = await failure(services().resolve('ls_sql'));
      assert.equal(refused.code, 'AUTHENTICATION_FAILED');
      assert.match(refused.message, /\(403\)/);
    } finally {
      vault.forbid(false);
    }
  });

  test('waybill.toml may refer to a vault too', async () => {
    vault.set('override', 'from-toml');
    const { properties } = await createLinkedServices({
      settings: {
        factoryDirectory: factory.directory,
        linkedService: {
          ls_vault: { caFile: vault.caFile },
          ls_sql: { password: { keyVault: 'ls_vault', secret: 'override' } },
        },
      },
      env: {},
    }).resolve('ls_sql');
    assert.equal(properties['password'], 'from-toml');
  });
});

describe('AWS Secrets Manager', { timeout: 120_000 }, () => {
  let directory: string;
  let ministack: RunningS3;
  const names = [
    'AWS_ENDPOINT_URL_SECRETS_MANAGER',
    'AWS_REGION',
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
  ];
  const kept = names.map((name) => [name, process.env[name]] as const);

  before(async () => {
    const { python } = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-secrets-'));
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local-only' };
    ministack = await startS3({
      python,
      stateDirectory: directory,
      credentials,
      services: ['secretsmanager'],
    });
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: ministack.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local-only',
    });
    const client = new SecretsManagerClient({});
    const SecretString = JSON.stringify({ password: 'from-aws', port: 5432 });
    await client.send(new CreateSecretCommand({ Name: 'db/orders', SecretString }));
    await client.send(new CreateSecretCommand({ Name: 'plain', SecretString: 'plain-secret' }));
    client.destroy();
  });
  after(async () => {
    for (const [name, value] of kept) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await ministack?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const resolve = async (password: JsonObject) => {
    const factory = writeFactory({
      'linkedService/ls_pg.json': { properties: { type: 'PostgreSqlV2', typeProperties: { server: 's' } } },
    });
    try {
      const settings = { factoryDirectory: factory.directory, linkedService: { ls_pg: { password } } };
      return (await createLinkedServices({ settings, env: {} }).resolve('ls_pg')).properties['password'];
    } finally {
      factory.remove();
    }
  };

  test('a field of a JSON secret, and a secret that is plain text', async () => {
    assert.equal(await resolve({ awsSecret: 'db/orders', key: 'password' }), 'from-aws');
    assert.equal(await resolve({ awsSecret: 'db/orders', key: 'port' }), '5432');
    assert.equal(await resolve({ awsSecret: 'plain' }), 'plain-secret');
  });

  test('a secret or a field that is not there is told by name', async () => {
    const coded = (error: unknown) =>
      error instanceof WaybillError &&
      error.code === 'SECRET_MISSING' &&
      !error.message.includes('plain-secret');
    await assert.rejects(resolve({ awsSecret: 'no/such' }), coded);
    await assert.rejects(resolve({ awsSecret: 'db/orders', key: 'nothing' }), coded);
    await assert.rejects(resolve({ awsSecret: 'plain', key: 'password' }), coded);
  });
});

test('a secret is read again after a while, and a failed reading is not kept', async () => {
  let now = 1_000;
  let value: string | Error = 'a';
  let reads = 0;
  const reference = { store: 'aws', secret: 's', key: undefined, region: undefined } as const;
  const cache = new SecretCache(
    async () => {
      reads += 1;
      if (value instanceof Error) throw value;
      return value;
    },
    () => now,
  );
  assert.equal(await cache.get(reference, 'ls'), 'a');
  assert.equal(await cache.get(reference, 'ls'), 'a');
  assert.equal(reads, 1);
  now += 600_000;
  value = new Error('away');
  await assert.rejects(cache.get(reference, 'ls'), /away/);
  value = 'b';
  assert.equal(await cache.get(reference, 'ls'), 'b');
  assert.equal(reads, 3);
});
