// One copy: plan, chunks in parallel, publish, clean up. Rows stay in the activities; the history holds their figures.
import {
  ActivityFailure,
  ApplicationFailure,
  defineSearchAttributeKey,
  TimeoutFailure,
} from '@temporalio/common';
import {
  ActivityCancellationType,
  CancellationScope,
  ContinueAsNew,
  continueAsNew,
  defineQuery,
  isCancellation,
  log,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { ChunkResult, CopyActivities, CopyPlan } from '../core/copy/activities.ts';
import { parallelCopies } from '../core/copy/options.ts';
import { copyOutput } from '../core/copy/output.ts';
import type { CopyInput, CopyOutput, CopyProgress } from '../core/copy.ts';
import { LEFT_BEHIND, SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';

const stageKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.stage, 'KEYWORD');

/** Answers with what is committed so far. */
export const copyProgress = defineQuery<CopyProgress>('progress');

/** What one run of the workflow hands to the next when it continues as new. */
export interface CopyCarry {
  readonly plan: CopyPlan;
  /** Every chunk below this one is committed. */
  readonly nextChunk: number;
  readonly rowsDone: number;
  readonly bytesDone: number;
  readonly started: number;
  readonly copyingFrom: number;
  /** Absent in runs of older versions. */
  readonly rowsSkipped?: number;
  readonly firstRowsAfter?: number;
}

/** Details are drawn again no more often than this while chunks are committed: nobody reads faster. */
const SHOW_EVERY_MS = 1_000;

/** Chunks after which a run continues as new: some events each, far below what a history may hold. */
const CHUNKS_PER_RUN = 400;

/** A store that is away for some minutes is waited for; an error that no retry mends is not retried at all. */
const retry = {
  initialInterval: '1s',
  backoffCoefficient: 2,
  maximumInterval: '20s',
  maximumAttempts: 30,
} as const;

// Heartbeats come every second: a worker that was killed is noticed, and its chunk retried, within 15 seconds.
const common = {
  heartbeatTimeout: '15s',
  retry,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} as const;

const { planCopy } = proxyActivities<CopyActivities>({ ...common, startToCloseTimeout: '15m' });
const { copyChunk } = proxyActivities<CopyActivities>({ ...common, startToCloseTimeout: '2h' });
const { publishCopy } = proxyActivities<CopyActivities>({ ...common, startToCloseTimeout: '2h' });
// A store that stays away must not keep a run from ending: what is left then is named in the history.
const { cleanUpCopy } = proxyActivities<CopyActivities>({
  ...common,
  startToCloseTimeout: '2m',
  scheduleToCloseTimeout: '3m',
});

/**
 * Copies `input.source` into `input.sink` exactly once per copyId: run again under the same id it resumes, or finds the
 * copy published and returns its figures. Staging is removed on success, cancellation and failure, except for a failure
 * outside the data: then the committed chunks wait for the copy to be run again.
 */
export async function copyData(input: CopyInput, carry?: CopyCarry): Promise<CopyOutput> {
  const copy = new Copy(input, carry);
  setHandler(copyProgress, () => copy.progress());
  try {
    const output = await copy.run();
    await copy.cleanUp();
    copy.enter('done');
    return output;
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error;
    copy.enter('failed');
    // Whoever runs the copy again goes on after its committed chunks; sweepOrphans removes them if nobody does.
    const kept =
      (keepsChunks(error) && patched('keep-chunks')) ||
      (isMendedInStore(error) && patched('keep-chunks-refused'));
    if (!kept) await copy.cleanUp();
    throw error;
  }
}

/** Errors that no retry mends, but a person may without touching the data. */
const MENDED_OUTSIDE = ['AUTHENTICATION_FAILED', 'SECRET_MISSING', 'SETTINGS_INVALID'];

/**
 * Whether the copy failed for a reason outside its data, so that its committed chunks are worth keeping: a store that
 * stayed away, workers that were lost, credentials that were refused.
 */
export const keepsChunks = (error: unknown): boolean => {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  if (cause instanceof TimeoutFailure) return true;
  if (!(cause instanceof ApplicationFailure)) return false;
  return cause.nonRetryable !== true || MENDED_OUTSIDE.includes(cause.type ?? '');
};

/**
 * Whether a store refused a statement, such as for a permission that was taken away, or a stray attempt fenced the copy:
 * what is committed is as good as before.
 */
const isMendedInStore = (error: unknown): boolean =>
  error instanceof ActivityFailure &&
  error.cause instanceof ApplicationFailure &&
  ['QUERY_FAILED', 'CHUNK_FENCED'].includes(error.cause.type ?? '');

class Copy {
  readonly #input: CopyInput;
  readonly #started: number;
  #plan: CopyPlan | undefined;
  #state: CopyProgress['state'] = 'planning';
  #nextChunk: number;
  #chunksDone: number;
  #rowsDone: number;
  #bytesDone: number;
  #rowsSkipped: number;
  #firstRowsAfter: number | undefined;
  #copyingFrom: number;
  #shownAt = 0;

  constructor(input: CopyInput, carry: CopyCarry | undefined) {
    this.#input = input;
    this.#plan = carry?.plan;
    this.#nextChunk = carry?.nextChunk ?? 0;
    this.#chunksDone = this.#nextChunk;
    this.#rowsDone = carry?.rowsDone ?? 0;
    this.#bytesDone = carry?.bytesDone ?? 0;
    this.#rowsSkipped = carry?.rowsSkipped ?? 0;
    this.#firstRowsAfter = carry?.firstRowsAfter;
    this.#started = carry?.started ?? Date.now();
    this.#copyingFrom = carry?.copyingFrom ?? 0;
  }

  async run(): Promise<CopyOutput> {
    this.enter('planning');
    const { activity } = this.#input;
    this.#plan ??= await planCopy.executeWithOptions({ summary: `Plan ${activity}` }, [this.#input]);
    const plan = this.#plan;
    if (this.#copyingFrom === 0) this.#copyingFrom = Date.now();
    this.enter('copying');
    if (!plan.published) await this.#copyChunks(plan);
    const publishingFrom = Date.now();
    this.enter('publishing');
    const result = await publishCopy.executeWithOptions({ summary: `Publish into ${plan.to}` }, [
      { copy: this.#input, epoch: plan.epoch },
    ]);
    this.#rowsDone = result.rows;
    this.#rowsSkipped = result.skipped ?? 0;
    this.#bytesDone = result.bytesWritten;
    this.#chunksDone = plan.chunks;
    return copyOutput(this.#input, plan, result, {
      started: this.#started,
      copyingFrom: this.#copyingFrom,
      publishingFrom,
      ended: Date.now(),
      ...(this.#firstRowsAfter === undefined ? {} : { firstRowsAfter: this.#firstRowsAfter }),
    });
  }

  /** Removes staging. Never fails the copy: what it published, or why it failed, matters more. */
  async cleanUp(): Promise<void> {
    try {
      await CancellationScope.nonCancellable(() =>
        cleanUpCopy.executeWithOptions({ summary: 'Remove staging' }, [this.#input]),
      );
    } catch (error) {
      log.warn('staging is left behind: its clean-up failed', { error: String(error) });
      // How sweepOrphans finds it, also where the copy itself went well.
      if (patched('left-behind')) upsertSearchAttributes([{ key: stageKey, value: LEFT_BEHIND }]);
    }
  }

  progress(): CopyProgress {
    return {
      kind: 'copy',
      activity: this.#input.activity,
      from: this.#plan?.from ?? this.#input.source.linkedService,
      to: this.#plan?.to ?? this.#input.sink.linkedService,
      state: this.#state,
      verified: this.#input.options['validateDataConsistency'] !== false,
      chunksTotal: this.#plan?.chunks ?? 0,
      chunksDone: this.#chunksDone,
      rowsTotal: this.#plan?.rows ?? 0,
      rowsDone: this.#rowsDone,
      rowsSkipped: this.#rowsSkipped,
      bytesDone: this.#bytesDone,
      startedAt: this.#copyingFrom,
    };
  }

  /** Enters a state and shows it. */
  enter(state: CopyProgress['state']): void {
    this.#state = state;
    this.#show();
  }

  /** Runs the chunks, `parallelCopies` at once. The first failure cancels the others and is thrown when they ended. */
  async #copyChunks(plan: CopyPlan): Promise<void> {
    const last = Math.min(plan.chunks, this.#nextChunk + CHUNKS_PER_RUN);
    const scope = new CancellationScope();
    let failure: unknown;
    const lane = async (): Promise<void> => {
      while (this.#nextChunk < last) {
        if (failure !== undefined || workflowInfo().continueAsNewSuggested) return;
        this.#count(await this.#copyOne(plan, this.#nextChunk++));
      }
    };
    const guarded = async (): Promise<void> => {
      try {
        await lane();
      } catch (error) {
        // A cancelled sibling reports its cancellation after the failure that caused it.
        if (failure === undefined || (isCancellation(failure) && !isCancellation(error))) failure = error;
        scope.cancel();
      }
    };
    const atOnce = plan.parallelCopies ?? parallelCopies(this.#input.options);
    const lanes = Math.min(atOnce, last - this.#nextChunk);
    await scope.run(() => Promise.all(Array.from({ length: lanes }, guarded)));
    if (failure !== undefined) throw failure;
    if (this.#nextChunk < plan.chunks) {
      await continueAsNew<typeof copyData>(this.#input, {
        plan,
        nextChunk: this.#nextChunk,
        rowsDone: this.#rowsDone,
        bytesDone: this.#bytesDone,
        started: this.#started,
        copyingFrom: this.#copyingFrom,
        rowsSkipped: this.#rowsSkipped,
        ...(this.#firstRowsAfter === undefined ? {} : { firstRowsAfter: this.#firstRowsAfter }),
      });
    }
  }

  #copyOne(plan: CopyPlan, chunk: number): Promise<ChunkResult> {
    const summary = `Chunk ${chunk + 1} of ${plan.chunks}: ${plan.from} → ${plan.to}`;
    return copyChunk.executeWithOptions({ summary }, [{ copy: this.#input, chunk, epoch: plan.epoch }]);
  }

  #count(chunk: ChunkResult): void {
    this.#chunksDone++;
    this.#rowsDone += chunk.rows;
    this.#bytesDone += chunk.bytesWritten;
    this.#rowsSkipped += chunk.skipped ?? 0;
    this.#firstRowsAfter ??= chunk.firstRowsAfter;
    if (Date.now() - this.#shownAt >= SHOW_EVERY_MS) this.#show();
  }

  #show(): void {
    this.#shownAt = Date.now();
    const now = this.progress();
    setCurrentDetails(
      [
        `**${now.activity}**: ${now.state}`,
        '',
        '| From | To | Chunks | Rows | Skipped | Bytes written | Rows/s | ETA |',
        '|---|---|---|---|---|---|---|---|',
        `| ${now.from} | ${now.to} | ${now.chunksDone} of ${now.chunksTotal} | ${now.rowsDone} of ${now.rowsTotal} ` +
          `| ${now.rowsSkipped ?? 0} | ${now.bytesDone} | ${this.#pace(now)} |`,
      ].join('\n'),
    );
  }

  /** Rows a second since copying began, and how long the rest takes at that pace. */
  #pace({ rowsDone, rowsTotal, startedAt, state }: CopyProgress): string {
    const seconds = (this.#shownAt - startedAt) / 1000;
    if (startedAt === 0 || seconds <= 0 || rowsDone === 0) return ' | ';
    const rate = rowsDone / seconds;
    const left = state === 'copying' ? `${Math.round(Math.max(0, rowsTotal - rowsDone) / rate)} s` : '';
    return `${Math.round(rate)} | ${left}`;
  }
}
