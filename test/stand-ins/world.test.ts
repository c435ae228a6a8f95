// The local world's promises: it comes up again as it was, and when it is down nothing of it is left.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import {
  findWorld,
  worldDown,
  worldStartEngine,
  worldStatus,
  worldStopEngine,
  worldUp,
} from '../../dev/world/lifecycle.ts';
import { isListening } from '../../dev/world/ports.ts';
import { type EngineName, worldDirectory } from '../../dev/world/state.ts';
import type { World } from '../../dev/world/world.ts';

const name = `test-life-${process.pid}`;
const engines: EngineName[] = ['temporal', 'postgres', 's3'];
const up = () => worldUp({ name, engines, report: (line) => console.error(line) });
after(() => worldDown(name, { destroy: true }));

test('comes up with every engine answering, and a second call finds it', async () => {
  const world = await up();
  for (const port of ports()) assert.ok(await isListening(port), `port ${port}`);
  assert.deepEqual(await up(), world);
  assert.deepEqual(await findWorld(name), world);
});

test('two callers at once get the same world', async () => {
  await worldDown(name);
  const [one, other] = await Promise.all([up(), up()]);
  assert.deepEqual(one, other);
  assert.equal(marked().filter((process) => process.includes('supervisor-main')).length, 1);
});

test('listens on loopback only, on every port that any of its processes opens', () => {
  const own = new Set(markedPids().flatMap(sockets));
  const open = listeners().filter(({ inode }) => own.has(inode));
  for (const port of ports())
    assert.ok(
      open.some((listener) => listener.port === port),
      `port ${port}`,
    );
  assert.deepEqual(
    open.filter(({ address }) => !address.startsWith('127.')),
    [],
  );
});

test('keeps its secrets to its owner and out of the state and the settings', async () => {
  const world = await up();
  assert.equal(statSync(join(world.directory, 'secrets.json')).mode & 0o077, 0);
  assert.equal(statSync(world.directory).mode & 0o077, 0);
  const password = world.env['WAYBILL_LOCAL_SQLSERVER_PASSWORD'];
  assert.ok(password && password.length > 12);
  for (const file of ['world.json', 'config.json', 'waybill.local.toml']) {
    assert.ok(!readFileSync(join(world.directory, file), 'utf8').includes(password), file);
  }
});

test('an engine that is stopped stays stopped, and comes back on its port with its data', async () => {
  const world = await up();
  await ask(world, 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)');
  await worldStopEngine(name, 'postgres');
  assert.equal(worldStatus(name)?.engines.postgres?.state, 'stopped');
  assert.equal(await isListening(world.postgres.port), false);
  await worldStartEngine(name, 'postgres');
  assert.deepEqual(await ask(world, 'SELECT n FROM kept'), [{ n: 42 }]);
});

test('an engine that dies is started once more, and the status says so with its last log lines', async () => {
  const world = await up();
  const before = worldStatus(name)?.engines.postgres?.process;
  assert.ok(before);
  process.kill(before.pid, 'SIGKILL');
  await until(() => {
    const status = worldStatus(name)?.engines.postgres;
    return status?.state === 'running' && status.process?.pid !== before.pid;
  });
  const incident = worldStatus(name)?.engines.postgres?.incidents.at(-1);
  assert.match(incident?.what ?? '', /signal SIGKILL/);
  assert.ok((incident?.lastLines.length ?? 0) > 0);
  assert.deepEqual(await ask(world, 'SELECT n FROM kept'), [{ n: 42 }]);

  // It dies again: that is no accident, so it stays down and the status says failed.
  process.kill(worldStatus(name)?.engines.postgres?.process?.pid ?? 0, 'SIGKILL');
  await until(() => worldStatus(name)?.engines.postgres?.state === 'failed');
  assert.equal(await isListening(world.postgres.port), false);
  // Asking for the world again starts it.
  await up();
  assert.deepEqual(await ask(world, 'SELECT n FROM kept'), [{ n: 42 }]);
});

