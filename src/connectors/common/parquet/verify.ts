// Proves a stored file against what its encoder said: every page is read back and hashed again.
import type { EncodedFigures, ReadableFile } from '../files/file-format.ts';
import { chunkRange, readRanges } from './chunk-bytes.ts';
import { MAGIC } from './file-encoder.ts';
import { fileInvalid, readFooter } from './file-footer.ts';
import { walkPages } from './page-walk.ts';
import { PartChecksum } from './part-checksum.ts';

/**
 * Rows, size and checksum of the file as it is stored. Equal to the encoder's, they mean that the store holds what was
 * encoded, byte for byte as far as CRC-32 tells; that the encoder put the right values into its pages, they do not
 * show. Throws FILE_INVALID for a page that differs from its own CRC.
 */
export const verifyFile = async (file: ReadableFile): Promise<EncodedFigures> => {
  const { metadata, bytes } = await readFooter(file);
  const start = await file.read(0, MAGIC.length);
  if (!start.equals(MAGIC)) throw fileInvalid(file, 'it does not begin with PAR1');
  const checksum = new PartChecksum();
  const parts = metadata.row_groups.flatMap((group, index) =>
    group.columns.map(({ meta_data: chunk }, column) => {
      if (chunk === undefined) throw fileInvalid(file, 'a column chunk has no metadata');
      const name = chunk.path_in_schema.join('.');
      return { index, column, name, rows: Number(group.num_rows), range: chunkRange(file, chunk) };
    }),
  );
  let next = 0;
  const ranges = parts.map(({ range }) => range);
  for await (const chunk of readRanges(file, ranges)) {
    const part = parts[next++];
    if (part === undefined) break;
    const headers: Buffer[] = [];
    let rows = 0;
    for (const { header, headerBytes } of walkPages(file, part.name, chunk)) {
      headers.push(headerBytes);
      rows += header.data_page_header?.num_values ?? header.data_page_header_v2?.num_rows ?? 0;
    }
    if (rows !== part.rows) {
      throw fileInvalid(file, `column ${part.name} has ${rows} rows where its row group has ${part.rows}`);
    }
    checksum.addChunk(part.index, part.column, headers);
  }
  checksum.addFooter(bytes);
  return { rows: Number(metadata.num_rows), bytes: file.size, checksum: checksum.total() };
};
