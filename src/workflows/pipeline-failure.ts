// What went wrong in an activity of a pipeline, found at the bottom of Temporal's chain of causes.
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { WaybillError } from '../core/errors.ts';

export interface ActivityError {
  readonly errorCode: string;
  readonly message: string;
  readonly details: unknown[];
}

/** An activity of a pipeline ended in an error that the interpreter itself found: a Fail activity, an inner failure. */
export class ActivityEndedError extends Error {
  readonly errorCode: string;

  constructor(errorCode: string, message: string) {
    super(message);
    this.errorCode = errorCode;
  }
}

/** Code and message of a failure; undefined for an error that is a defect of the workflow's own code. */
export function activityFailure(error: unknown): ActivityError | undefined {
  if (error instanceof ActivityEndedError)
    return { errorCode: error.errorCode, message: error.message, details: [] };
  if (error instanceof WaybillError)
    return { errorCode: error.code, message: error.message, details: [error.details] };
  if (!(error instanceof TemporalFailure)) return undefined;
  let deepest: TemporalFailure = error;
  let named: ApplicationFailure | undefined;
  for (let next: unknown = error; next instanceof TemporalFailure; next = next.cause) {
    deepest = next;
    if (next instanceof ApplicationFailure) named = next;
  }
  if (named !== undefined)
    return {
      errorCode: named.type ?? 'INTERNAL',
      message: named.message,
      details: [...(named.details ?? [])],
    };
  return { errorCode: 'ACTIVITY_FAILED', message: deepest.message, details: [] };
}
