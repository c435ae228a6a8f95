// A trigger that waits for changes of a real PostgreSQL table: every row is in one change set, sets come in order and without
// a gap, also where a run fails, the trigger is stopped in between, and versions go backwards.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import pg from 'pg';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import { createTriggerActivities } from '../../src/activities/triggers.ts';
import { createChangeActivities } from '../../src/activities/watch-changes.ts';
import { TriggerKeeper } from '../../src/client/trigger-keeper.ts';
import { TemporalTriggerRuns } from '../../src/client/trigger-runs.ts';
import type { RunPipelineInput } from '../../src/core/run.ts';
import type { ChangeActivities, TriggerActivities } from '../../src/core/trigger/activities.ts';
import { compareVersions } from '../../src/core/trigger/change-set.ts';
import { compileTrigger } from '../../src/core/trigger/compile.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { keepHistory } from '../support/keep-history.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres-for-tests.ts';
import type { RunScript } from '../support/trigger-workflows.ts';

const taskQueue = `changes-${process.pid}`;
const facts = { dataFactory: 'f', globalParameters: {} };
let environment: TestWorkflowEnvironment;
let postgres: TestPostgres;
let database: pg.Client;

before(async () => {
  environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: await temporalExecutable() },
  });
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { WaybillPipeline: 2, WaybillTrigger: 2, WaybillStage: 2, WaybillWindowStart: 6 },
  });
  postgres = await startTestPostgres();
  database = new pg.Client({
    host: '127.0.0.1',
    port: postgres.port,
    user: 'postgres',
    database: 'postgres',
  });
  await database.connect();
});
after(async () => {
  await environment?.teardown();
  await database?.end();
  await postgres?.stop();
});

async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!(await look())) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const definition = (changes: Record<string, unknown>): Parameters<typeof compileTrigger>[1] => ({
  type: 'ChangeTrigger',
  runtimeState: 'Started',
  pipelines: [
    {
      pipelineReference: { referenceName: 'pl' },
      parameters: {
        from: "@coalesce(trigger().outputs.fromVersion, '0')",
        to: '@trigger().outputs.toVersion',
      },
    },
  ],
  typeProperties: {
    linkedServiceName: { referenceName: 'ls' },
    schema: 'public',
    table: 'Orders',
    mode: 'watermark',
    column: 'id',
    pollSeconds: 1,
    retryPolicy: { count: 1, intervalInSeconds: 1 },
    ...changes,
  },
});

