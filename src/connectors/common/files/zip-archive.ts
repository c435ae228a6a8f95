// The files within a ZIP archive, each read by itself: the directory at its end says where they are.
import { crc32, createInflateRaw } from 'node:zlib';
import { WaybillError } from '../../../core/errors.ts';
import { through } from './compression.ts';
import type { ReadableFile } from './file-format.ts';

const END = 0x06054b50;
const END_64 = 0x06064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
/** An end record and the longest comment behind it. */
const TAIL = 22 + 65_535;
const PIECE = 1_048_576;
/** Bytes of a directory that is held in memory. */
const LARGEST_DIRECTORY = 64 * 1_048_576;

const broken = (file: ReadableFile, why: string): WaybillError =>
  new WaybillError('FILE_INVALID', `${file.name} is not whole ZIP: ${why}.`, { file: file.name });

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly at: number;
}

/** In the archive's order, without folders. Throws FILE_INVALID. */
export async function* zippedFiles(file: ReadableFile): AsyncGenerator<ReadableFile> {
  for (const entry of await entriesOf(file)) {
    if (entry.name.endsWith('/')) continue;
    const stream = (): AsyncGenerator<Buffer> => contentOf(file, entry);
    yield {
      name: `${file.name}!${entry.name}`,
      size: entry.size,
      read: () => Promise.reject(broken(file, 'its files are read from their beginning')),
      stream,
    };
  }
}

const entriesOf = async (file: ReadableFile): Promise<Entry[]> => {
  const from = Math.max(0, file.size - TAIL);
  const tail = await file.read(from, file.size - from);
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END) end--;
  if (end < 0) throw broken(file, 'it has no directory');
  let [size, start] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  // ZIP64: a locator just before the end record leads to a longer one.
  if ((size === 0xffffffff || start === 0xffffffff) && end >= 20) {
    const longer = await file.read(Number(tail.readBigUInt64LE(end - 12)), 56);
    if (longer.length < 56 || longer.readUInt32LE(0) !== END_64) throw broken(file, 'it has no directory');
    [size, start] = [Number(longer.readBigUInt64LE(40)), Number(longer.readBigUInt64LE(48))];
  }
  if (size > LARGEST_DIRECTORY || start + size > file.size) throw broken(file, 'its directory is cut off');
  const directory = await file.read(start, size);
  const entries: Entry[] = [];
  for (let at = 0; at + 46 <= directory.length; ) {
    if (directory.readUInt32LE(at) !== ENTRY) throw broken(file, 'its directory is damaged');
    const [nameLength, extraLength] = [directory.readUInt16LE(at + 28), directory.readUInt16LE(at + 30)];
    const behind = at + 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
    if (behind > directory.length) throw broken(file, 'its directory is cut off');
    if ((directory.readUInt16LE(at + 8) & 1) === 1) throw broken(file, 'it is encrypted');
    const nameEnd = at + 46 + nameLength;
    const extra = directory.subarray(nameEnd, nameEnd + extraLength);
    const [unpacked, packed, local] = sizesOf(
      [directory.readUInt32LE(at + 24), directory.readUInt32LE(at + 20), directory.readUInt32LE(at + 42)],
      extra,
    );
    entries.push({
      name: directory.toString('utf8', at + 46, nameEnd),
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      packed,
      size: unpacked,
      at: local,
    });
    at = behind;
  }
  return entries;
};

/** Size, packed size and place; where they have more than 32 bits they stand in the extra field. */
const sizesOf = (short: readonly number[], extra: Buffer): [number, number, number] => {
  let at = 0;
  while (at + 4 <= extra.length && extra.readUInt16LE(at) !== 1) at += 4 + extra.readUInt16LE(at + 2);
  let next = at + 4;
  const [size = 0, packed = 0, place = 0] = short.map((value) => {
    if (value !== 0xffffffff || next + 8 > extra.length) return value;
    next += 8;
    return Number(extra.readBigUInt64LE(next - 8));
  });
  return [size, packed, place];
};

async function* contentOf(file: ReadableFile, entry: Entry): AsyncGenerator<Buffer> {
  const header = await file.read(entry.at, 30);
  if (header.length < 30 || header.readUInt32LE(0) !== LOCAL)
    throw broken(file, `${entry.name} is not there`);
  const from = entry.at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (from + entry.packed > file.size) throw broken(file, `${entry.name} is cut off`);
  async function* packed(): AsyncGenerator<Buffer> {
    for (let at = 0; at < entry.packed; at += PIECE)
      yield await file.read(from + at, Math.min(PIECE, entry.packed - at));
  }
  if (entry.method !== 0 && entry.method !== 8)
    throw broken(
      file,
      `${entry.name} is packed by method ${entry.method}; stored and deflated files are read`,
    );
  let crc = 0;
  let size = 0;
  try {
    for await (const piece of entry.method === 0 ? packed() : through(packed(), createInflateRaw())) {
      crc = crc32(piece, crc);
      size += piece.length;
      // What swells beyond what its archive says is stopped there.
      if (size > entry.size) throw broken(file, `${entry.name} is longer than it says`);
      yield piece;
    }
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('Z_') !== true) throw error;
    throw broken(file, `${entry.name} cannot be unpacked`);
  }
  if (size !== entry.size) throw broken(file, `${entry.name} is shorter than it says`);
  if (crc !== entry.crc) throw broken(file, `${entry.name} has another checksum`);
}
