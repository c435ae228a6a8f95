// Copies under death: workers are killed and frozen at seeded random moments, runs are cancelled in the middle. Real
// workers, real workflows, every engine's own word on what came of it. WAYBILL_SEED repeats a run's moments.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, defaultPayloadConverter, type WorkflowHandle } from '@temporalio/client';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import type { World } from '../../dev/world/world.ts';
import { startRun } from '../../src/client/start.ts';
import type { ChunkInput, ChunkResult } from '../../src/core/copy/activities.ts';
import type { CopyOutput } from '../../src/core/copy.ts';
import { copyWorkflowId } from '../../src/core/workflow-ids.ts';
import { GOOD, ROWS } from '../support/copied-rows.ts';
import { type Committed, MortalCopies, type MortalCopy } from '../support/mortal-copies.ts';
import { sharedWorld } from '../support/world.ts';

const seed = Number(process.env['WAYBILL_SEED'] ?? Date.now() % 1_000_000);
const TASK_QUEUE = 'copy-kills';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
const random = (() => {
  let state = seed;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
})();

async function until<T>(
  what: string,
  ms: number,
  ask: () => Promise<T | undefined | false>,
  pause = 50,
): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await ask();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await delay(pause);
  }
}

/** One copy on its way. */
interface Run {
  readonly copy: MortalCopy;
  readonly target: string;
  readonly pipeline: WorkflowHandle;
  readonly handle: WorkflowHandle;
}

/** A chunk that a worker has in hand, as the server knows it. */
interface InHand {
  readonly run: Run;
  readonly activityId: string;
  readonly attempt: number;
  readonly worker: number;
}

/** What the history says of a chunk: the attempt that ended it, and with what. */
interface Ended extends ChunkResult {
  readonly attempt: number;
  readonly activityId: string;
}

