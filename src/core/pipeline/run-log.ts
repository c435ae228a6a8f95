// The record of a pipeline's activity runs: what progress, details and result are made from.
import type { JsonValue } from '../json.ts';
import type { ActivityRun, ActivityStatus } from '../run.ts';
import type { ActivitySnapshot } from './snapshot.ts';

type Entry = { -readonly [K in keyof ActivityRun]: ActivityRun[K] };

/** Characters of outputs that a run carries in its result and answers; Temporal refuses payloads above 2 MB. */
const OUTPUT_BUDGET = 500_000;

export class RunLog {
  private readonly entries: Entry[] = [];
  private readonly sizes = new Map<Entry, number>();

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

  /** Every run, in the order in which they began; outputs as far as the budget goes. */
  runs(): ActivityRun[] {
    let left = OUTPUT_BUDGET;
    return this.entries.map((entry) => {
      left -= this.sizes.get(entry) ?? 0;
      if (left >= 0 || entry.output === undefined) return { ...entry };
      const { output: _, ...rest } = entry;
      return rest;
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
