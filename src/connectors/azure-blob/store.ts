// One container of Azure Blob Storage or ADLS Gen2 as a file store: blobs made of blocks, each with an MD5 Azure checks.
import { createHash, randomUUID } from 'node:crypto';
import type { BlobClient, BlockBlobClient } from '@azure/storage-blob';
import { WaybillError } from '../../core/errors.ts';
import type { ReadableFile } from '../common/files/file-format.ts';
import type {
  FileStore,
  FolderChildren,
  StoredFile,
  WriteOptions,
  WrittenFile,
} from '../common/files/file-store.ts';
import { GRACE_MS, outliving, tidying } from '../common/files/outliving.ts';
import { partsOf, sendParts } from '../common/files/parts.ts';
import { otherBytes } from '../common/files/read-back.ts';
import { readExactly, readResumably } from '../common/files/resumable-read.ts';
import type { AzureContainer } from './connection.ts';
import { azureError } from './errors.ts';
import { folderChildren, folderNames, isFolder, plainEtag, storedBlob } from './folders.ts';

export interface AzureBlobStoreOptions {
  /** Bytes of one block, at first; 8 MiB if absent. */
  readonly partSize?: number;
}

const MEBIBYTE = 1_048_576;
const PARTS_AT_ONCE = 2;
/** Bytes that Azure copies from an address while the caller waits. */
const LARGEST_COPY = 256 * MEBIBYTE;
const COPY_BLOCK = 100 * MEBIBYTE;

export class AzureBlobStore implements FileStore {
  readonly #container: AzureContainer;
  readonly #signal: AbortSignal;
  /** For requests that make something visible. */
  readonly #outliving: AbortSignal;
  readonly #partSize: number;

  constructor(container: AzureContainer, signal: AbortSignal, options: AzureBlobStoreOptions = {}) {
    this.#container = container;
    this.#signal = signal;
    this.#outliving = outliving(signal);
    this.#partSize = options.partSize ?? 8 * MEBIBYTE;
  }

  get label(): string {
    return `Azure Blob ${this.#container.client.containerName}`;
  }

