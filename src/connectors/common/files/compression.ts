// Compression of whole files, as streams: gzip and raw deflate both ways, zlib's form of deflate when reading.
import { Readable, type Transform } from 'node:stream';
import { createDeflateRaw, createGunzip, createGzip, createInflate, createInflateRaw } from 'node:zlib';
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import { objectSetting, textSetting } from '../settings.ts';

export interface Compression {
  readonly codec: 'none' | 'gzip' | 'deflate';
  /** zlib's, 1 to 9. */
  readonly level: number;
}

/** What a dataset says of compression: DelimitedText's two properties, or the `compression` of Json, Excel and Binary. */
export const saidCompression = (
  dataset: JsonObject,
): { readonly codec?: string | undefined; readonly level?: string | undefined } => {
  const compression = objectSetting(dataset, 'compression');
  return {
    codec: textSetting(dataset, 'compressionCodec') ?? textSetting(compression, 'type'),
    level: textSetting(dataset, 'compressionLevel') ?? textSetting(compression, 'level'),
  };
};

/** How a dataset's files are compressed. Throws DEFINITION_UNSUPPORTED naming a codec there is none for. */
export const compressionOf = (dataset: JsonObject): Compression => {
  const said = saidCompression(dataset);
  const codec = (said.codec ?? 'none').toLowerCase();
  // "Optimal" asks for small files, "Fastest", and who asks for nothing, for quick ones.
  const level = (said.level ?? '').toLowerCase() === 'optimal' ? 6 : 1;
  if (codec === 'none' || codec === 'gzip' || codec === 'deflate') return { codec, level };
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `Compression ${codec} is not supported for these files; use gzip, deflate or none.`,
    { codec },
  );
};

/** The ending that names of compressed files get. */
export const compressedExtension = ({ codec }: Compression): string =>
  codec === 'gzip' ? '.gz' : codec === 'deflate' ? '.deflate' : '';

/** A file's plain bytes. Names ending in .gz are unzipped whatever the dataset says. Throws FILE_INVALID. */
export async function* decompressed(
  name: string,
  bytes: AsyncIterable<Buffer>,
  { codec }: Compression,
): AsyncGenerator<Buffer> {
  const zipped = codec === 'gzip' || /\.gz$/i.test(name);
  if (!zipped && codec === 'none') {
    yield* bytes;
    return;
  }
  try {
    if (zipped) yield* through(bytes, createGunzip());
    else yield* inflated(bytes);
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    if (code?.startsWith('Z_') !== true) throw error;
    throw new WaybillError(
      'FILE_INVALID',
      `${name} is not whole ${zipped ? 'gzip' : 'deflate'}: ${message}.`,
      {
        file: name,
      },
    );
  }
}

export const compressed = (
  bytes: AsyncIterable<Buffer>,
  { codec, level }: Compression,
): AsyncIterable<Buffer> => {
  if (codec === 'none') return bytes;
  return through(bytes, codec === 'gzip' ? createGzip({ level }) : createDeflateRaw({ level }));
};

/** "Deflate" is raw in .NET, and thus in ADF; other programs put zlib's two bytes before it. */
async function* inflated(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const next = await source.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  if (head.length === 0) return;
  const first = head[0] ?? 0;
  const hasHeader = head.length > 1 && (first & 0x0f) === 8 && head.readUInt16BE(0) % 31 === 0;
  async function* all(): AsyncGenerator<Buffer> {
    try {
      yield head;
      for (;;) {
        const next = await source.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await source.return?.();
    }
  }
  yield* through(all(), hasHeader ? createInflate() : createInflateRaw());
}

/** Pipes do not carry a failure or an early end backwards: both are seen to here. */
export async function* through(bytes: AsyncIterable<Buffer>, transform: Transform): AsyncGenerator<Buffer> {
  const source = Readable.from(bytes, { objectMode: false });
  source.on('error', (error) => transform.destroy(error));
  source.pipe(transform);
  try {
    for await (const piece of transform) yield piece as Buffer;
  } finally {
    source.destroy();
    transform.destroy();
  }
}
