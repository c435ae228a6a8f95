// A metadata-driven load as Data Factory teams write it, on real engines with a real worker: a Lookup of a control table, and
// for each row of it a Lookup, a Copy, a Script and a stored procedure. And what becomes of statements when a worker dies.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import pg from 'pg';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import { connectSqlServer } from '../../dev/seed/sql-server.ts';
import type { World } from '../../dev/world/world.ts';
import { startRun } from '../../src/client/start.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { RunPipelineOutput } from '../../src/core/run.ts';
import { type TemporaryFactory, writeFactory } from '../support/factory-files.ts';
import { after1, forEach, statuses } from '../support/pipeline-harness.ts';
import { sharedWorld } from '../support/world.ts';

const reference = (referenceName: string, type: string, parameters?: object): object => ({
  referenceName,
  type,
  ...(parameters === undefined ? {} : { parameters }),
});
const dataset = (type: string, linkedService: string, schema: string): object => ({
  properties: {
    type,
    linkedServiceName: reference(linkedService, 'LinkedServiceReference'),
    parameters: { table: { type: 'string', defaultValue: 'none' } },
    typeProperties: { schema, table: { value: '@dataset().table', type: 'Expression' } },
  },
});
const lookup = (name: string, data: string, source: object, more: object = {}): object => ({
  name,
  type: 'Lookup',
  typeProperties: { source, dataset: reference(data, 'DatasetReference'), ...more },
});
const script = (name: string, scripts: object[], more: object = {}): object => ({
  name,
  type: 'Script',
  linkedServiceName: reference('ls_pg', 'LinkedServiceReference'),
  typeProperties: { scripts, logSettings: { logDestination: 'ActivityOutput' } },
  ...more,
});
const expression = (value: string): object => ({ value, type: 'Expression' });

const LOAD = {
  properties: {
    activities: [
      lookup(
        'Read control',
        'ds_sql',
        { type: 'SqlServerSource', sqlReaderQuery: 'SELECT name, mark FROM dbo.control ORDER BY name' },
        { firstRowOnly: false },
      ),
      {
        ...forEach('Each table', "@activity('Read control').output.value", [
          lookup('New mark', 'ds_sql', {
            type: 'SqlServerSource',
            sqlReaderQuery: expression('SELECT MAX(id) AS mark FROM dbo.[@{item().name}]'),
          }),
          {
            name: 'Load',
            type: 'Copy',
            ...after1('New mark', 'Succeeded'),
            inputs: [reference('ds_sql', 'DatasetReference')],
            outputs: [
              reference('ds_pg', 'DatasetReference', { table: expression("@concat('e2e_', item().name)") }),
            ],
            typeProperties: {
              source: {
                type: 'SqlServerSource',
                sqlReaderQuery: expression(
                  "SELECT * FROM dbo.[@{item().name}] WHERE id > @{item().mark} AND id <= @{activity('New mark').output.firstRow.mark}",
                ),
              },
              sink: { type: 'PostgreSqlV2Sink', tableOption: 'autoCreate' },
            },
          },
          script(
            'Note it',
            [
              {
                type: 'NonQuery',
                text: 'INSERT INTO e2e_loads (name, rows, at) VALUES (@name, @rows, @at)',
                parameters: [
                  { name: 'name', type: 'String', direction: 'Input', value: expression('@item().name') },
                  { name: 'rows', type: 'Int64', value: expression("@activity('Load').output.rowsCopied") },
                  { name: 'at', type: 'DateTime', value: expression('@utcNow()') },
                ],
              },
            ],
            after1('Load', 'Succeeded'),
          ),
          {
            name: 'Set mark',
            type: 'SqlServerStoredProcedure',
            ...after1('Note it', 'Succeeded'),
            linkedServiceName: reference('ls_sql', 'LinkedServiceReference'),
            typeProperties: {
              storedProcedureName: '[dbo].[usp_set_mark]',
              storedProcedureParameters: {
                name: { value: expression('@item().name'), type: 'String' },
                mark: { value: expression("@activity('New mark').output.firstRow.mark"), type: 'Int32' },
              },
            },
          },
        ]),
        ...after1('Read control', 'Succeeded'),
      },
      script(
        'Report',
        [
          {
            type: 'Query',
            text: "DO $$ BEGIN RAISE NOTICE 'reporting'; END $$; SELECT name, rows FROM e2e_loads ORDER BY name",
          },
          { type: 'NonQuery', text: 'UPDATE e2e_loads SET rows = rows' },
        ],
        after1('Each table', 'Succeeded'),
      ),
      lookup('Nothing', 'ds_sql', { type: 'SqlServerSource', sqlReaderQuery: 'SELECT 1 AS n WHERE 1 = 0' }),
      {
        name: 'Was there any',
        type: 'SetVariable',
        ...after1('Nothing', 'Succeeded'),
        typeProperties: {
          variableName: 'any',
          value: expression("@string(contains(activity('Nothing').output, 'firstRow'))"),
        },
      },
    ],
    variables: { any: { type: 'String' } },
  },
};

