// Excel workbooks that openpyxl and XlsxWriter made, and hostile ones: values, dates, ranges, sheets.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { strToU8, zipSync } from 'fflate';
import { projectPath } from '../../dev/cache.ts';
import { type SheetTable, workbookBytes } from '../../dev/rehearse/provision/workbook-bytes.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { type FolderCopies, folderCopies } from '../support/folder-copies.ts';

const fails = (code: string, pattern: RegExp) => (error: unknown) =>
  error instanceof WaybillError && error.code === code && pattern.test(error.message);

/** A workbook of one sheet with these rows of XML. */
const workbook = (rows: string, parts: Record<string, string> = {}): Buffer => {
  const files: Record<string, string> = {
    'xl/workbook.xml':
      '<workbook xmlns:r="r"><sheets><sheet name="S" sheetId="1" r:id="a"/></sheets></workbook>',
    'xl/_rels/workbook.xml.rels':
      '<Relationships><Relationship Id="a" Target="worksheets/s.xml"/></Relationships>',
    'xl/worksheets/s.xml': `<worksheet><sheetData>${rows}</sheetData></worksheet>`,
    ...parts,
  };
  return Buffer.from(
    zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)]))),
  );
};
const cell = (text: string): string => `<c t="inlineStr"><is><t>${text}</t></is></c>`;

