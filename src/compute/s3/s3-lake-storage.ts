// A lake on Amazon S3 or whatever speaks its protocol.
import {
  AbortMultipartUploadCommand,
  DeleteObjectsCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  type LifecycleRule as S3LifecycleRule,
} from '@aws-sdk/client-s3';
import { WaybillError } from '../../core/errors.ts';
import type { LifecycleRule } from '../../core/lakehouse.ts';
import { encryptionInput, type S3Encryption } from '../../core/s3-encryption.ts';
import { type LakeStorage, parseUri, type StoredObject, type VersionedObject } from '../lake-storage.ts';

/** A client for the environment's region, endpoint and credentials. Own endpoints rarely have a host per bucket. */
export function createLakeS3Client(
  options: { region?: string; endpoint?: string; encryption?: S3Encryption } = {},
): S3Client {
  const endpoint = options.endpoint ?? process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'];
  const client = new S3Client({
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 60_000 },
  });
  const { encryption } = options;
  if (encryption !== undefined)
    client.middlewareStack.add(
      (next, context) => (args) =>
        next({ ...args, input: { ...args.input, ...encryptionInput(encryption, context.commandName) } }),
      { step: 'initialize', name: 'waybillEncryption' },
    );
  return client;
}

export class S3LakeStorage implements LakeStorage {
  readonly #client: S3Client;

  constructor(client: S3Client) {
    this.#client = client;
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject[]> {
    const { bucket, key } = parseUri(prefix);
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: bucket, Prefix: key },
      abort(signal),
    );
    const iterator = pages[Symbol.asyncIterator]();
    for (;;) {
      const page = await call('ListObjectsV2', prefix, () => iterator.next());
      if (page.done) return;
      const objects = page.value.Contents ?? [];
      yield objects.map(({ Key, Size = 0, LastModified: modified }) => ({
        uri: `s3://${bucket}/${Key}`,
        bytes: Size,
        ...(modified === undefined ? {} : { modifiedAt: modified.getTime() }),
      }));
    }
  }

  async read(uri: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    return (await this.readVersion(uri, signal))?.body;
  }

  async readVersion(uri: string, signal?: AbortSignal): Promise<VersionedObject | undefined> {
    const { bucket, key } = parseUri(uri);
    try {
      const { Body: body, ETag: etag = '' } = await this.#client.send(
        new GetObjectCommand({ Bucket: bucket, Key: key }),
        abort(signal),
      );
      return { body: Buffer.from((await body?.transformToByteArray()) ?? []), version: etag };
    } catch (error) {
      if (statusOf(error) === 404 && !isMissingBucket(error)) return undefined;
      throw storageError(error, 'GetObject', uri);
    }
  }

  async exists(uri: string, signal?: AbortSignal): Promise<boolean> {
    const { bucket, key } = parseUri(uri);
    try {
      await this.#client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), abort(signal));
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw storageError(error, 'HeadObject', uri);
    }
  }

  async write(uri: string, body: Uint8Array, contentType: string, signal?: AbortSignal): Promise<void> {
    const { bucket, key } = parseUri(uri);
    await call('PutObject', uri, () =>
      this.#client.send(
        new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: contentType }),
        abort(signal),
      ),
    );
  }

  async replace(
    uri: string,
    body: Uint8Array,
    contentType: string,
    version: string | undefined,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { bucket, key } = parseUri(uri);
    const condition = version === undefined ? { IfNoneMatch: '*' } : { IfMatch: version };
    try {
      await this.#client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: body,
          ContentType: contentType,
          ...condition,
        }),
        abort(signal),
      );
      return true;
    } catch (error) {
      // 412: another object; 409: another write at the same time; 404: no object any more.
      const status = statusOf(error);
      if (status === 412 || status === 409 || (status === 404 && !isMissingBucket(error))) return false;
      throw storageError(error, 'PutObject', uri);
    }
  }

  async remove(uris: readonly string[], signal?: AbortSignal): Promise<void> {
    const byBucket = new Map<string, string[]>();
    for (const { bucket, key } of uris.map(parseUri))
      byBucket.set(bucket, [...(byBucket.get(bucket) ?? []), key]);
    for (const [bucket, keys] of byBucket) {
      // DeleteObjects takes at most 1,000 keys.
      for (let at = 0; at < keys.length; at += 1_000) {
        const { Errors: errors = [] } = await call('DeleteObjects', `s3://${bucket}`, () =>
          this.#client.send(
            new DeleteObjectsCommand({
              Bucket: bucket,
              Delete: { Objects: keys.slice(at, at + 1_000).map((Key) => ({ Key })), Quiet: true },
            }),
            abort(signal),
          ),
        );
        const first = errors[0];
        if (first) {
          throw new WaybillError(
            'CONNECTION_FAILED',
            `S3 did not delete s3://${bucket}/${first.Key}: ${first.Code}.`,
            {
              failed: errors.length,
            },
          );
        }
      }
    }
  }

  async abortUploads(prefix: string, signal?: AbortSignal): Promise<number> {
    const { bucket, key } = parseUri(prefix);
    return call('ListMultipartUploads', prefix, async () => {
      let aborted = 0;
      let after: { KeyMarker?: string; UploadIdMarker?: string } = {};
      for (;;) {
        const page: ListMultipartUploadsCommandOutput = await this.#client.send(
          new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key, ...after }),
          abort(signal),
        );
        for (const { Key, UploadId } of page.Uploads ?? []) {
          // Some stand-ins ignore the prefix: never abort what was not asked for.
          if (!Key?.startsWith(key)) continue;
          await this.#client.send(
            new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }),
            abort(signal),
          );
          aborted += 1;
        }
        if (!page.IsTruncated || !page.NextKeyMarker) break;
        after = {
          KeyMarker: page.NextKeyMarker,
          ...(page.NextUploadIdMarker ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
        };
      }
      return aborted;
    });
  }

  async mergeLifecycle(
    bucket: string,
    owner: string,
    rules: readonly LifecycleRule[],
    signal?: AbortSignal,
  ): Promise<{ applied: number; kept: number }> {
    const prefix = `waybill/${owner}/`;
    const uri = `s3://${bucket}`;
    const kept = (await this.#lifecycle(bucket, signal)).filter((rule) => !rule.ID?.startsWith(prefix));
    const ours = rules.map((rule) => lifecycleRule(prefix, rule));
    await call('PutBucketLifecycleConfiguration', uri, () =>
      this.#client.send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket: bucket,
          LifecycleConfiguration: { Rules: [...kept, ...ours] },
        }),
        abort(signal),
      ),
    );
    return { applied: ours.length, kept: kept.length };
  }

  async #lifecycle(bucket: string, signal?: AbortSignal): Promise<S3LifecycleRule[]> {
    try {
      const command = new GetBucketLifecycleConfigurationCommand({ Bucket: bucket });
      return (await this.#client.send(command, abort(signal))).Rules ?? [];
    } catch (error) {
      if (nameOf(error) === 'NoSuchLifecycleConfiguration') return [];
      throw storageError(error, 'GetBucketLifecycleConfiguration', `s3://${bucket}`);
    }
  }
}