test('every row is in one change set; a set that fails waits; versions that go backwards stop the trigger', async () => {
  await database.query('CREATE TABLE public."Orders" (id bigserial PRIMARY KEY, note text)');
  const insert = async (count: number): Promise<void> => {
    await database.query(`INSERT INTO public."Orders" (note) SELECT 'n' FROM generate_series(1, ${count})`);
  };
  await insert(5);
  const runs: { key: string; ids: number[] }[] = [];
  /** How many of the next runs fail. */
  let failing = 0;
  let looks = 0;
  const changes = createChangeActivities({
    workDirectory: '/nowhere',
    resolveLinkedService: async (name) => ({
      name,
      type: 'PostgreSqlV2',
      properties: {
        ...{ server: '127.0.0.1', port: postgres.port, database: 'postgres', username: 'postgres' },
        ...{ password: 'none', sslMode: 0 },
      },
    }),
  });
  const activities: ChangeActivities & RunScript & TriggerActivities = {
    ...createTriggerActivities({ triggers: new TemporalTriggerRuns(environment.client) }),
    lookForChanges: async (look) => {
      looks += 1;
      return changes.lookForChanges(look);
    },
    scriptRun: async ({ key, parameters }: RunPipelineInput) => {
      if (failing > 0) {
        failing -= 1;
        return { seconds: 0, fails: true };
      }
      const { rows } = await database.query<{ id: string }>(
        'SELECT id FROM public."Orders" WHERE id > $1 AND id <= $2 ORDER BY id',
        [parameters['from'], parameters['to']],
      );
      runs.push({ key, ids: rows.map(({ id }) => Number(id)) });
      return { seconds: 1 };
    },
  };
  const workflowsPath = fileURLToPath(new URL('../support/trigger-workflows.js', import.meta.url));
  const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle,
    activities,
    interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
  });
  const compile = (extra: Record<string, unknown> = {}) => {
    const { trigger, faults } = compileTrigger('tr_orders', definition(extra));
    assert.deepEqual(faults, []);
    return trigger ?? assert.fail();
  };
  const keeper = new TriggerKeeper(environment.client, taskQueue);
  const kept = async () => (await keeper.find('tr_orders')) ?? assert.fail();
  const seen = (): number[] => runs.flatMap(({ ids }) => ids);
  const numbers = (to: number): number[] => Array.from({ length: to }, (_, index) => index + 1);
  await worker.runUntil(async () => {
    await keeper.put(compile(), facts, undefined);
    await until('the snapshot', () => seen().length >= 5);
    assert.deepEqual(runs, [{ key: 'tr_orders-start-5', ids: [1, 2, 3, 4, 5] }]);

    // Rows come while runs are at work: sets follow each other without a gap.
    for (let step = 0; step < 8; step++) {
      await insert(3);
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    await until('the rows that came', () => seen().length >= 29);
    assert.deepEqual(seen(), numbers(29));
    const bounds = runs.map(({ key }) => key.split('-').slice(1));
    for (const [index, [from]] of bounds.entries())
      assert.equal(from, index === 0 ? 'start' : bounds[index - 1]?.[1]);

    // One retry is allowed: a run that fails once goes on by itself, one that fails twice waits for a person.
    failing = 3;
    await insert(1);
    await until('the fault', async () => (await kept()).fault !== undefined);
    assert.match(
      String((await kept()).fault),
      /after 29 up to 30 wait: pipeline\/pl\/tr_orders-29-30 failed/,
    );
    await insert(1);
    assert.equal(failing, 1);
    await keeper.setStarted(await kept(), true);
    await until('what waited', () => seen().length >= 31);
    assert.deepEqual(runs.slice(-2), [
      { key: 'tr_orders-29-30', ids: [30] },
      { key: 'tr_orders-30-31', ids: [31] },
    ]);
    assert.equal((await kept()).fault, undefined);

    // Stopping loses nothing.
    await keeper.setStarted(await kept(), false);
    await until('the stop', async () => !(await kept()).started);
    await insert(2);
    const at = looks;
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assert.ok(looks <= at + 1);
    await keeper.setStarted(await kept(), true);
    await until('what came meanwhile', () => seen().length >= 33);
    assert.deepEqual(seen(), numbers(33));

    await assert.rejects(keeper.put(compile({ table: 'other' }), facts, await kept()), /cannot change/);

    // A backup is restored: nothing is skipped in silence, and a person has it begin anew.
    await until('the end of the last run', async () => {
      const { status } = await environment.client.workflow
        .getHandle('pipeline/pl/tr_orders-31-33')
        .describe();
      return status.name === 'COMPLETED';
    });
    await database.query('DELETE FROM public."Orders" WHERE id > 20');
    await until('the fault', async () => (await kept()).fault !== undefined);
    const stopped = await kept();
    assert.equal(stopped.started, false);
    assert.match(String(stopped.fault), /handed over up to 33, but it is at 20 now/);
    runs.length = 0;
    await keeper.setStarted(stopped, true);
    await until('the snapshot', () => runs.length > 0);
    assert.deepEqual(runs, [{ key: 'tr_orders-again2-start-20', ids: numbers(20) }]);

    const handle = environment.client.workflow.getHandle('trigger/tr_orders');
    await Worker.runReplayHistory({ workflowBundle }, await handle.fetchHistory(), handle.workflowId);
    await keepHistory('watchChanges', handle);
    await keeper.remove(await kept());
  });
});

test('versions are compared as numbers however long, else as texts', () => {
  assert.ok(compareVersions('9', '10') < 0);
  assert.ok(compareVersions('90071992547409931', '90071992547409930') > 0);
  assert.ok(compareVersions('-1.5', '-1.25') < 0);
  assert.equal(compareVersions('1.50', '1.5'), 0);
  assert.ok(compareVersions('2026-01-01 00:00:00+00', '2026-01-01 00:00:00.5+00') < 0);
});

test('what a definition lacks is told', () => {
  const reasons = (changes: Record<string, unknown>): string[] =>
    compileTrigger('t', definition(changes)).faults.map(({ path, reason }) => `${path.join('/')}: ${reason}`);
  assert.deepEqual(reasons({ mode: 'log', table: '' }), [
    'typeProperties/table: "table" names the table whose changes are waited for',
    'typeProperties/mode: "mode" is "log", not one of changeTracking, stream, watermark',
  ]);
  assert.equal(reasons({ mode: 'stream', column: undefined }).length, 0);
  assert.match(reasons({ mode: 'stream', snapshotFirst: false }).join(), /snapshotFirst.*SHOW_INITIAL_ROWS/);
  assert.deepEqual(reasons({ column: undefined }), [
    'typeProperties/column: mode watermark needs a "column" whose values grow with every change',
  ]);
});
