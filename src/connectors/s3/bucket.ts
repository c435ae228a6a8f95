// One bucket through @aws-sdk/client-s3: small objects whole, large ones streamed in parts.
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { WaybillError } from '../../core/errors.ts';
import type { S3Config } from './config.ts';
import { s3Error } from './errors.ts';

export interface StoredObject {
  readonly key: string;
  readonly etag: string;
  readonly bytes: number;
}

/** Bytes S3 copies by one request. */
const LARGEST_COPY = 5 * 1024 ** 3;

// Not named Bucket: tsc 7.0 then emits the requests' property of that name as `_a`.
export class ObjectBucket {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #signal: AbortSignal;

  constructor(config: S3Config, bucket: string, signal: AbortSignal) {
    this.#client = new S3Client({
      region: config.region,
      ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint, forcePathStyle: true }),
      ...(config.credentials === undefined ? {} : { credentials: config.credentials }),
    });
    this.#bucket = bucket;
    this.#signal = signal;
  }

  /** Objects whose keys begin with `prefix`, in the order of their keys. */
  async list(prefix: string): Promise<StoredObject[]> {
    const found: StoredObject[] = [];
    let token: string | undefined;
    do {
      const page = await this.#do(`listing ${prefix}`, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          { abortSignal: this.#signal },
        ),
      );
      for (const one of page.Contents ?? []) {
        found.push({ key: one.Key ?? '', etag: one.ETag ?? '', bytes: one.Size ?? 0 });
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return found;
  }

  async head(key: string): Promise<StoredObject | undefined> {
    try {
      const answer = await this.#do(`looking at ${key}`, () =>
        this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key }), {
          abortSignal: this.#signal,
        }),
      );
      return { key, etag: answer.ETag ?? '', bytes: answer.ContentLength ?? 0 };
    } catch (error) {
      if (error instanceof WaybillError && error.code === 'OBJECT_MISSING') return undefined;
      throw error;
    }
  }

  /** The object as a stream. With `etag`, only if it is still that one: SOURCE_CHANGED otherwise. */
  async open(key: string, etag?: string): Promise<Readable> {
    const answer = await this.#do(`reading ${key}`, () =>
      this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }), {
        abortSignal: this.#signal,
      }),
    );
    const body = answer.Body as Readable;
    if (etag !== undefined && etag !== '' && answer.ETag !== undefined && answer.ETag !== etag) {
      body.destroy();
      throw new WaybillError('SOURCE_CHANGED', `${key} is no longer the file this copy was planned with.`, {
        key,
      });
    }
    return body;
  }

  /** A small JSON object, or undefined. */
  async readJson(key: string): Promise<unknown> {
    try {
      const body = await this.open(key);
      let text = '';
      for await (const piece of body.setEncoding('utf8')) text += piece;
      return JSON.parse(text);
    } catch (error) {
      if (error instanceof WaybillError && error.code === 'OBJECT_MISSING') return undefined;
      throw error;
    }
  }

  /** Writes a small JSON object. With `once`, only if there is none yet; returns whether it was written. */
  async writeJson(key: string, value: unknown, once = false): Promise<boolean> {
    try {
      await this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          Body: JSON.stringify(value),
          ContentType: 'application/json',
          ...(once ? { IfNoneMatch: '*' } : {}),
        }),
        { abortSignal: this.#signal },
      );
      return true;
    } catch (error) {
      const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
      if (once && (status === 412 || status === 409)) return false;
      throw s3Error(error, `writing ${key}`);
    }
  }

  /**
   * Uploads a stream in parts; S3 checks each part's checksum. Parts of a failed upload are aborted. An upload whose
   * completion was acknowledged to nobody is recognised: NoSuchUpload, yet the object is there with our size.
   */
  async upload(key: string, body: Readable, partSize: number, bytes: () => number): Promise<StoredObject> {
    const upload = new Upload({
      client: this.#client,
      params: { Bucket: this.#bucket, Key: key, Body: body, ChecksumAlgorithm: 'CRC32' },
      partSize,
      queueSize: 2,
      leavePartsOnError: false,
    });
    const abort = (): void => void upload.abort();
    this.#signal.addEventListener('abort', abort, { once: true });
    try {
      const done = await upload.done();
      return { key, etag: done.ETag ?? '', bytes: bytes() };
    } catch (error) {
      // Ends the other part under way too.
      abort();
      const there = (error as Error).name === 'NoSuchUpload' ? await this.head(key) : undefined;
      if (there !== undefined && there.bytes === bytes()) return there;
      // The stream's own error (source, conversion) says more than the upload that it broke.
      throw s3Error(body.errored ?? error, `uploading ${key}`);
    } finally {
      this.#signal.removeEventListener('abort', abort);
    }
  }

  /** Puts an object's content under another key as well, if it still is that object; all of it at once. */
  async copy(from: StoredObject, key: string, partSize: number): Promise<void> {
    if (from.key === key) return;
    if (from.bytes > LARGEST_COPY) {
      await this.upload(key, await this.open(from.key, from.etag), partSize, () => from.bytes);
      return;
    }
    const source = `${this.#bucket}/${from.key}`.split('/').map(encodeURIComponent).join('/');
    await this.#do(`copying ${from.key} to ${key}`, () =>
      this.#client.send(
        new CopyObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          CopySource: source,
          ...(from.etag === '' ? {} : { CopySourceIfMatch: from.etag }),
        }),
        { abortSignal: this.#signal },
      ),
    );
  }

  async remove(key: string): Promise<void> {
    await this.#do(`removing ${key}`, () =>
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }), {
        abortSignal: this.#signal,
      }),
    );
  }

  /** Aborts multipart uploads that were begun under `prefix`, by whom `ours` says, and never ended. */
  async abortUploads(prefix: string, ours: (key: string) => boolean): Promise<void> {
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (marker !== undefined) {
      const from: { KeyMarker?: string; UploadIdMarker?: string } = marker;
      const page = await this.#do(`listing uploads of ${prefix}`, () =>
        this.#client.send(
          new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: prefix, ...from }),
          { abortSignal: this.#signal },
        ),
      );
      for (const { Key, UploadId } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || !Key.startsWith(prefix) || !ours(Key)) continue;
        await this.#abortUpload(Key, UploadId);
      }
      marker =
        page.IsTruncated === true && page.NextKeyMarker
          ? {
              KeyMarker: page.NextKeyMarker,
              ...(page.NextUploadIdMarker ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
            }
          : undefined;
    }
  }

  async #abortUpload(key: string, id: string): Promise<void> {
    await this.#do(`aborting the upload of ${key}`, () =>
      this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key: key, UploadId: id }), {
        abortSignal: this.#signal,
      }),
    );
  }

  close(): void {
    this.#client.destroy();
  }

  async #do<T>(doing: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw s3Error(error, doing);
    }
  }
}
