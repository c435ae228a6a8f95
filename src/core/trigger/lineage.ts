// A tumbling window trigger's windows: which may begin now, in which order, and how they ended. Decides, starts nothing.
import type { WindowRange } from './activities.ts';
import type { TumblingWindowTrigger, WindowDependency } from './trigger.ts';
import { type EndedRange, type EndedStatus, WindowLog } from './window-log.ts';
import { type Window, windowAt, windowCount, windowsWithin } from './windows.ts';

/** A window whose run goes on, or waits for its next attempt. Times in ms since epoch. */
export interface ActiveWindow {
  readonly index: number;
  /** From 1. */
  readonly attempt: number;
  readonly since: number;
  /** Whether the window had ended before and was asked for again. */
  readonly again: boolean;
  readonly workflowId?: string;
  readonly runId?: string;
  /** Set while it waits for its next attempt. */
  readonly retryAt?: number;
  readonly cancelRequested?: boolean;
  readonly message?: string;
}

/** A window whose time has come, and that waits for others. */
export interface WaitingWindow {
  readonly index: number;
  readonly since: number;
  /** Places in dependsOn that are known to be fulfilled. */
  readonly fulfilled: readonly number[];
}

/** One that has ended lately. */
export interface EndedWindow {
  readonly index: number;
  readonly status: EndedStatus;
  readonly attempt: number;
  readonly start: number;
  readonly end: number;
  readonly runId?: string;
  readonly message?: string;
}

/** Everything that a trigger's workflow knows. */
export interface LineageState {
  readonly started: boolean;
  /** Windows below have been looked at: they wait, go on or have ended. */
  readonly next: number;
  readonly ended: readonly EndedRange[];
  readonly active: readonly ActiveWindow[];
  readonly waiting: readonly WaitingWindow[];
  /** Windows that are to run again, oldest first. */
  readonly again: readonly number[];
  readonly recent: readonly EndedWindow[];
  /** Triggers that wait for windows of this one. */
  readonly watchers: readonly string[];
}

export const emptyLineage = (started: boolean): LineageState => ({
  started,
  next: 0,
  ended: [],
  active: [],
  waiting: [],
  again: [],
  recent: [],
  watchers: [],
});

/** Data Factory's: a window that has waited so long for others has failed. */
export const DEPENDENCY_PATIENCE = 7 * 86_400_000;

/** Windows that may wait for others at a time; further ones are looked at when these have begun. */
const MAX_WAITING = 100;
const MAX_RECENT = 100;
/** Windows that may be asked for again at a time. */
const MAX_AGAIN = 10_000;

/** What is to be begun. */
export interface Beginning {
  readonly window: Window;
  readonly attempt: number;
  readonly again: boolean;
}

export class Lineage {
  trigger: TumblingWindowTrigger;
  started: boolean;
  private next: number;
  private readonly log: WindowLog;
  private readonly active: Map<number, ActiveWindow>;
  private waiting: WaitingWindow[];
  private again: number[];
  private recent: EndedWindow[];
  private readonly watchers: Set<string>;

  constructor(trigger: TumblingWindowTrigger, state: LineageState) {
    this.trigger = trigger;
    this.started = state.started;
    this.next = state.next;
    this.log = new WindowLog(state.ended);
    this.active = new Map(state.active.map((window) => [window.index, window]));
    this.waiting = [...state.waiting];
    this.again = [...state.again];
    this.recent = [...state.recent];
    this.watchers = new Set(state.watchers);
  }

  state(): LineageState {
    return {
      started: this.started,
      next: this.next,
      ended: this.log.ranges(),
      active: [...this.active.values()],
      waiting: this.waiting,
      again: this.again,
      recent: this.recent,
      watchers: [...this.watchers],
    };
  }

  activeWindows(): ActiveWindow[] {
    return [...this.active.values()];
  }

  /** Takes the next window that may begin now, oldest first, and counts it as active. */
  take(now: number): Beginning | undefined {
    for (const window of this.active.values()) {
      if (window.retryAt === undefined || window.retryAt > now) continue;
      const { retryAt: _, ...rest } = window;
      const attempt = window.attempt + 1;
      this.active.set(window.index, { ...rest, attempt });
      return { window: this.window(window.index), attempt, again: window.again };
    }
    if (!this.started || this.active.size >= this.trigger.maxConcurrency) return undefined;
    const index = this.again.shift();
    if (index !== undefined) {
      this.log.clear(index);
      return this.begin(index, now, true);
    }
    this.lookAhead(now);
    const at = this.waiting.findIndex((entry) => this.isFulfilled(entry));
    const [entry] = at < 0 ? [] : this.waiting.splice(at, 1);
    return entry === undefined ? undefined : this.begin(entry.index, now, false);
  }

