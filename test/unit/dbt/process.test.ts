// dbt's process group ends with whoever asked for it: by cancellation, and by the death of the worker.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runDbtProcess } from '../../../src/activities/dbt/process.ts';
import { WaybillError } from '../../../src/core/errors.ts';

const common = { directory: '/tmp', env: { PATH: process.env['PATH'] ?? '' } };
/** Starts a process beneath it and prints that one's id. */
const script = 'sleep 600 & echo $!; wait';

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  for (const deadline = Date.now() + 20_000; alive(pid); await delay(50))
    assert.ok(Date.now() < deadline, `${pid} lives on`);
}

test('cancellation ends the whole group', async () => {
  const abort = new AbortController();
  let pid = 0;
  await runDbtProcess({
    ...common,
    executable: 'sh',
    args: ['-c', script],
    signal: abort.signal,
    onLine: (line) => {
      pid = Number(line);
      abort.abort();
    },
  });
  assert.ok(pid > 0);
  await gone(pid);
});

test('the death of the worker ends the whole group', async () => {
  const module = new URL('../../../src/activities/dbt/process.js', import.meta.url).href;
  const worker = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { runDbtProcess } from ${JSON.stringify(module)};
       await runDbtProcess({ executable: 'sh', args: ['-c', ${JSON.stringify(script)}], directory: '/tmp',
         env: { PATH: process.env.PATH }, signal: new AbortController().signal, onLine: (line) => console.log(line) });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(createInterface({ input: worker.stdout }), 'line')) as [string];
  assert.ok(alive(Number(line)));
  worker.kill('SIGKILL');
  await gone(Number(line));
});

test('a program that is not there is named', async () => {
  const signal = new AbortController().signal;
  await assert.rejects(
    runDbtProcess({ ...common, executable: '/nowhere/dbt', args: [], signal, onLine: () => {} }),
    (error) =>
      error instanceof WaybillError && error.code === 'SETTINGS_INVALID' && /nowhere/.test(error.message),
  );
});
