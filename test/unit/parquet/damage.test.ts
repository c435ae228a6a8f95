// What must not pass: values that do not fit, frames that are not whole, stored bytes that are not those encoded.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EncodedFile } from '../../../src/connectors/common/files/file-format.ts';
import { openCompressor, type PageCompressor } from '../../../src/connectors/common/parquet/compression.ts';
import { encodeFile } from '../../../src/connectors/common/parquet/encoded-file.ts';
import { FileEncoder } from '../../../src/connectors/common/parquet/file-encoder.ts';
import { parquetFormat } from '../../../src/connectors/common/parquet/parquet-format.ts';
import { RowAppender } from '../../../src/connectors/common/parquet/row-values.ts';
import type { FrameBatch } from '../../../src/connectors/connector.ts';
import type { WaybillError } from '../../../src/core/errors.ts';
import type { Column, InterimType, Row } from '../../../src/core/types/column.ts';
import {
  batchesOf,
  boundaryRows,
  bytesOf,
  decimalOf,
  EVERY_TYPE,
  framesOf,
  memoryFile,
  numericField,
  seeded,
  tupleOf,
  tuplesOf,
} from '../../support/parquet-samples.ts';

const format = parquetFormat();

const framesFile = (columns: readonly Column[], frames: AsyncIterable<FrameBatch>): EncodedFile => {
  const mapped = columns.map((column) => ({ source: column, sink: column }));
  const file = format.encodeFrames?.('pg-binary', mapped, frames);
  assert(file !== undefined);
  return file;
};

const refused = async (work: Promise<unknown>, code: string, what: RegExp): Promise<void> => {
  await assert.rejects(work, (error: WaybillError) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, what);
    return true;
  });
};

const one = (type: InterimType, native: string, more: Partial<Column> = {}): Column => ({
  name: 'v',
  type,
  native,
  nullable: true,
  ...more,
});

const int64 = (value: bigint): Buffer => {
  const field = Buffer.alloc(8);
  field.writeBigInt64BE(value);
  return field;
};

const int32 = (value: number): Buffer => {
  const field = Buffer.alloc(4);
  field.writeInt32BE(value);
  return field;
};

