// What the activities with inner activities have in common: conditions, and how inner failures become their own.
import { convertTo } from '../core/pipeline/parameters.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import type { BlockOutcome, BlockScope } from './pipeline-scope.ts';

/** Fails the activity around a block that failed, in Data Factory's words and with the inner activity's code. */
export function throwInner(outcome: BlockOutcome | undefined): void {
  if (outcome?.failure === undefined) return;
  const { activity, errorCode, message } = outcome.failure;
  throw new ActivityEndedError(
    errorCode,
    `Activity failed because an inner activity failed; Inner activity name: ${activity}, Error: ${message}`,
  );
}

/** An expression that must be true or false. */
export function truth(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): boolean {
  const value = convertTo('Bool', interpreter.evaluate(activity.typeProperties['expression'], scope));
  if (typeof value === 'boolean') return value;
  throw new ActivityEndedError(
    'EXPRESSION_INVALID',
    `The expression of ${activity.type} "${activity.name}" is neither true nor false.`,
  );
}
