// Cuts a stream of batches into runs of at most so many rows, each of which becomes a file.
import type { Row } from '../../../core/types/column.ts';

/** Runs are read one after the other, each to its end. There is at least one, which may be empty. */
export async function* cutRows(
  batches: AsyncIterable<Row[]>,
  most: number,
): AsyncGenerator<AsyncIterable<Row[]>> {
  const source = batches[Symbol.asyncIterator]();
  let rest: Row[] = [];
  let ended = false;
  const more = async (): Promise<boolean> => {
    while (rest.length === 0 && !ended) {
      const next = await source.next();
      if (next.done === true) ended = true;
      else rest = next.value;
    }
    return rest.length > 0;
  };
  async function* run(): AsyncGenerator<Row[]> {
    let left = most;
    while (left > 0 && (await more())) {
      const taken = rest.slice(0, left);
      rest = rest.slice(taken.length);
      left -= taken.length;
      yield taken;
    }
  }
  try {
    yield run();
    while (await more()) yield run();
  } finally {
    if (!ended) await source.return?.();
  }
}
