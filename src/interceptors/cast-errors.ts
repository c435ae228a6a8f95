// Turns every error that leaves an activity into an ApplicationFailure built from an allow-list: code, message,
// details. Failure texts are plain in the history for its whole retention, so nothing else may pass.

import { CompleteAsyncError, log } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure, TemporalFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { redact } from '../config/redaction.ts';
import { ERRORS, WaybillError } from '../core/errors.ts';

/** The ApplicationFailure for an error: `type` is its code, `details[0]` its facts and what to do next. */
export function toApplicationFailure(error: unknown): ApplicationFailure {
  const known = error instanceof WaybillError ? error : undefined;
  const code = known?.code ?? 'INTERNAL';
  const message = known?.message ?? describeUnknown(error);
  const failure = ApplicationFailure.create({
    type: code,
    message: redact(message),
    nonRetryable: known === undefined ? false : !known.retryable,
    details: [{ ...(known?.details ?? {}), next: ERRORS[code].next }],
  });
  // A stack shows our own file names only, but its first lines repeat the message as the driver gave it.
  failure.stack = '';
  return failure;
}

function describeUnknown(error: unknown): string {
  return error instanceof Error
    ? `${error.name}: ${error.message}`.slice(0, 500)
    : 'a value that is no error was thrown';
}

/** Errors that Temporal itself gives meaning to go through untouched. */
function belongsToTemporal(error: unknown): boolean {
  return (
    error instanceof CancelledFailure ||
    error instanceof CompleteAsyncError ||
    error instanceof TemporalFailure ||
    (error instanceof Error && error.name === 'AbortError')
  );
}

export class CastErrorsInterceptor implements ActivityInboundCallsInterceptor {
  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    try {
      return await next(input);
    } catch (error) {
      if (belongsToTemporal(error)) throw error;
      const failure = toApplicationFailure(error);
      log.warn('activity attempt failed', {
        code: failure.type,
        reason: failure.message,
        stack: error instanceof Error ? redact(error.stack ?? '') : undefined,
      });
      throw failure;
    }
  }
}
