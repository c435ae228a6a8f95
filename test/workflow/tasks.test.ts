// One-shot activities under their policy: attempts, timeouts, what a history shows of secure values. The workflow, the
// server, the codec and `asTask` are real; only what an activity does is the test's.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Context } from '@temporalio/activity';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { asTask } from '../../src/activities/task.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { TaskActivity, TaskInput } from '../../src/core/pipeline/task.ts';
import { workerDataConverter } from '../../src/interceptors/data-converter.ts';
import { copyOf, pipelineOf } from '../support/factory-files.ts';
import { after1, failureOf, PipelineHarness, setVariable, statuses } from '../support/pipeline-harness.ts';

let harness: PipelineHarness;
before(async () => {
  harness = await PipelineHarness.start('skipping');
});
after(() => harness?.stop());

type Scripted = (input: TaskInput, call: number) => JsonObject | Promise<JsonObject>;

/** `perform<Type>` doing what the test says; `seen` is what it was given. */
function scripted(perform: Scripted): { seen: TaskInput[]; task: TaskActivity } {
  const seen: TaskInput[] = [];
  const task = asTask(async (input) => {
    seen.push(input);
    return { output: await perform(input, seen.length) };
  });
  return { seen, task };
}

const lookup = (name: string, query: string, more: object = {}): object => ({
  name,
  type: 'Lookup',
  typeProperties: {
    source: { type: 'SqlServerSource', sqlReaderQuery: query },
    dataset: { referenceName: 'ds_sql', type: 'DatasetReference', parameters: { table: 'flights' } },
  },
  ...more,
});
const script = (name: string, text: string, more: object = {}): object => ({
  name,
  type: 'Script',
  linkedServiceName: { referenceName: 'ls_sql', type: 'LinkedServiceReference' },
  typeProperties: { scripts: [{ type: 'NonQuery', text }] },
  ...more,
});

test('an activity is given what it says, evaluated, with its dataset and linked service', async () => {
  const { seen, task } = scripted(() => ({ firstRow: { n: 1 } }));
  const pl = pipelineOf(
    [
      lookup('Look up', "@concat('SELECT ', pipeline().parameters.n)"),
      script('Run it', "@{activity('Look up').output.firstRow.n} is one", after1('Look up', 'Succeeded')),
    ],
    { parameters: { n: { type: 'int', defaultValue: 3 } } },
  );
  await harness.withRun({ pl }, { activities: { performLookup: task, performScript: task } }, async (run) => {
    const { activityRuns } = await run.result();
    const [first, second] = seen;
    assert.ok(first && second);
    assert.deepEqual(first.typeProperties['source'], { type: 'SqlServerSource', sqlReaderQuery: 'SELECT 3' });
    assert.deepEqual(first.datasets['dataset'], {
      name: 'ds_sql',
      type: 'SqlServerTable',
      typeProperties: { schema: 'dbo', table: 'flights' },
      linkedService: { name: 'ls_sql' },
    });
    assert.deepEqual(second.linkedService, { name: 'ls_sql' });
    assert.deepEqual(second.typeProperties['scripts'], [{ type: 'NonQuery', text: '1 is one' }]);
    const output = activityRuns[0]?.output as JsonObject;
    assert.deepEqual(output['firstRow'], { n: 1 });
    assert.deepEqual(output['durationInQueue'], { integrationRuntimeQueue: 0 });
    assert.deepEqual(output['billingReference'], { activityType: 'PipelineActivity', billableDuration: [] });
    assert.match(String(output['effectiveIntegrationRuntime']), /^waybill/);
  });
});

test("the policy's attempts are the workflow's own, each under a key of its own; the count may be an expression", async () => {
  const { seen, task } = scripted((_input, call) => {
    if (call < 3) throw new WaybillError('QUERY_FAILED', 'not yet');
    return { done: true };
  });
  const policy = { retry: { value: '@add(1, 1)', type: 'Expression' }, retryIntervalInSeconds: 3_600 };
  const pl = pipelineOf([script('Run it', 'x', { policy })]);
  await harness.withRun({ pl }, { activities: { performScript: task } }, async (run) => {
    const { activityRuns } = await run.result();
    assert.equal(seen.length, 3);
    assert.equal(new Set(seen.map(({ attemptKey }) => attemptKey)).size, 3);
    assert.deepEqual(statuses({ activityRuns } as never), { 'Run it': 'Succeeded' });
    const { events } = await run.handle.fetchHistory();
    const scheduled = (events ?? []).filter(
      ({ activityTaskScheduledEventAttributes }) =>
        activityTaskScheduledEventAttributes?.activityType?.name === 'performScript',
    );
    assert.equal(scheduled.length, 3);
  });
});

