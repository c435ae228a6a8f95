// Reads a written file again and compares its bytes with those that were sent, by length and CRC32.
import { crc32 } from 'node:zlib';
import { WaybillError } from '../../../core/errors.ts';
import type { FileStore, StoredFile } from './file-store.ts';

export const otherBytes = (label: string, key: string): WaybillError =>
  new WaybillError('STAGING_FAILED', `${label} does not hold the bytes of ${key} that were sent.`, { key });

/** Throws STAGING_FAILED where the stored bytes are not those that made `expected`. */
export const readBackCrc32 = async (store: FileStore, file: StoredFile, expected: number): Promise<void> => {
  const stored = await store.open(file.key, file.etag);
  if (stored.size !== file.bytes) throw otherBytes(store.label, file.key);
  let crc = 0;
  for await (const piece of stored.stream()) crc = crc32(piece, crc);
  if (crc !== expected) throw otherBytes(store.label, file.key);
};
