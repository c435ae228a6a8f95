// Copies that end without cleaning up, in a real PostgreSQL: what stays, what a rerun finds, what the sweep removes.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Context } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { createCopyActivities } from '../../src/activities/copy.ts';
import { type CopyRuns, createSweepActivities } from '../../src/activities/sweep.ts';
import { TemporalCopyRuns } from '../../src/client/copy-runs.ts';
import { ensureSweeper } from '../../src/client/sweeper-schedule.ts';
import type { ChunkInput, CopyActivities } from '../../src/core/copy/activities.ts';
import type { CopyInput } from '../../src/core/copy.ts';
import type { SweepResult } from '../../src/core/sweep.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import type { copyData } from '../../src/workflows/copy-data.ts';
import { sharedWorld } from '../support/world.ts';

const taskQueue = `sweep-${process.pid}`;
const name = `sweep_${process.pid}`;
const ROWS = 60_000;

/** Other tests' copies may be in the same Temporal: theirs are not ours to sweep. */
const ownRuns = (runs: CopyRuns): CopyRuns => ({
  isLast: (run) => runs.isLast(run),
  inputOf: (run) => runs.inputOf(run),
  async *unclean(instant) {
    for await (const run of runs.unclean(instant)) if (run.copyId.endsWith(`/${process.pid}`)) yield run;
  },
});

