// What `waybill plan` does: asks a worker what a pipeline's copies would do, and prints it. Nothing is changed.
import { randomUUID } from 'node:crypto';
import { loadSettings } from '../config/settings.ts';
import type { CopyPreview } from '../core/copy/activities.ts';
import { WaybillError } from '../core/errors.ts';
import type { PipelinePlan, PlannedCopy, PlanPipelineInput } from '../core/pipeline/preview.ts';
import { findDefinition } from '../definitions/find.ts';
import { parseParameters } from './commands.ts';
import { connectClient } from './connection.ts';
import { formatCount, formatTable } from './format.ts';
import { type Palette, paletteFor } from './render.ts';

/** After so long without an answer the reader is told what is being waited for. */
const PATIENCE_MS = 5_000;

const mark = (fidelity: string, palette: Palette): string => {
  if (fidelity === 'refused') return palette.red(fidelity);
  return fidelity === 'exact' || fidelity === 'widened' ? fidelity : palette.bold(fidelity);
};

const plural = (count: number, one: string): string =>
  `${formatCount(count)} ${one}${count === 1 ? '' : 's'}`;

function renderPreview(preview: CopyPreview, palette: Palette): string[] {
  const { chunks, partitionColumn, columns, notes, problems } = preview;
  const facts = [
    plural(preview.rows, 'row'),
    `${plural(chunks, 'chunk')}${partitionColumn === undefined ? '' : ` by ${partitionColumn}`}`,
    ...(chunks > 1 ? [`${Math.min(preview.parallelCopies, chunks)} at once`] : []),
    preview.wire === 'rows' ? 'as rows' : `as ${preview.wire}`,
    preview.writeBehavior,
    preview.verified ? 'every chunk verified' : 'not verified',
    ...(preview.creates ? ['creates the target'] : []),
  ];
  const rows = columns.map((column) => [
    column.source,
    column.sourceType,
    `→ ${column.sink}`,
    column.sinkType,
    column.fidelity,
    column.note ?? '',
  ]);
  const [heading = '', ...lines] = formatTable([
    ['column', 'type', '→ column', 'type', 'fidelity', 'notes'],
    ...rows,
  ]);
  return [
    `  ${preview.from} → ${preview.to}`,
    `  ${facts.join(' · ')}`,
    `    ${palette.dim(heading)}`,
    ...lines.map((line, i) => {
      const fidelity = columns[i]?.fidelity ?? '';
      return `    ${line.replace(/( {3})(exact|widened|checked|lossy|refused)(?= {3}|$)/, (_, blank: string) => `${blank}${mark(fidelity, palette)}`)}`;
    }),
    ...notes.map((note) => `  note: ${note}`),
    ...problems.map((problem) => `  ${palette.red('✖')} refused: ${problem}`),
  ];
}

const isRefused = ({ preview, refused }: PlannedCopy): boolean =>
  refused !== undefined || (preview?.problems.length ?? 0) > 0;

/** Every line of a plan. */
export function renderPlan(plan: PipelinePlan, palette: Palette): string[] {
  const lines = plan.copies.flatMap((copy) => {
    const name = copy.item === undefined ? copy.activity : `${copy.activity} · ${copy.item}`;
    const body =
      copy.preview !== undefined
        ? renderPreview(copy.preview, palette)
        : copy.refused !== undefined
          ? [`  ${palette.red('✖')} ${copy.refused.code}  ${copy.refused.message}`]
          : [`  ${palette.dim('?')} cannot be planned before it runs: ${copy.unknown ?? ''}`];
    return [palette.bold(name), ...body, ''];
  });
  const refused = plan.copies.filter(isRefused).length;
  const unknown = plan.copies.filter((copy) => copy.unknown !== undefined).length;
  const runs = plan.runs.map((name) => `runs pipeline ${name}: plan it by itself`);
  const summary = [
    plan.copies.length === 0
      ? 'no Copy activity'
      : plan.copies.length === 1
        ? '1 copy'
        : `${plan.copies.length} copies`,
    ...(refused === 0 ? [] : [`${refused} refused`]),
    ...(unknown === 0 ? [] : [`${unknown} known only when it runs`]),
  ];
  return [...lines, ...runs, `pipeline ${plan.pipeline}: ${summary.join(' · ')}`];
}

/** Plans a pipeline through a worker, which alone can reach its stores. Exit code 1 if a copy would be refused. */
export async function planCommand(name: string, options: { param: string[]; json?: boolean }): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const { kind, name: exact } = findDefinition(settings, name);
  if (kind !== 'pipeline') {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `"${exact}" is a lakehouse pipeline; plan takes pipelines with Copy activities.`,
    );
  }
  const { client, close } = await connectClient();
  const waiting = setTimeout(() => {
    process.stderr.write(`  waiting for a worker on task queue "${settings.taskQueue}" …\n`);
  }, PATIENCE_MS);
  try {
    const input: PlanPipelineInput = { pipeline: exact, parameters: parseParameters(options.param) };
    const plan = await client.workflow.execute<(input: PlanPipelineInput) => Promise<PipelinePlan>>(
      'planPipeline',
      {
        workflowId: `plan/${exact}/${randomUUID()}`,
        taskQueue: settings.taskQueue,
        args: [input],
        workflowExecutionTimeout: '30m',
        staticSummary: `plan of pipeline ${exact}`,
      },
    );
    clearTimeout(waiting);
    if (options.json === true) console.log(JSON.stringify(plan, null, 2));
    else {
      const palette = paletteFor(process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined);
      for (const line of renderPlan(plan, palette)) console.log(line);
    }
    if (plan.copies.some(isRefused)) process.exitCode = 1;
  } finally {
    clearTimeout(waiting);
    await close();
  }
}
