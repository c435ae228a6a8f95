// Data Factory's rules as its documentation states them, on the clock that skips: outcomes, errors, variables, loops.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { JsonObject } from '../../src/core/json.ts';
import type { ActivityRun, PipelineProgress, RunPipelineOutput } from '../../src/core/run.ts';
import { pipelineOf } from '../support/factory-files.ts';
import {
  after1,
  call,
  failing,
  failureOf,
  forEach,
  PipelineHarness,
  setVariable,
  statuses,
  waiting,
} from '../support/pipeline-harness.ts';

let harness: PipelineHarness;

before(async () => {
  harness = await PipelineHarness.start('skipping');
});
after(() => harness?.stop());

const withRun: PipelineHarness['withRun'] = (...run) => harness.withRun(...run);

const STRING = { variables: { x: { type: 'String' } } };
const ok = (name: string, more: object = {}): object => setVariable(name, 'x', name, more);
const outputOf = (output: RunPipelineOutput, name: string): JsonObject =>
  output.activityRuns.find(({ activityName }) => activityName === name)?.output as JsonObject;

/** What a pipeline of these activities comes to. */
async function outcome(activities: object[]): Promise<{ succeeded: boolean; seen: Record<string, string> }> {
  return withRun({ pl: pipelineOf(activities, STRING) }, {}, async (run) => {
    const succeeded = await run.result().then(
      () => true,
      () => false,
    );
    return { succeeded, seen: statuses((await run.handle.query('progress')) as PipelineProgress) };
  });
}

test('outcomes of the documented patterns: try-catch, do-if-else, do-if-skip-else, generic handler', async () => {
  // Microsoft, "Errors and conditional execution".
  const tryCatch = await outcome([failing('try'), ok('catch', after1('try', 'Failed'))]);
  assert.deepEqual(tryCatch, { succeeded: true, seen: { try: 'Failed', catch: 'Succeeded' } });
  const doIfElse = await outcome([
    failing('do'),
    ok('if', after1('do', 'Succeeded')),
    ok('else', after1('do', 'Failed')),
  ]);
  assert.deepEqual(doIfElse, { succeeded: false, seen: { do: 'Failed', if: 'Skipped', else: 'Succeeded' } });
  const doIfSkipElse = await outcome([
    failing('do'),
    ok('if', after1('do', 'Succeeded')),
    ok('dummy', after1('if', 'Skipped')),
    ok('else', after1('do', 'Failed')),
  ]);
  assert.equal(doIfSkipElse.succeeded, true);
  assert.equal(doIfSkipElse.seen['dummy'], 'Succeeded');
  // A failure anywhere in a chain reaches one handler after its end, by Failed or Skipped.
  const chain = await outcome([
    failing('first'),
    ok('second', after1('first', 'Succeeded')),
    ok('third', after1('second', 'Succeeded')),
    ok('handler', after1('third', 'Failed', 'Skipped')),
  ]);
  assert.deepEqual(chain, {
    succeeded: true,
    seen: { first: 'Failed', second: 'Skipped', third: 'Skipped', handler: 'Succeeded' },
  });
  // Completed is Succeeded or Failed: what was skipped did not complete, so neither does what waits for that.
  const completed = await outcome([
    failing('first'),
    ok('second', after1('first', 'Succeeded')),
    ok('third', after1('second', 'Completed')),
    ok('fourth', after1('first', 'Completed')),
  ]);
  assert.deepEqual(completed, {
    succeeded: false,
    seen: { first: 'Failed', second: 'Skipped', third: 'Skipped', fourth: 'Succeeded' },
  });
});

test('inactive activities count as they are marked', async () => {
  const inactive = (onInactiveMarkAs: string): object => ({
    ...failing('off'),
    state: 'Inactive',
    onInactiveMarkAs,
  });
  const followed = (mark: string): Promise<{ succeeded: boolean; seen: Record<string, string> }> =>
    outcome([
      inactive(mark),
      ok('succeeded', after1('off', 'Succeeded')),
      ok('failed', after1('off', 'Failed')),
      ok('skipped', after1('off', 'Skipped')),
    ]);
  for (const mark of ['Succeeded', 'Failed', 'Skipped']) {
    const { seen } = await followed(mark);
    const ran = Object.entries(seen).filter(([, status]) => status === 'Succeeded');
    assert.deepEqual(ran, [[mark.toLowerCase(), 'Succeeded']]);
    assert.equal(seen['off'], 'Inactive');
  }
});

