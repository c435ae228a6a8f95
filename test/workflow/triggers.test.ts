// Triggers in a real Temporal server: its own idea of a schedule's times, states, firing, and the factory's changes.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ScheduleOverlapPolicy, WorkflowFailedError } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import { createTriggerActivities } from '../../src/activities/triggers.ts';
import { applyTriggers } from '../../src/client/trigger-apply.ts';
import { listTriggerRuns } from '../../src/client/trigger-firings.ts';
import { TriggerKeeper } from '../../src/client/trigger-keeper.ts';
import { TemporalTriggerRuns } from '../../src/client/trigger-runs.ts';
import { triggerSchedule } from '../../src/client/trigger-schedule.ts';
import { TemporalTriggerStates } from '../../src/client/trigger-states.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { RunPipelineInput } from '../../src/core/run.ts';
import { compileTrigger } from '../../src/core/trigger/compile.ts';
import { dueTimes } from '../../src/core/trigger/recurrence.ts';
import type { ScheduleTrigger } from '../../src/core/trigger/trigger.ts';
import { writeFactory } from '../support/factory-files.ts';
import { keepHistory } from '../support/keep-history.ts';
import type { RunScript } from '../support/trigger-workflows.ts';

const taskQueue = `triggers-${process.pid}`;
const FACTS = { dataFactory: 'factory', globalParameters: { country: 'nz' } };
const DAY = 86_400_000;

let environment: TestWorkflowEnvironment;
let worker: Worker;
let running: Promise<void>;
const runs: RunPipelineInput[] = [];

before(async () => {
  environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: await temporalExecutable() },
  });
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { WaybillPipeline: 2, WaybillTrigger: 2, WaybillStage: 2, WaybillWindowStart: 6 },
  });
  const workflowsPath = fileURLToPath(new URL('../support/trigger-workflows.js', import.meta.url));
  const script: RunScript = {
    scriptRun: async (input) => {
      runs.push(input);
      return { seconds: 0 };
    },
  };
  worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle: await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') }),
    activities: {
      ...createTriggerActivities({ triggers: new TemporalTriggerRuns(environment.client) }),
      ...script,
    },
  });
  running = worker.run();
});
after(async () => {
  worker?.shutdown();
  await running;
  await environment?.teardown();
});

async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function scheduleTrigger(name: string, recurrence: JsonObject): ScheduleTrigger {
  const { trigger, faults } = compileTrigger(name, {
    type: 'ScheduleTrigger',
    pipelines: [
      {
        pipelineReference: { referenceName: 'pl', type: 'PipelineReference' },
        parameters: {
          day: "@formatDateTime(trigger().scheduledTime, 'yyyy-MM-dd')",
          country: '@pipeline().globalParameters.country',
        },
      },
    ],
    typeProperties: { recurrence },
  });
  assert.deepEqual(faults, []);
  assert.ok(trigger?.type === 'ScheduleTrigger');
  return trigger;
}

const iso = (times: readonly (number | Date)[]): string[] =>
  times.map((time) => new Date(time).toISOString());

