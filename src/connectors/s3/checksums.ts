// CRC32s as S3 writes them: of an object, and of one that was uploaded in parts.
import { crc32 } from 'node:zlib';

const crcBytes = (crc: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes;
};

export const base64Crc = (crc: number): string => crcBytes(crc).toString('base64');

/** S3's checksum of an object made of parts: the CRC32 of the parts' CRC32s, and how many they were. */
export const compositeCrc = (parts: readonly { readonly crc: number }[]): string =>
  `${base64Crc(crc32(Buffer.concat(parts.map(({ crc }) => crcBytes(crc)))))}-${parts.length}`;
