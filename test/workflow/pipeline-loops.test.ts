// Loops far longer than one history may be: they go on in children, and nothing of what they write is lost.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { JsonObject } from '../../src/core/json.ts';
import type { PipelineProgress, RunPipelineOutput } from '../../src/core/run.ts';
import { copyOf, pipelineOf } from '../support/factory-files.ts';
import {
  after1,
  call,
  failing,
  failureOf,
  forEach,
  PipelineHarness,
  type Run,
  setVariable,
  waiting,
} from '../support/pipeline-harness.ts';

/** WAYBILL_TEST_LOOPS=full: with the limits as they are, which takes minutes; else all is ten times as small. */
const FULL = process.env['WAYBILL_TEST_LOOPS'] === 'full';
const WAITS = FULL ? 10_000 : 1_000;
const COPIES = FULL ? 1_500 : 150;
const CALLS = FULL ? 2_000 : 100;
const ITERATIONS = FULL ? 2_600 : 260;
const LIMIT = FULL ? {} : { historyEvents: 200 };
/** Long enough for a child to begin. */
const TIMEOUT = FULL ? '0.10:00:00' : '0.01:00:00';
const LONGEST = FULL ? 12_000 : 1_500;

let harness: PipelineHarness;

before(async () => {
  harness = await PipelineHarness.start('skipping');
});
after(() => harness?.stop());

const withRun: PipelineHarness['withRun'] = (...run) => harness.withRun(...run);

const append = (name: string, variableName: string, value: string, more: object = {}): object => ({
  name,
  type: 'AppendVariable',
  typeProperties: { variableName, value },
  ...more,
});
const condition = (
  name: string,
  expression: string,
  yes: object[],
  no: object[] = [],
  more: object = {},
): object => ({
  name,
  type: 'IfCondition',
  typeProperties: {
    expression: { value: expression, type: 'Expression' },
    ifTrueActivities: yes,
    ifFalseActivities: no,
  },
  ...more,
});
const outputOf = (output: RunPipelineOutput, name: string): JsonObject =>
  output.activityRuns.find(({ activityName }) => activityName === name)?.output as JsonObject;

/** Events of the longest history that the run and its children have, and how many children ran slices of loops. */
async function histories(run: Run): Promise<{ longest: number; slices: string[] }> {
  const { client } = harness.environment;
  let longest = 0;
  const slices: string[] = [];
  const look = async (workflowId: string): Promise<void> => {
    const handle = client.workflow.getHandle(workflowId);
    const { events } = await handle.fetchHistory();
    longest = Math.max(longest, events?.length ?? 0);
    const progress = (await handle.query('progress')) as PipelineProgress;
    for (const slice of progress.activities.flatMap(({ slices }) => slices ?? [])) {
      slices.push(slice);
      await look(slice);
    }
  };
  await look(run.handle.workflowId);
  return { longest, slices };
}

test('thousands of iterations that wait: children run them, variables hold what every one wrote', async () => {
  const each = forEach(
    'each',
    `@range(0, ${WAITS})`,
    [
      waiting('pause', 60),
      condition(
        'third',
        '@equals(mod(item(), 3), 0)',
        [append('add', 'seen', '@item()')],
        [setVariable('last', 'n', '@item()')],
        after1('pause', 'Succeeded'),
      ),
    ],
    { batchCount: 50 },
  );
  const pl = pipelineOf(
    [
      setVariable('first', 'n', '@length(pipeline().Pipeline)'),
      { ...each, ...after1('first', 'Succeeded') },
      setVariable('count', 'n', "@length(variables('seen'))", after1('each', 'Succeeded')),
      setVariable(
        'distinct',
        'n',
        "@length(union(variables('seen'), variables('seen')))",
        after1('count', 'Succeeded'),
      ),
    ],
    { variables: { seen: { type: 'Array' }, n: { type: 'Integer' } } },
  );
  await withRun({ pl }, { input: LIMIT }, async (run) => {
    const output = await run.result();
    assert.deepEqual(outputOf(output, 'each'), { itemsCount: WAITS });
    assert.equal(outputOf(output, 'count')['value'], Math.ceil(WAITS / 3));
    assert.equal(outputOf(output, 'distinct')['value'], Math.ceil(WAITS / 3));
    const { longest, slices } = await histories(run);
    assert.ok(slices.length >= 1, `${slices.length} slices`);
    assert.ok(longest < LONGEST, `${longest} events`);
  });
});

