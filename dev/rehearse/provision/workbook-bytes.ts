// A made-up Excel workbook: sheets with tables where datasets say that they are.
import { strToU8, zipSync } from 'fflate';
import type { JsonObject } from '../../../src/core/json.ts';
import type { Cell } from '../rows.ts';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const letters = (index: number): string =>
  index < 26 ? String.fromCharCode(65 + index) : letters(Math.floor(index / 26) - 1) + letters(index % 26);

/** A table, and where it stands: the settings are those of an Excel dataset (sheetName, sheetIndex, range, firstRowAsHeader). */
export interface SheetTable {
  readonly settings: JsonObject;
  readonly names: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

interface Sheet {
  readonly name: string;
  readonly data: string;
}

/** A sheet per table. Sheets that only stand before one that is asked for by its index are empty. */
export function workbookBytes(tables: readonly SheetTable[]): Buffer {
  const placed: Sheet[] = [];
  for (const { settings, names, rows } of tables) {
    const { sheetName, sheetIndex, range, firstRowAsHeader } = settings;
    const free = Array.from({ length: placed.length + 1 }).findIndex((_, at) => placed[at] === undefined);
    const wanted = sheetIndex === undefined ? free : Math.min(Number(sheetIndex) || 0, 50);
    const place = placed[wanted] === undefined ? wanted : free;
    const table = firstRowAsHeader === true ? [names, ...rows] : rows;
    const name = typeof sheetName === 'string' && sheetName !== '' ? sheetName : `Sheet${place + 1}`;
    placed[place] = { name, data: linesOf(table, String(range ?? '')) };
  }
  const sheets = Array.from({ length: placed.length }, (_, place) => ({
    ...(placed[place] ?? { name: `Empty${place + 1}`, data: '' }),
    file: `worksheets/sheet${place + 1}.xml`,
  }));
  const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
  const relations = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  const packages = 'http://schemas.openxmlformats.org/package/2006';
  const parts: Record<string, string> = {
    '[Content_Types].xml':
      `<Types xmlns="${packages}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
      '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>' +
      sheets
        .map(
          ({ file }) =>
            `<Override PartName="/xl/${file}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>`,
        )
        .join('') +
      '</Types>',
    '_rels/.rels': `<Relationships xmlns="${packages}/relationships"><Relationship Id="rId1" Type="${relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    'xl/workbook.xml': `<workbook xmlns="${main}" xmlns:r="${relations}"><sheets>${sheets
      .map(
        ({ name }, place) => `<sheet name="${escaped(name)}" sheetId="${place + 1}" r:id="rId${place + 1}"/>`,
      )
      .join('')}</sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships xmlns="${packages}/relationships">${sheets
      .map(
        ({ file }, place) =>
          `<Relationship Id="rId${place + 1}" Type="${relations}/worksheet" Target="${file}"/>`,
      )
      .join('')}</Relationships>`,
  };
  for (const { file, data } of sheets)
    parts[`xl/${file}`] = `<worksheet xmlns="${main}"><sheetData>${data}</sheetData></worksheet>`;
  return Buffer.from(
    zipSync(Object.fromEntries(Object.entries(parts).map(([name, text]) => [name, strToU8(head + text)]))),
  );
}

/** The rows in XML, from the first cell of the range on. */
function linesOf(table: readonly (readonly Cell[])[], range: string): string {
  const [, column = 'A', row = '1'] = /^\$?([A-Za-z]+)\$?(\d+)/.exec(range) ?? [];
  const left =
    [...column.toUpperCase()].reduce((index, letter) => index * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  const lines = table.map((cells, line) => {
    const at = Number(row) + line;
    const written = cells.map((value, index) => cell(value, `${letters(left + index)}${at}`));
    return `<row r="${at}">${written.join('')}</row>`;
  });
  return lines.join('');
}

function cell(value: Cell, at: string): string {
  if (value === null) return '';
  if (typeof value === 'number') return `<c r="${at}"><v>${value}</v></c>`;
  if (typeof value === 'boolean') return `<c r="${at}" t="b"><v>${value ? 1 : 0}</v></c>`;
  return `<c r="${at}" t="inlineStr"><is><t xml:space="preserve">${escaped(value)}</t></is></c>`;
}
