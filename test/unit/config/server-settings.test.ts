// The settings of the HTTP door and of Web activities: from file and environment, and keys that are never in either's text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callbackDoor, readKeys } from '../../../src/config/server-keys.ts';
import { loadSettings, type Settings } from '../../../src/config/settings.ts';
import { writeFactory } from '../../support/factory-files.ts';

function load(toml: string, env: Record<string, string> = {}): Settings {
  const folder = writeFactory({ 'waybill.toml': toml });
  try {
    return loadSettings({ env, cwd: folder.directory });
  } finally {
    folder.remove();
  }
}

test('without settings the door listens on loopback, and has the keys of the usual variables', () => {
  const { server, web } = load('', { WAYBILL_SIGNING_KEY: 'x' });
  assert.deepEqual(
    [
      server.host,
      server.port,
      server.publicUrl,
      server.signingKeys,
      server.eventKeys,
      server.apiKeys,
      web.allow,
    ],
    ['127.0.0.1', 8080, undefined, ['WAYBILL_SIGNING_KEY'], [], [], []],
  );
});

test('the environment goes before the file', () => {
  const toml = `
[server]
host = "0.0.0.0"
port = 9000
publicUrl = "https://door.example.com/waybill/"
signingKeys = [{ env = "NEW" }, { env = "OLD" }]
[web]
allow = ["localhost", "127.0.0.0/8"]
`;
  const written = load(toml);
  assert.deepEqual(
    [written.server.host, written.server.port, written.server.publicUrl, written.server.signingKeys],
    ['0.0.0.0', 9000, 'https://door.example.com/waybill', ['NEW', 'OLD']],
  );
  assert.deepEqual(written.web.allow, ['localhost', '127.0.0.0/8']);
  const env = {
    WAYBILL_SERVER_PORT: '0',
    WAYBILL_PUBLIC_URL: 'http://127.0.0.1:5',
    WAYBILL_SIGNING_KEY: 'x',
  };
  const { server } = load(toml, env);
  assert.deepEqual(
    [server.port, server.publicUrl, server.signingKeys],
    [0, 'http://127.0.0.1:5', ['NEW', 'OLD']],
  );
});

for (const [what, toml] of [
  ['a key in the file', '[server]\nsigningKeys = ["secret"]'],
  ['an unknown setting', '[server]\nprot = 1'],
  ['an address that is none', '[server]\npublicUrl = "door"'],
  ['a port that is none', '[server]\nport = 70000'],
] as const)
  test(`${what} is refused`, () => {
    assert.throws(() => load(toml), { code: 'SETTINGS_INVALID' });
  });

test('keys are read from their variables; short and missing ones are named, not shown', () => {
  const long = 'a-key-long-enough';
  assert.deepEqual(readKeys(['A', 'B'], { A: long, B: `${long}-2` }), [long, `${long}-2`]);
  assert.throws(() => readKeys(['A'], {}), { code: 'SECRET_MISSING', message: /variable A/ });
  assert.throws(() => readKeys(['A'], { A: 'short' }), {
    code: 'SETTINGS_INVALID',
    message: /^(?!.*short).*A has/,
  });
});

test('callbacks have an address only where there is a door and a key', () => {
  const env = { NEW: 'the-new-signing-key', OLD: 'the-old-signing-key' };
  const { server } = load(
    '[server]\npublicUrl = "https://d"\nsigningKeys = [{ env = "NEW" }, { env = "OLD" }]',
  );
  assert.deepEqual(callbackDoor(server, env), { publicUrl: 'https://d', signingKey: 'the-new-signing-key' });
  assert.equal(callbackDoor({ ...server, signingKeys: [] }, env), undefined);
});
