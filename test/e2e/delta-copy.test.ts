// Copies into and out of a Delta table: real workflows, real Spark on the EMR stand-in, files staged on S3.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EMRClient, ListClustersCommand } from '@aws-sdk/client-emr';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { projectPath } from '../../dev/cache.ts';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import type { World } from '../../dev/world/world.ts';
import { startRun } from '../../src/client/start.ts';
import type { CopyOutput } from '../../src/core/copy.ts';
import { copyWorkflowId } from '../../src/core/workflow-ids.ts';
import { type TemporaryFactory, writeFactory } from '../support/factory-files.ts';
import { sharedWorld } from '../support/world.ts';

const table = (type: string, linkedService: string) => ({
  properties: {
    type,
    linkedServiceName: { referenceName: linkedService, type: 'LinkedServiceReference' },
    parameters: { table: { type: 'string' } },
    typeProperties: { table: { value: '@dataset().table', type: 'Expression' } },
  },
});
const copy = (from: [string, string, object], to: [string, string, object]) => ({
  properties: {
    activities: [
      {
        name: 'Copy it',
        type: 'Copy',
        inputs: [{ referenceName: from[0], type: 'DatasetReference', parameters: { table: from[1] } }],
        outputs: [{ referenceName: to[0], type: 'DatasetReference', parameters: { table: to[1] } }],
        typeProperties: { source: from[2], sink: to[2] },
      },
    ],
  },
});

