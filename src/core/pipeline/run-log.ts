// The record of a pipeline's activity runs: what progress, details and result are made from.
import type { JsonValue } from '../json.ts';
import type { ActivityRun, ActivityStatus } from '../run.ts';
import type { ActivitySnapshot } from './snapshot.ts';

type Entry = { -readonly [K in keyof ActivityRun]: ActivityRun[K] };

/** Runs that a result and an answer list. Beyond it, iterations of loops that went well are left out. */
const MAX_RUNS = 2000;

/** Characters of outputs that a run carries in its result and answers; Temporal refuses payloads above 2 MB. */
const OUTPUT_BUDGET = 500_000;

export class RunLog {
  private readonly entries: Entry[] = [];
  private readonly sizes = new Map<Entry, number>();

  get size(): number {
    return this.entries.length;
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
      error?: { errorCode: string; message: string };
    },
  ): void {
    const entry = run as Entry;
    entry.end = now;
    entry.status = result.status;
    if (result.error !== undefined) entry.error = result.error;
    if (result.output !== undefined) {
      entry.output = result.output;
      this.sizes.set(entry, JSON.stringify(result.output).length);
    }
  }

  setWorkflowId(run: ActivityRun, workflowId: string): void {
    (run as Entry).workflowId = workflowId;
  }

  /** The runs in the order in which they began, and their outputs, as far as the limits go. */
  runs(): ActivityRun[] {
    let left = OUTPUT_BUDGET;
    return this.listed().map((entry) => {
      left -= this.sizes.get(entry) ?? 0;
      if (left >= 0 || entry.output === undefined) return { ...entry };
      const { output: _, ...rest } = entry;
      return rest;
    });
  }

  private listed(): Entry[] {
    let surplus = this.entries.length - MAX_RUNS;
    if (surplus <= 0) return this.entries;
    return this.entries.filter((entry) => {
      const dull = entry.item !== undefined && (entry.status === 'Succeeded' || entry.status === 'Skipped');
      return !dull || surplus-- <= 0;
    });
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
