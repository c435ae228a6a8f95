// Files within archives that other programs made: zip (fflate), tar and tar.gz (GNU tar), whole and damaged.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync, inflateRawSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { type FolderCopies, folderCopies } from '../support/folder-copies.ts';

const HEADER = { firstRowAsHeader: true };
const LONG = `${'n'.repeat(120)}.csv`;
const fails = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

describe('archives', { timeout: 120_000 }, () => {
  let copies: FolderCopies;
  const archives = new Map<string, Buffer>();
  before(async () => {
    copies = await folderCopies();
    const directory = mkdtempSync(join(tmpdir(), 'waybill-tar-'));
    try {
      const many = `a,b\n${Array.from({ length: 30_000 }, (_, i) => `${i},"v ${i}"`).join('\n')}\n`;
      writeFileSync(join(directory, '1.csv'), many);
      writeFileSync(join(directory, LONG), 'b,a\nlast,-1\n');
      writeFileSync(join(directory, '.hidden'), 'no rows');
      const names = ['1.csv', LONG, '.hidden'];
      for (const format of ['gnu', 'pax'])
        archives.set(
          `Tar ${format}`,
          execFileSync('tar', [`--format=${format}`, '-cf', '-', ...names], {
            cwd: directory,
            maxBuffer: 1e8,
          }),
        );
      archives.set(
        'TarGzip',
        execFileSync('tar', ['-czf', '-', ...names], { cwd: directory, maxBuffer: 1e8 }),
      );
      const files = Object.fromEntries(
        names.map((name) => [`folder/${name}`, new Uint8Array(readFileSync(join(directory, name)))]),
      );
      archives.set('ZipDeflate', Buffer.from(zipSync(files)));
      archives.set('ZipDeflate stored', Buffer.from(zipSync(files, { level: 0 })));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
  after(() => copies.stop());

  test('all rows of the files within are read, whatever packed them', async () => {
    for (const [name, bytes] of archives) {
      const compressionCodec = name.split(' ')[0] ?? '';
      const file = name.replace(' ', '-');
      await copies.put(`${file}.bin`, bytes);
      const lines = await copies.lines(
        file,
        copies.end('DelimitedText', `${file}.bin`, { ...HEADER, compressionCodec }),
      );
      assert.equal(lines.length, 30_002, name);
      assert.equal(lines[30_000], '29999,v 29999', name);
      assert.equal(lines[30_001], '-1,last', name);
    }
  });

  test('damaged ones are refused, and nothing is packed', async () => {
    for (const [name, bytes] of archives) {
      const compressionCodec = name.split(' ')[0] ?? '';
      const file = `bad-${name.replace(' ', '-')}`;
      const source = copies.end('DelimitedText', `${file}.bin`, { ...HEADER, compressionCodec });
      await copies.put(`${file}.bin`, bytes.subarray(0, bytes.length >> 1));
      await assert.rejects(copies.lines(file, source), fails('FILE_INVALID'), name);
    }
    const zip = Buffer.from(archives.get('ZipDeflate stored') ?? '');
    zip.writeUInt8(zip.readUInt8(5_000) ^ 1, 5_000);
    await copies.put('flipped.zip', zip);
    const flipped = copies.end('DelimitedText', 'flipped.zip', { ...HEADER, compressionCodec: 'ZipDeflate' });
    await assert.rejects(copies.lines('flipped', flipped), fails('FILE_INVALID'));
    for (const [size, why] of [
      [100, /longer than it says/],
      [0x7fffffff, /shorter than it says/],
    ] as const) {
      const lying = Buffer.from(archives.get('ZipDeflate') ?? '');
      lying.writeUInt32LE(size, lying.indexOf('PK\u0001\u0002') + 24);
      await copies.put(`lying-${size}.zip`, lying);
      const source = copies.end('DelimitedText', `lying-${size}.zip`, {
        ...HEADER,
        compressionCodec: 'ZipDeflate',
      });
      await assert.rejects(
        copies.lines(`lying-${size}`, source),
        (error: unknown) => fails('FILE_INVALID')(error) && why.test(String(error)),
      );
    }
    await copies.put('plain.csv', 'a\n1\n');
    await assert.rejects(
      copies.runner.copy(
        'pack',
        copies.end('DelimitedText', 'plain.csv', HEADER),
        copies.end('DelimitedText', 'out.zip', { compressionCodec: 'ZipDeflate' }),
      ),
      fails('DEFINITION_UNSUPPORTED'),
    );
  });

  describe('in Binary copies', () => {
    const unpack = (name: string, from: string, to: string, options: object = {}): Promise<unknown> => {
      const {
        type = 'ZipDeflate',
        source = {},
        sink = {},
      } = options as Record<string, JsonObject> & {
        type?: string;
      };
      const folder = { compression: { type } };
      return copies.runner.copy(
        name,
        copies.end('Binary', from, folder, source),
        copies.end('Binary', to, {}, sink),
      );
    };
    const bare = {
      formatSettings: {
        type: 'BinaryReadSettings',
        compressionProperties: { type: 'ZipDeflateReadSettings', preserveZipFileNameAsFolder: false },
      },
    };
    const flat = { storeSettings: { copyBehavior: 'FlattenHierarchy' } };
    const merged = { storeSettings: { copyBehavior: 'MergeFiles' } };

    test('archives are unpacked into folders of their names, or beside one another', async () => {
      const inside = ['.hidden', '1.csv', LONG].sort();
      const zip = archives.get('ZipDeflate') ?? '';
      await copies.put('zips/sub/many.zip', zip);
      await unpack('zip', 'zips/', 'unzipped/');
      assert.deepEqual(
        await copies.names('unzipped'),
        inside.map((name) => `sub/many.zip/folder/${name}`),
      );
      assert.equal(await copies.text(`unzipped/sub/many.zip/folder/${LONG}`), 'b,a\nlast,-1\n');
      await unpack('zip', 'zips/', 'unzipped/');
      await unpack('bare', 'zips/sub/many.zip', 'bare/', { source: bare });
      assert.deepEqual(
        await copies.names('bare'),
        inside.map((name) => `folder/${name}`),
      );
      for (const type of ['Tar gnu', 'Tar pax', 'TarGzip']) {
        await copies.put('tars/a.tar', archives.get(type) ?? '');
        await unpack(type, 'tars/a.tar', `${type}/`, { type: type.split(' ')[0] ?? '' });
        assert.deepEqual(
          await copies.names(type),
          inside.map((name) => `a.tar/${name}`),
        );
      }
      await unpack('flat', 'zips/', 'flat/', { sink: flat });
      const made = await copies.names('flat');
      assert.equal(made.length, 3);
      assert.ok(
        made.every((name) => /^data_[0-9a-f-]+(\.csv|\.hidden)?$/.test(name)),
        made.join(),
      );
      await unpack('merged', 'zips/', 'merged/all.txt', { sink: merged });
      assert.match(await copies.text('merged/all.txt'), /29999,"v 29999"\nb,a\nlast,-1\nno rows$/);
    });

    test('gzip and deflate are taken away and put on, with the endings of names', async () => {
      await copies.put('plain/a.csv', 'a\n1\n');
      await copies.put('plain/b.json.gz', gzipSync('{}'));
      const pack = (type: string, level: string): JsonObject => ({ compression: { type, level } });
      const [plain, gzip] = [copies.end('Binary', 'plain/'), pack('GZip', 'Optimal')];
      await copies.runner.copy('as they are', plain, copies.end('Binary', 'kept/'));
      assert.deepEqual(await copies.bytes('kept/b.json.gz'), gzipSync('{}'));
      await copies.runner.copy('gzip', plain, copies.end('Binary', 'zipped/', gzip));
      assert.deepEqual(await copies.names('zipped'), ['a.csv.gz', 'b.json.gz']);
      assert.equal(gunzipSync(await copies.bytes('zipped/a.csv.gz')).toString(), 'a\n1\n');
      const back = copies.end('Binary', 'zipped/a.csv.gz', gzip);
      await copies.runner.copy('gunzip', back, copies.end('Binary', 'again/', pack('deflate', 'Fastest')));
      assert.deepEqual(await copies.names('again'), ['a.csv.deflate']);
      assert.equal(inflateRawSync(await copies.bytes('again/a.csv.deflate')).toString(), 'a\n1\n');
      await assert.rejects(
        copies.runner.copy('none', copies.end('Binary', 'plain/a.csv', gzip), copies.end('Binary', 'no/')),
        fails('FILE_INVALID'),
      );
      assert.deepEqual(await copies.names('no').catch(() => []), []);
    });

    test('what leads out of its folder, and what has no one name, is refused', async () => {
      await copies.put('evil/slip.zip', Buffer.from(zipSync({ '../../slipped.txt': new Uint8Array([65]) })));
      await assert.rejects(unpack('slip', 'evil/', 'caught/'), fails('FILE_INVALID'));
      await copies.put('evil/slip.zip', Buffer.from(zipSync({ '/etc/x.txt': new Uint8Array([65]) })));
      await unpack('absolute', 'evil/', 'caught/');
      assert.deepEqual(await copies.names('caught'), ['slip.zip/etc/x.txt']);
      await copies.put('many/many.zip', archives.get('ZipDeflate') ?? '');
      await assert.rejects(unpack('one', 'many/', 'one/file.csv'), fails('DEFINITION_INVALID'));
      await assert.rejects(
        unpack('bzip2', 'many/', 'one/', { type: 'bzip2' }),
        fails('DEFINITION_UNSUPPORTED'),
      );
      await assert.rejects(
        copies.runner.copy(
          'archive',
          copies.end('Binary', 'many/'),
          copies.end('Binary', 'out/', { compression: { type: 'TarGzip' } }),
        ),
        fails('DEFINITION_UNSUPPORTED'),
      );
    });
  });
});
