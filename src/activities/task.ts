// What every one-shot activity has in common: heartbeats, cancellation, secure values, patience with stores that are away.
import { Context } from '@temporalio/activity';
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { redact, rememberSecret } from '../config/redaction.ts';
import { ERRORS, WaybillError } from '../core/errors.ts';
import { isLiteralSecret } from '../core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { opened, sealed } from '../core/pipeline/secure.ts';
import type { TaskActivity, TaskInput, TaskResult } from '../core/pipeline/task.ts';
import { withHeartbeat } from './copy/heartbeat.ts';

/** Attempts of Temporal's own after which a failure that may pass is final: half a minute of a store being away. */
const PATIENCE = 6;

/**
 * Makes the Temporal activity `perform<Type>` of what performs it. Opens secure input, beats every second, aborts
 * `Context.current().cancellationSignal` on cancellation and reports that, seals secure output, and withholds messages
 * that may quote secure values. Failures that are `retryable` are tried again by Temporal where the type is repeatable.
 */
export const asTask =
  (perform: (input: TaskInput) => Promise<TaskResult>): TaskActivity =>
  async (input) => {
    const hidden = input.secureInput === true || input.secureOutput === true;
    const { attempt, scheduledTimestampMs } = Context.current().info;
    const queued = Math.max(0, Date.now() - scheduledTimestampMs);
    rememberSecrets(opened(input.typeProperties));
    const clear = { ...input, typeProperties: opened(input.typeProperties) as JsonObject };
    try {
      const { output } = await withHeartbeat(
        () => `${input.type} ${input.activity}`,
        () => perform(clear),
      );
      const complete = { ...output, ...runFigures(output, queued) };
      return { output: input.secureOutput === true ? sealed(complete) : complete };
    } catch (error) {
      const final = attempt >= PATIENCE;
      if (hidden) throw withheld(error, final);
      throw impatient(withoutTexts(error, opened(input.hidden ?? [])), final);
    }
  };

/** No text that leaves the process may quote a SecureString of the input. */
function rememberSecrets(value: JsonValue): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) for (const entry of value) rememberSecrets(entry);
  else if (isLiteralSecret(value)) rememberSecret(String(value['value'] ?? ''));
  else for (const entry of Object.values(value)) rememberSecrets(entry);
}

/** What ADF says of the run in every output; what the activity itself says of it counts. `queued` in ms. */
function runFigures(output: JsonObject, queued: number): JsonObject {
  const figures: JsonObject = {
    effectiveIntegrationRuntime: `waybill (${Context.current().info.taskQueue})`,
    billingReference: { activityType: 'PipelineActivity', billableDuration: [] },
    durationInQueue: { integrationRuntimeQueue: Math.floor(queued / 1000) },
  };
  return Object.fromEntries(Object.entries(figures).filter(([key]) => output[key] === undefined));
}

const ours = (error: unknown): boolean => !(error instanceof TemporalFailure) && !isAbort(error);
const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

/** The error without texts that its message may quote. */
function withoutTexts(error: unknown, texts: JsonValue): unknown {
  if (!Array.isArray(texts) || texts.length === 0 || !ours(error)) return error;
  const clean = (text: string): string =>
    texts.reduce<string>((left, secret) => left.replaceAll(String(secret), '[secret]'), text);
  const known = error instanceof WaybillError ? error : undefined;
  const details = Object.entries(known?.details ?? {}).map(([key, value]) => [
    key,
    typeof value === 'string' ? clean(value) : value,
  ]);
  return new WaybillError(
    known?.code ?? 'INTERNAL',
    clean(error instanceof Error ? error.message : String(error)),
    Object.fromEntries(details),
    known === undefined ? {} : { retryable: known.retryable },
  );
}

/** The error, no longer to be tried again after so many attempts. */
function impatient(error: unknown, final: boolean): unknown {
  if (!final || !ours(error)) return error;
  const known = error instanceof WaybillError ? error : undefined;
  const message = known?.message ?? (error instanceof Error ? `${error.name}: ${error.message}` : 'no error');
  return new WaybillError(known?.code ?? 'INTERNAL', message, known?.details, {
    cause: error,
    retryable: false,
  });
}

/** The failure without its words: they travel encrypted, in the failure's details. */
function withheld(error: unknown, final: boolean): unknown {
  if (!ours(error)) return error;
  const known = error instanceof WaybillError ? error : undefined;
  const code = known?.code ?? 'INTERNAL';
  const message = redact(error instanceof Error ? error.message : String(error)).slice(0, 4_000);
  const failure = ApplicationFailure.create({
    type: code,
    message: `${ERRORS[code].meaning} The message is withheld: the policy has secureInput or secureOutput. It is encrypted in the details.`,
    nonRetryable: final || (known !== undefined && !known.retryable),
    details: [{ next: ERRORS[code].next }, sealed({ message, details: { ...known?.details } })],
  });
  failure.stack = '';
  return failure;
}
