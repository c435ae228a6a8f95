// Runs iterations of a loop in a child workflow, and takes over what they wrote.
import { ChildWorkflowCancellationType, executeChild, ParentClosePolicy } from '@temporalio/workflow';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { BlockFailure, LoopInput, LoopItem, LoopOutput, LoopState } from '../core/pipeline/loop.ts';
import { referredActivities } from '../core/pipeline/references.ts';
import { opened, sealed } from '../core/pipeline/secure.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import type { ActivityRun } from '../core/run.ts';
import { loopWorkflowId } from '../core/workflow-ids.ts';
import { searchAttributes } from './pipeline-children.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type BlockScope, itemOf, labelOf } from './pipeline-scope.ts';

/** Items that one child is given: few enough for its input, many enough for few children. */
const SLICE_ITEMS = 2_000;
const SLICE_CHARACTERS = 300_000;

/** The items from `from` on that one child runs. */
export function takeSlice(items: readonly LoopItem[], from: number): LoopItem[] {
  let characters = 0;
  let end = from;
  while (end < items.length && end - from < SLICE_ITEMS) {
    characters += JSON.stringify(items[end]).length;
    if (end > from && characters > SLICE_CHARACTERS) break;
    end++;
  }
  return items.slice(from, end);
}

interface Slice {
  /** Tells the children of one loop apart. */
  readonly name: string;
  readonly items?: readonly LoopItem[];
  readonly lanes?: number;
  readonly done: number;
}

/** Runs a slice in a child and waits for it. What it wrote to variables is written here then. */
export async function runInChild(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
  slice: Slice,
): Promise<{ done: number; failure?: BlockFailure }> {
  const { input: run, identity, loaded, variables } = interpreter;
  const { name, ...part } = slice;
  const workflowId = loopWorkflowId(identity.workflowId, activity.name, labelOf(scope), name);
  const wanted = interpreter.referred;
  const secure = interpreter.secure;
  const item = itemOf(scope);
  const state: LoopState = {
    variables: variables.snapshot(),
    writes: [],
    results: visibleResults(interpreter, activity, scope),
  };
  const input: LoopInput = {
    run,
    identity,
    loaded: { ...loaded, pipeline: { ...loaded.pipeline, activities: [] } },
    activity,
    labels: scope.labels,
    ...(item === undefined ? {} : { item }),
    top: scope.top ?? activity.name,
    ...part,
    state: travelling(state, secure),
    wanted: wanted === 'all' ? wanted : [...wanted],
    secure,
  };
  interpreter.log.addSlice(entry, workflowId);
  interpreter.show();
  const output = await executeChild<(input: LoopInput) => Promise<LoopOutput>>('pipelineLoop', {
    workflowId,
    args: [input],
    staticSummary: `${loaded.pipeline.name} · ${activity.name} from ${Number(name) + 1}`,
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    typedSearchAttributes: searchAttributes(loaded.pipeline.name, run),
  });
  const { writes, results } = arrived(output.state);
  variables.repeat(writes);
  for (const result of results) interpreter.keep(result);
  interpreter.log.addUnlisted(output.activityRuns);
  return { done: output.done, ...(output.failure === undefined ? {} : { failure: output.failure }) };
}

/** The results that expressions in the loop refer to; all that can be seen where a name is made by an expression. */
function visibleResults(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): ActivityRun[] {
  const referred = referredActivities(activity as unknown as JsonValue);
  const names = new Set(referred === 'all' ? interpreter.lastResults.keys() : referred);
  if (referred === 'all')
    for (let at: BlockScope | undefined = scope; at !== undefined; at = at.parent)
      for (const name of at.results.keys()) names.add(name);
  return [...names].flatMap((name) => interpreter.result(name, scope) ?? []);
}

/** A state on its way through history: sealed where it may hold what secureOutput hides. */
export const travelling = (state: LoopState, secure: boolean): LoopState | JsonObject =>
  secure ? sealed(state as unknown as JsonObject) : state;

/** A state as it came through history. */
export const arrived = (state: LoopState | JsonObject): LoopState =>
  opened(state as JsonObject) as unknown as LoopState;
