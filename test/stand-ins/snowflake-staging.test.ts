// Staged copies through S3 and Azure, as ADF's stagingSettings ask for them: Snowflake and the product meet in the store.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  ContainerClient,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { azureAccount, type RunningAzurite, startAzurite } from '../../dev/azurite/azurite.ts';
import { startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { coded, SnowflakeCopies } from '../support/snowflake-product.ts';
import { execute, makeHome, rows, StandIn } from '../support/snowflake-stand-in.ts';
import { type StatementProxy, startStatementProxy } from '../support/statement-proxy.ts';

const SECRET = 'secret-of-the-staging-store';

describe('staging outside of Snowflake', { timeout: 240_000 }, () => {
  const home = makeHome();
  let s3: Awaited<ReturnType<typeof startS3>>;
  let azurite: RunningAzurite;
  let server: StandIn;
  let proxy: StatementProxy;
  let copies: SnowflakeCopies;
  let db: Awaited<ReturnType<StandIn['connect']>>;
  let sas: string;

  const staged = (linkedService: string, path: string): JsonObject => ({
    enableStaging: true,
    stagingSettings: {
      linkedServiceName: { referenceName: linkedService, type: 'LinkedServiceReference' },
      path,
    },
  });
  const keysInS3 = async (): Promise<string[]> => {
    const client = new S3Client({
      endpoint: s3.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: 'local', secretAccessKey: SECRET },
    });
    const found = await client.send(new ListObjectsV2Command({ Bucket: 'lake' }));
    client.destroy();
    return (found.Contents ?? []).map(({ Key }) => Key ?? '');
  };
  const keysInAzure = async (): Promise<string[]> => {
    const credential = new StorageSharedKeyCredential(azureAccount, azurite.accountKey);
    const keys: string[] = [];
    for await (const blob of new ContainerClient(`${azurite.endpoint}/staging`, credential).listBlobsFlat())
      keys.push(blob.name);
    return keys;
  };

  before(async () => {
    const { python } = await ensurePython(() => {});
    const credentials = { accessKeyId: 'local', secretAccessKey: SECRET };
    const state = join(home.directory, 's3');
    mkdirSync(state);
    s3 = await startS3({ python, stateDirectory: state, buckets: ['lake'], credentials });
    azurite = await startAzurite({ directory: join(home.directory, 'azure'), containers: ['staging'] });
    sas = generateAccountSASQueryParameters(
      {
        expiresOn: new Date(Date.now() + 3_600_000),
        permissions: AccountSASPermissions.parse('rwdlac'),
        services: AccountSASServices.parse('b').toString(),
        resourceTypes: AccountSASResourceTypes.parse('sco').toString(),
      },
      new StorageSharedKeyCredential(azureAccount, azurite.accountKey),
    ).toString();
    server = await StandIn.start(
      home,
      ...['--s3-endpoint', s3.endpoint, '--azure-endpoint', new URL(azurite.endpoint).origin],
    );
    proxy = await startStatementProxy(server.url);
    copies = new SnowflakeCopies(proxy.url, home.directory);
    copies.services['ls_s3'] = {
      name: 'ls_s3',
      type: 'AmazonS3',
      properties: { serviceUrl: s3.endpoint, region: 'us-east-1', ...credentials },
    };
    copies.services['ls_azure'] = {
      name: 'ls_azure',
      type: 'AzureBlobStorage',
      properties: { sasUri: `${azurite.endpoint}?${sas}` },
    };
    db = await server.connect();
    await execute(db, 'CREATE DATABASE IF NOT EXISTS DB1');
    db = await server.connect();
    await execute(
      db,
      `CREATE TABLE SRC AS SELECT SEQ4() AS ID, 'row, "' || SEQ4() || '"' AS NAME FROM TABLE(GENERATOR(ROWCOUNT => 4000))`,
    );
  });
  after(async () => {
    await proxy?.stop();
    await server?.stop();
    await azurite?.stop();
    await s3?.stop();
    rmSync(home.directory, { recursive: true, force: true });
  });

  for (const [store, path, scheme, secret] of [
    ['ls_s3', 'lake/tmp/staging', /'s3:\/\/lake\/tmp\/staging\/_waybill\//, () => SECRET],
    [
      'ls_azure',
      'staging/tmp',
      /'azure:\/\/waybill\.blob\.core\.windows\.net\/staging\/tmp\/_waybill\//,
      () => sas,
    ],
  ] as const) {
    test(`${store}: unloads to and loads from the store itself, and leaves nothing there`, async () => {
      proxy.passed.length = 0;
      const sink = copies.table(`DST_${store}`.toUpperCase(), { tableOption: 'autoCreate' });
      const run = await copies.copy(store, copies.table('SRC'), sink, staged(store, path));
      assert.equal(run.published.rows, 4_000);
      assert.equal(run.published.sourceChecksum, run.published.sinkChecksum);
      const moved = proxy.passed.filter((statement) => /^(COPY|PUT|GET) /.test(statement));
      const copying = moved.filter((statement) => statement.startsWith('COPY INTO'));
      assert.equal(copying.length, 2, moved.join('\n'));
      for (const statement of copying) assert.match(statement, scheme);
      assert.equal(
        moved.filter((statement) => /^(PUT '|GET @)/.test(statement)).length,
        0,
        'no internal stage',
      );
      assert.deepEqual(await keysInS3(), []);
      assert.deepEqual(await keysInAzure(), []);
      const [same] = await rows(
        db,
        `SELECT COUNT(*) AS N FROM (SELECT * FROM SRC MINUS SELECT * FROM DST_${store})`,
      );
      assert.equal(same?.['N'], 0);
      // The history shows the statement, not the keys in it.
      const [last] = copying;
      assert.ok(last?.includes(secret()), 'Snowflake was given the secret');
    });

    test(`${store}: what a killed attempt left there goes with the clean-up; errors do not repeat the secret`, async () => {
      const sink = copies.table(`LEFT_${store}`.toUpperCase(), { tableOption: 'autoCreate' });
      const input = copies.input(`left/${store}`, copies.table('SRC'), sink, staged(store, path));
      const plan = await copies.run('planCopy', input);
      let broken = false;
      proxy.rule = async (statement) => {
        if (!broken && statement.startsWith('COPY INTO "PUBLIC"')) {
          broken = true;
          await execute(db, `DROP TABLE "PUBLIC"."${/^COPY INTO "PUBLIC"\."([^"]+)"/.exec(statement)?.[1]}"`);
        }
        return 'pass';
      };
      await assert.rejects(
        copies.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }),
        (error: unknown) =>
          coded('OBJECT_MISSING')(error) &&
          !JSON.stringify([(error as Error).message, error]).includes(secret()),
      );
      proxy.rule = async () => 'pass';
      const left = [...(await keysInS3()), ...(await keysInAzure())];
      assert.ok(
        left.some((key) => key.endsWith('.csv.gz')),
        left.join(', '),
      );
      await copies.run('cleanUpCopy', input);
      assert.deepEqual([...(await keysInS3()), ...(await keysInAzure())], []);
    });
  }

  test('an integration takes the place of keys; a store Snowflake cannot reach, or of another kind, is refused', async () => {
    const importSettings = { type: 'SnowflakeImportCopyCommand', storageIntegration: 'NO_SUCH_INTEGRATION' };
    const sink = copies.table('NOT_MADE', { tableOption: 'autoCreate', importSettings });
    const input = copies.input('integration', copies.table('SRC'), sink, staged('ls_s3', 'lake/tmp'));
    const plan = await copies.run('planCopy', input);
    await assert.rejects(
      copies.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }),
      coded('OBJECT_MISSING', /NO_SUCH_INTEGRATION/),
    );
    await copies.run('cleanUpCopy', input);
    copies.services['ls_folder'] = {
      name: 'ls_folder',
      type: 'FileServer',
      properties: { host: home.directory },
    };
    copies.services['ls_keyless'] = { name: 'ls_keyless', type: 'AmazonS3', properties: {} };
    for (const [store, code] of [
      ['ls_folder', 'DEFINITION_UNSUPPORTED'],
      ['ls_keyless', 'SETTINGS_INVALID'],
    ] as const) {
      const other = copies.input(
        `refused/${store}`,
        copies.table('SRC'),
        copies.table('SRC'),
        staged(store, 'lake/tmp'),
      );
      await assert.rejects(copies.run('planCopy', other), coded(code));
    }
  });
});
