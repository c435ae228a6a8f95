// Files of rows: what DelimitedText and Json write they read back; what is not of their format is refused by file and line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
} from 'node:zlib';
import { delimitedText } from '../../src/connectors/common/files/delimited-text.ts';
import type { FileFormat, ReadableFile } from '../../src/connectors/common/files/file-format.ts';
import { membersOf } from '../../src/connectors/common/files/json-scan.ts';
import { jsonText } from '../../src/connectors/common/files/json-text.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Column, InterimType, Row } from '../../src/core/types/column.ts';

const columnsOf = (...types: InterimType[]): Column[] =>
  types.map((type, i) => ({ name: `c${i}`, type, nullable: true, native: type }));
const STRINGS = columnsOf('String', 'String', 'String');

const fileOf = (content: string | Buffer, name = 'folder/file.csv', size = 7): ReadableFile => {
  const bytes = Buffer.from(content as string);
  return {
    name,
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    stream: async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    },
  };
};

const read = async (format: FileFormat, file: ReadableFile, columns?: readonly Column[]): Promise<Row[]> => {
  const rows: Row[] = [];
  const wanted = columns ?? (await format.columns(file));
  for await (const batch of format.read(file, wanted, { part: null }, wanted)) rows.push(...batch);
  return rows;
};

const written = async (format: FileFormat, columns: readonly Column[], rows: Row[]): Promise<Buffer> => {
  async function* batches(): AsyncGenerator<Row[]> {
    for (let at = 0; at < rows.length; at += 2) yield rows.slice(at, at + 2);
  }
  const encoded = format.encode(columns, batches());
  const pieces: Buffer[] = [];
  for await (const piece of encoded.bytes) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  assert.deepEqual(encoded.figures(), { rows: rows.length, bytes: bytes.length });
  return bytes;
};

const refused =
  (code: string, ...parts: RegExp[]) =>
  (error: unknown) => {
    assert.ok(error instanceof WaybillError, String(error));
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.match(error.message, part);
    return true;
  };

const HARD: Row[] = [
  ['', null, 'plain'],
  ['a,b;c|d\te', 'line\nbreak\r\nand\rmore', '"quoted" \\ back\\"slash\\\\'],
  ['\\N', 'NULL', 'é 漢字 🙂 \u0000 \uFEFF'],
  [' blank ends ', '"', '\\'],
  [null, null, null],
  ['0', '-1', '1e5'],
];

const SETTINGS: Record<string, JsonObject> = {
  defaults: {},
  header: { firstRowAsHeader: true },
  doubled: { escapeChar: '"', columnDelimiter: ';' },
  named: { nullValue: '\\N', columnDelimiter: '\t' },
  'a number for NULL': { nullValue: '0' },
  'longer delimiter': { columnDelimiter: '||', firstRowAsHeader: true },
  'row delimiter': { rowDelimiter: '\r\n' },
  'odd row delimiter': { rowDelimiter: '~' },
  gzip: { compressionCodec: 'gzip', compressionLevel: 'Optimal' },
  deflate: { compressionCodec: 'Deflate', firstRowAsHeader: true },
  'utf-16': { encodingName: 'UTF-16', firstRowAsHeader: true },
  'other quote': { quoteChar: "'", escapeChar: "'" },
};

for (const [name, dataset] of Object.entries(SETTINGS)) {
  for (const formatSettings of [{}, { quoteAllText: false }]) {
    test(`DelimitedText, ${name}${'quoteAllText' in formatSettings ? ', quotes where needed' : ''}: rows come back`, async () => {
      const format = delimitedText(dataset, formatSettings);
      const bytes = await written(format, STRINGS, HARD);
      for (const size of [1, 3, 64, 1_000_000]) {
        assert.deepEqual(await read(format, fileOf(bytes, 'f', size), STRINGS), HARD, `pieces of ${size}`);
      }
    });
  }
}

