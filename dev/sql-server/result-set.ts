// One result: PostgreSQL's row description and rows as COLMETADATA and ROW tokens, sent on as they come.
import type { Catalog } from './catalog.ts';
import type { PostgresConnection, PostgresField, RowHandler } from './postgres-wire.ts';
import { type Response, Token } from './response.ts';
import { defaultType, isHeldAs, type SqlType } from './sql-types.ts';
import { NO_NAME } from './translate/select.ts';
import { heldName } from './translate/token-stream.ts';
import type { OutputColumn } from './translate/translator.ts';
import { columnTypeInfo, type TypeInfo, writeTypeInfo } from './type-info.ts';
import { numericScale, type ValueEncoder, valueEncoder } from './values-to-client.ts';

interface Column {
  readonly name: string;
  readonly type: SqlType;
  readonly oid: number;
  readonly nullable: boolean;
  readonly identity: boolean;
}

/** Rows kept back while the scale of a numeric expression is not known. */
const HELD_ROWS = 500;
const MOST_SCALE = 20;

export interface ResultContext {
  readonly catalog: Catalog;
  readonly outputs: readonly OutputColumn[];
  readonly utf8: boolean;
  /** Resolves when the client has taken what was sent. */
  drained(): Promise<void>;
  /** Takes the columns in place of the client, who is sent nothing. */
  readonly onColumns?: (columns: readonly Column[]) => void;
}

export class ResultSet implements RowHandler {
  readonly #postgres: PostgresConnection;
  readonly #response: Response;
  readonly #context: ResultContext;
  #columns: Column[] = [];
  #encoders: ValueEncoder[] = [];
  #held: Buffer[] | undefined;
  #paused = false;
  /** Set by an attention: what still comes is dropped. */
  discarding = false;
  failure: unknown;
  hasColumns = false;
  rows = 0;

  constructor(postgres: PostgresConnection, response: Response, context: ResultContext) {
    this.#postgres = postgres;
    this.#response = response;
    this.#context = context;
  }

  onFields(fields: readonly PostgresField[]): void {
    this.hasColumns = true;
    const { outputs, catalog } = this.#context;
    const exact = outputs.length === fields.length && !outputs.some((output) => output.star);
    this.#columns = fields.map((field, index) => {
      const source = catalog.source(field);
      const output = exact ? outputs[index] : undefined;
      const hinted = [source?.type, output?.type].find((type) => type && isHeldAs(type, field.type));
      const type = hinted ?? defaultType(field.type, field.modifier);
      const name = output?.name ?? namedBy(outputs, field, source?.name);
      return {
        name,
        type,
        oid: field.type,
        nullable: source?.nullable ?? true,
        identity: source?.identity ?? false,
      };
    });
    if (this.#context.onColumns) {
      this.discarding = true;
      this.#context.onColumns(this.#columns);
    } else if (this.#columns.some(needsScale)) this.#held = [];
    else this.#describe();
  }

  #describe(): void {
    const { writer } = this.#response;
    const infos: TypeInfo[] = this.#columns.map((column) => columnTypeInfo(column.type, this.#context.utf8));
    writer.u8(Token.columnMetadata).u16(infos.length);
    for (const [index, info] of infos.entries()) {
      const column = this.#columns[index] as Column;
      writer.u32(0).u16((column.nullable ? 0x01 : 0) | 0x08 | (column.identity ? 0x10 : 0));
      writeTypeInfo(writer, info);
      writer.shortString(column.name);
    }
    this.#encoders = infos.map((info, index) => valueEncoder(info, (this.#columns[index] as Column).oid));
  }

  onRow(buffer: Buffer, start: number): void {
    if (this.discarding || this.failure !== undefined) return;
    this.rows++;
    if (this.#held) {
      this.#held.push(Buffer.from(buffer.subarray(start, rowEnd(buffer, start))));
      if (this.#held.length >= HELD_ROWS) this.#release(6);
      return;
    }
    this.#write(buffer, start);
  }

  /** Ends the wait for a scale: the largest seen among the rows kept back, at least `atLeast`. */
  #release(atLeast: number): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#columns = this.#columns.map((column, index) => {
      if (!needsScale(column)) return column;
      const scales = held.map((row) => scaleAt(row, index));
      return {
        ...column,
        type: { name: 'decimal', precision: 38, scale: Math.min(MOST_SCALE, Math.max(atLeast, ...scales)) },
      };
    });
    this.#describe();
    for (const row of held) this.#write(row, 0);
  }

  #write(buffer: Buffer, start: number): void {
    const { writer } = this.#response;
    const mark = writer.length;
    try {
      this.#encode(buffer, start + 2);
    } catch (error) {
      writer.length = mark;
      this.failure = error;
      void this.#postgres.cancel();
    }
  }

  #encode(buffer: Buffer, start: number): void {
    const { writer } = this.#response;
    const count = this.#encoders.length;
    const bitmap = nullBitmap(buffer, start, count);
    if (bitmap === undefined) writer.u8(Token.row);
    else writer.u8(Token.nullRow).bytes(bitmap);
    let at = start;
    for (let index = 0; index < count; index++) {
      const length = buffer.readInt32BE(at);
      at += 4;
      if (length < 0) continue;
      (this.#encoders[index] as ValueEncoder)(writer, buffer, at, length);
      at += length;
    }
  }

  onChunk(): void {
    if (this.#response.flushFull() || this.#paused) return;
    this.#paused = true;
    this.#postgres.socket.pause();
    void this.#context.drained().then(() => {
      this.#paused = false;
      this.#postgres.socket.resume();
    });
  }

  /** Called when PostgreSQL is done: writes what was kept back; throws what failed on the way. */
  finish(): void {
    if (this.#held) this.#release(0);
    if (this.failure !== undefined) throw this.failure;
  }
}