describe('Parquet refuses', () => {
  const money = one('Decimal', 'numeric', { precision: 5, scale: 2 });
  const cases: [string, Column, Buffer | null, string, RegExp][] = [
    ['NaN', money, Buffer.from('00000000c0000000', 'hex'), 'SINK_TYPE_OVERFLOW', /column v .*NaN/],
    ['an infinite decimal', money, Buffer.from('00000000d0000000', 'hex'), 'SINK_TYPE_OVERFLOW', /infinity/],
    ['too many whole digits', money, numericField('1000.00'), 'SINK_TYPE_OVERFLOW', /3 whole digits/],
    ['digits after the scale', money, numericField('1.001'), 'SINK_TYPE_OVERFLOW', /2 digits after/],
    [
      'an infinite timestamp',
      one('DateTime', 'timestamp without time zone'),
      int64(2n ** 63n - 1n),
      'SINK_TYPE_OVERFLOW',
      /infinity/,
    ],
    [
      'a timestamp before all time',
      one('DateTimeOffset', 'timestamp with time zone'),
      int64(-(2n ** 63n)),
      'SINK_TYPE_OVERFLOW',
      /infinity/,
    ],
    ['an infinite date', one('Date', 'date'), int32(0x7fffffff), 'SINK_TYPE_OVERFLOW', /infinity/],
    ['a date before all days', one('Date', 'date'), int32(-0x80000000), 'SINK_TYPE_OVERFLOW', /infinity/],
    [
      '24:00:00',
      one('TimeSpan', 'time without time zone'),
      int64(86_400_000_000n),
      'SINK_TYPE_OVERFLOW',
      /24:00/,
    ],
    [
      'NULL where there is none',
      one('Int32', 'integer', { nullable: false }),
      null,
      'CONSTRAINT_VIOLATED',
      /NULL.*column v/,
    ],
    ['a field of another width', one('Int64', 'bigint'), int32(1), 'INTERNAL', /4 bytes for column v/],
    ['jsonb of another version', one('String', 'jsonb'), Buffer.from('\u0002{}'), 'INTERNAL', /version 2/],
  ];
  for (const [what, column, field, code, message] of cases) {
    test(`${what} in a frame`, async () => {
      const good = tupleOf([column.nullable ? null : int32(7)]);
      const frames = framesOf([good, tupleOf([field])], 1);
      await refused(bytesOf(framesFile([column], frames)), code, message);
    });
  }

  const texts: [InterimType, string, Partial<Column>][] = [
    ['Int16', '32768', {}],
    ['Int32', '2147483648', {}],
    ['Int64', '9223372036854775808', {}],
    ['Int64', '1.5', {}],
    ['Decimal', '1000.00', { precision: 5, scale: 2 }],
    ['Decimal', '1.001', { precision: 5, scale: 2 }],
    ['Decimal', '1e2', { precision: 5, scale: 2 }],
    ['Decimal', `1${'0'.repeat(38)}`, { precision: 38, scale: 0 }],
    ['Double', 'ten', {}],
    ['Boolean', 'true', {}],
    ['Date', '2023-02-29', {}],
    ['Date', '2024-13-01', {}],
    ['DateTime', '2024-02-29T25:00:00.000000', {}],
    ['DateTime', '2024-02-29T01:00:00.000000Z', {}],
    ['DateTimeOffset', '2024-02-29T01:00:00.000000', {}],
    ['DateTime', '2024-02-29T01:00:00.0000001', {}],
    ['TimeSpan', '24:00:00.000000', {}],
    ['Guid', 'g0000000-0000-0000-0000-000000000000', {}],
    ['Byte[]', '0G', {}],
    ['Byte[]', 'ABC', {}],
  ];
  for (const [type, text, more] of texts) {
    test(`${text} as ${type}`, async () => {
      const rows: Row[] = [[null], [text]];
      const file = format.encode([one(type, 'x', more)], batchesOf(rows));
      await refused(bytesOf(file), 'SINK_TYPE_OVERFLOW', /column v /);
    });
  }

  test('frames that end inside a row, or have other fields', async () => {
    const column = one('String', 'text');
    const whole = tupleOf([Buffer.from('a text of some length')]);
    for (let cut = 1; cut < whole.length; cut++) {
      const broken = [Buffer.concat([whole, whole.subarray(0, cut)])];
      await refused(bytesOf(framesFile([column], framesOf(broken, 1))), 'INTERNAL', /ends inside a row/);
    }
    await refused(
      bytesOf(framesFile([column], framesOf([tupleOf([null, null])], 1))),
      'INTERNAL',
      /2 fields where 1/,
    );
  });

  test('settings and columns it has no form for', () => {
    assert.throws(() => parquetFormat({ compressionCodec: 'lzo' }), { code: 'DEFINITION_UNSUPPORTED' });
    assert.throws(() => format.columnsFor([one('Decimal', 'numeric(50,2)', { precision: 50, scale: 2 })]), {
      code: 'TYPE_UNSUPPORTED',
      message: /column v/i,
    });
    const same = (column: Column) => [{ source: column, sink: column }];
    assert(format.acceptsFrames('pg-binary', EVERY_TYPE.flatMap(same)));
    assert(!format.acceptsFrames('pg-binary', same(one('String', 'text[]'))));
    assert(!format.acceptsFrames('pg-binary', same(one('String', 'inet'))));
    const widened = { source: one('Int32', 'integer'), sink: one('Int64', 'bigint') };
    assert(!format.acceptsFrames('pg-binary', [widened]));
  });
});

test('numerics are exact around every limit of a double', async () => {
  const random = seeded(5);
  const scales = [0, 1, 2, 4, 5, 10, 19, 38];
  for (const scale of scales) {
    for (const precision of [9, 18, 38]) {
      if (scale > precision) continue;
      const column = one('Decimal', 'numeric', { precision, scale });
      const rows: Row[] = [];
      for (const near of [
        2n ** 53n,
        10n ** 15n,
        10n ** 16n,
        10n ** 8n,
        10n ** 4n,
        10n ** BigInt(precision),
      ]) {
        for (let by = -3n; by <= 3n; by++) {
          for (const units of [near + by, near * 10_000n + by, -near - by]) {
            if (units < 10n ** BigInt(precision) && units > -(10n ** BigInt(precision)))
              rows.push([decimalOf(units, scale)]);
          }
        }
      }
      for (let i = 0; i < 500; i++) {
        const digits = Array.from({ length: 1 + Math.floor(random() * precision) }, () =>
          Math.floor(random() * 10),
        );
        rows.push([decimalOf(BigInt(digits.join('')), scale)]);
      }
      const file = memoryFile(await bytesOf(framesFile([column], framesOf(tuplesOf([column], rows), 100))));
      const read: Row[] = [];
      for await (const batch of format.read(file, [column], { part: null })) read.push(...batch);
      assert.deepEqual(read, rows);
    }
  }
});

