// What every store of files guarantees, on all three of them: whole or not at all, once, pinned, cleaned up, checked.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { projectPath } from '../../dev/cache.ts';
import type { FileStore, StoredFile } from '../../src/connectors/common/files/file-store.ts';
import { WaybillError } from '../../src/core/errors.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { azurePlace, type FilePlace, folderPlace, type OpenPlace, s3Place } from '../support/file-places.ts';
import { sharedWorld } from '../support/world.ts';

const CONTAINER = 'files-stores';
const MEBIBYTE = 1_048_576;
const PART = 5 * MEBIBYTE;
const text = { contentType: 'text/plain', verify: true };
const coded =
  (...codes: string[]) =>
  (error: unknown) =>
    error instanceof WaybillError && codes.includes(error.code);

/** Bytes that differ everywhere, from a seed. */
const bytesOf = (length: number, seed = 1): Buffer => {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i + 4 <= length; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, i);
  }
  return bytes;
};

async function* inPieces(bytes: Buffer, size = 700_001): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const collect = async (pieces: AsyncIterable<Buffer>): Promise<Buffer> => {
  const kept: Buffer[] = [];
  for await (const piece of pieces) kept.push(piece);
  return Buffer.concat(kept);
};

const listed = async (files: AsyncIterable<StoredFile>): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of files) keys.push(key);
  return keys;
};

const places: FilePlace[] = [s3Place(CONTAINER), azurePlace(CONTAINER), folderPlace()];

