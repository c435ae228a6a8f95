// Our Parquet files against other people's libraries, value by value: what pyarrow, DuckDB and Spark make of ours, and
// what we make of theirs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { projectPath } from '../../dev/cache.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { parquetFormat } from '../../src/connectors/common/parquet/parquet-format.ts';
import type { Column, Row } from '../../src/core/types/column.ts';
import {
  batchesOf,
  boundaryRows,
  bytesOf,
  EVERY_TYPE,
  framesOf,
  memoryFile,
  randomRows,
  tuplesOf,
} from '../support/parquet-samples.ts';

let folder: string;
let python: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waybill-parquet-'));
  ({ python } = await ensurePython(() => {}));
});
after(() => rm(folder, { recursive: true, force: true }));

const peer = async (...args: string[]): Promise<unknown[]> => {
  const { stdout } = await promisify(execFile)(
    python,
    [projectPath('test/support/parquet_peer.py'), ...args],
    {
      maxBuffer: 1 << 28,
      env: { ...process.env, TZ: 'UTC', SPARK_LOCAL_IP: '127.0.0.1' },
      cwd: folder,
    },
  );
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{') || line.startsWith('['))
    .map((line) => JSON.parse(line) as unknown);
};

/** The bytes of a float, as the peer gives them; every NaN is one. */
const floatHex = (type: 'Single' | 'Double', text: string): string => {
  const bytes = Buffer.alloc(type === 'Single' ? 4 : 8);
  if (type === 'Single') bytes.writeFloatBE(Number(text));
  else bytes.writeDoubleBE(Number(text));
  return bytes.toString('hex');
};

const hexed = (columns: readonly Column[], rows: readonly Row[]): Row[] =>
  rows.map((row) =>
    columns.map(({ type }, i) => {
      const value = row[i];
      if (value === null || value === undefined) return null;
      return type === 'Single' || type === 'Double' ? floatHex(type, value) : value;
    }),
  );

const format = parquetFormat();
const rows = [...boundaryRows(EVERY_TYPE), ...randomRows(EVERY_TYPE, 2_000, 42)];

const writeOurs = async (
  name: string,
  columns: readonly Column[],
  some: readonly Row[],
  codec?: string,
): Promise<string> => {
  const path = join(folder, name);
  const { encode } = parquetFormat(codec === undefined ? {} : { compressionCodec: codec });
  await writeFile(path, await bytesOf(encode(columns, batchesOf(some))));
  return path;
};

const writeOurFrames = async (
  name: string,
  columns: readonly Column[],
  some: readonly Row[],
): Promise<string> => {
  const path = join(folder, name);
  const mapped = columns.map((column) => ({ source: column, sink: column }));
  const encoded = format.encodeFrames?.('pg-binary', mapped, framesOf(tuplesOf(columns, some), 100));
  assert(encoded !== undefined);
  await writeFile(path, await bytesOf(encoded));
  return path;
};

describe('pyarrow and DuckDB read our files', () => {
  for (const library of ['pyarrow', 'duckdb']) {
    for (const codec of ['none', 'snappy', 'gzip', 'zstd']) {
      test(`${library}: every type from rows, ${codec}`, async () => {
        const path = await writeOurs(`${library}-${codec}.parquet`, EVERY_TYPE, rows, codec);
        assert.deepEqual(await peer('read', library, path), hexed(EVERY_TYPE, rows));
      });
    }

    test(`${library}: every type from COPY BINARY frames`, async () => {
      const path = await writeOurFrames(`${library}-frames.parquet`, EVERY_TYPE, rows);
      assert.deepEqual(await peer('read', library, path), hexed(EVERY_TYPE, rows));
    });

    test(`${library}: an empty file, and one of several row groups`, async () => {
      const columns = EVERY_TYPE.slice(0, 3);
      const empty = await writeOurs(`${library}-empty.parquet`, columns, []);
      assert.deepEqual(await peer('read', library, empty), []);
      const many: Row[] = Array.from({ length: 140_000 }, (_, i) => [
        String(i),
        i % 5 === 0 ? null : String((i % 60_000) - 30_000),
        String(-i),
      ]);
      const path = await writeOurFrames(`${library}-many.parquet`, columns, many);
      assert.deepEqual(await peer('read', library, path), many);
    });
  }
});

const isOld = (column: Column | undefined, value: string | null): boolean =>
  value !== null && column !== undefined && /^Date/.test(column.type) && value < '1900';

interface Theirs {
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

const readTheirs = async (path: string): Promise<{ columns: Column[]; rows: Row[] }> => {
  const file = memoryFile(await readFile(path), path);
  const columns = await format.columns(file);
  const read: Row[] = [];
  for (const split of await format.split(file)) {
    for await (const batch of format.read(file, columns, split)) read.push(...batch);
  }
  return { columns, rows: hexed(columns, read) };
};

describe('we read their files', () => {
  test('pyarrow: types, encodings, codecs, page versions', async () => {
    const written = (await peer('write', 'pyarrow', folder)) as Theirs[];
    assert(written.length > 8);
    for (const theirs of written) {
      if (theirs.file.endsWith('nested.parquet')) {
        await assert.rejects(readTheirs(theirs.file), { code: 'TYPE_UNSUPPORTED', message: /tags.*nested/ });
        continue;
      }
      const ours = await readTheirs(theirs.file);
      assert.deepEqual(
        ours.columns.map(({ name }) => name),
        theirs.columns,
      );
      assert.deepEqual(ours.rows, theirs.rows, theirs.file);
    }
  });

  test('spark: INT96 and what else it writes; it reads every type it has', async () => {
    // Spark knows no time of day, and its calendar and Python's meet from 1900 on.
    const columns = EVERY_TYPE.filter(({ type }) => type !== 'TimeSpan');
    const kept = rows
      .map((row) => row.filter((_, i) => EVERY_TYPE[i]?.type !== 'TimeSpan'))
      .filter((row) => row.every((value, i) => !isOld(columns[i], value)));
    assert(kept.length > 100);
    const path = await writeOurFrames('for-spark.parquet', columns, kept);
    const [written, ...read] = await peer('both', 'spark', folder, path);
    assert.deepEqual(read, hexed(columns, kept));
    const theirs = written as Theirs;
    const ours = await readTheirs(theirs.file);
    assert.deepEqual(ours.rows, theirs.rows);
    assert.equal(ours.columns.find(({ name }) => name === 'instant')?.native, 'INT96');
  });

  test('what is not Parquet', async () => {
    for (const text of [
      '',
      'PAR1',
      'id,name\n1,a\n',
      `PAR1${'x'.repeat(100)}PAR1`,
      `${'x'.repeat(50)}PARE`,
    ]) {
      const file = memoryFile(Buffer.from(text), 'landing/not.parquet');
      await assert.rejects(format.columns(file), { code: 'FILE_INVALID', message: /landing\/not\.parquet/ });
    }
  });
});
