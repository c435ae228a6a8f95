// Runs in Temporal as it is, with visibility: slots under concurrency, reruns, cancelling, and Data Factory's records of all.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, type DataConverter } from '@temporalio/common';
import { cancelRun } from '../../src/client/cancel.ts';
import { listPipelineRuns, showPipelineRun } from '../../src/client/records.ts';
import { rerunPipeline } from '../../src/client/rerun.ts';
import { readPayloadKeys } from '../../src/config/payload-keys.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { PipelineProgress, RunPipelineOutput } from '../../src/core/run.ts';
import { slotsWorkflowId } from '../../src/core/workflow-ids.ts';
import { SecureCodec } from '../../src/interceptors/secure-codec.ts';
import { copyOf, pipelineOf } from '../support/factory-files.ts';
import {
  after1,
  call,
  eventually,
  failing,
  forEach,
  PipelineHarness,
  type Script,
  setVariable,
  waiting,
  within,
} from '../support/pipeline-harness.ts';

let harness: PipelineHarness;

before(async () => {
  harness = await PipelineHarness.start('real');
});
after(() => harness?.stop());

const progressOf = (handle: WorkflowHandle): Promise<PipelineProgress> => handle.query('progress');
const resultOf = (handle: WorkflowHandle): Promise<RunPipelineOutput> =>
  within(60_000, handle.result() as Promise<RunPipelineOutput>);
const failed = (handle: WorkflowHandle): Promise<void> =>
  within(60_000, assert.rejects(handle.result(), WorkflowFailedError));
const status = async (handle: WorkflowHandle): Promise<string> =>
  (await harness.environment.client.workflow.getHandle(handle.workflowId).describe()).status.name;