function lifecycleRule(prefix: string, rule: LifecycleRule): S3LifecycleRule {
  const { transition } = rule;
  return {
    ID: `${prefix}${rule.id}`,
    Status: 'Enabled',
    Filter: { Prefix: rule.prefix },
    ...(transition === undefined
      ? {}
      : {
          Transitions: [
            {
              Days: transition.days,
              StorageClass: transition.storageClass as 'STANDARD_IA' | 'GLACIER',
            },
          ],
        }),
    ...(rule.expireAfterDays === undefined ? {} : { Expiration: { Days: rule.expireAfterDays } }),
    ...(rule.abortIncompleteUploadsAfterDays === undefined
      ? {}
      : { AbortIncompleteMultipartUpload: { DaysAfterInitiation: rule.abortIncompleteUploadsAfterDays } }),
  };
}

const abort = (signal?: AbortSignal): { abortSignal?: AbortSignal } =>
  signal ? { abortSignal: signal } : {};
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
const isMissingBucket = (error: unknown): boolean => nameOf(error) === 'NoSuchBucket';
const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;

async function call<T>(operation: string, uri: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw storageError(error, operation, uri);
  }
}

function storageError(error: unknown, operation: string, uri: string): WaybillError {
  if (error instanceof WaybillError) return error;
  const status = statusOf(error);
  const details = { operation, uri };
  if (isMissingBucket(error) || (status === 404 && operation !== 'GetObject')) {
    return new WaybillError('OBJECT_MISSING', `S3 has no ${uri}.`, details, { cause: error });
  }
  if (status === 401 || status === 403) {
    return new WaybillError(
      'AUTHENTICATION_FAILED',
      `S3 refused ${operation} on ${uri}: ${nameOf(error)}.`,
      details,
      {
        cause: error,
      },
    );
  }
  const message = error instanceof Error ? error.message : String(error);
  // 4xx other than throttling will not change by asking again.
  const retryable = status === undefined || status >= 500 || status === 429;
  return new WaybillError('CONNECTION_FAILED', `S3 failed ${operation} on ${uri}: ${message}`, details, {
    cause: error,
    retryable,
  });
}