test('a store that is away is asked again by itself where that is harmless, else the policy decides', async () => {
  const away = (): never => {
    throw new WaybillError('CONNECTION_FAILED', 'nobody answers');
  };
  const query = scripted((_input, call) => (call < 3 ? away() : { firstRow: {} }));
  const change = scripted(away);
  const pl = pipelineOf([
    lookup('Look up', 'SELECT 1'),
    script('Run it', 'x', after1('Look up', 'Succeeded')),
  ]);
  await harness.withRun(
    { pl },
    { activities: { performLookup: query.task, performScript: change.task } },
    async (run) => {
      const failure = await failureOf(run);
      assert.match(failure.message, /Run it.*CONNECTION_FAILED nobody answers/);
      assert.equal(query.seen.length, 3);
      assert.equal(new Set(query.seen.map(({ attemptKey }) => attemptKey)).size, 1);
      assert.equal(change.seen.length, 1);
    },
  );
});

test('an activity that runs longer than its policy allows is ended', async () => {
  let ended = false;
  const { task } = scripted(async () => {
    const { cancellationSignal } = Context.current();
    await new Promise((resolve) => cancellationSignal.addEventListener('abort', resolve, { once: true }));
    ended = true;
    throw cancellationSignal.reason;
  });
  const pl = pipelineOf([script('Run it', 'x', { policy: { timeout: '0.00:00:02' } })]);
  await harness.withRun({ pl }, { activities: { performScript: task } }, async (run) => {
    const failure = await failureOf(run);
    assert.match(failure.message, /ACTIVITY_TIMEOUT "Run it" ran longer than the 2 s/);
    for (const deadline = Date.now() + 20_000; !ended && Date.now() < deadline; )
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(ended, 'the activity was told');
  });
});

/** Everything that the server keeps of a run, every payload's bytes among it, as one text. */
async function everythingOf(run: { handle: { fetchHistory(): Promise<unknown> } }): Promise<string> {
  const json = historyToJSON((await run.handle.fetchHistory()) as never);
  const decoded = [...json.matchAll(/"([A-Za-z0-9+/]{8,}={0,2})"/g)].map((match) =>
    Buffer.from(match[1] ?? '', 'base64').toString('latin1'),
  );
  return [json, ...decoded].join('\n');
}

const KEY = { WAYBILL_PAYLOAD_KEY: randomBytes(32).toString('base64') };
const dataConverter = workerDataConverter({ payloadKeys: ['WAYBILL_PAYLOAD_KEY'] }, KEY);

test('what secureOutput and secureInput hide is nowhere in a history, nor in what it ends with', async () => {
  const canary = `canary-${randomBytes(8).toString('hex')}`;
  const query = scripted(() => ({ firstRow: { password: canary, user: 'open-user' } }));
  const change = scripted(({ typeProperties }, call) => {
    if (call < 2) throw new WaybillError('QUERY_FAILED', `login '${canary}' refused`, { value: canary });
    return { recordsAffected: JSON.stringify(typeProperties).includes(canary) ? 1 : 0 };
  });
  const text = "@concat('ALTER LOGIN x WITH PASSWORD = ', activity('Secret').output.firstRow.password)";
  const pl = pipelineOf(
    [
      lookup('Secret', 'SELECT 1', { policy: { secureOutput: true } }),
      lookup('Open', 'SELECT 2', after1('Secret', 'Succeeded')),
      script('Use it', text, {
        ...after1('Open', 'Succeeded'),
        policy: { secureInput: true, retry: 1, retryIntervalInSeconds: 1 },
      }),
      setVariable(
        'Note',
        'v',
        "@string(activity('Use it').output.recordsAffected)",
        after1('Use it', 'Succeeded'),
      ),
    ],
    { variables: { v: { type: 'String' } } },
  );
  const open = scripted(() => ({ firstRow: { said: 'plain-to-see' } }));
  const performLookup: TaskActivity = (input) => (input.activity === 'Open' ? open : query).task(input);
  await harness.withRun(
    { pl },
    {
      activities: { performLookup, performScript: change.task },
      dataConverter,
      payloadKeys: ['WAYBILL_PAYLOAD_KEY'],
    },
    async (run) => {
      const { activityRuns } = await run.result();
      assert.equal(change.seen.length, 2, 'the first attempt failed');
      assert.match(JSON.stringify(change.seen[1]?.typeProperties), new RegExp(canary));
      const note = activityRuns.find(({ activityName }) => activityName === 'Note');
      assert.deepEqual(note?.output, { name: 'v', value: '1' }, 'it had the value');
      const everything = await everythingOf(run);
      assert.ok(everything.includes('plain-to-see'), 'what is not secure can be read');
      assert.ok(!everything.includes(canary), 'the canary is in the history');
      assert.ok(!JSON.stringify(activityRuns).includes(canary));
      assert.ok(!JSON.stringify(await run.handle.query('progress')).includes(canary));
    },
  );
});

