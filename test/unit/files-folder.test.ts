// A folder as a store of files: nothing leaves it, nothing half-written is seen, a full disk is named and cleaned up after.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openFileStore } from '../../src/connectors/file-stores.ts';
import { fileSystemConfig } from '../../src/connectors/file-system/config.ts';
import { fileSystem } from '../../src/connectors/file-system/index.ts';
import { FolderStore } from '../../src/connectors/file-system/store.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column } from '../../src/core/types/column.ts';

const never = new AbortController().signal;
const text = { contentType: 'text/plain', verify: true };
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

async function* bytes(...pieces: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece as string);
}

describe('a folder of files', () => {
  let outer: string;
  let root: string;
  let store: FolderStore;

  before(async () => {
    outer = await mkdtemp(join(tmpdir(), 'waybill-folder-'));
    root = join(outer, 'root');
    await mkdir(root);
    await writeFile(join(outer, 'secret.txt'), 'secret');
    store = new FolderStore(root, never);
  });
  after(() => rm(outer, { recursive: true, force: true }));

  test('no name leads out of it', async () => {
    const names = [
      '../secret.txt',
      'a/../../secret.txt',
      '..',
      '.',
      './x',
      'a/./b',
      '/etc/passwd',
      '//x',
      'a//b',
      'a/',
      '',
      'a\0b',
      `${'../'.repeat(40)}etc/passwd`,
    ];
    for (const name of names) {
      const doing = [
        () => store.head(name),
        () => store.open(name),
        () => store.write(name, bytes('x'), text),
        () => store.remove(name),
        () => store.readJson(name),
        () => store.writeJson(name, {}),
        () => store.writeJson(name, {}, true),
        () => store.copy({ key: 'x', bytes: 1, etag: '' }, name),
      ];
      for (const attempt of doing)
        await assert.rejects(attempt(), coded('IDENTIFIER_INVALID'), JSON.stringify(name));
    }
    // Opaque here, whatever they mean elsewhere.
    for (const name of ['%2e%2e/secret.txt', '..a/b', 'a..', '\u0024{HOME}', '`id`', 'C:\\x', 'new\nline']) {
      await store.write(name, bytes('inside'), text);
      assert.equal(await readFile(join(root, name), 'utf8'), 'inside');
      await store.remove(name);
    }
    assert.deepEqual(await readdir(outer), ['root', 'secret.txt']);
    assert.equal(await readFile(join(outer, 'secret.txt'), 'utf8'), 'secret');
  });

  test('no symbolic link leads out of it', async () => {
    await symlink(outer, join(root, 'up'));
    await symlink(join(outer, 'secret.txt'), join(root, 'linked.txt'));
    for (const name of ['up/secret.txt', 'linked.txt', 'up/new.txt', 'up/deep/new.txt']) {
      await assert.rejects(store.open(name), coded('IDENTIFIER_INVALID'), name);
      await assert.rejects(store.write(name, bytes('x'), text), coded('IDENTIFIER_INVALID'), name);
      await assert.rejects(store.remove(name), coded('IDENTIFIER_INVALID'), name);
    }
    const listed: string[] = [];
    for await (const { key } of store.list('')) listed.push(key);
    assert.deepEqual(listed, []);
    await assert.rejects(async () => {
      for await (const { key } of store.list('up/')) assert.fail(key);
    }, coded('IDENTIFIER_INVALID'));
    await rm(join(root, 'up'));
    await rm(join(root, 'linked.txt'));
    assert.deepEqual(await readdir(outer), ['root', 'secret.txt']);
  });

  test('a link within it is a file', async () => {
    await store.write('real.txt', bytes('real'), text);
    await symlink(join(root, 'real.txt'), join(root, 'alias.txt'));
    const listed: string[] = [];
    for await (const { key } of store.list('')) listed.push(key);
    assert.deepEqual(listed, ['alias.txt', 'real.txt']);
    await store.remove('alias.txt');
    await store.remove('real.txt');
  });

  test('a file that grows while it is read is not taken for whole', async () => {
    await writeFile(join(root, 'growing'), Buffer.alloc(3_000_000, 'a'));
    const stream = (await store.open('growing')).stream();
    await assert.rejects(async () => {
      for await (const piece of stream) {
        assert.ok(piece.length > 0);
        await writeFile(join(root, 'growing'), Buffer.alloc(3_000_001, 'b'));
      }
    }, coded('SOURCE_CHANGED'));
    await rm(join(root, 'growing'));
  });

  test("a copy's ledger folders go with their last file", async () => {
    await store.writeJson('out/_waybill/key/plan.json', {}, true);
    await store.writeJson('out/_waybill/key/chunk-00000.json', {}, true);
    await store.write('out/part-0.csv', bytes('x'), text);
    await store.remove('out/_waybill/key/plan.json');
    await store.remove('out/_waybill/key/chunk-00000.json');
    assert.deepEqual(await readdir(join(root, 'out')), ['part-0.csv']);
  });

  test('settings name an absolute folder, and one that is missing is named', async () => {
    for (const host of ['', 'relative/folder', '\\\\server\\share', 'a\0b']) {
      const service = { name: 'ls', type: 'FileServer', properties: { host } };
      assert.throws(() => fileSystemConfig(service), coded('SETTINGS_INVALID'), host);
    }
    const service = { name: 'ls', type: 'FileServer', properties: { host: join(outer, 'none') } };
    const { store: missing, folder } = await openFileStore(service, '/logs/today/', never);
    assert.equal(folder, 'logs/today');
    await assert.rejects(missing.write('logs/x', bytes('x'), text), (error) => {
      assert.ok(coded('OBJECT_MISSING')(error), String(error));
      assert.match(String(error), /none does not exist/);
      return true;
    });
  });

  test('a full disk is named, leaves nothing, and the same write succeeds once there is room', async (t) => {
    const disk = join(outer, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      t.skip('mounting a small disk needs root');
      return;
    }
    try {
      const small = new FolderStore(disk, never);
      await small.write('filler', bytes(Buffer.alloc(1_200_000)), text);
      const big = Buffer.alloc(1_500_000, 'x');
      await assert.rejects(small.write('folder/big', bytes(big), text), (error) => {
        assert.ok(error instanceof WaybillError);
        assert.equal(error.code, 'STAGING_FAILED');
        assert.equal(error.retryable, true);
        assert.match(error.message, /folder\/big.*disk is full \(ENOSPC\)/);
        assert.ok(!error.message.includes(disk));
        return true;
      });
      assert.deepEqual(await readdir(join(disk, 'folder')), []);
      await small.remove('filler');
      await small.write('folder/big', bytes(big), text);
      assert.ok(big.equals(await readFile(join(disk, 'folder', 'big'))));
    } finally {
      execFileSync('umount', [disk], { stdio: 'ignore' });
    }
  });
});

