// Steps through the pages of a column chunk, comparing each with its checksum where it has one.
import { crc32 } from 'node:zlib';
import type { PageHeader } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import type { ReadableFile } from '../files/file-format.ts';
import { fileInvalid } from './file-footer.ts';

export interface WalkedPage {
  readonly header: PageHeader;
  readonly headerBytes: Buffer;
  /** As stored, compressed. */
  readonly data: Buffer;
}

/** Throws FILE_INVALID where a header cannot be read, or a page is cut off or not what its CRC-32 was made of. */
export function* walkPages(file: ReadableFile, column: string, chunk: Buffer): Generator<WalkedPage> {
  const reader = { view: new DataView(chunk.buffer, chunk.byteOffset, chunk.length), offset: 0 };
  for (let page = 0; reader.offset < chunk.length; page++) {
    const start = reader.offset;
    const header = headerAt(file, column, page, reader);
    const from = reader.offset;
    const to = from + header.compressed_page_size;
    if (!(header.compressed_page_size >= 0 && to <= chunk.length)) {
      throw fileInvalid(file, `page ${page} of column ${column} is longer than its column`);
    }
    const data = chunk.subarray(from, to);
    if (header.crc !== undefined && crc32(data) >>> 0 !== header.crc >>> 0) {
      throw fileInvalid(file, `page ${page} of column ${column} differs from its checksum`);
    }
    yield { header, headerBytes: chunk.subarray(start, from), data };
    reader.offset = to;
  }
}

const headerAt = (
  file: ReadableFile,
  column: string,
  page: number,
  reader: { view: DataView; offset: number },
): PageHeader => {
  try {
    const header = parquetHeader(reader);
    if (header.type !== undefined) return header;
  } catch (error) {
    throw fileInvalid(file, `the header of page ${page} of column ${column} cannot be read`, error);
  }
  throw fileInvalid(file, `page ${page} of column ${column} is of no known kind`);
};
