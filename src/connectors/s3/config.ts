// Settings of an AmazonS3 or AmazonS3Compatible linked service.
import { z } from 'zod';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import type { S3Encryption } from '../../core/s3-encryption.ts';
import { booleanSetting } from '../common/settings.ts';

const properties = z.object({
  region: z.string().optional(),
  serviceUrl: z.string().optional(),
  accessKeyId: z.string().optional(),
  secretAccessKey: z.string().optional(),
  sessionToken: z.string().optional(),
  serverSideEncryption: z.enum(['SSE-S3', 'SSE-KMS']).optional(),
  kmsKeyId: z.string().min(1).optional(),
});

export interface S3Config {
  readonly region: string;
  /** Where S3 is, if not at AWS. */
  readonly endpoint: string | undefined;
  /** Buckets are addressed by path, not by host name. */
  readonly forcePathStyle: boolean;
  /** Of what is written; the bucket's own default where absent. */
  readonly encryption?: S3Encryption | undefined;
  /** The SDK's own chain (environment, profile, role) where absent. */
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined;
}

export const s3Config = (service: ConnectedLinkedService): S3Config => {
  const parsed = properties.safeParse(service.properties);
  if (!parsed.success) {
    const keys = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name}: bad value of ${keys}.`, {
      keys,
    });
  }
  const given = parsed.data;
  const { accessKeyId, secretAccessKey, sessionToken } = given;
  if ((accessKeyId ?? '') !== '' && (secretAccessKey ?? '') === '') {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service ${service.name} has an accessKeyId, but no secretAccessKey.`,
      { linkedService: service.name },
    );
  }
  const endpoint = given.serviceUrl || process.env['AWS_ENDPOINT_URL_S3'] || undefined;
  return {
    region: given.region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    endpoint,
    forcePathStyle: booleanSetting(service.properties, 'forcePathStyle') ?? endpoint !== undefined,
    encryption: encryptionOf(service.name, given.serverSideEncryption, given.kmsKeyId),
    credentials:
      accessKeyId && secretAccessKey
        ? { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
        : undefined,
  };
};

function encryptionOf(
  linkedService: string,
  kind: S3Encryption['kind'] | undefined,
  kmsKeyId: string | undefined,
): S3Encryption | undefined {
  if (kmsKeyId !== undefined && kind !== 'SSE-KMS')
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service ${linkedService} has a kmsKeyId, and its serverSideEncryption is not SSE-KMS.`,
      { linkedService },
    );
  return kind === undefined ? undefined : { kind, ...(kmsKeyId === undefined ? {} : { kmsKeyId }) };
}
