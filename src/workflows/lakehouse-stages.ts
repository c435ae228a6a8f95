// What each stage of a lakehouse run does, and what undoes it.
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { CopyInput, CopyOutput } from '../core/copy.ts';
import type { DbtProgress, RunDbtInput } from '../core/dbt.ts';
import { copyWorkflowType } from '../core/delta.ts';
import { locationUri } from '../core/lakehouse/location.ts';
import { copyChecks, dbtChecks, jobChecks, type Measures } from '../core/lakehouse/measures.ts';
import type { OpenStageReport, RunProgress } from '../core/lakehouse/progress.ts';
import type {
  IngestStage,
  JobCode,
  LakehouseActivities,
  LakehouseCopy,
  LakehouseJob,
  LakehousePlan,
  LoadStage,
  OptimizeStage,
  ServeStage,
  SparkStage,
  StagePolicy,
} from '../core/lakehouse.ts';
import { jobMetrics, judgeJob } from '../core/monitoring/thresholds.ts';
import type { StageName } from '../core/run.ts';
import type { JobResult } from '../core/spark.ts';
import { copyWorkflowId, dbtWorkflowId } from '../core/workflow-ids.ts';
import type { LakehouseCluster } from './lakehouse-cluster.ts';
import type { Supervision } from './lakehouse-supervision.ts';

const { uploadJobs, countLanded, deleteLanded, readTableVersions, applyLifecycle } =
  proxyActivities<LakehouseActivities>({
    startToCloseTimeout: '10m',
    heartbeatTimeout: '1m',
    retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 8 },
  });

/** Failures that another try would only repeat. */
const FINAL = new Set([
  'CHECK_FAILED',
  'STEP_CANCELLED',
  'COMPUTE_REFUSED',
  'AUTHENTICATION_FAILED',
  'STAGE_TIMEOUT',
]);
const FINAL_AREA = /^(DEFINITION|REFERENCE|PARAMETER|EXPRESSION|SETTINGS|SECRET|IDENTIFIER)_/;

/** How many copies of a stage run at once. */
const COPIES_AT_ONCE = 4;

/** How to take back one stage's effect. Registered before the effect, so also a half-made one is taken back. */
export interface Compensation {
  readonly stage: StageName;
  /** Idempotent. Returns what it did, in a few words. */
  readonly undo: () => Promise<string>;
}

export interface StageContext {
  readonly plan: LakehousePlan;
  readonly trigger: string;
  readonly windowStart: string | undefined;
  readonly cluster: LakehouseCluster;
  readonly progress: RunProgress;
  readonly measures: Measures;
  readonly supervision: Supervision;
  readonly register: (compensation: Compensation) => void;
  /** Shows the progress where people look. */
  readonly show: () => void;
}

export async function ingest(
  context: StageContext,
  stage: IngestStage,
  report: OpenStageReport,
): Promise<void> {
  if (stage.compensation.kind === 'deleteLanded') {
    const prefixes = stage.copies.map((copy) => locationUri(copy.sink.dataset));
    context.register({
      stage: 'ingest',
      undo: async () => {
        const { files, uploads } = await deleteLanded({ prefixes });
        return `deleted ${files} landed files${uploads > 0 ? `, aborted ${uploads} uploads` : ''}`;
      },
    });
  }
  await runCopies(context, stage, stage.copies, report);
  await judgeDelay(context, 'window', context.windowStart && Date.parse(context.windowStart));
  if (stage.inputs.length === 0) return;
  for (const { name, files, bytes, newest } of await countLanded({ inputs: stage.inputs })) {
    await judgeDelay(context, name, newest);
    report.checks.push({
      name: `${name}: has landed`,
      passed: files > 0,
      detail: `${files} files, ${bytes} bytes`,
    });
  }
}

