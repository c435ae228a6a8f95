// `waybill dev`: what it prints, what it keeps to itself, and its exit codes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { projectPath } from '../../dev/cache.ts';
import { worldDown, worldStatus, worldStopEngine } from '../../dev/world/lifecycle.ts';
import { engineNames, worldDirectory } from '../../dev/world/state.ts';

const name = `test-cli-${process.pid}`;
after(() => worldDown(name, { destroy: true }));

test('status of a world that is down: exit code 3 and how to start it', async () => {
  const { code, stdout } = await waybill('dev', 'status', '--name', name);
  assert.equal(code, 3);
  assert.match(stdout, /is down · start it: waybill dev up/);
});

test('up --json: one document with the addresses, progress beside it, no secret in either', async () => {
  const { code, stdout, stderr } = await waybill('dev', 'up', '--name', name, '--json');
  assert.equal(code, 0, stderr);
  const world = JSON.parse(stdout) as { engines: string[]; temporal: { uiUrl: string }; env: string[] };
  assert.deepEqual(world.engines.toSorted(), engineNames.toSorted());
  assert.equal((await fetch(world.temporal.uiUrl)).status, 200);
  assert.match(stderr, /temporal ✔ {2}postgres ✔/);
  for (const secret of secrets()) assert.ok(!(stdout + stderr).includes(secret));
});

test('status: exit code 0 and a line per engine; 1 when one is stopped', async () => {
  const running = await waybill('dev', 'status', '--name', name);
  assert.equal(running.code, 0);
  for (const engine of engineNames) {
    assert.match(running.stdout, new RegExp(`✔ ${engine} +running +port \\d+`));
  }
  for (const secret of secrets()) assert.ok(!running.stdout.includes(secret));

  await worldStopEngine(name, 's3');
  const stopped = await waybill('dev', 'status', '--name', name);
  assert.equal(stopped.code, 1);
  assert.match(stopped.stdout, /■ s3 +stopped/);
});

test('status of an engine that died says how, with its log', async () => {
  const { pid = 0 } = worldStatus(name)?.engines.snowflake?.process ?? {};
  process.kill(pid, 'SIGKILL');
  const deadline = Date.now() + 60_000;
  while (worldStatus(name)?.engines.snowflake?.incidents.length === 0) {
    assert.ok(Date.now() < deadline);
    await delay(50);
  }
  const { stdout } = await waybill('dev', 'status', '--name', name);
  assert.match(stdout, /it ended unasked: signal SIGKILL/);
  assert.match(stdout, /log: .*snowflake\.log/);
});

test('up again starts only what does not run; down ends everything', async () => {
  const up = await waybill('dev', 'up', '--name', name);
  assert.equal(up.code, 0, up.stderr);
  assert.equal((await waybill('dev', 'status', '--name', name)).code, 0);
  const down = await waybill('dev', 'down', '--name', name);
  assert.equal(down.code, 0, down.stderr);
  assert.match(down.stdout, /is down in /);
  assert.match((await waybill('dev', 'down', '--name', name)).stdout, /was not up/);
});

test('a name that could lead out of the cache directory is refused', async () => {
  for (const command of ['status', 'up', 'down']) {
    const { code, stderr } = await waybill('dev', command, '--name', '../../etc');
    assert.equal(code, 1);
    assert.match(stderr, /^✖ "..\/..\/etc" cannot name a world/);
  }
});

function secrets(): string[] {
  return Object.values(
    JSON.parse(readFileSync(join(worldDirectory(name), 'secrets.json'), 'utf8')) as Record<string, string>,
  );
}

function waybill(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [projectPath('bin', 'waybill.js'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
