// A mapping data flow from a database and files into a table and files: real workflows, real Spark on the EMR stand-in.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import { workbookBytes } from '../../dev/rehearse/provision/workbook-bytes.ts';
import type { World } from '../../dev/world/world.ts';
import { startRun } from '../../src/client/start.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { dataFlowWorkflowId } from '../../src/core/workflow-ids.ts';
import { type TemporaryFactory, writeFactory } from '../support/factory-files.ts';
import { keepHistory } from '../support/keep-history.ts';
import { sharedWorld } from '../support/world.ts';

const BUCKET = 'waybill-data-flow-test';
const QUEUE = 'data-flow';

const SCRIPT = `parameters{
	minimum as decimal(10,2) (1.5),
	who as string ("nobody")
}
source(output(
		order_id as integer,
		product_id as integer,
		customer as string,
		quantity as integer,
		price as decimal(10,2)
	),
	allowSchemaDrift: true,
	validateSchema: false,
	isolationLevel: 'READ_UNCOMMITTED',
	format: 'table') ~> Orders
source(output(
		product_id as integer,
		name as string
	),
	allowSchemaDrift: true,
	wildcardPaths: ['products/*.csv']) ~> Listed
source(output(
		product_id as integer,
		name as string
	),
	allowSchemaDrift: true,
	bucketName: 'waybill-data-flow-test',
	folderPath: 'products',
	fileName: '2025.xlsx',
	format: 'excel',
	sheetName: 'New products',
	range: 'B3',
	purgeFiles: true,
	firstRowAsHeader: true) ~> Sheet
Listed, Sheet union(byName: true) ~> Products
Orders derive(amount = quantity * price) ~> Amounts
Amounts, Products join(Amounts@product_id == Products@product_id, joinType:'inner', broadcast: 'auto') ~> Joined
Joined select(mapColumn(order_id, name, customer, amount), skipDuplicateMapInputs: true, skipDuplicateMapOutputs: true) ~> Lines
Lines filter(amount >= $minimum) ~> Big
Big aggregate(groupBy(customer), total = sum(amount), orders = count(order_id)) ~> Totals
Totals derive(loaded_by = $who) ~> Named
Named alterRow(upsertIf(true())) ~> Upserts
Orders, Products exists(Orders@product_id == Products@product_id, negate:true, broadcast: 'auto') ~> Unknown
Upserts sink(allowSchemaDrift: true, deletable:false, insertable:false, updateable:false, upsertable:true, keys:['customer'], format: 'table', preCommands: ['UPDATE flow_totals SET stale = true'], postCommands: []) ~> SaveTotals
Lines sink(allowSchemaDrift: true, format: 'parquet', truncate: true) ~> SaveLines
Unknown sink(allowSchemaDrift: true, partitionFileNames:['unknown.csv'], mapColumn(order_id, product = product_id), partitionBy('hash', 1)) ~> SaveUnknown`;

const dataset = (type: string, linkedService: string, typeProperties: object): object => ({
  properties: {
    type,
    linkedServiceName: { referenceName: linkedService, type: 'LinkedServiceReference' },
    typeProperties,
  },
});
const onS3 = (folderPath: string): object => ({
  location: { type: 'AmazonS3Location', bucketName: BUCKET, folderPath },
  columnDelimiter: ',',
  quoteChar: '"',
  escapeChar: '\\',
  firstRowAsHeader: true,
});
const end = (name: string, reference: string): object => ({
  name,
  dataset: { referenceName: reference, type: 'DatasetReference' },
});

