// How a trigger's windows are shown: to queries, and in Temporal's UI.
import type { Lineage } from './lineage.ts';
import type { TumblingWindowView, WindowView } from './messages.ts';
import { instantText } from './start-values.ts';
import { windowCount } from './windows.ts';

const iso = (instant: number): string => new Date(instant).toISOString();

export function lineageView(lineage: Lineage): TumblingWindowView {
  const { trigger, nextIndex } = lineage;
  const { active, waiting, again, recent, ended } = lineage.state();
  const bounds = (index: number): Pick<WindowView, 'windowStartTime' | 'windowEndTime'> => {
    const { start, end } = lineage.window(index);
    return { windowStartTime: instantText(start), windowEndTime: instantText(end) };
  };
  const current = new Set([...active, ...waiting].map(({ index }) => index).concat(again));
  const windows: (WindowView & { index: number })[] = [
    ...recent
      // A window that ran again has ended more than once: the last time counts.
      .filter(
        ({ index }, at) =>
          !current.has(index) && recent.findLastIndex((other) => other.index === index) === at,
      )
      .map(({ index, status, attempt, start, end, runId, message }) => ({
        index,
        ...bounds(index),
        status,
        attempt,
        start: iso(start),
        end: iso(end),
        ...(runId === undefined ? {} : { runId }),
        ...(message === undefined ? {} : { message }),
      })),
    ...active.map(({ index, attempt, since, retryAt, runId, message }) => ({
      index,
      ...bounds(index),
      status: retryAt === undefined ? ('Running' as const) : ('Retrying' as const),
      attempt,
      start: iso(since),
      ...(runId === undefined ? {} : { runId }),
      ...(message === undefined ? {} : { message }),
    })),
    ...waiting.map(({ index, since }) => ({
      index,
      ...bounds(index),
      status: trigger.dependsOn.length === 0 ? ('Waiting' as const) : ('WaitingOnDependency' as const),
      attempt: 0,
      start: iso(since),
    })),
    ...again
      .slice(0, 100)
      .map((index) => ({ index, ...bounds(index), status: 'Waiting' as const, attempt: 0 })),
  ].sort((a, b) => a.index - b.index);
  return {
    trigger: trigger.name,
    type: trigger.type,
    runtimeState: lineage.started ? 'Started' : 'Stopped',
    maxConcurrency: trigger.maxConcurrency,
    counts: lineage.counts(),
    ...(nextIndex < windowCount(trigger.plan)
      ? { nextWindowStartTime: bounds(nextIndex).windowStartTime }
      : {}),
    windows: windows.map(({ index: _, ...window }) => window),
    ended: ended.map(({ from, to, status }) => ({
      from: bounds(from).windowStartTime,
      to: bounds(to).windowEndTime,
      windows: to - from + 1,
      status,
    })),
  };
}

/** A small table for Temporal's UI. */
export function lineageDetails(lineage: Lineage): string {
  const { Succeeded, Failed, Cancelled } = lineage.counts();
  const { active, waiting, again } = lineage.state();
  const next = instantText(lineage.window(lineage.nextIndex).start);
  return [
    `**${lineage.trigger.name}** is ${lineage.started ? 'started' : 'stopped'}: ${active.length} of ${lineage.trigger.maxConcurrency} windows at work`,
    '',
    `| succeeded | failed | cancelled | waiting | again | next window |`,
    `|--:|--:|--:|--:|--:|---|`,
    `| ${Succeeded} | ${Failed} | ${Cancelled} | ${waiting.length} | ${again.length} | ${next} |`,
    ...(active.length === 0
      ? []
      : [
          '',
          ...active
            .slice(0, 50)
            .map(
              ({ index, attempt }) =>
                `- ${instantText(lineage.window(index).start)}${attempt > 1 ? ` · attempt ${attempt}` : ''}`,
            ),
        ]),
  ].join('\n');
}
