// Finds the cause inside a failed run and tells it as a person needs it: code, what, why, what to do next.

import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TemporalFailure } from '@temporalio/common';
import { ERRORS, type ErrorCode, WaybillError } from '../core/errors.ts';

export interface ExplainedFailure {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly next: string;
}

const isCode = (type: unknown): type is ErrorCode => typeof type === 'string' && type in ERRORS;

/** The innermost failure that carries one of our codes; Temporal's own words where none does. */
export function explainFailure(error: unknown): ExplainedFailure {
  let cause: unknown = error instanceof WorkflowFailedError ? error.cause : error;
  let found: ApplicationFailure | undefined;
  let last: unknown = cause;
  while (cause instanceof TemporalFailure) {
    if (cause instanceof ApplicationFailure && isCode(cause.type)) found = cause;
    last = cause;
    cause = cause.cause;
  }
  if (found !== undefined && isCode(found.type)) {
    const details = (found.details?.[0] ?? {}) as Record<string, unknown>;
    // The reason stands in the message already.
    const { next, reason: _, ...facts } = details;
    return {
      code: found.type,
      message: found.message,
      details: facts,
      next: typeof next === 'string' ? next : ERRORS[found.type].next,
    };
  }
  if (error instanceof WaybillError) {
    return {
      code: error.code,
      message: error.message,
      details: error.details,
      next: ERRORS[error.code].next,
    };
  }
  if (last instanceof CancelledFailure) {
    return {
      code: 'CANCELLED',
      message: 'The run was cancelled.',
      details: {},
      next: 'Run again if that was not wanted.',
    };
  }
  const message = last instanceof Error ? last.message : String(last);
  return { code: 'INTERNAL', message, details: {}, next: ERRORS.INTERNAL.next };
}

/** Lines to print for a failure. */
export function renderFailure(failure: ExplainedFailure): string[] {
  const facts = Object.entries(failure.details).map(([key, value]) => `  ${key}: ${String(value)}`);
  return [`✖ ${failure.code}  ${failure.message}`, ...facts, `  Next: ${failure.next}`];
}
