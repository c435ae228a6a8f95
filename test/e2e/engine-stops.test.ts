// Every engine is stopped in the middle of a copy and started again: the copy goes on and ends with every row once, or
// fails with a clear error. Never a false success. Real worker process, real workflows, the whole product path.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { askSnowflake } from '../../dev/demo/engines.ts';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import { seedWorld } from '../../dev/seed/seed-world.ts';
import { worldStartEngine, worldStopEngine } from '../../dev/world/lifecycle.ts';
import type { EngineName } from '../../dev/world/state.ts';
import type { World } from '../../dev/world/world.ts';
import { SnapshotReader } from '../../src/client/snapshot.ts';
import { startRun } from '../../src/client/start.ts';
import type { CopyOutput } from '../../src/core/copy.ts';
import { copyWorkflowId, pipelineWorkflowId } from '../../src/core/workflow-ids.ts';
import { sharedWorld } from '../support/world.ts';

const FLIGHTS = 336_776;
const PIPELINE = 'pl_sqlserver_to_snowflake';

describe('an engine that stops during a copy', { timeout: 900_000 }, () => {
  let world: World;
  let worker: WorkerProcess;

  before(async () => {
    world = await sharedWorld(['temporal', 'postgres', 'sqlserver', 'snowflake', 's3']);
    await seedWorld(world);
    worker = new WorkerProcess({ ...process.env, ...world.env }, join(world.directory, 'logs', 'worker.log'));
    worker.start();
  });

  after(async () => {
    await worker?.stop();
  });

  async function connect(): Promise<{ client: Client; close: () => Promise<void> }> {
    const connection = await Connection.connect({ address: world.temporal.address });
    return { client: new Client({ connection }), close: () => connection.close() };
  }

  /** Resolves once a good part of the rows is on its way, but not all of it. */
  async function untilMoving(client: Client, workflowId: string): Promise<void> {
    const reader = new SnapshotReader(client);
    const deadline = Date.now() + 120_000;
    while (Date.now() < deadline) {
      const { copies, status } = await reader.read(workflowId);
      assert.equal(status, 'RUNNING', `the run ended (${status}) before the engine was stopped`);
      const moved = copies.reduce((sum, copy) => sum + copy.progress.rowsDone + copy.rowsInFlight, 0);
      if (moved > 40_000) return;
      await delay(100);
    }
    throw new Error(`no rows moved within 2 minutes; the worker said:\n${worker.lastLines()}`);
  }

  for (const engine of ['sqlserver', 'snowflake', 'postgres', 'temporal'] satisfies EngineName[]) {
    it(`${engine}: the copy goes on when it is back, every row once`, async () => {
      const key = `stop-${engine}`;
      const workflowId = pipelineWorkflowId(PIPELINE, key);
      const before = await connect();
      await startRun(before.client, {
        kind: 'pipeline',
        name: PIPELINE,
        key,
        parameters: { tables: ['flights'] },
        trigger: 'test',
        taskQueue: 'waybill',
      });
      await untilMoving(before.client, workflowId);
      await before.close();

      await worldStopEngine(world.name, engine);
      await delay(3000);
      await worldStartEngine(world.name, engine);

      const { client, close } = await connect();
      await Promise.race([client.workflow.getHandle(workflowId).result(), worker.failure()]);
      const copy = client.workflow.getHandle(copyWorkflowId(workflowId, 'copy_table', 'flights'));
      const output = (await copy.result()) as CopyOutput;
      await close();
      assert.equal(output.rowsCopied, FLIGHTS);
      assert.equal(output.dataConsistencyVerification.VerificationResult, 'Verified');
      const held = await askSnowflake(
        world,
        'SELECT COUNT(*) AS n, COUNT(DISTINCT FLIGHT_ID) AS k FROM FLIGHTS',
      );
      assert.deepEqual(held, { n: String(FLIGHTS), k: String(FLIGHTS) });
    });
  }

  it('a source that stays away fails the copy with its name, and leaves the target as it was', async () => {
    const key = 'source-away';
    const { client, close } = await connect();
    await worldStopEngine(world.name, 'sqlserver');
    try {
      await startRun(client, {
        kind: 'pipeline',
        name: PIPELINE,
        key,
        parameters: { tables: ['flights'] },
        trigger: 'test',
        taskQueue: 'waybill',
      });
      const copyId = copyWorkflowId(pipelineWorkflowId(PIPELINE, key), 'copy_table', 'flights');
      const deadline = Date.now() + 120_000;
      let told = '';
      while (told === '' && Date.now() < deadline) {
        const description = await client.workflow
          .getHandle(copyId)
          .describe()
          .catch(() => undefined);
        told = description?.raw.pendingActivities?.[0]?.lastFailure?.message ?? '';
        await delay(200);
      }
      assert.match(told, /SQL Server/);
      await client.workflow.getHandle(pipelineWorkflowId(PIPELINE, key)).cancel();
      await assert.rejects(client.workflow.getHandle(pipelineWorkflowId(PIPELINE, key)).result());
    } finally {
      await worldStartEngine(world.name, 'sqlserver');
      await close();
    }
    const held = await askSnowflake(world, 'SELECT COUNT(*) AS n FROM FLIGHTS');
    assert.equal(held['n'], String(FLIGHTS));
  });
});
