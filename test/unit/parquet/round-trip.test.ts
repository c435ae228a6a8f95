// What is encoded is what is read: every type, every codec, rows and COPY BINARY frames, pages and row groups.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ReadableFile } from '../../../src/connectors/common/files/file-format.ts';
import { readFooter } from '../../../src/connectors/common/parquet/file-footer.ts';
import { parquetFormat } from '../../../src/connectors/common/parquet/parquet-format.ts';
import type { Column, Row } from '../../../src/core/types/column.ts';
import {
  batchesOf,
  boundaryRows,
  bytesOf,
  EVERY_TYPE,
  framesOf,
  memoryFile,
  randomRows,
  tuplesOf,
} from '../../support/parquet-samples.ts';

const format = parquetFormat();
const same = (columns: readonly Column[]) => columns.map((column) => ({ source: column, sink: column }));

const encodeRows = async (
  columns: readonly Column[],
  rows: readonly Row[],
  codec?: string,
): Promise<Buffer> =>
  bytesOf(
    parquetFormat(codec === undefined ? {} : { compressionCodec: codec }).encode(columns, batchesOf(rows)),
  );

const encodeFrames = async (
  columns: readonly Column[],
  rows: readonly Row[],
  size = 1_000,
): Promise<Buffer> => {
  const frames = framesOf(tuplesOf(columns, rows), size);
  const encoded = format.encodeFrames?.('pg-binary', same(columns), frames);
  assert(encoded !== undefined);
  return bytesOf(encoded);
};

const readAll = async (file: ReadableFile, columns: readonly Column[]): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const split of await format.split(file)) {
    const before = rows.length;
    for await (const batch of format.read(file, columns, split)) rows.push(...batch);
    if (split.rows !== undefined) assert.equal(rows.length - before, split.rows);
  }
  return rows;
};

const rows = [...boundaryRows(EVERY_TYPE), ...randomRows(EVERY_TYPE, 3_000, 11)];

