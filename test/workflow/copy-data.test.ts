// The workflow copyData against activities that keep their books in memory: what runs, how often, in which order.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Context } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { type ActivityInterceptorsFactory, NativeConnection, Worker } from '@temporalio/worker';
import type { ChunkInput, ChunkResult, CopyActivities, CopyPlan } from '../../src/core/copy/activities.ts';
import type { CopyInput, CopyOutput, CopyProgress } from '../../src/core/copy.ts';
import type { copyData } from '../../src/workflows/copy-data.ts';
import { sharedWorld } from '../support/world.ts';

const ROWS = 10;
const taskQueue = `copy-${process.pid}`;

interface Books {
  readonly activities: CopyActivities;
  readonly calls: string[];
}

const plan = (chunks: number, published = false): CopyPlan => ({
  chunks,
  rows: chunks * ROWS,
  epoch: 1,
  from: 'Memory a',
  to: 'Memory b',
  published,
  notes: [],
  verified: true,
});

/** Activities that note their calls. `chunk` says what a chunk does, given its number and attempt. */
const books = (
  made: CopyPlan,
  chunk: (input: ChunkInput, attempt: number) => Promise<void> = async () => {},
): Books => {
  const calls: string[] = [];
  const done = { bytesRead: 100, bytesWritten: 50, sourceChecksum: '7', sinkChecksum: '7' };
  return {
    calls,
    activities: {
      planCopy: async () => {
        calls.push('plan');
        return made;
      },
      copyChunk: async (input): Promise<ChunkResult> => {
        calls.push(`chunk ${input.chunk}`);
        await chunk(input, Context.current().info.attempt);
        return { chunk: input.chunk, rows: ROWS, resumed: false, ...done };
      },
      publishCopy: async () => {
        calls.push('publish');
        return { rows: made.chunks * ROWS, files: 0, ...done };
      },
      cleanUpCopy: async () => {
        calls.push('clean up');
      },
      previewCopy: async () => {
        throw new Error('nobody previews here');
      },
    },
  };
};

const endpoint = {
  linkedService: 'memory',
  datasetType: 'Memory',
  dataset: {},
  settings: { type: 'Memory' },
};
const inputFor = (copyId: string, parallelCopies: number): CopyInput => ({
  copyId,
  pipeline: 'p',
  activity: 'copy',
  source: endpoint,
  sink: endpoint,
  options: { parallelCopies },
});