/** Statements that last: one that only reads, and one that may not be repeated. */
const SLOW = {
  properties: {
    activities: [
      lookup('Reads', 'ds_pg', {
        type: 'PostgreSqlV2Source',
        query: 'SELECT 7 AS n FROM pg_sleep(6) AS reads',
      }),
      script('Changes', [{ type: 'NonQuery', text: 'SELECT pg_sleep(60) AS changes' }]),
    ],
  },
};

describe('Lookup, Script and stored procedures', { timeout: 600_000 }, () => {
  let world: World;
  let factory: TemporaryFactory;
  let connection: Connection;
  let client: Client;
  let postgres: pg.Client;
  let worker: WorkerProcess;
  const taskQueue = `sql-activities-${process.pid}`;
  const database = `sql_activities_${process.pid}`;
  let sqlServer: Awaited<ReturnType<typeof connectSqlServer>>;

  before(async () => {
    world = await sharedWorld(['temporal', 'postgres', 'sqlserver']);
    const { host, port, user, database: main } = world.postgres;
    factory = writeFactory({
      'linkedService/ls_pg.json': { properties: { type: 'PostgreSqlV2', typeProperties: {} } },
      'linkedService/ls_sql.json': { properties: { type: 'SqlServer', typeProperties: {} } },
      'dataset/ds_pg.json': dataset('PostgreSqlV2Table', 'ls_pg', 'public'),
      'dataset/ds_sql.json': dataset('SqlServerTable', 'ls_sql', 'dbo'),
      'pipeline/load.json': LOAD,
      'pipeline/slow.json': SLOW,
    });
    const { server, port: sqlPort, user: sqlUser, passwordEnv, caFile } = world.sqlServer;
    const settings = join(factory.directory, 'waybill.toml');
    await writeFile(
      settings,
      [
        `factoryDirectory = ${JSON.stringify(factory.directory)}`,
        '[linkedService.ls_pg]',
        ...[`server = "${host}"`, `port = ${port}`, `username = "${user}"`, `database = "${main}"`],
        'sslMode = "disable"',
        '[linkedService.ls_sql]',
        ...[`server = "${server},${sqlPort}"`, `database = "${database}"`, `userName = "${sqlUser}"`],
        ...[`password = { env = "${passwordEnv}" }`, `caFile = ${JSON.stringify(caFile)}`],
      ].join('\n'),
    );
    postgres = new pg.Client({ host, port, user, database: main });
    await postgres.connect();
    await postgres.query('DROP TABLE IF EXISTS e2e_loads, e2e_orders, e2e_people');
    await postgres.query('CREATE TABLE e2e_loads (name text, rows bigint, at timestamp)');
    const master = await connectSqlServer(world, 'master');
    await master.batch(`CREATE DATABASE ${database}`);
    await master.close();
    sqlServer = await connectSqlServer(world, database);
    for (const statement of [
      'CREATE TABLE dbo.control (name nvarchar(50) NOT NULL PRIMARY KEY, mark int NOT NULL)',
      "INSERT INTO dbo.control VALUES (N'orders', 10), (N'people', 0)",
      'CREATE TABLE dbo.orders (id int NOT NULL PRIMARY KEY, amount decimal(10,2))',
      'INSERT INTO dbo.orders SELECT value, value / 4.0 FROM GENERATE_SERIES(1, 250)',
      'CREATE TABLE dbo.people (id int NOT NULL PRIMARY KEY, name nvarchar(20))',
      "INSERT INTO dbo.people SELECT value, CONCAT(N'p', value) FROM GENERATE_SERIES(1, 30)",
      'CREATE PROCEDURE dbo.usp_set_mark @name nvarchar(50), @mark int AS BEGIN SET NOCOUNT ON; UPDATE dbo.control SET mark = @mark WHERE name = @name; END',
    ])
      await sqlServer.batch(statement);
    worker = new WorkerProcess(
      { ...process.env, ...world.env, WAYBILL_CONFIG: settings, WAYBILL_TASK_QUEUE: taskQueue },
      join(world.directory, 'logs', 'worker-sql-activities.log'),
    );
    worker.start();
    connection = await Connection.connect({ address: world.temporal.address });
    client = new Client({ connection });
  });

  after(async () => {
    await worker?.stop();
    await connection?.close();
    await postgres?.query('DROP TABLE IF EXISTS e2e_loads, e2e_orders, e2e_people').catch(() => undefined);
    await postgres?.end();
    await sqlServer?.close();
    factory?.remove();
  });

  const start = async (name: string, key: string): Promise<WorkflowHandle> => {
    const request = { kind: 'pipeline' as const, name, key, parameters: {}, trigger: 'test', taskQueue };
    return (await startRun(client, request)).handle;
  };
  const resultOf = async (name: string, key: string): Promise<RunPipelineOutput> => {
    const handle = await start(name, key);
    const result = Promise.race([handle.result() as Promise<RunPipelineOutput>, worker.failure()]);
    return result.catch((error: unknown) => {
      let root = error;
      while (root instanceof Error && root.cause instanceof Error) root = root.cause;
      throw new Error(`${name}: ${root}`, { cause: error });
    });
  };
  const outputOf = ({ activityRuns }: RunPipelineOutput, name: string): JsonObject =>
    activityRuns.find(({ activityName }) => activityName === name)?.output as JsonObject;
  const marks = async (): Promise<unknown> =>
    (await sqlServer.query('SELECT name, mark FROM dbo.control ORDER BY name')).recordset;
  /** How many of the slow statements run in the store. */
  const running = async (word: string): Promise<number> => {
    const { rows } = await postgres.query(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(%) AS ${word}%' AND pid <> pg_backend_pid()`,
    );
    return rows[0].n as number;
  };
  const eventually = async (what: string, ask: () => Promise<boolean>): Promise<void> => {
    for (const deadline = Date.now() + 60_000; !(await ask()); ) {
      assert.ok(Date.now() < deadline, what);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };

  it('loads what is new of each table of a control table, and remembers how far it came', async () => {
    const first = await resultOf('load', 'first');
    const control = outputOf(first, 'Read control');
    assert.equal(control['count'], 2);
    assert.deepEqual(control['value'], [
      { name: 'orders', mark: 10 },
      { name: 'people', mark: 0 },
    ]);
    const { resultSetCount, resultSets, recordsAffected, outputLogs, outputTruncated } = outputOf(
      first,
      'Report',
    );
    assert.equal(resultSetCount, 1);
    assert.deepEqual(resultSets, [
      {
        rowCount: 2,
        rows: [
          { name: 'orders', rows: 240 },
          { name: 'people', rows: 30 },
        ],
      },
    ]);
    assert.equal(recordsAffected, 2);
    assert.equal(outputLogs, 'reporting');
    assert.equal(outputTruncated, false);
    assert.deepEqual(outputOf(first, 'Was there any'), { name: 'any', value: 'False' });
    assert.deepEqual(await marks(), [
      { name: 'orders', mark: 250 },
      { name: 'people', mark: 30 },
    ]);
    const second = await resultOf('load', 'second');
    const copied = second.activityRuns.filter(({ activityName }) => activityName === 'Load');
    assert.deepEqual(
      copied.map(({ output }) => (output as JsonObject)['rowsCopied']),
      [0, 0],
    );
    const { rows } = await postgres.query(
      'SELECT (SELECT count(*)::int FROM e2e_orders) AS orders, (SELECT count(*)::int FROM e2e_people) AS people',
    );
    assert.deepEqual(rows, [{ orders: 240, people: 30 }]);
  });

  it('when a worker dies, a query is made again; a change is reported as lost, not repeated', async () => {
    const handle = await start('slow', 'killed');
    await eventually(
      'both statements run',
      async () => (await running('reads')) + (await running('changes')) === 2,
    );
    await worker.kill();
    worker.start();
    const failed = handle.result().then(
      () => assert.fail('it succeeded'),
      (error: unknown) => error,
    );
    await Promise.race([failed, worker.failure()]);
    const { activities } = await handle.query<{ activities: RunPipelineOutput['activityRuns'] }>('progress');
    assert.deepEqual(statuses({ activityRuns: activities } as never), {
      Reads: 'Succeeded',
      Changes: 'Failed',
    });
    const changes = activities.find(({ activityName }) => activityName === 'Changes');
    assert.equal(changes?.error?.errorCode, 'ATTEMPT_LOST');
    await postgres.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60) AS changes%' AND pid <> pg_backend_pid()",
    );
  });

  it('cancelling a run ends its statements in the store', async () => {
    const handle = await start('slow', 'cancelled');
    await eventually('the statement runs', async () => (await running('changes')) === 1);
    await handle.cancel();
    await assert.rejects(handle.result());
    await eventually('the statement has ended', async () => (await running('changes')) === 0);
  });
});