test('a pattern of names chooses among the files that a manifest publishes, and the types it names hold', async () => {
  const root = await mkdtemp(join(tmpdir(), 'waybill-manifest-'));
  try {
    await mkdir(join(root, 'd'));
    for (const name of ['part-0.csv', 'part-1.csv', 'other.csv', 'part-9.csv'])
      await writeFile(join(root, 'd', name), 'carrier,flights\nAA,3\n');
    const files = ['part-0.csv', 'part-1.csv', 'other.csv'].map((name) => ({ name, rows: 1 }));
    const columns = [
      { name: 'carrier', type: 'varchar(2)' },
      { name: 'flights', type: 'bigint' },
    ];
    await writeFile(join(root, 'd', 'manifest.json'), JSON.stringify({ files, rows: 3, columns }));
    const source = await fileSystem.openSource({
      linkedService: { name: 'ls', type: 'FileServer', properties: { host: root } },
      endpoint: {
        linkedService: 'ls',
        datasetType: 'DelimitedText',
        dataset: { location: { type: 'FileServerLocation', folderPath: 'd' }, firstRowAsHeader: true },
        settings: { storeSettings: { wildcardFileName: 'part-*.csv' } },
      },
      copyId: 'manifest',
      workDirectory: root,
      signal: new AbortController().signal,
    });
    const { type } = (await source.columns()).find(({ name }) => name === 'flights') as Column;
    assert.equal(type, 'Int64');
    // part-9.csv matches, but nobody published it.
    assert.equal((await source.plan(1)).files, 2);
    await source.close();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
