// waybill.toml and the environment: precedence, paths, and errors that name the key.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadSettings } from '../../../src/config/settings.ts';
import { WaybillError } from '../../../src/core/errors.ts';

const root = mkdtempSync(join(tmpdir(), 'waybill-settings-'));
after(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
function directoryWith(toml?: string, name = 'waybill.toml'): string {
  const directory = join(root, String(++count));
  mkdirSync(directory);
  if (toml !== undefined) writeFileSync(join(directory, name), toml);
  return directory;
}

function refused(toml: string): WaybillError {
  try {
    loadSettings({ env: {}, cwd: directoryWith(toml) });
  } catch (error) {
    assert.ok(error instanceof WaybillError);
    assert.equal(error.code, 'SETTINGS_INVALID');
    return error;
  }
  return assert.fail('the settings were accepted');
}

test('without a file there are defaults', () => {
  const cwd = directoryWith();
  const settings = loadSettings({ env: {}, cwd });
  assert.equal(settings.file, undefined);
  assert.equal(settings.factoryDirectory, join(cwd, 'factory'));
  assert.equal(settings.workDirectory, join(tmpdir(), 'waybill'));
  assert.equal(settings.taskQueue, 'waybill');
  assert.deepEqual(settings.linkedService, {});
});

test('paths in the file are relative to the file, linked services keep their keys', () => {
  const elsewhere = directoryWith(
    'factoryDirectory = "adf"\ntaskQueue = "q"\n' +
      '[linkedService.ls_sql]\nserver = "localhost,1433"\npassword = { env = "PW" }\nport = 5\nencrypt = true\n' +
      '[linkedService."Azure SQL (old)"]\nserver = "x"\n',
    'world.toml',
  );
  const settings = loadSettings({ env: { WAYBILL_CONFIG: join(elsewhere, 'world.toml') }, cwd: root });
  assert.equal(settings.factoryDirectory, join(elsewhere, 'adf'));
  assert.equal(settings.taskQueue, 'q');
  assert.deepEqual(settings.linkedService, {
    ls_sql: { server: 'localhost,1433', password: { env: 'PW' }, port: 5, encrypt: true },
    'Azure SQL (old)': { server: 'x' },
  });
});

test('the environment wins; a secret stays in its variable', () => {
  const cwd = directoryWith('taskQueue = "file"\n[linkedService.ls_sql]\nserver = "a"\npassword = "b"\n');
  const settings = loadSettings({
    env: {
      WAYBILL_TASK_QUEUE: 'env',
      WAYBILL_FACTORY_DIRECTORY: 'f',
      WAYBILL_LINKED_SERVICE__LS_SQL__password: 'secret',
    },
    cwd,
  });
  assert.equal(settings.taskQueue, 'env');
  assert.equal(settings.factoryDirectory, join(cwd, 'f'));
  assert.deepEqual(settings.linkedService['ls_sql'], {
    server: 'a',
    password: { env: 'WAYBILL_LINKED_SERVICE__LS_SQL__password' },
  });
  assert.ok(!JSON.stringify(settings).includes('secret'));
});

test('settings cannot be changed', () => {
  const settings = loadSettings({ env: {}, cwd: directoryWith('[linkedService.a]\nb = "c"\n') });
  assert.throws(() => Object.assign(settings.linkedService['a'] ?? {}, { b: 'd' }), TypeError);
});

test('an unknown key is an error with the nearest name', () => {
  assert.match(refused('taskQeue = "x"').message, /no setting "taskQeue". Did you mean "taskQueue"/);
  assert.equal(refused('taskQeue = "x"').details['key'], 'taskQeue');
  assert.match(refused('[linkedServices.a]\nb = "c"').message, /Did you mean "linkedService"/);
});

test('wrong types, bad TOML and a missing file say where', () => {
  assert.match(refused('taskQueue = 5').message, /"taskQueue": .*expected string/i);
  assert.match(refused('a = \n').message, /waybill\.toml, line 1/);
  assert.throws(
    () => loadSettings({ env: { WAYBILL_CONFIG: 'gone.toml' }, cwd: root }),
    /WAYBILL_CONFIG names .*gone\.toml, which does not exist/,
  );
});
