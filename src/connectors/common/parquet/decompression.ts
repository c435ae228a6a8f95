// Page decompression for every codec that Parquet files come with: natively where Node can, else in JavaScript.
import * as zlib from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

type Decompress = (input: Uint8Array) => Uint8Array;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const loadZstd = async (): Promise<Decompress | undefined> => {
  const { zstdDecompressSync } = zlib as unknown as { zstdDecompressSync?: Decompress };
  if (zstdDecompressSync !== undefined) return zstdDecompressSync;
  try {
    const { Decoder } = await import('@toondepauw/node-zstd');
    const decoder = new Decoder();
    return (input) => decoder.decodeSync(asBuffer(input));
  } catch {
    return undefined;
  }
};

let opened: Promise<Compressors> | undefined;

/** Decompressors by codec, as hyparquet takes them. */
export const openDecompressors = (): Promise<Compressors> => {
  opened ??= loadZstd().then((zstd) => ({
    ...compressors,
    GZIP: (input) => zlib.gunzipSync(input),
    BROTLI: (input) => zlib.brotliDecompressSync(input),
    ...(zstd === undefined ? {} : { ZSTD: zstd }),
  }));
  return opened;
};
