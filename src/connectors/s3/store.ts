// One bucket through @aws-sdk/client-s3 as a file store: whole objects or parts, each with a CRC32 that S3 checks.
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { WaybillError } from '../../core/errors.ts';
import { encryptionInput } from '../../core/s3-encryption.ts';
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
import { otherBytes, readBackCrc32 } from '../common/files/read-back.ts';
import { readExactly, readResumably } from '../common/files/resumable-read.ts';
import { base64Crc, compositeCrc } from './checksums.ts';
import type { S3Config } from './config.ts';
import { copyInParts, copySource } from './copy-in-parts.ts';
import { s3Error } from './errors.ts';
import { type Listing, listFolder, listObjects } from './listing.ts';

export interface S3StoreOptions {
  /** Bytes of one part of a multipart upload, at first; 8 MiB if absent. */
  readonly partSize?: number;
  /** Bytes S3 copies by one request: 5 GiB. */
  readonly largestCopy?: number;
}

const MEBIBYTE = 1_048_576;
const LARGEST_COPY = 5 * 1024 ** 3;
const PARTS_AT_ONCE = 2;

interface SentPart {
  readonly etag: string;
  readonly crc: number;
  readonly bytes: number;
}

export class S3Store implements FileStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #signal: AbortSignal;
  /** For requests that make something visible. */
  readonly #outliving: AbortSignal;
  readonly #partSize: number;
  readonly #largestCopy: number;

  constructor(config: S3Config, bucket: string, signal: AbortSignal, options: S3StoreOptions = {}) {
    this.#client = new S3Client({
      region: config.region,
      ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
      ...(config.forcePathStyle ? { forcePathStyle: true } : {}),
      ...(config.credentials === undefined ? {} : { credentials: config.credentials }),
    });
    const { encryption } = config;
    if (encryption !== undefined)
      this.#client.middlewareStack.add(
        (next, context) => (args) =>
          next({ ...args, input: { ...args.input, ...encryptionInput(encryption, context.commandName) } }),
        { step: 'initialize', name: 'waybillEncryption' },
      );
    this.#bucket = bucket;
    this.#signal = signal;
    this.#outliving = outliving(signal);
    this.#partSize = Math.max(5 * MEBIBYTE, options.partSize ?? 8 * MEBIBYTE);
    this.#largestCopy = options.largestCopy ?? LARGEST_COPY;
  }

  get label(): string {
    return `S3 ${this.#bucket}`;
  }

  async *list(prefix: string): AsyncGenerator<StoredFile> {
    yield* listObjects(this.#listing, prefix);
  }

  children(folder: string): Promise<FolderChildren | undefined> {
    return listFolder(this.#listing, folder);
  }

  async head(key: string): Promise<StoredFile | undefined> {
    return (await this.#head(key))?.file;
  }

  async open(key: string, etag?: string): Promise<ReadableFile> {
    const there = await this.head(key);
    if (there === undefined) throw this.#missing(key);
    if (etag !== undefined && etag !== '' && there.etag !== etag) throw this.#changed(key);
    const name = `s3://${this.#bucket}/${key}`;
    const from = (offset: number, length?: number): Promise<AsyncIterable<Uint8Array>> =>
      this.#get(key, there.etag, offset, length);
    return {
      name,
      size: there.bytes,
      read: async (offset, length) =>
        length === 0
          ? Buffer.alloc(0)
          : this.#do(`reading ${key}`, async () => readExactly(name, length, await from(offset, length))),
      stream: () =>
        readResumably(
          { name, size: there.bytes, from, error: (error) => s3Error(error, `reading ${key}`) },
          this.#signal,
        ),
    };
  }

  async write(key: string, bytes: AsyncIterable<Buffer>, options: WriteOptions): Promise<WrittenFile> {
    const parts = partsOf(bytes, this.#partSize);
    const first = await parts.next();
    const whole = first.value ?? Buffer.alloc(0);
    const second = await parts.next();
    if (second.done === true) return this.#putWhole(key, whole, options);
    return this.#putParts(key, [whole, second.value], parts, options);
  }

  async copy(from: StoredFile, to: string): Promise<void> {
    if (from.key === to) return;
    if (from.bytes > this.#largestCopy) {
      const place = { client: this.#client, bucket: this.#bucket, signal: this.#signal };
      await this.#do(`copying ${from.key} to ${to}`, () => copyInParts(place, from, to, this.#partSize));
      return;
    }
    await this.#do(`copying ${from.key} to ${to}`, (abortSignal) =>
      this.#client.send(
        new CopyObjectCommand({
          Bucket: this.#bucket,
          Key: to,
          CopySource: copySource(this.#bucket, from.key),
          ...(from.etag === '' ? {} : { CopySourceIfMatch: from.etag }),
        }),
        { abortSignal },
      ),
    );
  }

  async remove(key: string): Promise<void> {
    const abortSignal = tidying(this.#signal, this.#outliving);
    await this.#do(`removing ${key}`, () =>
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }), { abortSignal }),
    );
  }

  async readJson(key: string): Promise<unknown> {
    try {
      const { Body } = await this.#do(`reading ${key}`, (abortSignal) =>
        this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }), { abortSignal }),
      );
      const text = await this.#do(`reading ${key}`, async () => Body?.transformToString('utf8'));
      return JSON.parse(text ?? '');
    } catch (error) {
      if (error instanceof WaybillError && error.code === 'OBJECT_MISSING') return undefined;
      throw error;
    }
  }

  async writeJson(key: string, value: unknown, once = false): Promise<boolean> {
    this.#signal.throwIfAborted();
    try {
      await this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          Body: JSON.stringify(value),
          ContentType: 'application/json',
          ...(once ? { IfNoneMatch: '*' } : {}),
        }),
        { abortSignal: this.#outliving },
      );
      return true;
    } catch (error) {
      const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
      if (once && (status === 412 || status === 409)) return false;
      throw s3Error(error, `writing ${key}`);
    }
  }

  async abortUploads(prefix: string, ours: (key: string) => boolean): Promise<void> {
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (marker !== undefined) {
      const from: { KeyMarker?: string; UploadIdMarker?: string } = marker;
      const page = await this.#do(`listing uploads of ${prefix}`, (abortSignal) =>
        this.#client.send(
          new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: prefix, ...from }),
          { abortSignal },
        ),
      );
      for (const { Key, UploadId } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || !Key.startsWith(prefix) || !ours(Key)) continue;
        await this.#do(`aborting the upload of ${Key}`, (abortSignal) =>
          this.#abortUpload(Key, UploadId, abortSignal),
        );
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

  async close(): Promise<void> {
    this.#client.destroy();
  }

  get #listing(): Listing {
    return {
      bucket: this.#bucket,
      send: (command, doing) => this.#do(doing, (abortSignal) => this.#client.send(command, { abortSignal })),
    };
  }

  async #putWhole(key: string, body: Buffer, options: WriteOptions): Promise<WrittenFile> {
    const crc = crc32(body);
    this.#signal.throwIfAborted();
    const answer = await this.#do(`uploading ${key}`, () =>
      this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          Body: body,
          ContentType: options.contentType,
          ChecksumCRC32: base64Crc(crc),
        }),
        { abortSignal: this.#outliving },
      ),
    );
    const file = { key, etag: answer.ETag ?? '', bytes: body.length };
    return this.#checked(file, [base64Crc(crc)], crc, answer.ChecksumCRC32, options.verify);
  }

  /**
   * S3 refuses a part whose CRC32 is not the one sent along, and answers completion with a checksum over the parts'. An
   * upload whose completion was acknowledged to nobody is recognised: NoSuchUpload, yet the object is there.
   */
  async #putParts(
    key: string,
    begun: readonly Buffer[],
    rest: AsyncIterable<Buffer>,
    options: WriteOptions,
  ): Promise<WrittenFile> {
    const { UploadId } = await this.#do(`uploading ${key}`, (abortSignal) =>
      this.#client.send(
        new CreateMultipartUploadCommand({
          Bucket: this.#bucket,
          Key: key,
          ContentType: options.contentType,
          ChecksumAlgorithm: 'CRC32',
        }),
        { abortSignal },
      ),
    );
    let crc = 0;
    async function* all(): AsyncGenerator<Buffer> {
      yield* begun;
      yield* rest;
    }
    try {
      const sent = await sendParts(all(), PARTS_AT_ONCE, async (part, index) => {
        crc = crc32(part, crc);
        return this.#sendPart(key, UploadId, index + 1, part);
      });
      const file = { key, bytes: sent.reduce((total, part) => total + part.bytes, 0) };
      const composite = compositeCrc(sent);
      const done = await this.#complete(key, UploadId, sent, file.bytes);
      return await this.#checked(
        { ...file, etag: done.etag },
        [composite, base64Crc(crc)],
        crc,
        done.checksum,
        options.verify,
      );
    } catch (error) {
      await this.#abortUpload(key, UploadId, AbortSignal.timeout(GRACE_MS)).catch(() => undefined);
      throw error instanceof WaybillError ? error : s3Error(error, `uploading ${key}`);
    }
  }

  async #sendPart(key: string, id: string | undefined, number: number, body: Buffer): Promise<SentPart> {
    const crc = crc32(body);
    const answer = await this.#do(`uploading part ${number} of ${key}`, (abortSignal) =>
      this.#client.send(
        new UploadPartCommand({
          Bucket: this.#bucket,
          Key: key,
          UploadId: id,
          PartNumber: number,
          Body: body,
          ChecksumCRC32: base64Crc(crc),
        }),
        { abortSignal },
      ),
    );
    return { etag: answer.ETag ?? '', crc, bytes: body.length };
  }

  async #complete(
    key: string,
    id: string | undefined,
    sent: readonly SentPart[],
    bytes: number,
  ): Promise<{ readonly etag: string; readonly checksum: string | undefined }> {
    this.#signal.throwIfAborted();
    try {
      const answer = await this.#client.send(
        new CompleteMultipartUploadCommand({
          Bucket: this.#bucket,
          Key: key,
          UploadId: id,
          MultipartUpload: {
            Parts: sent.map(({ etag, crc }, i) => ({
              PartNumber: i + 1,
              ETag: etag,
              ChecksumCRC32: base64Crc(crc),
            })),
          },
        }),
        { abortSignal: this.#outliving },
      );
      return { etag: answer.ETag ?? '', checksum: answer.ChecksumCRC32 };
    } catch (error) {
      const there = (error as Error).name === 'NoSuchUpload' ? await this.#head(key) : undefined;
      if (there?.file.bytes === bytes) return { etag: there.file.etag, checksum: there.checksum };
      throw s3Error(error, `completing the upload of ${key}`);
    }
  }

  /** Compares the store's checksum with ours; a store that has none to say is read back. */
  async #checked(
    file: StoredFile,
    ours: readonly string[],
    crc: number,
    answered: string | undefined,
    verify: boolean,
  ): Promise<WrittenFile> {
    if (!verify) return { ...file, check: 'none' };
    const theirs = answered ?? (await this.#head(file.key))?.checksum;
    if (theirs !== undefined) {
      if (!ours.includes(theirs)) throw otherBytes(this.label, file.key);
      return { ...file, check: 'store' };
    }
    await readBackCrc32(this, file, crc);
    return { ...file, check: 'readBack' };
  }

  async #head(
    key: string,
  ): Promise<{ readonly file: StoredFile; readonly checksum: string | undefined } | undefined> {
    try {
      const answer = await this.#do(`looking at ${key}`, (abortSignal) =>
        this.#client.send(
          new HeadObjectCommand({ Bucket: this.#bucket, Key: key, ChecksumMode: 'ENABLED' }),
          { abortSignal },
        ),
      );
      const modified = answer.LastModified === undefined ? {} : { modified: answer.LastModified.getTime() };
      return {
        file: { key, etag: answer.ETag ?? '', bytes: answer.ContentLength ?? 0, ...modified },
        checksum: answer.ChecksumCRC32,
      };
    } catch (error) {
      if (error instanceof WaybillError && error.code === 'OBJECT_MISSING') return undefined;
      throw error;
    }
  }

  async #get(key: string, etag: string, offset: number, length?: number): Promise<AsyncIterable<Uint8Array>> {
    const end = length === undefined ? '' : String(offset + length - 1);
    const answer = await this.#do(`reading ${key}`, (abortSignal) =>
      this.#client.send(
        new GetObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          ...(offset === 0 && length === undefined ? {} : { Range: `bytes=${offset}-${end}` }),
          ...(etag === '' ? {} : { IfMatch: etag }),
        }),
        { abortSignal },
      ),
    );
    const body = answer.Body as Readable;
    // A store that does not know If-Match answers with whatever is there now.
    if (etag !== '' && answer.ETag !== undefined && answer.ETag !== etag) {
      body.destroy();
      throw this.#changed(key);
    }
    return body;
  }

  async #abortUpload(key: string, id: string | undefined, abortSignal: AbortSignal): Promise<void> {
    await this.#client.send(
      new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key: key, UploadId: id }),
      { abortSignal },
    );
  }

  #missing(key: string): WaybillError {
    return new WaybillError('OBJECT_MISSING', `There is no ${key} in ${this.label}.`, { key });
  }

  #changed(key: string): WaybillError {
    return new WaybillError('SOURCE_CHANGED', `${key} is no longer the file this copy was planned with.`, {
      key,
    });
  }

  async #do<T>(doing: string, call: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await call(this.#signal);
    } catch (error) {
      throw s3Error(error, doing);
    }
  }
}
