// Options of a copy that both the workflow and its activities read.
import type { JsonObject } from '../json.ts';

/** Chunks at once where a definition does not say: keeps two cores busy without crowding either store. */
const DEFAULT_PARALLEL_COPIES = 2;

/** ADF's parallelCopies. */
export const parallelCopies = (options: JsonObject): number => {
  const given = Number(options['parallelCopies'] ?? 0);
  return Number.isInteger(given) && given > 0 ? Math.min(given, 64) : DEFAULT_PARALLEL_COPIES;
};
