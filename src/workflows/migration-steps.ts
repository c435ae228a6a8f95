// What each step of a migration does to the world, and what it leaves in the state.
import { ApplicationFailure } from '@temporalio/common';
import { CancellationScope, isCancellation, proxyActivities, sleep } from '@temporalio/workflow';
import type { JobCode, LakehouseActivities, LakehouseJob } from '../core/lakehouse.ts';
import { applyComparison, confirm, windowOf } from '../core/migration/changes.ts';
import { comparedDatasets, type MigrationStep } from '../core/migration/next-step.ts';
import type {
  Comparison,
  DatasetPointer,
  DatasetState,
  MigrationActivities,
  MigrationPlan,
  MigrationState,
  MigrationWindow,
} from '../core/migration.ts';
import type { JobResult } from '../core/spark.ts';
import { lakehouseWorkflowId, migratedRunWorkflowId, migrationWorkflowId } from '../core/workflow-ids.ts';
import { LakehouseCluster } from './lakehouse-cluster.ts';
import { runOrFindLakehouse } from './lakehouse-run.ts';
import { failureCode } from './lakehouse-stages.ts';

const { readPointers, writePointer, putMigratedJob, writeMigrationSpec, writeMigrationReport } =
  proxyActivities<MigrationActivities>({
    startToCloseTimeout: '5m',
    retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 10 },
  });
const { uploadJobs } = proxyActivities<LakehouseActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '1m',
  retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 8 },
});

/** How often a job of the migration is tried that the cluster, not the data, kept from ending. */
const JOB_ATTEMPTS = 3;
const PASSING = new Set(['CLUSTER_FAILED', 'COMPUTE_BUSY', 'INTERNAL']);

type WorkStep = Exclude<MigrationStep, { kind: 'done' | 'wait' }>;

export class MigrationSteps {
  private readonly plan: MigrationPlan;
  private readonly state: MigrationState;
  private readonly trigger: string;

  constructor(plan: MigrationPlan, state: MigrationState, trigger: string) {
    this.plan = plan;
    this.state = state;
    this.trigger = trigger;
  }

  /** Does the step and notes it in the state. What it did before a failure is found or done once by the next attempt. */
  async take(step: WorkStep): Promise<void> {
    switch (step.kind) {
      case 'begin':
        return this.begin();
      case 'replicate':
        return this.replicate();
      case 'job':
        this.state.job = await putMigratedJob({ plan: this.plan });
        return;
      case 'emr':
        return this.runOnEmr(windowOf(this.state, step.window));
      case 'databricks':
        return this.runOnDatabricks(windowOf(this.state, step.window));
      case 'compare':
        return this.compare(windowOf(this.state, step.window));
      case 'cutOver':
        return this.point(step.dataset, 'databricks');
      case 'rollBack':
        return this.point(step.dataset, 'emr');
    }
  }

  /** Where consumers read now. What an earlier migration cut over is watched at once. */
  private async begin(): Promise<void> {
    const pointers = await readPointers({ plan: this.plan, at: new Date(Date.now()).toISOString() });
    for (const { dataset, engine, generation } of pointers) {
      const state = this.dataset(dataset);
      state.generation = generation;
      if (engine === 'databricks') state.phase = 'cutOver';
    }
    this.state.begun = true;
  }

  private async replicate(): Promise<void> {
    const datasets = this.plan.datasets.filter(({ replicate }) => replicate !== 'never');
    if (datasets.length > 0) {
      await this.onCluster('before', (run) => this.bringOver(run, 'before', datasets));
    }
    this.state.replicated = true;
  }

  private async bringOver(run: RunJob, label: string, datasets: MigrationPlan['datasets']): Promise<void> {
    const names = datasets.map(({ name }) => name);
    const spec = await writeMigrationSpec({ plan: this.plan, window: `replicate-${label}`, datasets: names });
    await run({
      name: `replicate-${label}`,
      job: 'replicate',
      arguments: {
        run: migrationWorkflowId(this.plan.name),
        spec,
        state: `${this.plan.storage.state}/replicated`,
      },
      configuration: {},
      resultTables: names,
    });
  }

  private async runOnEmr(at: MigrationWindow): Promise<void> {
    const workflowId = lakehouseWorkflowId(this.plan.lakehouse, at.window);
    at.triggerTime ??= new Date(Date.now()).toISOString();
    const found = await runOrFindLakehouse(workflowId, {
      name: this.plan.lakehouse,
      window: at.window,
      parameters: this.plan.parameters.emr,
      trigger: this.trigger,
      triggerTime: at.triggerTime,
    });
    // A run that was there before took its own moment, and so must the other side.
    if (found.startTime !== undefined) at.triggerTime = found.startTime;
    at.emr = found.run;
  }