describe('copies with a Delta table at one end', { timeout: 900_000 }, () => {
  let world: World;
  let worker: WorkerProcess;
  let factory: TemporaryFactory;
  let connection: Connection;
  let client: Client;
  let database: pg.Client;

  before(async () => {
    world = await sharedWorld(['temporal', 'postgres', 's3', 'emr']);
    factory = writeFactory({
      'linkedService/ls_pg.json': { properties: { type: 'PostgreSqlV2', typeProperties: {} } },
      'linkedService/ls_s3.json': { properties: { type: 'AmazonS3', typeProperties: {} } },
      'linkedService/ls_delta.json': {
        properties: {
          type: 'DeltaLake',
          typeProperties: {
            location: 's3://waybill-lake/delta-copy',
            lakehouse: 'nycflights',
            staging: {
              linkedServiceName: { referenceName: 'ls_s3', type: 'LinkedServiceReference' },
              location: 's3://waybill-lake/staging/copies',
            },
          },
        },
      },
      'dataset/ds_pg.json': table('PostgreSqlV2Table', 'ls_pg'),
      'dataset/ds_delta.json': table('DeltaTable', 'ls_delta'),
      'pipeline/into.json': copy(
        ['ds_pg', 'delta_orders', { type: 'PostgreSqlV2Source' }],
        [
          'ds_delta',
          'sales/orders',
          { type: 'DeltaSink', writeBehavior: 'upsert', upsertSettings: { keys: ['id'] } },
        ],
      ),
      'pipeline/out.json': copy(
        ['ds_delta', 'sales/orders', { type: 'DeltaSource' }],
        ['ds_pg', 'delta_orders_back', { type: 'PostgreSqlV2Sink', tableOption: 'autoCreate' }],
      ),
    });
    await cp(projectPath('factory', 'lakehouse'), join(factory.directory, 'lakehouse'), { recursive: true });
    for (const name of ['ls_postgres', 'ls_s3', 'ls_snowflake', 'ls_sqlserver', 'ls_keyvault']) {
      await cp(
        projectPath('factory', 'linkedService', `${name}.json`),
        join(factory.directory, 'linkedService', `${name}.json`),
      ).catch(() => undefined);
    }
    const { host, port, user, database: name } = world.postgres;
    const settings = join(factory.directory, 'waybill.toml');
    await writeFile(
      settings,
      [
        `factoryDirectory = ${JSON.stringify(factory.directory)}`,
        'sparkPollSeconds = 1',
        '[linkedService.ls_pg]',
        ...[`server = "${host}"`, `port = ${port}`, `username = "${user}"`, `database = "${name}"`],
        'sslMode = "disable"',
        '[linkedService.ls_s3]',
        ...[`region = "${world.s3.region}"`, `serviceUrl = "${world.s3.endpoint}"`],
      ].join('\n'),
    );
    Object.assign(process.env, world.env);
    const s3 = new S3Client({ region: world.s3.region, forcePathStyle: true });
    for (const Bucket of ['waybill-lake', 'waybill-code', 'waybill-logs']) {
      await s3.send(new CreateBucketCommand({ Bucket })).catch(() => undefined);
    }
    s3.destroy();
    database = new pg.Client({ host, port, user, database: name });
    await database.connect();
    worker = new WorkerProcess(
      { ...process.env, ...world.env, WAYBILL_CONFIG: settings, WAYBILL_TASK_QUEUE: 'delta-copy' },
      join(world.directory, 'logs', 'worker-delta.log'),
    );
    worker.start();
    connection = await Connection.connect({ address: world.temporal.address });
    client = new Client({ connection });
  });

  after(async () => {
    await worker?.stop();
    await connection?.close();
    await database?.query('DROP TABLE IF EXISTS delta_orders, delta_orders_back').catch(() => undefined);
    await database?.end();
    factory?.remove();
  });

  const run = async (name: string, key: string): Promise<CopyOutput> => {
    const { handle, workflowId } = await startRun(client, {
      kind: 'pipeline',
      name,
      key,
      parameters: {},
      trigger: 'test',
      taskQueue: 'delta-copy',
    });
    await Promise.race([handle.result(), worker.failure()]).catch((error: unknown) => {
      let root = error;
      while (root instanceof Error && root.cause instanceof Error) root = root.cause;
      throw new Error(`${name}: ${root}`, { cause: error });
    });
    return client.workflow.getHandle(copyWorkflowId(workflowId, 'Copy it')).result() as Promise<CopyOutput>;
  };

  it('brings rows into a table, changes them by key, and brings them back', async () => {
    await database.query(
      `CREATE TABLE delta_orders AS SELECT i::bigint AS id, 'order ' || i || ' é|"' AS name, (i / 7.0)::numeric(12,2) AS price,
         i * 0.5::float8 AS score, '2024-02-29 12:00:00.123456+00'::timestamptz + i * interval '1 second' AS moment,
         '2024-02-29 12:00:00.123456'::timestamp + i * interval '1 second' AS local, date '2024-02-29' + i AS day, i % 2 = 0 AS even,
         CASE WHEN i % 3 = 0 THEN NULL ELSE i END AS gap, ('\\x00' || lpad(to_hex(i), 4, '0'))::bytea AS raw,
         md5(i::text)::uuid AS token, time '12:34:56.789' AS clock
       FROM generate_series(1, 500) AS i`,
    );
    await database.query('ALTER TABLE delta_orders ADD PRIMARY KEY (id)');
    const first = await run('into', 'first');
    assert.equal(first.rowsCopied, 500);
    assert.equal(first.dataConsistencyVerification.VerificationResult, 'Verified');
    assert.equal(first.waybill.to, 'Delta s3://waybill-lake/delta-copy/sales/orders');
    assert.equal(first.waybill.deltaVersion, 0);
    await database.query("UPDATE delta_orders SET name = 'changed' WHERE id <= 10");
    await database.query(`INSERT INTO delta_orders (id, name) VALUES (501, 'new')`);
    const second = await run('into', 'second');
    assert.equal(second.rowsCopied, 501);
    assert.equal(second.waybill.deltaVersion, 1);
    const back = await run('out', 'back');
    assert.equal(back.rowsCopied, 501);
    const { rows } = await database.query(
      `SELECT count(*)::int AS n, count(*) FILTER (WHERE b.name = o.name AND b.price IS NOT DISTINCT FROM o.price
         AND b.score IS NOT DISTINCT FROM o.score AND b.moment IS NOT DISTINCT FROM o.moment AND b.local IS NOT DISTINCT FROM o.local
         AND b.day IS NOT DISTINCT FROM o.day AND b.even IS NOT DISTINCT FROM o.even AND b.gap IS NOT DISTINCT FROM o.gap
         AND b.raw IS NOT DISTINCT FROM o.raw AND b.token::text IS NOT DISTINCT FROM o.token::text AND b.clock::time IS NOT DISTINCT FROM o.clock)::int AS same
       FROM delta_orders o JOIN delta_orders_back b USING (id)`,
    );
    assert.deepEqual(rows, [{ n: 501, same: 501 }]);
  });

  it('leaves no cluster and no staged file', async () => {
    const emr = new EMRClient({ region: world.s3.region });
    const { Clusters = [] } = await emr.send(new ListClustersCommand({}));
    assert.ok(Clusters.length >= 3);
    assert.deepEqual(
      Clusters.filter(({ Status }) => Status?.State !== 'TERMINATED').map(({ Name }) => Name),
      [],
    );
    const s3 = new S3Client({ region: world.s3.region, forcePathStyle: true });
    const staged = await s3.send(
      new ListObjectsV2Command({ Bucket: 'waybill-lake', Prefix: 'staging/copies/' }),
    );
    assert.equal(staged.KeyCount ?? 0, 0);
    emr.destroy();
    s3.destroy();
  });
});
