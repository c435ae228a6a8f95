// What an .xlsx workbook says of itself: its sheets, shared strings, and which styles show a number as a date or a time.
import { WaybillError } from '../../../core/errors.ts';
import type { ReadableFile } from '../files/file-format.ts';
import { zippedFiles } from '../files/zip-archive.ts';
import { type NumberKind, numberKind } from './number-format.ts';
import { notWhole, parseXml, type XmlHandler } from './xml.ts';

export interface Workbook {
  readonly file: string;
  readonly sheet: ReadableFile;
  readonly strings: readonly string[];
  /** By the index that a cell's `s` gives. */
  readonly styles: readonly NumberKind[];
  /** Dates count from 1904 instead of 1900. */
  readonly from1904: boolean;
}

/** Characters of all shared strings together, which are held in memory. */
const LONGEST_STRINGS = 256 * 1_048_576;
/** Parts of a workbook. */
const MOST_PARTS = 100_000;

const OLD = Buffer.from([0xd0, 0xcf, 0x11, 0xe0]);

/** Which sheet a dataset names: by name, or by its place, from 0. */
export interface SheetChoice {
  readonly name?: string;
  readonly index?: number;
}

/** Opens a workbook at one sheet. Throws FILE_INVALID, OBJECT_MISSING where it has no such sheet. */
export async function openWorkbook(file: ReadableFile, choice: SheetChoice): Promise<Workbook> {
  if (file.size >= 4 && (await file.read(0, 4)).equals(OLD))
    throw new WaybillError(
      'FILE_INVALID',
      `${file.name} is an old (.xls) or an encrypted workbook. Save it as an unprotected .xlsx.`,
      { file: file.name },
    );
  const parts = new Map<string, ReadableFile>();
  for await (const part of zippedFiles(file)) {
    parts.set(part.name.slice(file.name.length + 1).toLowerCase(), part);
    if (parts.size > MOST_PARTS) throw notWhole(file.name, 'it has too many parts');
  }
  const part = (name: string): ReadableFile => {
    const found = parts.get(name.replace(/^\//, '').toLowerCase());
    if (found === undefined) throw notWhole(file.name, `it has no ${name}`);
    return found;
  };
  const read = async (found: ReadableFile, handler: Partial<XmlHandler>): Promise<void> => {
    const nothing = (): void => undefined;
    for await (const _ of parseXml(file.name, found, {
      open: nothing,
      text: nothing,
      close: nothing,
      ...handler,
    }));
  };

  const targets = new Map<string, string>();
  await read(part('xl/_rels/workbook.xml.rels'), {
    open: (name, { Id, Target }) => {
      if (name === 'Relationship' && Id !== undefined && Target !== undefined) targets.set(Id, Target);
    },
  });
  const sheets: { name: string; id: string }[] = [];
  let from1904 = false;
  await read(part('xl/workbook.xml'), {
    open: (name, attributes) => {
      if (name === 'workbookPr') from1904 = ['1', 'true'].includes(attributes['date1904'] ?? '');
      if (name === 'sheet') sheets.push({ name: attributes['name'] ?? '', id: attributes['r:id'] ?? '' });
    },
  });
  const sheet = chosen(file.name, sheets, choice);
  const target = targets.get(sheet.id) ?? '';
  const strings = parts.get('xl/sharedstrings.xml');
  const styles = parts.get('xl/styles.xml');
  return {
    file: file.name,
    sheet: part(target.startsWith('/') ? target : `xl/${target}`),
    strings: strings === undefined ? [] : await sharedStrings(file.name, strings, read),
    styles: styles === undefined ? [] : await stylesOf(styles, read),
    from1904,
  };
}

function chosen<T extends { readonly name: string }>(
  file: string,
  sheets: readonly T[],
  { name, index = 0 }: SheetChoice,
): T {
  const found =
    name === undefined
      ? sheets[index]
      : sheets.find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  const names = sheets.slice(0, 20).map((each) => `"${each.name}"`);
  throw new WaybillError(
    'OBJECT_MISSING',
    `${file} has no sheet ${name === undefined ? `number ${index} (the first is 0)` : `"${name}"`}. It has ${names.join(', ')}.`,
    { file },
  );
}

type Read = (part: ReadableFile, handler: Partial<XmlHandler>) => Promise<void>;

/** Text of the items; of text with phonetic hints, the text. */
async function sharedStrings(file: string, part: ReadableFile, read: Read): Promise<string[]> {
  const strings: string[] = [];
  let item: string | undefined;
  let isText = false;
  let hint = false;
  let length = 0;
  await read(part, {
    open: (name) => {
      if (name === 'si') item = '';
      else if (name === 'rPh') hint = true;
      else if (name === 't') isText = true;
    },
    text: (text) => {
      if (item === undefined || !isText || hint) return;
      item += text;
      length += text.length;
      if (length > LONGEST_STRINGS)
        throw notWhole(file, `its texts are longer than ${LONGEST_STRINGS} characters`);
    },
    close: (name) => {
      if (name === 't') isText = false;
      else if (name === 'rPh') hint = false;
      else if (name === 'si') {
        strings.push(item ?? '');
        item = undefined;
      }
    },
  });
  return strings;
}

async function stylesOf(part: ReadableFile, read: Read): Promise<NumberKind[]> {
  const codes = new Map<number, string>();
  const styles: NumberKind[] = [];
  let inCells = false;
  await read(part, {
    open: (name, attributes) => {
      if (name === 'numFmt') codes.set(Number(attributes['numFmtId']), attributes['formatCode'] ?? '');
      else if (name === 'cellXfs') inCells = true;
      else if (name === 'xf' && inCells) {
        const id = Number(attributes['numFmtId'] ?? 0);
        styles.push(numberKind(id, codes.get(id)));
      }
    },
    close: (name) => {
      if (name === 'cellXfs') inCells = false;
    },
  });
  return styles;
}
