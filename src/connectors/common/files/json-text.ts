// ADF's Json: one object a row, as lines (setOfObjects) or as one array (arrayOfObjects).
import { CsvError } from '../../../core/copy/csv.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import { type Column, type InterimType, isFloat, type Row } from '../../../core/types/column.ts';
import { textSetting } from '../settings.ts';
import { compressedExtension, compressionOf } from './compression.ts';
import type { FileFormat, ReadableFile } from './file-format.ts';
import { JsonObjects, membersOf } from './json-scan.ts';
import { encodingOf } from './text-encoding.ts';
import { encodedText, type TextSettings, textOf } from './text-file.ts';

/** Objects that are looked at to find a file's columns. */
const SAMPLE = 1_000;
const BATCH = 500;

interface JsonSettings extends TextSettings {
  readonly array: boolean;
  /** Members that no column is named for are passed over: the dataset says itself which there are. */
  readonly passOver: boolean;
}

export const jsonText = (
  dataset: JsonObject,
  formatSettings: JsonObject,
  schema?: readonly Column[],
): FileFormat => {
  const compression = compressionOf(dataset);
  const pattern = (textSetting(formatSettings, 'filePattern') ?? 'setOfObjects').toLowerCase();
  if (pattern !== 'setofobjects' && pattern !== 'arrayofobjects')
    throw new WaybillError('DEFINITION_UNSUPPORTED', `filePattern ${pattern} is not supported.`);
  const settings: JsonSettings = {
    compression,
    encoding: encodingOf(textSetting(dataset, 'encodingName')),
    array: pattern === 'arrayofobjects',
    passOver: schema !== undefined,
  };
  return {
    name: 'Json',
    extension: `.json${compressedExtension(compression)}`,
    contentType: 'application/json',
    givesText: true,
    wireFormats: [],
    acceptsFrames: () => false,
    columns: async (file) => (schema === undefined ? columnsOf(file, settings) : [...schema]),
    split: async () => [{ part: null }],
    columnsFor: (columns) => [...columns],
    read: (file, columns, _split, planned) => rowsOf(file, columns, planned ?? columns, settings),
    objects: (file) => objects(file, settings, (text) => JSON.parse(text) as JsonObject),
    encode: (columns, rows) => encodedText(textFor(columns, rows, settings), settings),
  };
};

/** Names in the order of their first appearance within the first thousand objects; every value is text. */
async function columnsOf(file: ReadableFile, settings: JsonSettings): Promise<Column[]> {
  const names = new Set<string>();
  let seen = 0;
  for await (const members of objects(file, settings, membersOf)) {
    for (const name of members.keys()) names.add(name);
    if (++seen >= SAMPLE) break;
  }
  if (names.size === 0)
    throw new WaybillError('FILE_INVALID', `${file.name} holds no object with a member.`, {
      file: file.name,
    });
  return [...names].map((name) => ({ name, type: 'String', nullable: true, native: 'json' }));
}

async function* rowsOf(
  file: ReadableFile,
  columns: readonly Column[],
  planned: readonly Column[],
  settings: JsonSettings,
): AsyncGenerator<Row[]> {
  const known = new Set(planned.map(({ name }) => name));
  const names = columns.map(({ name }) => name);
  let batch: Row[] = [];
  let count = 0;
  for await (const members of objects(file, settings, membersOf)) {
    count++;
    if (!settings.passOver) {
      for (const name of members.keys()) {
        if (known.has(name)) continue;
        throw new WaybillError(
          'SOURCE_CHANGED',
          `Object ${count} of ${file.name} has a member ${name} that the first ${SAMPLE} objects had not; name the ` +
            "columns in the dataset's schema.",
          { file: file.name, row: count },
        );
      }
    }
    batch.push(names.map((name) => members.get(name) ?? null));
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Each object as `parse` makes it of its text. Throws FILE_INVALID for what is no object, or no JSON. */
async function* objects<T>(
  file: ReadableFile,
  settings: JsonSettings,
  parse: (text: string) => T,
): AsyncGenerator<T> {
  const scanner = new JsonObjects();
  let count = 0;
  try {
    for await (const text of textOf(file, settings)) {
      for (const found of scanner.push(text)) {
        count++;
        yield parse(found);
      }
    }
    scanner.end();
  } catch (error) {
    if (error instanceof CsvError) {
      throw new WaybillError('FILE_INVALID', `${file.name}, line ${error.line}: ${error.message}.`, {
        file: file.name,
        line: error.line,
      });
    }
    if (!(error instanceof SyntaxError)) throw error;
    throw new WaybillError('FILE_INVALID', `Object ${count} of ${file.name} is not JSON.`, {
      file: file.name,
      row: count,
    });
  }
}

const NUMBERS: readonly InterimType[] = ['Int16', 'Int32', 'Int64', 'Decimal'];

/** Numbers as they are, whatever their digits; what JSON has no number for (NaN, Infinity) is text. */
const valueWriter = ({ type }: Column): ((value: string) => string) => {
  if (NUMBERS.includes(type)) return (value) => value;
  if (type === 'Boolean') return (value) => (value === '1' ? 'true' : 'false');
  if (isFloat(type)) return (value) => (Number.isFinite(Number(value)) ? value : JSON.stringify(value));
  return (value) => JSON.stringify(value);
};

async function* textFor(
  columns: readonly Column[],
  rows: AsyncIterable<Row[]>,
  { array }: JsonSettings,
): AsyncGenerator<{ text: string; rows: number }> {
  const names = columns.map(({ name }) => `${JSON.stringify(name)}:`);
  const writers = columns.map(valueWriter);
  let first = true;
  if (array) yield { text: '[', rows: 0 };
  for await (const batch of rows) {
    let text = '';
    for (const row of batch) {
      const members = writers.map((write, i) => {
        const value = row[i];
        return names[i] + (value === null || value === undefined ? 'null' : write(value));
      });
      text += `${array && !first ? ',' : ''}{${members.join(',')}}\n`;
      first = false;
    }
    yield { text, rows: batch.length };
  }
  if (array) yield { text: ']\n', rows: 0 };
}
