// Streams a stored file of known size: a connection that breaks is taken up where it broke, a short answer is noticed.
import { WaybillError } from '../../../core/errors.ts';

/** Broken connections in a row, without a byte between them, that end the read. */
const MOST_FAILURES = 3;

export interface RemoteFile {
  /** For messages: "s3://bucket/key". */
  readonly name: string;
  readonly size: number;
  /** The bytes from `offset` to the end, of the very file that was opened. */
  from(offset: number): Promise<AsyncIterable<Uint8Array>>;
  /** The store's way of naming an error. */
  error(error: unknown): WaybillError;
}

/** Every byte once and in order. Throws STAGING_FAILED where the store keeps answering with fewer than it announced. */
export async function* readResumably(file: RemoteFile, signal: AbortSignal): AsyncGenerator<Buffer> {
  let at = 0;
  let failures = 0;
  while (at < file.size) {
    let failed: WaybillError | undefined;
    try {
      for await (const piece of await file.from(at)) {
        if (piece.length === 0) continue;
        at += piece.length;
        failures = 0;
        yield asBuffer(piece);
      }
    } catch (error) {
      signal.throwIfAborted();
      failed = file.error(error);
      if (!failed.retryable) throw failed;
    }
    if (at > file.size) throw wrongSize(file, at);
    if (at < file.size && ++failures > MOST_FAILURES) throw failed ?? wrongSize(file, at);
  }
}

const asBuffer = (piece: Uint8Array): Buffer =>
  Buffer.isBuffer(piece) ? piece : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);

const wrongSize = (file: RemoteFile, found: number): WaybillError =>
  new WaybillError('STAGING_FAILED', `${file.name} has ${file.size} bytes, but ${found} could be read.`, {
    expected: file.size,
    found,
  });

/** All of a stream, which must be exactly `length` bytes. */
export const readExactly = async (
  name: string,
  length: number,
  pieces: AsyncIterable<Uint8Array>,
): Promise<Buffer> => {
  const kept: Uint8Array[] = [];
  let found = 0;
  for await (const piece of pieces) {
    kept.push(piece);
    found += piece.length;
  }
  if (found !== length) {
    throw new WaybillError('STAGING_FAILED', `${name}: ${length} bytes were asked for, ${found} came.`, {
      expected: length,
      found,
    });
  }
  const [only] = kept;
  return kept.length === 1 && only !== undefined ? asBuffer(only) : Buffer.concat(kept, found);
};
