// What a Snowflake definition may say: linked services, import- and exportSettings, queries, staging places; and errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { snowflakeConfig } from '../../src/connectors/snowflake/config.ts';
import { loadOptions, unloadOptions } from '../../src/connectors/snowflake/copy-options.ts';
import { snowflakeError } from '../../src/connectors/snowflake/errors.ts';
import { externalPlace } from '../../src/connectors/snowflake/external-stage.ts';
import { singleQuery } from '../../src/connectors/snowflake/statements.ts';
import { canonicalText, columnFromFacts, declaration } from '../../src/connectors/snowflake/types.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';

const coded =
  (code: string, message = /./) =>
  (error: unknown): boolean =>
    error instanceof WaybillError && error.code === code && message.test(error.message);
const config = (properties: JsonObject, type = 'SnowflakeV2') =>
  snowflakeConfig({ name: 'ls', type, properties });

test('a linked service: account and address from what is given, in all forms', () => {
  const signIn = { user: 'u', password: 'p', database: 'D' };
  const plain = config({ ...signIn, accountIdentifier: 'org-acct', warehouse: 'W', role: 'R', schema: 'S' });
  assert.deepEqual(
    [plain.account, plain.accessUrl, plain.database, plain.schema, plain.warehouse, plain.role],
    ['org-acct', undefined, 'D', 'S', 'W', 'R'],
  );
  const host = config({ ...signIn, host: 'xy12345.east-us-2.azure.snowflakecomputing.com' });
  assert.deepEqual(
    [host.account, host.accessUrl],
    ['xy12345.east-us-2.azure', 'https://xy12345.east-us-2.azure.snowflakecomputing.com'],
  );
  const url = config({ ...signIn, accountIdentifier: 'a', host: 'http://127.0.0.1:1234' });
  assert.deepEqual([url.account, url.accessUrl], ['a', 'http://127.0.0.1:1234']);
  const jdbc = config(
    {
      connectionString:
        'jdbc:snowflake://org-acct.snowflakecomputing.com/?user=u%40x&db=D&warehouse=W&role=My%20Role&schema=S',
      password: 'p',
    },
    'Snowflake',
  );
  assert.deepEqual(
    [jdbc.account, jdbc.database, jdbc.schema, jdbc.role, jdbc.authentication],
    ['org-acct', 'D', 'S', 'My Role', { kind: 'password', user: 'u@x', password: 'p' }],
  );
  const pairs = config(
    { connectionString: "account=acct;user=u;password='p;1';db=D;warehouse=W" },
    'Snowflake',
  );
  assert.deepEqual(
    [pairs.account, pairs.accessUrl, pairs.authentication],
    ['acct', undefined, { kind: 'password', user: 'u', password: 'p;1' }],
  );
  assert.throws(() => config({ ...signIn }), coded('SETTINGS_INVALID', /accountIdentifier/));
  assert.throws(
    () => config({ accountIdentifier: 'a', user: 'u', database: 'D' }),
    coded('SETTINGS_INVALID', /password/),
  );
  assert.throws(
    () => config({ ...signIn, accountIdentifier: 'a', password: { type: 'SecureString' } }),
    coded('SETTINGS_INVALID'),
  );
  assert.throws(
    () =>
      config({
        accountIdentifier: 'a',
        database: 'D',
        authenticationType: 'AADServicePrincipal',
        clientId: 'c',
      }),
    coded('SETTINGS_INVALID', /tenantId/),
  );
});

test('options of COPY INTO: what asks for less care than is taken is told, what is unknown refused', () => {
  const load = (additionalCopyOptions: JsonObject, additionalFormatOptions: JsonObject = {}) =>
    loadOptions({ importSettings: { additionalCopyOptions, additionalFormatOptions } });
  assert.deepEqual(loadOptions({}), { storageIntegration: undefined, notes: [] });
  const careful = load(
    { ON_ERROR: 'ABORT_STATEMENT', PURGE: true, FORCE: false },
    { DATE_FORMAT: "'MM/DD/YYYY'" },
  );
  assert.deepEqual(careful.notes, []);
  // As in Microsoft's own example.
  const { notes } = load({ FORCE: 'TRUE', on_error: "'SKIP_FILE'", TRUNCATECOLUMNS: true });
  assert.equal(notes.length, 3);
  assert.match(notes.join(), /FORCE = TRUE .* once.*SKIP_FILE .*enableSkipIncompatibleRow.*too long fails/);
  assert.throws(() => load({ ON_ERROR: 'x; DROP TABLE y' }), coded('DEFINITION_UNSUPPORTED', /ON_ERROR/));
  assert.throws(() => load({ VALIDATION_MODE: 'RETURN_ERRORS' }), coded('DEFINITION_UNSUPPORTED'));
  assert.throws(() => load({ "PATTERN = '.*' --": 'x' }), coded('DEFINITION_UNSUPPORTED'));
  assert.throws(() => load({}, { SKIP_HEADER: 1 }), coded('DEFINITION_UNSUPPORTED'));
  const unload = (additionalCopyOptions: JsonObject) =>
    unloadOptions({ exportSettings: { additionalCopyOptions } });
  assert.equal(unloadOptions({}).maxFileSize, 67_108_864);
  assert.equal(unload({ MAX_FILE_SIZE: '64000000', OVERWRITE: true }).maxFileSize, 64_000_000);
  assert.throws(() => unload({ MAX_FILE_SIZE: '1; DROP TABLE x' }), coded('DEFINITION_UNSUPPORTED'));
  assert.throws(() => unload({ SINGLE: true }), coded('DEFINITION_UNSUPPORTED'));
});

