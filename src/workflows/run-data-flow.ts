// One run of a mapping data flow: sources are staged as files, one Spark job makes the sinks' rows, copies load them.
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/common';
import {
  ActivityCancellationType,
  CancellationScope,
  ChildWorkflowCancellationType,
  executeChild,
  log,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { CopyActivities } from '../core/copy/activities.ts';
import type { CopyInput, CopyOutput } from '../core/copy.ts';
import { dataFlowOutput, sinkFigures } from '../core/dataflow/output.ts';
import type {
  DataFlowActivities,
  DataFlowInput,
  DataFlowPlan,
  LoadedSink,
  StagedSource,
} from '../core/dataflow/run.ts';
import type { JsonObject } from '../core/json.ts';
import type { LakehouseActivities } from '../core/lakehouse.ts';
import type { TaskActivity, TaskInput } from '../core/pipeline/task.ts';
import type { JobResult } from '../core/spark.ts';
import { LakehouseCluster } from './lakehouse-cluster.ts';

/** How often a job that failed is run again before the data flow fails. Its second run writes the same folders. */
const JOB_ATTEMPTS = 2;
/** Copies of one run at a time: each has connections of its own to the store. */
const WIDTH = 4;

const { prepareDataFlow } = proxyActivities<DataFlowActivities>({
  startToCloseTimeout: '2m',
  retry: { initialInterval: '1s', maximumInterval: '20s', maximumAttempts: 10 },
});
const { uploadJobs, deleteLanded } = proxyActivities<LakehouseActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '1m',
  retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 8 },
});
const { cleanUpCopy } = proxyActivities<Pick<CopyActivities, 'cleanUpCopy'>>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '1m',
  retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 4 },
});
/** Statements may not be repeated blindly; making a table anew and emptying a folder may. */
const once = proxyActivities<{ performScript: TaskActivity }>({
  startToCloseTimeout: '1h',
  heartbeatTimeout: '30s',
  retry: { maximumAttempts: 1 },
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});
const repeatable = proxyActivities<{ performScript: TaskActivity; performDelete: TaskActivity }>({
  startToCloseTimeout: '1h',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 6 },
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/**
 * Runs a data flow; gives ADF's output of the activity. Run again under the same id, it does not load a sink that was
 * loaded. Its cluster and its staged files are gone when it ends, whatever the end. Fails with the code of the copy or
 * statement within, or of the Spark job.
 */
export async function runDataFlow(input: DataFlowInput): Promise<JsonObject> {
  return new DataFlow(input).run();
}

type Part = Pick<CopyInput, 'source' | 'sink' | 'options'>;

class DataFlow {
  readonly #input: DataFlowInput;
  readonly #started = Date.now();
  /** Rows by source and sink, for the details of the run. */
  readonly #rows: [string, number][] = [];
  /** What was read and is to be deleted. */
  readonly #read: { readonly name: string; readonly source: CopyInput['source'] }[] = [];
  #doing = 'planning';

  constructor(input: DataFlowInput) {
    this.#input = input;
  }

  async run(): Promise<JsonObject> {
    this.#show('planning');
    // The moment that currentTimestamp() gives, whatever is repeated.
    const now = new Date(this.#started).toISOString();
    const plan = await prepareDataFlow.executeWithOptions({ summary: `Plan ${this.#input.activity}` }, [
      { ...this.#input, now },
    ]);
    const cluster = new LakehouseCluster(plan);
    try {
      this.#show('staging sources');
      const staged = await this.#stage(plan.sources);
      const stagedAt = Date.now();
      this.#show(`transforming on ${plan.engine.name}`);
      const result = await this.#job(plan, cluster);
      // Nothing runs on the cluster any more: it need not wait, and cost, while rows are loaded.
      await cluster.close();
      const transformedAt = Date.now();
      this.#show('loading sinks');
      const loaded: [string, CopyOutput[]][] = [];
      for (const group of plan.sinks) {
        loaded.push(
          ...(await inTurns(
            group,
            async (sink): Promise<[string, CopyOutput[]]> => [sink.name, await this.#load(sink, result)],
          )),
        );
      }
      await inTurns(this.#read, (read) => this.#purge(read));
      this.#show('done');
      return dataFlowOutput({
        result,
        staged,
        loaded,
        streams: plan.streams,
        startedAt: this.#started,
        stagedAt,
        transformedAt,
        endedAt: Date.now(),
        compute: plan.engine.name,
      });
    } finally {
      await CancellationScope.nonCancellable(async () => {
        await Promise.all([this.#removeStaged(plan), cluster.close()]);
      });
    }
  }

  /** Every source's rows or files into the staging folder. */
  async #stage(sources: readonly StagedSource[]): Promise<[string, CopyOutput[]][]> {
    return inTurns(sources, async ({ name, optional, copies, purge }) => {
      const outputs: CopyOutput[] = [];
      for (const [index, part] of copies.entries()) {
        try {
          outputs.push(await this.#copy(`source/${name}/${index}`, part, `stage ${name}`));
          if (purge) this.#read.push({ name: `${name}/${index}`, source: part.source });
        } catch (error) {
          if (!optional || codeOf(error) !== 'OBJECT_MISSING') throw error;
        }
      }
      this.#rows.push([name, outputs.reduce((sum, { rowsCopied }) => sum + (rowsCopied ?? 0), 0)]);
      this.#show(this.#doing);
      return [name, outputs];
    });
  }

  async #job(plan: DataFlowPlan, cluster: LakehouseCluster): Promise<JobResult> {
    const code = await uploadJobs.executeWithOptions({ summary: 'Job code' }, [
      { prefix: plan.storage.code, engine: plan.engine.type },
    ]);
    const asked = {
      name: 'dataflow',
      job: 'dataflow',
      arguments: {
        lake: plan.stagingUri,
        run: `flow-${plan.window.slice(plan.window.lastIndexOf('/') + 1)}`,
        plan: plan.planUri,
      },
      configuration: {},
      resultTables: [],
    };
    for (let attempt = 1; ; attempt++) {
      try {
        const { result } = await cluster.run(asked, code, attempt, () => undefined);
        return result;
      } catch (error) {
        if (attempt >= JOB_ATTEMPTS || CancellationScope.current().consideredCancelled) throw error;
        log.warn('the Spark job failed and is run again', { attempt, error: String(error) });
      }
    }
  }

  /** One sink: made anew or emptied, changed rows, added rows, statements afterwards. */
  async #load(sink: LoadedSink, result: JobResult): Promise<CopyOutput[]> {
    const { name, fresh, before, after } = sink;
    const figures = sinkFigures(result, name);
    // What makes its target anew loses what an earlier run of this flow loaded: it must load again, too.
    const again = fresh === undefined ? '' : `/${workflowInfo().runId}`;
    if (fresh !== undefined) await this.#refresh(sink, fresh);
    const outputs: CopyOutput[] = [];
    let script = before;
    const load = async (part: Part, kind: string): Promise<void> => {
      const place = `sink/${name}/${kind}${again}`;
      outputs.push(await this.#copy(place, withScript(part, script), `load ${name}`, true));
      script = '';
    };
    if (sink.change !== undefined && figures.changes > 0) await load(sink.change, 'change');
    if (figures.inserts > 0 || outputs.length === 0) await load(sink.insert, 'insert');
    if (after.length > 0) await once.performScript(this.#script(sink, after, 'after'));
    this.#rows.push([name, figures.rows]);
    this.#show(this.#doing);
    return outputs;
  }

  async #refresh(sink: LoadedSink, fresh: NonNullable<LoadedSink['fresh']>): Promise<void> {
    if ('statement' in fresh) {
      await repeatable.performScript(this.#script(sink, [fresh.statement], 'fresh'));
      return;
    }
    const { end } = sink;
    const location = end.dataset['location'] as JsonObject;
    const { fileName: _, ...folder } = location;
    const type = String(location['type'] ?? '').replace(/Location$/, 'ReadSettings');
    await this.#delete(sink.name, 'fresh', end, folder, { type, recursive: true });
  }

  /** Deletes what a source was staged from: by the same names and moments, so that nothing goes that was not read. */
  async #purge({ name, source }: { name: string; source: CopyInput['source'] }): Promise<void> {
    this.#show('deleting the files that were read');
    const location = source.dataset['location'] as JsonObject;
    await this.#delete(name, 'purge', source, location, source.settings['storeSettings'] as JsonObject);
  }

  async #delete(
    name: string,
    step: string,
    end: Pick<LoadedSink['end'], 'linkedService' | 'linkedServiceParameters'>,
    location: JsonObject,
    storeSettings: JsonObject,
  ): Promise<void> {
    const linkedService = serviceOf(end);
    const dataset = { name, type: 'Binary', typeProperties: { location }, linkedService };
    await repeatable
      .performDelete({
        ...this.#task(name, step),
        type: 'Delete',
        typeProperties: { storeSettings },
        datasets: { dataset },
      })
      .catch((error: unknown) => {
        // A folder that is not there is empty.
        if (codeOf(error) !== 'OBJECT_MISSING') throw error;
      });
  }

  #task(name: string, step: string): Omit<TaskInput, 'type' | 'typeProperties' | 'datasets'> {
    const { flowId, pipeline, activity, run } = this.#input;
    return {
      ...run,
      pipeline,
      activity,
      attemptKey: `${flowId}/${workflowInfo().runId}/${name}/${step}`,
    };
  }

  #script(sink: LoadedSink, statements: readonly string[], step: string): TaskInput {
    return {
      ...this.#task(sink.name, step),
      type: 'Script',
      typeProperties: { scripts: statements.map((text) => ({ type: 'NonQuery', text })) },
      datasets: {},
      linkedService: serviceOf(sink.end),
    };
  }

  /** With `clears`, a copy that fails leaves nothing for a later attempt to go on with: its files are made anew then. */
  async #copy(place: string, part: Part, summary: string, clears = false): Promise<CopyOutput> {
    const { flowId, pipeline, activity, secure } = this.#input;
    const copyId = `${flowId}/${place}`;
    const input: CopyInput = {
      copyId,
      pipeline,
      activity: `${activity} ${summary}`,
      ...part,
      ...(secure === undefined ? {} : { secure }),
    };
    const run = executeChild<(input: CopyInput) => Promise<CopyOutput>>('copyData', {
      workflowId: copyId,
      args: [input],
      ...(secure === undefined ? { staticSummary: summary } : {}),
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    });
    if (!clears) return run;
    try {
      return await run;
    } catch (error) {
      await CancellationScope.nonCancellable(() => cleanUpCopy(input)).catch((problem: unknown) => {
        log.warn('what a failed copy staged is left behind', { error: String(problem) });
      });
      throw error;
    }
  }

  /** Never fails the data flow: what it did, or why it failed, matters more. */
  async #removeStaged({ stagingUri }: DataFlowPlan): Promise<void> {
    try {
      await deleteLanded.executeWithOptions({ summary: 'Remove staged files' }, [{ prefixes: [stagingUri] }]);
    } catch (error) {
      log.warn('staged files are left behind: their removal failed', { error: String(error) });
    }
  }

  #show(doing: string): void {
    this.#doing = doing;
    const rows = this.#rows.map(([name, count]) => `| ${name} | ${count} |`).join('\n');
    const table = rows === '' ? '' : `\n\n| Stream | Rows |\n|---|---|\n${rows}`;
    setCurrentDetails(`**${this.#input.activity}** (data flow ${this.#input.name}): ${doing}${table}`);
  }
}

/** Runs `work` for all, a few at a time, in order. The first failure counts; what has begun is waited for. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index] as T);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}

const serviceOf = ({
  linkedService: name,
  linkedServiceParameters: parameters,
}: Pick<LoadedSink['end'], 'linkedService' | 'linkedServiceParameters'>): NonNullable<
  TaskInput['linkedService']
> => ({
  name,
  ...(parameters === undefined ? {} : { parameters }),
});

/** The copy with statements before it, in the transaction that publishes its rows. */
const withScript = (part: Part, script: string): Part =>
  script === ''
    ? part
    : { ...part, sink: { ...part.sink, settings: { ...part.sink.settings, preCopyScript: script } } };

/** The code of the innermost failure. */
function codeOf(error: unknown): string | undefined {
  let inner = error;
  while (
    (inner instanceof ChildWorkflowFailure || inner instanceof ActivityFailure) &&
    inner.cause !== undefined
  )
    inner = inner.cause;
  return inner instanceof ApplicationFailure ? (inner.type ?? undefined) : undefined;
}