test('concurrency: runs beyond it wait in order, and a slot outlives no run, however that ends', async () => {
  const pl = pipelineOf([waiting('pause', 3600)], { concurrency: 2 });
  const { client } = harness.environment;
  await harness.withFactory({ pl }, {}, async (factory) => {
    const runs: WorkflowHandle[] = [];
    const began = async (index: number): Promise<boolean> =>
      (await (runs[index] as WorkflowHandle).describe()).searchAttributes['WaybillStage']?.[0] === 'running';
    for (let i = 0; i < 6; i++) {
      runs.push(await factory.start({ key: `run-${i}` }));
      // Each asks for its slot before the next one is there.
      await eventually(`run ${i} asks`, async () => {
        const { status } = await progressOf(runs[i] as WorkflowHandle);
        const stage = (await (runs[i] as WorkflowHandle).describe()).searchAttributes['WaybillStage'];
        return i < 2
          ? status === 'InProgress' && stage?.[0] === 'running'
          : status === 'Queued' && stage?.[0] === 'queued';
      });
      const queue = client.workflow.getHandle(slotsWorkflowId('pl'));
      await eventually(`run ${i} is known`, async () => {
        const { events } = await queue.fetchHistory();
        const asked = (events ?? []).filter(
          (event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'requestSlot',
        );
        return asked.length > i;
      });
    }
    assert.equal((await listPipelineRuns(client, { pipeline: 'pl', status: 'Queued' })).length, 4);
    // Terminated: nothing of the run gives the slot back.
    await (runs[0] as WorkflowHandle).terminate('test');
    await eventually('the third run has its slot', () => began(2));
    assert.equal(await began(3), false);
    // Cancelled while it waits: the one behind it moves up.
    await (runs[3] as WorkflowHandle).cancel();
    await failed(runs[3] as WorkflowHandle);
    // Cancelled with its slot.
    await (runs[1] as WorkflowHandle).cancel();
    await eventually('the fifth run has its slot', () => began(4));
    assert.equal(await began(5), false);
    // Who hands out slots is terminated too: the next one that asks makes it begin anew, knowing who has one.
    await client.workflow.getHandle(slotsWorkflowId('pl')).terminate('test');
    runs.push(await factory.start({ key: 'run-6' }));
    await eventually('somebody hands out slots again', async () => {
      const { status } = await client.workflow.getHandle(slotsWorkflowId('pl')).describe();
      return status.name === 'RUNNING';
    });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.equal(await began(6), false);
    for (const index of [2, 4]) await (runs[index] as WorkflowHandle).cancel();
    await eventually('the seventh run has its slot', () => began(6));
    for (const index of [5, 6]) await (runs[index] as WorkflowHandle).cancel();
    await eventually('nobody hands out slots when nobody wants one', async () => {
      const { status } = await client.workflow.getHandle(slotsWorkflowId('pl')).describe();
      return status.name === 'COMPLETED';
    });
    for (const index of [1, 3]) await harness.replay(runs[index] as WorkflowHandle);
    await harness.replay(client.workflow.getHandle(slotsWorkflowId('pl')) as WorkflowHandle);
  });
});

/** Copies a, b and c one after the other, with variables and a loop between; b fails while `broken` says so. */
const chain = pipelineOf(
  [
    copyOf('a', 'ta'),
    setVariable('keep', 'x', "@{activity('a').output.rowsCopied}", after1('a', 'Succeeded')),
    {
      name: 'note',
      type: 'AppendVariable',
      typeProperties: { variableName: 'seen', value: 'before' },
      ...after1('a', 'Succeeded'),
    },
    {
      ...forEach(
        'each',
        "@createArray('p', 'q')",
        [
          copyOf('b', '@item()'),
          {
            name: 'add',
            type: 'AppendVariable',
            typeProperties: { variableName: 'seen', value: '@item()' },
            ...after1('b', 'Succeeded'),
          },
        ],
        { isSequential: true },
      ),
      ...after1('note', 'Succeeded'),
    },
    setVariable('caught', 'x', 'handled', after1('each', 'Failed')),
    {
      name: 'answer',
      type: 'SetVariable',
      ...after1('each', 'Succeeded'),
      typeProperties: {
        variableName: 'pipelineReturnValue',
        setSystemVariable: true,
        value: [
          { key: 'seen', value: { type: 'Expression', content: "@join(variables('seen'), ',')" } },
          { key: 'x', value: { type: 'Expression', content: "@variables('x')" } },
          { key: 'day', value: { type: 'Expression', content: '@pipeline().parameters.day' } },
        ],
      },
    },
    failing('never', after1('caught', 'Succeeded')),
  ],
  {
    variables: { x: { type: 'String' }, seen: { type: 'Array' } },
    parameters: {
      day: { type: 'string', defaultValue: '2026-01-01' },
      list: { type: 'array', defaultValue: [1] },
    },
  },
);

test('rerun from what failed: what succeeded is reused, with its variables; containers run whole', async () => {
  let broken = true;
  const script = (input: { copyId: string }): { output: JsonObject } => {
    if (broken && input.copyId.endsWith('/b/q'))
      throw ApplicationFailure.nonRetryable('q is broken', 'QUERY_FAILED');
    return { output: { rowsCopied: 5 } };
  };
  const { client } = harness.environment;
  await harness.withFactory({ pl: chain }, { script }, async (factory) => {
    const first = await factory.start({ key: 'rerun', parameters: { day: '2026-02-02' } });
    await failed(first);
    const before = await showPipelineRun(client, first.workflowId);
    assert.equal(before.run.status, 'Failed');
    assert.match(before.run.message, /^Operation on target each failed: .* b, Error: q is broken$/);
    broken = false;
    factory.copies.length = 0;
    const again = await rerunPipeline(client, first.workflowId, 'failed');
    const output = await resultOf(again.handle);
    assert.deepEqual(output.returnValue, { seen: 'before,p,q', x: '5', day: '2026-02-02' });
    // The same copy ids as before: what they had committed stays. And `a` did not run again.
    assert.deepEqual(factory.copies.map(({ copyId }) => copyId).sort(), [
      `${first.workflowId}/copy/b/p`,
      `${first.workflowId}/copy/b/q`,
    ]);
    const after = await showPipelineRun(client, first.workflowId);
    assert.equal(after.run.status, 'Succeeded');
    assert.equal(after.run.runGroupId, before.run.runId);
    assert.notEqual(after.run.runId, before.run.runId);
    assert.equal(after.run.isLatest, true);
    assert.deepEqual(
      after.activityRuns
        .filter(({ recoveryStatus }) => recoveryStatus === 'Reused')
        .map(({ activityName }) => activityName),
      ['a', 'keep', 'note'],
    );
    // The first run can still be asked for, by its run id.
    const { run } = await showPipelineRun(client, before.run.runId);
    assert.deepEqual([run.status, run.isLatest, run.runGroupId], ['Failed', false, before.run.runId]);
    await harness.replay(again.handle);

    // From an activity within the loop: the loop is run whole, and what it wrote before is not there twice.
    factory.copies.length = 0;
    const third = await rerunPipeline(client, first.workflowId, { activity: 'B' });
    assert.equal((await resultOf(third.handle)).returnValue['seen'], 'before,p,q');
    assert.equal(factory.copies.length, 2);
    assert.equal((await showPipelineRun(client, first.workflowId)).run.runGroupId, before.run.runId);
    // Everything.
    factory.copies.length = 0;
    await resultOf((await rerunPipeline(client, first.workflowId, 'all')).handle);
    assert.equal(factory.copies.length, 3);
    // An activity that is not there fails the rerun before anything ran, and says so.
    const wrong = await rerunPipeline(client, first.workflowId, { activity: 'eech' });
    const error = await wrong.handle.result().catch((reason: unknown) => reason);
    assert.match(String((error as WorkflowFailedError).cause?.message), /no activity "eech".*"each"/);
    await assert.rejects(rerunPipeline(client, 'pipeline/pl/nobody', 'all'), { code: 'OBJECT_MISSING' });
  });
});

test('a rerun reads what secureOutput hides, and no history shows it', async () => {
  const key = randomBytes(32).toString('base64');
  const dataConverter: DataConverter = {
    payloadCodecs: [new SecureCodec({ keys: readPayloadKeys(['K'], { K: key }) })],
  };
  let broken = true;
  const script: Script = (input) => {
    if (broken && input.copyId.endsWith('/b'))
      throw ApplicationFailure.nonRetryable('not yet', 'QUERY_FAILED');
    return { output: { rowsCopied: 1, token: 'canary-51c7' } };
  };
  const pl = pipelineOf(
    [
      copyOf('a', 'ta', { policy: { secureOutput: true } }),
      setVariable('keep', 'x', "@activity('a').output.token", after1('a', 'Succeeded')),
      copyOf('b', 'tb', { policy: { secureOutput: true }, ...after1('keep', 'Succeeded') }),
      setVariable(
        'same',
        'same',
        "@and(equals(variables('x'), activity('a').output.token), equals(activity('keep').output.value, variables('x')))",
        after1('b', 'Succeeded'),
      ),
    ],
    { variables: { x: { type: 'String' }, same: { type: 'Boolean' } } },
  );
  await harness.withFactory({ pl }, { script, dataConverter }, async (factory) => {
    const first = await factory.start({ key: 'hidden' });
    await failed(first);
    broken = false;
    const { handle } = await rerunPipeline(harness.environment.client, first.workflowId, 'failed');
    const output = await resultOf(handle);
    const same = output.activityRuns.find(({ activityName }) => activityName === 'same');
    assert.deepEqual(same?.output, { name: 'same', value: true });
    // What a copy itself says of it is the copy's own affair, and scripted here.
    for (const history of [await first.fetchHistory(), await handle.fetchHistory()])
      for (const event of (history.events ?? []).filter(
        ({ childWorkflowExecutionCompletedEventAttributes: own }) => !own,
      ))
        assert.doesNotMatch(JSON.stringify(texts(event)), /canary-51c7/);
  });
});

/** Every text in an event, payloads read. */
function texts(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (Array.isArray(value)) return value.map(texts);
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.values(value).map(texts);
}

test("records: PipelineRun and ActivityRun in Data Factory's fields, with a worker and without", async () => {
  const script = (): { output: JsonObject } => ({ output: { rowsCopied: 5 } });
  const { client } = harness.environment;
  const child = pipelineOf([failing('inner')]);
  const pl = pipelineOf(
    [
      copyOf('a', 'ta', { userProperties: [{ name: 'table', value: 'ta' }] }),
      { ...call('call', 'child'), ...after1('a', 'Succeeded') },
    ],
    { parameters: { list: { type: 'array', defaultValue: [1, 'x'] } } },
  );
  let id = '';
  const shown = await harness.withFactory({ pl, child }, { script }, async (factory) => {
    const handle = await factory.start({
      key: 'records',
      trigger: 'tr_daily',
      triggerContext: { type: 'ScheduleTrigger' },
    });
    id = handle.workflowId;
    await failed(handle);
    return showPipelineRun(client, id);
  });
  const { run, activityRuns } = shown;
  assert.equal(shown.complete, true);
  assert.deepEqual(Object.keys(run), [
    'id',
    'runId',
    'runGroupId',
    'isLatest',
    'pipelineName',
    'parameters',
    'runDimensions',
    'invokedBy',
    'lastUpdated',
    'runStart',
    'runEnd',
    'durationInMs',
    'status',
    'message',
  ]);
  assert.deepEqual(run.parameters, { list: '[1,"x"]' });
  assert.deepEqual(run.invokedBy, { id: 'tr_daily', name: 'tr_daily', invokedByType: 'ScheduleTrigger' });
  assert.equal(run.message, 'Operation on target call failed: Operation on target inner failed: on purpose');
  const [a, calling] = activityRuns;
  assert.deepEqual(a?.userProperties, { table: 'ta' });
  assert.deepEqual(a?.output, { rowsCopied: 5 });
  assert.deepEqual((a?.input as JsonObject | undefined)?.['enableStaging'], true);
  assert.deepEqual(a?.error, { errorCode: '', message: '', failureType: '', target: 'a', details: [] });
  assert.equal(calling?.error.errorCode, '42');
  assert.equal(calling?.error.failureType, 'UserError');
  assert.match(
    a?.activityRunId ?? '',
    /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.notEqual(a?.activityRunId, calling?.activityRunId);
  // Its worker is gone: what failed stands in the failure itself, with inputs and outputs.
  const without = await showPipelineRun(client, id);
  assert.equal(without.complete, false);
  assert.deepEqual(without.activityRuns, activityRuns);
  assert.deepEqual(without.run.parameters, run.parameters);
  // The called pipeline's run names its caller.
  const called = await showPipelineRun(client, `${id}/pipeline/call`);
  assert.deepEqual(called.run.invokedBy, {
    id: run.runId,
    name: 'pl',
    invokedByType: 'PipelineActivity',
    pipelineName: 'pl',
    pipelineRunId: run.runId,
  });
  assert.equal(called.activityRuns[0]?.error.errorCode, '42');
  const listed = await listPipelineRuns(client, {
    pipeline: 'pl',
    status: 'Failed',
    since: new Date(run.runStart),
  });
  assert.ok(listed.some(({ runId }) => runId === run.runId));
});

test('cancelling reaches pipelines that are not waited for, unless told otherwise; the record survives the worker', async () => {
  const child = pipelineOf([waiting('long', 3600)]);
  const alone = { ...call('alone', 'child') } as { typeProperties: JsonObject };
  alone.typeProperties['waitOnCompletion'] = false;
  const pl = pipelineOf([alone, call('waited', 'child'), waiting('own', 3600)]);
  const { client } = harness.environment;
  const going = async (
    factory: { start: (input: { key: string }) => Promise<WorkflowHandle> },
    key: string,
  ): Promise<WorkflowHandle> => {
    const handle = await factory.start({ key });
    await eventually('both children go on', async () => {
      const { activities } = await progressOf(handle);
      return activities.filter(({ workflowId }) => workflowId !== undefined).length === 2;
    });
    return handle;
  };
  let id = '';
  await harness.withFactory({ pl, child }, {}, async (factory) => {
    const handle = await going(factory, 'cancel');
    id = handle.workflowId;
    const of = (name: string): WorkflowHandle =>
      client.workflow.getHandle(`${id}/pipeline/${name}`) as WorkflowHandle;
    await eventually('visibility knows the children', async () => {
      const runs = await listPipelineRuns(client, { pipeline: 'child', status: 'InProgress' });
      return runs.filter((run) => run.id.startsWith(id)).length === 2;
    });
    const asked = await cancelRun(client, id, { recursive: true });
    assert.ok(asked.includes(`${id}/pipeline/alone`));
    for (const each of [handle, of('alone'), of('waited')])
      await eventually(`${each.workflowId} is cancelled`, async () => (await status(each)) === 'CANCELLED');

    const other = await going(factory, 'cancel-one');
    assert.deepEqual(await cancelRun(client, other.workflowId, { recursive: false }), [other.workflowId]);
    await eventually('the run is cancelled', async () => (await status(other)) === 'CANCELLED');
    const abandoned = client.workflow.getHandle(`${other.workflowId}/pipeline/alone`);
    assert.equal((await abandoned.describe()).status.name, 'RUNNING');
    await abandoned.terminate('test');
    await harness.replay(handle);
  });
  const { run, activityRuns } = await showPipelineRun(client, id);
  assert.equal(run.status, 'Cancelled');
  assert.deepEqual(
    activityRuns.map(({ activityName, status }) => [activityName, status]),
    [
      ['alone', 'Succeeded'],
      ['waited', 'Cancelled'],
      ['own', 'Cancelled'],
    ],
  );
});
