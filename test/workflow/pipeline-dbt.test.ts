// WaybillDbt in a pipeline: what dbt is asked to do, what of it is tried again, and what is refused. The workflows are
// real; only what a step of dbt does is the test's.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { asTask } from '../../src/activities/task.ts';
import type { DbtNode, DbtStepInput, DbtStepResult } from '../../src/core/dbt.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { workerDataConverter } from '../../src/interceptors/data-converter.ts';
import { pipelineOf } from '../support/factory-files.ts';
import { keepHistory } from '../support/keep-history.ts';
import { after1, failureOf, PipelineHarness, setVariable } from '../support/pipeline-harness.ts';

let harness: PipelineHarness;
before(async () => {
  harness = await PipelineHarness.start('skipping');
});
after(() => harness?.stop());

/** `performDbtStep` that answers with the given nodes, call by call. */
function scripted(...answers: DbtNode[][]): {
  seen: DbtStepInput[];
  performDbtStep: (input: DbtStepInput) => Promise<DbtStepResult>;
} {
  const seen: DbtStepInput[] = [];
  return {
    seen,
    performDbtStep: async (input) => {
      seen.push(input);
      const nodes = answers.shift() ?? [];
      const counts: Record<string, number> = {};
      for (const { status } of nodes) counts[status] = (counts[status] ?? 0) + 1;
      return { nodes, counts, left: 0 };
    },
  };
}

const node = (name: string, status: string, message?: string): DbtNode => ({
  node: `model.p.${name}`,
  status,
  seconds: 1,
  ...(message === undefined ? {} : { message }),
});
const marts = (typeProperties: object, more: object = {}): object => ({
  name: 'Marts',
  type: 'WaybillDbt',
  linkedServiceName: { referenceName: 'ls_snow', type: 'LinkedServiceReference' },
  typeProperties,
  ...more,
});

test('its values are expressions, its output is what dbt counted, its retries are for failed nodes alone', async () => {
  const broken = [node('a', 'success'), node('b', 'error', 'Connection reset by peer'), node('c', 'skipped')];
  const { seen, performDbtStep } = scripted([], broken, [node('b', 'success'), node('c', 'success')]);
  const pl = pipelineOf(
    [
      marts(
        {
          target: 'snowflake',
          schema: "@concat('MARTS_', pipeline().parameters.team)",
          vars: { lookback_days: '@pipeline().parameters.days' },
          steps: [
            { command: 'source freshness' },
            { command: 'build', select: 'mart_a+ tag:daily', exclude: ['tag:weekly'], fullRefresh: true },
          ],
        },
        { policy: { timeout: '0.01:00:00', retry: 1, retryIntervalInSeconds: 600 } },
      ),
      setVariable(
        'Note',
        'noted',
        "@string(activity('Marts').output.calls[2].counts.success)",
        after1('Marts', 'Succeeded'),
      ),
    ],
    {
      parameters: { team: { type: 'string', defaultValue: 'X' }, days: { type: 'int', defaultValue: 4 } },
      variables: { noted: { type: 'String' } },
    },
  );
  await harness.withRun({ pl }, { activities: { performDbtStep } }, async (run) => {
    const { activityRuns } = await run.result();
    await keepHistory('runPipeline.dbt', run.handle);
    assert.deepEqual(seen[0], {
      linkedService: 'ls_snow',
      target: 'snowflake',
      schema: 'MARTS_X',
      vars: { lookback_days: 4 },
      step: { command: 'source freshness' },
    });
    assert.deepEqual(seen[1]?.step, {
      command: 'build',
      select: ['mart_a+', 'tag:daily'],
      exclude: ['tag:weekly'],
      fullRefresh: true,
    });
    assert.deepEqual(
      seen.map(({ nodes }) => nodes),
      [undefined, undefined, ['model.p.b', 'model.p.c']],
    );
    assert.equal(activityRuns.find(({ activityName }) => activityName === 'Note')?.status, 'Succeeded');
    const output = activityRuns.find(({ activityName }) => activityName === 'Marts')?.output as JsonObject;
    assert.match(String(output['workflowId']), /\/dbt\/Marts$/);
  });
});

test('a node that fails for a reason of its own is named and not tried again', async () => {
  const { seen, performDbtStep } = scripted([
    node('a', 'error', 'invalid identifier X'),
    node('b', 'skipped'),
  ]);
  const pl = pipelineOf([marts({ target: 'snowflake' }, { policy: { retry: 3 } })]);
  await harness.withRun({ pl }, { activities: { performDbtStep } }, async (run) => {
    const failure = await failureOf(run);
    assert.match(failure.message, /model\.p\.a: invalid identifier X/);
    assert.equal(seen.length, 1);
  });
});

for (const [what, typeProperties, words] of [
  [
    'an unknown command',
    { target: 't', steps: [{ command: 'docs' }] },
    /steps\[0\]\.command.*one of deps, seed/,
  ],
  [
    'a selector that is an option',
    { target: 't', steps: [{ command: 'run', select: '--vars' }] },
    /steps\[0\]\.select/,
  ],
  [
    'a property that is not there',
    { target: 't', select: 'x' },
    /no property "select": target, schema, vars, steps/,
  ],
  ['vars that are a text', { target: 't', vars: '{}' }, /"vars" of WaybillDbt must be an object/],
] as const) {
  test(`${what} is refused by name before dbt is asked`, async () => {
    const { seen, performDbtStep } = scripted();
    const pl = pipelineOf([marts(typeProperties)]);
    await harness.withRun({ pl }, { activities: { performDbtStep } }, async (run) => {
      assert.match((await failureOf(run)).message, words);
      assert.equal(seen.length, 0);
    });
  });
}

test("what another activity's secureOutput hides does not go to dbt's command line", async () => {
  const { seen, performDbtStep } = scripted();
  const secret = 'hidden-word-1';
  const performLookup = asTask(async () => ({ output: { firstRow: { key: secret } } }));
  const lookup = {
    name: 'Key',
    type: 'Lookup',
    policy: { secureOutput: true },
    typeProperties: {
      source: { type: 'SqlServerSource', sqlReaderQuery: 'SELECT 1' },
      dataset: { referenceName: 'ds_sql', type: 'DatasetReference', parameters: { table: 'flights' } },
    },
  };
  const vars = { key: "@activity('Key').output.firstRow.key" };
  const pl = pipelineOf([lookup, marts({ target: 't', vars }, after1('Key', 'Succeeded'))]);
  const env = { WAYBILL_PAYLOAD_KEY: randomBytes(32).toString('base64') };
  const dataConverter = workerDataConverter({ payloadKeys: ['WAYBILL_PAYLOAD_KEY'] }, env);
  const options = {
    activities: { performDbtStep, performLookup },
    dataConverter,
    payloadKeys: ['WAYBILL_PAYLOAD_KEY'],
  };
  await harness.withRun({ pl }, options, async (run) => {
    assert.match((await failureOf(run)).message, /hand a secret to dbt's command line/);
    assert.equal(seen.length, 0);
  });
});
