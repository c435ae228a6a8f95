// Settings of stores of files: what an address and a credential mean, what is refused, and which files a source reads.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { azureBlobConfig } from '../../src/connectors/azure-blob/config.ts';
import { connectContainer } from '../../src/connectors/azure-blob/connection.ts';
import { azureError } from '../../src/connectors/azure-blob/errors.ts';
import { wildcard } from '../../src/connectors/common/files/wildcards.ts';
import { fileSystem } from '../../src/connectors/file-system/index.ts';
import { s3Config } from '../../src/connectors/s3/config.ts';
import { s3Error } from '../../src/connectors/s3/errors.ts';
import { S3Store } from '../../src/connectors/s3/store.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';

const never = new AbortController().signal;
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
const azure = (properties: JsonObject, type = 'AzureBlobStorage') =>
  azureBlobConfig({ name: 'ls', type, properties });

test('Azure: every way that Data Factory writes an account', async () => {
  const key = { kind: 'accountKey', account: 'acct', key: 'a2V5' };
  const endpoint = 'https://acct.blob.core.windows.net';
  assert.deepEqual(
    azure({
      connectionString:
        'DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5;EndpointSuffix=core.windows.net',
    }),
    { endpoint, container: undefined, authentication: key },
  );
  assert.deepEqual(azure({ connectionString: 'AccountName=acct', accountKey: 'a2V5' }).authentication, key);
  assert.deepEqual(azure({ serviceEndpoint: `${endpoint}/`, accountKey: 'a2V5' }), {
    endpoint,
    container: undefined,
    authentication: key,
  });
  assert.deepEqual(
    azure({ url: 'https://acct.dfs.core.windows.net', accountKey: 'a2V5' }, 'AzureBlobFS').endpoint,
    endpoint,
  );
  assert.deepEqual(azure({ sasUri: `${endpoint}/landing?sv=1&sig=x%3D` }), {
    endpoint,
    container: 'landing',
    authentication: { kind: 'sas', token: 'sv=1&sig=x%3D' },
  });
  assert.deepEqual(azure({ sasUri: endpoint, sasToken: '?sv=1&sig=y' }).authentication, {
    kind: 'sas',
    token: 'sv=1&sig=y',
  });
  assert.equal(
    azure({ connectionString: `BlobEndpoint=${endpoint};SharedAccessSignature=sv=1&sig=z` }).authentication
      .kind,
    'sas',
  );
  assert.deepEqual(azure({ serviceEndpoint: endpoint }).authentication, {
    kind: 'managedIdentity',
    clientId: undefined,
  });
  assert.deepEqual(
    azure({
      serviceEndpoint: endpoint,
      servicePrincipalId: 'id',
      servicePrincipalKey: 'secret',
      tenant: 't',
      azureCloudType: 'AzureChina',
    }).authentication,
    { kind: 'servicePrincipal', tenant: 't', clientId: 'id', secret: 'secret', cloud: 'AzureChina' },
  );
  assert.deepEqual(azure({ containerUri: `${endpoint}/open`, authenticationType: 'Anonymous' }), {
    endpoint,
    container: 'open',
    authentication: { kind: 'anonymous' },
  });
  assert.equal(
    azure({ serviceEndpoint: 'http://127.0.0.1:10000/devstore', accountKey: 'a2V5' }).endpoint,
    'http://127.0.0.1:10000/devstore',
  );
  assert.equal(
    azure({ serviceEndpoint: 'acct.blob.core.windows.net', accountKey: 'a2V5' }).endpoint,
    endpoint,
    'TLS where nothing is said',
  );
  const { client } = await connectContainer(azure({ serviceEndpoint: endpoint }), 'c');
  assert.equal(client.url, `${endpoint}/c`);
});

test('Azure: settings without account or signature, and a container that a signature is not for', async () => {
  const wrong: JsonObject[] = [
    {},
    { connectionString: 'AccountName=acct' },
    { connectionString: 'UseDevelopmentStorage=true' },
    { sasUri: 'https://acct.blob.core.windows.net' },
    { serviceEndpoint: 'ftp://acct' },
    { serviceEndpoint: 'https://acct.blob.core.windows.net', servicePrincipalId: 'id' },
  ];
  for (const properties of wrong) {
    assert.throws(() => azure(properties), coded('SETTINGS_INVALID'), JSON.stringify(properties));
  }
  const config = azure({ sasUri: 'https://acct.blob.core.windows.net/landing?sig=x' });
  await assert.rejects(connectContainer(config, 'other'), coded('SETTINGS_INVALID'));
});

