// What the Azure clients and Azure Storage report, as waybill's codes.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  BlobNotFound: 'OBJECT_MISSING',
  ContainerNotFound: 'OBJECT_MISSING',
  ContainerBeingDeleted: 'OBJECT_MISSING',
  ResourceNotFound: 'OBJECT_MISSING',
  FilesystemNotFound: 'OBJECT_MISSING',
  ConditionNotMet: 'SOURCE_CHANGED',
  CannotVerifyCopySource: 'SOURCE_CHANGED',
  Md5Mismatch: 'STAGING_FAILED',
  Crc64Mismatch: 'STAGING_FAILED',
  InvalidBlockList: 'STAGING_FAILED',
  OperationTimedOut: 'STORE_BUSY',
  ServerBusy: 'STORE_BUSY',
  InternalError: 'STORE_BUSY',
  InvalidResourceName: 'IDENTIFIER_INVALID',
  InvalidUri: 'IDENTIFIER_INVALID',
};

/** Errors of @azure/identity: nothing there to sign in with, and signing in refused. */
const IDENTITY: Readonly<Record<string, ErrorCode>> = {
  CredentialUnavailableError: 'SETTINGS_INVALID',
  AggregateAuthenticationError: 'AUTHENTICATION_FAILED',
  AuthenticationError: 'AUTHENTICATION_FAILED',
  AuthenticationRequiredError: 'AUTHENTICATION_FAILED',
};

const byStatus = (status: number | undefined, code: string): ErrorCode => {
  if (status === 401 || status === 403) return 'AUTHENTICATION_FAILED';
  if (status === 404) return 'OBJECT_MISSING';
  if (status === 412) return 'SOURCE_CHANGED';
  if (status === 429 || (status !== undefined && status >= 500)) return 'STORE_BUSY';
  if (status !== undefined) return 'QUERY_FAILED';
  // RestError's own codes and Node's: the request never got its answer.
  return /^(E[A-Z]+|ERR_.*|REQUEST_SEND_ERROR|PARSE_ERROR)$/.test(code)
    ? 'CONNECTION_FAILED'
    : 'STAGING_FAILED';
};

/** First line only: the rest of Azure's message is request ids. A shared access signature is never passed on. */
const messageOf = (message: string): string =>
  (message.split('\n')[0] ?? '').replaceAll(/\bsig=[^&\s"']+/g, 'sig=***').slice(0, 300);

export const azureError = (error: unknown, doing: string): WaybillError => {
  if (error instanceof WaybillError) return error;
  const raw = error as { name?: string; code?: string; statusCode?: number; message?: string };
  const name = raw.name ?? 'error';
  const identity = IDENTITY[name];
  const changed = raw.statusCode === 400 && /content-?(md5|crc64) doesn't match/i.test(raw.message ?? '');
  const code: ErrorCode = changed
    ? 'STAGING_FAILED'
    : (identity ?? CODES[raw.code ?? ''] ?? byStatus(raw.statusCode, raw.code ?? ''));
  return new WaybillError(
    code,
    `Azure Blob, ${doing}: ${raw.code ?? name}: ${messageOf(raw.message ?? '')}`,
    {
      store: 'Azure Blob',
      ...(raw.statusCode === undefined ? {} : { status: raw.statusCode }),
    },
  );
};