test('what secureOutput hides is hidden where it goes on to, whatever the policy there says', async () => {
  const canary = `canary-${randomBytes(8).toString('hex')}`;
  const query = scripted(() => ({ firstRow: { password: canary } }));
  const change = scripted(({ typeProperties }) => {
    assert.match(JSON.stringify(typeProperties), new RegExp(`PASSWORD = ${canary}`));
    throw new WaybillError('QUERY_FAILED', `password '${canary}' is too short`, { value: canary, line: 3 });
  });
  const pl = pipelineOf(
    [
      lookup('Secret', 'SELECT 1', { policy: { secureOutput: true } }),
      setVariable('Keep', 'v', "@activity('Secret').output.firstRow.password", after1('Secret', 'Succeeded')),
      script('Use it', "@concat('PASSWORD = ', variables('v'))", after1('Keep', 'Succeeded')),
      copyOf('Copy it', "t_@{activity('Secret').output.firstRow.password}", after1('Use it', 'Failed')),
    ],
    { variables: { v: { type: 'String' } } },
  );
  await harness.withRun(
    { pl },
    {
      activities: { performLookup: query.task, performScript: change.task },
      dataConverter,
      payloadKeys: ['WAYBILL_PAYLOAD_KEY'],
    },
    async (run) => {
      const { activityRuns } = await run.result();
      assert.equal(run.copies.length, 1);
      assert.match(JSON.stringify(run.copies), new RegExp(canary), 'the copy had the value');
      const [, kept, used] = activityRuns;
      assert.deepEqual(kept?.output, { name: 'v', value: '**********' });
      assert.match(used?.error?.message ?? '', /^password '\[secret\]' is too short$/);
      assert.ok(!JSON.stringify(activityRuns).includes(canary));
      assert.ok(!(await everythingOf(run)).includes(canary), 'the canary is in the history');
    },
  );
});

test('a failure of a secure activity keeps its words from the history, and says so', async () => {
  const canary = `canary-${randomBytes(8).toString('hex')}`;
  const { task } = scripted(() => {
    throw new WaybillError('CONSTRAINT_VIOLATED', `duplicate key ${canary}`);
  });
  const pl = pipelineOf([script('Use it', 'x', { policy: { secureInput: true } })]);
  await harness.withRun(
    { pl },
    { activities: { performScript: task }, dataConverter, payloadKeys: ['WAYBILL_PAYLOAD_KEY'] },
    async (run) => {
      const failure = await failureOf(run);
      assert.match(failure.message, /CONSTRAINT_VIOLATED.*withheld/);
      assert.ok(!(await everythingOf(run)).includes(canary));
    },
  );
});

test('a SecureString in the definition does not reach the history either', async () => {
  const canary = `canary-${randomBytes(8).toString('hex')}`;
  const { seen, task } = scripted(() => ({}));
  const token = { type: 'SecureString', value: canary };
  const activity = { ...script('Use it', 'x'), typeProperties: { scripts: [{ text: 'x', token }] } };
  await harness.withRun(
    { pl: pipelineOf([activity]) },
    { activities: { performScript: task }, dataConverter, payloadKeys: ['WAYBILL_PAYLOAD_KEY'] },
    async (run) => {
      await run.result();
      assert.deepEqual(seen[0]?.typeProperties, { scripts: [{ text: 'x', token }] });
      assert.ok(!(await everythingOf(run)).includes(canary));
    },
  );
});

test('without a key, a pipeline that hides values is refused before anything runs', async () => {
  const { seen, task } = scripted(() => ({}));
  const inner = script('Use it', 'x', { policy: { secureInput: true } });
  const typeProperties = { expression: { value: '@bool(1)', type: 'Expression' }, ifTrueActivities: [inner] };
  const pl = pipelineOf([script('First', 'x'), { name: 'if', type: 'IfCondition', typeProperties }]);
  await harness.withRun({ pl }, { activities: { performScript: task }, payloadKeys: [] }, async (run) => {
    const failure = await failureOf(run);
    assert.equal(failure.type, 'SECRET_MISSING');
    assert.match(failure.message, /"Use it".*WAYBILL_PAYLOAD_KEY/);
    assert.equal(seen.length, 0);
  });
});

test("a Lookup's 4 MB pass through a history that takes 2 MB at once", async () => {
  const rows = Array.from({ length: 5_000 }, (_, i) => ({
    id: i,
    text: `row ${i} `.repeat(120).slice(0, 780),
  }));
  const { task } = scripted(() => ({ count: rows.length, value: rows }));
  const pl = pipelineOf(
    [
      lookup('Look up', 'SELECT 1'),
      setVariable('Note', 'v', "@activity('Look up').output.value[4999].id", after1('Look up', 'Succeeded')),
    ],
    { variables: { v: { type: 'Integer' } } },
  );
  await harness.withRun({ pl }, { activities: { performLookup: task }, dataConverter }, async (run) => {
    const { activityRuns } = await run.result();
    assert.deepEqual(activityRuns[1]?.output, { name: 'v', value: 4_999 });
  });
});
