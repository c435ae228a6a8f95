// ADF's Json: one object a row, as lines (setOfObjects) or as one array (arrayOfObjects).
import { CsvError } from '../../../core/copy/csv.ts';
import type { JsonMapping } from '../../../core/copy/json-mapping.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Column, Row } from '../../../core/types/column.ts';
import { textSetting } from '../settings.ts';
import { compressedExtension, compressionOf } from './compression.ts';
import type { FileFormat, ReadableFile } from './file-format.ts';
import { JsonRows } from './json-rows.ts';
import { JsonObjects, membersOf } from './json-scan.ts';
import { objectWriter, type SinkPaths } from './json-writer.ts';
import { encodingOf } from './text-encoding.ts';
import { encodedText, type TextSettings, textOf } from './text-file.ts';

/** Objects that are looked at to find a file's columns. */
const SAMPLE = 1_000;
const BATCH = 500;

interface JsonSettings extends TextSettings {
  readonly array: boolean;
  /** Members that no column is named for are passed over: the dataset says itself which there are. */
  readonly passOver: boolean;
  readonly mapping: JsonMapping | undefined;
}

export interface JsonOptions {
  /** Columns that the dataset names. */
  readonly schema?: readonly Column[] | undefined;
  readonly mapping?: JsonMapping | undefined;
  readonly sinkPaths?: SinkPaths;
  /** Each object is one value: for a sink that keeps it as it is. */
  readonly asDocuments?: boolean;
}

export const jsonText = (
  dataset: JsonObject,
  formatSettings: JsonObject,
  { schema, mapping, sinkPaths = new Map(), asDocuments = false }: JsonOptions = {},
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
    mapping,
  };
  const named = mapping !== undefined && mapping.fields.length > 0 ? mapping : undefined;
  return {
    name: 'Json',
    extension: `.json${compressedExtension(compression)}`,
    contentType: 'application/json',
    givesText: true,
    wireFormats: [],
    acceptsFrames: () => false,
    columnsAreMapped: named !== undefined || asDocuments,
    columns: async (file) => {
      if (asDocuments) return [DOCUMENT];
      if (named !== undefined) return mappedColumns(named, schema);
      return schema === undefined ? columnsOf(file, settings) : [...schema];
    },
    split: async () => [{ part: null }],
    columnsFor: (columns) => [...columns],
    read: (file, columns, _split, planned) =>
      columns.some(isDocument)
        ? documents(file, settings)
        : named === undefined
          ? rowsOf(file, columns, planned ?? columns, settings)
          : mappedRows(file, columns, named, settings),
    objects: (file) => objects(file, settings, (text) => JSON.parse(text) as JsonObject),
    encode: (columns, rows) => encodedText(textFor(columns, rows, settings, sinkPaths), settings),
  };
};

/** The column of objects that are kept as they are. */
const DOCUMENT: Column = { name: 'document', type: 'String', nullable: false, native: 'json document' };

const isDocument = ({ native }: Column): boolean => native === DOCUMENT.native;

/** Whether columns are such objects, which have no columns of their own. */
export const areDocuments = (columns: readonly Column[]): boolean =>
  columns.length === 1 && columns.every(isDocument);

