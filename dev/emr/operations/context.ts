// What an operation works with, and the form of one.
import type { Cluster } from '../cluster.ts';
import type { ClusterRecord } from '../state.ts';
import type { Store } from '../store.ts';

export interface OperationContext {
  store: Store;
  /** The running life of a cluster in the store. */
  life(record: ClusterRecord): Cluster;
  /** Adds a new cluster to the store and starts its life. */
  create(record: ClusterRecord): Cluster;
}

/** Takes the parsed JSON of a request and gives the answer's; undefined is an empty answer. Throws ServiceError. */
export type Operation = (input: unknown, context: OperationContext) => object | undefined;

const PAGE = 50;

/** One page of a list. The marker is opaque to callers, as EMR's is. */
export function page<T>(
  items: readonly T[],
  marker: string | undefined,
): { items: T[]; next: { Marker?: string } } {
  const start = marker === undefined ? 0 : Number(Buffer.from(marker, 'base64url').toString());
  const from = Number.isSafeInteger(start) && start > 0 ? start : 0;
  const end = from + PAGE;
  const next = end < items.length ? { Marker: Buffer.from(String(end)).toString('base64url') } : {};
  return { items: items.slice(from, end), next };
}
