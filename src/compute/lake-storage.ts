// The object store under a lakehouse: what lands there, what jobs write, how long it is kept.
import type { LifecycleRule } from '../core/lakehouse.ts';

/** One object as listed. `uri` is `s3://bucket/key`. */
export interface StoredObject {
  readonly uri: string;
  readonly bytes: number;
  /** ms since epoch; absent where the store does not say. */
  readonly modifiedAt?: number;
}

export interface VersionedObject {
  readonly body: Buffer;
  /** Opaque: an ETag. */
  readonly version: string;
}

/** Every method throws CONNECTION_FAILED (try again), AUTHENTICATION_FAILED or OBJECT_MISSING (no such bucket). */
export interface LakeStorage {
  /** All objects under a prefix, page by page. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject[]>;
  /** The object's bytes; undefined when there is none. */
  read(uri: string, signal?: AbortSignal): Promise<Buffer | undefined>;
  /** The object's bytes, and the version of it that `replace` asks for; undefined when there is none. */
  readVersion(uri: string, signal?: AbortSignal): Promise<VersionedObject | undefined>;
  exists(uri: string, signal?: AbortSignal): Promise<boolean>;
  write(uri: string, body: Uint8Array, contentType: string, signal?: AbortSignal): Promise<void>;
  /**
   * Writes an object in the place of that version of it, or, with undefined, where there is none. Returns false, with
   * nothing written, when something else is there by now: read again. An answer that was lost may come as false, too.
   */
  replace(
    uri: string,
    body: Uint8Array,
    contentType: string,
    version: string | undefined,
    signal?: AbortSignal,
  ): Promise<boolean>;
  /** Deletes the objects named, and aborts nothing else. */
  remove(uris: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Aborts unfinished multipart uploads under a prefix; returns how many. */
  abortUploads(prefix: string, signal?: AbortSignal): Promise<number>;
  /** Makes the bucket's rules with our ids exactly `rules`, and keeps every other rule; returns how many it kept. */
  mergeLifecycle(
    bucket: string,
    owner: string,
    rules: readonly LifecycleRule[],
    signal?: AbortSignal,
  ): Promise<{ applied: number; kept: number }>;
}

/** Splits `s3://bucket/key`. */
export function parseUri(uri: string): { bucket: string; key: string } {
  const match = /^s3[an]?:\/\/([^/]+)\/?(.*)$/s.exec(uri);
  if (!match?.[1]) throw new TypeError(`not an s3:// URI: ${uri}`);
  return { bucket: match[1], key: match[2] ?? '' };
}