test('Azure: errors carry codes, never a signature', () => {
  const error = azureError(
    Object.assign(new Error('cannot GET https://a/b?sv=1&sig=canary%3D&x=1\nRequestId: 1'), {
      code: 'AuthenticationFailed',
      statusCode: 403,
    }),
    'reading',
  );
  assert.equal(error.code, 'AUTHENTICATION_FAILED');
  assert.ok(!error.message.includes('canary') && !error.message.includes('RequestId'), error.message);
  const named = Object.assign(new Error('none'), { name: 'CredentialUnavailableError' });
  assert.equal(azureError(named, 'reading').code, 'SETTINGS_INVALID');
  assert.equal(
    azureError(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'x').code,
    'CONNECTION_FAILED',
  );
});

test('S3: no credentials are an error of the settings that says which there could be', async () => {
  const before = { ...process.env };
  const home = await mkdtemp(join(tmpdir(), 'waybill-home-'));
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, { HOME: home, AWS_EC2_METADATA_DISABLED: 'true' });
  const service = {
    name: 'ls',
    type: 'AmazonS3',
    properties: { serviceUrl: 'http://127.0.0.1:9', region: 'x' },
  };
  const store = new S3Store(s3Config(service), 'b', never);
  try {
    await assert.rejects(store.head('x'), (error) => {
      assert.ok(coded('SETTINGS_INVALID')(error), String(error));
      assert.match(String(error), /accessKeyId/);
      return true;
    });
  } finally {
    await store.close();
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    await rm(home, { recursive: true });
  }
  const half = { name: 'ls', type: 'AmazonS3', properties: { accessKeyId: 'A' } };
  assert.throws(() => s3Config(half), coded('SETTINGS_INVALID'));
  assert.equal(
    s3Error({ name: 'Unknown', $metadata: { httpStatusCode: 403 } }, 'x').code,
    'AUTHENTICATION_FAILED',
  );
});

test('wildcards: one name at a time, plain where escaped, no pattern takes long', () => {
  const cases: [string, string[], string[]][] = [
    ['*.csv', ['a.csv', '.csv'], ['a.csv.gz', 'x/a.csv']],
    ['a?c', ['abc', 'ac'], ['abbc', 'a/c']],
    ['in/*/2024', ['in/x/2024'], ['in/2024', 'in/x/y/2024']],
    ['in/**', ['in/x', 'in/x/y.csv'], ['out/x']],
    ['a^*b', ['a*b'], ['axb']],
    ['a.b(c)[d]+{e}|$', ['a.b(c)[d]+{e}|$'], ['aXb(c)[d]+{e}|$']],
    ['Ä*🙂', ['Ä 漢🙂'], ['A🙂']],
  ];
  for (const [pattern, yes, no] of cases) {
    for (const text of yes) assert.ok(wildcard(pattern)(text), `${pattern} ${text}`);
    for (const text of no) assert.ok(!wildcard(pattern)(text), `${pattern} ${text}`);
  }
  const started = Date.now();
  assert.ok(!wildcard(`${'*'.repeat(200)}b`)('a'.repeat(5_000)));
  assert.ok(!wildcard('*a*a*a*a*a*b')('a'.repeat(300)));
  assert.ok(Date.now() - started < 5_000);
});