  async *list(prefix: string): AsyncGenerator<StoredFile> {
    const pages = this.#container.client.listBlobsFlat({
      prefix,
      includeMetadata: true,
      abortSignal: this.#signal,
    });
    const blobs = pages[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#do(`listing ${prefix}`, () => blobs.next());
      if (next.done === true) return;
      const { name, properties, metadata } = next.value;
      if (!isFolder(metadata)) yield storedBlob(name, properties);
    }
  }

  children(folder: string): Promise<FolderChildren | undefined> {
    return this.#do(`listing ${folder}`, () => folderChildren(this.#container.client, folder, this.#signal));
  }

  async removeEmptyFolders(folder: string): Promise<void> {
    const { client } = this.#container;
    const names = await this.#do(`listing ${folder}`, () => folderNames(client, folder, this.#signal));
    for (const name of names)
      await this.#do(`removing the folder ${name}`, () =>
        this.#blob(name)
          .deleteIfExists({ abortSignal: this.#signal })
          .catch((error: { statusCode?: number }) => {
            // Something is in it meanwhile.
            if (error.statusCode !== 409) throw error;
          }),
      );
  }

  async head(key: string): Promise<StoredFile | undefined> {
    try {
      const found = await this.#do(`looking at ${key}`, () =>
        this.#blob(key).getProperties({ abortSignal: this.#signal }),
      );
      if (isFolder(found.metadata)) return undefined;
      return {
        key,
        bytes: found.contentLength ?? 0,
        etag: plainEtag(found.etag),
        ...(found.lastModified === undefined ? {} : { modified: found.lastModified.getTime() }),
        ...(found.createdOn === undefined ? {} : { created: found.createdOn.getTime() }),
        ...(found.contentMD5 === undefined
          ? {}
          : { contentMD5: Buffer.from(found.contentMD5).toString('base64') }),
      };
    } catch (error) {
      if (error instanceof WaybillError && error.code === 'OBJECT_MISSING') return undefined;
      throw error;
    }
  }

  async open(key: string, etag?: string): Promise<ReadableFile> {
    const there = await this.head(key);
    if (there === undefined)
      throw new WaybillError('OBJECT_MISSING', `There is no ${key} in ${this.label}.`, { key });
    if (etag !== undefined && etag !== '' && there.etag !== etag) {
      throw new WaybillError('SOURCE_CHANGED', `${key} is no longer the file this copy was planned with.`, {
        key,
      });
    }
    const name = `${this.#container.client.containerName}/${key}`;
    const from = async (offset: number, length?: number): Promise<AsyncIterable<Uint8Array>> => {
      const answer = await this.#do(`reading ${key}`, () =>
        this.#blob(key).download(offset, length, {
          abortSignal: this.#signal,
          conditions: { ifMatch: `"${there.etag}"` },
          // A stream that breaks is taken up again by readResumably.
          maxRetryRequests: 0,
        }),
      );
      return answer.readableStreamBody as unknown as AsyncIterable<Uint8Array>;
    };
    return {
      name,
      size: there.bytes,
      read: async (offset, length) =>
        length === 0
          ? Buffer.alloc(0)
          : this.#do(`reading ${key}`, async () => readExactly(name, length, await from(offset, length))),
      stream: () =>
        readResumably(
          { name, size: there.bytes, from, error: (error) => azureError(error, `reading ${key}`) },
          this.#signal,
        ),
    };
  }

  /** Azure refuses a block whose MD5 is not the one sent along, and a list that names a block it does not have. */
  async write(key: string, bytes: AsyncIterable<Buffer>, options: WriteOptions): Promise<WrittenFile> {
    try {
      return await this.#upload(key, bytes, options);
    } catch (error) {
      await this.#dropBlocks(key, AbortSignal.timeout(GRACE_MS)).catch(() => undefined);
      throw error;
    }
  }

  async #upload(key: string, bytes: AsyncIterable<Buffer>, options: WriteOptions): Promise<WrittenFile> {
    const blob = this.#blockBlob(key);
    const upload = randomUUID().slice(0, 8);
    const sent = await sendParts(partsOf(bytes, this.#partSize), PARTS_AT_ONCE, async (part, index) => {
      // All ids of a blob must have the same length.
      const id = Buffer.from(`${upload}-${String(index).padStart(6, '0')}`).toString('base64');
      if (part.length === 0) return { id: undefined, bytes: 0 };
      const md5 = options.verify ? createHash('md5').update(part).digest() : undefined;
      await this.#do(`uploading block ${index + 1} of ${key}`, () =>
        blob.stageBlock(id, part, part.length, {
          abortSignal: this.#signal,
          ...(md5 === undefined ? {} : { transactionalContentMD5: md5 }),
        }),
      );
      return { id, bytes: part.length };
    });
    const length = sent.reduce((total, block) => total + block.bytes, 0);
    this.#signal.throwIfAborted();
    await this.#do(`completing the upload of ${key}`, () =>
      blob.commitBlockList(
        sent.flatMap(({ id }) => (id === undefined ? [] : [id])),
        { abortSignal: this.#outliving, blobHTTPHeaders: { blobContentType: options.contentType } },
      ),
    );
    const there = await this.head(key);
    if (there === undefined || there.bytes !== length) throw otherBytes(this.label, key);
    return { ...there, check: options.verify ? 'store' : 'none' };
  }

  async copy(from: StoredFile, to: string): Promise<void> {
    if (from.key === to) return;
    const source = await this.#do(`copying ${from.key}`, () => this.#container.copySource(from.key));
    const authorization =
      source.authorization === undefined ? {} : { sourceAuthorization: source.authorization };
    const conditions = from.etag === '' ? {} : { ifMatch: `"${from.etag}"` };
    const blob = this.#blockBlob(to);
    if (from.bytes <= LARGEST_COPY) {
      await this.#do(`copying ${from.key} to ${to}`, () =>
        blob.syncCopyFromURL(source.url, {
          abortSignal: this.#signal,
          sourceConditions: conditions,
          ...authorization,
        }),
      );
      return;
    }
    const upload = randomUUID().slice(0, 8);
    const ids: string[] = [];
    for (let at = 0; at < from.bytes; at += COPY_BLOCK) {
      const id = Buffer.from(`${upload}-${String(ids.length).padStart(6, '0')}`).toString('base64');
      const length = Math.min(COPY_BLOCK, from.bytes - at);
      await this.#do(`copying a block of ${from.key}`, () =>
        blob.stageBlockFromURL(id, source.url, at, length, {
          abortSignal: this.#signal,
          conditions: {},
          ...authorization,
        }),
      );
      ids.push(id);
    }
    // Blocks carry no condition on their source: it must still be the same now.
    const there = await this.head(from.key);
    if (there?.etag !== from.etag) {
      throw new WaybillError('SOURCE_CHANGED', `${from.key} changed while it was copied.`, { key: from.key });
    }
    await this.#do(`copying ${from.key} to ${to}`, () =>
      blob.commitBlockList(ids, { abortSignal: this.#signal }),
    );
  }

  async remove(key: string): Promise<void> {
    const abortSignal = tidying(this.#signal, this.#outliving);
    await this.#do(`removing ${key}`, () => this.#blob(key).deleteIfExists({ abortSignal }));
  }

  async readJson(key: string): Promise<unknown> {
    try {
      const text = await this.#do(`reading ${key}`, async () => {
        const { contentLength, readableStreamBody } = await this.#blob(key).download(0, undefined, {
          abortSignal: this.#signal,
        });
        const body = readableStreamBody as unknown as AsyncIterable<Uint8Array>;
        return readExactly(key, contentLength ?? 0, body);
      });
      return JSON.parse(text.toString('utf8'));
    } catch (error) {
      if (error instanceof WaybillError && error.code === 'OBJECT_MISSING') return undefined;
      throw error;
    }
  }

  async writeJson(key: string, value: unknown, once = false): Promise<boolean> {
    const body = Buffer.from(JSON.stringify(value));
    this.#signal.throwIfAborted();
    try {
      await this.#blockBlob(key).upload(body, body.length, {
        abortSignal: this.#outliving,
        blobHTTPHeaders: { blobContentType: 'application/json' },
        ...(once ? { conditions: { ifNoneMatch: '*' } } : {}),
      });
      return true;
    } catch (error) {
      const { statusCode } = error as { statusCode?: number };
      if (once && (statusCode === 409 || statusCode === 412)) return false;
      throw azureError(error, `writing ${key}`);
    }
  }

  /**
   * Blocks nobody commits vanish after a week. A blob of nothing but such blocks is listed, and cannot be deleted: it is
   * made an empty blob first, which drops them.
   */
  async abortUploads(prefix: string, ours: (key: string) => boolean): Promise<void> {
    const committed = new Set<string>();
    for await (const { key } of this.list(prefix)) committed.add(key);
    const blobs = this.#container.client
      .listBlobsFlat({
        prefix,
        includeMetadata: true,
        includeUncommitedBlobs: true,
        abortSignal: this.#signal,
      })
      [Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#do(`listing uploads of ${prefix}`, () => blobs.next());
      if (next.done === true) return;
      const { name, metadata } = next.value;
      if (committed.has(name) || isFolder(metadata) || !ours(name)) continue;
      await this.#dropBlocks(name, this.#signal);
    }
  }

  async close(): Promise<void> {
    // The client keeps nothing open but pooled connections.
  }

  async #dropBlocks(key: string, abortSignal: AbortSignal): Promise<void> {
    const blob = this.#blockBlob(key);
    const gone = (error: unknown): boolean => (error as { statusCode?: number }).statusCode === 404;
    try {
      // Only where it has not been completed since it was listed.
      const { etag } = await blob.upload('', 0, { abortSignal, conditions: { ifNoneMatch: '*' } });
      await blob.delete({ abortSignal, ...(etag === undefined ? {} : { conditions: { ifMatch: etag } }) });
    } catch (error) {
      const { statusCode } = error as { statusCode?: number };
      if (gone(error)) return;
      if (statusCode !== 409 && statusCode !== 412) throw azureError(error, `aborting the upload of ${key}`);
      // It is complete; or this is Azurite, which takes blocks for a blob here, and lets them be deleted as one.
      const complete = await blob.getProperties({ abortSignal }).then(
        () => true,
        (problem: unknown) => !gone(problem),
      );
      if (!complete) await blob.deleteIfExists({ abortSignal });
    }
  }

  #blob(key: string): BlobClient {
    return this.#container.client.getBlobClient(key);
  }

  #blockBlob(key: string): BlockBlobClient {
    return this.#container.client.getBlockBlobClient(key);
  }

  async #do<T>(doing: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      this.#signal.throwIfAborted();
      throw azureError(error, doing);
    }
  }
}