const RECURRENCES: Record<string, JsonObject> = {
  'every 7 minutes': { frequency: 'Minute', interval: 7, startTime: '2020-01-01T00:03:20Z' },
  'every 5 hours, at some minutes': {
    ...{ frequency: 'Hour', interval: 5, startTime: '2020-01-01T01:00:00Z' },
    schedule: { minutes: [10, 40] },
  },
  'daily in Berlin': {
    ...{
      frequency: 'Day',
      interval: 1,
      startTime: '2020-01-01T00:00:00',
      timeZone: 'W. Europe Standard Time',
    },
    schedule: { hours: [2, 3], minutes: [30] },
  },
  'weekly in New York': {
    ...{
      frequency: 'Week',
      interval: 1,
      startTime: '2020-01-01T02:15:00',
      timeZone: 'Eastern Standard Time',
    },
    schedule: { weekDays: ['Sunday', 'Monday'] },
  },
  'third Wednesday': {
    ...{ frequency: 'Month', interval: 1, startTime: '2020-01-01T05:00:00Z' },
    schedule: { monthlyOccurrences: [{ day: 'Wednesday', occurrence: 3 }] },
  },
  'every second month on the 1st and 15th': {
    ...{ frequency: 'Month', interval: 2, startTime: '2020-02-01T05:00:00Z' },
    schedule: { monthDays: [1, 15] },
  },
  'in future': {
    frequency: 'Day',
    interval: 1,
    startTime: '2031-03-30T02:30:00',
    timeZone: 'W. Europe Standard Time',
  },
  'with an end': {
    frequency: 'Hour',
    interval: 1,
    startTime: '2020-01-01T00:00:00Z',
    endTime: '2021-01-01T00:00:00Z',
  },
};
/** These cannot be said in a schedule's specification: it fires more often, and what is not due is let pass. */
const FILTERED: Record<string, JsonObject> = {
  'last day of the month': {
    ...{ frequency: 'Month', interval: 1, startTime: '2020-01-01T05:00:00Z' },
    schedule: { monthDays: [-1] },
  },
  'last Friday but one': {
    ...{ frequency: 'Month', interval: 1, startTime: '2020-01-01T05:00:00Z' },
    schedule: { monthlyOccurrences: [{ day: 'Friday', occurrence: -2 }] },
  },
  'every third day': {
    frequency: 'Day',
    interval: 3,
    startTime: '2020-01-01T05:00:00',
    timeZone: 'Europe/London',
  },
  'every second week': {
    ...{ frequency: 'Week', interval: 2, startTime: '2020-01-01T05:00:00Z' },
    schedule: { weekDays: ['Tuesday'] },
  },
  'every 5 months': { frequency: 'Month', interval: 5, startTime: '2020-01-31T05:00:00Z' },
  'hourly, office hours': {
    ...{ frequency: 'Hour', interval: 1, startTime: '2020-01-01T00:00:00Z' },
    schedule: { hours: [8, 9, 10], weekDays: ['Monday'] },
  },
};

test('Temporal fires at the times that are due, across changes of clocks', async () => {
  const now = Date.now();
  for (const [name, written] of Object.entries({ ...RECURRENCES, ...FILTERED })) {
    const trigger = scheduleTrigger('times', written);
    const options = triggerSchedule(trigger, FACTS, { taskQueue, started: true, now });
    const { exact } = { exact: name in RECURRENCES };
    assert.equal((options.action.args as [{ filter: boolean }])[0].filter, !exact, name);
    // The server is asked for its own list of times: a year of them, and more than describe() shows.
    const handle = await environment.client.schedule.create({ ...options, state: { paused: true } });
    try {
      const [from, to] = [now, now + 366 * DAY];
      const { startTime } = await environment.connection.workflowService.listScheduleMatchingTimes({
        namespace: 'default',
        scheduleId: handle.scheduleId,
        startTime: { seconds: Math.floor(from / 1000) as never },
        endTime: { seconds: Math.floor(to / 1000) as never },
      });
      const fired = (startTime ?? []).map(({ seconds }) => Number(seconds) * 1000);
      const due = dueTimes(
        trigger.recurrence,
        Math.ceil(from / 1000) * 1000,
        to,
        exact ? fired.length + 1 : 100_000,
      );
      if (exact && fired.length >= 1000) assert.deepEqual(iso(fired), iso(due.slice(0, fired.length)), name);
      else if (exact) assert.deepEqual(iso(fired), iso(due), name);
      else {
        const missed = due.filter((time) => time <= (fired.at(-1) ?? 0) && !fired.includes(time));
        assert.deepEqual(iso(missed), [], name);
        assert.ok(due.length > 0 && fired.length > due.length, name);
      }
    } finally {
      await handle.delete();
    }
  }
});

test('a month of scheduled runs: each day once, also where it is fired again, with its parameters', async () => {
  const trigger = scheduleTrigger('month', {
    frequency: 'Day',
    interval: 2,
    startTime: '2026-03-01T02:30:00',
    timeZone: 'W. Europe Standard Time',
  });
  runs.length = 0;
  const keeper = new TriggerKeeper(environment.client, taskQueue);
  await keeper.put(trigger, FACTS, undefined);
  const handle = environment.client.schedule.getHandle('trigger/month');
  const march = { start: new Date('2026-03-01T00:00:00Z'), end: new Date('2026-03-31T23:00:00Z') };
  const due = dueTimes(trigger.recurrence, march.start.getTime(), march.end.getTime());
  assert.equal(due.length, 16);
  const keys = (): string[] => runs.map(({ key }) => key).sort();
  const wanted = due.map((time) => `month-${new Date(time).toISOString().slice(0, 19)}Z`);
  await handle.backfill({ ...march, overlap: ScheduleOverlapPolicy.ALLOW_ALL });
  await until('a month of runs', async () => runs.length >= 16);
  await handle.backfill({ ...march, overlap: ScheduleOverlapPolicy.ALLOW_ALL });
  const fired = "WorkflowType = 'startTriggered' AND ExecutionStatus = 'Completed'";
  await until(
    'two rounds of firing',
    async () => (await environment.client.workflow.count(fired)).count >= 31,
  );
  assert.deepEqual(keys(), wanted);
  assert.ok(wanted.includes('month-2026-03-29T01:30:00Z'), 'the day on which 02:30 does not come');
  const one = runs.find(({ key }) => key === 'month-2026-03-03T01:30:00Z');
  assert.deepEqual(one?.parameters, { day: '2026-03-03', country: 'nz' });
  await keepHistory(
    'startTriggered',
    environment.client.workflow.getHandle('trigger/month/fired-2026-03-03T01:30:00Z'),
  );
  assert.equal(one?.windowStart, '2026-03-03T01:30:00Z');
  await handle.delete();
});

