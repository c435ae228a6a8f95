// An event from outside as triggers see it, whatever shape it was delivered in.
import type { JsonObject } from '../json.ts';

/** The object in a store that an event is about. Names are as the store spells them, never normalised or cut. */
export interface StoredObject {
  readonly change: 'created' | 'deleted';
  /** Container or bucket. */
  readonly container: string;
  /** Path within it, decoded. Opaque: it may hold "..", line breaks or NUL. */
  readonly path: string;
  readonly etag?: string;
  /** Orders the events of one object; the same whenever one event is delivered again. */
  readonly sequencer?: string;
  /** Bytes. */
  readonly size?: number;
}

export interface IncomingEvent {
  /** The sender's own id of the event. */
  readonly id: string;
  /** Event Grid's name of the type: "Microsoft.Storage.BlobCreated", also for S3. */
  readonly type: string;
  /** What it comes from: the resource id of a storage account or topic, or "arn:aws:s3:::bucket". */
  readonly source: string;
  readonly subject: string;
  /** When it happened, as the sender wrote it. */
  readonly time: string;
  readonly object?: StoredObject;
  /** The event as it was delivered. */
  readonly event: JsonObject;
}

/** What a delivery holds: events, and why the rest of it is none. */
export interface Delivery {
  readonly events: readonly IncomingEvent[];
  readonly ignored: readonly string[];
}

export const BLOB_CREATED = 'Microsoft.Storage.BlobCreated';
export const BLOB_DELETED = 'Microsoft.Storage.BlobDeleted';

/**
 * What makes an event the event that it is, however often and by whichever way it is delivered. An object is created
 * once per path and etag; without an etag, as in deletions, the store's sequencer tells two events apart, else their id.
 */
export function eventIdentity({ id, type, source, object }: IncomingEvent): string {
  if (object === undefined) return JSON.stringify([source.toLowerCase(), type.toLowerCase(), id]);
  const { change, container, path, etag, sequencer } = object;
  return JSON.stringify([
    change,
    container,
    path,
    etag === undefined ? (sequencer ?? id) : etag.replaceAll('"', ''),
  ]);
}
