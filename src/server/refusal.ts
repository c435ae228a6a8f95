// Why a request is not answered with what it asked for: an HTTP status, and the code, words and advice of an error.
import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { redact } from '../config/redaction.ts';
import { ERRORS, type ErrorCode, WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';

export class Refusal extends Error {
  readonly status: number;
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: ErrorCode,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Statuses of errors that are thrown further inside. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  OBJECT_MISSING: 404,
  REFERENCE_MISSING: 404,
  PARAMETER_MISSING: 400,
  PARAMETER_INVALID: 400,
  REQUEST_INVALID: 400,
  REQUEST_UNAUTHORIZED: 401,
  ADDRESS_REFUSED: 400,
  CONNECTION_FAILED: 503,
  STORE_BUSY: 503,
};

/** gRPC's INVALID_ARGUMENT: asking again changes nothing. */
const INVALID_ARGUMENT = 3;

/** Whether Temporal did not do what it was asked, and may when it is asked again. */
export function isUnavailable(error: unknown): boolean {
  const cause = error instanceof ServiceError ? error.cause : error;
  if (isGrpcServiceError(cause)) return cause.code !== INVALID_ARGUMENT;
  return error instanceof ServiceError;
}

/** The refusal that stands for any error. Senders are asked to come again where that may help. */
export function refusalFor(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (isUnavailable(error))
    return new Refusal(
      503,
      'CONNECTION_FAILED',
      'Temporal does not answer. Nothing was lost: send it again.',
      {
        'retry-after': '5',
      },
    );
  // The payload codec has no key for what must be encrypted: whoever runs the door mends that, and the sender comes again.
  if (error instanceof ApplicationFailure && error.type === 'SECRET_MISSING')
    return new Refusal(503, 'SECRET_MISSING', error.message, { 'retry-after': '60' });
  if (error instanceof WaybillError) {
    const status = STATUS[error.code] ?? (error.retryable ? 503 : 422);
    return new Refusal(
      status,
      error.code,
      redact(error.message),
      status === 503 ? { 'retry-after': '5' } : {},
    );
  }
  return new Refusal(500, 'INTERNAL', 'Something unforeseen went wrong; the log of the HTTP door says what.');
}

/** Data Factory's form of an error, and what to do next. */
export const refusalBody = ({ code, message }: Refusal): JsonObject => ({
  error: { code, message, next: ERRORS[code].next },
});
