// How a block of an Avro file is compressed: the codecs of the specification that Node and hyparquet's decompressors know.
import { promisify } from 'node:util';
import { crc32, deflateRaw, type InputType, inflateRaw, type ZlibOptions } from 'node:zlib';
import { WaybillError } from '../../../core/errors.ts';
import { openDecompressors } from '../parquet/decompression.ts';
import { compressSnappy } from '../parquet/snappy.ts';

/** Bytes of a block, unpacked: writers make blocks of 64 KiB to some MiB. */
export const MAX_BLOCK = 256 * 1024 * 1024;

export type AvroCodec = 'null' | 'deflate' | 'snappy';

const inflate = promisify<InputType, ZlibOptions, Buffer>(inflateRaw);
const deflate = promisify<InputType, ZlibOptions, Buffer>(deflateRaw);

/** The codec of ADF's `avroCompressionCodec`; snappy where nothing is said. Throws DEFINITION_UNSUPPORTED. */
export const codecOf = (setting: string | undefined): AvroCodec => {
  switch (setting?.toLowerCase()) {
    case undefined:
    case '':
    case 'snappy':
      return 'snappy';
    case 'none':
    case 'null':
      return 'null';
    case 'deflate':
      return 'deflate';
    default:
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `Avro files are not written with "${setting}": avroCompressionCodec is none, snappy or deflate.`,
        { codec: setting ?? '' },
      );
  }
};

export async function compress(codec: AvroCodec, block: Buffer): Promise<Buffer> {
  if (codec === 'null') return block;
  if (codec === 'deflate') return deflate(block, { level: 1 });
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(block));
  return Buffer.concat([compressSnappy(block), sum]);
}

/** A block's bytes as they were. Throws FILE_INVALID for what is damaged, DEFINITION_UNSUPPORTED for another codec. */
export async function decompress(file: string, codec: string, block: Buffer): Promise<Buffer> {
  try {
    if (codec === 'null') return block;
    if (codec === 'deflate') return await inflate(block, { maxOutputLength: MAX_BLOCK });
    if (codec === 'snappy') return await unsnapped(block);
    if (codec === 'zstandard') {
      const { ZSTD } = await openDecompressors();
      if (ZSTD !== undefined) return Buffer.from(ZSTD(block, 0));
    }
  } catch (error) {
    throw new WaybillError(
      'FILE_INVALID',
      `${file} is damaged: a block is no ${codec} (${(error as Error).message}).`,
      {
        file,
        codec,
      },
    );
  }
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `${file} is compressed with ${codec}, which is not read from Avro files.`,
    {
      file,
      codec,
    },
  );
}

/** Snappy's raw form, and behind it the CRC-32 of what was packed. */
async function unsnapped(block: Buffer): Promise<Buffer> {
  const { SNAPPY } = await openDecompressors();
  const packed = block.subarray(0, -4);
  const length = snappyLength(packed);
  if (SNAPPY === undefined || block.length < 5 || length > MAX_BLOCK) throw new Error('its length is none');
  const plain = Buffer.from(SNAPPY(packed, length));
  if (crc32(plain) !== block.readUInt32BE(block.length - 4)) throw new Error('its checksum is another');
  return plain;
}

/** The length that a raw Snappy text begins with. */
function snappyLength(packed: Buffer): number {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    const byte = packed[at] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return length;
  }
  return Number.POSITIVE_INFINITY;
}