const needsScale = (column: Column): boolean =>
  column.type.name === 'decimal' && column.type.scale === undefined;

/** The name of a column beside a star: as declared, else as the statement writes it. */
function namedBy(
  outputs: readonly OutputColumn[],
  field: PostgresField,
  declared: string | undefined,
): string {
  if (field.name === NO_NAME) return '';
  const written = outputs.find((output) => output.name !== '' && heldName(output.name) === field.name);
  if (declared !== undefined && heldName(declared) === field.name) return declared;
  return written?.name ?? field.name;
}

function rowEnd(buffer: Buffer, start: number): number {
  let at = start + 2;
  for (let left = buffer.readInt16BE(start); left > 0; left--) at += 4 + Math.max(0, buffer.readInt32BE(at));
  return at;
}

function scaleAt(row: Buffer, index: number): number {
  let at = 2;
  for (let skip = index; skip > 0; skip--) at += 4 + Math.max(0, row.readInt32BE(at));
  return row.readInt32BE(at) < 0 ? 0 : numericScale(row, at + 4);
}

/** One bit a column, set for NULL; undefined when there is none. */
function nullBitmap(buffer: Buffer, start: number, count: number): Buffer | undefined {
  let bitmap: Buffer | undefined;
  let at = start;
  for (let index = 0; index < count; index++) {
    const length = buffer.readInt32BE(at);
    at += 4;
    if (length >= 0) {
      at += length;
      continue;
    }
    bitmap ??= Buffer.alloc((count + 7) >> 3);
    bitmap[index >> 3] = (bitmap[index >> 3] as number) | (1 << (index & 7));
  }
  return bitmap;
}

/** A value that a statement yields for the server itself: first column of the last row, as text. */
export class LastRow implements RowHandler {
  values: (string | null)[] | undefined;
  rows = 0;

  onRow(buffer: Buffer, start: number): void {
    this.rows++;
    const values: (string | null)[] = [];
    let at = start + 2;
    for (let left = buffer.readInt16BE(start); left > 0; left--) {
      const length = buffer.readInt32BE(at);
      at += 4;
      values.push(length < 0 ? null : buffer.toString('utf8', at, at + length));
      at += Math.max(0, length);
    }
    this.values = values;
  }
}
