// A run of dbt as lines of text: one for each call of dbt, what is at work, and what failed with what it said.
import { type DbtCall, failedNodes } from '../core/dbt.ts';
import type { Palette } from './render.ts';
import type { DbtSnapshot } from './snapshot.ts';

/** Failed nodes that are listed. */
const LISTED = 10;

/** "model mart_carriers": a node's kind and name; a test's id ends in a hash that says nothing. */
export function nodeName(uniqueId: string): string {
  const [kind = '', , ...rest] = uniqueId.split('.');
  return `${kind} ${(kind === 'test' || kind === 'unit_test' ? rest.slice(0, 1) : rest).join('.')}`.trim();
}

const counted = ({ counts }: DbtCall): string =>
  Object.entries(counts)
    .map(([status, nodes]) => `${nodes} ${status}`)
    .join(', ') || 'done';

/** Lines of a run of dbt, each beginning with its name, so that they can be told apart in a stage with several. */
export function renderDbt({ progress, beat }: DbtSnapshot, palette: Palette): string[] {
  const lines: string[] = [];
  for (const call of progress.calls) {
    const failed = failedNodes(call.nodes);
    const mark = failed.length === 0 ? palette.green('✔') : palette.red('✖');
    const again = call.attempt > 1 ? ` · attempt ${call.attempt}` : '';
    lines.push(`  ${progress.name} ${mark} dbt ${call.command}   ${counted(call)}${again}`);
    for (const { node, message } of failed.slice(0, LISTED))
      lines.push(`    ${palette.red(nodeName(node))}  ${(message ?? 'failed').replace(/\s+/g, ' ')}`);
    if (failed.length > LISTED) lines.push(`    and ${failed.length - LISTED} more`);
  }
  if (progress.status !== 'InProgress' || progress.doing === '') return lines;
  const doing = [`  ${progress.name} ● dbt ${progress.doing}`];
  if (beat !== undefined) {
    doing.push(`${beat.done} done`);
    if (beat.running.length > 0) doing.push(beat.running.map(nodeName).join(', '));
  }
  return [...lines, doing.join(' · ')];
}
