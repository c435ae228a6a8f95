// Nested JSON to rows and back: collections, paths, documents larger than memory, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReadableFile } from '../../src/connectors/common/files/file-format.ts';
import { jsonText } from '../../src/connectors/common/files/json-text.ts';
import { jsonMapping, sinkPaths } from '../../src/core/copy/json-mapping.ts';
import { jsonPath } from '../../src/core/copy/json-path.ts';
import { mapColumns } from '../../src/core/copy/mapping.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import type { Column, Row } from '../../src/core/types/column.ts';

const fileOf = (content: string, size: number): ReadableFile => {
  const bytes = Buffer.from(content);
  return {
    name: 'in.json',
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    stream: async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    },
  };
};

const translatorOf = (paths: readonly string[], more: JsonObject = {}): JsonObject => ({
  type: 'TabularTranslator',
  mappings: paths.map((path, i) => ({ source: { path }, sink: { name: `c${i}` } })),
  ...more,
});

/** Rows of a text, in the order of the mapping, read in pieces of each of these sizes. */
const rowsOf = async (
  content: string,
  translator: JsonObject,
  settings: JsonObject = {},
  sizes: readonly number[] = [1, 3, 7, 1_000_000],
): Promise<Row[]> => {
  const all: Row[][] = [];
  for (const size of sizes) {
    const format = jsonText({}, {}, { mapping: jsonMapping(translator, settings) });
    const file = fileOf(content, size);
    const columns = await format.columns(file);
    const rows: Row[] = [];
    for await (const batch of format.read(file, columns, { part: null }, columns)) rows.push(...batch);
    all.push(rows);
  }
  for (const rows of all) assert.deepEqual(rows, all[0]);
  return all[0] ?? [];
};

const refused = (code: string, part: RegExp) => (error: unknown) => {
  assert.ok(error instanceof WaybillError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, part);
  return true;
};

const ORDERS = [
  {
    number: '01',
    date: '20170122',
    orders: [
      { prod: 'p1', price: 23 },
      { prod: 'p2', price: 13.1 },
    ],
    city: [{ name: 'Seattle' }],
  },
  { number: '02', date: '20170123', orders: [{ prod: 'p3', price: 231 }], city: [{ name: 'Redmond' }] },
];

test('paths are read in all their spellings', () => {
  const member = (...names: string[]) => names.map((name) => ({ member: name }));
  assert.deepEqual(jsonPath("$['a']['b']"), { absolute: true, steps: member('a', 'b') });
  assert.deepEqual(jsonPath('$.a.b'), { absolute: true, steps: member('a', 'b') });
  assert.deepEqual(jsonPath("['a.b']"), { absolute: false, steps: member('a.b') });
  assert.deepEqual(jsonPath('a.b'), { absolute: false, steps: member('a', 'b') });
  assert.deepEqual(jsonPath("$['it\\'s']"), { absolute: true, steps: member("it's") });
  assert.deepEqual(jsonPath('$["@odata.nextLink"]'), { absolute: true, steps: member('@odata.nextLink') });
  assert.deepEqual(jsonPath('$.a[2].b[*]').steps, [
    { member: 'a' },
    { index: 2 },
    { member: 'b' },
    { every: true },
  ]);
  assert.deepEqual(jsonPath('$').steps, []);
  for (const bad of ['$..a', '$.a[?(@.x)]', "$['a", '$[-1]', '$.a[1:2]'])
    assert.throws(() => jsonPath(bad), refused('DEFINITION_UNSUPPORTED', /path/), bad);
});

