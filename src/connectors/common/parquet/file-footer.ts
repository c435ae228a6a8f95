// The footer of a stored Parquet file, read once per opened file.
import { type FileMetaData, parquetMetadata } from 'hyparquet';
import { WaybillError } from '../../../core/errors.ts';
import type { ReadableFile } from '../files/file-format.ts';
import { MAGIC } from './file-encoder.ts';

/** Enough for the footer of most files: one request instead of two. */
const FIRST_READ = 65_536;
/** Footer length and magic, behind the footer. */
const TAIL = 8;

export interface FileFooter {
  readonly metadata: FileMetaData;
  /** The footer's own bytes, without length and magic. */
  readonly bytes: Buffer;
}

export const fileInvalid = (file: ReadableFile, why: string, cause?: unknown): WaybillError =>
  new WaybillError(
    'FILE_INVALID',
    `${file.name} is not a whole Parquet file: ${why}.`,
    { file: file.name },
    { cause },
  );

const load = async (file: ReadableFile): Promise<FileFooter> => {
  if (file.size < MAGIC.length + TAIL) throw fileInvalid(file, `it has ${file.size} bytes`);
  const end = await file.read(Math.max(0, file.size - FIRST_READ), Math.min(FIRST_READ, file.size));
  if (!end.subarray(-4).equals(MAGIC)) {
    const encrypted = end.subarray(-4).equals(Buffer.from('PARE'));
    throw fileInvalid(file, encrypted ? 'its footer is encrypted' : 'it does not end in PAR1');
  }
  const length = end.readUInt32LE(end.length - TAIL);
  if (length + TAIL + MAGIC.length > file.size) throw fileInvalid(file, `its footer has ${length} bytes`);
  const whole =
    length + TAIL <= end.length
      ? end.subarray(end.length - TAIL - length)
      : await file.read(file.size - TAIL - length, length + TAIL);
  try {
    return { metadata: parquetMetadata(whole, { geoparquet: false }), bytes: whole.subarray(0, length) };
  } catch (error) {
    throw fileInvalid(file, `its footer cannot be read (${(error as Error).message})`, error);
  }
};

const footers = new WeakMap<ReadableFile, Promise<FileFooter>>();

/** Throws FILE_INVALID where the file is not Parquet, is cut off, or has an encrypted footer. */
export const readFooter = (file: ReadableFile): Promise<FileFooter> => {
  const known = footers.get(file);
  if (known !== undefined) return known;
  const loading = load(file);
  footers.set(file, loading);
  // A read that failed may be tried again.
  loading.catch(() => footers.delete(file));
  return loading;
};