test("activity('x') shows status, error, output and times; also of a Fail activity", async () => {
  const pl = pipelineOf(
    [
      {
        name: 'broken',
        type: 'Fail',
        typeProperties: {
          message: { value: "@concat('no rows for ', pipeline().parameters.day)", type: 'Expression' },
          errorCode: '500',
        },
      },
      waiting('pause', 90),
      setVariable('error', 'x', "@{activity('broken').error.message}|@{activity('broken').Error.ErrorCode}", {
        dependsOn: [
          { activity: 'broken', dependencyConditions: ['Failed'] },
          { activity: 'pause', dependencyConditions: ['Succeeded'] },
        ],
      }),
      setVariable(
        'facts',
        'x',
        "@concat(activity('broken').status, ',', activity('pause').Status, ',', activity('pause').StatusCode, ',', activity('pause').Duration, ',', string(less(activity('pause').ExecutionStartTime, activity('pause').ExecutionEndTime)), ',', activity('broken').error.failureType, ',', activity('broken').error.target)",
        after1('error', 'Succeeded'),
      ),
    ],
    { ...STRING, parameters: { day: { type: 'string', defaultValue: '2026-01-01' } } },
  );
  await withRun({ pl }, {}, async (run) => {
    const output = await run.result();
    assert.equal(outputOf(output, 'error')['value'], 'no rows for 2026-01-01|500');
    const facts = String(outputOf(output, 'facts')['value']).split(',');
    assert.deepEqual(facts.slice(0, 3), ['Failed', 'Succeeded', '200']);
    assert.match(facts[3] ?? '', /^00:01:30/);
    assert.deepEqual(facts.slice(5), ['UserError', 'broken']);
  });
});

test('the system variables of a run, and of the pipeline that another one calls', async () => {
  const show =
    '@{pipeline().Pipeline}|@{pipeline().TriggerType}|@{pipeline().TriggerName}|@{pipeline()?.TriggeredByPipelineName}|@{pipeline()?.TriggeredByPipelineRunId}|@{pipeline().RunId}|@{pipeline().GroupId}';
  const child = pipelineOf(
    [
      {
        name: 'show',
        type: 'SetVariable',
        typeProperties: {
          variableName: 'pipelineReturnValue',
          setSystemVariable: true,
          value: [{ key: 'seen', value: { type: 'Expression', content: show } }],
        },
      },
    ],
    STRING,
  );
  const pl = pipelineOf(
    [
      setVariable('own', 'x', show),
      call('call', 'child'),
      setVariable(
        'theirs',
        'x',
        "@activity('call').output.pipelineReturnValue.seen",
        after1('call', 'Succeeded'),
      ),
    ],
    STRING,
  );
  await withRun({ pl, child }, {}, async (run) => {
    const output = await run.result();
    const { runId } = await run.handle.describe();
    assert.equal(outputOf(output, 'own')['value'], `pl|Manual|Manual|||${runId}|${runId}`);
    const called = outputOf(output, 'call');
    const childId = String(called['pipelineRunId']);
    assert.equal(called['pipelineName'], 'child');
    assert.equal(
      outputOf(output, 'theirs')['value'],
      `child|PipelineActivity|Manual|pl|${runId}|${childId}|${childId}`,
    );
  });
});

test("a called pipeline's failure is Data Factory's: Operation on target ... failed", async () => {
  const child = pipelineOf([failing('inner')]);
  const pl = pipelineOf(
    [
      call('call', 'child'),
      setVariable('why', 'x', "@{activity('call').error.message}", after1('call', 'Failed')),
    ],
    STRING,
  );
  await withRun({ pl, child }, {}, async (run) => {
    const output = await run.result();
    assert.equal(outputOf(output, 'why')['value'], 'Operation on target inner failed: on purpose');
  });
  await withRun({ pl: pipelineOf([call('call', 'child')]), child }, {}, async (run) => {
    const failure = await failureOf(run);
    assert.match(
      failure.message,
      /"call" of pipeline "pl" failed: 42 Operation on target inner failed: on purpose/,
    );
  });
});

