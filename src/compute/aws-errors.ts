// Errors of AWS services other than EMR and S3 as waybill codes.
import { WaybillError } from '../core/errors.ts';

const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded|LimitExceededException/i;
const DENIED =
  /AccessDenied|AuthorizationError|UnrecognizedClient|InvalidSignature|SignatureDoesNotMatch|InvalidClientTokenId|MissingAuthenticationToken|CredentialsProviderError/i;

/** Throttled or out of reach: COMPUTE_BUSY. Denied: AUTHENTICATION_FAILED. Else COMPUTE_REFUSED. */
export function awsError(error: unknown, service: string, operation: string): WaybillError {
  if (error instanceof WaybillError) return error;
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  const details = { service, operation, reason: name };
  if (DENIED.test(name))
    return new WaybillError(
      'AUTHENTICATION_FAILED',
      `${service} refused the credentials for ${operation}: ${name}.`,
      details,
      { cause: error },
    );
  if (THROTTLED.test(name) || status === undefined || status >= 500)
    return new WaybillError('COMPUTE_BUSY', `${service} gave no answer to ${operation} (${name}).`, details, {
      cause: error,
    });
  return new WaybillError('COMPUTE_REFUSED', `${service} refused ${operation}: ${message}`, details, {
    cause: error,
  });
}