async function* documents(file: ReadableFile, settings: JsonSettings): AsyncGenerator<Row[]> {
  let batch: Row[] = [];
  for await (const text of objects(file, settings, (text) => {
    JSON.parse(text);
    return text;
  })) {
    // Line breaks in JSON stand between its words only.
    batch.push([text.replaceAll(/[\r\n]+/g, ' ')]);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

const mappedColumns = ({ fields }: JsonMapping, schema: readonly Column[] = []): Column[] =>
  fields.map(
    ({ label }): Column =>
      schema.find(({ name }) => name === label) ?? {
        name: label,
        type: 'String',
        nullable: true,
        native: 'json',
      },
  );

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
      reason: 'empty',
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

async function* mappedRows(
  file: ReadableFile,
  columns: readonly Column[],
  mapping: JsonMapping,
  settings: JsonSettings,
): AsyncGenerator<Row[]> {
  const picks = columns.map(({ name }) => mapping.fields.findIndex(({ label }) => label === name));
  const asIs = picks.length === mapping.fields.length && picks.every((pick, i) => pick === i);
  for await (const rows of rowsWithin(file, mapping, settings)) {
    yield asIs ? rows : rows.map((row) => picks.map((at) => row[at] ?? null));
  }
}

/** Rows as the mapping takes them out of the documents. Reads ahead where a document's fields come too late. */
async function* rowsWithin(
  file: ReadableFile,
  mapping: JsonMapping,
  settings: JsonSettings,
): AsyncGenerator<Row[]> {
  const reader = new JsonRows(mapping);
  const ahead = new DocumentFields(() => rowsWithin(file, reader.documentFields, settings));
  try {
    for await (const text of textOf(file, settings)) {
      const rows = reader.push(text);
      const waiting = reader.waiting;
      if (waiting !== undefined) rows.push(...reader.resolve(await ahead.of(waiting)));
      if (rows.length > 0) yield rows;
    }
    const rows = reader.end();
    if (rows.length > 0) yield rows;
  } catch (error) {
    if (error instanceof CsvError) throw notJson(file, error);
    throw error;
  } finally {
    await ahead.close();
  }
}

/** Fields of the documents of a file, one document after another: read once more, and only if somebody asks. */
class DocumentFields {
  readonly #open: () => AsyncGenerator<Row[]>;
  #rows: AsyncGenerator<Row[]> | undefined;
  #batch: Row[] = [];
  #first = 0;

  constructor(open: () => AsyncGenerator<Row[]>) {
    this.#open = open;
  }

  async of(document: number): Promise<Row> {
    this.#rows ??= this.#open();
    while (document >= this.#first + this.#batch.length) {
      this.#first += this.#batch.length;
      const { value, done } = await this.#rows.next();
      this.#batch = done === true ? [] : value;
      if (done === true) return [];
    }
    return this.#batch[document - this.#first] ?? [];
  }

  async close(): Promise<void> {
    await this.#rows?.return(undefined);
  }
}

const notJson = (file: ReadableFile, error: CsvError): WaybillError =>
  new WaybillError('FILE_INVALID', `${file.name}, line ${error.line}: ${error.message}.`, {
    file: file.name,
    line: error.line,
  });

/** Texts of the objects that are rows. */
async function* objectTexts(file: ReadableFile, settings: JsonSettings): AsyncGenerator<readonly string[]> {
  if (settings.mapping?.collection !== undefined) {
    const whole = { label: '', path: { absolute: false, steps: [] } };
    const mapping = { collection: settings.mapping.collection, fields: [whole], complexAsText: true };
    for await (const rows of rowsWithin(file, mapping, settings)) yield rows.map(([text]) => text ?? 'null');
    return;
  }
  const scanner = new JsonObjects();
  for await (const text of textOf(file, settings)) yield scanner.push(text);
  scanner.end();
}

/** Each object as `parse` makes it of its text. Throws FILE_INVALID for what is no object, or no JSON. */
async function* objects<T>(
  file: ReadableFile,
  settings: JsonSettings,
  parse: (text: string) => T,
): AsyncGenerator<T> {
  let count = 0;
  try {
    for await (const texts of objectTexts(file, settings)) {
      for (const found of texts) {
        count++;
        yield parse(found);
      }
    }
  } catch (error) {
    if (error instanceof CsvError) throw notJson(file, error);
    if (!(error instanceof SyntaxError)) throw error;
    throw new WaybillError('FILE_INVALID', `Object ${count} of ${file.name} is not JSON.`, {
      file: file.name,
      row: count,
    });
  }
}

async function* textFor(
  columns: readonly Column[],
  rows: AsyncIterable<Row[]>,
  { array }: JsonSettings,
  sinkPaths: SinkPaths,
): AsyncGenerator<{ text: string; rows: number }> {
  const write = areDocuments(columns) ? ([text]: Row) => text ?? '{}' : objectWriter(columns, sinkPaths);
  let first = true;
  if (array) yield { text: '[', rows: 0 };
  for await (const batch of rows) {
    let text = '';
    for (const row of batch) {
      text += `${array && !first ? ',' : ''}${write(row)}\n`;
      first = false;
    }
    yield { text, rows: batch.length };
  }
  if (array) yield { text: ']\n', rows: 0 };
}