test('an array of objects becomes rows, with fields of its document, however documents are put together', async () => {
  const translator = translatorOf(
    ["$['number']", '$.date', "['prod']", "['price']", "$['city'][0]['name']"],
    { collectionReference: "$['orders']" },
  );
  const expected = [
    ['01', '20170122', 'p1', '23', 'Seattle'],
    ['01', '20170122', 'p2', '13.1', 'Seattle'],
    ['02', '20170123', 'p3', '231', 'Redmond'],
  ];
  const texts = ORDERS.map((order) => JSON.stringify(order));
  for (const content of [
    texts.join('\n'),
    texts.join(''),
    texts.join(',\r\n'),
    JSON.stringify(ORDERS),
    JSON.stringify(ORDERS, undefined, 2),
    `\uFEFF ${texts.join('\n\n')}\n`,
  ])
    assert.deepEqual(await rowsOf(content, translator), expected, content);
  for (const collectionReference of ['$.orders', '$.orders[*]', "$['orders'][]", '$[*].orders']) {
    assert.deepEqual(await rowsOf(texts.join('\n'), { ...translator, collectionReference }), expected);
  }
});

test('the oldest form of mapping means the same', async () => {
  const translator = {
    type: 'TabularTranslator',
    schemaMapping: { '$.number': 'orderNumber', prod: 'product', '$.city[0].name': 'city' },
    collectionReference: '$.orders',
  };
  const rows = [
    ['01', 'p1', 'Seattle'],
    ['01', 'p2', 'Seattle'],
    ['02', 'p3', 'Redmond'],
  ];
  assert.deepEqual(await rowsOf(JSON.stringify(ORDERS), translator), rows);
  const format = jsonText({}, {}, { mapping: jsonMapping(translator) });
  const columns = await format.columns(fileOf('', 1));
  const sink: Column[] = ['city', 'orderNumber', 'product'].map((name) => ({
    name,
    type: 'String',
    nullable: true,
    native: 'text',
  }));
  assert.deepEqual(
    mapColumns(columns, sink, translator).map((pair) => `${pair.source.name}>${pair.sink.name}`),
    ['$.number>orderNumber', 'prod>product', '$.city[0].name>city'],
  );
});

test('what is missing is NULL, an object stands for an array of one, and no array is no row', async () => {
  const translator = translatorOf(['$.id', "['x']['y']", "['z'][1]"], { collectionReference: '$.a.b' });
  const rows = await rowsOf(
    [
      '{"a":{"b":[{"x":{"y":1},"z":[1,2]},{"x":null},{},{"x":5,"z":{}}]},"id":1}',
      '{"id":2,"a":{"b":[]}}{"id":3}{"id":4,"a":null}{"id":5,"a":{"b":null}}',
      '{"id":6,"a":{"b":{"x":{"y":"one"}}}}',
      '{"a":{"b":[{"x":{"y":true}}]}}',
    ].join('\n'),
    translator,
  );
  assert.deepEqual(rows, [
    ['1', '1', '2'],
    ['1', null, null],
    ['1', null, null],
    ['1', null, null],
    ['6', 'one', null],
    [null, 'true', null],
  ]);
});

test('arrays within arrays are taken apart, and rows keep what stands above them', async () => {
  const content = JSON.stringify({
    shop: 's',
    orders: [
      { id: 1, lines: [{ sku: 'a' }, { sku: 'b' }], note: 'late' },
      { id: 2, lines: [] },
      { lines: [{ sku: 'c' }], id: 3 },
    ],
    end: 'e',
  });
  const translator = translatorOf(
    ['$.shop', '$.orders[*].id', '$.orders[*].note', "['sku']", '$.end', '$.orders[1].id'],
    { collectionReference: '$.orders[*].lines[*]' },
  );
  assert.deepEqual(await rowsOf(content, translator), [
    ['s', '1', 'late', 'a', 'e', '2'],
    ['s', '1', 'late', 'b', 'e', '2'],
    ['s', '3', null, 'c', 'e', '2'],
  ]);
});