  private begin(index: number, now: number, again: boolean): Beginning {
    this.active.set(index, { index, attempt: 1, since: now, again });
    return { window: this.window(index), attempt: 1, again };
  }

  /** Windows whose time has come begin to wait for others; those that have waited too long have failed. */
  private lookAhead(now: number): void {
    for (const { index, since } of this.waiting.filter((entry) => now - entry.since >= DEPENDENCY_PATIENCE)) {
      this.waiting = this.waiting.filter((entry) => entry.index !== index);
      const message = 'The windows that it depends on have not all succeeded in 7 days.';
      this.note({ index, status: 'Failed', attempt: 0, start: since, end: now, message });
    }
    const places = this.trigger.dependsOn.length === 0 ? 1 : MAX_WAITING;
    const count = windowCount(this.trigger.plan);
    while (this.waiting.length < places && this.next < count && this.dueAt(this.next) <= now) {
      const index = this.next++;
      // It was cancelled before its time came.
      if (this.log.get(index) === undefined) this.waiting.push({ index, since: now, fulfilled: [] });
    }
  }

  private isFulfilled({ index, fulfilled }: WaitingWindow): boolean {
    return this.trigger.dependsOn.every(
      (dependency, place) => fulfilled.includes(place) || this.isOwnFulfilled(dependency, index),
    );
  }

  /** Of a dependency on the trigger's own windows: earlier ones, as far as there are any. */
  private isOwnFulfilled(dependency: WindowDependency, index: number): boolean {
    if (dependency.trigger !== undefined) return false;
    const { from, to } = this.range(dependency, index);
    const { first, end } = windowsWithin(this.trigger.plan, from, to);
    return this.log.allSucceeded(first, Math.min(end, index));
  }

  private range({ offset, size }: WindowDependency, index: number): { from: number; to: number } {
    const window = this.window(index);
    const from = window.start + offset;
    return { from, to: from + (size ?? window.end - window.start) };
  }

  /** What waiting windows still need of other triggers. */
  needs(): (WindowRange & { readonly index: number; readonly place: number })[] {
    if (!this.started) return [];
    return this.waiting.flatMap((entry) =>
      this.trigger.dependsOn.flatMap((dependency, place) =>
        dependency.trigger === undefined || entry.fulfilled.includes(place)
          ? []
          : [
              {
                index: entry.index,
                place,
                trigger: dependency.trigger,
                ...this.range(dependency, entry.index),
              },
            ],
      ),
    );
  }

  fulfil(index: number, place: number): void {
    this.waiting = this.waiting.map((entry) =>
      entry.index === index ? { ...entry, fulfilled: [...entry.fulfilled, place] } : entry,
    );
  }

  /** The run that an active window has got. */
  running(index: number, run: { readonly workflowId: string; readonly runId: string }): void {
    const window = this.active.get(index);
    if (window !== undefined) this.active.set(index, { ...window, ...run });
  }

  succeeded(index: number, now: number): void {
    this.end(index, 'Succeeded', now);
  }

  cancelled(index: number, now: number): void {
    this.end(index, 'Cancelled', now, 'The run was cancelled.');
  }

  /** An attempt failed: another follows where the retry policy allows it. */
  failed(index: number, now: number, message: string, retryable = true): void {
    const window = this.active.get(index);
    if (window === undefined) return;
    if (window.cancelRequested === true) this.end(index, 'Cancelled', now, message);
    else if (!retryable || window.attempt > this.trigger.retry.count) this.end(index, 'Failed', now, message);
    else {
      const retryAt = now + this.trigger.retry.intervalSeconds * 1000;
      this.active.set(index, { ...window, retryAt, message });
    }
  }

  private end(index: number, status: EndedStatus, now: number, message?: string): void {
    const window = this.active.get(index);
    if (window === undefined) return;
    this.active.delete(index);
    const { attempt, since, runId } = window;
    this.note({
      index,
      status,
      attempt,
      start: since,
      end: now,
      ...(runId === undefined ? {} : { runId }),
      ...(message === undefined ? {} : { message }),
    });
  }

  private note(ended: EndedWindow): void {
    this.log.set(ended.index, ended.status);
    this.recent = [...this.recent, ended].slice(-MAX_RECENT);
  }

  /** Windows of a range that can run again: those that have ended. */
  endedWithin(first: number, end: number): number[] {
    const found: number[] = [];
    for (const { from, to } of this.log.ranges())
      for (
        let index = Math.max(from, first);
        index <= to && index < end && found.length <= MAX_AGAIN;
        index++
      )
        found.push(index);
    return found;
  }

