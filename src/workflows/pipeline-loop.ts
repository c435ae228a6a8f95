// The child workflow that runs iterations of a long loop, and continues as new before its own history is long.
import {
  CancellationScope,
  continueAsNew,
  isCancellation,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { JsonValue } from '../core/json.ts';
import { pipelineDetails } from '../core/pipeline/details.ts';
import type { BlockFailure, LoopInput, LoopOutput } from '../core/pipeline/loop.ts';
import { referredActivities } from '../core/pipeline/references.ts';
import { RunLog } from '../core/pipeline/run-log.ts';
import type { ActivityRun, PipelineProgress } from '../core/run.ts';
import { PipelineInterpreter } from './pipeline-interpreter.ts';
import { runItems, runUntil } from './pipeline-loops.ts';
import { pipelineProgressQuery } from './pipeline-messages.ts';
import type { BlockScope } from './pipeline-scope.ts';
import { arrived, travelling } from './pipeline-slices.ts';

/** A child's history may be longer than the run's own: nothing follows in it. */
const HISTORY_FACTOR = 4;

/** Characters of inputs and outputs that go along when it continues as new. */
const LOG_BUDGET = 200_000;

/** Runs the iterations it is given. Its parent reads from the result what they wrote. */
export async function pipelineLoop(input: LoopInput): Promise<LoopOutput> {
  const { activity, run } = input;
  const log = new RunLog();
  log.adopt(input.log ?? []);
  log.addUnlisted(input.unlisted ?? 0);
  let status: PipelineProgress['status'] = 'InProgress';
  setHandler(pipelineProgressQuery, () => ({
    kind: 'pipeline',
    pipeline: run.pipeline,
    status,
    activities: log.runs(),
  }));
  let shownAt = 0;
  const show = (): void => {
    if (Date.now() === shownAt) return;
    shownAt = Date.now();
    setCurrentDetails(
      pipelineDetails(`${run.pipeline} · ${activity.name}`, log.runs(), shownAt, log.unlisted),
    );
  };
  const state = arrived(input.state);
  const interpreter = new PipelineInterpreter(run, input.loaded, log, show, {
    identity: input.identity,
    historyFactor: HISTORY_FACTOR,
    variables: state.variables,
    wanted: input.wanted === 'all' ? 'all' : new Set(input.wanted),
    secure: input.secure,
  });
  for (const { secure, output } of state.results)
    if (secure === true && output !== undefined) interpreter.secrets.add(output);
  const outer: BlockScope = {
    results: new Map(state.results.map((result) => [result.activityName.toLowerCase(), result])),
    labels: input.labels,
    top: input.top,
    ...(input.item === undefined ? {} : { item: input.item }),
  };
  // Those that the loop has written to so far are in `variables`; the parent wants to hear of them in the end.
  interpreter.variables.claim(state.writes);
  try {
    const { done, ended, failure } = await runPart(interpreter, input, outer);
    const reached = {
      done,
      state: travelling(
        {
          variables: ended ? {} : interpreter.variables.snapshot(),
          writes: interpreter.variables.writes(),
          results: ended ? interpreter.lastResultsOf(interpreter.referred) : stillNeeded(interpreter, input),
        },
        input.secure,
      ),
      ...(failure === undefined ? {} : { failure }),
    };
    status = 'Succeeded';
    if (ended) return { ...reached, activityRuns: log.size };
    const { failure: _, ...before } = input;
    await continueAsNew<typeof pipelineLoop>({
      ...before,
      ...reached,
      log: log.runs(LOG_BUDGET),
      unlisted: log.unlisted,
    });
    throw new Error('unreachable');
  } catch (error) {
    status = isCancellation(error) && CancellationScope.current().consideredCancelled ? 'Cancelled' : status;
    throw error;
  } finally {
    shownAt = 0;
    show();
  }
}

/** Results that the iterations to come may refer to: from around the loop, and from iterations before. */
function stillNeeded(interpreter: PipelineInterpreter, { activity, state }: LoopInput): ActivityRun[] {
  const own = interpreter.lastResultsOf(referredActivities(activity as unknown as JsonValue));
  const names = new Set(own.map(({ activityName }) => activityName));
  return [...arrived(state).results.filter(({ activityName }) => !names.has(activityName)), ...own];
}

async function runPart(
  interpreter: PipelineInterpreter,
  input: LoopInput,
  outer: BlockScope,
): Promise<{ done: number; ended: boolean; failure?: BlockFailure }> {
  const { activity, items, lanes = 1, done } = input;
  if (items === undefined) {
    const { met, ...rest } = await runUntil(interpreter, activity, outer, done);
    return { ...rest, ended: met };
  }
  const part = await runItems(interpreter, activity, outer, items, done, lanes);
  const failure = input.failure ?? part.failure;
  return {
    done: part.done,
    ended: part.done >= items.length,
    ...(failure === undefined ? {} : { failure }),
  };
}