describe(`copies under death (WAYBILL_SEED=${seed})`, { timeout: 900_000 }, () => {
  let world: World;
  let copies: MortalCopies;
  let workers: WorkerProcess[] = [];
  let environment: NodeJS.ProcessEnv;
  let connection: Connection;
  let client: Client;
  /** ms that all copies take together when nobody dies. */
  let calm = 0;

  const hire = (): WorkerProcess => {
    const worker = new WorkerProcess(
      environment,
      join(world.directory, 'logs', `kills-${workers.length}.log`),
    );
    worker.start();
    workers.push(worker);
    return worker;
  };
  const dismiss = async (): Promise<void> => {
    const all = workers;
    workers = [];
    await Promise.all(all.map((worker) => worker.stop()));
  };

  before(async () => {
    world = await sharedWorld(['temporal', 'postgres', 'mysql', 'sqlserver', 's3', 'azure-blob']);
    Object.assign(process.env, world.env);
    copies = new MortalCopies(world);
    const settings = await copies.start();
    environment = { ...process.env, WAYBILL_CONFIG: settings, WAYBILL_TASK_QUEUE: TASK_QUEUE };
    connection = await Connection.connect({ address: world.temporal.address });
    client = new Client({ connection });
  });

  after(async () => {
    await dismiss();
    await connection?.close();
    await copies?.stop();
  });

  /** The processes that ask for activities. */
  const polling = async (): Promise<number[]> => {
    const { pollers } = await client.workflowService.describeTaskQueue({
      namespace: 'default',
      taskQueue: { name: TASK_QUEUE },
      // TASK_QUEUE_TYPE_ACTIVITY
      taskQueueType: 2,
    });
    return (pollers ?? []).map(({ identity }) => Number.parseInt(identity ?? '', 10));
  };

  const start = (key: string): Promise<Run[]> =>
    Promise.all(
      copies.all.map(async (copy) => {
        const target = `${copy.pipeline}_${key}`;
        await copy.prepare(target);
        return rerun(copy, target, key);
      }),
    );

  const rerun = async (copy: MortalCopy, target: string, key: string): Promise<Run> => {
    const { handle: pipeline, workflowId } = await startRun(client, {
      kind: 'pipeline',
      name: copy.pipeline,
      key: `${process.pid}-${key}`,
      parameters: { target },
      trigger: 'test',
      taskQueue: TASK_QUEUE,
    });
    const handle = client.workflow.getHandle(copyWorkflowId(workflowId, 'Copy it'));
    return { copy, target, pipeline, handle };
  };

  const ended = async (run: Run): Promise<CopyOutput> => {
    const failures = workers.map((worker) => worker.failure());
    await Promise.race([run.pipeline.result(), ...failures]).catch((error: unknown) => {
      let root = error;
      while (root instanceof Error && root.cause instanceof Error) root = root.cause;
      throw new Error(`${run.target}: ${root}`, { cause: error });
    });
    return run.handle.result() as Promise<CopyOutput>;
  };

  const isOver = async (run: Run): Promise<boolean> => {
    const { status } = await run.pipeline.describe();
    return status.name !== 'RUNNING';
  };

  /** Whether only its clean-up is left, which waits for whoever still holds the staging table. */
  const isPublished = async (run: Run): Promise<boolean> => {
    const { status, raw } = await run.handle.describe();
    const pending = (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name);
    return status.name !== 'RUNNING' || pending.includes('cleanUpCopy');
  };

  const inHand = async (runs: readonly Run[]): Promise<InHand[]> => {
    const found = await Promise.all(
      runs.map(async (run) => {
        const description = await run.handle.describe().catch(() => undefined);
        return (description?.raw.pendingActivities ?? []).flatMap((activity): InHand[] => {
          // 2 is PENDING_ACTIVITY_STATE_STARTED.
          if (activity.state !== 2 || activity.activityType?.name !== 'copyChunk') return [];
          const worker = Number.parseInt(activity.lastWorkerIdentity ?? '', 10);
          return [{ run, activityId: activity.activityId ?? '', attempt: activity.attempt ?? 1, worker }];
        });
      }),
    );
    return found.flat();
  };

  const committed = (runs: readonly Run[]): Promise<Committed[]> =>
    Promise.all(runs.map(({ copy, handle, target }) => copy.committed(handle.workflowId, target)));

  const historyOf = async (run: Run): Promise<Map<number, Ended>> => {
    const { events } = await run.handle.fetchHistory();
    const asked = new Map<string, { chunk: number; activityId: string }>();
    const attemptOf = new Map<string, number>();
    const chunks = new Map<number, Ended>();
    for (const event of events ?? []) {
      const scheduled = event.activityTaskScheduledEventAttributes;
      const payload = scheduled?.input?.payloads?.[0];
      if (scheduled?.activityType?.name === 'copyChunk' && payload) {
        const { chunk } = defaultPayloadConverter.fromPayload<ChunkInput>(payload);
        asked.set(String(event.eventId), { chunk, activityId: scheduled.activityId ?? '' });
      }
      const begun = event.activityTaskStartedEventAttributes;
      if (begun) attemptOf.set(String(begun.scheduledEventId), begun.attempt ?? 1);
      const done = event.activityTaskCompletedEventAttributes;
      const result = done?.result?.payloads?.[0];
      const activity = asked.get(String(done?.scheduledEventId));
      if (activity === undefined || !result) continue;
      const { chunk, activityId } = activity;
      assert.ok(!chunks.has(chunk), `chunk ${chunk} of ${run.target} ended twice`);
      const attempt = attemptOf.get(String(done?.scheduledEventId)) ?? 1;
      chunks.set(chunk, { ...defaultPayloadConverter.fromPayload<ChunkResult>(result), attempt, activityId });
    }
    return chunks;
  };

  /** Every row once and right, by the store's own word; one commit per chunk. `known`: chunks committed before a death. */
  const checkWhole = async (run: Run, known: Committed): Promise<string> => {
    const { copy, target, handle } = run;
    const output = await ended(run);
    assert.equal(output.rowsRead, ROWS, target);
    assert.equal(output.rowsCopied, ROWS, target);
    assert.equal(output.dataConsistencyVerification.VerificationResult, 'Verified', target);
    assert.deepEqual(await copy.rows(target), GOOD, target);
    const ledger = await copy.committed(handle.workflowId, target);
    assert.ok(output.waybill.chunks >= 4, `${target} has ${output.waybill.chunks} chunks`);
    assert.deepEqual(
      [...ledger.keys()].sort((a, b) => a - b),
      Array.from({ length: output.waybill.chunks }, (_, i) => i),
      `${target}: one commit for each chunk`,
    );
    const history = await historyOf(run);
    assert.equal(history.size, output.waybill.chunks, `${target}: one result for each chunk`);
    let rows = 0;
    for (const result of history.values()) rows += result.rows;
    assert.equal(rows, ROWS, target);
    for (const [chunk, { stamp }] of known) {
      assert.equal(ledger.get(chunk)?.stamp, stamp, `${target}: chunk ${chunk} was committed again`);
    }
    for (const [chunk, { attempt, resumed }] of history) {
      const by = ledger.get(chunk)?.attempt ?? Number.NaN;
      // An attempt after the one that committed finds the chunk and reads nothing.
      assert.ok(
        resumed ? by < attempt : by === attempt,
        `${target}: chunk ${chunk} by attempts ${by}, ${attempt}`,
      );
    }
    const retried = [...history.values()].filter(({ attempt }) => attempt > 1);
    return (
      `${target}: ${ledger.size} chunks, ${known.size} committed before the last death, ` +
      `${retried.length} retried (${retried.filter(({ resumed }) => resumed).length} found committed)`
    );
  };

  const checkNothingLeft = async (runs: readonly Run[]): Promise<void> => {
    let left: string[] = [];
    const nothing = async (): Promise<boolean> => {
      const found = await Promise.all(runs.map(({ copy, target }) => copy.leftovers(target)));
      left = [...found.flat(), ...(await copies.openTransactions())];
      return left.length === 0;
    };
    // InnoDB answers as before to who asks for its transactions more often than every 0.1 s.
    await until('nothing is left', 15_000, nothing, 250).catch(() => undefined);
    assert.deepEqual(left, []);
  };

  it('without a death: every row once', async (t) => {
    hire();
    const runs = await start('calm');
    const [first] = runs as [Run];
    await until('the first copy is planned', 60_000, () => first.handle.describe().catch(() => undefined));
    const from = Date.now();
    await Promise.all(runs.map(ended));
    calm = Date.now() - from;
    for (const run of runs) t.diagnostic(await checkWhole(run, new Map()));
    t.diagnostic(`all five in ${calm} ms`);
    await checkNothingLeft(runs);
  });

  it('workers that are killed: a new one goes on after what is committed', async (t) => {
    let [worker = hire()] = workers;
    const runs = await start('killed');
    let known = await committed(runs);
    const kills = 2 + Math.floor(random() * 2);
    for (let kill = 1; kill <= kills; kill++) {
      const moment = random() * (calm / kills);
      const working = await until('the worker has chunks in hand', 90_000, async () => {
        const held = (await inHand(runs)).some((chunk) => chunk.worker === worker.pid);
        if (held) return 'yes';
        return (await Promise.all(runs.map(isOver))).every(Boolean) && 'over';
      });
      if (working === 'over') break;
      await delay(moment);
      const now = await committed(runs);
      for (const [i, before] of known.entries()) {
        for (const [chunk, { stamp }] of before) assert.equal(now[i]?.get(chunk)?.stamp, stamp);
      }
      known = now;
      await worker.kill();
      workers = [];
      t.diagnostic(
        `kill ${kill} of ${kills}, ${Math.round(moment)} ms into the work: committed ${known.map(({ size }) => size)}`,
      );
      worker = hire();
    }
    for (const [i, run] of runs.entries()) t.diagnostic(await checkWhole(run, known[i] ?? new Map()));
    await checkNothingLeft(runs);
    const incremental = runs.find(({ copy }) => copy.pipeline === 'mysql_to_postgres') as Run;
    const all = await copies.addToMysql(150);
    try {
      const next = await rerun(incremental.copy, incremental.target, 'after-kills');
      assert.equal((await ended(next)).rowsCopied, 150, 'ties at the watermark, and rows above it, once');
      assert.deepEqual(await incremental.copy.rows(incremental.target), { rows: all, keys: all, wrong: 0 });
    } finally {
      await copies.takeFromMysql();
    }
  });

  it('a worker that froze and wakes up: its late attempts are refused', async (t) => {
    await dismiss();
    const zombie = hire();
    const other = hire();
    const zombiePid = zombie.pid ?? 0;
    // The copies take a few seconds: a worker that comes later may find nothing left to do.
    await until('both workers ask for work', 60_000, async () => {
      const asking = await polling();
      return [zombie, other].every(({ pid }) => asking.includes(pid ?? 0));
    });
    let runs: Run[] = [];
    let frozen: InHand[] = [];
    try {
      // On a quick machine the copies may be over before the worker was caught with something in hand: then once more.
      for (let round = 1; frozen.length === 0 && round <= 5; round++) {
        if (round > 1) await Promise.all(runs.map(ended));
        runs = await start(round === 1 ? 'frozen' : `frozen${round}`);
        const allOver = async (): Promise<boolean> => (await Promise.all(runs.map(isOver))).every(Boolean);
        await until('both workers have chunks in hand', 60_000, async () => {
          const held = await inHand(runs);
          return new Set(held.map(({ worker }) => worker)).size === 2 || (await allOver());
        });
        await delay((random() * 0.3 * calm) / round);
        await until('the frozen worker has chunks in hand', 60_000, async () => {
          process.kill(zombiePid, 'SIGSTOP');
          // What it had reported by then is on its way to the server, and is no longer in its hands.
          frozen = (await inHand(runs)).filter(({ worker }) => worker === zombiePid);
          if (frozen.length > 0) return true;
          process.kill(zombiePid, 'SIGCONT');
          return allOver();
        });
      }
      assert.ok(frozen.length > 0, 'the worker was never caught with a chunk in hand');
      const known = await committed(runs);
      t.diagnostic(
        `froze with ${frozen.length} chunks in hand: ${frozen.map(({ run }) => run.copy.pipeline)}; committed ${known.map(({ size }) => size)}`,
      );
      const late = random() < 0.5;
      // A frozen transaction may hold a lock that others wait for, and a frozen poll takes tasks: then it wakes up earlier.
      const patience = Date.now() + 30_000;
      await until('other attempts have taken over', 60_000, async () => {
        if (Date.now() > patience) return true;
        if (late) return (await Promise.all(frozen.map(({ run }) => isPublished(run)))).every(Boolean);
        const now = await inHand(runs);
        return (
          frozen.every(({ run, activityId, attempt }) => {
            const same = now.find((one) => one.run === run && one.activityId === activityId);
            return same === undefined || same.attempt > attempt;
          }) && now.some(({ attempt }) => attempt > 1)
        );
      });
      const over = (await Promise.all(runs.map(isOver))).filter(Boolean).length;
      t.diagnostic(
        `wakes up ${late ? 'after publishing' : 'during the second attempts'}: ${over} of ${runs.length} copies are over`,
      );
    } finally {
      process.kill(zombiePid, 'SIGCONT');
    }
    await Promise.all(runs.map(ended));
    // Only a worker that is awake can drain; whatever it still does to the targets, it has done then.
    await dismiss();
    for (const run of runs) t.diagnostic(await checkWhole(run, new Map()));
    const outlived = await Promise.all(
      frozen.map(async ({ run, activityId, attempt }) => {
        const ends = [...(await historyOf(run)).values()];
        return (ends.find((one) => one.activityId === activityId)?.attempt ?? 0) > attempt;
      }),
    );
    assert.ok(outlived.includes(true), 'no chunk that was in frozen hands was taken over');
    const fenced = zombie.lastLines(100_000).match(/CHUNK_FENCED/g) ?? [];
    t.diagnostic(
      `${outlived.filter(Boolean).length} of its ${frozen.length} chunks were ended by others; its log says CHUNK_FENCED ${fenced.length} times`,
    );
    await checkNothingLeft(runs);
  });

  it('cancelled in the middle: the target is as it was, or the copy is whole', async (t) => {
    if (workers.length === 0) hire();
    const runs = await start('cancelled');
    const moments = runs.map(() => (0.05 + 0.6 * random()) * calm);
    const statuses = await Promise.all(
      runs.map(async (run, i) => {
        await until('the copy runs', 60_000, () => run.handle.describe().catch(() => undefined));
        await delay(moments[i]);
        const before = await run.copy.committed(run.handle.workflowId, run.target);
        await run.pipeline.cancel();
        await run.pipeline.result().catch(() => undefined);
        const status = (await run.handle.describe()).status.name;
        t.diagnostic(
          `${run.target}: ${status}, ${Math.round(moments[i] ?? 0)} ms after it began, ${before.size} chunks committed`,
        );
        if (status === 'COMPLETED') {
          assert.deepEqual(await run.copy.rows(run.target), GOOD, run.target);
        } else {
          assert.equal(status, 'CANCELLED', run.target);
          assert.deepEqual(await run.copy.rows(run.target), run.copy.untouched, run.target);
          assert.equal((await run.copy.committed(run.handle.workflowId, run.target)).size, 0, run.target);
          assert.equal((await run.pipeline.describe()).status.name, 'CANCELLED', run.target);
        }
        return status;
      }),
    );
    assert.ok(statuses.includes('CANCELLED'), `none was cancelled in time: ${statuses}`);
    await checkNothingLeft(runs);
  });
});