test('a source query is one SELECT, without what surrounds it', () => {
  assert.equal(singleQuery("SELECT ';' AS a -- end;\n;"), "SELECT ';' AS a");
  assert.equal(
    singleQuery('/* x; */ WITH a AS (SELECT 1) SELECT * FROM a // why'),
    'WITH a AS (SELECT 1) SELECT * FROM a',
  );
  assert.equal(singleQuery('(SELECT 1) UNION (SELECT 2);'), '(SELECT 1) UNION (SELECT 2)');
  for (const bad of ['', '-- nothing', 'SELECT 1; SELECT 2', 'DROP TABLE t', 'CALL p()']) {
    assert.throws(() => singleQuery(bad), coded('DEFINITION_INVALID'));
  }
});

test('staging places: addresses as Snowflake knows them, keys quoted and named as secrets', () => {
  const s3 = externalPlace(
    { name: 's', type: 'AmazonS3', properties: { accessKeyId: 'AK', secretAccessKey: "se'c\\ret" } },
    'bucket/folder',
    undefined,
  );
  assert.deepEqual(s3, {
    address: 's3://bucket/',
    access: " CREDENTIALS = (AWS_KEY_ID = 'AK' AWS_SECRET_KEY = 'se''c\\\\ret')",
    secrets: ['AK', "se'c\\ret"],
  });
  const azure = (properties: JsonObject, integration?: string) =>
    externalPlace({ name: 'a', type: 'AzureBlobStorage', properties }, '/container/x', integration);
  assert.deepEqual(azure({ sasUri: 'https://acct.blob.core.windows.net/?sv=1&sig=abc' }), {
    address: 'azure://acct.blob.core.windows.net/container/',
    access: " CREDENTIALS = (AZURE_SAS_TOKEN = '?sv=1&sig=abc')",
    secrets: ['sv=1&sig=abc'],
  });
  const keyed = { connectionString: 'DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5' };
  assert.deepEqual(azure(keyed, 'MY_INT'), {
    address: 'azure://acct.blob.core.windows.net/container/',
    access: ' STORAGE_INTEGRATION = MY_INT',
    secrets: [],
  });
  assert.throws(() => azure(keyed), coded('SETTINGS_INVALID', /shared access signature/));
  assert.throws(() => azure(keyed, "x' --"), coded('DEFINITION_INVALID'));
  assert.throws(
    () => externalPlace({ name: 'f', type: 'FileServer', properties: {} }, 'x', undefined),
    coded('DEFINITION_UNSUPPORTED'),
  );
});

test('an error repeats neither values nor secrets, and says whether another attempt may help', () => {
  const raw = {
    code: '001003',
    sqlState: '42000',
    message: "syntax error line 1 at position 9 unexpected 'AKIA'. s3cr3t",
  };
  const error = snowflakeError(raw, 'loading', ['AKIA', 's3cr3t']);
  assert.equal(error.code, 'QUERY_FAILED');
  assert.doesNotMatch(error.message, /AKIA|s3cr3t/);
  const value = snowflakeError(
    { code: '100038', sqlState: '22018', message: "Numeric value 'private' is not recognized" },
    'x',
  );
  assert.equal(value.code, 'SINK_TYPE_OVERFLOW');
  assert.doesNotMatch(value.message, /private/);
  for (const [code, retryable] of [
    ['390112', true],
    ['390114', true],
    ['390318', true],
    ['390100', false],
    ['390144', false],
    ['390303', false],
    ['091016', true],
    ['000625', true],
  ] as const) {
    assert.equal(snowflakeError({ code, message: 'x', sqlState: '0' }, 'x').retryable, retryable, code);
  }
});

test('types without an exact text are refused by name; floats keep infinities in the common spelling', () => {
  const column = (native: string) => columnFromFacts({ name: 'PLACE', native, nullable: true });
  for (const native of ['GEOGRAPHY', 'GEOMETRY', 'VECTOR(FLOAT, 3)', 'VECTOR']) {
    assert.throws(
      () => canonicalText(column(native), '"PLACE"'),
      coded('TYPE_UNSUPPORTED', /PLACE .*(GEO|VECTOR)/),
    );
    assert.throws(() => declaration(column(native)), coded('TYPE_UNSUPPORTED'));
  }
  assert.match(canonicalText(column('FLOAT'), 'x'), /WHEN '-inf' THEN '-Infinity'/);
  for (const native of ['VARIANT', 'OBJECT', 'ARRAY']) {
    assert.equal(canonicalText(column(native), 'x'), 'TO_JSON(x)');
    assert.equal(declaration(column(native)), 'VARCHAR');
  }
});
