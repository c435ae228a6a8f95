// Tumbling window triggers on a real (time-skipping) Temporal server: only what a run does is scripted.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { timeSkippingExecutable } from '../../dev/setup/temporal.ts';
import { createTriggerActivities } from '../../src/activities/triggers.ts';
import { TemporalTriggerRuns } from '../../src/client/trigger-runs.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { RunPipelineInput } from '../../src/core/run.ts';
import { compileTrigger } from '../../src/core/trigger/compile.ts';
import { emptyLineage } from '../../src/core/trigger/lineage.ts';
import {
  CANCEL_WINDOWS,
  CONFIGURE,
  EDIT,
  RERUN_WINDOWS,
  type TriggerMemo,
  type TumblingWindowInput,
  type TumblingWindowView,
} from '../../src/core/trigger/messages.ts';
import { type TumblingWindowTrigger, triggerId } from '../../src/core/trigger/trigger.ts';
import type { RunScript } from '../support/trigger-workflows.ts';

/** The scene's: a workflow that is stuck holds the time of its whole server. */
let environment: TestWorkflowEnvironment;
let bundle: WorkflowBundleWithSourceMap;

before(async () => {
  const workflowsPath = fileURLToPath(new URL('../support/trigger-workflows.js', import.meta.url));
  bundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Run {
  readonly window: string;
  readonly began: number;
  ended?: number;
}

interface Scene {
  readonly runs: Run[];
  start(properties: JsonObject, options?: { name?: string; started?: boolean }): Promise<WorkflowHandle>;
  view(handle: WorkflowHandle): Promise<TumblingWindowView>;
  /** Skips time until the trigger's windows are as wanted. */
  until(handle: WorkflowHandle, wanted: (view: TumblingWindowView) => boolean): Promise<TumblingWindowView>;
}

let scenes = 0;

async function createEnvironment(): Promise<TestWorkflowEnvironment> {
  const executable = await timeSkippingExecutable();
  const created = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
  await created.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { WaybillPipeline: 2, WaybillTrigger: 2, WaybillStage: 2, WaybillWindowStart: 6 },
  });
  return created;
}

function tumbling(name: string, typeProperties: JsonObject): TumblingWindowTrigger {
  const { trigger, faults } = compileTrigger(name, {
    type: 'TumblingWindowTrigger',
    pipeline: {
      pipelineReference: { referenceName: 'pl', type: 'PipelineReference' },
      parameters: {
        from: '@trigger().outputs.windowStartTime',
        to: "@formatDateTime(trigger().outputs.windowEndTime, 'yyyy-MM-dd HH:mm')",
      },
    },
    typeProperties,
  });
  assert.deepEqual(faults, []);
  assert.ok(trigger?.type === 'TumblingWindowTrigger');
  return trigger;
}

/**
 * Runs `body` with a server and a worker of its own; every history is replayed at the end.
 *
 * What ends a run and what wakes the trigger must not be due at the same moment. The time-skipping server refuses the
 * completion of a workflow task that cancels a timer which has fired meanwhile ("invalid history builder state for
 * action", temporalio/sdk-java#3088), and neither times the task out nor sends it again; a real server does.
 */
async function scene(
  script: (input: RunPipelineInput, call: number) => { seconds: number; fails?: boolean },
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  environment = await createEnvironment();
  try {
    await play(script, body);
  } finally {
    await environment.teardown();
  }
}

async function play(
  script: (input: RunPipelineInput, call: number) => { seconds: number; fails?: boolean },
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const taskQueue = `triggers-${++scenes}`;
  const runs: Run[] = [];
  const handles: WorkflowHandle[] = [];
  const calls = new Map<string, number>();
  const activities: RunScript = {
    scriptRun: async (input) => {
      const call = (calls.get(input.key) ?? 0) + 1;
      calls.set(input.key, call);
      const began = await environment.currentTimeMs();
      runs.push({ window: String(input.windowStart), began });
      return script(input, call);
    },
  };
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle: bundle,
    activities: {
      ...createTriggerActivities({ triggers: new TemporalTriggerRuns(environment.client) }),
      ...activities,
    },
  });
  const own: Scene = {
    runs,
    start: async (properties, { name = `tr${scenes}`, started = true } = {}) => {
      const input: TumblingWindowInput = {
        trigger: tumbling(name, properties),
        facts: { dataFactory: 'factory', globalParameters: {} },
        state: emptyLineage(started),
      };
      const handle = await environment.client.workflow.start('tumblingWindow', {
        taskQueue,
        workflowId: triggerId(name),
        args: [input],
      });
      handles.push(handle);
      return handle;
    },
    view: (handle) => handle.query<TumblingWindowView>('windows'),
    until: async (handle, wanted) => {
      const deadline = Date.now() + 90_000;
      for (;;) {
        const view = await handle.query<TumblingWindowView>('windows');
        if (wanted(view)) return view;
        assert.ok(Date.now() < deadline, `in vain: ${JSON.stringify(view)}`);
        await environment.sleep('1 minute');
      }
    },
  };
  await worker.runUntil(async () => {
    try {
      await body(own);
      for (const handle of handles)
        await Worker.runReplayHistory(
          { workflowBundle: bundle },
          await handle.fetchHistory(),
          handle.workflowId,
        );
    } finally {
      for (const handle of handles) await handle.terminate().catch(() => {});
    }
  });
}