test('objects and arrays are their text, or NULL where the mapping says false', async () => {
  const content = '{"a":{"n":12345678901234567890.10,"b":[1, 2]},"t":"\\u0041\\n\\"","big":1e400}';
  const paths = ['$.a', '$.a.b', '$.a.n', '$.t', '$.big', '$.t.none', '$.a.b[0]'];
  const text = '{"n":12345678901234567890.10,"b":[1, 2]}';
  assert.deepEqual(await rowsOf(content, translatorOf(paths, { mapComplexValuesToString: true })), [
    [text, '[1, 2]', '12345678901234567890.10', 'A\n"', '1e400', null, '1'],
  ]);
  assert.deepEqual(await rowsOf(content, translatorOf(paths, { mapComplexValuesToString: false })), [
    [null, null, '12345678901234567890.10', 'A\n"', '1e400', null, '1'],
  ]);
});

test('a collection without a mapping gives its members, and positions leave objects as they are', async () => {
  const rows = await rowsOf('{"value":[{"a":1,"b":"x"},{"a":null,"b":{"c":2}}],"next":"n"}', {
    collectionReference: '$.value',
  });
  assert.deepEqual(rows, [
    ['1', 'x'],
    [null, '{"c":2}'],
  ]);
  assert.equal(jsonMapping({ mappings: [{ source: { ordinal: 1 }, sink: { name: 'a' } }] }), undefined);
  assert.equal(jsonMapping({ type: 'TabularTranslator', collectionReference: '' }), undefined);
});

test('additional columns are no paths, and one that repeats a column is read', () => {
  const settings = {
    additionalColumns: [
      { name: 'file', value: '$$FILEPATH' },
      { name: 'again', value: '$$COLUMN:id' },
    ],
  };
  const translator = translatorOf(["$['file']", '$.x.y', "['again']"]);
  const mapping = jsonMapping(translator, settings);
  assert.deepEqual(
    mapping?.fields.map(({ label }) => label),
    ['$.x.y', 'id'],
  );
  const source = (mapping?.fields ?? []).map(
    ({ label }): Column => ({ name: label, type: 'String', nullable: true, native: 'json' }),
  );
  const sink = ['c0', 'c1', 'c2'].map(
    (name): Column => ({ name, type: 'String', nullable: true, native: 'text' }),
  );
  assert.deepEqual(
    mapColumns(source, sink, translator, settings).map((pair) => `${pair.source.name}>${pair.sink.name}`),
    ['file>c0', '$.x.y>c1', 'id>c2'],
  );
});

test('what is no JSON is refused with its line', async () => {
  const translator = translatorOf(['$.id', "['x']"], { collectionReference: '$.a' });
  for (const [bad, what] of [
    ['{"a":[{"x":1},', /ends inside/],
    ['{"a":[{"x":1}', /ends inside/],
    ['{"a":[{"x":1}]', /ends inside/],
    ['{"a":[{"x":01}]}', /no JSON value/],
    ['{"a":[{"x":nul}]}', /no JSON value/],
    ['{"a":[{"x":1 "y":2}]}', /comma/],
    ['{"a":[{"x":1}}', /comma/],
    ['{"a" [1]}', /colon/],
    ['{a:1}', /name in quotes/],
    ['{"a":[1,]}', /no JSON value/],
    ['{"a":[{"x":1,}]}', /name in quotes/],
    ['{"a":[{"x":"\u0001\\q"}]}', /no JSON value/],
    ['17', /something else/],
    ['[[{"a":1}]]', /something else/],
    ['{"id":"x', /ends inside/],
  ] as const) {
    await assert.rejects(rowsOf(`\n\n${bad}`, translator), refused('FILE_INVALID', what), bad);
    await assert.rejects(rowsOf(`\n\n${bad}`, translator), refused('FILE_INVALID', /line 3/), bad);
  }
  await assert.rejects(
    rowsOf('{}', translatorOf(['$.tags[*].name'])),
    refused('DEFINITION_UNSUPPORTED', /several values/),
  );
});