export async function process(
  context: StageContext,
  stage: SparkStage,
  report: OpenStageReport,
): Promise<void> {
  const code = await uploadJobs({
    prefix: context.plan.storage.code,
    engine: context.plan.engine.type,
  });
  const { compensation } = stage;
  if (compensation.kind === 'restoreTables') {
    const before = await readTableVersions({ tables: compensation.tables });
    context.register({
      stage: 'process',
      undo: async () => {
        const now = new Map(
          (await readTableVersions({ tables: compensation.tables })).map((table) => [
            table.table,
            table.version,
          ]),
        );
        const changed = before.filter((table) => now.get(table.table) !== table.version);
        if (changed.length === 0) return 'no table had changed';
        const versions = Object.fromEntries(changed.map((table) => [table.table, table.version]));
        const job: LakehouseJob = {
          name: compensation.job,
          job: compensation.job,
          arguments: { ...compensation.arguments, versions: JSON.stringify(versions) },
          configuration: {},
          resultTables: [],
        };
        await runJob(context, stage, job, code, report);
        return `restored ${changed.length} tables`;
      },
    });
  }
  await runJobs(context, stage, stage.jobs, code, report);
}

export async function load(context: StageContext, stage: LoadStage, report: OpenStageReport): Promise<void> {
  await runCopies(context, stage, stage.copies, report);
}

/** dbt's marts and tests, each of its runs a child with retries of its own. */
export async function serve(
  context: StageContext,
  stage: ServeStage,
  report: OpenStageReport,
): Promise<void> {
  for (const dbt of stage.dbt) {
    doing(context, report, `dbt ${dbt.name}`);
    const workflowId = dbtWorkflowId(workflowInfo().workflowId, dbt.name);
    report.children.push(workflowId);
    const { timeout, retries, retryInterval } = stage;
    const { calls } = await executeChild<(input: RunDbtInput) => Promise<DbtProgress>>('runDbt', {
      workflowId,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `dbt ${dbt.name}`,
      args: [{ ...dbt, timeout, retries, retryInterval }],
    });
    report.checks.push(...dbtChecks(dbt.name, calls));
  }
}

export async function optimize(
  context: StageContext,
  stage: OptimizeStage,
  report: OpenStageReport,
): Promise<void> {
  if (stage.jobs.length > 0) {
    const code = await uploadJobs({
      prefix: context.plan.storage.code,
      engine: context.plan.engine.type,
    });
    await runJobs(context, stage, stage.jobs, code, report);
  }
  const { lifecycle } = stage;
  if (lifecycle === undefined) return;
  doing(context, report, `lifecycle of ${lifecycle.bucket}`);
  const owner = context.plan.name;
  const { applied, kept } = await applyLifecycle({ bucket: lifecycle.bucket, owner, rules: lifecycle.rules });
  report.checks.push({
    name: `${lifecycle.bucket}: lifecycle rules are in force`,
    passed: applied === lifecycle.rules.length,
    detail: `${applied} of ours, ${kept} of others kept`,
  });
}

async function runCopies(
  context: StageContext,
  stage: StagePolicy,
  copies: readonly LakehouseCopy[],
  report: OpenStageReport,
): Promise<void> {
  let done = 0;
  doing(context, report, `copy 1 of ${copies.length}`);
  await allOrNone(copies, COPIES_AT_ONCE, async (copy) => {
    const output = await runCopy(context, stage, copy, report);
    done += 1;
    context.measures.addCopy(copy.name, output);
    report.tables.push({
      table: copy.name,
      rows: output.rowsCopied,
      bytes: output.dataWritten,
      ...(output.filesWritten === undefined ? {} : { files: output.filesWritten }),
    });
    report.checks.push(...copyChecks(copy.name, output));
    doing(context, report, `${done} of ${copies.length} copies done`);
  });
}

async function runCopy(
  context: StageContext,
  stage: StagePolicy,
  copy: LakehouseCopy,
  report: OpenStageReport,
): Promise<CopyOutput> {
  const workflowId = copyWorkflowId(workflowInfo().workflowId, copy.name);
  report.children.push(workflowId);
  const input: CopyInput = {
    // A run under the same id after one that failed copies anew: what the failed one landed has been deleted.
    copyId: `${workflowId}@${workflowInfo().firstExecutionRunId.slice(0, 8)}`,
    pipeline: context.plan.name,
    activity: copy.name,
    source: copy.source,
    sink: copy.sink,
    options: copy.options,
    trigger: context.trigger,
    ...(context.windowStart === undefined ? {} : { windowStart: context.windowStart }),
  };
  return retrying(stage, () =>
    executeChild<(input: CopyInput) => Promise<CopyOutput>>(copyWorkflowType(input), {
      workflowId,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: `copy ${copy.name}`,
      args: [input],
    }),
  );
}

