// Page compression: what is written by ADF's codec names, what of it this Node can do, and off the main thread if possible.
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { WaybillError } from '../../../core/errors.ts';
import { openDecompressors } from './decompression.ts';
import { compressSnappy } from './snappy.ts';

/** CompressionCodec numbers of parquet.thrift. */
const CODECS = { none: 0, snappy: 1, gzip: 2, zstd: 6 } as const;

export type CodecName = keyof typeof CODECS;

/** hyparquet's names for them. */
const READERS = { snappy: 'SNAPPY', gzip: 'GZIP', zstd: 'ZSTD' } as const;

export interface PageCompressor {
  readonly name: CodecName;
  /** Number in the footer. */
  readonly codec: number;
  /** Compresses a page; the result shares no memory with it. */
  compress(page: Buffer): Promise<Buffer>;
  /** Whether a reader gets `page` back from `stored`. */
  restores(page: Buffer, stored: Buffer): boolean;
}

/** Fast and close: level 3 costs a third more CPU for 3 % less. */
const ZSTD_LEVEL = 1;
const GZIP_LEVEL = 1;

type Compress = (page: Buffer) => Promise<Buffer>;

/** zlib's own (Node >= 22.15), else the optional package; undefined where neither is there. */
const loadZstd = async (): Promise<Compress | undefined> => {
  const { zstdCompress, constants } = zlib as unknown as {
    zstdCompress?: (page: Buffer, options: object, done: (error: Error | null, out: Buffer) => void) => void;
    constants: Record<string, number>;
  };
  if (zstdCompress !== undefined) {
    const params = { [constants['ZSTD_c_compressionLevel'] ?? 100]: ZSTD_LEVEL };
    const compress = promisify(zstdCompress);
    return (page) => compress(page, { params });
  }
  try {
    const { Encoder } = await import('@toondepauw/node-zstd');
    const encoder = new Encoder(ZSTD_LEVEL);
    return (page) => encoder.encode(page);
  } catch {
    return undefined;
  }
};

const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip);

const COMPRESSORS: Record<Exclude<CodecName, 'zstd'>, Compress> = {
  none: async (page) => Buffer.from(page),
  gzip: (page) => gzip(page, { level: GZIP_LEVEL }),
  snappy: async (page) => compressSnappy(page),
};

/**
 * The codec of an ADF dataset's `compressionCodec`. Undefined where the dataset leaves it open: then zstd is written
 * where this Node has it, else snappy, ADF's own default. Throws DEFINITION_UNSUPPORTED for lzo, as ADF's copy does.
 */
export const codecName = (setting: string | undefined): CodecName | undefined => {
  const name = setting?.toLowerCase();
  if (name === undefined || name === '') return undefined;
  if (name === 'uncompressed') return 'none';
  if (name in CODECS) return name as CodecName;
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `Parquet files are not written with compressionCodec "${setting}"; use none, snappy, gzip or zstd.`,
    { compressionCodec: name },
  );
};

export const openCompressor = async (wanted: CodecName | undefined): Promise<PageCompressor> => {
  const decompressors = await openDecompressors();
  const open = (name: CodecName, compress: Compress): PageCompressor => ({
    name,
    codec: CODECS[name],
    compress,
    restores: (page, stored) => {
      const decompress = name === 'none' ? undefined : decompressors[READERS[name]];
      return page.equals(decompress === undefined ? stored : decompress(stored, page.length));
    },
  });
  const zstd = wanted === undefined || wanted === 'zstd' ? await loadZstd() : undefined;
  if (zstd !== undefined) return open('zstd', zstd);
  if (wanted === 'zstd') {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      'compressionCodec "zstd" needs Node 22.15 or the optional package @toondepauw/node-zstd; neither is here.',
      { compressionCodec: 'zstd' },
    );
  }
  const name = wanted ?? 'snappy';
  return open(name, COMPRESSORS[name]);
};
