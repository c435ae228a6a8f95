// The bytes of a made-up file in the format that its dataset says.
import { deflateRawSync, gzipSync } from 'node:zlib';
import { avroFormat } from '../../../src/connectors/common/avro/avro-format.ts';
import { delimitedText } from '../../../src/connectors/common/files/delimited-text.ts';
import type { FileFormat } from '../../../src/connectors/common/files/file-format.ts';
import { archiveOf, unpackedDataset } from '../../../src/connectors/common/files/packed-format.ts';
import { parquetFormat } from '../../../src/connectors/common/parquet/parquet-format.ts';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { Column } from '../../../src/core/types/column.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import type { ColumnKind, ColumnNeed, FileNeed } from '../needs.ts';
import type { Cell } from '../rows.ts';
import { archived } from './archive-bytes.ts';
import { deltaColumn } from './delta-table.ts';
import { workbookBytes } from './workbook-bytes.ts';

type Rows = readonly (readonly Cell[])[];

/** Makes the file of the rows that are made up for it. Formats that hold no rows get a few words. */
export async function fileBytes(file: FileNeed, rowsOf: (need: FileNeed) => Rows): Promise<Buffer> {
  if (file.format === 'Excel') {
    const sheets = [file, ...(file.sheets ?? [])];
    return workbookBytes(
      sheets.map((sheet) => ({
        settings: sheet.dataset,
        names: [...sheet.columns.values()].map(({ name }) => name),
        rows: rowsOf(sheet),
      })),
    );
  }
  const rows = rowsOf(file);
  const archive = file.format === 'Parquet' || file.format === 'Avro' ? undefined : archiveOf(file.dataset);
  if (archive === undefined) return plainBytes(file, rows);
  const name = (file.path.split('/').at(-1) ?? 'file').replace(/(\.tar\.gz|\.tgz|\.tar|\.zip)$/i, '');
  const bytes = await plainBytes({ ...file, dataset: unpackedDataset(file.dataset) }, rows);
  return archived(bytes, /\.\w+$/.test(name) ? name : `${name}.csv`, archive);
}

async function plainBytes(file: FileNeed, rows: Rows): Promise<Buffer> {
  const columns = [...file.columns.values()];
  switch (file.format) {
    case 'DelimitedText':
      return Buffer.concat([
        skippedLines(file),
        await encoded(delimitedText(writable(file.dataset), {}, undefined), columns, rows),
      ]);
    case 'Parquet':
      return encoded(parquetFormat(codecOf(file.dataset)), columns, rows);
    case 'Avro':
      return encoded(avroFormat({}, {}), columns.map(avroColumn), rows);
    case 'Delta':
      return encoded(parquetFormat({}), columns.map(deltaColumn), rows);
    case 'Json':
      return compressed(Buffer.from(jsonText(file, columns, rows)), file.dataset);
    case 'Text':
      return Buffer.from(String(file.dataset['content'] ?? ''));
    default:
      return compressed(Buffer.from(`A file of a rehearsal: ${file.path}\n`), file.dataset);
  }
}

/** Avro has letters, digits and _ in names: what else a definition says of such a file is not so. */
const avroColumn = (column: ColumnNeed): ColumnNeed => ({
  ...column,
  name: column.name.replaceAll(/\W/g, '_').replace(/^(?=\d)/, '_'),
});

/** Encodings that are read only, and hold ASCII as UTF-8 does: what is made up has nothing else, but in its columns' names. */
const READ_ONLY = /^(windows-|iso-8859|us-ascii|ascii|ibm|cp\d|koi8|macintosh|big5|gb|shift|euc)/i;

const writable = (dataset: JsonObject): JsonObject => {
  const { encodingName, ...others } = dataset;
  return READ_ONLY.test(String(encodingName ?? '')) ? others : dataset;
};

/** A gzip file may have several members. */
const skippedLines = ({ skipped = 0, dataset }: FileNeed): Buffer =>
  skipped === 0
    ? Buffer.alloc(0)
    : compressed(Buffer.from('A line before the header\n'.repeat(skipped)), dataset);

const codecOf = ({ compressionCodec }: JsonObject): { compressionCodec?: string } =>
  typeof compressionCodec === 'string' && compressionCodec !== '' ? { compressionCodec } : {};