describe('Excel', { timeout: 120_000 }, () => {
  let copies: FolderCopies;
  before(async () => {
    copies = await folderCopies();
    for (const name of ['openpyxl', 'openpyxl-1904', 'xlsxwriter'])
      await copies.put(
        `${name}.xlsx`,
        await readFile(projectPath('test', 'fixtures', 'excel', `${name}.xlsx`)),
      );
  });
  after(() => copies?.stop());

  let count = 0;
  const lines = (file: string, dataset: JsonObject): Promise<string[]> =>
    copies.lines(`excel-${count++}`, copies.end('Excel', file, { firstRowAsHeader: true, ...dataset }));

  test('values come as their formats show them, from a table that begins anywhere', async () => {
    const [header, ...rows] = await lines('openpyxl.xlsx', { sheetName: 'sales 2024' });
    assert.equal(header, 'id,name,amount,day,at,paid');
    assert.deepEqual(rows.slice(0, 2), [
      '1,Ärger & <co>,12.5,2024-02-29,2024-02-29T13:14:15.250,True',
      '2,,-0.1,1900-03-01,06:30:00,False',
    ]);
    assert.equal(rows.slice(2).join('\n'), '3," spaces \n and lines ",1000000000000000000000,,30:05:00,');
    const mac = await lines('openpyxl-1904.xlsx', { sheetIndex: 1 });
    assert.deepEqual(mac.slice(1, 3), [
      '1,Ärger & <co>,12.5,2024-02-29,2024-02-29T13:14:15.250,True',
      '2,,-0.1,1905-01-01,06:30:00,False',
    ]);
    assert.deepEqual(await lines('xlsxwriter.xlsx', {}), [
      'k,v',
      'rich text,42',
      'ab,#DIV/0!',
      '0.3,2026-11-23',
      '5,',
    ]);
  });

  test('a range, a null value and a file without a header', async () => {
    assert.deepEqual(await lines('openpyxl.xlsx', { sheetIndex: 1, range: 'C3:E5', nullValue: '12.5' }), [
      'name,amount,day',
      'Ärger & <co>,,2024-02-29',
      ',-0.1,1900-03-01',
    ]);
    assert.deepEqual(
      await lines('openpyxl.xlsx', { sheetIndex: 1, range: '$B$4:$C$5', firstRowAsHeader: false }),
      ['Prop_0,Prop_1', '1,Ärger & <co>', '2,'],
    );
    await copies.put('wide.xlsx', workbook(`<row>${cell('a')}</row><row>${cell('1')}${cell('more')}</row>`));
    await assert.rejects(lines('wide.xlsx', {}), fails('FILE_INVALID', /Row 2 .*beside the 1 columns/));
    assert.deepEqual(await lines('wide.xlsx', { range: 'A1:A9' }), ['a', '1']);
    await copies.put(
      'left.xlsx',
      workbook('<row><c r="B1"><v>7</v></c></row><row><c r="A2"><v>1</v></c></row>'),
    );
    await assert.rejects(lines('left.xlsx', {}), fails('FILE_INVALID', /Row 2 .*beside/));
  });

  test('what is no workbook, or has no such sheet, says so', async () => {
    await assert.rejects(
      lines('openpyxl.xlsx', { sheetName: 'x' }),
      fails('OBJECT_MISSING', /"Notes", "Sales 2024"/),
    );
    await assert.rejects(lines('openpyxl.xlsx', { sheetIndex: 7 }), fails('OBJECT_MISSING', /number 7/));
    await assert.rejects(lines('openpyxl.xlsx', { range: 'B' }), fails('DEFINITION_INVALID', /like A3/));
    await copies.put('old.xlsx', Buffer.concat([Buffer.from('d0cf11e0', 'hex'), Buffer.alloc(600)]));
    await assert.rejects(lines('old.xlsx', {}), fails('FILE_INVALID', /\.xls\) or an encrypted/));
    await copies.put('text.xlsx', 'id,name\n1,a\n');
    await assert.rejects(lines('text.xlsx', {}), fails('FILE_INVALID', /ZIP/));
    const bytes = await copies.bytes('openpyxl.xlsx');
    await copies.put('cut.xlsx', bytes.subarray(0, bytes.length - 40));
    await assert.rejects(lines('cut.xlsx', {}), fails('FILE_INVALID', /ZIP/));
  });

  test('hostile XML is refused at once', async () => {
    const began = Date.now();
    const bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>';
    await copies.put('entity.xlsx', workbook('', { 'xl/worksheets/s.xml': bomb }));
    await assert.rejects(lines('entity.xlsx', {}), fails('FILE_INVALID', /document type/));
    await copies.put('deep.xlsx', workbook(`<row>${'<x>'.repeat(100_000)}`));
    await assert.rejects(lines('deep.xlsx', {}), fails('FILE_INVALID', /deep/));
    await copies.put('broken.xlsx', workbook('<row><c></row>'));
    await assert.rejects(lines('broken.xlsx', {}), fails('FILE_INVALID', /s\.xml/));
    await copies.put('index.xlsx', workbook('<row><c t="s"><v>99</v></c></row>'));
    await assert.rejects(lines('index.xlsx', {}), fails('FILE_INVALID', /text 99/));
    await copies.put('far.xlsx', workbook('<row r="99999999"><c><v>1</v></c></row>'));
    await assert.rejects(lines('far.xlsx', {}), fails('FILE_INVALID', /99999999/));
    await copies.put('huge.xlsx', workbook(`<row>${cell('a'.repeat(3_000_000))}</row>`));
    await assert.rejects(lines('huge.xlsx', {}), fails('FILE_INVALID', /too long/));
    // 2 MB of text that would be 1.6 milliard cells, were they all held.
    await copies.put('wide.xlsx', workbook('<row><c r="XFD1"><v>1</v></c></row>'.repeat(100_000)));
    assert.equal((await lines('wide.xlsx', { firstRowAsHeader: false })).length, 100_001);
    assert.ok(Date.now() - began < 60_000);
  });

  test("a rehearsal's workbook is one", async () => {
    const rows = [
      [1, 'a & <b>', true],
      [2, null, false],
    ];
    const dataset = { sheetName: 'Orders <1>', sheetIndex: 2, range: 'AA5' };
    const bytes = workbookBytes([
      { settings: { ...dataset, firstRowAsHeader: true }, names: ['id', 'text', 'flag'], rows },
    ]);
    await copies.put('made.xlsx', bytes);
    const expected = ['id,text,flag', '1,a & <b>,True', '2,,False'];
    assert.deepEqual(await lines('made.xlsx', dataset), expected);
    assert.deepEqual(await lines('made.xlsx', { sheetIndex: 2 }), expected);
    const table = (settings: JsonObject, name: string): SheetTable => ({
      settings: { ...settings, firstRowAsHeader: true },
      names: [name],
      rows: [[name]],
    });
    const several = [
      table({ sheetName: 'A' }, 'a'),
      table({ sheetName: 'B' }, 'b'),
      table({ sheetIndex: 3 }, 'd'),
    ];
    await copies.put('several.xlsx', workbookBytes(several));
    assert.deepEqual(await lines('several.xlsx', { sheetName: 'B' }), ['b', 'b']);
    assert.deepEqual(await lines('several.xlsx', { sheetIndex: 0 }), ['a', 'a']);
    assert.deepEqual(await lines('several.xlsx', { sheetIndex: 3 }), ['d', 'd']);
  });

  test('it is not written', async () => {
    await copies.put('a.csv', 'a\n1\n');
    await assert.rejects(
      copies.runner.copy(
        'to excel',
        copies.end('DelimitedText', 'a.csv', { firstRowAsHeader: true }),
        copies.end('Excel', 'b.xlsx'),
      ),
      fails('DEFINITION_UNSUPPORTED', /not written/),
    );
  });
});