test('a document larger than memory may hold is read in pieces, also where its fields come last', async () => {
  const element = `{"k":"${'v'.repeat(1_000)}","n":`;
  const count = 60_000;
  let passes = 0;
  const huge = (before: string, after: string): ReadableFile => ({
    name: 'huge.json',
    size: 1,
    read: async () => Buffer.alloc(0),
    stream: async function* () {
      passes++;
      yield Buffer.from(`{"first":{"elements":[]}}\n{${before}"elements":[`);
      for (let i = 0; i < count; i += 100) {
        const part = Array.from({ length: 100 }, (_, k) => `${element}${i + k}}`).join(',');
        yield Buffer.from(i === 0 ? part : `,${part}`);
      }
      yield Buffer.from(`]${after}}\n{"id":"last","elements":[{"n":"x"}]}`);
    },
  });
  const format = jsonText(
    {},
    {},
    { mapping: jsonMapping(translatorOf(['$.id', "['n']", "['k']"], { collectionReference: '$.elements' })) },
  );
  for (const [file, expectedPasses] of [
    [huge('"id":"early",', ''), 1],
    [huge('', ',"id":"late"'), 2],
  ] as const) {
    passes = 0;
    const columns = await format.columns(file);
    let rows = 0;
    let most = 0;
    let last: Row | undefined;
    const ids = new Set<string | null | undefined>();
    for await (const batch of format.read(file, columns, { part: null }, columns)) {
      rows += batch.length;
      most = Math.max(most, process.memoryUsage().heapUsed);
      for (const row of batch) ids.add(row[0]);
      last = batch.at(-1);
    }
    assert.equal(rows, count + 1);
    assert.deepEqual(last, ['last', 'x', null]);
    assert.deepEqual([...ids], [expectedPasses === 1 ? 'early' : 'late', 'last']);
    assert.equal(passes, expectedPasses);
    assert.ok(most < 400 * 1_048_576, `${most}`);
  }
});

test('objects are written nested where the mapping gives columns paths', async () => {
  const translator = {
    mappings: [
      { source: { name: 'id' }, sink: { path: "$['id']" } },
      { source: { name: 'city' }, sink: { path: "$['address']['city']" } },
      { source: { name: 'n' }, sink: { path: '$.n' } },
      { source: { name: 'zip' }, sink: { path: '$.address.zip' } },
    ],
  };
  const columns: Column[] = [
    { name: 'id', type: 'Int32', nullable: true, native: '' },
    { name: "$['address']['city']", type: 'String', nullable: true, native: '' },
    { name: 'n', type: 'Decimal', nullable: true, native: '' },
    { name: '$.address.zip', type: 'String', nullable: true, native: '' },
  ];
  const encoded = async (formatSettings: JsonObject, paths: JsonValue): Promise<string> => {
    const format = jsonText({}, formatSettings, { sinkPaths: sinkPaths(paths) });
    async function* batches(): AsyncGenerator<Row[]> {
      yield [['1', 'Bern', '1.50', null]];
      yield [['2', null, null, '8000']];
    }
    const pieces: Buffer[] = [];
    for await (const piece of format.encode(columns, batches()).bytes) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  };
  assert.equal(
    await encoded({ filePattern: 'setOfObjects' }, translator),
    '{"id":1,"address":{"city":"Bern","zip":null},"n":1.50}\n{"id":2,"address":{"city":null,"zip":"8000"},"n":null}\n',
  );
  assert.deepEqual(JSON.parse(await encoded({ filePattern: 'arrayOfObjects' }, translator)), [
    { id: 1, address: { city: 'Bern', zip: null }, n: 1.5 },
    { id: 2, address: { city: null, zip: '8000' }, n: null },
  ]);
  const twice = {
    mappings: [...translator.mappings, { source: { name: 'x' }, sink: { path: '$.address.zip.more' } }],
  };
  const more: Column[] = [
    ...columns,
    { name: '$.address.zip.more', type: 'String', nullable: true, native: '' },
  ];
  const clash = jsonText({}, {}, { sinkPaths: sinkPaths(twice) });
  await assert.rejects(
    async () => {
      for await (const _ of clash.encode(more, (async function* () {})()).bytes);
    },
    refused('DEFINITION_INVALID', /Two columns/),
  );
});
