// runPipeline on a real (time-skipping) Temporal server, with real definitions; only what a copy does is scripted.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { JsonObject } from '../../src/core/json.ts';
import type { PipelineProgress, RunPipelineOutput } from '../../src/core/run.ts';
import { copyOf, pipelineOf } from '../support/factory-files.ts';
import {
  after1,
  failing,
  failureOf,
  PipelineHarness,
  type Script,
  setVariable,
  statuses,
} from '../support/pipeline-harness.ts';

let harness: PipelineHarness;

before(async () => {
  harness = await PipelineHarness.start('skipping');
});
after(() => harness?.stop());

const withRun: PipelineHarness['withRun'] = (...run) => harness.withRun(...run);

test('ForEach copies each table in a child workflow of its own, at most batchCount at a time', async () => {
  const each = {
    name: 'each',
    type: 'ForEach',
    typeProperties: {
      items: { value: '@pipeline().parameters.tables', type: 'Expression' },
      batchCount: 2,
      activities: [copyOf('copy_table', '@item()')],
    },
  };
  const pl = pipelineOf([each], {
    parameters: { tables: { type: 'array', defaultValue: ['flights', 'planes', 'airports'] } },
  });
  await withRun({ pl }, { script: () => ({ seconds: 60, output: { rowsCopied: 7 } }) }, async (run) => {
    const output = await run.result();
    const id = run.handle.workflowId;
    assert.deepEqual(
      run.copies.map(({ copyId }) => copyId).sort(),
      ['airports', 'flights', 'planes'].map((table) => `${id}/copy/copy_table/${table}`),
    );
    const flights = run.copies.find(({ copyId }) => copyId.endsWith('/flights'));
    assert.deepEqual(flights, {
      copyId: `${id}/copy/copy_table/flights`,
      pipeline: 'pl',
      activity: 'copy_table',
      source: {
        linkedService: 'ls_sql',
        datasetType: 'SqlServerTable',
        dataset: { schema: 'dbo', table: 'flights' },
        settings: { type: 'SqlServerSource' },
      },
      sink: {
        linkedService: 'ls_snow',
        datasetType: 'SnowflakeV2Table',
        dataset: { schema: 'dbo', table: 'flights' },
        settings: { type: 'SnowflakeV2Sink', preCopyScript: 'TRUNCATE TABLE flights' },
      },
      options: { enableStaging: true },
      trigger: 'client',
    });
    const copies = output.activityRuns.filter(({ activityType }) => activityType === 'Copy');
    assert.deepEqual(
      copies.map(({ item, output: result }) => [item, (result as JsonObject)['rowsCopied']]),
      [
        ['flights', 7],
        ['planes', 7],
        ['airports', 7],
      ],
    );
    // Two lanes of a minute each: the third table starts when one of the first two has ended.
    const starts = copies.map(({ start }) => start ?? 0);
    assert.ok((starts[2] ?? 0) - (starts[0] ?? 0) >= 60_000);
    assert.ok((starts[1] ?? 0) - (starts[0] ?? 0) < 60_000);
  });
});

test('the outcome follows the leaves: a handled failure succeeds, an unhandled one fails', async () => {
  const variables = { seen: { type: 'String' } };
  const handled = pipelineOf(
    [
      failing('broken'),
      setVariable('handler', 'seen', "@{activity('broken').error.errorCode}", after1('broken', 'Failed')),
    ],
    { variables },
  );
  await withRun({ pl: handled }, {}, async (run) => {
    const output = await run.result();
    assert.deepEqual(statuses(output), { broken: 'Failed', handler: 'Succeeded' });
    assert.deepEqual(output.activityRuns[1]?.output, { name: 'seen', value: '42' });
  });
  const ifElse = pipelineOf(
    [
      failing('broken'),
      setVariable('yes', 'seen', 'yes', after1('broken', 'Succeeded')),
      setVariable('no', 'seen', 'no', after1('broken', 'Failed')),
    ],
    { variables },
  );
  await withRun({ pl: ifElse }, {}, async (run) => {
    const failure = await failureOf(run);
    assert.equal(failure.type, 'ACTIVITY_FAILED');
    assert.match(failure.message, /"broken" of pipeline "pl" failed: 42 on purpose/);
    const progress = (await run.handle.query('progress')) as PipelineProgress;
    assert.equal(progress.status, 'Failed');
    assert.deepEqual(statuses(progress), { broken: 'Failed', yes: 'Skipped', no: 'Succeeded' });
  });
});

