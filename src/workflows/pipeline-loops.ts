// ForEach and Until. A loop begins in the pipeline's own workflow; when history has grown long it goes on in children.
import { CancellationScope, CancelledFailure } from '@temporalio/workflow';
import type { JsonValue } from '../core/json.ts';
import { itemLabels } from '../core/pipeline/item-label.ts';
import type { BlockFailure, LoopItem } from '../core/pipeline/loop.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import { parseTimeSpan } from '../core/pipeline/time-span.ts';
import type { ActivityRun } from '../core/run.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import { throwInner, truth } from './pipeline-inner.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type BlockOutcome, type BlockScope, innerScope } from './pipeline-scope.ts';
import { runInChild, takeSlice } from './pipeline-slices.ts';
import { withTimeout } from './pipeline-timeout.ts';

/** Data Factory's defaults and limits for ForEach. */
const DEFAULT_BATCH = 20;
const MAX_BATCH = 50;
const MAX_ITEMS = 100_000;
const DEFAULT_UNTIL_TIMEOUT = 7 * 24 * 3_600_000;

/** Every iteration runs, also after one has failed, as in Data Factory. */
export async function forEach(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const { items, lanes } = forEachInput(interpreter, activity, scope, entry);
  const labels = itemLabels(items);
  const all = items.map((item, index): LoopItem => ({ label: labels[index] as string, item }));
  let { done, failure } = await runItems(interpreter, activity, scope, all, 0, lanes);
  while (done < all.length) {
    const slice = takeSlice(all, done);
    const result = await runInChild(interpreter, activity, scope, entry, {
      name: String(done),
      items: slice,
      lanes,
      done: 0,
    });
    done += slice.length;
    failure ??= result.failure;
  }
  if (failure !== undefined) throwInner({ failure });
  return { itemsCount: items.length };
}

function forEachInput(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): { items: JsonValue[]; lanes: number } {
  const properties = activity.typeProperties;
  const items = interpreter.evaluate(properties['items'], scope);
  if (!Array.isArray(items))
    throw new ActivityEndedError(
      'EXPRESSION_INVALID',
      `"items" of ForEach "${activity.name}" is not an array.`,
    );
  if (items.length > MAX_ITEMS)
    throw new ActivityEndedError(
      'DEFINITION_INVALID',
      `ForEach takes ${MAX_ITEMS} items, not ${items.length}.`,
    );
  const isSequential =
    convertTo('Bool', interpreter.evaluate(properties['isSequential'] ?? false, scope)) === true;
  const width = convertTo('Int', interpreter.evaluate(properties['batchCount'] ?? DEFAULT_BATCH, scope));
  const batchCount = Math.min(MAX_BATCH, Math.max(1, Number(width ?? DEFAULT_BATCH)));
  interpreter.noteInput(activity, entry, { itemsCount: items.length, isSequential, batchCount });
  return { items, lanes: isSequential ? 1 : batchCount };
}

/**
 * Runs items from index `from` on, `lanes` at a time, until all have ended or history is long. Gives the index of the
 * first that was not begun, and the failure of the first that failed. Throws on cancellation.
 */
export async function runItems(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  items: readonly LoopItem[],
  from: number,
  lanes: number,
): Promise<{ done: number; failure?: BlockFailure }> {
  const outcomes: BlockOutcome[] = [];
  let next = from;
  const current = CancellationScope.current();
  const lane = async (): Promise<void> => {
    // The first one always runs here: a child that finds its history long from the start must get on too.
    while (next < items.length && !current.consideredCancelled && (next === from || !interpreter.isLong())) {
      const index = next++;
      const iteration = innerScope(scope, activity.name, items[index] as LoopItem);
      outcomes[index] = await interpreter.runBlock(activity.blocks?.['activities'] ?? [], iteration);
    }
  };
  const results = await Promise.allSettled(
    Array.from({ length: Math.min(lanes, items.length - from) }, lane),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  // Iterations that ended well although the loop was cancelled must not pass for the whole loop.
  if (next < items.length && current.consideredCancelled) throw new CancelledFailure('ForEach was cancelled');
  const failure = outcomes.find((outcome) => outcome?.failure !== undefined)?.failure;
  return { done: next, ...(failure === undefined ? {} : { failure }) };
}

export async function until(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const written = interpreter.evaluate(activity.typeProperties['timeout'], scope);
  const timeout = (typeof written === 'string' ? parseTimeSpan(written) : undefined) ?? DEFAULT_UNTIL_TIMEOUT;
  if (typeof written === 'string') interpreter.noteInput(activity, entry, { timeout: written });
  let iterations = 0;
  await withTimeout(activity, timeout, async () => {
    const here = await runUntil(interpreter, activity, scope, 0);
    iterations = here.done;
    let { failure } = here;
    if (!here.met) {
      const result = await runInChild(interpreter, activity, scope, entry, {
        name: String(iterations),
        done: iterations,
      });
      iterations = result.done;
      failure = result.failure;
    }
    if (failure !== undefined) throwInner({ failure });
  });
  return { iterations };
}

/** Runs iterations until the condition is met or history is long. The last iteration decides whether the loop failed. */
export async function runUntil(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  from: number,
): Promise<{ done: number; met: boolean; failure?: BlockFailure }> {
  for (let done = from; ; ) {
    done++;
    const iteration = innerScope(scope, activity.name, { label: String(done) });
    const { failure } = await interpreter.runBlock(activity.blocks?.['activities'] ?? [], iteration);
    // A failed iteration does not end the loop: loops that try again until it works rely on that.
    const met = truth(interpreter, activity, iteration);
    if (met || interpreter.isLong()) return { done, met, ...(failure === undefined ? {} : { failure }) };
  }
}