describe('stores of files', { timeout: 600_000 }, () => {
  before(async () => {
    const world = await sharedWorld(places.flatMap(({ engines }) => engines));
    for (const place of places) await place.start(world);
  });
  after(async () => {
    for (const place of places) await place.stop();
  });

  for (const place of places) {
    describe(`files on ${place.type}`, { timeout: 300_000 }, () => {
      const withStore = async <T>(
        work: (store: FileStore) => Promise<T>,
        options: OpenPlace = {},
      ): Promise<T> => {
        const store = await place.open(options);
        try {
          return await work(store);
        } finally {
          await store.close();
        }
      };

      test('files of any size come back byte for byte, whole and in ranges, and are verified', async () => {
        await withStore(
          async (store) => {
            for (const size of [0, 1, PART - 1, PART, PART + 1, 2 * PART + 17]) {
              const bytes = bytesOf(size, size + 1);
              const key = `sizes/${size}.bin`;
              const written = await store.write(key, inPieces(bytes), text);
              assert.equal(written.bytes, size);
              assert.equal(written.check, place.type === 'FileServer' ? 'readBack' : 'store');
              assert.ok(bytes.equals(await place.content(key)), `${size} bytes as another client reads them`);
              const file = await store.open(key, written.etag);
              assert.equal(file.size, size);
              assert.ok(bytes.equals(await collect(file.stream())));
              if (size > 10) assert.ok(bytes.subarray(3, 10).equals(await file.read(3, 7)));
              assert.equal((await store.head(key))?.etag, written.etag);
            }
          },
          { partSize: PART },
        );
      });

      test('names are opaque, and listed in the order of their bytes', async () => {
        const names = [
          'a b',
          'a/b',
          'a.csv',
          'Ä ü 漢字 🙂',
          "it's",
          '100%25',
          'q?x=1&y',
          'plus+plus',
          'back`tick',
          '\u0024{x}',
          '#1',
        ];
        await withStore(async (store) => {
          for (const name of names) await store.write(`names/${name}`, inPieces(Buffer.from(name)), text);
          const keys = await listed(store.list('names/'));
          const sorted = names
            .map((name) => `names/${name}`)
            .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
          assert.deepEqual(keys, sorted);
          for (const key of keys) {
            const file = await store.open(key);
            assert.equal((await collect(file.stream())).toString(), key.slice('names/'.length));
          }
          assert.deepEqual(await listed(store.list('names/a/')), ['names/a/b']);
          assert.deepEqual(await listed(store.list('names/nothing/')), []);
          for (const key of keys) await store.remove(key);
          for (const key of keys) await store.remove(key);
          assert.deepEqual(await listed(store.list('names/')), []);
        });
      });

      test('a listing has no end page', async () => {
        const wanted = Array.from({ length: 1_205 }, (_, i) => `pages/${String(i).padStart(5, '0')}`);
        for (let at = 0; at < wanted.length; at += 20) {
          await Promise.all(wanted.slice(at, at + 20).map((key) => place.put(key, 'x')));
        }
        await withStore(async (store) => assert.deepEqual(await listed(store.list('pages/')), wanted));
      });

      test('of many who write a receipt once, one does', async () => {
        await withStore(async (store) => {
          const tries = await Promise.all(
            Array.from({ length: 8 }, (_, who) => store.writeJson('once/receipt.json', { who }, true)),
          );
          assert.equal(tries.filter(Boolean).length, 1);
          const who = tries.indexOf(true);
          assert.deepEqual(await store.readJson('once/receipt.json'), { who });
          assert.equal(await store.writeJson('once/receipt.json', { who: 'late' }, true), false);
          assert.equal(await store.writeJson('once/receipt.json', { who: 'again' }), true);
          assert.deepEqual(await store.readJson('once/receipt.json'), { who: 'again' });
          assert.equal(await store.readJson('once/none.json'), undefined);
          assert.deepEqual(await place.uploads('once/'), []);
        });
      });

      test('a file that changed is another file, before reading and while reading', async () => {
        await withStore(async (store) => {
          const first = await store.write('changing', inPieces(bytesOf(3 * MEBIBYTE)), text);
          const opened = await store.open('changing', first.etag);
          const reading = opened.stream()[Symbol.asyncIterator]();
          await reading.next();
          await place.put('changing', bytesOf(3 * MEBIBYTE, 2));
          await assert.rejects(store.open('changing', first.etag), coded('SOURCE_CHANGED'));
          await assert.rejects(opened.read(0, 10), coded('SOURCE_CHANGED'));
          await assert.rejects(collect(opened.stream()), coded('SOURCE_CHANGED'));
          await reading.return?.();
          await assert.rejects(store.copy(first, 'changed-copy'), coded('SOURCE_CHANGED'));
          await assert.rejects(store.open('no such file'), coded('OBJECT_MISSING'));
          assert.equal(await store.head('no such file'), undefined);
          assert.deepEqual(await place.keys('changed-copy'), []);
        });
      });

      test('an upload whose source fails leaves nothing, and says what the source said', async () => {
        await withStore(
          async (store) => {
            async function* failing(): AsyncGenerator<Buffer> {
              yield bytesOf(3 * PART);
              throw new WaybillError('QUERY_FAILED', 'the source broke');
            }
            await assert.rejects(store.write('broken/a', failing(), text), coded('QUERY_FAILED'));
          },
          { partSize: PART },
        );
        assert.deepEqual(await place.keys('broken/'), []);
        await withStore((store) => store.abortUploads('broken/', () => true));
        assert.deepEqual(await place.uploads('broken/'), []);
      });

      test('an upload that is cancelled leaves nothing that is seen', async () => {
        const cancel = new AbortController();
        await withStore(
          async (store) => {
            async function* endless(): AsyncGenerator<Buffer> {
              for (let part = 0; ; part++) {
                if (part === 4) cancel.abort();
                yield bytesOf(PART, part);
              }
            }
            await assert.rejects(store.write('cancelled/a', endless(), text));
          },
          { partSize: PART, signal: cancel.signal },
        );
        assert.deepEqual(await place.keys('cancelled/'), []);
        await withStore((store) => store.abortUploads('cancelled/', () => true));
        assert.deepEqual(await place.uploads('cancelled/'), []);
      });

      test('what a killed process had begun to upload is removed by another, and nothing else is', async () => {
        const { signalCode } = await killedUploading('killed/ours-1');
        assert.equal(signalCode, 'SIGKILL');
        await killedUploading('killed/theirs-1');
        assert.deepEqual(await place.keys('killed/'), []);
        const begun = await place.uploads('killed/');
        assert.equal(begun.length, 2, `two uploads were begun: ${begun.join(', ')}`);
        await withStore(async (store) => {
          await store.write('killed/ours-2', inPieces(Buffer.from('whole')), text);
          await store.abortUploads('killed/', (key) => key.includes('/ours'));
        });
        const left = await place.uploads('killed/');
        assert.equal(left.length, 1);
        assert.match(left[0] ?? '', /theirs-1/);
        assert.deepEqual(await place.keys('killed/'), ['killed/ours-2'], 'a finished file stays');
        await withStore((store) => store.abortUploads('', () => true));
        assert.deepEqual(await place.uploads('killed/'), []);
      });

      const killedUploading = async (key: string) => {
        const program = projectPath('build', 'test', 'support', 'endless-upload.js');
        const argument = JSON.stringify([place.service(), CONTAINER, key]);
        const child = spawn(process.execPath, [program, argument], { stdio: ['ignore', 'pipe', 'inherit'] });
        const exited = once(child, 'exit');
        await Promise.race([
          once(child.stdout, 'data'),
          exited.then(() => assert.fail('it ended by itself')),
        ]);
        child.kill('SIGKILL');
        await exited;
        return child;
      };

      test('a copy within the store takes the place of an older file', async () => {
        await withStore(async (store) => {
          const bytes = bytesOf(2 * MEBIBYTE, 7);
          const file = await store.write('copies/from ü', inPieces(bytes), text);
          await store.write('copies/to', inPieces(Buffer.from('old')), text);
          await store.copy(file, 'copies/to');
          await store.copy(file, 'copies/to');
          assert.ok(bytes.equals(await place.content('copies/to')));
          await store.copy(file, file.key);
          assert.ok(bytes.equals(await place.content(file.key)));
        });
      });

      if (place.type !== 'FileServer') {
        /** Runs `work` with a proxy before the store. */
        const throughProxy = async (
          work: (proxy: FaultProxy, store: FileStore) => Promise<void>,
        ): Promise<void> => {
          const proxy = await startFaultProxy(place.address ?? '');
          try {
            await withStore((store) => work(proxy, store), { endpoint: proxy.endpoint, partSize: PART });
          } finally {
            await proxy.stop();
          }
        };
        const onAzure = place.type === 'AzureBlobStorage';
        const part = onAzure ? /PUT .*comp=block(&|\s)/ : /PUT .*partNumber=/;
        const completion = onAzure ? /PUT .*comp=blocklist/ : /POST .*uploadId=/;
        const bytes = bytesOf(3 * PART, 11);

        test('a lost acknowledgement of the completion is no failure, and one file', async () => {
          await throughProxy(async (proxy, store) => {
            proxy.faults.push({ match: completion, kind: 'lost', times: 1 });
            const written = await store.write('lost/a', inPieces(bytes), text);
            assert.equal(written.check, 'store');
            assert.equal(proxy.faults[0]?.times, 0, 'the fault has hit');
            assert.ok(bytes.equals(await place.content('lost/a')));
            assert.deepEqual(await place.uploads('lost/'), []);
          });
        });

        test('refused and throttled parts are sent again', async () => {
          await throughProxy(async (proxy, store) => {
            proxy.faults.push({ match: part, kind: 'refused', times: 1 });
            proxy.faults.push({ match: part, kind: 'status', status: 503, body: '', times: 1 });
            proxy.faults.push({ match: part, kind: 'lost', times: 1 });
            await store.write('throttled/a', inPieces(bytes), text);
            assert.deepEqual(
              proxy.faults.map(({ times }) => times),
              [0, 0, 0],
            );
            assert.ok(bytes.equals(await place.content('throttled/a')));
          });
        });

        test('an expired credential is tried again, with what the next attempt signs with', async () => {
          await throughProxy(async (proxy, store) => {
            const code = onAzure ? 'AuthenticationFailed' : 'ExpiredToken';
            const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>expired</Message></Error>`;
            proxy.faults.push({ match: part, kind: 'status', status: onAzure ? 403 : 400, body, times: 10 });
            await assert.rejects(
              store.write('expired/a', inPieces(bytes), text),
              coded(onAzure ? 'AUTHENTICATION_FAILED' : 'CONNECTION_FAILED'),
            );
            proxy.faults.length = 0;
            assert.deepEqual(await place.keys('expired/'), []);
            assert.deepEqual(await place.uploads('expired/'), []);
            await store.write('expired/a', inPieces(bytes), text);
            assert.ok(bytes.equals(await place.content('expired/a')));
          });
        });

        test('a byte that is changed on its way is noticed by the store', async () => {
          await throughProxy(async (proxy, store) => {
            proxy.faults.push({ match: part, kind: 'corrupted', times: 1 });
            await assert.rejects(store.write('corrupt/a', inPieces(bytes), text), (error) => {
              assert.ok(error instanceof WaybillError);
              assert.equal(error.retryable, true, `${error.code}: ${error.message}`);
              return true;
            });
            assert.equal(proxy.faults[0]?.times, 0, 'the fault has hit');
            assert.deepEqual(await place.keys('corrupt/'), []);
          });
        });

        test('a truncated answer is taken up where it broke; a store that only truncates is an error', async () => {
          await place.put('truncated/a', bytes);
          await throughProxy(async (proxy, store) => {
            const get = /^GET .*truncated/;
            const file = await store.open('truncated/a');
            proxy.faults.push({ match: get, kind: 'truncated', times: 2 });
            assert.ok(bytes.equals(await collect(file.stream())));
            assert.equal(proxy.calls.filter(({ call }) => get.test(call)).length, 3);
            await place.put('truncated/b', bytes.subarray(0, 8));
            const small = await store.open('truncated/b');
            proxy.faults.push({ match: get, kind: 'truncated', times: 1_000 });
            await assert.rejects(collect(small.stream()), coded('STAGING_FAILED', 'CONNECTION_FAILED'));
          });
        });

        test('a lost acknowledgement of a receipt is our own receipt, once', async () => {
          await throughProxy(async (proxy, store) => {
            proxy.faults.push({ match: /PUT .*receipt/, kind: 'lost', times: 1 });
            // The client asks again and is told that there is one; whoever asked compares it with his own.
            assert.equal(await store.writeJson('ack/receipt.json', { mine: true }, true), false);
            assert.deepEqual(await store.readJson('ack/receipt.json'), { mine: true });
          });
        });

        test('a store that is away, or slow to come, is an error that is tried again', async () => {
          await throughProxy(async (proxy, store) => {
            proxy.faults.push({ match: /.*/, kind: 'refused', times: 1_000 });
            await assert.rejects(store.head('away'), (error) => {
              assert.ok(error instanceof WaybillError && error.retryable, String(error));
              return true;
            });
          });
        });
      }
    });
  }

  test('AmazonS3: beyond what S3 copies at once, a file is copied in parts', async () => {
    const [place] = places;
    assert.ok(place);
    const store = await place.open({ partSize: PART, largestCopy: PART });
    try {
      const bytes = bytesOf(2 * PART + 1000, 5);
      const file = await store.write('parts/from', inPieces(bytes), text);
      await store.copy(file, 'parts/to');
      assert.ok(bytes.equals(await place.content('parts/to')));
      await place.put('parts/from', bytesOf(2 * PART + 1000, 6));
      await assert.rejects(store.copy(file, 'parts/late'), coded('SOURCE_CHANGED'));
      assert.deepEqual(await place.keys('parts/late'), []);
      assert.deepEqual(await place.uploads('parts/'), []);
    } finally {
      await store.close();
    }
  });
});