test('DelimitedText: numbers are bare, but never mean NULL, whatever the delimiter and the nullValue', async () => {
  const columns = columnsOf('Int32', 'Decimal', 'DateTime');
  const rows: Row[] = [
    ['0', '-1.50', '2024-02-29T13:14:15.000000'],
    [null, null, null],
    ['-1', '0.00', null],
  ];
  const format = (dataset: JsonObject): FileFormat => delimitedText(dataset, {});
  assert.equal(
    (await written(format({}), columns, rows)).toString(),
    '0,-1.50,2024-02-29T13:14:15.000000\n,,\n-1,0.00,\n',
  );
  for (const dataset of [
    { nullValue: '0' },
    { nullValue: '-1' },
    { columnDelimiter: '.' },
    { columnDelimiter: '-' },
    { columnDelimiter: 'T' },
  ]) {
    assert.deepEqual(
      await read(format(dataset), fileOf(await written(format(dataset), columns, rows)), columns),
      rows,
    );
  }
});

test('DelimitedText without quotes: delimiters are escaped, and what cannot be written is refused', async () => {
  const format = delimitedText({ quoteChar: '', nullValue: 'NULL' }, {});
  const rows: Row[] = [
    ['a,b', '\\', null],
    ['\\,', '', 'x\\y,'],
  ];
  assert.deepEqual(await read(format, fileOf(await written(format, STRINGS, rows)), STRINGS), rows);
  for (const value of ['line\nbreak', 'NULL']) {
    await assert.rejects(written(format, STRINGS, [[value, null, null]]), refused('SINK_TYPE_OVERFLOW'));
  }
});

test('DelimitedText: a byte order mark, CR LF, CR, blank lines and a last line without an end are no data', async () => {
  const format = delimitedText({ firstRowAsHeader: true }, {});
  for (const end of ['\n', '\r\n', '\r']) {
    const content = `\uFEFFid,name,x${end}1,"a",${end}${end}2,,""${end}${end}3,b,c`;
    assert.deepEqual(await format.columns(fileOf(content)).then((found) => found.map(({ name }) => name)), [
      'id',
      'name',
      'x',
    ]);
    assert.deepEqual(await read(format, fileOf(content, 'f', 1)), [
      ['1', 'a', null],
      ['2', null, ''],
      ['3', 'b', 'c'],
    ]);
  }
});

test('DelimitedText: a stray quote is found within bounds, by file and line', async () => {
  const format = delimitedText({ firstRowAsHeader: true }, {});
  const long = `a,b,c\n1,2,3\n4,"never closed,6\n${'7,8,9\n'.repeat(3_500_000)}`;
  const before = process.memoryUsage.rss();
  await assert.rejects(
    read(format, fileOf(long, 'in/long.csv', 262_144)),
    refused('FILE_INVALID', /in\/long\.csv, line 3/, /quote/),
  );
  assert.ok(process.memoryUsage.rss() - before < 400_000_000);
  await assert.rejects(
    read(format, fileOf('a,b,c\n1,2,3\n"x\ny","z"oops,3\n')),
    refused('FILE_INVALID', /line 3/),
  );
  await assert.rejects(
    read(format, fileOf('a,b,c\n1,"2,3\n')),
    refused('FILE_INVALID', /line 2/, /inside a quoted/),
  );
});

test('DelimitedText: a row of other width, another header and an empty file are named', async () => {
  const format = delimitedText({ firstRowAsHeader: true }, {});
  const planned = columnsOf('String', 'String');
  await assert.rejects(
    read(format, fileOf('c0,c1\n1,2\n3,4,5\n')),
    refused('FILE_INVALID', /Row 2 of folder\/file\.csv has 3 fields, not 2/),
  );
  await assert.rejects(
    read(format, fileOf('c0,cX\n1,2\n'), planned),
    refused('SOURCE_CHANGED', /has no column c1/),
  );
  await assert.rejects(read(format, fileOf('c0,c1,c2\n1,2,3\n'), planned), refused('SOURCE_CHANGED', /c2/));
  await assert.rejects(read(format, fileOf('')), refused('FILE_INVALID', /empty/));
  await assert.rejects(read(format, fileOf('a,a\n1,2\n')), refused('FILE_INVALID', /two columns named a/));
  assert.deepEqual(
    await read(format, fileOf('c1,c0\n1,2\n'), planned),
    [['2', '1']],
    'another order is the same',
  );
});