describe('what copies leave behind', { timeout: 300_000 }, () => {
  let client: Client;
  let native: NativeConnection;
  let database: pg.Client;
  let worker: Worker;
  let running: Promise<void>;
  let directory: string;
  /** What happens before a chunk is copied, by copy id. */
  const beforeChunk = new Map<string, (input: ChunkInput) => Promise<void>>();
  const cleanUpFails = new Set<string>();
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const resumed: string[] = [];

  before(async () => {
    const world = await sharedWorld(['temporal', 'postgres']);
    const { address } = world.temporal;
    const { host, port, user } = world.postgres;
    const admin = new pg.Client({ host, port, user, database: 'postgres' });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.end();
    database = new pg.Client({ host, port, user, database: name });
    await database.connect();
    await database.query(
      `CREATE TABLE source AS SELECT i AS id, 'row ' || i AS note FROM generate_series(1, ${ROWS}) AS i`,
    );
    await database.query('ALTER TABLE source ADD PRIMARY KEY (id)');
    client = new Client({ connection: await Connection.connect({ address }) });
    native = await NativeConnection.connect({ address });
    directory = await mkdtemp(join(tmpdir(), 'waybill-sweep-'));
    const properties = { server: host, port, username: user, database: name, sslMode: 'disable' };
    const dependencies = {
      resolveLinkedService: async () => ({ name: 'pg', type: 'PostgreSqlV2', properties }),
      workDirectory: directory,
    };
    const copy = createCopyActivities(dependencies);
    const activities: CopyActivities = {
      ...copy,
      copyChunk: async (input) => {
        await beforeChunk.get(input.copy.copyId)?.(input);
        const result = await copy.copyChunk(input);
        if (result.resumed) resumed.push(`${input.copy.copyId} ${input.chunk}`);
        return result;
      },
      cleanUpCopy: async (input) => {
        if (cleanUpFails.has(input.copyId)) throw ApplicationFailure.nonRetryable('refused', 'QUERY_FAILED');
        await copy.cleanUpCopy(input);
      },
    };
    worker = await Worker.create({
      connection: native,
      taskQueue,
      activities: {
        ...activities,
        ...createSweepActivities({ ...dependencies, runs: ownRuns(new TemporalCopyRuns(client)) }),
      },
      workflowsPath: fileURLToPath(new URL('../../src/workflows/index.js', import.meta.url)),
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
      maxHeartbeatThrottleInterval: '100ms',
      defaultHeartbeatThrottleInterval: '100ms',
    });
    running = worker.run();
  });
  after(async () => {
    release();
    worker?.shutdown();
    await running;
    await native?.close();
    await client?.connection.close();
    await database?.end();
    await rm(directory, { recursive: true, force: true });
  });

  const start = (copyId: string): Promise<WorkflowHandle<typeof copyData>> => {
    const end = (table: string, settings = {}) => ({
      linkedService: 'pg',
      datasetType: 'PostgreSqlV2Table',
      dataset: { schema: 'public', table },
      settings: { type: 'PostgreSqlV2', ...settings },
    });
    const input: CopyInput = {
      copyId,
      pipeline: 'sweep',
      activity: 'copy',
      source: end('source', {
        partitionOption: 'DynamicRange',
        partitionSettings: { partitionColumnName: 'id' },
      }),
      sink: end(copyId.replace(/\W/g, '_'), { tableOption: 'autoCreate' }),
      options: { parallelCopies: 2 },
    };
    return client.workflow.start<typeof copyData>('copyData', {
      workflowId: copyId,
      taskQueue,
      args: [input],
    });
  };
  /** Tables of unpublished copies, and ledger entries of theirs. */
  const left = async (copyId: string): Promise<{ tables: number; entries: number }> => {
    const table = copyId.replace(/\W/g, '_');
    const tables = await database.query(
      'SELECT count(*) AS n FROM information_schema.tables WHERE table_name LIKE $1',
      [`${table}\\_\\_wb\\_%`],
    );
    const ledger = await database.query("SELECT to_regclass('_waybill_ledger') IS NOT NULL AS there");
    if (ledger.rows[0].there !== true) return { tables: Number(tables.rows[0].n), entries: 0 };
    const entries = await database.query(
      "SELECT count(*) AS n FROM _waybill_ledger WHERE copy_id = $1 AND copy_key NOT IN (SELECT copy_key FROM _waybill_ledger WHERE state = 'published')",
      [copyId],
    );
    return { tables: Number(tables.rows[0].n), entries: Number(entries.rows[0].n) };
  };
  let sweeps = 0;
  /** Sweeps until `copyId` is among the swept: what closed a moment ago is not at once in Temporal's lists. */
  const sweep = async (copyId?: string): Promise<SweepResult> => {
    for (const end = Date.now() + 60_000; ; ) {
      const result = await client.workflow.execute<(input: object) => Promise<SweepResult>>('sweepOrphans', {
        workflowId: `sweeper-${process.pid}-${++sweeps}`,
        taskQueue,
        args: [{ olderThanSeconds: 0 }],
      });
      assert.deepEqual(result.failed, []);
      if (copyId === undefined || result.swept.includes(copyId)) return result;
      assert.ok(Date.now() < end, `${copyId} was never swept`);
    }
  };
  const until = async (what: string, check: () => Promise<boolean>): Promise<void> => {
    for (const end = Date.now() + 60_000; !(await check()); ) {
      assert.ok(Date.now() < end, what);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const hang = async (): Promise<void> => {
    const context = Context.current();
    const timer = setInterval(() => context.heartbeat('hanging'), 100);
    try {
      await context.cancelled;
    } finally {
      clearInterval(timer);
    }
  };

  test('a terminated copy is swept once; a copy that runs is never touched', async () => {
    const killed = `killed/${process.pid}`;
    const alive = `alive/${process.pid}`;
    beforeChunk.set(killed, hang);
    beforeChunk.set(alive, () => released);
    const handle = await start(killed);
    const other = await start(alive);
    await until(
      'both are planned',
      async () => (await left(killed)).tables + (await left(alive)).tables === 2,
    );
    await handle.terminate('pulled out');
    assert.ok((await left(killed)).entries > 1, 'nobody cleaned up');
    const result = await sweep(killed);
    assert.ok(!result.swept.includes(alive));
    assert.deepEqual(await left(killed), { tables: 0, entries: 0 });
    assert.equal((await left(alive)).tables, 1);
    release();
    assert.equal((await other.result()).rowsCopied, ROWS);
    const again = await sweep();
    assert.ok(!again.swept.includes(killed), 'once is enough');
    assert.ok(!again.swept.includes(alive), 'what went well leaves nothing to sweep');
    assert.deepEqual(await left(alive), { tables: 0, entries: 0 });

    beforeChunk.delete(killed);
    assert.equal((await (await start(killed)).result()).rowsCopied, ROWS, 'it may run again after its sweep');
  });

  test('a copy that failed outside its data keeps its chunks for a rerun', async () => {
    const copyId = `kept/${process.pid}`;
    beforeChunk.set(copyId, async ({ chunk }) => {
      // The other lane gets its chunk through before this one gives up.
      if (chunk === 0) return;
      await until('chunk 0 is committed', async () => {
        const { rows } = await database.query(
          "SELECT 1 FROM _waybill_ledger WHERE copy_id = $1 AND chunk = 0 AND state = 'committed'",
          [copyId],
        );
        return rows.length === 1;
      });
      throw ApplicationFailure.nonRetryable('refused', 'AUTHENTICATION_FAILED');
    });
    await assert.rejects((await start(copyId)).result());
    const { tables, entries } = await left(copyId);
    assert.equal(tables, 1);
    assert.ok(entries > 2, `${entries} entries`);
    beforeChunk.delete(copyId);
    const output = await (await start(copyId)).result();
    assert.equal(output.rowsCopied, ROWS);
    assert.ok(resumed.includes(`${copyId} 0`), 'the committed chunk was not read again');
    assert.deepEqual(await left(copyId), { tables: 0, entries: 0 });
  });

  test('what a failed copy kept is swept if nobody runs it again; what failed in its data keeps nothing', async () => {
    const kept = `unwanted/${process.pid}`;
    const broken = `broken/${process.pid}`;
    const fail = (type: string) => async () => {
      throw ApplicationFailure.nonRetryable('no', type);
    };
    beforeChunk.set(kept, fail('SECRET_MISSING'));
    beforeChunk.set(broken, fail('SINK_TYPE_OVERFLOW'));
    await assert.rejects((await start(kept)).result());
    await assert.rejects((await start(broken)).result());
    assert.equal((await left(kept)).tables, 1);
    assert.deepEqual(await left(broken), { tables: 0, entries: 0 });
    await sweep(kept);
    assert.deepEqual(await left(kept), { tables: 0, entries: 0 });
  });

  test('a copy that went well but could not clean up says so, and is swept', async () => {
    const copyId = `unclean/${process.pid}`;
    const table = copyId.replace(/\W/g, '_');
    // Its staging table cannot become the target: that holds a row.
    await database.query(`CREATE TABLE ${table} AS SELECT 0 AS id, 'kept'::text AS note`);
    cleanUpFails.add(copyId);
    assert.equal((await (await start(copyId)).result()).rowsCopied, ROWS);
    assert.equal((await left(copyId)).tables, 1);
    cleanUpFails.delete(copyId);
    await sweep(copyId);
    assert.deepEqual(await left(copyId), { tables: 0, entries: 0 });
    const { rows } = await database.query(`SELECT count(*) AS n FROM ${table}`);
    assert.equal(Number(rows[0].n), ROWS + 1, 'what was published stays');
  });

  test('a cancelled copy cleans up by itself', async () => {
    const copyId = `cancelled/${process.pid}`;
    beforeChunk.set(copyId, hang);
    const handle = await start(copyId);
    await until('it is planned', async () => (await left(copyId)).tables === 1);
    await handle.cancel();
    await assert.rejects(handle.result());
    assert.deepEqual(await left(copyId), { tables: 0, entries: 0 });
  });

  test('the schedule is made once and left as it is', async () => {
    assert.equal(await ensureSweeper(client, taskQueue), 'created');
    assert.equal(await ensureSweeper(client, taskQueue), 'exists');
    await client.schedule.getHandle('sweeper').delete();
  });
});