describe('a mapping data flow', { timeout: 900_000 }, () => {
  let world: World;
  let worker: WorkerProcess;
  let factory: TemporaryFactory;
  let connection: Connection;
  let client: Client;
  let database: pg.Client;
  let s3: S3Client;
  /** Puts the workbook where the flow finds it: each run deletes it. */
  let putSheet: () => Promise<void>;

  before(async () => {
    world = await sharedWorld(['temporal', 'postgres', 's3', 'emr']);
    factory = writeFactory({
      'linkedService/ls_pg.json': {
        properties: {
          type: 'AzurePostgreSql',
          typeProperties: { server: 'elsewhere', database: world.postgres.database },
        },
      },
      'linkedService/ls_bucket.json': { properties: { type: 'AmazonS3', typeProperties: {} } },
      'dataset/ds_orders.json': dataset('AzurePostgreSqlTable', 'ls_pg', {
        schema: 'public',
        table: 'flow_orders',
      }),
      'dataset/ds_totals.json': dataset('AzurePostgreSqlTable', 'ls_pg', {
        schema: 'public',
        table: 'flow_totals',
      }),
      'dataset/ds_products.json': dataset('DelimitedText', 'ls_bucket', onS3('')),
      'dataset/ds_unknown.json': dataset('DelimitedText', 'ls_bucket', onS3('unknown')),
      'dataset/ds_lines.json': dataset('Parquet', 'ls_bucket', onS3('lines')),
      'dataflow/totals.json': {
        properties: {
          type: 'MappingDataFlow',
          typeProperties: {
            sources: [
              end('Orders', 'ds_orders'),
              end('Listed', 'ds_products'),
              {
                name: 'Sheet',
                linkedService: { referenceName: 'ls_bucket', type: 'LinkedServiceReference' },
              },
            ],
            sinks: [
              end('SaveTotals', 'ds_totals'),
              end('SaveLines', 'ds_lines'),
              end('SaveUnknown', 'ds_unknown'),
            ],
            transformations: [],
            scriptLines: SCRIPT.split('\n'),
          },
        },
      },
      'pipeline/totals.json': {
        properties: {
          parameters: { who: { type: 'string' } },
          activities: [
            {
              name: 'Totals',
              type: 'ExecuteDataFlow',
              typeProperties: {
                dataflow: {
                  referenceName: 'totals',
                  type: 'DataFlowReference',
                  parameters: { who: { value: "'@{pipeline().parameters.who}'", type: 'Expression' } },
                },
                compute: { coreCount: 8, computeType: 'General' },
              },
            },
          ],
        },
      },
    });
    Object.assign(process.env, world.env);
    s3 = new S3Client({ region: world.s3.region, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET })).catch(() => undefined);
    const product = (id: number): string => `product ${id}, é`;
    const listed = `product_id,name\n${[1, 2, 3].map((id) => `${id},"${product(id)}"`).join('\n')}\n`;
    const sheet = workbookBytes([
      {
        settings: { sheetName: 'New products', range: 'B3', firstRowAsHeader: true },
        names: ['product_id', 'name'],
        rows: [4, 5].map((id) => [id, product(id)]),
      },
    ]);
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'products/2024.csv', Body: listed }));
    putSheet = async () => {
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'products/2025.xlsx', Body: sheet }));
    };
    const { host, port, user, database: name } = world.postgres;
    database = new pg.Client({ host, port, user, database: name });
    await database.connect();
    await database.query(
      `DROP TABLE IF EXISTS flow_orders, flow_totals;
       CREATE TABLE flow_orders AS SELECT i AS order_id, i % 7 AS product_id, 'customer ' || i % 5 AS customer, i % 3 + 1 AS quantity,
         (i * 0.25)::numeric(10,2) AS price FROM generate_series(1, 40) AS i;
       CREATE TABLE flow_totals (customer text PRIMARY KEY, total numeric(20,2), orders bigint, loaded_by text, stale boolean);
       INSERT INTO flow_totals VALUES ('customer 1', 1, 1, 'old', false), ('gone', 2, 2, 'old', false)`,
    );
    worker = new WorkerProcess(
      {
        ...process.env,
        ...world.env,
        WAYBILL_FACTORY_DIRECTORY: factory.directory,
        WAYBILL_TASK_QUEUE: QUEUE,
      },
      join(world.directory, 'logs', 'worker-data-flow.log'),
    );
    worker.start();
    connection = await Connection.connect({ address: world.temporal.address });
    client = new Client({ connection });
  });

  after(async () => {
    await worker?.stop();
    await connection?.close();
    await database?.query('DROP TABLE IF EXISTS flow_orders, flow_totals').catch(() => undefined);
    await database?.end();
    s3?.destroy();
    factory?.remove();
  });

  const keys = async (Bucket: string, Prefix: string): Promise<string[]> => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix }));
    return Contents.map(({ Key = '' }) => Key);
  };

  const run = async (key: string): Promise<Record<string, JsonObject>> => {
    const { handle, workflowId } = await startRun(client, {
      ...{ kind: 'pipeline', name: 'totals', key, parameters: { who: 'tester' }, trigger: 'test' },
      taskQueue: QUEUE,
    });
    await Promise.race([handle.result(), worker.failure()]).catch((error: unknown) => {
      let root = error;
      while (root instanceof Error && root.cause instanceof Error) root = root.cause;
      throw new Error(`totals: ${root}`, { cause: error });
    });
    const flow = client.workflow.getHandle(dataFlowWorkflowId(workflowId, 'Totals'));
    await keepHistory('runDataFlow', flow);
    const output = (await flow.result()) as { runStatus: { metrics: Record<string, JsonObject> } };
    return output.runStatus.metrics;
  };

  /** What the same query gives in the database itself. */
  const expected = async (): Promise<unknown[]> => {
    const { rows } = await database.query(
      `SELECT customer, sum(quantity * price)::numeric(20,2) AS total, count(*) AS orders, 'tester' AS loaded_by FROM flow_orders
       WHERE product_id BETWEEN 1 AND 5 AND quantity * price >= 1.5 GROUP BY customer
       UNION ALL SELECT 'gone', 2.00, 2, 'old' ORDER BY 1`,
    );
    return rows;
  };

  it('joins, aggregates and upserts into a table, and writes files; done twice it is the same', async () => {
    for (const key of ['first', 'second']) {
      await putSheet();
      const metrics = await run(key);
      const { rows } = await database.query(
        'SELECT customer, total, orders, loaded_by FROM flow_totals ORDER BY customer',
      );
      assert.deepEqual(rows, await expected());
      assert.equal(metrics['SaveTotals']?.['rowsWritten'], 5);
      assert.equal(metrics['SaveUnknown']?.['rowsWritten'], 10);
      const sources = metrics['SaveTotals']?.['sources'] as Record<string, JsonObject>;
      const read = ['Orders', 'Listed', 'Sheet'].map((name) => sources[name]?.['rowsRead']);
      assert.deepEqual(read, [40, 3, 2]);
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'unknown/unknown.csv' }));
      const lines = (await Body?.transformToString())?.trim().split('\n') ?? [];
      assert.equal(lines[0]?.replaceAll('"', ''), 'order_id,product');
      assert.deepEqual(
        lines.slice(1).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
        ['6,6', '7,0', '13,6', '14,0', '20,6', '21,0', '27,6', '28,0', '34,6', '35,0'],
      );
      // The workbook is deleted once it has been loaded.
      assert.deepEqual(await keys(BUCKET, 'products/'), ['products/2024.csv']);
      // Emptied before it is written: one run's file.
      const parquet = (await keys(BUCKET, 'lines/')).filter((name) => name.endsWith('.parquet'));
      assert.equal(parquet.length, 1, parquet.join());
      assert.deepEqual(await keys('waybill-data-flows', 'staging/'), []);
    }
    const { rows } = await database.query("SELECT stale FROM flow_totals WHERE customer = 'gone'");
    assert.deepEqual(rows, [{ stale: true }]);
  });
});