const iso = (instant: number): string => `${new Date(instant).toISOString().slice(0, 19)}Z`;

/** A time of day long past the windows of which all are due. */
const START = Date.UTC(2025, 0, 1);

const windowsFrom = (start: number, step: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => iso(start + index * step));

/** The windows in the order in which the trigger began them: their runs go on side by side from there. */
async function begun(handle: WorkflowHandle): Promise<string[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ startChildWorkflowExecutionInitiatedEventAttributes: begins }) => {
    const payload = begins?.input?.payloads?.[0];
    if (payload === undefined) return [];
    return [String((JSON.parse(Buffer.from(payload.data ?? []).toString()) as RunPipelineInput).windowStart)];
  });
}

/** The runs that went on at a time, at most, by the windows' own histories. */
async function mostAtOnce(handle: WorkflowHandle): Promise<number> {
  let [now, most] = [0, 0];
  const { events } = await handle.fetchHistory();
  for (const event of events ?? []) {
    if (event.childWorkflowExecutionStartedEventAttributes) now += 1;
    if (
      event.childWorkflowExecutionCompletedEventAttributes ||
      event.childWorkflowExecutionFailedEventAttributes
    )
      now -= 1;
    most = Math.max(most, now);
  }
  return most;
}

test('a month of windows is backfilled oldest first, each once, at most maxConcurrency at a time', async () => {
  await scene(
    () => ({ seconds: 600 }),
    async ({ runs, start, until }) => {
      const handle = await start({
        frequency: 'Hour',
        interval: 24,
        startTime: '2025-01-01T00:00:00Z',
        endTime: '2025-02-01T00:00:00Z',
        maxConcurrency: 4,
      });
      const view = await until(handle, ({ counts }) => counts.Succeeded === 31);
      assert.deepEqual(view.ended, [
        { from: '2025-01-01T00:00:00Z', to: '2025-02-01T00:00:00Z', windows: 31, status: 'Succeeded' },
      ]);
      assert.equal(view.nextWindowStartTime, undefined);
      assert.deepEqual(await begun(handle), windowsFrom(START, DAY, 31));
      assert.equal(runs.length, 31);
      assert.equal(await mostAtOnce(handle), 4);
    },
  );
});

test('a window begins when it has ended and its delay has passed, with its bounds as parameters', async () => {
  await scene(
    () => ({ seconds: 1 }),
    async ({ runs, start, until }) => {
      const now = await environment.currentTimeMs();
      const first = Math.ceil(now / HOUR) * HOUR;
      const handle = await start({
        frequency: 'Minute',
        interval: 15,
        startTime: iso(first),
        delay: '00:05:00',
        maxConcurrency: 50,
      });
      await until(handle, ({ counts }) => counts.Succeeded >= 3);
      for (const [index, { window, began }] of runs.entries()) {
        assert.equal(window, iso(first + index * 15 * MINUTE));
        const due = first + (index + 1) * 15 * MINUTE + 5 * MINUTE;
        assert.ok(began >= due && began < due + 10_000, `${window} began at ${iso(began)}`);
      }
      const child = await environment.client.workflow
        .getHandle(`pipeline/pl/tr${scenes}-${iso(first)}`)
        .fetchHistory();
      const payload = child.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
      const input = JSON.parse(Buffer.from(payload?.data ?? []).toString()) as RunPipelineInput;
      assert.deepEqual(input.parameters, {
        from: iso(first),
        to: iso(first + 15 * MINUTE)
          .slice(0, 16)
          .replace('T', ' '),
      });
      assert.equal((input.triggerContext as JsonObject)['type'], 'TumblingWindowTrigger');
    },
  );
});