describe('copyData', { timeout: 900_000 }, () => {
  let address: string;
  let client: Client;
  let native: NativeConnection;
  const interceptors: ActivityInterceptorsFactory[] = [];

  before(async () => {
    ({ address } = (await sharedWorld(['temporal'])).temporal);
    client = new Client({ connection: await Connection.connect({ address }) });
    native = await NativeConnection.connect({ address });
  });
  after(async () => {
    await native?.close();
    await client?.connection.close();
  });

  const withWorker = async <T>(activities: CopyActivities, work: () => Promise<T>): Promise<T> => {
    const worker = await Worker.create({
      connection: native,
      taskQueue,
      activities,
      workflowsPath: fileURLToPath(new URL('../../src/workflows/index.js', import.meta.url)),
      interceptors: { activity: interceptors },
      maxHeartbeatThrottleInterval: '100ms',
      defaultHeartbeatThrottleInterval: '100ms',
    });
    return worker.runUntil(work);
  };

  const start = (id: string, parallelCopies = 2): Promise<WorkflowHandle<typeof copyData>> =>
    client.workflow.start<typeof copyData>('copyData', {
      workflowId: id,
      taskQueue,
      args: [inputFor(id, parallelCopies)],
    });

  const failureOf = async (result: Promise<CopyOutput>): Promise<Error> => {
    try {
      await result;
    } catch (error) {
      return error as Error;
    }
    throw new Error('the copy did not fail');
  };

  test('plans, copies every chunk once, publishes once and cleans up, in that order', async () => {
    const { activities, calls } = books(plan(5));
    await withWorker(activities, async () => {
      const handle = await start(`ok-${process.pid}`);
      const output = await handle.result();
      assert.equal(output.rowsCopied, 50);
      assert.equal(output.usedParallelCopies, 2);
      assert.equal(output.dataConsistencyVerification.VerificationResult, 'Verified');
      assert.ok(output.copyDuration >= 1);
      const progress = await handle.query<CopyProgress, []>('progress');
      assert.deepEqual(
        [progress.state, progress.chunksDone, progress.chunksTotal, progress.rowsDone],
        ['done', 5, 5, 50],
      );
    });
    assert.equal(calls[0], 'plan');
    assert.deepEqual(
      calls.slice(1, 6).toSorted(),
      [0, 1, 2, 3, 4].map((n) => `chunk ${n}`),
    );
    assert.deepEqual(calls.slice(6), ['publish', 'clean up']);
  });

  test('no more chunks run at once than parallelCopies says', async () => {
    let running = 0;
    let most = 0;
    const { activities } = books(plan(12), async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running--;
    });
    await withWorker(activities, async () => (await start(`parallel-${process.pid}`, 3)).result());
    assert.ok(most >= 2 && most <= 3, `${most} at once`);
  });

  test('a chunk that fails for now is tried again, one that fails for good ends the copy cleanly', async () => {
    const retried = books(plan(2), async ({ chunk }, attempt) => {
      if (chunk === 1 && attempt < 3)
        throw ApplicationFailure.create({ type: 'STORE_BUSY', message: 'busy' });
    });
    await withWorker(retried.activities, async () => (await start(`retry-${process.pid}`)).result());
    assert.equal(retried.calls.filter((call) => call === 'chunk 1').length, 3);

    const broken = books(plan(50), async ({ chunk }) => {
      if (chunk === 3) throw ApplicationFailure.nonRetryable('does not fit', 'SINK_TYPE_OVERFLOW');
    });
    const failure = await withWorker(broken.activities, async () =>
      failureOf((await start(`broken-${process.pid}`)).result()),
    );
    const cause = (failure.cause as Error).cause as ApplicationFailure;
    assert.equal(cause.type, 'SINK_TYPE_OVERFLOW');
    assert.ok(broken.calls.length < 50, 'the other chunks were not begun');
    assert.ok(!broken.calls.includes('publish'), 'nothing was published');
    assert.equal(broken.calls.at(-1), 'clean up');
  });

  test('a cancelled copy stops its chunks, publishes nothing and cleans up', async () => {
    let began = (): void => {};
    const running = new Promise<void>((resolve) => {
      began = resolve;
    });
    let stopped = 0;
    const { activities, calls } = books(plan(9), async () => {
      began();
      const context = Context.current();
      const timer = setInterval(() => context.heartbeat('alive'), 100);
      try {
        await context.cancelled;
      } finally {
        clearInterval(timer);
        stopped++;
      }
    });
    await withWorker(activities, async () => {
      const handle = await start(`cancel-${process.pid}`);
      await running;
      await handle.cancel();
      await failureOf(handle.result());
      assert.equal((await handle.describe()).status.name, 'CANCELLED');
    });
    assert.ok(stopped >= 1);
    assert.ok(!calls.includes('publish'));
    assert.equal(calls.at(-1), 'clean up');
  });

  test('a copy that was published before reads no row again', async () => {
    const { activities, calls } = books(plan(4, true));
    const output = await withWorker(activities, async () => (await start(`again-${process.pid}`)).result());
    assert.equal(output.rowsCopied, 40);
    assert.deepEqual(calls, ['plan', 'publish', 'clean up']);
  });

  test('a copy of ten thousand chunks continues as new and still does each once', async () => {
    const { activities, calls } = books(plan(10_000));
    await withWorker(activities, async () => {
      const handle = await start(`many-${process.pid}`, 40);
      const output = await handle.result();
      assert.equal(output.rowsCopied, 100_000);
      const { historyLength } = await handle.describe();
      assert.ok(historyLength < 4_000, `${historyLength} events in the last run`);
    });
    assert.equal(calls.filter((call) => call === 'plan').length, 1);
    const chunks = calls.filter((call) => call.startsWith('chunk'));
    assert.equal(new Set(chunks).size, 10_000);
    assert.equal(chunks.length, 10_000);
  });
});
