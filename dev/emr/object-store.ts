// S3 as EMR uses it: reads scripts and dependencies, writes logs, always with signed requests.
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

export interface S3Location {
  bucket: string;
  key: string;
}

/** Bucket and key of an s3://, s3a:// or s3n:// URI, or undefined when the text is no such URI. */
export function parseS3Uri(uri: string): S3Location | undefined {
  const match = /^s3[an]?:\/\/([^/]+)(?:\/(.*))?$/s.exec(uri);
  return match?.[1] ? { bucket: match[1], key: match[2] ?? '' } : undefined;
}

/** An object could not be read. The message names the object and what S3 answered, as Spark would print it. */
export class ObjectUnavailableError extends Error {
  constructor(uri: string, cause: unknown) {
    const name = cause instanceof Error ? cause.name : String(cause);
    const missing = name === 'NoSuchKey' || name === 'NotFound' || name === 'NoSuchBucket';
    super(missing ? `File does not exist: ${uri}` : `Cannot read ${uri}: ${name}: ${messageOf(cause)}`, {
      cause,
    });
    this.name = missing ? 'java.io.FileNotFoundException' : 'java.io.IOException';
  }
}

export class ObjectStore {
  readonly #client: S3Client;

  /** Credentials come from the environment (AWS_ACCESS_KEY_ID and so on), as for any AWS client. */
  constructor(endpoint: string, region: string) {
    this.#client = new S3Client({ endpoint, region, forcePathStyle: true, maxAttempts: 3 });
  }

  /** Downloads an object to a file, making its directory. Throws ObjectUnavailableError. */
  async download(uri: string, file: string): Promise<void> {
    const at = parseS3Uri(uri);
    if (!at) throw new ObjectUnavailableError(uri, new Error('not an S3 URI'));
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: at.bucket, Key: at.key }));
      if (!(Body instanceof Readable)) throw new Error('S3 answered without a body');
      await mkdir(dirname(file), { recursive: true });
      await pipeline(Body, createWriteStream(file));
    } catch (cause) {
      throw new ObjectUnavailableError(uri, cause);
    }
  }

  /** Uploads a file gzipped, as EMR does with its logs. */
  async uploadGzipped(file: string, uri: string): Promise<void> {
    const at = parseS3Uri(uri);
    if (!at) throw new Error(`'${uri}' is not an S3 URI`);
    const packed = `${file}.gz`;
    await pipeline(createReadStream(file), createGzip(), createWriteStream(packed));
    try {
      await this.#client.send(
        new PutObjectCommand({
          Bucket: at.bucket,
          Key: at.key,
          Body: createReadStream(packed),
          ContentLength: (await stat(packed)).size,
          ContentType: 'application/gzip',
        }),
      );
    } finally {
      await rm(packed, { force: true });
    }
  }

  close(): void {
    this.#client.destroy();
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
