// Avro files against Avro's own library in Java: what it makes of ours, and what we make of its; copies, and damaged files.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { projectPath } from '../../dev/cache.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { avroFormat } from '../../src/connectors/common/avro/avro-format.ts';
import { headerBytes } from '../../src/connectors/common/avro/container.ts';
import type { ReadableFile } from '../../src/connectors/common/files/file-format.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column, Row } from '../../src/core/types/column.ts';
import { type FolderCopies, folderCopies } from '../support/folder-copies.ts';
import {
  batchesOf,
  boundaryRows,
  bytesOf,
  EVERY_TYPE,
  memoryFile,
  randomRows,
} from '../support/parquet-samples.ts';

const fails = (code: string, pattern: RegExp) => (error: unknown) =>
  error instanceof WaybillError && error.code === code && pattern.test(error.message);

const CODECS = ['none', 'deflate', 'snappy'] as const;
const WHOLE = { part: null };

const allRows = async (file: ReadableFile, columns?: readonly Column[]): Promise<Row[]> => {
  const format = avroFormat({}, {});
  const rows: Row[] = [];
  for await (const batch of format.read(file, columns ?? (await format.columns(file)), WHOLE))
    rows.push(...batch);
  return rows;
};

/** Avro's names have letters, digits and _ only. */
const named = EVERY_TYPE.map((column) => ({ ...column, name: column.name.replaceAll(/\W+/g, '_') }));

