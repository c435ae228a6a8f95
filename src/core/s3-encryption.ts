// Encryption at rest in S3: which requests ask for it, and how.

export interface S3Encryption {
  readonly kind: 'SSE-S3' | 'SSE-KMS';
  /** Id, ARN or alias of a KMS key; without one S3 uses the account's own key for S3. */
  readonly kmsKeyId?: string;
}

/** Requests that make an object; parts of an upload take after its beginning. */
const MAKING = new Set(['PutObjectCommand', 'CopyObjectCommand', 'CreateMultipartUploadCommand']);

/** What a request of this name has to say besides; nothing where it makes no object. */
export function encryptionInput(
  { kind, kmsKeyId }: S3Encryption,
  commandName: string | undefined,
): Readonly<Record<string, string | boolean>> {
  if (!MAKING.has(commandName ?? '')) return {};
  if (kind === 'SSE-S3') return { ServerSideEncryption: 'AES256' };
  return {
    ServerSideEncryption: 'aws:kms',
    // One data key for a bucket and not for each object: thousands of files cost thousands of calls otherwise.
    BucketKeyEnabled: true,
    ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
  };
}
