// The record of a pipeline's activity runs: what progress, details and result are made from.
import type { JsonObject, JsonValue } from '../json.ts';
import type { ActivityRun, ActivityRunError, ActivityStatus } from '../run.ts';
import type { ActivitySnapshot } from './snapshot.ts';

type Entry = { -readonly [K in keyof ActivityRun]: ActivityRun[K] };

/** Runs that a result and an answer list. Beyond it, iterations of loops that went well are left out. */
const MAX_RUNS = 2000;

/** Characters of outputs that a run carries in its result and answers; Temporal refuses payloads above 2 MB. */
const OUTPUT_BUDGET = 500_000;

export class RunLog {
  private entries: Entry[] = [];
  private readonly sizes = new Map<Entry, number>();
  private left = 0;
  private pruneAt = 2 * MAX_RUNS;

  /** Runs noted so far, also those that are no longer listed. */
  get size(): number {
    return this.entries.length + this.left;
  }

  /** Runs that ended well and are no longer listed. */
  get unlisted(): number {
    return this.left;
  }

  /** Notes that an activity began, and returns its entry. */
  begin(activity: ActivitySnapshot, item: string | undefined, now: number): ActivityRun {
    return this.add(activity, item, { status: 'InProgress', start: now });
  }

  /** Notes an activity that is not going to run. */
  pass(activity: ActivitySnapshot, item: string | undefined, status: 'Skipped' | 'Inactive'): ActivityRun {
    return this.add(activity, item, { status });
  }

  /** Notes how an activity ended. */
  end(
    run: ActivityRun,
    now: number,
    result: {
      status: ActivityStatus;
      output?: JsonValue;
      error?: ActivityRunError;
    },
  ): void {
    const entry = run as Entry;
    entry.end = now;
    entry.status = result.status;
    if (result.error !== undefined) entry.error = result.error;
    if (result.output !== undefined) {
      entry.output = result.output;
      this.measure(entry, result.output);
    }
    this.prune();
  }

  /** Notes what an activity was given, evaluated. */
  setInput(run: ActivityRun, input: JsonValue): void {
    (run as Entry).input = input;
    this.measure(run as Entry, input);
  }

  setUserProperties(run: ActivityRun, properties: JsonObject): void {
    (run as Entry).userProperties = properties;
  }

  /** Notes that an attempt after the first one began: 1 for the second attempt. */
  setRetryAttempt(run: ActivityRun, attempt: number): void {
    (run as Entry).retryAttempt = attempt;
  }

  /** Notes a child workflow that runs iterations of this loop. */
  addSlice(run: ActivityRun, workflowId: string): void {
    const entry = run as Entry;
    entry.slices = [...(entry.slices ?? []), workflowId];
  }

  /** Counts activities that child workflows ran. */
  addUnlisted(count: number): void {
    this.left += count;
  }

  /** Takes over what an earlier run, or an earlier part of this one, had noted. */
  adopt(runs: readonly ActivityRun[]): void {
    for (const run of runs) {
      const entry = { ...run };
      this.entries.push(entry);
      for (const part of [entry.input, entry.output]) if (part !== undefined) this.measure(entry, part);
    }
  }

  setWorkflowId(run: ActivityRun, workflowId: string): void {
    (run as Entry).workflowId = workflowId;
  }

  /** The runs in the order in which they began, with inputs and outputs as far as `budget` characters go. */
  runs(budget = OUTPUT_BUDGET): ActivityRun[] {
    let left = budget;
    return listed(this.entries, MAX_RUNS).map((entry) => {
      const size = (this.sizes.get(entry) ?? 0) + (entry.error?.message.length ?? 0);
      // One that is too large leaves the room to those after it.
      if (size <= left) {
        left -= size;
        return { ...entry };
      }
      const { output: _, input: __, error, ...rest } = entry;
      if (error === undefined) return rest;
      return { ...rest, error: { errorCode: error.errorCode, message: error.message.slice(0, 200) } };
    });
  }

  private measure(entry: Entry, value: JsonValue): void {
    const length = JSON.stringify(value)?.length ?? 0;
    this.sizes.set(entry, (this.sizes.get(entry) ?? 0) + length);
  }

  /** Forgets what is not listed any more: a loop of 100,000 iterations must not fill the worker's memory. */
  private prune(): void {
    if (this.entries.length <= this.pruneAt) return;
    const kept = listed(this.entries, MAX_RUNS);
    this.left += this.entries.length - kept.length;
    const keep = new Set(kept);
    for (const entry of this.entries) if (!keep.has(entry)) this.sizes.delete(entry);
    this.entries = kept;
    this.pruneAt = Math.max(this.pruneAt, 2 * kept.length);
  }

  private add(activity: ActivitySnapshot, item: string | undefined, rest: Partial<Entry>): ActivityRun {
    const entry: Entry = {
      activityName: activity.name,
      activityType: activity.type,
      status: 'Queued',
      ...(item === undefined ? {} : { item }),
      ...rest,
    };
    this.entries.push(entry);
    return entry;
  }
}

/**
 * At most `limit` entries, as far as iterations of loops can be left out: first those that went well, the oldest first;
 * then the failed ones between the first and the last. What runs, and what is in no loop, stays.
 */
function listed(entries: Entry[], limit: number): Entry[] {
  let surplus = entries.length - limit;
  if (surplus <= 0) return entries;
  const notable = entries.filter((entry) => {
    const dull = entry.item !== undefined && (entry.status === 'Succeeded' || entry.status === 'Skipped');
    return !dull || surplus-- <= 0;
  });
  surplus = notable.length - limit;
  if (surplus <= 0) return notable;
  let seen = 0;
  return notable.filter((entry) => {
    if (entry.item === undefined || entry.status === 'InProgress') return true;
    seen++;
    return seen <= limit / 2 || seen > limit / 2 + surplus;
  });
}
