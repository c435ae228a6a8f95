// Setting up: once, whoever asks at the same time, and never half.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { buildOnce } from '../../dev/setup/build-once.ts';
import { ensureAll } from '../../dev/setup/ensure-all.ts';
import { SetupError } from '../../dev/setup/report.ts';
import { runCommand } from '../../dev/setup/run-command.ts';

const directory = mkdtempSync(join(tmpdir(), 'waybill-setup-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** A process that builds `target`, noting begin and end in `log`, and takes `seconds` for it. */
function builder(target: string, log: string, seconds: number) {
  const program = `
    import { appendFileSync, writeFileSync } from 'node:fs';
    import { setTimeout as delay } from 'node:timers/promises';
    import { buildOnce } from ${JSON.stringify(new URL('../../dev/setup/build-once.js', import.meta.url).href)};
    await buildOnce({ target: ${JSON.stringify(target)}, label: 'test', report: console.log, build: async (directory) => {
      appendFileSync(${JSON.stringify(log)}, 'begin\\n');
      writeFileSync(directory + '/content', 'half');
      await delay(${seconds * 1000});
      writeFileSync(directory + '/content', 'whole');
      appendFileSync(${JSON.stringify(log)}, 'end\\n');
    } });
    if ((await import('node:fs')).readFileSync(${JSON.stringify(target)} + '/content', 'utf8') !== 'whole') process.exit(3);
  `;
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

test('three processes at once build once, and each finds the whole', async () => {
  const [target, log] = [join(directory, 'shared'), join(directory, 'shared.log')];
  const ended = await Promise.all([1, 2, 3].map(() => once(builder(target, log, 0.5), 'exit')));
  assert.deepEqual(ended, [
    [0, null],
    [0, null],
    [0, null],
  ]);
  assert.equal(readFileSync(log, 'utf8'), 'begin\nend\n');
});

test('a build that is killed counts for nothing, and holds up nobody', async () => {
  const [target, log] = [join(directory, 'killed'), join(directory, 'killed.log')];
  const first = builder(target, log, 600);
  const exit = once(first, 'exit');
  const deadline = Date.now() + 30_000;
  while (!existsSync(log)) {
    assert.ok(Date.now() < deadline);
    await delay(20);
  }
  first.kill('SIGKILL');
  await exit;
  assert.equal(existsSync(target), false);
  assert.deepEqual(await once(builder(target, log, 0), 'exit'), [0, null]);
  assert.equal(readFileSync(log, 'utf8'), 'begin\nbegin\nend\n');
});

test('a build that fails leaves nothing behind', async () => {
  const target = join(directory, 'failed');
  const attempt = buildOnce({
    target,
    label: 'test',
    report: () => {},
    build: async (scratch) => {
      writeFileSync(join(scratch, 'content'), 'half');
      throw new Error('no more');
    },
  });
  await assert.rejects(attempt, /no more/);
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.startsWith('failed')),
    [],
  );
});

test('a command that fails says what was being done, its last lines, and what to do', async () => {
  const failing = runCommand('sh', ['-c', 'echo first; echo "disk is full" >&2; exit 4'], {
    doing: 'testing',
    advice: 'free some space.',
  });
  await assert.rejects(failing, (error: unknown) => {
    assert.ok(error instanceof SetupError);
    assert.match(
      error.message,
      /testing failed: sh exited with 4\n {2}\| first\n {2}\| disk is full\n {2}Next: free some space\./,
    );
    return true;
  });
  await assert.rejects(
    runCommand('no-such-program', [], { doing: 'testing', advice: 'install it.' }),
    /ENOENT[\s\S]*install it/,
  );
});

test('what is set up already is found without a word', async () => {
  const first = await ensureAll((line) => console.error(line));
  const said: string[] = [];
  assert.deepEqual(await ensureAll((line) => said.push(line)), first);
  assert.deepEqual(said, []);
  for (const file of [
    first.python.python,
    first.temporal.timeSkipping,
    first.keys.serverKey,
    join(first.postgres.bin, 'postgres'),
  ]) {
    assert.ok(existsSync(file), file);
  }
  const pinned = readFileSync('dev/jars/jars.sha256', 'utf8').trim().split('\n').length;
  assert.equal(readdirSync(first.jars).filter((name) => name.endsWith('.jar')).length, pinned);
});
