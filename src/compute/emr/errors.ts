// EMR's and the AWS client's errors as waybill codes, and whether a creating call may have had its effect.
import { WaybillError } from '../../core/errors.ts';

const THROTTLED = /^(Throttl\w*|TooManyRequests\w*|RequestLimitExceeded|SlowDown|BandwidthLimitExceeded)$/i;
const DENIED =
  /^(AccessDenied\w*|UnrecognizedClient\w*|InvalidSignature\w*|SignatureDoesNotMatch|InvalidClientTokenId|MissingAuthenticationToken\w*)$/;
/** Temporary credentials that ran out or could not be fetched this time: the next call asks for fresh ones. */
const STALE_CREDENTIALS = /^(ExpiredToken\w*|CredentialsProviderError)$/;
const NEVER_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;

/** The service that is told of in messages. */
type EmrService = 'EMR' | 'EMR Serverless';

interface ServiceError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const asServiceError = (error: unknown): ServiceError =>
  error instanceof Error ? (error as ServiceError) : { name: 'Error', message: String(error) };

/** True when the reply tells nothing about whether the request was carried out: lost, cut, or a server error. */
export function isAmbiguous(error: unknown): boolean {
  const { name, code, $metadata } = asServiceError(error);
  if (
    THROTTLED.test(name) ||
    DENIED.test(name) ||
    STALE_CREDENTIALS.test(name) ||
    NEVER_SENT.test(code ?? '')
  )
    return false;
  const status = $metadata?.httpStatusCode;
  return status === undefined || status >= 500;
}

/** The error as waybill reports it; `operation` is the service's name of the call. */
export function emrError(error: unknown, operation: string, service: EmrService = 'EMR'): WaybillError {
  if (error instanceof WaybillError) return error;
  const { name, message, code, $metadata } = asServiceError(error);
  const details = { operation, service: service === 'EMR' ? 'emr' : 'emr-serverless' };
  if (THROTTLED.test(name)) {
    return new WaybillError('COMPUTE_BUSY', `${service} throttled ${operation}.`, details, { cause: error });
  }
  if (STALE_CREDENTIALS.test(name)) {
    return new WaybillError(
      'COMPUTE_BUSY',
      `${service} could not be asked for ${operation}: no valid credentials (${name}).`,
      details,
      { cause: error },
    );
  }
  if (DENIED.test(name)) {
    return new WaybillError(
      'AUTHENTICATION_FAILED',
      `${service} refused the credentials for ${operation}: ${name}.`,
      details,
      {
        cause: error,
      },
    );
  }
  const status = $metadata?.httpStatusCode;
  if (status === undefined || status >= 500) {
    const what = status === undefined ? (code ?? name) : `HTTP ${status}`;
    return new WaybillError('COMPUTE_BUSY', `${service} gave no answer to ${operation} (${what}).`, details, {
      cause: error,
    });
  }
  return new WaybillError(
    'COMPUTE_REFUSED',
    `${service} refused ${operation}: ${message}`,
    { ...details, reason: name },
    {
      cause: error,
    },
  );
}

/** EMR answers InvalidRequestException "Cluster id 'j-…' is not valid." for a cluster it does not know. */
export function isUnknownCluster(error: unknown): boolean {
  const { name, message } = asServiceError(error);
  return (
    /InvalidRequestException|ValidationException/.test(name) && /cluster id .* is not valid/i.test(message)
  );
}

/** EMR answers ValidationException "Could not shut down one or more job flows since they are termination protected." */
export function isTerminationProtected(error: unknown): boolean {
  return /termination protect/i.test(asServiceError(error).message);
}