test('policy.retry tries a copy again under the same id; policy.timeout cancels it', async () => {
  const pl = pipelineOf([
    copyOf('c', 't', { policy: { retry: 2, retryIntervalInSeconds: 3600, timeout: '0.12:00:00' } }),
  ]);
  const flaky: Script = (_, call) => {
    if (call < 3) throw ApplicationFailure.nonRetryable('it broke', 'QUERY_FAILED');
    return {};
  };
  await withRun({ pl }, { script: flaky }, async (run) => {
    const output = await run.result();
    assert.deepEqual(statuses(output), { c: 'Succeeded' });
    assert.equal(run.copies.length, 3);
    assert.equal(new Set(run.copies.map(({ copyId }) => copyId)).size, 1);
    const { start, end } = output.activityRuns[0] ?? {};
    assert.ok((end ?? 0) - (start ?? 0) >= 2 * 3_600_000);
  });
  const slow = pipelineOf([copyOf('c', 't', { policy: { timeout: '0.00:10:00' } })]);
  await withRun({ pl: slow }, { script: () => ({ seconds: -1 }) }, async (run) => {
    const failure = await failureOf(run);
    assert.match(failure.message, /ACTIVITY_TIMEOUT "c" ran longer than the 600 s/);
    const child = await harness.environment.client.workflow
      .getHandle(`${run.handle.workflowId}/copy/c`)
      .describe();
    assert.equal(child.status.name, 'CANCELLED');
  });
});

test("a copy's failure keeps its code and message", async () => {
  const script: Script = () => {
    throw ApplicationFailure.nonRetryable('12345678901.23 does not fit NUMBER(10,2)', 'SINK_TYPE_OVERFLOW');
  };
  await withRun({ pl: pipelineOf([copyOf('orders', 't')]) }, { script }, async (run) => {
    const failure = await failureOf(run);
    assert.match(failure.message, /"orders".*SINK_TYPE_OVERFLOW 12345678901\.23 does not fit/);
    assert.deepEqual(failure.details?.[0], {
      pipeline: 'pl',
      activity: 'orders',
      errorCode: 'SINK_TYPE_OVERFLOW',
      reason: '12345678901.23 does not fit NUMBER(10,2)',
    });
  });
});