test('a long loop fails with its first failure, after every iteration, and keeps the ids of its copies', async () => {
  const each = forEach('each', `@range(0, ${COPIES})`, [
    copyOf('c', '@string(item())'),
    condition('bad', `@equals(item(), ${COPIES - 20})`, [failing('broken')], [], after1('c', 'Succeeded')),
  ]);
  await withRun({ pl: pipelineOf([each]) }, { input: LIMIT }, async (run) => {
    const failure = await failureOf(run);
    assert.match(
      failure.message,
      /Inner activity name: bad, Error: .*Inner activity name: broken, Error: on purpose/,
    );
    assert.equal(run.copies.length, COPIES);
    assert.equal(new Set(run.copies.map(({ copyId }) => copyId)).size, COPIES);
    assert.ok(run.copies.every(({ copyId }) => copyId.startsWith(`${run.handle.workflowId}/copy/c/`)));
    const { slices } = await histories(run);
    assert.ok(slices.length >= 1);
  });
});

test('pipelines called in a long loop within a loop, each with its own item', async () => {
  const child = pipelineOf(
    [
      {
        name: 'answer',
        type: 'SetVariable',
        typeProperties: {
          variableName: 'pipelineReturnValue',
          setSystemVariable: true,
          value: [{ key: 'n', value: { type: 'Expression', content: '@pipeline().parameters.n' } }],
        },
      },
    ],
    { parameters: { n: { type: 'int' } } },
  );
  const inner = forEach(
    'inner',
    `@range(mul(item(), ${CALLS / 2}), ${CALLS / 2})`,
    [
      call('call', 'child', { n: '@item()' }),
      append('add', 'seen', "@activity('call').output.pipelineReturnValue.n", after1('call', 'Succeeded')),
    ],
    { batchCount: 20 },
  );
  const pl = pipelineOf(
    [
      forEach('outer', '@createArray(0, 1)', [inner]),
      setVariable(
        'distinct',
        'n',
        "@length(union(variables('seen'), variables('seen')))",
        after1('outer', 'Succeeded'),
      ),
    ],
    { variables: { seen: { type: 'Array' }, n: { type: 'Integer' } } },
  );
  await withRun({ pl, child }, { input: LIMIT }, async (run) => {
    const output = await run.result();
    assert.equal(outputOf(output, 'distinct')['value'], CALLS);
    const { longest } = await histories(run);
    assert.ok(longest < LONGEST, `${longest} events`);
  });
});

test('an Until of thousands of iterations goes on in a child; its time is up there too', async () => {
  const until = (expression: string, timeout: string): object => ({
    name: 'loop',
    type: 'Until',
    typeProperties: {
      expression: { value: expression, type: 'Expression' },
      timeout,
      activities: [
        waiting('pause', "@if(contains(variables('x'), 'set'), 30, 31)"),
        append('count', 'seen', "@activity('pause').status", after1('pause', 'Succeeded')),
      ],
    },
  });
  const of = (loop: object): object =>
    pipelineOf(
      [
        setVariable('before', 'x', 'set'),
        { ...loop, ...after1('before', 'Succeeded') },
        setVariable('n', 'x', "@string(length(variables('seen')))", after1('loop', 'Succeeded')),
      ],
      { variables: { x: { type: 'String' }, seen: { type: 'Array' } } },
    );
  await withRun(
    { pl: of(until(`@equals(length(variables('seen')), ${ITERATIONS})`, '7.00:00:00')) },
    { input: LIMIT },
    async (run) => {
      const output = await run.result();
      assert.deepEqual(outputOf(output, 'loop'), { iterations: ITERATIONS });
      assert.equal(outputOf(output, 'n')['value'], String(ITERATIONS));
      const { slices } = await histories(run);
      assert.equal(slices.length, 1);
      // One child, which has continued as new.
      const [first] =
        (await harness.environment.client.workflow.getHandle(slices[0] ?? '').fetchHistory()).events ?? [];
      assert.ok(first?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId);
    },
  );
  await withRun({ pl: of(until('@bool(0)', TIMEOUT)) }, { input: LIMIT }, async (run) => {
    assert.match((await failureOf(run)).message, /ACTIVITY_TIMEOUT "loop" ran longer than the/);
    const { slices } = await histories(run);
    const child = harness.environment.client.workflow.getHandle(slices[0] ?? '');
    assert.equal((await child.describe()).status.name, 'CANCELLED');
  });
});
