// What a store of files offers to the file source and sink: one implementation each for S3, Azure Blob, local folders.
import type { ReadableFile } from './file-format.ts';

/** A file as a listing shows it. */
export interface StoredFile {
  /** Full name within the container: "landing/many/part-00000.csv.gz". */
  readonly key: string;
  readonly bytes: number;
  /** Changes with the content: S3 and Azure's ETag, a local file's size, inode and modification time. */
  readonly etag: string;
  /** Last modified, ms since epoch; absent where the store did not say. */
  readonly modified?: number;
  /** When it was made, ms since epoch; where the store says it. */
  readonly created?: number;
  /** Base64, where the store keeps one. Only `head` says it. */
  readonly contentMD5?: string;
}

/** One level of a folder, by names. */
export interface FolderChildren {
  readonly files: readonly StoredFile[];
  readonly folders: readonly string[];
}

/**
 * How the stored bytes were compared with those sent. `store`: the store computed their checksum and it is ours.
 * `readBack`: we read them again. `none`: nobody asked.
 */
export type StoredCheck = 'store' | 'readBack' | 'none';

/** What a finished upload is known by. */
export interface WrittenFile extends StoredFile {
  readonly check: StoredCheck;
}

export interface WriteOptions {
  readonly contentType: string;
  /** Compares what the store holds with what was sent; STAGING_FAILED where they differ. */
  readonly verify: boolean;
}

/** One container (bucket, container, directory). All methods may be repeated. */
export interface FileStore {
  /** "S3 landing", "Azure Blob landing", "folder /data/landing". */
  readonly label: string;
  /** Files whose keys begin with `prefix`, in the order of their keys' bytes. None where nothing is there. */
  list(prefix: string): AsyncIterable<StoredFile>;
  /** What a folder holds itself, or undefined where there is no such folder. "" is the container. */
  children(folder: string): Promise<FolderChildren | undefined>;
  /** Removes the folder and those below it as far as they hold nothing. Absent where folders are but parts of names. */
  removeEmptyFolders?(folder: string): Promise<void>;
  /** One file, or undefined. */
  head(key: string): Promise<StoredFile | undefined>;
  /** Opens a file for reading, pinned to `etag` if given. Throws OBJECT_MISSING, SOURCE_CHANGED. */
  open(key: string, etag?: string): Promise<ReadableFile>;
  /** Streams a file up in parts; nothing is visible before it is whole, nothing is left of a failed upload. */
  write(key: string, bytes: AsyncIterable<Buffer>, options: WriteOptions): Promise<WrittenFile>;
  /** Puts a file's content under another key too, whole or not at all, if it still is that file. */
  copy(from: StoredFile, to: string): Promise<void>;
  remove(key: string): Promise<void>;
  /** A small JSON file, or undefined. */
  readJson(key: string): Promise<unknown>;
  /** Writes a small JSON file. With `once`, only if there is none yet; returns whether it was written. */
  writeJson(key: string, value: unknown, once?: boolean): Promise<boolean>;
  /** Ends unfinished uploads under the prefix whose key passes. */
  abortUploads(prefix: string, ours: (key: string) => boolean): Promise<void>;
  close(): Promise<void>;
}