  /** Why windows cannot run again; undefined where they can. */
  rerunFault(first: number, end: number): string | undefined {
    const count = this.endedWithin(first, end).length;
    if (count === 0) return 'No window there has ended: only one that has can run again.';
    return count > MAX_AGAIN ? `At most ${MAX_AGAIN} windows can be asked for at a time.` : undefined;
  }

  /** Has windows run again that have ended; gives their indexes. */
  rerun(first: number, end: number): number[] {
    const wanted = this.endedWithin(first, end).filter((index) => !this.again.includes(index));
    // A window that was cancelled before its time waits for it as others do.
    const early = wanted.filter((index) => index >= this.next);
    for (const index of early) this.log.clear(index);
    this.again = [...this.again, ...wanted.filter((index) => index < this.next)].sort((a, b) => a - b);
    return wanted;
  }

  /** Cancels windows that have not ended, also ones to come; gives those with a run that has to be told. */
  cancel(first: number, end: number, now: number): { cancelled: number[]; running: ActiveWindow[] } {
    const cancelled: number[] = [];
    const running: ActiveWindow[] = [];
    const last = Math.min(end, windowCount(this.trigger.plan), first + MAX_AGAIN);
    for (let index = first; index < last; index++) {
      const window = this.active.get(index);
      if (window === undefined && this.log.get(index) !== undefined && !this.again.includes(index)) continue;
      cancelled.push(index);
      if (window?.retryAt !== undefined || (window !== undefined && window.runId === undefined)) {
        this.active.set(index, { ...window, cancelRequested: true });
        if (window.retryAt !== undefined)
          this.end(index, 'Cancelled', now, 'Cancelled between two attempts.');
      } else if (window !== undefined) {
        this.active.set(index, { ...window, cancelRequested: true });
        running.push(window);
      } else {
        this.waiting = this.waiting.filter((entry) => entry.index !== index);
        this.again = this.again.filter((entry) => entry !== index);
        this.note({ index, status: 'Cancelled', attempt: 0, start: now, end: now });
      }
    }
    return { cancelled, running };
  }

  isCancelRequested(index: number): boolean {
    return this.active.get(index)?.cancelRequested === true;
  }

  watch(trigger: string): void {
    this.watchers.add(trigger);
  }

  unwatch(trigger: string): void {
    this.watchers.delete(trigger);
  }

  watchedBy(): string[] {
    return [...this.watchers];
  }

  /** Whether all windows in a span have succeeded, as far as this trigger has windows there. */
  hasSucceeded(from: number, to: number): boolean {
    const { first, end } = windowsWithin(this.trigger.plan, from, to);
    return this.log.allSucceeded(first, end);
  }

  /** When something is to be done though nothing happens until then; undefined for never. */
  wakeAt(): number | undefined {
    const times = [...this.active.values()].flatMap(({ retryAt }) =>
      retryAt === undefined ? [] : [retryAt],
    );
    if (this.started && this.active.size < this.trigger.maxConcurrency) {
      times.push(...this.waiting.map(({ since }) => since + DEPENDENCY_PATIENCE));
      const places = this.trigger.dependsOn.length === 0 ? 1 : MAX_WAITING;
      if (this.next < windowCount(this.trigger.plan) && this.waiting.length < places)
        times.push(this.dueAt(this.next));
    }
    return times.length === 0 ? undefined : Math.min(...times);
  }

  private dueAt(index: number): number {
    return this.window(index).end + this.trigger.delay;
  }

  window(index: number): Window {
    return windowAt(this.trigger.plan, index);
  }

  counts(): Record<EndedStatus, number> {
    return {
      Succeeded: this.log.count('Succeeded'),
      Failed: this.log.count('Failed'),
      Cancelled: this.log.count('Cancelled'),
    };
  }

  get nextIndex(): number {
    return this.next;
  }
}

/** Why one definition cannot take another's place while its windows stand; undefined where it can. */
export function editFault(old: TumblingWindowTrigger, edited: TumblingWindowTrigger): string | undefined {
  const fixed = ['frequency', 'interval', 'start'] as const;
  const changed = fixed.filter((key) => old.plan[key] !== edited.plan[key]);
  if (changed.length === 0) return undefined;
  const names = changed.map((key) => (key === 'start' ? 'startTime' : key)).join(', ');
  return `${names} of tumbling window trigger "${old.name}" cannot change, as in Data Factory: its windows would be others. Give the trigger a new name.`;
}