test('firings are listed: what each started, and why one could not start all', async () => {
  const trigger = scheduleTrigger('listed', {
    frequency: 'Day',
    interval: 1,
    startTime: '2026-05-01T02:00:00Z',
  });
  const keeper = new TriggerKeeper(environment.client, taskQueue);
  await keeper.put(trigger, FACTS, undefined);
  const kept = (await keeper.find('listed')) ?? assert.fail('it is kept');
  const context = { type: 'ScheduleTrigger', name: 'listed', scheduledTime: '2026-05-01T02:00:00Z' };
  const { output } = await keeper.fire(kept, 'first', context);
  const bad = { pipeline: 'pl_bad', parameters: { file: '@triggerBody().file.name' } };
  const broken = { ...kept, trigger: { ...trigger, pipelines: [...trigger.pipelines, bad] } };
  await assert.rejects(keeper.fire(broken, 'second', context), WorkflowFailedError);
  const found = await until('both firings', async () => {
    const firings = await listTriggerRuns(environment.client, { trigger: 'listed' });
    return firings.length === 2 && firings[0]?.status === 'Failed' && firings;
  });
  assert.deepEqual(
    found.map(({ triggerName, triggerType, status, triggeredPipelines, properties }) => [
      ...[triggerName, triggerType, status, Object.keys(triggeredPipelines), properties['ScheduleTime']],
    ]),
    [
      ['listed', 'ScheduleTrigger', 'Failed', ['pl'], '2026-05-01T02:00:00Z'],
      ['listed', 'ScheduleTrigger', 'Succeeded', ['pl'], '2026-05-01T02:00:00Z'],
    ],
  );
  assert.equal(found[1]?.triggeredPipelines['pl'], output.triggeredPipelines['pl']);
  assert.match(found[0]?.message ?? '', /pl_bad: .*cannot be read from null/);
  await environment.client.schedule.getHandle('trigger/listed').delete();
});