test('DelimitedText: skipLineCount leaves out lines before the header', async () => {
  const format = delimitedText({ firstRowAsHeader: true }, { skipLineCount: 2 });
  const content = 'Report "of today\nmade by us\nid,name\n1,a\n';
  for (const size of [1, 5, 100])
    assert.deepEqual(await read(format, fileOf(content, 'f', size)), [['1', 'a']]);
  await assert.rejects(read(format, fileOf('x\ny\nid,name\n1,"a\n')), refused('FILE_INVALID', /line 4/));
});

test('text that is not of its encoding is refused; other encodings are read', async () => {
  const format = delimitedText({}, {});
  const latin = Buffer.from('é,ü,ß\n', 'latin1');
  await assert.rejects(
    read(format, fileOf(latin)),
    refused('FILE_INVALID', /folder\/file\.csv is not UTF-8/),
  );
  assert.deepEqual(await read(delimitedText({ encodingName: 'ISO-8859-1' }, {}), fileOf(latin)), [
    ['é', 'ü', 'ß'],
  ]);
  const japanese = Buffer.from([0x93, 0xfa, 0x96, 0x7b, 0x2c, 0x61, 0x0a]);
  assert.deepEqual(await read(delimitedText({ encodingName: 'shift_jis' }, {}), fileOf(japanese, 'f', 1)), [
    ['日本', 'a'],
  ]);
  await assert.rejects(
    read(delimitedText({ encodingName: 'shift_jis' }, {}), fileOf(Buffer.from([0x93]))),
    refused('FILE_INVALID'),
  );
  assert.throws(
    () => delimitedText({ encodingName: 'klingon' }, {}),
    refused('DEFINITION_UNSUPPORTED', /klingon/),
  );
  assert.throws(
    () => delimitedText({ encodingName: 'shift_jis' }, {}).encode(STRINGS, (async function* () {})()),
    refused('DEFINITION_UNSUPPORTED', /shift_jis/),
  );
  await assert.rejects(
    read(format, fileOf(Buffer.from('a,b\n1,\u00e9').subarray(0, -1))),
    refused('FILE_INVALID'),
  );
});

test('compressed files: gzip of several members, both forms of deflate, cut files and others are refused', async () => {
  const zipped = delimitedText({ compressionCodec: 'gzip' }, {});
  const two = Buffer.concat([gzipSync('1,2\n'), gzipSync('3,4\n')]);
  assert.deepEqual(await read(zipped, fileOf(two, 'f', 3)), [
    ['1', '2'],
    ['3', '4'],
  ]);
  assert.deepEqual(
    await read(delimitedText({}, {}), fileOf(gzipSync('1,2\n'), 'f.csv.gz')),
    [['1', '2']],
    'by its name',
  );
  const deflate = delimitedText({ compressionCodec: 'deflate' }, {});
  for (const bytes of [deflateRawSync('1,2\n'), deflateSync('1,2\n')]) {
    assert.deepEqual(await read(deflate, fileOf(bytes, 'f', 1)), [['1', '2']]);
  }
  const big = gzipSync(Buffer.from('1,2\n'.repeat(50_000)), { level: 0 });
  await assert.rejects(
    read(zipped, fileOf(big.subarray(0, 100_000))),
    refused('FILE_INVALID', /file\.csv is not whole gzip/),
  );
  await assert.rejects(read(zipped, fileOf(brotliCompressSync('1,2\n'))), refused('FILE_INVALID'));
  for (const compressionCodec of ['bzip2', 'ZipDeflate', 'TarGzip', 'snappy']) {
    assert.throws(
      () => delimitedText({ compressionCodec }, {}),
      refused('DEFINITION_UNSUPPORTED', new RegExp(compressionCodec, 'i')),
    );
  }
  assert.equal(gunzipSync(await written(zipped, columnsOf('Int32'), [['1']])).toString(), '1\n');
  assert.equal(inflateRawSync(await written(deflate, columnsOf('Int32'), [['1']])).toString(), '1\n');
  assert.equal(zipped.extension, '.csv.gz');
  assert.equal(delimitedText({}, { fileExtension: '.txt' }).extension, '.txt');
  assert.equal(delimitedText({ compressionCodec: 'gzip' }, { fileExtension: 'tsv' }).extension, '.tsv.gz');
});

