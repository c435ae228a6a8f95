// Every stored history replays on the code as it is now: a workflow that runs through a deployment goes on.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';

const directory = join('test', 'replay', 'histories');
const files = readdirSync(directory).filter((name) => name.endsWith('.json'));
const codePath = fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url));

Runtime.install({ logger: new DefaultLogger('ERROR') });

test('every workflow has a stored history', () => {
  const index = readFileSync(join('src', 'workflows', 'index.ts'), 'utf8');
  const workflows = [...index.matchAll(/export \{ (\w+) \}/g)].map((match) => match[1] ?? '');
  assert.ok(workflows.length >= 5, `only ${workflows.length} workflows found in index.ts`);
  const without = workflows.filter((name) => !files.some((file) => file.startsWith(`${name}.`)));
  assert.deepEqual(without, []);
});

/** Replays under the id the run had: children's ids are made from it. */
async function replay(text: string): Promise<void> {
  const history = JSON.parse(text) as {
    events: { workflowExecutionStartedEventAttributes?: { workflowId?: string } }[];
  };
  const workflowId = history.events[0]?.workflowExecutionStartedEventAttributes?.workflowId;
  assert.ok(workflowId, 'the first event names the workflow');
  await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, workflowId);
}

for (const file of files) {
  test(`replays ${file}`, async () => {
    await replay(readFileSync(join(directory, file), 'utf8'));
  });
}

test('a history that does not fit the code is refused', async () => {
  const text = readFileSync(join(directory, 'copyData.v0.1.json'), 'utf8');
  assert.match(text, /"publishCopy"/);
  await assert.rejects(replay(text.replaceAll('"publishCopy"', '"someOtherActivity"')), /TMPRL1100/);
});
