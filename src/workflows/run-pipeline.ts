// One run of a Data Factory pipeline: loads the definition once, then interprets it.
import { ApplicationFailure } from '@temporalio/common';
import {
  CancellationScope,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { JsonObject } from '../core/json.ts';
import { pipelineDetails } from '../core/pipeline/details.ts';
import { type EarlierRun, type RerunActivities, type Reuse, reuseOf } from '../core/pipeline/rerun.ts';
import { RunLog } from '../core/pipeline/run-log.ts';
import { opened, sealed } from '../core/pipeline/secure.ts';
import type { DefinitionActivities, LoadedPipeline } from '../core/pipeline/snapshot.ts';
import { openedPipeline } from '../core/pipeline/snapshot-secrets.ts';
import {
  type FailedRunDetails,
  type PipelineProgress,
  RUNS_MEMO,
  type RunPipelineInput,
  type RunPipelineOutput,
} from '../core/run.ts';
import { activityFailure } from './pipeline-failure.ts';
import { PipelineInterpreter } from './pipeline-interpreter.ts';
import { pipelineProgressQuery, resumeQuery } from './pipeline-messages.ts';
import { withSlot } from './pipeline-slot.ts';

const { loadPipeline } = proxyActivities<DefinitionActivities>({
  startToCloseTimeout: '1m',
  summary: 'read and check the definition',
  retry: { maximumAttempts: 5 },
});
const { loadEarlierRun } = proxyActivities<RerunActivities>({
  startToCloseTimeout: '2m',
  summary: 'what the run before has done',
  retry: { maximumAttempts: 5 },
});

/** Runs with more activities than this show their table once a workflow task. */
const ALWAYS_SHOWN = 100;

/**
 * Characters of inputs and outputs that stay readable without a worker after a failure. A child's are few: its failure
 * goes into its parent's history too.
 */
const FAILED_BUDGET = { root: 200_000, child: 0 };
const FAILED_RUNS = { root: 2_000, child: 40 };

/** Runs that a cancelled run leaves in its memo, where no result and no failure can hold them. */
const CANCELLED_RUNS = 40;

/**
 * Runs a pipeline as Data Factory would. The definition is read once, at the start: an edit never changes a run in
 * flight. Cancelling cancels what runs and waits for it to clean up.
 *
 * Fails with the code of `loadPipeline` before anything ran, or with ACTIVITY_FAILED naming the activity.
 */
export async function runPipeline(input: RunPipelineInput): Promise<RunPipelineOutput> {
  const log = new RunLog();
  let status: PipelineProgress['status'] = 'InProgress';
  let loaded: LoadedPipeline | undefined;
  let interpreter: PipelineInterpreter | undefined;
  setHandler(pipelineProgressQuery, () => ({
    kind: 'pipeline',
    pipeline: input.pipeline,
    status,
    activities: log.runs(),
    ...(loaded === undefined ? {} : { parameters: loaded.parameters }),
  }));
  setHandler(resumeQuery, () => {
    const told: EarlierRun = interpreter?.resume() ?? { activities: [], writes: [] };
    // It goes into the rerun's history: what an activity hides stays hidden there.
    return interpreter?.secure === true ? sealed(told as unknown as JsonObject) : told;
  });
  let shownAt = 0;
  const show = (): void => {
    // Workflow time stands still within one task: a long loop in it need not draw its table at every step.
    if (log.size > ALWAYS_SHOWN && Date.now() === shownAt) return;
    shownAt = Date.now();
    setCurrentDetails(
      status === 'Queued'
        ? `**${input.pipeline}** waits: its "concurrency" allows no further run now`
        : pipelineDetails(input.pipeline, log.runs(), shownAt, log.unlisted),
    );
  };
  const interpret = async (snapshot: LoadedPipeline, reuse?: Reuse & { runId: string }): Promise<void> => {
    interpreter = new PipelineInterpreter(input, snapshot, log, show, reuse === undefined ? {} : { reuse });
    await interpreter.run();
  };
  try {
    loaded = await load(input);
    const snapshot = loaded;
    const reuse = await reuseFor(input, snapshot);
    const limit = snapshot.pipeline.concurrency;
    if (limit === undefined) await interpret(snapshot, reuse);
    else {
      status = 'Queued';
      show();
      const granted = (): void => {
        status = 'InProgress';
      };
      await withSlot(snapshot.pipeline.name, limit, granted, () => interpret(snapshot, reuse));
    }
    status = 'Succeeded';
    return { status, activityRuns: log.runs(), returnValue: interpreter?.variables.returnValue ?? {} };
  } catch (error) {
    const cancelled = isCancellation(error) && CancellationScope.current().consideredCancelled;
    status = cancelled ? 'Cancelled' : 'Failed';
    if ((loaded?.format ?? 1) < 2) throw error;
    if (cancelled) upsertMemo({ [RUNS_MEMO]: { activityRuns: notable(log, 0, CANCELLED_RUNS) } });
    throw cancelled ? error : withRuns(error, log, loaded);
  } finally {
    shownAt = 0;
    show();
  }
}

/** What a rerun takes over from the run it repeats. */
async function reuseFor(
  input: RunPipelineInput,
  loaded: LoadedPipeline,
): Promise<(Reuse & { runId: string }) | undefined> {
  if (input.rerun === undefined || input.rerun.from === 'all') return undefined;
  const { runId, from } = input.rerun;
  const earlier = await loadEarlierRun({ workflowId: workflowInfo().workflowId, runId });
  try {
    const told = opened(earlier as JsonObject) as unknown as EarlierRun;
    return { ...reuseOf(from, loaded.pipeline.activities, told), runId };
  } catch (error) {
    throw asApplicationFailure(error) ?? error;
  }
}

/** The failure with what has run, so that it can be read when no worker is there to ask. */
function withRuns(error: unknown, log: RunLog, loaded: LoadedPipeline | undefined): unknown {
  if (!(error instanceof ApplicationFailure) || error.type !== 'ACTIVITY_FAILED') return error;
  const kind = workflowInfo().parent === undefined ? 'root' : 'child';
  const runs: FailedRunDetails = {
    activityRuns: notable(log, FAILED_BUDGET[kind], FAILED_RUNS[kind]),
    ...(loaded === undefined || kind === 'child' ? {} : { parameters: loaded.parameters }),
  };
  return ApplicationFailure.create({
    type: 'ACTIVITY_FAILED',
    message: error.message,
    nonRetryable: true,
    details: [...(error.details ?? []), runs],
  });
}

/** At most `count` runs; of more, those that failed or did not end come first. */
function notable(log: RunLog, budget: number, count: number): ReturnType<RunLog['runs']> {
  const runs = log.runs(budget);
  if (runs.length <= count) return runs;
  const dull = (run: { status: string }): boolean => run.status === 'Succeeded' || run.status === 'Skipped';
  const kept = new Set([...runs.filter((run) => !dull(run)), ...runs.filter(dull)].slice(0, count));
  return runs.filter((run) => kept.has(run));
}

async function load(input: RunPipelineInput): Promise<LoadedPipeline> {
  try {
    const loaded = await loadPipeline({
      pipeline: input.pipeline,
      parameters: input.parameters,
      ignoreUnknownParameters: workflowInfo().parent !== undefined,
    });
    return openedPipeline(loaded);
  } catch (error) {
    // The reason itself, not "activity task failed": it is what a person has to read.
    throw isCancellation(error) ? error : (asApplicationFailure(error) ?? error);
  }
}

/** What a workflow fails with for what went wrong in it; undefined for a defect of its own code. */
function asApplicationFailure(error: unknown): ApplicationFailure | undefined {
  const failure = activityFailure(error);
  if (failure === undefined) return undefined;
  return ApplicationFailure.create({
    type: failure.errorCode,
    message: failure.message,
    nonRetryable: true,
    details: failure.details,
  });
}