async function encoded(format: FileFormat, needs: readonly ColumnNeed[], rows: Rows): Promise<Buffer> {
  const columns = needs.map(columnOf);
  const texts = rows.map((row) => row.map((value, at) => interimText(value, (needs[at] as ColumnNeed).kind)));
  const file = format.encode(
    columns,
    (async function* () {
      yield texts;
    })(),
  );
  const pieces: Buffer[] = [];
  for await (const piece of file.bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

const INTERIM: Readonly<Record<ColumnKind, Partial<Column> & Pick<Column, 'type' | 'native'>>> = {
  text: { type: 'String', native: 'text' },
  integer: { type: 'Int64', native: 'bigint' },
  number: { type: 'Decimal', precision: 18, scale: 4, native: 'decimal(18,4)' },
  date: { type: 'DateTime', native: 'timestamp' },
  boolean: { type: 'Boolean', native: 'boolean' },
  binary: { type: 'Byte[]', native: 'binary' },
  guid: { type: 'String', native: 'text' },
  time: { type: 'String', native: 'text' },
};

const columnOf = ({ name, kind }: ColumnNeed): Column => ({ name, nullable: true, ...INTERIM[kind] });

function interimText(value: Cell, kind: ColumnKind): string | null {
  if (value === null) return null;
  if (kind === 'boolean') return value === true || value === 1 || value === 'true' ? '1' : '0';
  if (kind === 'number') return Number(value).toFixed(4);
  if (kind === 'date') return `${String(value)}.000000`;
  return String(value);
}

function jsonText(file: FileNeed, columns: readonly ColumnNeed[], rows: Rows): string {
  const absolute = columns.filter(({ name }) => name.startsWith('$'));
  const inRow =
    file.collection === undefined ? columns : columns.filter((column) => !absolute.includes(column));
  const documents = rows.map((row) => {
    const result: JsonObject = {};
    columns.forEach((column, at) => {
      if (inRow.includes(column)) place(result, pathOf(column.name), row[at] ?? null);
    });
    return result;
  });
  if (file.collection === undefined) {
    const { dataset } = file;
    const pattern = isObject(dataset['format']) ? dataset['format']['filePattern'] : undefined;
    return pattern === 'arrayOfObjects'
      ? JSON.stringify(documents)
      : `${documents.map((each) => JSON.stringify(each)).join('\n')}\n`;
  }
  const whole: JsonObject = {};
  for (const column of absolute) place(whole, pathOf(column.name), `${pathOf(column.name).at(-1) ?? ''} 1`);
  const path = pathOf(file.collection.replaceAll('[*]', ''));
  if (path.length === 0) return JSON.stringify(documents);
  place(whole, path, documents);
  return JSON.stringify(whole);
}

/** `$['a']['b']`, `['a']` and `$.a.b` in parts; a plain name is one part. */
function pathOf(name: string): string[] {
  if (!/^\$|^\[/.test(name)) return [name];
  return [...name.replace(/^\$/, '').matchAll(/\['([^']*)'\]|\[(\d+)\]|\.?([^.[\]]+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
}

function place(target: JsonObject, path: readonly string[], value: JsonValue): void {
  let at = target;
  path.slice(0, -1).forEach((part, index) => {
    const next = path[index + 1] ?? '';
    if (!isObject(at[part])) {
      // A number after it reads an element of an array.
      if (/^\d+$/.test(next)) {
        const element: JsonObject = {};
        at[part] = [element];
        at = element;
        return;
      }
      if (/^\d+$/.test(part)) return;
      at[part] = {};
    }
    at = at[part] as JsonObject;
  });
  const last = path.at(-1);
  if (last !== undefined && !/^\d+$/.test(last)) at[last] = value;
}

function compressed(bytes: Buffer, { compression, compressionCodec }: JsonObject): Buffer {
  const codec = String(
    compressionCodec ?? (isObject(compression) ? (compression['type'] ?? '') : ''),
  ).toLowerCase();
  if (codec === 'gzip') return gzipSync(bytes);
  if (codec === 'deflate') return deflateRawSync(bytes);
  return bytes;
}
