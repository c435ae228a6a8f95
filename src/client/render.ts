// A run's snapshot as lines of text: the same for the live block on a terminal and for `waybill status`.
import type { ActivityRun, LakehouseProgress, PipelineProgress, StageReport } from '../core/run.ts';
import { formatBar, formatBytes, formatCost, formatCount, formatDuration, formatRate } from './format.ts';
import { renderDbt } from './render-dbt.ts';
import type { CopySnapshot, RunSnapshot } from './snapshot.ts';

/** Colour only where a terminal has it. */
export interface Palette {
  readonly green: (text: string) => string;
  readonly red: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

const wrap = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;
const same = (text: string): string => text;

export const paletteFor = (colour: boolean): Palette =>
  colour
    ? { green: wrap(32), red: wrap(31), dim: wrap(2), bold: wrap(1) }
    : { green: same, red: same, dim: same, bold: same };

/** "flights": the last part of the copy's id, which is its item or its activity. */
export const shortName = (copy: CopySnapshot): string =>
  copy.workflowId.split('/').pop() ?? copy.progress.activity;

/** " · 3 in flight (41,200 rows)": chunks at work, and the rows they have moved so far. */
const inFlight = ({ inFlight: chunks, rowsInFlight }: CopySnapshot): string =>
  chunks.length === 0 ? '' : ` · ${chunks.length} in flight (${formatCount(rowsInFlight)} rows)`;

const skipped = ({ progress }: CopySnapshot): string =>
  (progress.rowsSkipped ?? 0) > 0 ? ` · ${formatCount(progress.rowsSkipped ?? 0)} skipped` : '';

export function renderCopy(copy: CopySnapshot, now: number, width: number, palette: Palette): string {
  const { progress } = copy;
  const name = shortName(copy).padEnd(width);
  const elapsed = progress.startedAt > 0 ? Math.max(1, now - progress.startedAt) : 1;
  const rows = Math.min(
    progress.rowsDone + copy.rowsInFlight,
    Math.max(progress.rowsTotal, progress.rowsDone),
  );
  switch (progress.state) {
    case 'planning':
      return `  ${name}  ${palette.dim('planning')}   ${progress.from} → ${progress.to}`;
    case 'done':
      return `  ${name}  ${palette.green('✔')} ${formatCount(progress.rowsDone)} rows · ${formatBytes(progress.bytesDone)} · ${progress.verified ? 'verified' : 'not verified'}${skipped(copy)}   ${palette.dim(`${progress.from} → ${progress.to}`)}`;
    case 'failed':
      return `  ${name}  ${palette.red('✖')} stopped after ${formatCount(progress.rowsDone)} rows · chunk ${progress.chunksDone} of ${progress.chunksTotal}`;
    case 'publishing':
      return `  ${name}  ${formatBar(1, 1)} 100 %   ${formatCount(progress.rowsDone)} rows · publishing`;
    case 'copying': {
      const rate = (rows / elapsed) * 1000;
      const left = Math.max(0, progress.rowsTotal - rows);
      const eta = rate > 0 ? `eta ${formatDuration((left / rate) * 1000)}` : 'starting';
      const share = progress.rowsTotal > 0 ? Math.floor((100 * rows) / progress.rowsTotal) : 0;
      const line = `  ${name}  ${formatBar(rows, progress.rowsTotal)} ${String(share).padStart(3)} %   ${formatCount(rows)} rows · ${formatBytes(progress.bytesDone + copy.bytesInFlight)} · ${formatRate(rate)} · ${eta} · chunk ${progress.chunksDone} of ${progress.chunksTotal}${inFlight(copy)}${skipped(copy)}`;
      return copy.lastFailure === undefined
        ? line
        : `${line} ${palette.dim(`· retrying: ${copy.lastFailure}`)}`;
    }
  }
}

const stageMark = (state: StageReport['state'], palette: Palette): string => {
  if (state === 'done') return palette.green('✔');
  if (state === 'failed') return palette.red('✖');
  if (state === 'compensated') return palette.red('↶');
  return state === 'running' ? '●' : palette.dim('·');
};

function renderStage(stage: StageReport, now: number, palette: Palette): string {
  const seconds = stage.start === undefined ? '' : formatDuration((stage.end ?? now) - stage.start);
  const passed = stage.checks.filter((check) => check.passed).length;
  const checks = stage.checks.length === 0 ? '' : ` · ${passed} of ${stage.checks.length} checks`;
  return `  ${stage.stage.padEnd(9)} ${stageMark(stage.state, palette)}  ${`${stage.doing}${checks}`.padEnd(64)} ${seconds}`.trimEnd();
}

const activityMark = (run: ActivityRun, palette: Palette): string => {
  if (run.status === 'Succeeded') return palette.green('✔');
  if (run.status === 'Failed' || run.status === 'Cancelled') return palette.red('✖');
  return run.status === 'InProgress' ? '●' : palette.dim('·');
};

const CONTAINERS = new Set(['ForEach', 'IfCondition', 'Switch', 'Until']);

function renderPipeline(
  progress: PipelineProgress,
  snapshot: RunSnapshot,
  now: number,
  palette: Palette,
): string[] {
  const lines: string[] = [];
  if (progress.status === 'Queued')
    lines.push(`  ${palette.dim('·')} queued: the pipeline's "concurrency" allows no further run now`);
  for (const run of progress.activities) {
    if (
      run.workflowId?.includes('/copy/') &&
      snapshot.copies.some((copy) => copy.workflowId === run.workflowId)
    ) {
      continue;
    }
    // While copies run, the loop around them has nothing to add.
    if (run.status === 'InProgress' && CONTAINERS.has(run.activityType) && snapshot.copies.length > 0)
      continue;
    const seconds = run.start === undefined ? '' : formatDuration((run.end ?? now) - run.start);
    const error = run.error === undefined ? '' : ` ${run.error.errorCode}: ${run.error.message}`;
    lines.push(
      `  ${activityMark(run, palette)} ${run.activityName} (${run.activityType}) ${run.status} ${seconds}${error}`.trimEnd(),
    );
  }
  const dbts = snapshot.dbts.flatMap((dbt) => renderDbt(dbt, palette));
  return [...renderCopies(snapshot, now, palette), ...lines, ...dbts];
}

function renderCopies(snapshot: RunSnapshot, now: number, palette: Palette): string[] {
  const width = Math.max(0, ...snapshot.copies.map((copy) => shortName(copy).length));
  return snapshot.copies.map((copy) => renderCopy(copy, now, width, palette));
}

function renderLakehouse(
  progress: LakehouseProgress,
  snapshot: RunSnapshot,
  now: number,
  palette: Palette,
): string[] {
  const lines: string[] = [];
  for (const stage of progress.stages) {
    lines.push(renderStage(stage, now, palette));
    // What dbt built and found is the stage's result: it stays.
    const dbts = snapshot.dbts.filter((dbt) => stage.children.includes(dbt.workflowId));
    lines.push(...dbts.flatMap((dbt) => renderDbt(dbt, palette)).map((line) => `  ${line}`));
    if (stage.state !== 'running') continue;
    const copies = snapshot.copies.filter((copy) => stage.children.includes(copy.workflowId));
    lines.push(...renderCopies({ ...snapshot, copies }, now, palette).map((line) => `  ${line}`));
  }
  if (progress.cluster !== undefined) {
    lines.push(`  cluster      ${progress.cluster.id} ${progress.cluster.state.toLowerCase()}`);
  }
  if (progress.cost !== undefined) lines.push(`  cost         ${formatCost(progress.cost)}`);
  if (progress.budget === 'paused')
    lines.push(
      palette.red(
        `  paused by its budget: waybill budget resume ${snapshot.workflowId} --amount <new amount>`,
      ),
    );
  for (const { title, told, failed } of progress.alerts ?? []) {
    const where = [...told, ...failed.map((why) => `not ${why}`)].join(', ');
    lines.push(`  ${palette.red('⚠')} ${title}${where === '' ? '' : palette.dim(`   (${where})`)}`);
  }
  for (const note of progress.notes ?? []) lines.push(palette.dim(`  ${note}`));
  return lines;
}

/** Every line of a run's state, without its heading. */
export function renderSnapshot(snapshot: RunSnapshot, now: number, palette: Palette): string[] {
  const { progress } = snapshot;
  if (progress === undefined) {
    return snapshot.status === 'RUNNING'
      ? ['  waiting for a worker: the run goes on as soon as one is there']
      : [`  ${snapshot.status}`];
  }
  switch (progress.kind) {
    case 'pipeline':
      return renderPipeline(progress, snapshot, now, palette);
    case 'lakehouse':
      return renderLakehouse(progress, snapshot, now, palette);
    case 'copy':
      return renderCopies(snapshot, now, palette);
    case 'dbt':
      return snapshot.dbts.flatMap((dbt) => renderDbt(dbt, palette));
  }
}
