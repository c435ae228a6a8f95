// Copies an object within its bucket, part by part, beyond what S3 copies by one request.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { StoredFile } from '../common/files/file-store.ts';

/** 10,000 parts are S3's limit; of the largest object there is, 5 TiB, each is 525 MiB. */
const COPY_PARTS = 10_000;
/** Time that aborting may take once nobody waits for it any more. */
const ABORT_MS = 10_000;

interface Place {
  readonly client: S3Client;
  readonly bucket: string;
  readonly signal: AbortSignal;
}

/** A key as a request names the source of a copy. */
export const copySource = (bucket: string, key: string): string =>
  `${bucket}/${key}`.split('/').map(encodeURIComponent).join('/');

/** Throws S3's PreconditionFailed where the source is another object by now; nothing is left of a failed copy. */
export const copyInParts = async (
  { client, bucket, signal }: Place,
  from: StoredFile,
  to: string,
  partSize: number,
): Promise<void> => {
  const abortSignal = signal;
  const target = { Bucket: bucket, Key: to };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target), { abortSignal });
  const size = Math.max(partSize, Math.ceil(from.bytes / COPY_PARTS));
  try {
    const parts: { PartNumber: number; ETag: string }[] = [];
    for (let at = 0; at < from.bytes; at += size) {
      const PartNumber = parts.length + 1;
      const answer = await client.send(
        new UploadPartCopyCommand({
          ...target,
          UploadId,
          PartNumber,
          CopySource: copySource(bucket, from.key),
          CopySourceRange: `bytes=${at}-${Math.min(at + size, from.bytes) - 1}`,
          ...(from.etag === '' ? {} : { CopySourceIfMatch: from.etag }),
        }),
        { abortSignal },
      );
      parts.push({ PartNumber, ETag: answer.CopyPartResult?.ETag ?? '' });
    }
    const complete = { ...target, UploadId, MultipartUpload: { Parts: parts } };
    await client.send(new CompleteMultipartUploadCommand(complete), { abortSignal });
  } catch (error) {
    const late = { abortSignal: AbortSignal.timeout(ABORT_MS) };
    await client.send(new AbortMultipartUploadCommand({ ...target, UploadId }), late).catch(() => undefined);
    throw error;
  }
};
