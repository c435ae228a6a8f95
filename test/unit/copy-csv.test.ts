// Delimited text: what is written is read back, however it is cut, and '' is not NULL.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CsvFormat, CsvReader, formatCsv, PLAIN_CSV } from '../../src/core/copy/csv.ts';
import type { Row } from '../../src/core/types/column.ts';

const BACKSLASH: CsvFormat = { delimiter: ';', quote: '"', escapeMark: '\\', nullText: '' };
const NAMED_NULL: CsvFormat = { delimiter: '\t', quote: '"', escapeMark: '"', nullText: '\\N' };

const ROWS: Row[] = [
  ['1', 'plain', null],
  ['2', '', 'a "quoted" word'],
  ['3', 'line\nbreak\r\nand more', 'semi;colon,comma\ttab'],
  ['4', 'ends in backslash\\', '\\"both\\\\'],
  [null, null, null],
  ['5', 'emoji 🙂 é', '|pipes||'],
  ['6', '"', '""'],
];

const read = (text: string, format: CsvFormat, size: number): Row[] => {
  const reader = new CsvReader(format);
  const rows: Row[] = [];
  for (let i = 0; i < text.length; i += size) rows.push(...reader.push(text.slice(i, i + size)));
  rows.push(...reader.end());
  return rows;
};

for (const [name, format] of Object.entries({ PLAIN_CSV, BACKSLASH, NAMED_NULL })) {
  test(`${name}: rows come back whatever the pieces`, () => {
    const text = formatCsv(ROWS, [false, true, true], format);
    for (const size of [1, 2, 3, 7, 64, text.length]) {
      assert.deepEqual(read(text, format, size), ROWS, `pieces of ${size}`);
    }
  });
}

test('a last line without a newline, and lines ending in CR LF', () => {
  assert.deepEqual(read('a,b\r\n1,\r\n2,""', PLAIN_CSV, 4), [
    ['a', 'b'],
    ['1', null],
    ['2', ''],
  ]);
  assert.deepEqual(read('1,', PLAIN_CSV, 1), [['1', null]]);
});

test('a file cut off inside a quoted field is an error, not a row', () => {
  assert.throws(() => read('1,"never closed\n2,3\n', PLAIN_CSV, 5), /quoted field/);
});