test('triggers of a factory are applied, started, stopped, fired and removed', async () => {
  const pipelineOf = (name: string): object => ({
    pipelineReference: { referenceName: name, type: 'PipelineReference' },
  });
  const schedule = (hours: number[], more: object = {}): object => ({
    name: 'tr_daily',
    properties: {
      type: 'ScheduleTrigger',
      runtimeState: 'Started',
      pipelines: [pipelineOf('pl'), pipelineOf('PL_TWO')],
      typeProperties: {
        recurrence: { frequency: 'Day', interval: 1, startTime: '2030-01-01T00:00:00Z', schedule: { hours } },
      },
      ...more,
    },
  });
  const window = (more: object): object => ({
    name: 'tr window',
    properties: {
      type: 'TumblingWindowTrigger',
      pipeline: pipelineOf('pl'),
      typeProperties: {
        frequency: 'Hour',
        interval: 1,
        startTime: '2026-01-01T00:00:00Z',
        endTime: '2026-01-01T03:00:00Z',
        maxConcurrency: 2,
        ...more,
      },
    },
  });
  const blob = {
    name: 'tr_blob',
    properties: {
      type: 'BlobEventsTrigger',
      pipelines: [{ ...pipelineOf('pl'), parameters: { file: '@triggerBody().fileName' } }],
      typeProperties: { scope: '/subscriptions/x', events: ['Microsoft.Storage.BlobCreated'] },
    },
  };
  const pipelines = {
    'pipeline/pl.json': { name: 'pl', properties: { activities: [] } },
    'pipeline/two.json': { name: 'pl_two', properties: { activities: [] } },
  };
  const keeper = new TriggerKeeper(environment.client, taskQueue);
  const apply = async (triggers: Record<string, object>, prune = false): Promise<Record<string, string>> => {
    const factory = writeFactory({ ...pipelines, ...triggers });
    try {
      const changes = await applyTriggers(keeper, factory.directory, { names: [], prune, dryRun: false });
      return Object.fromEntries(
        changes.map(({ name, change, differences, reasons }) => [
          name,
          [change, ...differences.map(({ path }) => path), ...reasons].join(' '),
        ]),
      );
    } finally {
      factory.remove();
    }
  };
  const all = { 'trigger/a.json': schedule([6]), 'trigger/b.json': window({}), 'trigger/c.json': blob };
  assert.deepEqual(await apply(all), { tr_daily: 'created', 'tr window': 'created', tr_blob: 'created' });
  assert.deepEqual(await apply(all), { tr_daily: 'same', 'tr window': 'same', tr_blob: 'same' });
  const states = async (): Promise<Record<string, boolean>> =>
    Object.fromEntries((await keeper.list()).map(({ trigger, started }) => [trigger.name, started]));
  await until('the workflow in the list', async () => Object.keys(await states()).length === 3);
  assert.deepEqual(await states(), { tr_daily: true, 'tr window': false, tr_blob: false });

  const kept = async (name: string) => (await keeper.find(name)) ?? assert.fail(`no ${name}`);
  await keeper.setStarted(await kept('tr_blob'), true);
  await keeper.setStarted(await kept('tr_daily'), false);
  assert.equal((await kept('tr_blob')).started, true);
  const events = new TemporalTriggerStates(environment.client, taskQueue);
  assert.equal(await events.isStarted({ name: 'tr_blob', runtimeState: 'Stopped' }), true);
  assert.equal(await events.isStarted({ name: 'tr_daily', runtimeState: 'Started' }), false);
  assert.equal(await events.isStarted({ name: 'never applied', runtimeState: 'Started' }), true);

  // What changes is told; a state that was set stays.
  const changed = {
    ...all,
    'trigger/a.json': schedule([6, 7]),
    'trigger/b.json': window({ maxConcurrency: 7 }),
  };
  assert.deepEqual(await apply(changed), {
    tr_daily: 'changed recurrence.schedule.hours',
    'tr window': 'changed maxConcurrency',
    tr_blob: 'same',
  });
  assert.equal((await kept('tr_daily')).started, false);
  const refused = await apply({ ...changed, 'trigger/b.json': window({ interval: 2 }) });
  assert.match(refused['tr window'] ?? '', /^refused plan.interval .*interval of .* cannot change/);
  const broken = await apply({
    ...changed,
    'trigger/a.json': schedule([6], { pipelines: [pipelineOf('nowhere')] }),
  });
  assert.match(broken['tr_daily'] ?? '', /^refused there is no pipeline "nowhere"/);

  runs.length = 0;
  const context = { name: 'tr_blob', body: {}, outputs: { body: { fileName: 'a.csv' } } };
  await keeper.fire(await kept('tr_blob'), 'one', context);
  await until('the fired run', async () => runs.length === 1);
  assert.deepEqual([runs[0]?.parameters, runs[0]?.key], [{ file: 'a.csv' }, 'tr_blob-one']);
  await keeper.fire(await kept('tr_daily'), 'x', { name: 'tr_daily' });
  await until('both pipelines', async () => runs.length === 3);
  assert.deepEqual(
    runs
      .slice(1)
      .map(({ pipeline }) => pipeline)
      .sort(),
    ['pl', 'pl_two'],
  );

  runs.length = 0;
  await keeper.setStarted(await kept('tr window'), true);
  await until('three windows', async () => runs.length === 3);
  const { started, trigger } = await until('the memo', async () => {
    const found = await kept('tr window');
    return found.started ? found : undefined;
  });
  assert.equal(started, true);
  await keepHistory('tumblingWindow', environment.client.workflow.getHandle('trigger/tr window'));
  assert.ok(trigger.type === 'TumblingWindowTrigger' && trigger.maxConcurrency === 7);

  assert.deepEqual(await apply({ 'trigger/c.json': blob }, true), {
    tr_blob: 'same',
    tr_daily: 'removed',
    'tr window': 'removed',
  });
  assert.equal(await keeper.find('tr_daily'), undefined);
  assert.equal(await keeper.find('tr window'), undefined);
});