describe('which files a source reads', () => {
  let root: string;
  const files: Record<string, string> = {
    'in/a.csv': '2024-01-01T00:00:00Z',
    'in/b.txt': '2024-01-02T00:00:00Z',
    'in/year=2023/m=1/c.csv': '2024-01-03T00:00:00Z',
    'in/year=2024/m=__HIVE_DEFAULT_PARTITION__/d.csv': '2024-01-04T00:00:00Z',
    'in/year=2024/m=a%2Fb/e.csv': '2024-01-05T00:00:00Z',
    'in/_temporary/f.csv': '2024-01-01T00:00:00Z',
    'in/.hidden.csv': '2024-01-01T00:00:00Z',
    'inside/g.csv': '2024-01-01T00:00:00Z',
    'other/h.csv': '2024-01-01T00:00:00Z',
  };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'waybill-find-'));
    for (const [name, modified] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), `who\n${name}\n`);
      await utimes(join(root, name), new Date(modified), new Date(modified));
    }
    await writeFile(join(root, 'in/empty.csv'), '');
    await writeFile(join(root, 'list.txt'), '\uFEFFb.txt\r\nyear=2023/m=1/c.csv\r\n\r\n');
  });
  after(() => rm(root, { recursive: true, force: true }));

  const source = (location: JsonObject, storeSettings: JsonObject, dataset: JsonObject = {}) =>
    fileSystem.openSource({
      linkedService: { name: 'ls', type: 'FileServer', properties: { host: root } },
      endpoint: {
        linkedService: 'ls',
        datasetType: 'DelimitedText',
        dataset: {
          location: { type: 'FileServerLocation', ...location },
          firstRowAsHeader: true,
          ...dataset,
        },
        settings: { storeSettings },
      },
      copyId: 'x',
      workDirectory: root,
      signal: never,
    });

  /** Every row read, chunk by chunk, as the copy does. */
  const readAll = async (location: JsonObject, storeSettings: JsonObject, dataset: JsonObject = {}) => {
    const open = await source(location, storeSettings, dataset);
    const columns = await open.columns();
    const { ranges, sourceState } = await open.plan(2);
    const rows: (string | null)[][] = [];
    const paths: (string | undefined)[] = [];
    for (const range of ranges) {
      for await (const batch of open.read(columns, range, JSON.parse(JSON.stringify(sourceState)))) {
        rows.push(...batch);
        paths.push(open.filePath?.());
      }
    }
    return { columns: columns.map(({ name }) => name), rows, paths, ranges };
  };
  const names = async (location: JsonObject, settings: JsonObject): Promise<(string | null | undefined)[]> =>
    (await readAll(location, settings)).rows.map(([name]) => name);

  test('one by name; a folder with all below it, or without; no hidden and no empty ones', async () => {
    assert.deepEqual(await names({ folderPath: 'in', fileName: 'a.csv' }, {}), ['in/a.csv']);
    const all = [
      'in/a.csv',
      'in/b.txt',
      'in/year=2023/m=1/c.csv',
      'in/year=2024/m=__HIVE_DEFAULT_PARTITION__/d.csv',
      'in/year=2024/m=a%2Fb/e.csv',
    ];
    assert.deepEqual(await names({ folderPath: 'in' }, {}), all);
    assert.deepEqual(await names({ folderPath: '/in/' }, { recursive: true }), all);
    assert.deepEqual(await names({ folderPath: 'in' }, { recursive: false }), ['in/a.csv', 'in/b.txt']);
    await assert.rejects(names({ folderPath: 'nothing' }, {}), coded('OBJECT_MISSING'));
    await assert.rejects(names({ folderPath: 'in', fileName: 'none' }, {}), coded('OBJECT_MISSING'));
    await assert.rejects(names({ folderPath: 'in', fileName: 'empty.csv' }, {}), coded('FILE_INVALID'));
    await assert.rejects(names({ folderPath: '../outside' }, {}), coded('IDENTIFIER_INVALID'));
  });

  test('wildcards, a prefix, a list, and times', async () => {
    const csv = [
      'in/a.csv',
      'in/year=2023/m=1/c.csv',
      'in/year=2024/m=__HIVE_DEFAULT_PARTITION__/d.csv',
      'in/year=2024/m=a%2Fb/e.csv',
    ];
    assert.deepEqual(await names({ folderPath: 'in' }, { wildcardFileName: '*.csv' }), csv);
    assert.deepEqual(await names({ folderPath: 'in' }, { wildcardFileName: '*.csv', recursive: false }), [
      'in/a.csv',
    ]);
    assert.deepEqual(
      await names({}, { wildcardFolderPath: 'in*', wildcardFileName: '?.csv', recursive: false }),
      ['in/a.csv', 'inside/g.csv'],
    );
    assert.deepEqual(
      await names({}, { wildcardFolderPath: 'in/year=2024', wildcardFileName: '*' }),
      csv.slice(2),
    );
    assert.deepEqual(await names({}, { prefix: 'ins' }), ['inside/g.csv']);
    assert.deepEqual(await names({ folderPath: 'in' }, { fileListPath: 'list.txt' }), [
      'in/b.txt',
      'in/year=2023/m=1/c.csv',
    ]);
    assert.deepEqual(
      await names(
        { folderPath: 'in' },
        { modifiedDatetimeStart: '2024-01-02T00:00:00Z', modifiedDatetimeEnd: '2024-01-04T00:00:00' },
      ),
      ['in/b.txt', 'in/year=2023/m=1/c.csv'],
    );
    await assert.rejects(
      names({ folderPath: 'in' }, { modifiedDatetimeStart: 'yesterday' }),
      coded('DEFINITION_INVALID'),
    );
    await assert.rejects(
      names({ folderPath: 'in' }, { wildcardFileName: '*.parquet' }),
      coded('OBJECT_MISSING'),
    );
    await assert.rejects(
      source({ folderPath: 'in' }, { deleteFilesAfterCompletion: true }),
      coded('DEFINITION_UNSUPPORTED'),
    );
  });

  test('partition folders are columns, and every batch says its file', async () => {
    const found = await readAll(
      { folderPath: 'in' },
      { enablePartitionDiscovery: true, wildcardFolderPath: 'in/year=*' },
    );
    assert.deepEqual(found.columns, ['who', 'year', 'm']);
    assert.deepEqual(
      found.rows.map(([, year, month]) => [year, month]),
      [
        ['2023', '1'],
        ['2024', null],
        ['2024', 'a/b'],
      ],
    );
    assert.deepEqual(found.paths, [
      'year=2023/m=1/c.csv',
      'year=2024/m=__HIVE_DEFAULT_PARTITION__/d.csv',
      'year=2024/m=a%2Fb/e.csv',
    ]);
  });

  test("columns are those of the dataset's schema where it has one, typed", async () => {
    await writeFile(join(root, 'typed.csv'), '1,x,2024-01-01\n2,,\n');
    const schema = [
      { name: 'id', type: 'Int32' },
      { name: 'name', type: 'String' },
      { name: 'day', type: 'Date' },
    ];
    const open = await source({ fileName: 'typed.csv' }, {}, { schema, firstRowAsHeader: false });
    assert.deepEqual(
      (await open.columns()).map(({ name, type }) => [name, type]),
      [
        ['id', 'Int32'],
        ['name', 'String'],
        ['day', 'Date'],
      ],
    );
    const { rows } = await readAll({ fileName: 'typed.csv' }, {}, { schema, firstRowAsHeader: false });
    assert.deepEqual(rows, [
      ['1', 'x', '2024-01-01'],
      ['2', null, null],
    ]);
    await writeFile(join(root, 'headed.csv'), 'day,id,more\n2024-01-01,1,x\n');
    const headed = await readAll({ fileName: 'headed.csv' }, {}, { schema });
    assert.deepEqual(headed.columns, ['day', 'id', 'more'], 'a header says which columns there are');
    await writeFile(join(root, 'typed.csv'), 'one,x,2024-01-01\n');
    await assert.rejects(
      readAll({ fileName: 'typed.csv' }, {}, { schema, firstRowAsHeader: false }),
      WaybillError,
    );
  });

  test('a plan of waybill 0.1, whose ranges name the files, is read on', async () => {
    const open = await source({ folderPath: 'in' }, {});
    const columns = await open.columns();
    const rows: (string | null)[][] = [];
    const range = { lower: 'in/b.txt', upper: '' };
    for await (const batch of open.read(columns, range, { names: ['who'], expected: {} }))
      rows.push(...batch);
    assert.deepEqual(rows, [['in/b.txt']]);
  });

  test('many small files share a chunk, a changed one is found, and a file that came later is not read', async () => {
    for (let i = 0; i < 2_500; i++) {
      await mkdir(join(root, 'many'), { recursive: true });
      await writeFile(join(root, 'many', `${String(i).padStart(5, '0')}.csv`), `who\n${i}\n`);
    }
    const open = await source({ folderPath: 'many' }, {});
    const columns = await open.columns();
    const { ranges, sourceState } = await open.plan(4);
    assert.ok(ranges.length >= 4 && ranges.length <= 8, `${ranges.length} chunks`);
    await writeFile(join(root, 'many', 'later.csv'), 'who\nlater\n');
    const seen: number[] = [];
    for (const range of ranges) {
      for await (const batch of open.read(columns, range, sourceState))
        seen.push(...batch.map(([i]) => Number(i)));
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 2_500 }, (_, i) => i),
    );
    await writeFile(join(root, 'many', '01000.csv'), 'who\nchanged\n');
    await assert.rejects(async () => {
      for (const range of ranges) for await (const _ of open.read(columns, range, sourceState));
    }, coded('SOURCE_CHANGED'));
  });
});
