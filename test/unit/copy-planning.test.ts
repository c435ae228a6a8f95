// Planning of copies: ranges, mappings, names, row text and checksum.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ChecksumSum } from '../../src/connectors/common/checksum.ts';
import { quoteIdentifier, stagingName } from '../../src/connectors/common/identifier.ts';
import { datasetTable } from '../../src/connectors/common/settings.ts';
import { mapColumns, wantedColumns } from '../../src/core/copy/mapping.ts';
import { fieldText, rowText } from '../../src/core/copy/row-text.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column, Row } from '../../src/core/types/column.ts';

const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
const column = (name: string, type: Column['type'] = 'String'): Column => ({
  name,
  type,
  nullable: true,
  native: type,
});

test('columns are mapped by name without case, or by the translator, and nothing is dropped in silence', () => {
  const source = [column('Id', 'Int32'), column('Name')];
  const sink = [column('NAME'), column('ID', 'Int64'), column('Extra')];
  assert.deepEqual(
    mapColumns(source, sink).map((pair) => `${pair.source.name}>${pair.sink.name}`),
    ['Id>ID', 'Name>NAME'],
  );
  assert.throws(
    () => mapColumns([...source, column('Extre')], sink),
    (error) => coded('OBJECT_MISSING')(error) && /nearest name is Extra/.test(String(error)),
  );
  const mappings = [{ source: { name: 'Name' }, sink: { name: 'Extra' } }];
  assert.deepEqual(
    mapColumns(source, sink, { type: 'TabularTranslator', mappings }).map((pair) => pair.sink.name),
    ['Extra'],
  );
  assert.equal(mapColumns(source, sink, { mappings, collectionReference: "$['items']" }).length, 1);
  assert.equal(mapColumns(source, sink, { mappings, collectionReference: '' }).length, 1);
  const ordinals = [
    { source: { ordinal: 2 }, sink: { ordinal: 3 } },
    { source: { path: "$['Id']" }, sink: { name: 'ID' } },
  ];
  assert.deepEqual(
    mapColumns(source, sink, { mappings: ordinals }).map((pair) => `${pair.source.name}>${pair.sink.name}`),
    ['Name>Extra', 'Id>ID'],
  );
  assert.deepEqual(
    mapColumns(source, sink, { columnMappings: 'id: extra, Name: NAME' }).map((pair) => pair.sink.name),
    ['Extra', 'NAME'],
  );
  assert.throws(
    () => mapColumns([column('x', 'Double')], [column('x', 'Decimal')]),
    coded('TYPE_UNSUPPORTED'),
  );
  assert.equal(
    mapColumns([column('x', 'Double')], [column('x', 'Decimal')], {
      typeConversionSettings: { allowDataTruncation: true },
    }).length,
    1,
    'a loss that the definition allows',
  );
  const strict = [...sink, { ...column('Needed', 'Int32'), nullable: false, required: true }];
  assert.throws(() => mapColumns(source, strict), coded('DEFINITION_INVALID'));
  const twice = [
    { source: { name: 'Id' }, sink: { name: 'Extra' } },
    { source: { name: 'Name' }, sink: { name: 'extra' } },
  ];
  assert.throws(() => mapColumns(source, sink, { mappings: twice }), coded('DEFINITION_INVALID'));
});

test('additional columns are constants, copies of a column or the file of the row', () => {
  const source = [column('id', 'Int32')];
  const wanted = wantedColumns(source, {
    additionalColumns: [
      { name: 'region', value: 'eu' },
      { name: 'again', value: '$$COLUMN:ID' },
      { name: 'file', value: '$$FILEPATH' },
      { name: 'run', value: 7 },
    ],
  });
  assert.deepEqual(
    wanted.map(({ field, sink }) => [sink, field.column.name, field.given]),
    [
      ['id', 'id', undefined],
      ['region', 'region', { value: 'eu' }],
      ['again', 'id', undefined],
      ['file', 'file', 'filePath'],
      ['run', 'run', { value: '7' }],
    ],
  );
  const unknown = { additionalColumns: [{ name: 'x', value: '$$COLUMN:nothing' }] };
  assert.throws(() => wantedColumns(source, unknown), coded('OBJECT_MISSING'));
  const taken = { additionalColumns: [{ name: 'ID', value: 'x' }] };
  assert.throws(() => wantedColumns(source, taken), coded('DEFINITION_INVALID'));
});

test('identifiers are quoted or refused', () => {
  const rule = { open: '[', close: ']', limit: 10, unit: 'characters' } as const;
  assert.equal(quoteIdentifier('a]; --', rule), '[a]]; --]');
  for (const bad of ['', '  ', 'a\0b', 'elevenchars']) {
    assert.throws(() => quoteIdentifier(bad, rule), coded('IDENTIFIER_INVALID'));
  }
  const name = stagingName('é'.repeat(60), 'copy', 63);
  assert.ok(Buffer.byteLength(name) <= 63);
  assert.match(name, /__wb_[0-9a-f]{8}$/);
  assert.deepEqual(datasetTable({ tableName: '[dbo].[a.b]' }, 'x'), { schema: 'dbo', name: 'a.b' });
});

test('two different rows never have the same text', () => {
  const columns = [column('a'), column('b'), column('c')];
  const fields = columns.map(fieldText);
  const values = [null, '', 'N', 'V', '|', '||', 'a|', '|b', 'a|Vb', 'a||Vb'];
  const seen = new Map<string, string>();
  for (const a of values) {
    for (const b of values) {
      for (const c of values) {
        const row: Row = [a, b, c];
        const text = rowText(row, fields);
        assert.equal(seen.get(text), undefined, `${JSON.stringify(row)} and ${seen.get(text)}`);
        seen.set(text, JSON.stringify(row));
      }
    }
  }
});

test('the checksum is the exact sum of the upper halves of MD5', () => {
  const texts = Array.from({ length: 5_000 }, (_, i) => `Vé🙂|V${i}`);
  const sum = new ChecksumSum();
  let expected = 0n;
  for (const text of texts) {
    sum.add(text);
    expected += createHash('md5').update(text, 'utf8').digest().readBigUInt64BE(0);
  }
  assert.equal(sum.total(), expected.toString());
});