async function runJobs(
  context: StageContext,
  stage: StagePolicy,
  jobs: readonly LakehouseJob[],
  code: JobCode,
  report: OpenStageReport,
): Promise<void> {
  for (const [index, job] of jobs.entries()) {
    doing(context, report, `step ${index + 1} of ${jobs.length} ${job.name}`);
    await context.supervision.gate();
    const result = await runJob(context, stage, job, code, report);
    context.measures.addJob(job.name, result);
    for (const { table, rows, files, bytes } of result.tables) {
      const at = report.tables.findIndex((known) => known.table === table);
      const entry = {
        table,
        rows,
        ...(files === undefined ? {} : { files }),
        ...(bytes === undefined ? {} : { bytes }),
      };
      if (at === -1) report.tables.push(entry);
      else report.tables[at] = entry;
    }
    report.checks.push(...jobChecks(job, result));
    await judgeJobEnd(context, job, result);
  }
}

/** What the job itself says of its stages, memory and spill. */
async function judgeJobEnd(context: StageContext, job: LakehouseJob, result: JobResult): Promise<void> {
  const { monitoring } = context.plan;
  if (monitoring === undefined) return;
  const metrics = jobMetrics(job.name, result['metrics']);
  if (metrics !== undefined) await context.supervision.judge(judgeJob(metrics, monitoring.thresholds));
}

/** Data that was to be in the lake at `since`, or is of that time, and is there now. */
async function judgeDelay(
  context: StageContext,
  what: string,
  since: number | '' | undefined,
): Promise<void> {
  const { monitoring } = context.plan;
  if (monitoring === undefined || typeof since !== 'number') return;
  const { above } = monitoring.thresholds.ingestDelay;
  const value = (Date.now() - since) / 60_000;
  if (value <= above) return;
  const message =
    what === 'window'
      ? `Its data is in the lake ${Math.floor(value)} minutes after the window's time.`
      : `The newest file of ${what} landed ${Math.floor(value)} minutes ago.`;
  await context.supervision.judge([
    { key: `ingestDelay/${what}`, kind: 'ingestDelay', value, above, message },
  ]);
}

async function runJob(
  context: StageContext,
  stage: StagePolicy,
  job: LakehouseJob,
  code: JobCode,
  report: OpenStageReport,
): Promise<JobResult> {
  const { result } = await retrying(stage, (attempt) =>
    context.cluster.run(job, code, attempt, (workflowId) => {
      if (!report.children.includes(workflowId)) report.children.push(workflowId);
    }),
  );
  return result;
}

/** Tries again as often as the stage allows, unless the failure is one that would only repeat itself. */
async function retrying<T>(stage: StagePolicy, work: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const code = failureCode(error);
      if (isCancellation(error) || attempt > stage.retries || FINAL.has(code) || FINAL_AREA.test(code))
        throw error;
      await sleep(stage.retryInterval);
    }
  }
}

/** Runs all, at most `limit` at once. When one fails the others are cancelled and waited for, so none goes on alone. */
async function allOrNone<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const scope = new CancellationScope();
  const queue = [...items];
  let failure: { error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && failure === undefined; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        failure ??= { error };
        scope.cancel();
      }
    }
  };
  await scope.run(() => Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane)));
  if (failure !== undefined) throw failure.error;
}

function doing(context: StageContext, report: OpenStageReport, what: string): void {
  report.doing = what;
  context.show();
}

/** The waybill code at the bottom of a failure. */
export function failureCode(error: unknown): string {
  return failureRoot(error)?.type ?? 'INTERNAL';
}

/** The ApplicationFailure that began it, below what wraps failures of activities and children. */
export function failureRoot(error: unknown): ApplicationFailure | undefined {
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure)
    return failureRoot(error.cause);
  return error instanceof ApplicationFailure ? error : undefined;
}
