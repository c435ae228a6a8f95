// What a SQL Server linked service's JSON comes to.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sqlServerConfig } from '../../src/connectors/sql-server/config.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';

const read = (properties: JsonObject, type = 'AzureSqlDatabase') =>
  sqlServerConfig({ name: 'ls', type, properties: { server: 'host', database: 'db', ...properties } });
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

describe('a SQL Server linked service', () => {
  test('signs in as it says, or as its fields imply', () => {
    const signIn = (properties: JsonObject, type?: string) => read(properties, type).authentication;
    assert.deepEqual(signIn({ userName: 'u', password: 'p' }), { kind: 'login', user: 'u', password: 'p' });
    assert.deepEqual(signIn({}), { kind: 'managedIdentity' });
    assert.deepEqual(signIn({ authenticationType: 'SystemAssignedManagedIdentity' }), {
      kind: 'managedIdentity',
    });
    const resourceId =
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i';
    assert.deepEqual(
      signIn({
        authenticationType: 'UserAssignedManagedIdentity',
        credential: { referenceName: 'c', resourceId },
      }),
      { kind: 'managedIdentity', resourceId },
    );
    const principal = { servicePrincipalId: 'id', servicePrincipalKey: 'key', tenant: 't' };
    assert.deepEqual(signIn(principal), {
      ...{ kind: 'servicePrincipal', tenant: 't', clientId: 'id', secret: 'key', authority: undefined },
    });
    const inChina = signIn({ ...principal, azureCloudType: 'AzureChina' });
    assert.equal(inChina.kind === 'servicePrincipal' && inChina.authority, 'https://login.chinacloudapi.cn');
    const string =
      'Server=tcp:h,1444;Database=d;Authentication="Active Directory Service Principal";User ID=id;Password=\'a;b\'';
    assert.deepEqual(signIn({ connectionString: string, tenant: 't' }), {
      ...{ kind: 'servicePrincipal', tenant: 't', clientId: 'id', secret: 'a;b', authority: undefined },
    });
    assert.deepEqual(signIn({ connectionString: 'Authentication=Active Directory Default' }), {
      kind: 'default',
    });
  });

  test('what is missing or not to be had here is named', () => {
    assert.throws(() => read({}, 'SqlServer'), coded('SETTINGS_INVALID'));
    assert.throws(
      () => read({ authenticationType: 'UserAssignedManagedIdentity' }),
      coded('SETTINGS_INVALID'),
    );
    assert.throws(
      () => read({ servicePrincipalId: 'id', servicePrincipalKey: 'k' }),
      coded('SETTINGS_INVALID'),
    );
    assert.throws(
      () => read({ authenticationType: 'Windows', userName: 'D\\u', password: 'p' }),
      coded('DEFINITION_UNSUPPORTED'),
    );
    assert.throws(
      () => read({ connectionString: 'Integrated Security=SSPI' }),
      coded('DEFINITION_UNSUPPORTED'),
    );
    assert.throws(
      () => read({ connectionString: 'Authentication=Active Directory Interactive' }),
      coded('DEFINITION_UNSUPPORTED'),
    );
    assert.throws(() => read({ packetSize: 'large' }), coded('SETTINGS_INVALID'));
  });

  test('connects with TLS, and with what else it says', () => {
    const plain = read({});
    assert.equal(plain.encrypt, true);
    assert.equal(plain.trustServerCertificate, false);
    assert.equal(plain.connectMilliseconds, 15_000);
    assert.equal(plain.commandMilliseconds, 0);
    assert.equal(read({ encrypt: 'mandatory' }).encrypt, true);
    assert.equal(read({ encrypt: 'Strict' }).encrypt, 'strict');
    assert.equal(read({ encrypt: 'optional' }).encrypt, false);
    assert.equal(read({ connectionString: 'Encrypt=False' }).encrypt, false);
    const given = read({
      ...{
        applicationIntent: 'ReadOnly',
        multiSubnetFailover: true,
        packetSize: 32767,
        commandTimeout: '90',
      },
      ...{ connectTimeout: 30, connectRetryCount: 5, connectRetryInterval: 10 },
    });
    assert.deepEqual(
      [given.readOnly, given.multiSubnetFailover, given.packetSize, given.commandMilliseconds],
      [true, true, 16_383, 90_000],
    );
    assert.deepEqual(
      [given.connectMilliseconds, given.connectRetries, given.connectRetryMilliseconds],
      [30_000, 5, 10_000],
    );
    const string = read({
      connectionString: 'Connect Timeout=20;ApplicationIntent=READONLY;Command Timeout=7',
    });
    assert.deepEqual(
      [string.connectMilliseconds, string.readOnly, string.commandMilliseconds],
      [20_000, true, 7000],
    );
  });
});