test('a failed window is tried again as its retry policy says, holding its place; others go on', async () => {
  await scene(
    // No run ends when a retry is due: ends at 10, 25, 38, 140, 171, 270, 287, 297 and 304 s, retries at 130, 158, 260 and
    // 291 s.
    ({ windowStart = '' }, call) => ({
      seconds: [25, 10, 13, 17, 10][(Date.parse(windowStart) - START) / HOUR] ?? 0,
      fails: windowStart === iso(START + HOUR) ? call <= 2 : windowStart === iso(START + 2 * HOUR),
    }),
    async ({ runs, start, until }) => {
      const handle = await start({
        frequency: 'Hour',
        interval: 1,
        startTime: iso(START),
        endTime: iso(START + 5 * HOUR),
        maxConcurrency: 2,
        retryPolicy: { count: 2, intervalInSeconds: 120 },
      });
      const view = await until(handle, ({ counts }) => counts.Succeeded + counts.Failed === 5);
      assert.deepEqual(view.counts, { Succeeded: 4, Failed: 1, Cancelled: 0 });
      const tries = (index: number): Run[] =>
        runs.filter(({ window }) => window === iso(START + index * HOUR));
      assert.equal(tries(1).length, 3);
      assert.equal(tries(2).length, 3);
      const [first, second] = tries(1);
      assert.ok((second?.began ?? 0) - (first?.began ?? 0) >= 130_000);
      const failed = view.windows.find(({ status }) => status === 'Failed');
      assert.equal(failed?.windowStartTime, iso(START + 2 * HOUR));
      assert.match(failed?.message ?? '', /on purpose/);
      assert.equal(await mostAtOnce(handle), 2);
    },
  );
});

test('stopped it begins nothing and lets what runs end; started again it goes on where it was', async () => {
  await scene(
    () => ({ seconds: 300 }),
    async ({ runs, start, until, view }) => {
      const handle = await start(
        {
          frequency: 'Hour',
          interval: 1,
          startTime: iso(START),
          endTime: iso(START + 6 * HOUR),
          maxConcurrency: 2,
        },
        { started: false },
      );
      await environment.sleep('1 hour');
      assert.equal(runs.length, 0);
      await handle.signal(CONFIGURE, { started: true });
      // Both: the second may not have begun when the first is seen.
      await until(handle, ({ windows }) => windows.filter(({ status }) => status === 'Running').length === 2);
      await handle.signal(CONFIGURE, { started: false });
      await environment.sleep('2 hours');
      const stopped = await view(handle);
      assert.equal(stopped.runtimeState, 'Stopped');
      assert.equal(stopped.counts.Succeeded, 2);
      const memo = (await handle.describe()).memo?.['waybillTrigger'] as TriggerMemo;
      assert.equal(memo.started, false);
      await handle.signal(CONFIGURE, { started: true });
      await until(handle, ({ counts }) => counts.Succeeded === 6);
      assert.deepEqual(await begun(handle), windowsFrom(START, HOUR, 6));
      assert.equal(runs.length, 6);
    },
  );
});

test('a window that is cancelled ends; one that is rerun runs again; one to come is left out', async () => {
  await scene(
    () => ({ seconds: 600 }),
    async ({ runs, start, until }) => {
      const handle = await start({
        frequency: 'Hour',
        interval: 1,
        startTime: iso(START),
        endTime: iso(START + 5 * HOUR),
        maxConcurrency: 1,
      });
      await until(handle, ({ windows }) => windows.some(({ status }) => status === 'Running'));
      const cancelled = await handle.executeUpdate<string[], [object]>(CANCEL_WINDOWS, {
        args: [{ from: iso(START), to: iso(START + HOUR) }],
      });
      assert.deepEqual(cancelled, [iso(START)]);
      await handle.executeUpdate(CANCEL_WINDOWS, {
        args: [{ from: iso(START + 3 * HOUR), to: iso(START + 4 * HOUR) }],
      });
      const view = await until(handle, ({ counts }) => counts.Succeeded + counts.Cancelled === 5);
      assert.deepEqual(view.counts, { Succeeded: 3, Failed: 0, Cancelled: 2 });
      assert.deepEqual(
        runs.map(({ window }) => window),
        [0, 1, 2, 4].map((index) => iso(START + index * HOUR)),
      );
      await assert.rejects(
        handle.executeUpdate(RERUN_WINDOWS, {
          args: [{ from: iso(START + 9 * HOUR), to: iso(START + 10 * HOUR) }],
        }),
      );
      const again = await handle.executeUpdate<string[], [object]>(RERUN_WINDOWS, {
        args: [{ from: iso(START), to: iso(START + 2 * HOUR) }],
      });
      assert.deepEqual(again, [iso(START), iso(START + HOUR)]);
      await until(handle, ({ counts }) => counts.Succeeded === 4 && counts.Cancelled === 1);
      assert.deepEqual(
        runs.slice(4).map(({ window }) => window),
        [iso(START), iso(START + HOUR)],
      );
    },
  );
});