test('loops in loops, an If in a loop, and variables that parallel iterations write', async () => {
  const inner = forEach('inner', "@createArray(concat(item(), '1'), concat(item(), '2'))", [
    {
      name: 'which',
      type: 'IfCondition',
      typeProperties: {
        expression: { value: "@endswith(item(), '1')", type: 'Expression' },
        ifTrueActivities: [
          { name: 'add', type: 'AppendVariable', typeProperties: { variableName: 'all', value: '@item()' } },
        ],
        ifFalseActivities: [failing('odd')],
      },
    },
  ]);
  const outer = forEach('outer', "@createArray('a', 'b', 'c')", [inner]);
  const pl = pipelineOf(
    [outer, setVariable('seen', 'x', "@join(variables('all'), ',')", after1('outer', 'Failed'))],
    { variables: { all: { type: 'Array' }, x: { type: 'String' } } },
  );
  await withRun({ pl }, {}, async (run) => {
    const output = await run.result();
    assert.deepEqual(String(outputOf(output, 'seen')['value']).split(',').sort(), ['a1', 'b1', 'c1']);
    const failed = output.activityRuns.find(({ activityName }) => activityName === 'outer') as ActivityRun;
    assert.match(
      failed.error?.message ?? '',
      /Inner activity name: inner, Error: Activity failed because an inner/,
    );
    const odd = output.activityRuns.filter(({ activityName }) => activityName === 'odd');
    assert.deepEqual(odd.map(({ item }) => item).sort(), ['a/a2', 'b/b2', 'c/c2']);
  });
});

test('the return value: every type that Studio offers', async () => {
  const value = [
    { key: 's', value: { type: 'String', content: 'text' } },
    { key: 'e', value: { type: 'Expression', content: '@add(1, 2)' } },
    { key: 'n', value: { type: 'Null' } },
    { key: 'i', value: { type: 'Int', content: '7' } },
    { key: 'f', value: { type: 'Float', content: 1.5 } },
    { key: 'b', value: { type: 'Boolean', content: true } },
    {
      key: 'a',
      value: {
        type: 'Array',
        content: [
          { type: 'Int', content: 1 },
          { type: 'String', content: 'two' },
        ],
      },
    },
    { key: 'o', value: { type: 'Object', content: [{ key: 'inner', value: { type: 'Int', content: 3 } }] } },
  ];
  const pl = pipelineOf([
    {
      name: 'answer',
      type: 'SetVariable',
      typeProperties: { variableName: 'pipelineReturnValue', setSystemVariable: true, value },
    },
  ]);
  await withRun({ pl }, {}, async (run) => {
    const { returnValue } = await run.result();
    assert.deepEqual(returnValue, {
      s: 'text',
      e: 3,
      n: null,
      i: 7,
      f: 1.5,
      b: true,
      a: [1, 'two'],
      o: { inner: 3 },
    });
  });
});

test('Switch takes the case, else the default; Filter tells how many it kept', async () => {
  const choose = (on: string): object => ({
    name: 'choose',
    type: 'Switch',
    typeProperties: {
      on: { value: on, type: 'Expression' },
      cases: [
        { value: 'small', activities: [ok('small')] },
        { value: 'true', activities: [ok('yes')] },
      ],
      defaultActivities: [ok('other')],
    },
  });
  for (const [on, ran] of [
    ["@concat('sm', 'all')", 'small'],
    ["@concat('Sm', 'all')", 'other'],
    ['@equals(1, 1)', 'yes'],
  ] as const) {
    const { seen } = await outcome([choose(on)]);
    assert.deepEqual(
      Object.keys(seen).filter((name) => name !== 'choose'),
      [ran],
    );
  }
  const filter = {
    name: 'keep',
    type: 'Filter',
    typeProperties: {
      items: { value: "@createArray('a.csv', 'b.txt', 'c.csv')", type: 'Expression' },
      condition: { value: "@endswith(item(), '.csv')", type: 'Expression' },
    },
  };
  await withRun({ pl: pipelineOf([filter]) }, {}, async (run) => {
    const output = await run.result();
    assert.deepEqual(outputOf(output, 'keep'), {
      ItemsCount: 3,
      FilteredItemsCount: 2,
      Value: ['a.csv', 'c.csv'],
    });
  });
});

test('user properties are evaluated; secureInput hides what an activity was given', async () => {
  const pl = pipelineOf(
    [
      waiting('pause', '@add(1, 1)', {
        userProperties: [{ name: 'day', value: { value: "@concat('d', '1')", type: 'Expression' } }],
      }),
      setVariable('secret', 'x', 'hush', { policy: { secureInput: true, secureOutput: true } }),
    ],
    STRING,
  );
  await withRun({ pl }, {}, async (run) => {
    const { activityRuns } = await run.result();
    assert.deepEqual(activityRuns[0]?.userProperties, { day: 'd1' });
    assert.deepEqual(activityRuns[0]?.input, { waitTimeInSeconds: 2 });
    assert.equal(activityRuns[1]?.input, undefined);
    assert.equal(activityRuns[1]?.output, undefined);
  });
});
