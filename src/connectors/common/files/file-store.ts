// What a store of files offers to the file source and sink: one implementation each for S3, Azure Blob, local folders.
import type { ReadableFile } from './file-format.ts';

/** A file as a listing shows it. */
export interface StoredFile {
  /** Full name within the container: "landing/many/part-00000.csv.gz". */
  readonly key: string;
  readonly bytes: number;
  /** Changes with the content: S3 and Azure's ETag, a local file's size and modification time. */
  readonly etag: string;
}

/** What a finished upload is known by. */
export interface WrittenFile extends StoredFile {
  /** Checksum of the stored bytes as the store itself computed or we read back, against the one made while sending. */
  readonly verified: boolean;
}

/** One container (bucket, container, directory). All methods may be repeated. */
export interface FileStore {
  /** "S3 landing", "Azure Blob landing", "/data/landing". */
  readonly label: string;
  list(prefix: string): AsyncIterable<StoredFile>;
  /** Opens a file for reading, pinned to `etag` if given. Throws OBJECT_MISSING, SOURCE_CHANGED. */
  open(key: string, etag?: string): Promise<ReadableFile>;
  /** Streams a file up in parts; nothing is visible before it is whole. With `verify` the stored bytes are checked. */
  write(
    key: string,
    bytes: AsyncIterable<Buffer>,
    options: { contentType: string; verify: boolean },
  ): Promise<WrittenFile>;
  /** Copies within the container without the bytes passing through here. */
  copy(from: string, to: string): Promise<void>;
  remove(key: string): Promise<void>;
  readJson(key: string): Promise<unknown>;
  /** With `once`, false where the key exists already (compare-and-set). */
  writeJson(key: string, value: unknown, once?: boolean): Promise<boolean>;
  /** Ends unfinished uploads under the prefix whose key passes. */
  abortUploads(prefix: string, ours: (key: string) => boolean): Promise<void>;
  close(): Promise<void>;
}