test('concurrency, retries and delay change while it lives; what would change its windows is refused', async () => {
  await scene(
    () => ({ seconds: 600 }),
    async ({ start, until }) => {
      const properties = {
        frequency: 'Hour',
        interval: 1,
        startTime: iso(START),
        endTime: iso(START + 12 * HOUR),
        maxConcurrency: 1,
      };
      const handle = await start(properties);
      await until(handle, ({ counts }) => counts.Succeeded >= 1);
      const name = `tr${scenes}`;
      await assert.rejects(
        handle.executeUpdate(EDIT, { args: [{ trigger: tumbling(name, { ...properties, interval: 2 }) }] }),
        (error: Error) => /interval .*cannot change/.test((error.cause as Error).message),
      );
      await handle.executeUpdate(EDIT, {
        args: [{ trigger: tumbling(name, { ...properties, maxConcurrency: 5 }) }],
      });
      const view = await until(handle, ({ counts }) => counts.Succeeded === 12);
      assert.equal(view.maxConcurrency, 5);
      assert.equal(await mostAtOnce(handle), 5);
    },
  );
});

test("windows wait for another trigger's windows, by offset and size, and for earlier ones of their own", async () => {
  await scene(
    () => ({ seconds: 60 }),
    async ({ runs, start, until, view }) => {
      const daily = await start(
        {
          frequency: 'Hour',
          interval: 6,
          startTime: iso(START),
          endTime: iso(START + 18 * HOUR),
          maxConcurrency: 10,
          dependsOn: [
            {
              type: 'TumblingWindowTriggerDependencyReference',
              referenceTrigger: { referenceName: `hourly${scenes}`, type: 'TriggerReference' },
              offset: '-01:00:00',
              size: '07:00:00',
            },
            { type: 'SelfDependencyTumblingWindowTriggerReference', offset: '-06:00:00', size: '06:00:00' },
          ],
        },
        { name: `daily${scenes}` },
      );
      await environment.sleep('1 hour');
      assert.equal(runs.length, 0, 'the other trigger is not there yet');
      assert.equal((await view(daily)).windows.length, 3);
      await start(
        {
          frequency: 'Hour',
          interval: 1,
          startTime: iso(START),
          endTime: iso(START + 18 * HOUR),
          maxConcurrency: 1,
        },
        { name: `hourly${scenes}` },
      );
      await until(daily, ({ counts }) => counts.Succeeded === 3);
      const order = runs.map(({ window }) => window);
      assert.equal(order.length, 21);
      // Every six-hour window stands after the six hours that it covers, and after its forerunner.
      const places = [0, 6, 12].map((hour) => order.lastIndexOf(iso(START + hour * HOUR)));
      assert.deepEqual(
        places,
        [...places].sort((a, b) => a - b),
      );
      for (const [index, place] of places.entries())
        for (let hour = 0; hour < (index + 1) * 6; hour++)
          assert.ok(order.indexOf(iso(START + hour * HOUR)) < place, `${hour} h before window ${index}`);
    },
  );
});

test('a window that waits for others for 7 days has failed', async () => {
  await scene(
    () => ({ seconds: 1 }),
    async ({ runs, start, view }) => {
      const handle = await start({
        frequency: 'Hour',
        interval: 24,
        startTime: iso(START),
        endTime: iso(START + 2 * DAY),
        maxConcurrency: 10,
        dependsOn: [
          {
            type: 'TumblingWindowTriggerDependencyReference',
            referenceTrigger: { referenceName: 'nowhere' },
          },
        ],
      });
      await environment.sleep('167 hours');
      assert.equal((await view(handle)).counts.Failed, 0);
      await environment.sleep('2 hours');
      const { counts, windows } = await view(handle);
      assert.equal(counts.Failed, 2);
      assert.match(windows[0]?.message ?? '', /7 days/);
      assert.equal(runs.length, 0);
    },
  );
});
