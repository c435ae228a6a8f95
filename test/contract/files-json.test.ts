// Copies of nested documents: arrays of a file's objects into rows, and rows into nested objects.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { deflateRawSync, gunzipSync, gzipSync, inflateRawSync } from 'node:zlib';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { type FolderCopies, folderCopies } from '../support/folder-copies.ts';

const TRANSLATOR = {
  type: 'TabularTranslator',
  collectionReference: "$['orders']",
  mapComplexValuesToString: true,
  mappings: [
    { source: { path: "$['number']" }, sink: { name: 'number', type: 'Int32' } },
    { source: { path: "['prod']" }, sink: { name: 'product' } },
    { source: { path: "['tags']" }, sink: { name: 'tags' } },
    { source: { path: "$['file']" }, sink: { name: 'file' } },
  ],
};

describe('copies of nested documents', { timeout: 120_000 }, () => {
  let copies: FolderCopies;
  before(async () => {
    copies = await folderCopies();
    await copies.put(
      'in/a/one.json',
      '[{"orders":[{"prod":"p1","tags":["x","y"]},{"prod":"p2"}],"number":1},{"number":2,"orders":[]}]',
    );
    await copies.put('in/two.json', '{"number":3,"orders":[{"prod":"p3, or \\"p4\\"","tags":{}}]}\n');
  });
  after(() => copies.stop());

  test('arrays become rows with the fields above them and the file they come from', async () => {
    const settings = { additionalColumns: [{ name: 'file', value: '$$FILEPATH' }] };
    const lines = await copies.lines('nested', copies.end('Json', 'in/', {}, settings), {
      translator: TRANSLATOR,
    });
    assert.deepEqual(lines, [
      'number,product,tags,file',
      '1,p1,"[\\"x\\",\\"y\\"]",a/one.json',
      '1,p2,,a/one.json',
      '3,"p3, or \\"p4\\"",{},two.json',
    ]);
  });

  test('rows become nested objects', async () => {
    await copies.put('rows.csv', 'id,city,zip\n1,Bern,3000\n2,,\n');
    const translator = {
      type: 'TabularTranslator',
      mappings: [
        { source: { name: 'id' }, sink: { path: "$['id']", type: 'Int64' } },
        { source: { name: 'city' }, sink: { path: "$['address']['city']" } },
        { source: { name: 'zip' }, sink: { path: "$['address']['zip']" } },
      ],
    };
    await copies.runner.copy(
      'out',
      copies.end('DelimitedText', 'rows.csv', { firstRowAsHeader: true }),
      copies.end('Json', 'out/rows.json', {}, { formatSettings: { filePattern: 'arrayOfObjects' } }),
      { translator },
    );
    assert.deepEqual(JSON.parse(await copies.text('out/rows.json')), [
      { id: 1, address: { city: 'Bern', zip: '3000' } },
      { id: 2, address: { city: null, zip: null } },
    ]);
  });

  test('a value that does not fit fails the copy, or is left out where rows may be', async () => {
    await copies.put(
      'odd.json',
      '{"orders":[{"prod":"p1"}],"number":"no number"}{"orders":[{"prod":"p2"}],"number":7}',
    );
    const source = copies.end('Json', 'odd.json', {}, { additionalColumns: [{ name: 'file', value: 'f' }] });
    await assert.rejects(
      copies.lines('strict', source, { translator: TRANSLATOR }),
      (error) => error instanceof WaybillError && error.code === 'SINK_TYPE_OVERFLOW',
    );
    const lines = await copies.lines('lenient', source, {
      translator: TRANSLATOR,
      enableSkipIncompatibleRow: true,
    });
    assert.deepEqual(lines.slice(1), ['7,p2,,f']);
  });

  test('files are compressed as their dataset says, whatever their names', async () => {
    const rows = '{"id":"1","city":"Bern"}\n{"id":"2","city":"Chur"}\n';
    const lines = ['id,city', '1,Bern', '2,Chur'];
    const compression = (type: string): JsonObject => ({ compression: { type, level: 'Optimal' } });
    await copies.put('packed/gzip', gzipSync(rows));
    await copies.put('packed/deflate', deflateRawSync(rows));
    assert.deepEqual(await copies.lines('gz', copies.end('Json', 'packed/gzip', compression('GZip'))), lines);
    const deflated = copies.end('Json', 'packed/deflate', compression('Deflate'));
    assert.deepEqual(await copies.lines('deflate', deflated), lines);
    for (const [type, unpack] of [
      ['gzip', gunzipSync],
      ['Deflate', inflateRawSync],
    ] as const) {
      await copies.runner.copy(`to-${type}`, deflated, copies.end('Json', `out/${type}`, compression(type)));
      assert.equal(unpack(await copies.bytes(`out/${type}`)).toString(), rows);
    }
    await assert.rejects(
      copies.lines('bzip2', copies.end('Json', 'packed/gzip', compression('BZip2'))),
      (error) => error instanceof WaybillError && error.code === 'DEFINITION_UNSUPPORTED',
    );
  });
});