describe('Avro', { timeout: 240_000 }, () => {
  let folder: string;
  let python: string;
  let copies: FolderCopies;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'waybill-avro-'));
    ({ python } = await ensurePython(() => {}));
    copies = await folderCopies();
  });
  after(async () => {
    await copies?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const peer = (args: readonly string[], input = ''): Promise<string[]> =>
    new Promise((resolve, reject) => {
      const options = { maxBuffer: 1 << 26, env: { ...process.env, SPARK_LOCAL_IP: '127.0.0.1' } };
      const child = execFile(
        python,
        [projectPath('test/support/avro_peer.py'), ...args],
        options,
        (error, stdout) =>
          error === null ? resolve(stdout.split('\n').filter((line) => line.startsWith('{'))) : reject(error),
      );
      child.stdin?.end(input);
    });

  test('Java reads what is written, with every codec', async () => {
    const column = (name: string, type: Column['type'], more: Partial<Column> = {}): Column => ({
      ...{ name, type, nullable: true, native: '' },
      ...more,
    });
    const columns = [
      column('id', 'Int64', { nullable: false }),
      column('small', 'Int16'),
      column('amount', 'Decimal', { precision: 20, scale: 2 }),
      column('single', 'Single'),
      column('flag', 'Boolean'),
      column('day', 'Date'),
      column('local', 'DateTime', { scale: 7 }),
      column('instant', 'DateTimeOffset', { scale: 6 }),
      column('clock', 'TimeSpan', { scale: 6 }),
      column('guid', 'Guid'),
      column('bytes', 'Byte[]'),
      column('text', 'String'),
    ];
    const rows: Row[] = [
      [
        ...['9007199254740993', '-7', '-1.50', '0.1', '1', '1969-12-31', '2024-02-29T13:14:15.123456'],
        ...[
          '1970-01-01T00:00:00.000001Z',
          '00:00:01.000000',
          'AAAAAAAA-0000-4000-8000-000000000001',
          '00FF',
          'é "',
        ],
      ],
      ['1', ...columns.slice(1).map(() => null)],
    ];
    const paths: string[] = [];
    for (const codec of CODECS) {
      const format = avroFormat(
        { avroCompressionCodec: codec },
        { recordName: 'Order', recordNamespace: 'shop.v1' },
      );
      const encoded = format.encode(format.columnsFor(columns), batchesOf(rows));
      paths.push(join(folder, `ours-${codec}.avro`));
      await writeFile(paths.at(-1) ?? '', await bytesOf(encoded));
      assert.equal(encoded.figures().rows, 2);
    }
    const found = (await peer(['read', ...paths])).map((line) => JSON.parse(line) as Record<string, unknown>);
    const first = {
      ...{ small: -7, amount: 'ÿj', single: 0.1, flag: true, day: -1 },
      ...{ local: 1_709_212_455_123_456, instant: 1, clock: 1_000_000 },
      ...{ guid: 'aaaaaaaa-0000-4000-8000-000000000001', bytes: '\u0000ÿ', text: 'é "' },
    };
    assert.equal(found.length, 6);
    for (const at of [0, 2, 4]) {
      const { id, ...others } = found[at] ?? {};
      assert.equal(BigInt(String(id)) >> 1n, 9007199254740993n >> 1n);
      assert.deepEqual(others, first);
      assert.equal(found[at + 1]?.['id'], 1);
      assert.ok(columns.slice(1).every(({ name }) => found[at + 1]?.[name] === null));
    }
  });

  test('what Java wrote is read: logical types, fixed, enums, nested values, four codecs', async () => {
    const field = (name: string, type: unknown): object => ({ name, type });
    const schema = {
      ...{ type: 'record', name: 'Event', namespace: 'a.b' },
      fields: [
        field('id', 'long'),
        field('kind', { type: 'enum', name: 'Kind', symbols: ['A', 'B'] }),
        field('again', ['null', 'Kind']),
        field('at', { type: 'long', logicalType: 'timestamp-millis' }),
        field('exact', { type: 'long', logicalType: 'local-timestamp-nanos' }),
        field('time', { type: 'int', logicalType: 'time-millis' }),
        field('amount', [
          'null',
          { type: 'fixed', name: 'F', size: 4, logicalType: 'decimal', precision: 9, scale: 2 },
        ]),
        field('tags', { type: 'map', values: ['null', 'string', 'long'] }),
        field('list', [
          'null',
          {
            type: 'array',
            items: { type: 'record', name: 'P', fields: [field('x', 'int'), field('b', 'bytes')] },
          },
        ]),
        field('any', ['null', 'string', 'int', 'double']),
      ],
    };
    const records = [
      {
        ...{ id: 42, kind: 'A', again: { 'a.b.Kind': 'B' }, at: 1709212455123, exact: -1, time: 1_001 },
        ...{
          amount: { 'a.b.F': '\u0000\u0000\u0000\u0096' },
          tags: { k: { string: 'v' }, n: null, l: { long: 7 } },
        },
        ...{ list: { array: [{ x: 1, b: '\u00ff' }] }, any: { double: 1.5 } },
      },
      {
        ...{
          id: -1,
          kind: 'B',
          again: null,
          at: -1,
          exact: 1_000,
          time: 0,
          amount: null,
          tags: {},
          list: null,
        },
        ...{ any: { string: 's' } },
      },
    ];
    const lines = [schema, ...records].map((each) => JSON.stringify(each)).join('\n');
    const codecs = ['null', 'deflate', 'snappy', 'zstandard', 'bzip2'];
    await peer(['write', codecs.join(), folder], lines);
    for (const codec of codecs) {
      const file = memoryFile(await readFile(join(folder, `${codec}.avro`)));
      if (codec === 'bzip2') {
        await assert.rejects(allRows(file), fails('DEFINITION_UNSUPPORTED', /compressed with bzip2/));
        continue;
      }
      const columns = await avroFormat({}, {}).columns(file);
      assert.deepEqual(
        columns.map(({ name, type, nullable }) => `${name} ${type}${nullable ? '?' : ''}`),
        [
          ...[
            'id Int64',
            'kind String',
            'again String?',
            'at DateTimeOffset',
            'exact DateTime',
            'time TimeSpan',
          ],
          ...['amount Decimal?', 'tags String', 'list String?', 'any String?'],
        ],
      );
      const [first, second] = await allRows(file);
      // Java keeps a map in an order of its own.
      assert.deepEqual(JSON.parse(first?.[7] ?? ''), { k: 'v', n: null, l: 7 });
      assert.deepEqual(first?.toSpliced(7, 1), [
        ...[
          '42',
          'A',
          'B',
          '2024-02-29T13:14:15.123000Z',
          '1969-12-31T23:59:59.999999999',
          '00:00:01.001000',
        ],
        ...['1.50', '[{"x":1,"b":"/w=="}]', '1.5'],
      ]);
      assert.deepEqual(second, [
        ...['-1', 'B', null, '1969-12-31T23:59:59.999000Z', '1970-01-01T00:00:00.000001', '00:00:00.000000'],
        ...[null, '{}', null, 's'],
      ]);
    }
  });

  test('every interim type comes back as it went', async () => {
    const rows = [...boundaryRows(EVERY_TYPE), ...randomRows(EVERY_TYPE, 3_000, 7)];
    for (const codec of CODECS) {
      const format = avroFormat({ avroCompressionCodec: codec }, {});
      const columns = format.columnsFor(named);
      const encoded = format.encode(columns, batchesOf(rows));
      const found = await allRows(memoryFile(await bytesOf(encoded)), columns);
      assert.equal(encoded.figures().rows, rows.length);
      const same = (row: Row | undefined): unknown[] =>
        columns.map(({ type }, at) => {
          const text = row?.[at] ?? null;
          return text !== null && (type === 'Single' || type === 'Double') ? Number(text) : text;
        });
      assert.deepEqual(found.map(same), rows.map(same));
    }
  });

  test('copies go through Avro and come back, and say what Avro cannot hold', async () => {
    await copies.put('in.csv', 'id,name\n1,a\n2,"b, c"\n3,\n');
    const csv = copies.end('DelimitedText', 'in.csv', { firstRowAsHeader: true });
    const avro = copies.end('Avro', 'out/', { avroCompressionCodec: 'deflate' });
    const sink = { ...avro, settings: { type: 'AvroSink', formatSettings: { recordName: 'Line' } } };
    const { chunks } = await copies.runner.copy('to avro', csv, sink);
    assert.equal(
      chunks.reduce((sum, { rows }) => sum + rows, 0),
      3,
    );
    const [name = ''] = (await copies.names('out')).filter((each) => each.endsWith('.avro'));
    assert.match((await copies.bytes(`out/${name}`)).toString('latin1'), /"name":"Line"/);
    const source = { ...avro, settings: { type: 'AvroSource' } };
    assert.deepEqual(await copies.lines('from avro', source), ['id,name', '1,a', '2,"b, c"', '3,']);

    await copies.put('named.csv', 'order id\n1\n');
    const other = copies.end('DelimitedText', 'named.csv', { firstRowAsHeader: true });
    await assert.rejects(
      copies.runner.copy('bad name', other, copies.end('Avro', 'bad/')),
      fails('IDENTIFIER_INVALID', /no field named "order id"/),
    );
    await assert.rejects(
      copies.runner.copy('bad codec', csv, copies.end('Avro', 'bad/', { avroCompressionCodec: 'bzip2' })),
      fails('DEFINITION_UNSUPPORTED', /none, snappy or deflate/),
    );
  });

  test('what is damaged, or no Avro file, is refused', async () => {
    const format = avroFormat({ avroCompressionCodec: 'snappy' }, {});
    const columns = format.columnsFor(named);
    const whole = await bytesOf(format.encode(columns, batchesOf(randomRows(EVERY_TYPE, 500, 3))));
    for (const length of [0, 3, 100, whole.length - 1, whole.length - 17])
      await assert.rejects(
        allRows(memoryFile(whole.subarray(0, length))),
        fails('FILE_INVALID', /whole Avro file/),
      );
    const flipped = Buffer.from(whole);
    flipped[whole.length - 100] = 255 - (flipped[whole.length - 100] ?? 0);
    await assert.rejects(allRows(memoryFile(flipped)), fails('FILE_INVALID', /no snappy/));
    const mark = Buffer.from(whole);
    mark[whole.length - 1] = 255 - (mark[whole.length - 1] ?? 0);
    await assert.rejects(allRows(memoryFile(mark)), fails('FILE_INVALID', /its mark/));
    await assert.rejects(allRows(memoryFile(Buffer.from('id,name\n'))), fails('FILE_INVALID', /Obj1/));
    // Values without bytes could be without number.
    for (const type of [
      '"null"',
      '{"type":"array","items":"null"}',
      '{"type":"array","items":{"type":"fixed","name":"F","size":0}}',
    ])
      await assert.rejects(
        allRows(memoryFile(headerOf(`{"type":"record","name":"A","fields":[{"name":"a","type":${type}}]}`))),
        fails('FILE_INVALID', /no bytes/),
      );
    // Nested without end, as deep as no stack is.
    const deep = `${'{"type":"array","items":'.repeat(100_000)}"int"${'}'.repeat(100_000)}`;
    await assert.rejects(
      allRows(memoryFile(headerOf(`{"type":"record","name":"A","fields":[{"name":"a","type":${deep}}]}`))),
      fails('FILE_INVALID', /too deep/),
    );
    // Schemas of another kind, with a type that is none, and no schema.
    for (const schema of [
      '"string"',
      '{"type":"record","name":"A","fields":[{"name":"a","type":"Nope"}]}',
      '{',
    ])
      await assert.rejects(allRows(memoryFile(headerOf(schema))), fails('FILE_INVALID', /./));
  });
});

/** A file with nothing but a header. */
const headerOf = (schema: string): Buffer => headerBytes(schema, 'null', Buffer.alloc(16));