  private async runOnDatabricks(at: MigrationWindow): Promise<void> {
    const workflowId = migratedRunWorkflowId(this.plan.name, at.window);
    const found = await runOrFindLakehouse(workflowId, {
      name: this.plan.lakehouse,
      window: at.window,
      parameters: this.plan.parameters.databricks,
      trigger: this.trigger,
      triggerTime: at.triggerTime ?? new Date(Date.now()).toISOString(),
      variant: this.plan.variant,
    });
    at.databricks = found.run;
  }

  private async compare(at: MigrationWindow): Promise<void> {
    const { plan, state } = this;
    const names = comparedDatasets(state);
    const label = `${at.window}-${at.comparisons + 1}`;
    const comparison = `${plan.storage.state}/comparisons/${label}.json`;
    const always = plan.datasets.filter((one) => one.replicate === 'always' && names.includes(one.name));
    const result = await this.onCluster(label, async (run) => {
      if (always.length > 0) await this.bringOver(run, label, always);
      const spec = await writeMigrationSpec({ plan, window: at.window, datasets: names });
      return run({
        name: `parity-${label}`,
        job: 'parity',
        arguments: { run: migrationWorkflowId(plan.name), spec, report: comparison },
        configuration: {},
        resultTables: names,
      });
    });
    const now = new Date(Date.now()).toISOString();
    const report = await writeMigrationReport({ plan, window: at, comparison, at: now });
    applyComparison(plan, state, at.window, comparisonsOf(result, at.window, names), report);
  }

  private async point(name: string, engine: 'emr' | 'databricks'): Promise<void> {
    const dataset = this.dataset(name);
    const plan = this.plan.datasets.find((one) => one.name === name);
    if (plan === undefined) throw new Error(`no dataset ${name}`);
    const place = engine === 'emr' ? plan.emr : { format: 'delta' as const, ...plan.databricks };
    const pointer: DatasetPointer = {
      dataset: name,
      engine,
      ...place,
      generation: dataset.generation + 1,
      since: new Date(Date.now()).toISOString(),
      migration: this.plan.name,
      reason: engine === 'databricks' ? `approved by ${dataset.decision?.by ?? ''}` : (dataset.reason ?? ''),
    };
    const written = await writePointer({ prefix: this.plan.storage.pointers, pointer });
    dataset.generation = written.generation;
    if (engine === 'emr') {
      dataset.phase = 'rolledBack';
      return;
    }
    // Somebody may have asked for the way back while the pointer was on its way.
    if (dataset.phase !== 'approved') return;
    dataset.phase = 'cutOver';
    dataset.good = 0;
    confirm(this.plan, dataset);
  }

  /** A cluster for some jobs, and gone after them. */
  private async onCluster<Result>(window: string, work: (run: RunJob) => Promise<Result>): Promise<Result> {
    const { engine, storage } = this.plan;
    const results = `${storage.state}/results`;
    const cluster = new LakehouseCluster({ engine, window, storage: { code: storage.code, results } });
    try {
      const code = await uploadJobs({ prefix: storage.code, engine: 'databricks' });
      return await work((job) => runJob(cluster, job, code));
    } finally {
      await CancellationScope.nonCancellable(() => cluster.close());
    }
  }

  private dataset(name: string): DatasetState {
    const found = this.state.datasets.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no dataset ${name}`);
    return found;
  }
}

type RunJob = (job: LakehouseJob) => Promise<JobResult>;

async function runJob(cluster: LakehouseCluster, job: LakehouseJob, code: JobCode): Promise<JobResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await cluster.run(job, code, attempt, () => undefined)).result;
    } catch (error) {
      if (isCancellation(error) || attempt >= JOB_ATTEMPTS || !PASSING.has(failureCode(error))) throw error;
      await sleep('30s');
    }
  }
}

/** The comparisons in the result of the job `parity`; every dataset asked for must be there. */
function comparisonsOf(
  result: JobResult,
  window: string,
  names: readonly string[],
): (Comparison & { dataset: string })[] {
  const found = (Array.isArray(result['datasets']) ? result['datasets'] : []) as unknown as (Comparison & {
    name: string;
  })[];
  return names.map((name) => {
    const one = found.find((other) => other.name === name);
    if (one === undefined || typeof one.equal !== 'boolean')
      throw ApplicationFailure.create({
        type: 'CHECK_FAILED',
        message: `The comparison of window ${window} says nothing about ${name}.`,
        nonRetryable: true,
      });
    const { equal, reasons, rows, missing, extra, differing, named } = one;
    return { dataset: name, window, equal, reasons, rows, missing, extra, differing, named };
  });
}
