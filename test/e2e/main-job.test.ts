// The main job, from the command a newcomer types, with the worker killed twice on the way.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { after, it } from 'node:test';
import { worldDown } from '../../dev/world/lifecycle.ts';
import { worldMark } from '../../dev/world/processes.ts';

const name = `main-job-${process.pid}`;

after(async () => {
  await worldDown(name, { destroy: true });
});

function run(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['build/dev/demo/main.js', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('exit', (code) => resolve({ code, output }));
  });
}

/** Processes that belong to this test's world: their environment says so. */
function processesOfWorld(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .some((variable) => variable.startsWith(`${worldMark}=`) && variable.endsWith(`/${name}`));
    } catch {
      return false;
    }
  });
}

it('ends with every check passed though the worker is killed in the copy and in the Spark steps', {
  timeout: 1_500_000,
}, async () => {
  const { code, output } = await run(['--kill-worker', '--world', name]);
  assert.equal(code, 0, output);
  assert.match(output, /all \d+ checks passed/);
  assert.equal(
    output.match(/killed after .* rows; worker \d+ took over/g)?.length,
    2,
    'said when it happened and in the report',
  );
  assert.equal(output.match(/killed .* s after step \d was submitted; worker \d+ took over/g)?.length, 2);
  assert.match(output, /✔ EMR was asked for a cluster once/);
  assert.match(output, /✔ EMR was given every step once/);
  assert.match(output, /✔ no cluster is left running/);
  assert.deepEqual(processesOfWorld(), []);
});
