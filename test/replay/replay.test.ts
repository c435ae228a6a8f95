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

for (const file of files) {
  test(`replays ${file}`, async () => {
    const history: unknown = JSON.parse(readFileSync(join(directory, file), 'utf8'));
    await Worker.runReplayHistory({ workflowBundle: { codePath } }, history);
  });
}

test('a history that does not fit the code is refused', async () => {
  const file = files.find((name) => name.startsWith('copyData.'));
  assert.ok(file);
  const text = readFileSync(join(directory, file), 'utf8');
  const history: unknown = JSON.parse(text.replaceAll('"publishCopy"', '"someOtherActivity"'));
  await assert.rejects(
    Worker.runReplayHistory({ workflowBundle: { codePath } }, history),
    /TMPRL1100|eterminism/,
  );
});
