// The byte stream of a binary COPY, cut at every possible place, gives the same tuples.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrameBatch } from '../../src/connectors/connector.ts';
import { CopyTuples } from '../../src/connectors/postgres/copy-tuples.ts';

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const header = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
const trailer = Buffer.from([0xff, 0xff]);
const tuple = (...fields: (Buffer | null)[]): Buffer => {
  const count = Buffer.alloc(2);
  count.writeInt16BE(fields.length);
  const parts = fields.map((field) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(field === null ? -1 : field.length);
    return field === null ? length : Buffer.concat([length, field]);
  });
  return Buffer.concat([count, ...parts]);
};

interface Read {
  readonly data: Buffer;
  readonly rows: number;
  readonly batches: FrameBatch[];
  readonly rest: Buffer | undefined;
}

const read = (pieces: readonly Buffer[]): Read => {
  const batches: FrameBatch[] = [];
  const tuples = new CopyTuples((batch) => batches.push(batch));
  let rest: Buffer | undefined;
  for (const piece of pieces) {
    if (rest === undefined) rest = tuples.push(Buffer.from(piece));
    else rest = Buffer.concat([rest, piece]);
  }
  return {
    data: Buffer.concat(batches.map((batch) => batch.data)),
    rows: batches.reduce((sum, batch) => sum + batch.rows, 0),
    batches,
    rest,
  };
};

const tuples = [
  tuple(Buffer.from('ab'), null),
  tuple(Buffer.from('PGCOPY\n'), Buffer.alloc(0)),
  tuple(null, Buffer.from([0xff, 0xff])),
];
const notice = message('N', Buffer.from('SNOTICE\0\0'));
const after = Buffer.concat([message('c', Buffer.alloc(0)), message('C', Buffer.from('COPY 3\0'))]);
const stream = Buffer.concat([
  message('H', Buffer.from([1, 0, 2, 0, 1, 0, 1])),
  message('d', Buffer.concat([header, tuples[0] ?? Buffer.alloc(0)])),
  notice,
  message('d', tuples[1] ?? Buffer.alloc(0)),
  message('d', tuples[2] ?? Buffer.alloc(0)),
  notice,
  message('d', trailer),
  after,
]);

test('a stream cut at any one or two places gives the same tuples and leaves the rest to the driver', () => {
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second += 7) {
      const pieces = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)];
      const found = read(pieces.filter((piece) => piece.length > 0));
      assert.deepEqual(found.data, Buffer.concat(tuples), `cut at ${first} and ${second}`);
      assert.equal(found.rows, 3);
      assert.deepEqual(found.rest, after);
    }
  }
  const bytes = read([...stream].map((byte) => Buffer.from([byte])));
  assert.deepEqual(bytes.data, Buffer.concat(tuples));
  assert.deepEqual(bytes.rest, after);
});

test('no rows at all, and an error in place of the first row', () => {
  const empty = read([
    message('H', Buffer.from([1, 0, 0])),
    message('d', Buffer.concat([header, trailer])),
    after,
  ]);
  assert.deepEqual({ batches: empty.batches, rest: empty.rest }, { batches: [], rest: after });
  const error = message('E', Buffer.from('SERROR\0\0'));
  assert.deepEqual(read([error]).rest, error);
});

test('many tuples come in batches of whole tuples, one larger than a batch in a batch of its own', () => {
  const small = tuple(Buffer.alloc(1000, 'x'));
  const large = tuple(Buffer.alloc(3_000_000, 'y'));
  const all = Buffer.concat([
    message('d', header),
    ...Array.from({ length: 900 }, () => message('d', small)),
    message('d', large),
    message('d', small),
    message('d', trailer),
    after,
  ]);
  const pieces: Buffer[] = [];
  for (let at = 0; at < all.length; at += 65_536) pieces.push(all.subarray(at, at + 65_536));
  const found = read(pieces);
  assert.equal(found.rows, 902);
  assert.equal(found.data.length, 901 * small.length + large.length);
  for (const { data, rows } of found.batches) {
    assert.ok(data.length === large.length || data.length === rows * small.length);
    assert.ok(data.length <= 256 * 1024 || data.length === large.length);
  }
});

test('what is not a binary COPY is refused', () => {
  const other = message('d', Buffer.from('1\tsome text of a COPY in text form\n'));
  assert.throws(() => read([other]), /it has no header/);
});
