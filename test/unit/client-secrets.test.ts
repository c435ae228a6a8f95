// `waybill secrets check`, and settings that hold for every linked service of a type.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLinkedServices } from '../../src/activities/linked-services.ts';
import { checkSecrets } from '../../src/client/secrets.ts';
import { loadSettings, type Settings } from '../../src/config/settings.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { writeFactory } from '../support/factory-files.ts';

const linkedService = (type: string, typeProperties: JsonObject, more: object = {}): object => ({
  properties: { type, typeProperties, ...more },
});
const secureString = (value: string): JsonObject => ({ type: 'SecureString', value });

/** A foreign factory: its names are nobody's business. */
const FILES = {
  'linkedService/Azure SQL (prod).json': linkedService('AzureSqlDatabase', {
    connectionString:
      'Data Source=tcp:prod.database.windows.net,1433;Initial Catalog=Sales;User ID=app;Password=hunter2-of-prod',
    encryptedCredential: 'opaque',
  }),
  'linkedService/warehouse.json': linkedService('Snowflake', {
    connectionString: secureString(
      'jdbc:snowflake://acme.snowflakecomputing.com/?user=app&db=DWH&warehouse=LOAD&password=hunter3',
    ),
  }),
  'linkedService/own.json': linkedService('AzureSqlDatabase', {
    server: 'own.example',
    database: 'Own',
    authenticationType: 'ServicePrincipal',
  }),
  'linkedService/lake.json': linkedService('AzureBlobFS', { url: 'https://x.dfs.core.windows.net' }),
};

const TOML = `
[linkedServiceType.azuresqldatabase]
server = "localhost,1433"
userName = "sa"
password = { env = "LOCAL_SQL" }
authenticationType = "SQL"
defaults = { database = "fallback" }

[linkedServiceType.Snowflake]
host = "http://127.0.0.1:1"
user = "WAYBILL"
password = { env = "LOCAL_SNOW" }
defaults = { database = "NYC", schema = "PUBLIC" }

[linkedService.OWN]
database = "Mine"
`;

async function withSettings<T>(body: (settings: Settings) => Promise<T>): Promise<T> {
  const factory = writeFactory({ ...FILES, 'waybill.toml': TOML });
  try {
    return await body(
      loadSettings({ env: { WAYBILL_FACTORY_DIRECTORY: factory.directory }, cwd: factory.directory }),
    );
  } finally {
    factory.remove();
  }
}

test('settings by type lead every linked service of it elsewhere; its database is still its own', async () => {
  await withSettings(async (settings) => {
    const env = { LOCAL_SQL: 'p1-local', LOCAL_SNOW: 'p2-local' };
    const { resolve } = createLinkedServices({ settings, env });
    const sql = await resolve('azure sql (prod)');
    assert.deepEqual(sql.properties, {
      server: 'localhost,1433',
      userName: 'sa',
      password: 'p1-local',
      authenticationType: 'SQL',
      database: 'Sales',
    });
    assert.deepEqual((await resolve('warehouse')).properties, {
      host: 'http://127.0.0.1:1',
      user: 'WAYBILL',
      password: 'p2-local',
      database: 'DWH',
      schema: 'PUBLIC',
      warehouse: 'LOAD',
    });
    const own = (await resolve('own')).properties;
    assert.equal(own['database'], 'Mine');
    assert.equal(own['authenticationType'], 'SQL');
    assert.deepEqual((await resolve('lake')).properties, { url: 'https://x.dfs.core.windows.net' });
  });
});

test('every reference is resolved, none is printed, and what is missing is named', async () => {
  await withSettings(async (settings) => {
    const env = { LOCAL_SNOW: 'p2-local' };
    const places = await checkSecrets(settings, createLinkedServices({ settings, env }));
    const byPlace = Object.fromEntries(places.map(({ place, ...rest }) => [place, rest]));
    assert.deepEqual(Object.keys(byPlace).sort(), [
      'linked service Azure SQL (prod)',
      'linked service own',
      'linked service warehouse',
    ]);
    assert.equal(byPlace['linked service warehouse']?.state, 'resolved');
    const missing = byPlace['linked service own'];
    assert.equal(missing?.state, 'failed');
    assert.equal(missing?.code, 'SECRET_MISSING');
    assert.match(missing?.message ?? '', /LOCAL_SQL/);
    assert.deepEqual(missing?.references, ['env LOCAL_SQL']);
    assert.doesNotMatch(JSON.stringify(places), /hunter|p2-local/);
  });
});
