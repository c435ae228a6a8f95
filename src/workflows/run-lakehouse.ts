// One run of a lakehouse pipeline: ingest, process, load, optimize; undone in reverse when it cannot be finished; and
// its cluster gone at the end, whatever the end is.
import { ApplicationFailure, defineSearchAttributeKey } from '@temporalio/common';
import {
  CancellationScope,
  condition,
  defineQuery,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { Measures } from '../core/lakehouse/measures.ts';
import { type OpenStageReport, RunProgress, STAGE_NAMES } from '../core/lakehouse/progress.ts';
import { type LakehouseWindow, WINDOW_PATTERN, windowOf } from '../core/lakehouse/window.ts';
import type { LakehouseActivities, LakehousePlan, StagePolicy } from '../core/lakehouse.ts';
import type { LakehouseProgress, RunLakehouseInput, RunLakehouseOutput, StageName } from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import { LakehouseCluster } from './lakehouse-cluster.ts';
import {
  type Compensation,
  failureRoot,
  ingest,
  load,
  optimize,
  process,
  type StageContext,
  serve,
} from './lakehouse-stages.ts';
import { Supervision } from './lakehouse-supervision.ts';
import { clusterChangedSignal } from './spark-messages.ts';

const { loadLakehouse } = proxyActivities<LakehouseActivities>({
  startToCloseTimeout: '1m',
  retry: { maximumAttempts: 5 },
});

export const lakehouseProgressQuery = defineQuery<LakehouseProgress>('progress');

const stageKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.stage, 'KEYWORD');
const windowStartKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.windowStart, 'DATETIME');
const scheduledKey = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME');

/**
 * Runs a lakehouse pipeline over one window. Each stage registers how to undo it before it has an effect; a failure,
 * a failed check, a timeout or a cancellation undoes the stages in reverse, back to the last pivot. The cluster is
 * ended in every case before the workflow ends.
 *
 * Fails with the code of what went wrong first (STEP_FAILED, CHECK_FAILED, STAGE_TIMEOUT, a copy's code, ...).
 */
export async function runLakehouse(input: RunLakehouseInput): Promise<RunLakehouseOutput> {
  const window = resolveWindow(input);
  const progress = new RunProgress(input.name, window.window);
  const show = (): void => setCurrentDetails(progress.markdown());
  setHandler(lakehouseProgressQuery, () => progress.answer());
  setHandler(clusterChangedSignal, (status) => {
    progress.clusterChanged(status);
    show();
  });
  if (window.start !== undefined) {
    upsertSearchAttributes([{ key: windowStartKey, value: new Date(window.start) }]);
  }

  const { workflowId, startTime } = workflowInfo();
  const plan = await loadLakehouse({
    name: input.name,
    window: window.window,
    runId: workflowId,
    trigger: input.trigger,
    triggerTime: input.triggerTime ?? startTime.toISOString(),
    parameters: input.parameters,
    ...(input.variant === undefined ? {} : { variant: input.variant }),
  }).catch((error: unknown) => {
    progress.status = isCancellation(error) ? 'Cancelled' : 'Failed';
    throw told(error, progress);
  });
  const names = STAGE_NAMES.filter((name) => plan.stages[name] !== undefined);
  progress.begin(names);

  const cluster = new LakehouseCluster(plan);
  const supervision = new Supervision(plan, progress, cluster, show);
  supervision.begin();
  const compensations: Compensation[] = [];
  const context: StageContext = {
    plan,
    trigger: input.trigger,
    windowStart: window.start,
    cluster,
    progress,
    measures: new Measures(),
    supervision,
    register: (compensation) => compensations.unshift(compensation),
    show,
  };

  let failure: { error: unknown } | undefined;
  try {
    for (const name of names) {
      await runStage(name, plan, context);
      if (plan.stages[name]?.pivot) compensations.length = 0;
    }
  } catch (error) {
    failure = { error };
  }
  await CancellationScope.nonCancellable(async () => {
    if (failure !== undefined) await compensate(compensations, progress, show);
    await cluster.close();
  });

  // A cluster that is attached is left running.
  const left = 'attach' in plan.engine ? undefined : clusterCheck(progress, names);
  if (failure === undefined && left !== undefined) failure = { error: left };
  const ended = failure?.error;
  await CancellationScope.nonCancellable(() => supervision.end(ended));
  if (failure !== undefined) {
    progress.status = isCancellation(failure.error) ? 'Cancelled' : 'Failed';
    show();
    throw told(failure.error, progress);
  }
  progress.status = 'Succeeded';
  show();
  const last = cluster.last;
  return {
    status: 'Succeeded',
    stages: progress.reports(),
    ...(last === undefined
      ? {}
      : { cluster: { id: last.status.id, state: last.status.state, seconds: last.seconds } }),
    ...(progress.cost === undefined ? {} : { cost: progress.cost }),
  };
}

async function runStage(name: StageName, plan: LakehousePlan, context: StageContext): Promise<void> {
  const report = context.progress.stage(name);
  const policy = plan.stages[name] as StagePolicy;
  report.state = 'running';
  report.start = Date.now();
  upsertSearchAttributes([{ key: stageKey, value: name }]);
  context.show();
  try {
    const stage = (): Promise<void> => work(name, plan, context, report);
    await (plan.budget === undefined
      ? withTimeout(name, policy.timeout, stage)
      : withBudget(name, policy.timeout, context.supervision, stage));
    report.checks.push(...policy.checks.map((check) => context.measures.check(check)));
    const failed = report.checks.filter((check) => !check.passed);
    if (failed.length > 0) {
      throw ApplicationFailure.create({
        type: 'CHECK_FAILED',
        message: `Stage ${name}: ${failed.map((check) => `${check.name}: ${check.detail}`).join('; ')}`,
        nonRetryable: true,
        details: [{ stage: name, failed: failed.length }],
      });
    }
    report.state = 'done';
    report.doing = '';
  } catch (error) {
    report.state = 'failed';
    report.doing = isCancellation(error) ? 'cancelled' : (failureRoot(error)?.type ?? 'failed');
    throw error;
  } finally {
    report.end = Date.now();
    context.show();
  }
}

