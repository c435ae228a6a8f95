// What the text formats share: the text of a stored file, and the bytes of one being made.
import { type Compression, compressed, decompressed } from './compression.ts';
import type { EncodedFile, ReadableFile } from './file-format.ts';
import { decoded, encoderOf } from './text-encoding.ts';

export interface TextSettings {
  readonly compression: Compression;
  readonly encoding: string;
}

/** Characters collected before they are compressed and sent on. */
const PIECE = 262_144;

export const textOf = (file: ReadableFile, settings: TextSettings): AsyncGenerator<string> =>
  decoded(file.name, decompressed(file.name, file.stream(), settings.compression), settings.encoding);

/** A file of bytes that are its text already, in pieces with how many rows each adds. */
export const encodedBytes = (
  pieces: AsyncIterable<{ readonly data: Buffer; readonly rows: number }>,
  settings: TextSettings,
): EncodedFile => {
  let rows = 0;
  let bytes = 0;
  async function* plain(): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      rows += piece.rows;
      if (piece.data.length > 0) yield piece.data;
    }
  }
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of compressed(plain(), settings.compression)) {
      bytes += piece.length;
      yield piece;
    }
  }
  return { bytes: counted(), figures: () => ({ rows, bytes }) };
};

/** A file of the pieces that `text` yields, each with how many rows it holds. */
export const encodedText = (
  text: AsyncIterable<{ readonly text: string; readonly rows: number }>,
  settings: TextSettings,
): EncodedFile => {
  const encode = encoderOf(settings.encoding);
  let rows = 0;
  let bytes = 0;
  async function* plain(): AsyncGenerator<Buffer> {
    let kept = '';
    for await (const piece of text) {
      kept += piece.text;
      rows += piece.rows;
      if (kept.length < PIECE) continue;
      yield encode(kept);
      kept = '';
    }
    if (kept !== '') yield encode(kept);
  }
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of compressed(plain(), settings.compression)) {
      bytes += piece.length;
      yield piece;
    }
  }
  return { bytes: counted(), figures: () => ({ rows, bytes }) };
};
