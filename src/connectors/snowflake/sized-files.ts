// Rows as gzip CSV files of a size that Snowflake loads well, several at once.
import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { formatCsv, isQuoted, PLAIN_CSV } from '../../core/copy/csv.ts';
import type { LoadRequest } from '../common/sql-store.ts';
import type { MeasuredRows } from '../connector.ts';
import type { Staging, StoredFile } from './staging.ts';

/** Compressed bytes after which a file ends: Snowflake loads files of 16 MiB and more in parallel, one thread each. */
const FILE_BYTES = 32 * 1024 * 1024;
/** Uploads under way at once: each keeps its file on this machine. */
const UPLOADS = 4;

export interface LoadedFile {
  readonly name: string;
  readonly bytes: number;
  readonly rows: number;
}

export interface SizedFilesOptions {
  /** Compressed bytes of a file; 32 MiB if absent. */
  readonly fileBytes?: number;
}

/**
 * Writes a chunk's rows to files named by chunk and attempt. Every line ends with the chunk's number, so that COPY needs
 * no transformation. None for a chunk without rows.
 */
export const writeSizedFiles = async (
  staging: Staging,
  { columns, chunk, generation }: LoadRequest,
  rows: MeasuredRows,
  { fileBytes = FILE_BYTES }: SizedFilesOptions = {},
): Promise<LoadedFile[]> => {
  const quoted = columns.map(({ sink }) => isQuoted(sink.type));
  const format = { ...PLAIN_CSV, rowDelimiter: `,${chunk}\n` };
  const batches = rows.batches[Symbol.asyncIterator]();
  const files: (LoadedFile & Pick<StoredFile, 'stored'>)[] = [];
  let batch = await batches.next();
  try {
    while (batch.done !== true) {
      let written = 0;
      let count = 0;
      async function* lines(): AsyncGenerator<string> {
        while (batch.done !== true && written < fileBytes) {
          count += batch.value.length;
          yield formatCsv(batch.value, quoted, format);
          batch = await batches.next();
        }
      }
      const gzip = createGzip({ level: 1, chunkSize: 65_536 });
      // Whoever reads `gzip` is told of a failure of the lines: pipeline destroys it with them.
      pipeline(Readable.from(lines(), { highWaterMark: 2 }), gzip, () => undefined);
      async function* bytes(): AsyncGenerator<Buffer> {
        for await (const piece of gzip) {
          written += (piece as Buffer).length;
          yield piece as Buffer;
        }
      }
      const name = `${chunk}-${generation}-${files.length}.csv.gz`;
      const file = await staging.write(name, bytes());
      files.push({ name, bytes: file.bytes, rows: count, stored: file.stored });
      await files.at(-UPLOADS)?.stored;
    }
    await Promise.all(files.map(({ stored }) => stored));
  } finally {
    await batches.return?.();
    // Nothing of this attempt may still be on its way when the next one begins.
    await Promise.allSettled(files.map(({ stored }) => stored));
  }
  return files;
};
