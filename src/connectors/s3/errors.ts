// What the AWS client and S3 report, as waybill's codes.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

const NAMES: Readonly<Record<string, ErrorCode>> = {
  NoSuchBucket: 'OBJECT_MISSING',
  NoSuchKey: 'OBJECT_MISSING',
  NotFound: 'OBJECT_MISSING',
  PreconditionFailed: 'SOURCE_CHANGED',
  AccessDenied: 'AUTHENTICATION_FAILED',
  InvalidAccessKeyId: 'AUTHENTICATION_FAILED',
  SignatureDoesNotMatch: 'AUTHENTICATION_FAILED',
  // New credentials come with the next attempt.
  ExpiredToken: 'CONNECTION_FAILED',
  TokenRefreshRequired: 'CONNECTION_FAILED',
  SlowDown: 'STORE_BUSY',
  ThrottlingException: 'STORE_BUSY',
  RequestTimeout: 'STORE_BUSY',
  InternalError: 'STORE_BUSY',
  ServiceUnavailable: 'STORE_BUSY',
  NoSuchUpload: 'STAGING_FAILED',
  // The bytes that arrived are not the ones we sent: sending them again may help.
  BadDigest: 'STAGING_FAILED',
  IncompleteBody: 'STAGING_FAILED',
};

const byStatus = (status: number | undefined): ErrorCode => {
  if (status === undefined) return 'STAGING_FAILED';
  if (status === 401 || status === 403) return 'AUTHENTICATION_FAILED';
  if (status === 404) return 'OBJECT_MISSING';
  return status >= 500 ? 'STORE_BUSY' : 'QUERY_FAILED';
};

export const s3Error = (error: unknown, doing: string): WaybillError => {
  if (error instanceof WaybillError) return error;
  const raw = error as {
    name?: string;
    code?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number };
  };
  if (raw.name === 'CredentialsProviderError') return withoutCredentials(doing);
  const status = raw.$metadata?.httpStatusCode;
  const network = raw.code !== undefined && /^(E[A-Z]+|ERR_|UND_)/.test(raw.code);
  const code =
    NAMES[raw.name ?? ''] ??
    (network || raw.name === 'TimeoutError' ? 'CONNECTION_FAILED' : byStatus(status));
  return new WaybillError(
    code,
    `S3, ${doing}: ${raw.name ?? raw.code ?? 'error'}: ${(raw.message ?? '').slice(0, 300)}`,
    {
      store: 'S3',
      ...(status === undefined ? {} : { status }),
    },
  );
};

/** Nobody refused anything: there was nothing to sign with. */
const withoutCredentials = (doing: string): WaybillError =>
  new WaybillError(
    'SETTINGS_INVALID',
    `S3, ${doing}: there are no AWS credentials. Give the linked service accessKeyId and secretAccessKey, or set ` +
      'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role for the worker.',
    { store: 'S3' },
  );
