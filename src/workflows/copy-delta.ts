// One copy from or to a Delta table: rows are staged as Parquet files, Spark brings them into the table or out of it.
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  executeChild,
  log,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { CopyInput, CopyOutput, CopyProgress } from '../core/copy.ts';
import type { DeltaActivities, DeltaCopyPlan } from '../core/delta.ts';
import type { LakehouseActivities } from '../core/lakehouse.ts';
import type { JobResult } from '../core/spark.ts';
import { copyProgress } from './copy-data.ts';
import { LakehouseCluster } from './lakehouse-cluster.ts';

/** How often a job that failed is run again before the copy fails. Its second run finds what the first one did. */
const JOB_ATTEMPTS = 2;

const { prepareDeltaCopy } = proxyActivities<DeltaActivities>({
  startToCloseTimeout: '2m',
  retry: { initialInterval: '1s', maximumInterval: '20s', maximumAttempts: 10 },
});
const { uploadJobs, deleteLanded } = proxyActivities<LakehouseActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '1m',
  retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 8 },
});

/**
 * Copies once per copyId, as `copyData` does; its cluster and its staged files are gone when it ends, whatever the end.
 * Fails with the code of the copy within, or of the Spark job.
 */
export async function copyDelta(input: CopyInput): Promise<CopyOutput> {
  const copy = new DeltaCopy(input);
  setHandler(copyProgress, () => copy.progress());
  return copy.run();
}

class DeltaCopy {
  readonly #input: CopyInput;
  readonly #started = Date.now();
  #plan: DeltaCopyPlan | undefined;
  #state: CopyProgress['state'] = 'planning';
  #rows = 0;
  #bytes = 0;
  #doing = 'planning';

  constructor(input: CopyInput) {
    this.#input = input;
  }

  async run(): Promise<CopyOutput> {
    this.#show('planning', 'planning');
    const plan = await prepareDeltaCopy.executeWithOptions({ summary: `Plan ${this.#input.activity}` }, [
      this.#input,
    ]);
    this.#plan = plan;
    const cluster = new LakehouseCluster(plan);
    let state: CopyProgress['state'] = 'failed';
    try {
      const output = plan.end === 'sink' ? await this.#into(plan, cluster) : await this.#outOf(plan, cluster);
      state = 'done';
      return output;
    } finally {
      await CancellationScope.nonCancellable(async () => {
        await Promise.all([this.#removeStaged(plan), cluster.close()]);
      });
      this.#show(state, state);
    }
  }

  progress(): CopyProgress {
    const { source, sink, activity, options } = this.#input;
    const label = (end: 'source' | 'sink', otherwise: string): string =>
      this.#plan?.end === end ? this.#plan.label : otherwise;
    return {
      kind: 'copy',
      activity,
      from: label('source', source.linkedService),
      to: label('sink', sink.linkedService),
      state: this.#state,
      verified: options['validateDataConsistency'] !== false,
      chunksTotal: 2,
      chunksDone: this.#state === 'done' ? 2 : this.#state === 'publishing' ? 1 : 0,
      rowsTotal: this.#rows,
      rowsDone: this.#state === 'done' ? this.#rows : 0,
      bytesDone: this.#bytes,
      startedAt: this.#started,
    };
  }

  /** The other store → staged files → table. */
  async #into(plan: DeltaCopyPlan, cluster: LakehouseCluster): Promise<CopyOutput> {
    this.#show('copying', `staging in ${plan.stagingUri}`);
    const staged = await this.#copy({ ...this.#input, sink: plan.staged });
    this.#rows = staged.rowsCopied;
    this.#bytes = staged.dataWritten;
    this.#show('publishing', `loading ${plan.label}`);
    const loaded = await this.#job(plan, cluster, 'load');
    return this.#output(staged, loaded, plan);
  }

  /** Table → staged files → the other store. */
  async #outOf(plan: DeltaCopyPlan, cluster: LakehouseCluster): Promise<CopyOutput> {
    this.#show('copying', `unloading ${plan.label}`);
    const unloaded = await this.#job(plan, cluster, 'unload');
    // Nothing runs on the cluster any more: it need not wait, and cost, while the files are copied.
    await cluster.close();
    this.#rows = unloaded.tables[0]?.rows ?? 0;
    this.#show('publishing', `copying ${plan.stagingUri}`);
    const copied = await this.#copy({ ...this.#input, source: plan.staged });
    return this.#output(copied, unloaded, plan);
  }

  #copy(input: CopyInput): Promise<CopyOutput> {
    return executeChild<(input: CopyInput) => Promise<CopyOutput>>('copyData', {
      workflowId: `${workflowInfo().workflowId}/staged`,
      args: [input],
      staticSummary: this.#doing,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    });
  }

  async #job(plan: DeltaCopyPlan, cluster: LakehouseCluster, job: 'load' | 'unload'): Promise<JobResult> {
    const code = await uploadJobs.executeWithOptions({ summary: 'Job code' }, [
      { prefix: plan.storage.code },
    ]);
    const asked = { name: job, job, arguments: plan.arguments, configuration: {}, resultTables: [] };
    for (let attempt = 1; ; attempt++) {
      try {
        const { result } = await cluster.run(asked, code, attempt, () => undefined);
        return result;
      } catch (error) {
        if (attempt >= JOB_ATTEMPTS || CancellationScope.current().consideredCancelled) throw error;
        log.warn('the Spark job failed and is run again', { job, attempt, error: String(error) });
      }
    }
  }

  #output(copied: CopyOutput, job: JobResult, plan: DeltaCopyPlan): CopyOutput {
    const copyDuration = Math.max(1, Math.round((Date.now() - this.#started) / 1000));
    const [table] = job.tables;
    return {
      ...copied,
      copyDuration,
      throughput: Math.round((copied.dataRead / 1024 / copyDuration) * 1000) / 1000,
      waybill: {
        ...copied.waybill,
        copyId: this.#input.copyId,
        ...(plan.end === 'sink' ? { to: plan.label } : { from: plan.label }),
        ...(table === undefined ? {} : { deltaVersion: Number(table['version']) }),
      },
    };
  }

  /** Never fails the copy: what it did, or why it failed, matters more. */
  async #removeStaged(plan: DeltaCopyPlan): Promise<void> {
    try {
      await deleteLanded.executeWithOptions({ summary: 'Remove staged files' }, [
        { prefixes: [plan.stagingUri] },
      ]);
    } catch (error) {
      log.warn('staged files are left behind: their removal failed', { error: String(error) });
    }
  }

  #show(state: CopyProgress['state'], doing: string): void {
    this.#state = state;
    this.#doing = doing;
    const now = this.progress();
    setCurrentDetails(
      `**${now.activity}**: ${doing}\n\n| From | To | Rows |\n|---|---|---|\n| ${now.from} | ${now.to} | ${this.#rows} |`,
    );
  }
}