describe('Parquet verification', () => {
  const encoded = async (): Promise<{ bytes: Buffer; figures: ReturnType<EncodedFile['figures']> }> => {
    const rows = boundaryRows(EVERY_TYPE);
    const file = framesFile(EVERY_TYPE, framesOf(tuplesOf(EVERY_TYPE, rows), 50));
    const bytes = await bytesOf(file);
    return { bytes, figures: file.figures() };
  };

  test('finds in the stored file what the encoder said', async () => {
    const { bytes, figures } = await encoded();
    assert.deepEqual(await format.verify?.(memoryFile(bytes)), figures);
    assert.equal(figures.rows, boundaryRows(EVERY_TYPE).length);
    assert.equal(figures.bytes, bytes.length);
  });

  test('notices every single damaged byte, and a file cut off or grown', async () => {
    const { bytes, figures } = await encoded();
    const noticed = async (stored: Buffer, what: string): Promise<void> => {
      const found = await format.verify?.(memoryFile(stored)).catch((error: WaybillError) => {
        assert.equal(error.code, 'FILE_INVALID', `${what}: ${error.stack}`);
        return undefined;
      });
      if (found !== undefined) assert.notDeepEqual(found, figures, what);
    };
    for (let at = 0; at < bytes.length; at++) {
      const stored = Buffer.from(bytes);
      stored[at] = (stored[at] as number) ^ (1 << (at % 8));
      await noticed(stored, `byte ${at} of ${bytes.length}`);
    }
    for (const cut of [0, 1, 8, 100, bytes.length - 1])
      await noticed(bytes.subarray(0, cut), `cut to ${cut}`);
    await noticed(Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(1), bytes.subarray(4)]), 'grown');
  });

  test('a damaged page is noticed by a reader too', async () => {
    const { bytes } = await encoded();
    const stored = Buffer.from(bytes);
    stored[Math.floor(bytes.length / 3)] = (stored[Math.floor(bytes.length / 3)] as number) ^ 16;
    const read = async (): Promise<void> => {
      for await (const _ of format.read(memoryFile(stored), EVERY_TYPE, { part: null }));
    };
    await refused(read(), 'FILE_INVALID', /differs from its checksum|cannot be (read|decoded)|no known kind/);
  });

  test('other rows have another checksum', async () => {
    const column = one('String', 'text');
    const checksums = new Set<string | undefined>();
    for (const rows of [
      [['a'], ['b']],
      [['b'], ['a']],
      [['a']],
      [['a'], [null]],
      [[null], ['a']],
    ] as Row[][]) {
      const file = format.encode([column], batchesOf(rows));
      await bytesOf(file);
      checksums.add(file.figures().checksum);
    }
    assert.equal(checksums.size, 5);
  });
});

describe('Parquet encoding as a stream', () => {
  const column = one('String', 'text');
  const rowsOf = (text: string): Row[] => Array.from({ length: 4_000 }, () => [text]);

  test('reads no further than a few row groups ahead of a slow consumer', async () => {
    let pulled = 0;
    async function* source(): AsyncGenerator<Row[]> {
      const random = seeded(1);
      for (; pulled < 400; pulled++) yield rowsOf(String(random()).repeat(20));
    }
    const file = parquetFormat({ compressionCodec: 'none' }).encode([column], source());
    const iterator = file.bytes[Symbol.asyncIterator]();
    // The magic, then the first page: nothing is taken after it.
    await iterator.next();
    await iterator.next();
    let before = -1;
    while (before !== pulled) {
      before = pulled;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert(pulled < 100, `${pulled} batches of ${rowsOf('').length} rows were read`);
    let bytes = 0;
    for (;;) {
      const { value, done } = await iterator.next();
      if (done === true) break;
      bytes += value.length;
    }
    assert.equal(pulled, 400);
    assert.equal(file.figures().rows, 1_600_000);
    assert(bytes > 500_000_000 / 2);
  });

  test('hands on the error of its source, and closes the source when nobody takes more', async () => {
    let closed = false;
    async function* source(fails: boolean): AsyncGenerator<Row[]> {
      try {
        for (let i = 0; ; i++) {
          if (fails && i === 200) throw new Error('connection lost');
          yield rowsOf(`${i}`);
        }
      } finally {
        closed = true;
      }
    }
    await assert.rejects(bytesOf(format.encode([column], source(true))), /connection lost/);
    assert(closed);
    closed = false;
    for await (const _ of format.encode([column], source(false)).bytes) break;
    assert(closed);
  });
});

test('a compressor whose pages are not restored fails the file', async () => {
  const working = await openCompressor('gzip');
  const column = one('Int64', 'bigint');
  const encodeWith = (compressor: PageCompressor): Promise<Buffer> =>
    bytesOf(
      encodeFile(
        async () => {
          const encoder = new FileEncoder([column], compressor);
          return { encoder, appender: new RowAppender(encoder) };
        },
        batchesOf([['1'], ['2']]),
      ),
    );
  assert((await encodeWith(working)).length > 0);
  const lossy = async (page: Buffer): Promise<Buffer> => {
    const changed = Buffer.from(page);
    changed[page.length - 1] = (changed[page.length - 1] as number) ^ 1;
    return working.compress(changed);
  };
  await refused(encodeWith({ ...working, compress: lossy }), 'CHUNK_MISMATCH', /not restored/);
  const broken = async (): Promise<Buffer> => {
    throw new Error('out of memory');
  };
  await assert.rejects(encodeWith({ ...working, compress: broken }), /out of memory/);
});