test('down leaves no process and no port, and the next start has the same ports and data', async () => {
  const world = await up();
  const used = ports();
  assert.ok(marked().length >= engines.length + 1);
  const { ran, killed } = await worldDown(name);
  assert.deepEqual({ ran, killed }, { ran: true, killed: 0 });
  await assertNothingLeft(used);
  assert.equal(existsSync(join(world.directory, 'world.json')), false);

  assert.deepEqual(await up(), world);
  assert.deepEqual(await ask(world, 'SELECT n FROM kept'), [{ n: 42 }]);
});

test('down cleans up after a supervisor that was killed', async () => {
  await up();
  const used = ports();
  const supervisor = worldStatus(name)?.supervisor;
  assert.ok(supervisor);
  process.kill(supervisor.pid, 'SIGKILL');
  await until(() => worldStatus(name) === undefined);
  const { ran, killed } = await worldDown(name);
  assert.equal(ran, true);
  assert.ok(killed >= engines.length, `${killed} killed`);
  await assertNothingLeft(used);
});

test('up cleans up after a supervisor that was killed, and starts anew', async () => {
  await up();
  process.kill(worldStatus(name)?.supervisor.pid ?? 0, 'SIGKILL');
  await until(() => worldStatus(name) === undefined);
  const world = await up();
  assert.deepEqual(await ask(world, 'SELECT n FROM kept'), [{ n: 42 }]);
});

test('an engine that cannot start is named, with its log, and nothing is left running', async () => {
  await up();
  const used = ports();
  await worldDown(name);
  // A directory where the history's file should be.
  const history = join(worldDirectory(name), 'temporal.db');
  for (const file of [history, `${history}-wal`, `${history}-shm`]) rmSync(file, { force: true });
  mkdirSync(history);
  await assert.rejects(up(), (error: Error) => {
    assert.match(error.message, /temporal did not start/);
    assert.match(error.message, /unable to open database file/);
    assert.match(error.message, /Next: /);
    return true;
  });
  await assertNothingLeft(used);
});

test('destroy removes the data too', async () => {
  const directory = worldDirectory(name);
  await worldDown(name, { destroy: true });
  assert.equal(existsSync(directory), false);
});

function ports(): number[] {
  return Object.values(worldStatus(name)?.engines ?? {}).flatMap((engine) => Object.values(engine.ports));
}

/** All processes that carry this world's mark; found here, not by the code under test. */
function markedPids(): string[] {
  const mark = `WAYBILL_WORLD=${worldDirectory(name)}`;
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
    } catch {
      return false;
    }
  });
}

/** Their command lines. */
function marked(): string[] {
  return markedPids().map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
}

/** Inodes of the sockets a process holds. */
function sockets(pid: string): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
}

/** Listening TCP sockets of this machine (state 0A in /proc/net/tcp and tcp6). */
function listeners(): { address: string; port: number; inode: string }[] {
  return ['tcp', 'tcp6'].flatMap((file) =>
    readFileSync(`/proc/net/${file}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A')
      .map((fields) => {
        const [host = '', port = ''] = (fields[1] ?? '').split(':');
        // IPv4 is one little-endian word; an IPv6 address is left as it is, and would not pass for loopback.
        const bytes = (host.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16));
        const address = host.length === 8 ? bytes.join('.') : host;
        return { address, port: Number.parseInt(port, 16), inode: fields[9] ?? '' };
      }),
  );
}

async function assertNothingLeft(used: readonly number[]): Promise<void> {
  assert.ok(used.length > 0);
  assert.deepEqual(marked(), []);
  for (const port of used) assert.equal(await isListening(port), false, `port ${port}`);
}

async function ask(world: World, query: string): Promise<unknown[]> {
  const client = new pg.Client({ ...world.postgres });
  await client.connect();
  try {
    const result = await client.query(query);
    return (Array.isArray(result) ? result.at(-1) : result).rows;
  } finally {
    await client.end();
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'did not happen within a minute');
    await delay(50);
  }
}
