// Rows of one delimited-text object: read as a stream, whatever its length.
import { createGunzip } from 'node:zlib';
import { type CsvFormat, CsvReader } from '../../core/copy/csv.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Row } from '../../core/types/column.ts';
import type { ObjectBucket } from './bucket.ts';
import { s3Error } from './errors.ts';

export interface DelimitedFile {
  readonly key: string;
  /** The object's ETag when it was planned; "" for whichever is there. */
  readonly etag: string;
  readonly format: CsvFormat;
  readonly gzip: boolean;
}

/** Batches of rows, the header among them. An object ending in .gz is unzipped whatever the dataset says. */
export async function* readDelimited(bucket: ObjectBucket, file: DelimitedFile): AsyncGenerator<Row[]> {
  const body = await bucket.open(file.key, file.etag);
  const zipped = file.gzip || file.key.endsWith('.gz');
  const bytes = zipped ? body.pipe(createGunzip()) : body;
  if (zipped) body.on('error', (error) => bytes.destroy(error));
  bytes.setEncoding('utf8');
  const reader = new CsvReader(file.format);
  let first = true;
  try {
    for await (const piece of bytes) {
      const text = first ? (piece as string).replace(/^\uFEFF/, '') : (piece as string);
      first = false;
      const rows = reader.push(text);
      if (rows.length > 0) yield rows;
    }
    const rest = reader.end();
    if (rest.length > 0) yield rest;
  } catch (error) {
    if (error instanceof WaybillError) throw error;
    // A cut-off file ends inside a gzip block or a quoted field.
    if (
      (error as { code?: string }).code?.startsWith('Z_') ||
      (error as Error).message.includes('quoted field')
    ) {
      throw new WaybillError('STAGING_FAILED', `${file.key} is not whole: ${(error as Error).message}.`, {
        key: file.key,
      });
    }
    throw s3Error(error, `reading ${file.key}`);
  } finally {
    body.destroy();
  }
}
