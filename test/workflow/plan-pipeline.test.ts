// planPipeline with real definitions, real activities and a real store: what it finds out, and that it changes nothing.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { createCopyActivities } from '../../src/activities/copy.ts';
import { createDefinitionActivities } from '../../src/activities/definitions.ts';
import { renderPlan } from '../../src/client/plan.ts';
import { paletteFor } from '../../src/client/render.ts';
import type { PipelinePlan } from '../../src/core/pipeline/preview.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import type { planPipeline } from '../../src/workflows/plan-pipeline.ts';
import { pipelineOf, writeFactory } from '../support/factory-files.ts';
import { sharedWorld } from '../support/world.ts';

const taskQueue = `plan-${process.pid}`;
const database = `plan_${process.pid}`;

const copy = (name: string, from: string, to: string, more: object = {}): object => ({
  name,
  type: 'Copy',
  typeProperties: { source: { type: 'PostgreSqlV2Source' }, sink: { type: 'AzurePostgreSqlSink' }, ...more },
  inputs: [{ referenceName: 'ds_pg', type: 'DatasetReference', parameters: { table: from } }],
  outputs: [{ referenceName: 'ds_pg', type: 'DatasetReference', parameters: { table: to } }],
});

describe('planPipeline', { timeout: 300_000 }, () => {
  let client: Client;
  let native: NativeConnection;
  let worker: Worker;
  let running: Promise<void>;
  let store: pg.Client;
  const factory = writeFactory({
    'linkedService/ls_pg.json': {
      name: 'ls_pg',
      properties: { type: 'PostgreSqlV2', typeProperties: { server: 'pg', database } },
    },
    'dataset/ds_pg.json': {
      properties: {
        type: 'PostgreSqlV2Table',
        linkedServiceName: { referenceName: 'ls_pg', type: 'LinkedServiceReference' },
        parameters: { table: { type: 'string' } },
        typeProperties: { schema: 'public', table: { value: '@dataset().table', type: 'Expression' } },
      },
    },
    'pipeline/pl_plan.json': {
      name: 'pl_plan',
      ...pipelineOf(
        [
          copy('exact', '@pipeline().parameters.table', 'orders_copy'),
          copy('lossy', 'orders', 'orders_float'),
          copy('missing', 'no_such_table', 'orders_copy'),
          {
            name: 'each',
            type: 'ForEach',
            typeProperties: {
              items: { value: "@createArray('orders', 'orders_copy')", type: 'Expression' },
              activities: [copy('inner', '@item()', 'orders_copy')],
            },
          },
          {
            ...copy('later', "@activity('exact').output.next", 'orders_copy'),
            dependsOn: [{ activity: 'exact', dependencyConditions: ['Succeeded'] }],
          },
        ],
        { parameters: { table: { type: 'string' } } },
      ),
    },
  });

  before(async () => {
    const world = await sharedWorld(['temporal', 'postgres']);
    const { host, port, user } = world.postgres;
    const admin = new pg.Client({ host, port, user, database: 'postgres' });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${database}`);
    await admin.end();
    store = new pg.Client({ host, port, user, database });
    await store.connect();
    await store.query(
      "CREATE TABLE orders AS SELECT i AS id, (i / 7.0)::numeric(10,2) AS amount, 'note ' || i AS note FROM generate_series(1, 30000) AS i",
    );
    await store.query('ALTER TABLE orders ADD PRIMARY KEY (id)');
    await store.query('CREATE TABLE orders_copy (id bigint, amount numeric(12,2), note varchar(8))');
    await store.query('CREATE TABLE orders_float (id int, amount real, note text, day date NOT NULL)');
    client = new Client({ connection: await Connection.connect({ address: world.temporal.address }) });
    native = await NativeConnection.connect({ address: world.temporal.address });
    worker = await Worker.create({
      connection: native,
      taskQueue,
      workflowsPath: fileURLToPath(new URL('../../src/workflows/index.js', import.meta.url)),
      activities: {
        ...createDefinitionActivities({
          settings: { factoryDirectory: factory.directory, linkedService: {} },
        }),
        ...createCopyActivities({
          resolveLinkedService: async (name) => ({
            name,
            type: 'PostgreSqlV2',
            properties: { server: host, port, username: user, database, sslMode: 'disable' },
          }),
          workDirectory: factory.directory,
        }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
    });
    running = worker.run();
  });
  after(async () => {
    worker?.shutdown();
    await running;
    await native?.close();
    await client?.connection.close();
    await store?.end();
    factory.remove();
  });

  const plan = (): Promise<PipelinePlan> =>
    client.workflow.execute<typeof planPipeline>('planPipeline', {
      workflowId: `plan/pl_plan/${process.pid}`,
      taskQueue,
      args: [{ pipeline: 'pl_plan', parameters: { table: 'orders' } }],
    });

  test('every copy is planned as far as it can be known, and nothing is changed', async () => {
    const { copies } = await plan();
    assert.deepEqual(
      copies.map(({ activity, item }) => (item === undefined ? activity : `${activity} ${item}`)),
      ['exact', 'lossy', 'missing', 'inner orders', 'inner orders_copy', 'later'],
    );
    const [exact, lossy, missing, inner, other, later] = copies;
    assert.equal(exact?.preview?.rows, 30_000);
    assert.equal(exact?.preview?.partitionColumn, 'id');
    assert.equal(exact?.preview?.chunks, 2);
    assert.deepEqual(exact?.preview?.problems, []);
    assert.deepEqual(
      exact?.preview?.columns.map(({ fidelity }) => fidelity),
      ['widened', 'widened', 'checked'],
    );
    assert.equal(lossy?.preview?.problems.length, 2);
    assert.match(lossy?.preview?.problems[0] ?? '', /amount → amount: .*allowDataTruncation/);
    assert.match(lossy?.preview?.problems[1] ?? '', /day/);
    assert.equal(missing?.refused?.code, 'OBJECT_MISSING');
    assert.equal(inner?.preview?.from, 'PostgreSQL public.orders');
    assert.equal(other?.preview?.from, 'PostgreSQL public.orders_copy');
    assert.match(later?.unknown ?? '', /exact/);
    const { rows } = await store.query(
      "SELECT table_name AS t FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    );
    assert.deepEqual(
      rows.map(({ t }) => t),
      ['orders', 'orders_copy', 'orders_float'],
      'no ledger, no staging table, no target',
    );
  });

  test('the printed plan names columns, types, fidelity and what is refused', async () => {
    const lines = renderPlan(await plan(), paletteFor(false));
    const text = lines.join('\n');
    assert.match(text, /PostgreSQL public\.orders → PostgreSQL public\.orders_copy/);
    assert.match(text, /30,000 rows · 2 chunks by id · 2 at once · as rows · insert · every chunk verified/);
    assert.match(
      text,
      /note +String text +→ note +String\(8\).* checked +longer than 8 characters fails the row/,
    );
    assert.match(text, /✖ refused: amount → amount: it would lose digits/);
    assert.match(text, /✖ OBJECT_MISSING /);
    assert.match(text, /cannot be planned before it runs/);
    assert.equal(lines.at(-1), 'pipeline pl_plan: 6 copies · 2 refused · 1 known only when it runs');
    if (process.env['SHOW_PLAN'] !== undefined) console.error(text);
  });
});
