// Copies into and out of every store of files: published by a manifest, once, resumed, cleaned up also by others.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { CopySink, MeasuredRows } from '../../src/connectors/connector.ts';
import { connectorFor } from '../../src/connectors/registry.ts';
import type { CopyEndpoint } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Row } from '../../src/core/types/column.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { azurePlace, type FilePlace, folderPlace, s3Place } from '../support/file-places.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';

const CONTAINER = 'files-copies';
const ROWS = 2_500;
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
const never = new AbortController().signal;

const places: FilePlace[] = [s3Place(CONTAINER), azurePlace(CONTAINER), folderPlace()];
/** Holds what is copied: a folder of this machine. */
const origin = folderPlace();
let runner: CopyRunner;

/** Two rows of the columns of `many.csv`, for attempts made by hand. */
const FEW: MeasuredRows = {
  batches: {
    async *[Symbol.asyncIterator]() {
      yield [
        ['1', 'a', '2'],
        ['2', 'b', '3'],
      ];
    },
  },
  figures: () => ({ rows: 2, bytes: 10, checksum: '0' }),
};

const HARD = ['', 'a,b', '"quoted"', 'line\nbreak', '\\N', 'é 漢字 🙂', "'"];
const textOf = (i: number): string => HARD[i % HARD.length] ?? '';
const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

