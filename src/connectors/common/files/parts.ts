// Cuts a stream of bytes into the parts of an upload.

/** Parts after which they grow: stores take 10,000 (S3) or 50,000 (Azure) parts, and a file's length is not known. */
const GROW_EVERY = 1_000;

/**
 * Parts of `size` bytes, the last one shorter; twice as long after every 1,000, so that 10,000 parts of 8 MiB at first
 * hold 8 TiB. Always at least one part, which is empty for an empty file.
 */
export async function* partsOf(bytes: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let kept: Uint8Array[] = [];
  let length = 0;
  let parts = 0;
  let wanted = size;
  for await (let piece of bytes) {
    while (length + piece.length >= wanted) {
      const taken = wanted - length;
      kept.push(piece.subarray(0, taken));
      yield Buffer.concat(kept, wanted);
      piece = piece.subarray(taken);
      kept = [];
      length = 0;
      wanted = size * 2 ** Math.floor(++parts / GROW_EVERY);
    }
    if (piece.length > 0) {
      kept.push(piece);
      length += piece.length;
    }
  }
  if (length > 0 || parts === 0) yield Buffer.concat(kept, length);
}

/**
 * Sends parts, at most `atOnce` at a time, and returns the answers in order. Ends the source and waits for the parts
 * under way before it throws the first failure.
 */
export const sendParts = async <T>(
  parts: AsyncIterable<Buffer>,
  atOnce: number,
  send: (part: Buffer, index: number) => Promise<T>,
): Promise<T[]> => {
  const answers: T[] = [];
  const underWay = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  try {
    let index = 0;
    for await (const part of parts) {
      const at = index++;
      const sending: Promise<void> = send(part, at)
        .then((answer) => {
          answers[at] = answer;
        })
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => underWay.delete(sending));
      underWay.add(sending);
      while (underWay.size >= atOnce) await Promise.race(underWay);
      if (failure !== undefined) break;
    }
  } catch (error) {
    // The source's own error says more than the upload that it broke.
    failure = { error };
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure.error;
  return answers;
};
