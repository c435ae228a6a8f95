// ADF's Avro: object container files, read block by block and written in blocks of some 64 KiB.
import { randomBytes } from 'node:crypto';
import avro from 'avsc';
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../../core/json.ts';
import type { Column, Row } from '../../../core/types/column.ts';
import type { EncodedFile, FileFormat, ReadableFile } from '../files/file-format.ts';
import { textSetting } from '../settings.ts';
import { type AvroCodec, codecOf, compress } from './codec.ts';
import { blockBytes, headerBytes, notAvro, readBlocks, readHeader } from './container.ts';
import { type AvroField, fieldsOf } from './read-values.ts';
import { avroType, columnsFor, recordSchema } from './write-values.ts';

/** Bytes of records in a block, before compression. */
const BLOCK = 65_536;
/** Rows that are given on at a time. */
const BATCH = 1_000;

interface AvroSettings {
  readonly codec: AvroCodec;
  readonly recordName: string;
  readonly namespace: string | undefined;
}

/** Settings of an Avro dataset and of its sink. Throws DEFINITION_UNSUPPORTED for a codec that is not written. */
export const avroFormat = (dataset: JsonObject, formatSettings: JsonObject): FileFormat => {
  const settings: AvroSettings = {
    codec: codecOf(textSetting(dataset, 'avroCompressionCodec')),
    recordName: textSetting(formatSettings, 'recordName') ?? 'row',
    namespace: textSetting(formatSettings, 'recordNamespace'),
  };
  return {
    name: 'Avro',
    extension: '.avro',
    contentType: 'application/avro',
    wireFormats: [],
    acceptsFrames: () => false,
    columns: async (file) => fieldsOf(file.name, (await readHeader(file)).schema).map(({ column }) => column),
    split: async () => [{ part: null }],
    read: (file, columns) => rowsOf(file, columns),
    columnsFor,
    encode: (columns, rows) => encodeFile(columns, rows, settings),
  };
};

/** 64-bit numbers as bigint: avsc's own are doubles, and refuse what these do not hold. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

const typeOf = (schema: JsonValue): avro.Type =>
  avro.Type.forSchema(
    schema as avro.Schema,
    {
      wrapUnions: true,
      typeHook: (given) =>
        given === 'long' || (typeof given === 'object' && 'type' in given && given.type === 'long')
          ? LONG
          : undefined,
    } as Partial<avro.ForSchemaOptions>,
  );

async function* rowsOf(file: ReadableFile, columns: readonly Column[]): AsyncGenerator<Row[]> {
  const header = await readHeader(file);
  const fields = new Map(fieldsOf(file.name, header.schema).map((field) => [field.column.name, field]));
  const picked = columns.map(({ name }): AvroField => {
    const field = fields.get(name);
    if (field !== undefined) return field;
    throw new WaybillError(
      'SOURCE_CHANGED',
      `${file.name} has no column ${name}, which the file that this copy was planned with has.`,
      { file: file.name, column: name },
    );
  });
  const decode = decoderOf(file.name, header.schema);
  let batch: Row[] = [];
  for await (const { count, bytes } of readBlocks(file, header)) {
    let at = 0;
    for (let i = 0; i < count; i++) {
      const record = decode(bytes, at);
      at = record.offset;
      batch.push(picked.map((field) => field.read(record.value[field.column.name])));
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
    }
    if (at !== bytes.length) throw notAvro(file.name, 'a block has more bytes than its records');
  }
  if (batch.length > 0) yield batch;
}

type Decode = (bytes: Buffer, at: number) => { value: Record<string, unknown>; offset: number };

function decoderOf(file: string, schema: JsonValue): Decode {
  const invalid = (error: unknown): WaybillError =>
    notAvro(file, (error as Error).message.split('\n')[0] ?? '');
  let type: avro.Type;
  try {
    type = typeOf(schema);
  } catch (error) {
    throw invalid(error);
  }
  return (bytes, at) => {
    let found: { value: Record<string, unknown>; offset: number };
    try {
      found = type.decode(bytes, at);
    } catch (error) {
      throw invalid(error);
    }
    if (found.offset < 0) throw notAvro(file, 'a record goes beyond its block');
    return found;
  };
}

/** Written as it is taken; a NULL for a column that takes none is CONSTRAINT_VIOLATED. */
function encodeFile(
  columns: readonly Column[],
  batches: AsyncIterable<Row[]>,
  settings: AvroSettings,
): EncodedFile {
  const schema = recordSchema(columns, settings.recordName, settings.namespace);
  const figures = { rows: 0, bytes: 0 };
  const counted = (bytes: Buffer): Buffer => {
    figures.bytes += bytes.length;
    return bytes;
  };
  async function* bytes(): AsyncGenerator<Buffer> {
    const type = typeOf(schema);
    const record = recordOf(columns);
    const sync = randomBytes(16);
    yield counted(headerBytes(JSON.stringify(schema), settings.codec, sync));
    let block: Buffer[] = [];
    let size = 0;
    const flush = async (): Promise<Buffer> => {
      const packed = await compress(settings.codec, Buffer.concat(block));
      const whole = blockBytes(block.length, packed, sync);
      [block, size] = [[], 0];
      return counted(whole);
    };
    for await (const rows of batches) {
      for (const row of rows) {
        const encoded = type.toBuffer(record(row));
        block.push(encoded);
        size += encoded.length;
        figures.rows++;
        if (size >= BLOCK) yield await flush();
      }
    }
    if (block.length > 0) yield await flush();
  }
  return { bytes: bytes(), figures: () => figures };
}

function recordOf(columns: readonly Column[]): (row: Row) => Record<string, unknown> {
  const types = columns.map((column) => ({ column, ...avroType(column) }));
  return (row) => {
    const record: Record<string, unknown> = {};
    types.forEach(({ column: { name, nullable }, branch, write }, at) => {
      const text = row[at] ?? null;
      if (text === null && !nullable)
        throw new WaybillError(
          'CONSTRAINT_VIOLATED',
          `The source has a NULL for the file's column ${name}, which takes none.`,
          { column: name },
        );
      record[name] = text === null ? null : nullable ? { [branch]: write(text) } : write(text);
    });
    return record;
  };
}
