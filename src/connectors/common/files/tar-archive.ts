// The files within a tar archive, one after another as the archive is read: ustar, GNU's long names, pax paths and sizes.
import { WaybillError } from '../../../core/errors.ts';
import type { ReadableFile } from './file-format.ts';

const BLOCK = 512;
/** Bytes of a header's own data, such as a long name. */
const LONGEST_EXTRA = 1_048_576;

/** Files of the bytes of a tar archive. Each is read, once, before the next is asked for. Throws FILE_INVALID. */
export async function* tarredFiles(
  archive: string,
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<ReadableFile> {
  const broken = (why: string): WaybillError =>
    new WaybillError('FILE_INVALID', `${archive} is not whole tar: ${why}.`, { file: archive });
  const source = new Pieces(bytes);
  let longName: string | undefined;
  let longSize: number | undefined;
  try {
    for (;;) {
      const header = await source.take(BLOCK);
      if (header.length === 0 || header.every((byte) => byte === 0)) return;
      if (header.length < BLOCK) throw broken('it is cut off');
      if (!hasChecksum(header)) throw broken('a header is damaged');
      const type = String.fromCharCode(header[156] ?? 0);
      const size = longSize ?? sizeIn(header);
      const padding = (BLOCK - (size % BLOCK)) % BLOCK;
      if (type === 'L' || type === 'x') {
        if (size > LONGEST_EXTRA) throw broken('a name is too long');
        const text = (await source.take(size)).toString('utf8');
        await source.take(padding);
        if (type === 'L') longName = text.replace(/\0.*$/s, '');
        else {
          longName = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text)?.[1] ?? longName;
          const given = /(?:^|\n)\d+ size=(\d+)\n/.exec(text)?.[1];
          longSize = given === undefined ? undefined : Number(given);
        }
        continue;
      }
      const name = longName ?? nameIn(header);
      [longName, longSize] = [undefined, undefined];
      let left = size;
      const rest = async function* (): AsyncGenerator<Buffer> {
        while (left > 0) {
          const piece = await source.some(left);
          if (piece.length === 0) throw broken(`${name} is cut off`);
          left -= piece.length;
          yield piece;
        }
      };
      if (type === '0' || type === '\0' || type === '7')
        yield {
          name: `${archive}!${name}`,
          size,
          read: () => Promise.reject(broken('its files are read from their beginning')),
          stream: rest,
        };
      for await (const _ of rest());
      await source.take(padding);
    }
  } finally {
    await source.close();
  }
}

const textIn = (header: Buffer, from: number, length: number): string =>
  header.toString('utf8', from, from + length).replace(/\0.*$/s, '');

const nameIn = (header: Buffer): string => {
  const prefix = textIn(header, 257, 5) === 'ustar' ? textIn(header, 345, 155) : '';
  return prefix === '' ? textIn(header, 0, 100) : `${prefix}/${textIn(header, 0, 100)}`;
};

/** Octal, or for more than 8 GiB base 256. */
const sizeIn = (header: Buffer): number =>
  ((header[124] ?? 0) & 0x80) === 0
    ? Number.parseInt(textIn(header, 124, 12).trim() || '0', 8)
    : Number(header.readBigUInt64BE(128));

/** The sum of the header's bytes, its own place taken as blanks. */
const hasChecksum = (header: Buffer): boolean => {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i] ?? 0;
  return sum === Number.parseInt(textIn(header, 148, 8).trim(), 8);
};

/** Bytes by the number that is asked for. */
class Pieces {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#source = bytes[Symbol.asyncIterator]();
  }

  /** Up to `most` bytes; none at the end. */
  async some(most: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return this.#rest;
      this.#rest = next.value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** `length` bytes, or fewer at the end. */
  async take(length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let left = length;
    while (left > 0) {
      const piece = await this.some(left);
      if (piece.length === 0) break;
      pieces.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
