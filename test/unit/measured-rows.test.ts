// Rows on their way: converted, counted, hashed; those that do not fit are named, or left out and counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChecksumSum } from '../../src/connectors/common/checksum.ts';
import {
  type IncompatibleRow,
  type MeasureOptions,
  measureRows,
} from '../../src/connectors/common/measured-rows.ts';
import { fieldText, rowText } from '../../src/core/copy/row-text.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column, InterimType, MappedColumn, Row } from '../../src/core/types/column.ts';

const column = (name: string, type: InterimType, more: Partial<Column> = {}): Column => ({
  name,
  type,
  nullable: true,
  native: type,
  ...more,
});
const pair = (
  name: string,
  from: InterimType,
  to: InterimType,
  more: Partial<Column> = {},
): MappedColumn => ({
  source: column(name, from),
  sink: column(name, to, more),
});

async function* batches(...rows: Row[][]): AsyncGenerator<Row[]> {
  for (const batch of rows) yield batch;
}

const options = (more: Partial<MeasureOptions> = {}): MeasureOptions => ({
  verify: true,
  progress: () => undefined,
  ...more,
});

const drain = async (measured: ReturnType<typeof measureRows>): Promise<Row[]> => {
  const rows: Row[] = [];
  for await (const batch of measured.batches) rows.push(...batch);
  return rows;
};

test('rows are converted, and the checksum is of what the sink will hold', async () => {
  const columns = [
    pair('id', 'Int32', 'Int64'),
    pair('price', 'Decimal', 'Decimal', { precision: 10, scale: 2 }),
  ];
  const measured = measureRows(
    batches(
      [
        ['1', '5'],
        ['2', null],
      ],
      [['3', '7']],
    ),
    columns,
    options(),
  );
  const rows = await drain(measured);
  assert.deepEqual(rows, [
    ['1', '5.00'],
    ['2', null],
    ['3', '7.00'],
  ]);
  const sum = new ChecksumSum();
  for (const row of rows)
    sum.add(
      rowText(
        row,
        columns.map(({ sink }) => fieldText(sink)),
      ),
    );
  assert.deepEqual(measured.figures(), { rows: 3, bytes: 11, checksum: sum.total() });
});

test('given columns stand where the mapping has them', async () => {
  let file = 'a.csv';
  const columns: MappedColumn[] = [
    { ...pair('region', 'String', 'String'), given: { value: 'eu' } },
    pair('id', 'Int32', 'Int32'),
    { ...pair('file', 'String', 'String'), given: 'filePath' },
    { ...pair('none', 'String', 'String'), given: { value: null } },
  ];
  async function* files(): AsyncGenerator<Row[]> {
    yield [['1']];
    file = 'b.csv';
    yield [['2']];
  }
  const measured = measureRows(files(), columns, options({ filePath: () => file }));
  assert.deepEqual(await drain(measured), [
    ['eu', '1', 'a.csv', null],
    ['eu', '2', 'b.csv', null],
  ]);
});

test('a row that does not fit is named by its key and number, without its value', async () => {
  const columns = [pair('id', 'Int64', 'Int64'), pair('amount', 'String', 'Int32')];
  const measured = measureRows(
    batches(
      [
        ['7', '1'],
        ['8', '2'],
      ],
      [['9', 'secret text']],
    ),
    columns,
    options({ place: { chunk: 3, keyColumn: 'id' } }),
  );
  await assert.rejects(drain(measured), (error) => {
    assert.ok(error instanceof WaybillError);
    assert.equal(error.code, 'SINK_TYPE_OVERFLOW');
    assert.match(
      error.message,
      /amount \(Int32\).*comes from amount \(String\) and has 11 characters.*row 3 of chunk 4, id = 9/,
    );
    assert.ok(!JSON.stringify([error.message, error.details]).includes('secret'));
    assert.deepEqual([error.details['chunk'], error.details['row'], error.details['key']], [3, 3, 'id = 9']);
    return true;
  });
});

test('a key that is text is not part of the message: it may be anything', async () => {
  const columns = [pair('mail', 'String', 'String'), pair('n', 'Int32', 'Int32', { nullable: false })];
  const measured = measureRows(
    batches([['ann@example.org', null]]),
    columns,
    options({ place: { chunk: 0, keyColumn: 'mail' } }),
  );
  await assert.rejects(
    drain(measured),
    (error) =>
      error instanceof WaybillError &&
      error.code === 'CONSTRAINT_VIOLATED' &&
      !error.message.includes('ann@'),
  );
});

test('rows that do not fit are left out whole, with the texts they came with, and read is copied and skipped', async () => {
  const columns = [
    pair('id', 'Int64', 'String'),
    pair('amount', 'String', 'Int16'),
    pair('kind', 'String', 'String', { length: 2, nullable: false }),
  ];
  const found: IncompatibleRow[] = [];
  let finished = 0;
  const measured = measureRows(
    batches(
      [
        ['1', '5', 'ok'],
        ['2', '99999', 'ok'],
      ],
      [
        ['3', '1', null],
        ['4', '1', 'long'],
        ['5', '6', 'ok'],
      ],
    ),
    columns,
    options({
      skip: {
        add: (row) => found.push(row),
        finish: async () => {
          finished++;
        },
      },
    }),
  );
  assert.deepEqual(await drain(measured), [
    ['1', '5', 'ok'],
    ['5', '6', 'ok'],
  ]);
  const { rows, skipped } = measured.figures();
  assert.deepEqual([rows, skipped, finished], [2, 3, 1]);
  assert.deepEqual(
    found.map(({ number, row, error }) => [number, row, error.code]),
    [
      [2, ['2', '99999', 'ok'], 'SINK_TYPE_OVERFLOW'],
      [3, ['3', '1', null], 'CONSTRAINT_VIOLATED'],
      [4, ['4', '1', 'long'], 'SINK_TYPE_OVERFLOW'],
    ],
  );
});

test('an error of the source itself is never skipped', async () => {
  async function* broken(): AsyncGenerator<Row[]> {
    yield [['1']];
    throw new WaybillError('CONNECTION_FAILED', 'gone');
  }
  const measured = measureRows(
    broken(),
    [pair('id', 'Int32', 'Int32')],
    options({ skip: { add: () => undefined, finish: async () => undefined } }),
  );
  await assert.rejects(
    drain(measured),
    (error) => error instanceof WaybillError && error.code === 'CONNECTION_FAILED',
  );
});