const JSON_COLUMNS = columnsOf('String', 'Int64', 'Decimal', 'Boolean', 'Double');
const JSON_ROWS: Row[] = [
  ['a "b" \\ \n 🙂', '9223372036854775807', '1234567890123456789012345678.0123456789', '1', '0.1'],
  ['', '0', '0.00', '0', '-1e-300'],
  [null, null, null, null, null],
  ['{"not":"parsed"}', '-1', '1', '1', 'NaN'],
];

for (const filePattern of ['setOfObjects', 'arrayOfObjects']) {
  test(`Json, ${filePattern}: numbers keep their digits, texts their characters`, async () => {
    const format = jsonText({}, { filePattern });
    const bytes = await written(format, JSON_COLUMNS, JSON_ROWS);
    const parsed =
      filePattern === 'arrayOfObjects'
        ? JSON.parse(bytes.toString())
        : JSON.parse(bytes.toString().split('\n')[1] ?? '');
    assert.deepEqual(filePattern === 'arrayOfObjects' ? parsed[1] : parsed, {
      c0: '',
      c1: 0,
      c2: 0,
      c3: false,
      c4: -1e-300,
    });
    const expected = JSON_ROWS.map((row) =>
      row.map((value, i) => (i === 3 && value !== null ? (value === '1' ? 'true' : 'false') : value)),
    );
    for (const size of [1, 3, 10_000])
      assert.deepEqual(await read(format, fileOf(bytes, 'f', size)), expected);
  });
}

test('Json: members that are objects stay JSON; missing ones are NULL; a new one late in the file is not passed over', async () => {
  const format = jsonText({}, {});
  const content = '{"a": {"x":[1,"}"]}, "b" : [1, {"y":2}]}\n{"b":"two"}\n\n{"a":null,"c":1.50}';
  assert.deepEqual(
    (await format.columns(fileOf(content))).map(({ name }) => name),
    ['a', 'b', 'c'],
  );
  assert.deepEqual(await read(format, fileOf(content)), [
    ['{"x":[1,"}"]}', '[1, {"y":2}]', null],
    [null, 'two', null],
    [null, null, '1.50'],
  ]);
  const late = `${'{"a":1}\n'.repeat(1_000)}{"a":1,"late":2}\n`;
  await assert.rejects(read(format, fileOf(late)), refused('SOURCE_CHANGED', /late/));
  const named = jsonText({}, {}, { schema: columnsOf('String') });
  assert.equal(
    (
      await read(
        named,
        fileOf(late),
        columnsOf('String').map((column) => ({ ...column, name: 'a' })),
      )
    ).length,
    1_001,
  );
});

test('Json: what is not JSON is refused by file and line', async () => {
  const format = jsonText({}, {});
  await assert.rejects(
    read(format, fileOf('{"a":1}\n{"a":\n', 'x.json')),
    refused('FILE_INVALID', /x\.json, line \d/),
  );
  await assert.rejects(
    read(format, fileOf('{"a":1}\nnonsense\n', 'x.json')),
    refused('FILE_INVALID', /x\.json, line 2/),
  );
  await assert.rejects(
    read(format, fileOf('{"a":01}\n', 'x.json')),
    refused('FILE_INVALID', /Object 1 of x\.json/),
  );
  await assert.rejects(read(format, fileOf('{"a":1,}\n', 'x.json')), refused('FILE_INVALID'));
  await assert.rejects(read(format, fileOf('[]', 'x.json')), refused('FILE_INVALID'));
});

test('members of an object: escapes, nested brackets in texts, blanks', () => {
  const members = membersOf(
    '{ "a\\"b" : "x\\u00e9\\n" , "n":-1.50e+10,"o":{"}":"{"},"e":{},"l":[ ],"t":true,"z":null }',
  );
  assert.deepEqual(
    [...members],
    [
      ['a"b', 'xé\n'],
      ['n', '-1.50e+10'],
      ['o', '{"}":"{"}'],
      ['e', '{}'],
      ['l', '[ ]'],
      ['t', 'true'],
      ['z', null],
    ],
  );
  assert.deepEqual([...membersOf('{}')], []);
});
