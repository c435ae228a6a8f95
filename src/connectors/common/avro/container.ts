// Avro's object container file (specification 1.12, "Object Container Files"): a header with the schema, then blocks.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonValue } from '../../../core/json.ts';
import type { ReadableFile } from '../files/file-format.ts';
import { decompress, MAX_BLOCK } from './codec.ts';

const MAGIC = Buffer.from('Obj\x01');
const SYNC = 16;
/** Bytes of a header: a schema of some thousand columns has a few hundred thousand. */
const MAX_HEADER = 16 * 1024 * 1024;

export interface AvroHeader {
  readonly schema: JsonValue;
  readonly codec: string;
  readonly sync: Buffer;
  /** Where the first block begins. */
  readonly end: number;
}

/** Records of a block, one behind the other, unpacked. */
export interface AvroBlock {
  readonly count: number;
  readonly bytes: Buffer;
}

export const notAvro = (file: string, why: string): WaybillError =>
  new WaybillError('FILE_INVALID', `${file} is not a whole Avro file: ${why}.`, { file });

/** A zig-zag number of at most ten bytes, and where it ends; undefined where the bytes end before it does. */
function longAt(bytes: Buffer, at: number): readonly [value: number, end: number] | undefined {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return [Number(value & 1n ? -(value >> 1n) - 1n : value >> 1n), at + i + 1];
  }
  return [Number.NaN, at + 10];
}

/** A zig-zag number as Avro writes it. */
export function longBytes(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value) < 0n ? -2n * BigInt(value) - 1n : 2n * BigInt(value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** Reads the header alone. Throws FILE_INVALID. */
export async function readHeader(file: ReadableFile): Promise<AvroHeader> {
  for (let size = 65_536; ; size *= 4) {
    const length = Math.min(size, file.size);
    const header = headerIn(file.name, await file.read(0, length));
    if (header !== undefined) return header;
    if (length === file.size || length >= MAX_HEADER) throw notAvro(file.name, 'its header has no end');
  }
}

/** The header that the bytes begin with; undefined where they end before it does. */
function headerIn(file: string, bytes: Buffer): AvroHeader | undefined {
  if (!bytes.subarray(0, 4).equals(MAGIC)) throw notAvro(file, 'it does not begin with Obj1');
  const found: Record<string, Buffer> = Object.create(null);
  let at = 4;
  const long = (): number => {
    const read = longAt(bytes, at);
    if (read === undefined) return Number.NaN;
    at = read[1];
    return read[0];
  };
  const piece = (): Buffer | undefined => {
    const length = long();
    if (Number.isNaN(length) || at + length > bytes.length) return undefined;
    if (length < 0) throw notAvro(file, 'its header is damaged');
    const from = at;
    at += length;
    return bytes.subarray(from, at);
  };
  for (;;) {
    let count = long();
    if (Number.isNaN(count)) return undefined;
    if (count === 0) break;
    // A negative count is followed by the length in bytes.
    if (count < 0) {
      count = -count;
      long();
    }
    for (; count > 0; count--) {
      const [key, value] = [piece(), piece()];
      if (key === undefined || value === undefined) return undefined;
      found[key.toString('utf8')] = value;
    }
  }
  if (at + SYNC > bytes.length) return undefined;
  try {
    return {
      schema: JSON.parse((found['avro.schema'] ?? Buffer.alloc(0)).toString('utf8')) as JsonValue,
      codec: found['avro.codec']?.toString('utf8') ?? 'null',
      sync: Buffer.from(bytes.subarray(at, at + SYNC)),
      end: at + SYNC,
    };
  } catch {
    throw notAvro(file, 'its schema is not JSON');
  }
}

/** Every block in turn. Throws FILE_INVALID where one is cut off, or is not followed by the file's own mark. */
export async function* readBlocks(file: ReadableFile, header: AvroHeader): AsyncGenerator<AvroBlock> {
  const input = new Input(file.stream());
  await input.has(header.end);
  input.take(header.end);
  try {
    for (;;) {
      // Two numbers of at most ten bytes each.
      await input.has(20);
      if (input.bytes.length === 0) return;
      const count = longAt(input.bytes, 0);
      const size = count === undefined ? undefined : longAt(input.bytes, count[1]);
      if (count === undefined || size === undefined) throw notAvro(file.name, 'it is cut off in a block');
      if (!(count[0] >= 0 && size[0] >= 0 && size[0] <= MAX_BLOCK))
        throw notAvro(file.name, `a block says that it has ${count[0]} records in ${size[0]} bytes`);
      input.take(size[1]);
      if (!(await input.has(size[0] + SYNC))) throw notAvro(file.name, 'it is cut off in a block');
      const packed = input.take(size[0]);
      if (!input.take(SYNC).equals(header.sync))
        throw notAvro(file.name, 'a block does not end with its mark');
      yield { count: count[0], bytes: await decompress(file.name, header.codec, packed) };
    }
  } finally {
    await input.close();
  }
}

/** Bytes that come in pieces, taken in others. */
class Input {
  bytes: Buffer = Buffer.alloc(0);
  readonly #pieces: AsyncIterator<Buffer>;

  constructor(pieces: AsyncIterable<Buffer>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Waits for so many bytes; false where there are fewer. */
  async has(length: number): Promise<boolean> {
    const more: Buffer[] = [];
    for (let have = this.bytes.length; have < length; ) {
      const { done, value } = await this.#pieces.next();
      if (done === true) break;
      more.push(value);
      have += value.length;
    }
    if (more.length > 0) this.bytes = Buffer.concat([this.bytes, ...more]);
    return this.bytes.length >= length;
  }

  take(length: number): Buffer {
    const taken = this.bytes.subarray(0, length);
    this.bytes = this.bytes.subarray(length);
    return taken;
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}

/** The header of a new file; `schema` is its JSON. */
export function headerBytes(schema: string, codec: string, sync: Buffer): Buffer {
  const text = (value: string): Buffer[] => {
    const bytes = Buffer.from(value, 'utf8');
    return [longBytes(bytes.length), bytes];
  };
  const meta = [...text('avro.schema'), ...text(schema), ...text('avro.codec'), ...text(codec)];
  return Buffer.concat([MAGIC, longBytes(2), ...meta, longBytes(0), sync]);
}

/** One block with what stands around it. */
export const blockBytes = (count: number, packed: Buffer, sync: Buffer): Buffer =>
  Buffer.concat([longBytes(count), longBytes(packed.length), packed, sync]);