describe('Parquet round trip', () => {
  for (const codec of [undefined, 'none', 'snappy', 'gzip', 'zstd', 'SNAPPY']) {
    test(`rows of every type, codec ${codec ?? 'by default'}`, async () => {
      const file = memoryFile(await encodeRows(EVERY_TYPE, rows, codec));
      const columns = await format.columns(file);
      assert.deepEqual(
        columns.map(({ name, type, precision, scale, length, nullable }) => ({
          name,
          type,
          precision,
          scale,
          length,
          nullable,
        })),
        EVERY_TYPE.map(({ name, type, precision, scale, length, nullable }) => ({
          name,
          type,
          precision,
          scale,
          length,
          nullable,
        })),
      );
      assert.deepEqual(await readAll(file, columns), rows);
    });
  }

  test('COPY BINARY frames of every type give the same rows', async () => {
    const file = memoryFile(await encodeFrames(EVERY_TYPE, rows));
    assert.deepEqual(await readAll(file, await format.columns(file)), rows);
  });

  test('the file does not depend on where frames are cut', async () => {
    const whole = await encodeFrames(EVERY_TYPE, rows, rows.length);
    for (const size of [1, 3, 1_023, 1_024, 1_025]) {
      assert(whole.equals(await encodeFrames(EVERY_TYPE, rows, size)), `batches of ${size}`);
    }
  });

  test('an empty file', async () => {
    for (const bytes of [await encodeRows(EVERY_TYPE, []), await encodeFrames(EVERY_TYPE, [])]) {
      const file = memoryFile(bytes);
      const columns = await format.columns(file);
      assert.equal(columns.length, EVERY_TYPE.length);
      assert.deepEqual(await format.split(file), [{ part: null, rows: 0 }]);
      assert.deepEqual(await readAll(file, columns), []);
      assert.equal((await format.verify?.(file))?.rows, 0);
    }
  });

  test('a column of NULLs only, beside one without any', async () => {
    const columns: Column[] = [
      { name: 'all', type: 'String', native: 'text', nullable: true },
      { name: 'none', type: 'Int32', native: 'integer', nullable: true },
      { name: 'bits', type: 'Boolean', native: 'boolean', nullable: true },
    ];
    const sparse: Row[] = Array.from({ length: 999 }, (_, i) => ['x', String(i), i % 3 === 0 ? '1' : null]);
    const nulls: Row[] = Array.from({ length: 999 }, (_, i) => [null, String(i), null]);
    for (const some of [sparse, nulls]) {
      const file = memoryFile(await encodeFrames(columns, some));
      assert.deepEqual(await readAll(file, columns), some);
    }
  });

  test('several row groups and pages; columns asked for in another order, twice, and not at all', async () => {
    const columns: Column[] = [
      { name: 'n', type: 'Int32', native: 'integer', nullable: false },
      { name: 'flag', type: 'Boolean', native: 'boolean', nullable: true },
      { name: 'text', type: 'String', native: 'text', nullable: true },
    ];
    const many: Row[] = Array.from({ length: 140_000 }, (_, i) => [
      String(i),
      i % 7 === 0 ? null : String(i % 2),
      i % 11 === 0 ? null : `row ${i}`,
    ]);
    const bytes = await encodeFrames(columns, many, 10_007);
    const file = memoryFile(bytes);
    const { metadata } = await readFooter(file);
    assert.deepEqual(
      metadata.row_groups.map((group) => Number(group.num_rows)),
      [65_536, 65_536, 8_928],
    );
    const [n, flag, text] = columns as [Column, Column, Column];
    const read = await readAll(file, [text, n, flag, n]);
    assert.equal(read.length, many.length);
    for (const [i, row] of many.entries()) {
      const [a, b, c, d] = read[i] as Row;
      assert.deepEqual([b, c, a, d], [...row, row[0]]);
    }
    const only: Row[] = [];
    for await (const batch of format.read(file, [flag], { part: '1-1' })) only.push(...batch);
    assert.deepEqual(
      only,
      many.slice(65_536, 131_072).map((row) => [row[1]]),
    );
    const again = await encodeFrames(columns, many, 9_001);
    assert(again.equals(bytes), 'the same rows in other batches are the same file');
  });

  test('texts far longer than a page', async () => {
    const columns: Column[] = [{ name: 't', type: 'String', native: 'text', nullable: true }];
    const long: Row[] = [
      ['a'.repeat(3_000_000)],
      [''],
      ['ü'.repeat(1_500_000)],
      [null],
      ['b'.repeat(70_000)],
    ];
    for (const bytes of [await encodeRows(columns, long), await encodeFrames(columns, long, 1)]) {
      assert.deepEqual(await readAll(memoryFile(bytes), columns), long);
    }
  });

  test('hundreds of columns', async () => {
    const columns: Column[] = Array.from({ length: 400 }, (_, i) => ({
      name: `c${i}`,
      type: i % 2 === 0 ? ('Int64' as const) : ('String' as const),
      native: i % 2 === 0 ? 'bigint' : 'text',
      nullable: true,
    }));
    const wide = randomRows(columns, 500, 3);
    const file = memoryFile(await encodeFrames(columns, wide));
    assert.deepEqual(await readAll(file, columns), wide);
  });

  test('char(n) without its padding, jsonb without its version byte', async () => {
    const columns: Column[] = [
      { name: 'c', type: 'String', native: 'character', length: 6, nullable: true },
      { name: 'j', type: 'String', native: 'jsonb', nullable: true },
    ];
    const padded: Row[] = [
      ['ab    ', '{"a": 1}'],
      ['      ', null],
    ];
    const file = memoryFile(await encodeFrames(columns, padded));
    assert.deepEqual(await readAll(file, columns), [
      ['ab', '{"a": 1}'],
      ['', null],
    ]);
  });
});
