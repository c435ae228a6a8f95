// Fetches the column chunks of row groups: few and large requests, one ahead of the reader.
import type { ColumnMetaData } from 'hyparquet';
import type { ReadableFile } from '../files/file-format.ts';
import { fileInvalid } from './file-footer.ts';

/** Chunks that follow one another are fetched together up to this many bytes. */
const REQUEST_BYTES = 8 << 20;

export interface ChunkRange {
  readonly offset: number;
  readonly length: number;
}

/** Where a column chunk's pages are. */
export const chunkRange = (file: ReadableFile, chunk: ColumnMetaData): ChunkRange => {
  const data = Number(chunk.data_page_offset);
  const dictionary = Number(chunk.dictionary_page_offset ?? 0);
  const offset = dictionary > 0 && dictionary < data ? dictionary : data;
  const length = Number(chunk.total_compressed_size);
  if (!(offset >= 4 && length >= 0 && offset + length <= file.size)) {
    throw fileInvalid(file, `column ${chunk.path_in_schema.join('.')} lies outside of it`);
  }
  return { offset, length };
};

interface Request {
  readonly offset: number;
  length: number;
  readonly ranges: ChunkRange[];
}

const joinRanges = (ranges: readonly ChunkRange[]): Request[] => {
  const requests: Request[] = [];
  for (const range of ranges) {
    const last = requests.at(-1);
    if (
      last !== undefined &&
      range.offset === last.offset + last.length &&
      last.length + range.length <= REQUEST_BYTES
    ) {
      last.length += range.length;
      last.ranges.push(range);
    } else requests.push({ ...range, ranges: [range] });
  }
  return requests;
};

/** Bytes of each range, in the order given. */
export async function* readRanges(file: ReadableFile, ranges: readonly ChunkRange[]): AsyncGenerator<Buffer> {
  const requests = joinRanges(ranges);
  const fetch = (request: Request): Promise<Buffer> => {
    const reading = file.read(request.offset, request.length);
    // It may fail before its turn to be awaited comes.
    reading.catch(() => undefined);
    return reading;
  };
  let next = requests[0] === undefined ? undefined : fetch(requests[0]);
  for (const [i, request] of requests.entries()) {
    const bytes = await next;
    const following = requests[i + 1];
    next = following === undefined ? undefined : fetch(following);
    for (const range of request.ranges) {
      const from = range.offset - request.offset;
      yield (bytes as Buffer).subarray(from, from + range.length);
    }
  }
}