describe('copies of files', { timeout: 600_000 }, () => {
  before(async () => {
    const world = await sharedWorld(places.flatMap(({ engines }) => engines));
    for (const place of [...places, origin]) await place.start(world);
    runner = await CopyRunner.start(`files_${process.pid}`, (name) => {
      const place = name === 'origin' ? origin : places.find(({ type }) => type === name);
      assert.ok(place, name);
      return place.service();
    });
    const lines = Array.from(
      { length: ROWS },
      (_, i) => `${i},${quoted(textOf(i))},${i % 5 === 0 ? '' : i / 2}`,
    );
    await origin.put('many.csv', `id,name,half\n${lines.join('\n')}\n`);
    await origin.put('three.csv', 'id,name,half\n1,a,2\n2,b,3\n3,c,4\n');
    for (let part = 0; part < 4; part++) {
      await origin.put(
        `parts/${part}.csv`,
        `id,name,half\n${lines.filter((_, i) => i % 4 === part).join('\n')}\n`,
      );
    }
  });
  after(async () => {
    await runner?.stop();
    for (const place of [...places, origin]) await place.stop();
  });

  const from = (location: JsonObject, settings: JsonObject = {}): CopyEndpoint => ({
    linkedService: 'origin',
    datasetType: 'DelimitedText',
    dataset: { location: { type: 'FileServerLocation', ...location }, firstRowAsHeader: true },
    settings: { type: 'DelimitedTextSource', ...settings },
  });
  const MANY = from({ fileName: 'many.csv' });
  const THREE = from({ fileName: 'three.csv' });
  /** Four chunks: one for each file. */
  const PARTS = from({ folderPath: 'parts' });

  const FORMATS: Record<string, { type: string; dataset: JsonObject }> = {
    csv: { type: 'DelimitedText', dataset: { firstRowAsHeader: true, compressionCodec: 'gzip' } },
    json: { type: 'Json', dataset: {} },
    parquet: { type: 'Parquet', dataset: {} },
  };

  for (const place of places) {
    describe(`copies of files and ${place.type}`, { timeout: 300_000 }, () => {
      const endOf = (
        folder: string,
        options: { fileName?: string; format?: string; settings?: JsonObject } = {},
      ): CopyEndpoint => {
        const format = FORMATS[options.format ?? 'csv'];
        assert.ok(format);
        return {
          linkedService: place.type,
          datasetType: format.type,
          dataset: { location: place.location(folder, options.fileName), ...format.dataset },
          settings: { type: `${format.type}Sink`, ...options.settings },
        };
      };
      const id = (name: string): string => `${place.type}/${name}`;
      const visible = async (folder: string): Promise<string[]> =>
        (await place.keys(`${folder}/`)).filter((key) => !key.includes('/_waybill/'));
      const ledgerKeys = async (folder: string): Promise<string[]> =>
        (await place.keys(`${folder}/`)).filter((key) => key.includes('/_waybill/'));

      /** What a copy out of the folder finds, as rows of text. */
      const rowsOf = async (source: CopyEndpoint): Promise<Row[]> => {
        const connector = await connectorFor(place.type);
        const open = await connector.openSource({
          linkedService: place.service(),
          endpoint: source,
          copyId: 'look',
          workDirectory: runner.workDirectory,
          signal: never,
        });
        try {
          const columns = await open.columns();
          const rows: Row[] = [];
          const { ranges, sourceState } = await open.plan(2);
          for (const range of ranges)
            for await (const batch of open.read(columns, range, sourceState)) rows.push(...batch);
          return rows.sort((a, b) => Number(a[0]) - Number(b[0]));
        } finally {
          await open.close();
        }
      };
      const openSink = async (
        endpoint: CopyEndpoint,
        copyId: string,
        linkedService = place.service(),
        signal = never,
      ): Promise<CopySink> =>
        (await connectorFor(place.type)).openSink({
          ...{ linkedService, endpoint, copyId, signal },
          workDirectory: runner.workDirectory,
        });
      const expected = Array.from({ length: ROWS }, (_, i) => [
        String(i),
        textOf(i),
        i % 5 === 0 ? null : String(i / 2),
      ]);

      for (const format of Object.keys(FORMATS)) {
        test(`${format}: every row arrives, in chunks, and comes back`, async () => {
          const folder = `formats/${format}`;
          const run = await runner.copy(id(format), PARTS, endOf(folder, { format }), { parallelCopies: 4 });
          assert.ok(run.plan.chunks >= 4, `${run.plan.chunks} chunks`);
          assert.equal(run.published.rows, ROWS);
          assert.equal(run.published.files, run.plan.chunks);
          assert.equal(run.published.sourceChecksum, run.published.sinkChecksum);
          assert.deepEqual(await rowsOf(endOf(folder, { format })), expected);
          assert.deepEqual(await place.uploads(`${folder}/`), []);
        });
      }

      test('a manifest publishes; a new copy replaces an older one; an unpublished one leaves nothing', async () => {
        const folder = 'published';
        await runner.copy(id('published/1'), PARTS, endOf(folder), { parallelCopies: 4 });
        const first = await visible(folder);
        await runner.copy(id('published/2'), THREE, endOf(folder));
        const second = await visible(folder);
        assert.equal(second.length, 2, `a file and a manifest: ${second.join(', ')}`);
        assert.deepEqual(
          first.filter((key) => second.includes(key)),
          [`${folder}/manifest.json`],
        );
        const failed = runner.input(id('published/3'), PARTS, endOf(folder));
        const plan = await runner.run('planCopy', failed);
        await runner.run('copyChunk', { copy: failed, chunk: 0, epoch: plan.epoch });
        assert.equal((await visible(folder)).length, 3);
        assert.equal((await rowsOf(endOf(folder))).length, 3, 'what the manifest names, and no more');
        await runner.run('cleanUpCopy', failed);
        assert.deepEqual(await visible(folder), second);
      });

      test('a named file is staged, then put in place; its folder is shared', async () => {
        const folder = 'named';
        const named = (fileName: string): CopyEndpoint => endOf(folder, { fileName });
        await runner.copy(id('named/1'), MANY, named('a ü.csv.gz'));
        await runner.copy(id('named/2'), THREE, named('b.csv.gz'));
        assert.deepEqual(await visible(folder), [`${folder}/a ü.csv.gz`, `${folder}/b.csv.gz`]);
        const later = runner.input(id('named/3'), THREE, named('a ü.csv.gz'));
        const plan = await runner.run('planCopy', later);
        await runner.run('copyChunk', { copy: later, chunk: 0, epoch: plan.epoch });
        assert.equal((await rowsOf(named('a ü.csv.gz'))).length, ROWS, 'the old one until it is published');
        const published = await runner.run('publishCopy', { copy: later, epoch: plan.epoch });
        assert.deepEqual(await runner.run('publishCopy', { copy: later, epoch: plan.epoch }), published);
        await runner.run('cleanUpCopy', later);
        await runner.run('cleanUpCopy', later);
        assert.equal((await rowsOf(named('a ü.csv.gz'))).length, 3);
        assert.deepEqual(await visible(folder), [`${folder}/a ü.csv.gz`, `${folder}/b.csv.gz`]);
        assert.deepEqual(
          (await ledgerKeys(folder)).filter((key) => key.includes('staged')),
          [],
        );
        assert.equal((await runner.run('planCopy', later)).published, true);
      });

      test('of two attempts at a chunk one counts, and the other leaves nothing', async () => {
        const folder = 'raced';
        const sinkEnd = endOf(folder);
        const input = runner.input(id('raced'), THREE, sinkEnd);
        const plan = await runner.run('planCopy', input);
        const attempts = await Promise.all(
          [1, 2, 3].map((attempt) =>
            runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }, attempt),
          ),
        );
        for (const { rows, sinkChecksum } of attempts) {
          assert.deepEqual([rows, sinkChecksum], [3, attempts[0]?.sinkChecksum]);
        }
        assert.equal((await visible(folder)).length, 1);
        const again = await runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }, 9);
        assert.equal(again.resumed, true);
        await assert.rejects(
          runner.run('publishCopy', { copy: input, epoch: plan.epoch - 1 }),
          coded('CHUNK_FENCED'),
        );
        const published = await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
        assert.deepEqual(await runner.run('publishCopy', { copy: input, epoch: plan.epoch }), published);
        await runner.run('cleanUpCopy', input);
        assert.deepEqual(await rowsOf(sinkEnd), [
          ['1', 'a', '2'],
          ['2', 'b', '3'],
          ['3', 'c', '4'],
        ]);
      });

      test('an attempt that outlives its cleaned-up copy commits nothing to the next one', async () => {
        const sinkEnd = endOf('late');
        const input = runner.input(id('late'), MANY, sinkEnd);
        await runner.run('planCopy', input);
        const late = await openSink(sinkEnd, input.copyId);
        try {
          const claim = await late.claimChunk(0, 7);
          assert.ok(claim.state === 'claimed');
          await runner.run('cleanUpCopy', input);
          const plan = await runner.run('planCopy', input);
          const none: MeasuredRows = {
            batches: (async function* () {})(),
            figures: () => ({ rows: 0, bytes: 0, checksum: '0' }),
          };
          await assert.rejects(late.writeChunk(0, 7, claim.plan, none), coded('CHUNK_FENCED'));
          const done = await runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
          assert.equal(done.resumed, false);
          assert.equal(done.rows, ROWS);
          await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
          await runner.run('cleanUpCopy', input);
          assert.deepEqual(await rowsOf(sinkEnd), expected);
          assert.equal((await visible('late')).length, 2, "the late attempt's file is gone");
        } finally {
          await late.close();
        }
      });

      test('an attempt that outlives its cleaned-up copy leaves nothing', async () => {
        const input = runner.input(id('gone'), MANY, endOf('gone'));
        await runner.run('planCopy', input);
        const late = await openSink(endOf('gone'), input.copyId);
        try {
          const claim = await late.claimChunk(0, 7);
          assert.ok(claim.state === 'claimed');
          await runner.run('cleanUpCopy', input);
          await assert.rejects(late.writeChunk(0, 7, claim.plan, FEW), coded('CHUNK_FENCED'));
          assert.deepEqual(await place.keys('gone/'), []);
        } finally {
          await late.close();
        }
      });

      if (place.type !== 'FileServer')
        test('an attempt that is cancelled while its file is put there removes it', async () => {
          const input = runner.input(id('cut'), MANY, endOf('cut'));
          await runner.run('planCopy', input);
          const proxy = await startFaultProxy(place.address ?? '');
          const cancel = new AbortController();
          const service = place.service(proxy.endpoint);
          const late = await openSink(endOf('cut'), input.copyId, service, cancel.signal);
          try {
            const claim = await late.claimChunk(0, 7);
            assert.ok(claim.state === 'claimed');
            const match = place.type === 'AmazonS3' ? /PUT .*part-/ : /PUT .*part-.*comp=blocklist/;
            proxy.faults.push({ match, kind: 'late', times: 1 });
            const written = late.writeChunk(0, 7, claim.plan, FEW);
            const ends = assert.rejects(written);
            while ((await visible('cut')).length === 0) await delay(20);
            cancel.abort(new Error('cancelled'));
            await ends;
            assert.deepEqual(await visible('cut'), []);
          } finally {
            await late.close();
            await proxy.stop();
            await runner.run('cleanUpCopy', input);
          }
          assert.deepEqual(await place.keys('cut/'), []);
        });

      test('a chunk that fails half-way is resumed by another; a published file that was touched is not published', async () => {
        const folder = 'resumed';
        const input = runner.input(id('resumed'), PARTS, endOf(folder), { parallelCopies: 4 });
        const plan = await runner.run('planCopy', input);
        const sink = await openSink(endOf(folder), input.copyId);
        const claim = await sink.claimChunk(1, 3);
        assert.ok(claim.state === 'claimed');
        async function* failing(): AsyncGenerator<Row[]> {
          yield [['0', 'x', null]];
          throw new WaybillError('CONNECTION_FAILED', 'the source went away');
        }
        const rows: MeasuredRows = {
          batches: failing(),
          figures: () => ({ rows: 1, bytes: 1, checksum: '1' }),
        };
        await assert.rejects(sink.writeChunk(1, 3, claim.plan, rows), coded('CONNECTION_FAILED'));
        const short: MeasuredRows = {
          batches: (async function* () {
            yield [['0', 'x', null] as Row];
          })(),
          figures: () => ({ rows: 2, bytes: 1, checksum: '1' }),
        };
        await assert.rejects(sink.writeChunk(1, 4, claim.plan, short), coded('CHUNK_MISMATCH'));
        await sink.close();
        for (let chunk = 0; chunk < plan.chunks; chunk++)
          await runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch });
        const [touched] = (await visible(folder)).filter((key) => key.includes('part-00000'));
        assert.ok(touched);
        const content = await place.content(touched);
        await place.put(touched, Buffer.concat([content, Buffer.from('x')]));
        await assert.rejects(
          runner.run('publishCopy', { copy: input, epoch: plan.epoch }),
          coded('CHUNK_MISMATCH'),
        );
        await runner.run('cleanUpCopy', input);
        assert.deepEqual(await place.keys(`${folder}/`), []);
      });

      test('maxRowsPerFile, fileNamePrefix, fileExtension and MergeFiles shape the files', async () => {
        const formatSettings = { maxRowsPerFile: 1_000, fileNamePrefix: 'flights', fileExtension: '.txt' };
        const cut = endOf('cut', { settings: { formatSettings } });
        const run = await runner.copy(id('cut'), MANY, cut);
        const files = (await visible('cut')).filter((key) => !key.endsWith('manifest.json'));
        assert.equal(files.length, 3);
        assert.equal(run.published.files, 3);
        for (const key of files) assert.match(key, /^cut\/flights_00000-[0-9a-f]{8}-\d+-0000[012]\.txt\.gz$/);
        assert.deepEqual(await rowsOf(cut), expected);
        await runner.copy(id('cut/2'), THREE, cut);
        assert.equal((await visible('cut')).length, 2, 'the older files are gone');

        const merged = endOf('merged', { settings: { storeSettings: { copyBehavior: 'MergeFiles' } } });
        const one = await runner.copy(id('merged'), PARTS, merged, { parallelCopies: 4 });
        assert.equal(one.published.files, 1);
        assert.deepEqual(await rowsOf(merged), expected);
      });

      test('rows are read back where that is asked for, and a source that is not what it was ends the copy', async () => {
        const settings = { storeSettings: { verification: 'rows' } };
        for (const format of ['csv', 'parquet']) {
          const run = await runner.copy(
            id(`verified/${format}`),
            MANY,
            endOf(`verified/${format}`, { format, settings }),
          );
          assert.equal(run.published.sourceChecksum, run.published.sinkChecksum);
          assert.notEqual(run.published.sinkChecksum, '0');
        }
        const off = await runner.copy(id('verified/off'), MANY, endOf('verified/off'), {
          validateDataConsistency: false,
        });
        assert.equal(off.published.sinkChecksum, '0');
        await origin.put('moving.csv', 'id,name,half\n1,a,2\n');
        const input = runner.input(id('moving'), from({ fileName: 'moving.csv' }), endOf('moving'));
        const plan = await runner.run('planCopy', input);
        await origin.put('moving.csv', 'id,name,half\n2,b,2\n');
        await assert.rejects(
          runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }),
          coded('SOURCE_CHANGED'),
        );
        await runner.run('cleanUpCopy', input);
        assert.deepEqual(await place.keys('moving/'), []);
      });

      test('a copy out of this store names the file of each row', async () => {
        for (const name of ['x.csv', 'below/y.csv']) await place.put(`paths/${name}`, `id\n${name.length}\n`);
        const source: CopyEndpoint = {
          ...endOf('paths'),
          dataset: { location: place.location('paths'), firstRowAsHeader: true },
          settings: {
            type: 'DelimitedTextSource',
            additionalColumns: [{ name: 'file', value: '$$FILEPATH' }],
          },
        };
        const sink = endOf('paths-out');
        await runner.copy(id('paths'), source, sink);
        assert.deepEqual(await rowsOf(sink), [
          ['5', 'x.csv'],
          ['11', 'below/y.csv'],
        ]);
      });
    });
  }

  test('a file name cannot lead out of its folder, nor a prefix into another', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'waybill-names-'));
    await writeFile(join(directory, 'kept'), 'kept');
    for (const location of [
      { folderPath: '../..', fileName: 'x.csv' },
      { folderPath: 'a', fileName: '../../x.csv' },
    ]) {
      const sink = { ...from(location), linkedService: 'FileServer' };
      await assert.rejects(
        runner.copy('names', THREE, sink),
        coded('IDENTIFIER_INVALID'),
        JSON.stringify(location),
      );
    }
    const sink = {
      ...from({ folderPath: 'a' }, { formatSettings: { fileNamePrefix: '../x' } }),
      linkedService: 'FileServer',
    };
    await assert.rejects(runner.copy('names/2', THREE, sink), coded('DEFINITION_INVALID'));
    await rm(directory, { recursive: true });
  });
});
