// What the AWS client and S3 report, as waybill's codes.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

const NAMES: Readonly<Record<string, ErrorCode>> = {
  NoSuchBucket: 'OBJECT_MISSING',
  NoSuchKey: 'OBJECT_MISSING',
  NotFound: 'OBJECT_MISSING',
  AccessDenied: 'AUTHENTICATION_FAILED',
  InvalidAccessKeyId: 'AUTHENTICATION_FAILED',
  SignatureDoesNotMatch: 'AUTHENTICATION_FAILED',
  CredentialsProviderError: 'AUTHENTICATION_FAILED',
  // New credentials come with the next attempt.
  ExpiredToken: 'CONNECTION_FAILED',
  TokenRefreshRequired: 'CONNECTION_FAILED',
  SlowDown: 'STORE_BUSY',
  ThrottlingException: 'STORE_BUSY',
  RequestTimeout: 'STORE_BUSY',
  InternalError: 'STORE_BUSY',
  ServiceUnavailable: 'STORE_BUSY',
  NoSuchUpload: 'STAGING_FAILED',
};

export const s3Error = (error: unknown, doing: string): WaybillError => {
  if (error instanceof WaybillError) return error;
  const raw = error as {
    name?: string;
    code?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = raw.$metadata?.httpStatusCode;
  const network = raw.code !== undefined && /^(E[A-Z]+|ERR_|UND_)/.test(raw.code);
  const code =
    NAMES[raw.name ?? ''] ??
    (network || raw.name === 'TimeoutError'
      ? 'CONNECTION_FAILED'
      : status === undefined
        ? 'STAGING_FAILED'
        : status >= 500
          ? 'STORE_BUSY'
          : 'QUERY_FAILED');
  return new WaybillError(
    code,
    `S3, ${doing}: ${raw.name ?? raw.code ?? 'error'}: ${(raw.message ?? '').slice(0, 300)}`,
    {
      store: 'S3',
      ...(status === undefined ? {} : { status }),
    },
  );
};
