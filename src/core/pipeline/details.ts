// The markdown table that a running pipeline shows in the Temporal UI.
import type { ActivityRun } from '../run.ts';

const MARKS: Readonly<Record<ActivityRun['status'], string>> = {
  Queued: '·',
  InProgress: '●',
  Succeeded: '✔',
  Failed: '✖',
  Cancelled: '■',
  Skipped: '–',
  Inactive: '–',
};

const MAX_ROWS = 40;

/**
 * The activities as a table, newest last; of many, those that run or failed come first. `now` in ms since epoch;
 * `unlisted` counts those that ended well and are not among `runs` any more.
 */
export function pipelineDetails(
  pipeline: string,
  runs: readonly ActivityRun[],
  now: number,
  unlisted = 0,
): string {
  const rank = (run: ActivityRun): number =>
    run.status === 'Failed' ? 0 : run.status === 'InProgress' ? 1 : 2;
  const shown =
    runs.length <= MAX_ROWS ? runs : [...runs].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_ROWS);
  const done = runs.filter((run) => run.end !== undefined).length;
  const lines = [
    `**${cell(pipeline)}**: ${done + unlisted} of ${runs.length + unlisted} activities done`,
    '',
    '| | activity | type | took | result |',
    '|---|---|---|---|---|',
    ...shown.map(
      (run) =>
        `| ${MARKS[run.status]} | ${cell(nameOf(run))} | ${run.activityType} | ${took(run, now)} | ${cell(resultOf(run))} |`,
    ),
  ];
  const more = runs.length + unlisted - shown.length;
  if (more > 0) lines.push('', `and ${more} more`);
  return lines.join('\n');
}

const nameOf = (run: ActivityRun): string =>
  run.item === undefined ? run.activityName : `${run.activityName} ${run.item}`;

const cell = (text: string): string => text.replace(/[|\r\n]+/g, ' ').slice(0, 160);

function took(run: ActivityRun, now: number): string {
  if (run.start === undefined) return '';
  const seconds = Math.max(0, Math.round(((run.end ?? now) - run.start) / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
}

function resultOf(run: ActivityRun): string {
  if (run.error !== undefined) return `${run.error.errorCode}: ${run.error.message}`;
  const output = run.output;
  if (typeof output !== 'object' || output === null || Array.isArray(output)) return '';
  const rows = output['rowsCopied'];
  if (typeof rows === 'number') return `${String(rows).replace(/\B(?=(\d{3})+$)/g, ',')} rows`;
  return '';
}