async function work(
  name: StageName,
  { stages }: LakehousePlan,
  context: StageContext,
  report: OpenStageReport,
): Promise<void> {
  if (name === 'ingest' && stages.ingest) return ingest(context, stages.ingest, report);
  if (name === 'process' && stages.process) return process(context, stages.process, report);
  if (name === 'load' && stages.load) return load(context, stages.load, report);
  if (name === 'serve' && stages.serve) return serve(context, stages.serve, report);
  if (name === 'optimize' && stages.optimize) return optimize(context, stages.optimize, report);
}

/** Cancels the stage's work when its time is up, waits until it has stopped, and says why. */
async function withTimeout(name: StageName, timeout: number, stage: () => Promise<void>): Promise<void> {
  const scope = new CancellationScope({ cancellable: true, timeout });
  try {
    await scope.run(stage);
  } catch (error) {
    if (!isCancellation(error) || CancellationScope.current().consideredCancelled) throw error;
    throw tookTooLong(name, timeout);
  }
}

const tookTooLong = (name: StageName, timeout: number): ApplicationFailure =>
  ApplicationFailure.create({
    type: 'STAGE_TIMEOUT',
    message: `Stage ${name} took longer than its ${Math.round(timeout / 1000)} s.`,
    nonRetryable: true,
    details: [{ stage: name }],
  });

/** As `withTimeout`, for a run with a budget: which may stop the stage, and whose pauses do not count as its time. */
async function withBudget(
  name: StageName,
  timeout: number,
  supervision: Supervision,
  stage: () => Promise<void>,
): Promise<void> {
  const scope = new CancellationScope();
  let done = false;
  const work = scope.run(stage).finally(() => {
    done = true;
  });
  // Awaited below, after what may be thrown before.
  work.catch(() => undefined);
  let failure: ApplicationFailure | undefined;
  let left = timeout;
  try {
    while (!done && failure === undefined) {
      const since = Date.now();
      if (supervision.waiting) {
        await condition(() => done || !supervision.waiting);
        continue;
      }
      const happened = await condition(() => done || supervision.stopping || supervision.waiting, left);
      left -= Date.now() - since;
      if (done) break;
      if (supervision.stopping) failure = supervision.stopped();
      else if (!happened || left <= 0) failure = tookTooLong(name, timeout);
    }
  } catch (error) {
    // Cancelled from outside: so is the work, which is waited for.
    await work;
    throw error;
  }
  if (failure === undefined) return work;
  scope.cancel();
  await work.catch(() => undefined);
  throw failure;
}

/** Undoes what has been done, last first. One that fails does not keep the others from being undone. */
async function compensate(
  compensations: Compensation[],
  progress: RunProgress,
  show: () => void,
): Promise<void> {
  for (const { stage, undo } of compensations) {
    const report = progress.stage(stage);
    report.doing = 'undoing';
    show();
    try {
      const done = await undo();
      report.state = 'compensated';
      report.doing = done;
    } catch (error) {
      const root = failureRoot(error);
      report.doing = `could not be undone: ${root?.type ?? 'INTERNAL'}`;
      report.checks.push({ name: `${stage}: undone`, passed: false, detail: root?.message ?? String(error) });
    }
    show();
  }
}

/** Adds the check that no cluster is left; returns the failure when one may be. */
function clusterCheck(progress: RunProgress, names: readonly StageName[]): ApplicationFailure | undefined {
  const { cluster } = progress;
  const stage = names.at(-1);
  if (cluster === undefined || stage === undefined) return undefined;
  const passed = cluster.state === 'terminated' || cluster.state === 'failed';
  progress
    .stage(stage)
    .checks.push({ name: 'cluster is gone', passed, detail: `${cluster.id} ${cluster.state}` });
  return passed
    ? undefined
    : ApplicationFailure.create({
        type: 'CLUSTER_FAILED',
        message: `Cluster ${cluster.id} could not be ended: it was last seen ${cluster.state}.`,
        nonRetryable: true,
        details: [{ clusterId: cluster.id }],
      });
}

/** The failure as the run's caller gets it: the first cause, and what has been undone since. */
function told(error: unknown, progress: RunProgress): unknown {
  const root = failureRoot(error);
  if (root === undefined) return error;
  const undone = progress.stages
    .filter((report) => report.state === 'compensated' || report.doing.startsWith('could not be undone'))
    .map((report) => `${report.stage}: ${report.doing}`);
  return ApplicationFailure.create({
    type: root.type ?? 'INTERNAL',
    message: undone.length === 0 ? root.message : `${root.message}\nUndone: ${undone.join('; ')}.`,
    nonRetryable: true,
    details: root.details ?? [],
  });
}

function resolveWindow({ window, name }: RunLakehouseInput): LakehouseWindow {
  const { workflowId, typedSearchAttributes } = workflowInfo();
  const found = windowOf(window, typedSearchAttributes.get(scheduledKey), workflowId);
  if (found === undefined || !WINDOW_PATTERN.test(found.window)) {
    throw ApplicationFailure.create({
      type: 'PARAMETER_MISSING',
      message:
        found === undefined
          ? `Lakehouse ${name} needs a window: none was given, and no schedule started it.`
          : `"${found.window}" cannot be a window: letters, digits, ".", "_" and "-" only, at most 100.`,
      nonRetryable: true,
    });
  }
  return found;
}
