// What keeps a rehearsal on this machine: the guard of its worker, the endpoint that answers for others, the local factory.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeLocalFactory } from '../../../dev/rehearse/local-factory.ts';
import { StubEndpoints } from '../../../dev/rehearse/world/stub-endpoints.ts';
import type { World } from '../../../dev/world/world.ts';
import { compileFactory } from '../../../src/definitions/compile-factory.ts';
import { readFactory } from '../../../src/definitions/factory.ts';
import { verdictOn } from '../../../src/definitions/validate.ts';

const guard = fileURLToPath(new URL('../../../dev/rehearse/world/guard.js', import.meta.url));
const factory = fileURLToPath(new URL('../../../../test/fixtures/rehearse', import.meta.url));

const directory = await mkdtemp(join(tmpdir(), 'waybill-apart-'));
after(() => rm(directory, { recursive: true, force: true }));

test('a guarded process reaches loopback and nothing else', async () => {
  const program = `
    import { createServer, connect } from 'node:net';
    import { request } from 'node:http';
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1', async () => {
      const { port } = server.address();
      const told = (socket) => new Promise((done) => {
        socket.once('connect', () => done('connected')).once('error', ({ code }) => done(code));
      });
      const results = [];
      for (const host of ['127.0.0.1', 'localhost', '203.0.113.7', 'example.invalid', '::ffff:203.0.113.7'])
        results.push(await told(connect({ host, port })));
      results.push(await told(connect(port, '203.0.113.7')));
      results.push(await told(request({ host: '203.0.113.7', port: 80 })));
      results.push(await fetch('http://203.0.113.7/').then(() => 'connected', ({ cause }) => cause.code));
      console.log(JSON.stringify(results));
      server.close();
    });`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', guard, '--input-type=module', '--eval', program],
    { timeout: 30_000 },
  );
  const refused = 'EREHEARSAL';
  assert.deepEqual(JSON.parse(stdout), [
    'connected',
    'connected',
    ...Array.from({ length: 6 }, () => refused),
  ]);
});

test('the endpoint answers what is read of it and records who asked', async () => {
  const stubs = new StubEndpoints();
  await stubs.start();
  try {
    stubs.answer('pl_x/ask', { status: 'Done' });
    const base = `http://127.0.0.1:${stubs.port}`;
    const asked = await fetch(`${base}/stub/pl_x%2Fask?url=https%3A%2F%2Fapi.example.com`, {
      method: 'POST',
      body: '{"a":1}',
    });
    assert.deepEqual(await asked.json(), { status: 'Done' });
    const other = await fetch(`${base}/stub/api/resize`, { headers: { 'x-waybill-rehearsal': 'PL_X/Ask' } });
    assert.deepEqual(await other.json(), { status: 'Done' });
    assert.deepEqual(
      stubs.calls.map(({ key, method, bodyBytes }) => ({ key, method, bodyBytes })),
      [
        { key: 'pl_x/ask', method: 'POST', bodyBytes: 7 },
        { key: 'pl_x/ask', method: 'GET', bodyBytes: 0 },
      ],
    );
  } finally {
    await stubs.stop();
  }
});

test('the local factory holds no address, credential or vault of the original, and is as runnable', async () => {
  const compiled = compileFactory(readFactory(factory), () => []);
  const world = {
    sqlServer: { server: 'localhost', port: 1, user: 'sa', passwordEnv: 'SQL_PASSWORD', caFile: '/ca.pem' },
    azureBlob: { endpoint: 'http://127.0.0.1:2/waybill', container: 'c', accountKeyEnv: 'KEY' },
  } as unknown as World;
  const local = await writeLocalFactory(compiled, directory, { world, stubPort: 3, files: '/files' });
  const names = await readdir(local.directory, { recursive: true });
  const texts = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map((name) => readFile(join(local.directory, name), 'utf8')),
  );
  const everything = texts.join('\n');
  for (const trace of [
    'windows.net',
    'azure.net',
    'encryptedCredential',
    'AzureKeyVaultSecret',
    'management.azure',
  ])
    assert.ok(!everything.includes(trace), trace);
  // The address a call would have gone to is only told to the endpoint.
  assert.match(
    everything,
    /@concat\('http:\/\/127\.0\.0\.1:3\/stub\/[^']*', uriComponent\(string\(concat\('https:\/\/worker/,
  );
  const service = texts.find((text) => text.includes('"LS_Sql"') && text.includes('localhost,1'));
  assert.match(service ?? '', /"database":"@\{linkedService\(\)\.DatabaseName\}"/);
  const verdicts = compileFactory(readFactory(local.directory), () => []).pipelines.map(verdictOn);
  assert.deepEqual(
    verdicts.filter(({ verdict }) => verdict !== 'runnable').map(({ name }) => name),
    ['PL_Unsupported'],
  );
  assert.deepEqual(local.changes.get('pl_incremental'), ['"Wait a while" waited 2 s instead of 300 s']);
});