test('cancelling a pipeline cancels its copies and waits for them', async () => {
  const pl = pipelineOf([copyOf('a', 't'), copyOf('b', 'u'), copyOf('later', 'v', after1('a', 'Completed'))]);
  await withRun({ pl }, { script: () => ({ seconds: -1 }) }, async (run) => {
    const deadline = Date.now() + 60_000;
    while (run.copies.length < 2) {
      assert.ok(Date.now() < deadline, 'the copies did not start');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await run.handle.cancel();
    // Waiting for the result lets time pass, and a copy's day might be over before its cancellation comes.
    while ((await run.handle.describe()).status.name === 'RUNNING') {
      assert.ok(Date.now() < deadline, 'the run did not end');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await assert.rejects(run.result(), WorkflowFailedError);
    assert.equal((await run.handle.describe()).status.name, 'CANCELLED');
    for (const name of ['a', 'b']) {
      const child = harness.environment.client.workflow.getHandle(`${run.handle.workflowId}/copy/${name}`);
      assert.equal((await child.describe()).status.name, 'CANCELLED');
    }
    const progress = (await run.handle.query('progress')) as PipelineProgress;
    assert.deepEqual(statuses(progress), { a: 'Cancelled', b: 'Cancelled' });
    assert.equal(progress.status, 'Cancelled');
  });
});

test('control flow: Until, Wait, If, Switch, Filter, variables, inactive activities, return value', async () => {
  const pl = pipelineOf(
    [
      {
        name: 'evens',
        type: 'Filter',
        typeProperties: {
          items: { value: '@range(1, 6)', type: 'Expression' },
          condition: { value: '@equals(mod(item(), 2), 0)', type: 'Expression' },
        },
      },
      {
        name: 'loop',
        type: 'Until',
        ...after1('evens', 'Succeeded'),
        typeProperties: {
          expression: { value: "@greaterOrEquals(length(variables('list')), 3)", type: 'Expression' },
          timeout: '0.12:00:00',
          activities: [
            { name: 'pause', type: 'Wait', typeProperties: { waitTimeInSeconds: 3600 } },
            {
              name: 'append',
              type: 'AppendVariable',
              ...after1('pause', 'Succeeded'),
              typeProperties: { variableName: 'list', value: "@string(length(variables('list')))" },
            },
          ],
        },
      },
      {
        name: 'which',
        type: 'Switch',
        ...after1('loop', 'Succeeded'),
        typeProperties: {
          on: { value: "@activity('evens').output.filteredItemsCount", type: 'Expression' },
          cases: [{ value: '3', activities: [setVariable('three', 'text', 'three')] }],
          defaultActivities: [failing('other')],
        },
      },
      {
        name: 'check',
        type: 'IfCondition',
        ...after1('which', 'Succeeded'),
        typeProperties: {
          expression: { value: "@equals(variables('text'), 'three')", type: 'Expression' },
          ifTrueActivities: [setVariable('yes', 'flag', true)],
          ifFalseActivities: [failing('no')],
        },
      },
      {
        ...failing('off'),
        state: 'Inactive',
        onInactiveMarkAs: 'Succeeded',
        ...after1('check', 'Succeeded'),
      },
      {
        name: 'answer',
        type: 'SetVariable',
        ...after1('off', 'Succeeded'),
        typeProperties: {
          variableName: 'pipelineReturnValue',
          setSystemVariable: true,
          value: [
            { key: 'list', value: { type: 'Expression', content: "@join(variables('list'), ',')" } },
            { key: 'flag', value: { type: 'Expression', content: "@variables('flag')" } },
            { key: 'n', value: { type: 'Int', content: 5 } },
          ],
        },
      },
    ],
    { variables: { list: { type: 'Array' }, text: { type: 'String' }, flag: { type: 'Boolean' } } },
  );
  await withRun({ pl }, {}, async (run) => {
    const output = await run.result();
    assert.deepEqual(output.returnValue, { list: '0,1,2', flag: true, n: 5 });
    const seen = statuses(output);
    assert.equal(seen['off'], 'Inactive');
    assert.equal(seen['append 3'], 'Succeeded');
    assert.equal(seen['append 4'], undefined);
    assert.equal(seen['other'], undefined);
  });
});

test('Execute Pipeline runs a child pipeline and gives its return value', async () => {
  const child = pipelineOf(
    [
      {
        name: 'answer',
        type: 'SetVariable',
        typeProperties: {
          variableName: 'pipelineReturnValue',
          setSystemVariable: true,
          value: [
            { key: 'doubled', value: { type: 'Expression', content: '@mul(pipeline().parameters.n, 2)' } },
          ],
        },
      },
    ],
    { parameters: { n: { type: 'int' } } },
  );
  const pl = pipelineOf(
    [
      {
        name: 'call',
        type: 'ExecutePipeline',
        typeProperties: {
          pipeline: { referenceName: 'child', type: 'PipelineReference' },
          waitOnCompletion: true,
          parameters: { n: { value: '@add(20, 1)', type: 'Expression' }, unused: 1 },
        },
      },
      setVariable(
        'keep',
        'result',
        "@activity('call').output.pipelineReturnValue.doubled",
        after1('call', 'Succeeded'),
      ),
    ],
    { variables: { result: { type: 'Integer' } } },
  );
  await withRun({ pl, child }, {}, async (run) => {
    const output = await run.result();
    assert.deepEqual(output.activityRuns[1]?.output, { name: 'result', value: 42 });
    assert.equal(output.activityRuns[0]?.workflowId, `${run.handle.workflowId}/pipeline/call`);
  });
});

test('ForEach runs every iteration, then fails with the inner failure', async () => {
  const each = {
    name: 'each',
    type: 'ForEach',
    typeProperties: {
      items: { value: "@createArray('a', 'b', 'c')", type: 'Expression' },
      isSequential: true,
      activities: [copyOf('copy', '@item()')],
    },
  };
  const script: Script = (input) => {
    if (input.copyId.endsWith('/a')) throw ApplicationFailure.nonRetryable('a is broken', 'QUERY_FAILED');
    return {};
  };
  await withRun({ pl: pipelineOf([each]) }, { script }, async (run) => {
    const failure = await failureOf(run);
    assert.match(
      failure.message,
      /"each".*QUERY_FAILED Activity failed because an inner activity failed; Inner activity name: copy, Error: a is broken/,
    );
    assert.deepEqual(statuses((await run.handle.query('progress')) as PipelineProgress), {
      each: 'Failed',
      'copy a': 'Failed',
      'copy b': 'Succeeded',
      'copy c': 'Succeeded',
    });
  });
});

test('secureOutput keeps an output out of progress and result, yet expressions can read it', async () => {
  const pl = pipelineOf(
    [
      copyOf('c', 't', { policy: { secureOutput: true } }),
      setVariable('use', 'n', "@activity('c').output.rowsCopied", after1('c', 'Succeeded')),
    ],
    { variables: { n: { type: 'Integer' } } },
  );
  await withRun({ pl }, { script: () => ({ output: { rowsCopied: 11 } }) }, async (run) => {
    const output = await run.result();
    assert.equal(output.activityRuns[0]?.output, undefined);
    assert.deepEqual(output.activityRuns[1]?.output, { name: 'n', value: 11 });
  });
});

test('nothing runs when a parameter is missing or wrong, or the definition cannot run', async () => {
  const pl = pipelineOf([copyOf('c', 't')], {
    parameters: { day: { type: 'string' }, n: { type: 'int', defaultValue: 1 } },
  });
  const cases: [object, JsonObject, string, RegExp][] = [
    [pl, {}, 'PARAMETER_MISSING', /needs a value for "day"/],
    [pl, { day: 'x', n: 'many' }, 'PARAMETER_INVALID', /"n".*declared int/],
    [pl, { dya: 'x' }, 'PARAMETER_INVALID', /no parameter "dya". Did you mean "day"/],
    [
      pipelineOf([
        { name: 'w', type: 'ExecuteSSISPackage', typeProperties: {} },
        { name: 'd', type: 'ExecuteWranglingDataflow' },
      ]),
      {},
      'DEFINITION_UNSUPPORTED',
      /ExecuteSSISPackage(.|\n)*ExecuteWranglingDataflow/,
    ],
    [
      pipelineOf([copyOf('c', 't', after1('nobody', 'Succeeded')), setVariable('s', 'x', '@nope(1)')]),
      {},
      'DEFINITION_INVALID',
      /nobody(.|\n)*no variable "x"/,
    ],
  ];
  for (const [definition, parameters, code, message] of cases) {
    await withRun({ pl: definition }, { parameters }, async (run) => {
      const failure = await failureOf(run);
      assert.equal(failure.type, code);
      assert.match(failure.message, message);
      assert.equal(run.copies.length, 0);
    });
  }
});

test('an expression that fails fails its activity, not the workflow task', async () => {
  const pl = pipelineOf(
    [
      copyOf('c', 't'),
      setVariable('s', 'x', "@activity('c').output.rowsWritten", after1('c', 'Succeeded')),
      setVariable('after', 'x', "@activity('s').error.message", after1('s', 'Failed')),
    ],
    { variables: { x: { type: 'String' } } },
  );
  await withRun({ pl }, {}, async (run) => {
    const output = await run.result();
    assert.match(
      JSON.stringify(output.activityRuns[2]?.output),
      /no property \\"rowsWritten\\". Available: rowsCopied/,
    );
  });
});

test('a long loop without any waiting does not hold up its workflow task', async () => {
  const each = {
    name: 'each',
    type: 'ForEach',
    typeProperties: {
      items: { value: '@range(0, 1000)', type: 'Expression' },
      batchCount: 50,
      activities: [
        { name: 'add', type: 'AppendVariable', typeProperties: { variableName: 'seen', value: '@item()' } },
      ],
    },
  };
  const count = setVariable('count', 'n', "@length(variables('seen'))", after1('each', 'Succeeded'));
  const pl = pipelineOf([each, count], { variables: { seen: { type: 'Array' }, n: { type: 'Integer' } } });
  await withRun({ pl }, {}, async (run) => {
    const output = await run.result();
    assert.deepEqual(output.activityRuns.at(-1)?.output, { name: 'n', value: 1000 });
    const { events } = await run.handle.fetchHistory();
    const tasks = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
    assert.ok(tasks.length > 5, `${tasks.length} workflow tasks`);
    assert.ok((events ?? []).every((event) => !event.workflowTaskTimedOutEventAttributes));
  });
});

test('Until ends at its timeout, and a failed iteration does not end it', async () => {
  const until = (expression: string, timeout: string, activities: object[]): object => ({
    name: 'loop',
    type: 'Until',
    typeProperties: { expression: { value: expression, type: 'Expression' }, timeout, activities },
  });
  const pause = { name: 'pause', type: 'Wait', typeProperties: { waitTimeInSeconds: 600 } };
  await withRun({ pl: pipelineOf([until('@bool(0)', '0.01:00:00', [pause])]) }, {}, async (run) => {
    assert.match((await failureOf(run)).message, /ACTIVITY_TIMEOUT "loop" ran longer than the 3600 s/);
  });
  const again = until("@equals(activity('c').status, 'Succeeded')", '0.12:00:00', [copyOf('c', 't')]);
  const script: Script = (_, call) => {
    if (call < 3) throw ApplicationFailure.nonRetryable('not yet', 'OBJECT_MISSING');
    return {};
  };
  await withRun({ pl: pipelineOf([again]) }, { script }, async (run) => {
    const output = await run.result();
    assert.deepEqual(statuses(output), {
      loop: 'Succeeded',
      'c 1': 'Failed',
      'c 2': 'Failed',
      'c 3': 'Succeeded',
    });
    assert.equal(new Set(run.copies.map(({ copyId }) => copyId)).size, 3);
  });
});

test('a copy that someone cancels alone counts as failed, and the pipeline goes on', async () => {
  const pl = pipelineOf(
    [copyOf('c', 't'), setVariable('handle', 'x', "@activity('c').status", after1('c', 'Failed'))],
    { variables: { x: { type: 'String' } } },
  );
  await withRun({ pl }, { script: () => ({ seconds: -1 }) }, async (run) => {
    const deadline = Date.now() + 30_000;
    while (run.copies.length < 1) {
      assert.ok(Date.now() < deadline, 'the copy did not start');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await harness.environment.client.workflow.getHandle(`${run.handle.workflowId}/copy/c`).cancel();
    const output = await run.result();
    assert.deepEqual(statuses(output), { c: 'Cancelled', handle: 'Succeeded' });
    assert.deepEqual(output.activityRuns[1]?.output, { name: 'x', value: 'Cancelled' });
  });
});

// Last: after a child that outlived its parent, runs on this test server have been seen to wait in real time.
test('a pipeline that is not waited for goes on alone', async () => {
  const child = pipelineOf([{ name: 'pause', type: 'Wait', typeProperties: { waitTimeInSeconds: 5 } }]);
  const call = {
    name: 'call',
    type: 'ExecutePipeline',
    typeProperties: {
      pipeline: { referenceName: 'child', type: 'PipelineReference' },
      waitOnCompletion: false,
    },
  };
  await withRun({ pl: pipelineOf([call]), child }, {}, async (run) => {
    const output = await run.result();
    assert.deepEqual(statuses(output), { call: 'Succeeded' });
    const handle = harness.environment.client.workflow.getHandle(`${run.handle.workflowId}/pipeline/call`);
    assert.equal((await handle.describe()).status.name, 'RUNNING');
    const { status } = (await handle.result()) as RunPipelineOutput;
    assert.equal(status, 'Succeeded');
  });
});
