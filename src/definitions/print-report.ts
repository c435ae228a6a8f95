// Prints a validation report for people: one block a place, then one line that sums up.
import type { Problem } from './problem.ts';
import type { PipelineVerdict, Report } from './validate.ts';

/** The report as lines of text. `paint` may colour a severity; without it the text is plain. */
export function printReport(
  report: Report,
  paint: (severity: Problem['severity'], text: string) => string = (_, text) => text,
): string {
  const lines: string[] = [];
  const problems = [...report.errors, ...report.warnings].sort((a, b) =>
    a.file < b.file ? -1 : a.file > b.file ? 1 : 0,
  );
  let place = '';
  for (const problem of problems) {
    const where = problem.pointer === '' ? problem.file : `${problem.file}  ${problem.pointer}`;
    if (where !== place) lines.push(where);
    place = where;
    const advice = problem.advice === undefined ? '' : ` ${problem.advice}`;
    const severity = paint(problem.severity, problem.severity.padEnd(7));
    lines.push(`  ${severity} ${problem.code.padEnd(17)} ${problem.reason}${advice}`);
  }
  if (lines.length > 0) lines.push('');
  for (const pipeline of report.pipelines) {
    if (pipeline.verdict !== 'runnable') lines.push(`${pipeline.verdict.padEnd(11)} ${pipeline.name}`);
  }
  lines.push(summary(report));
  return `${lines.join('\n')}\n`;
}

function summary(report: Report): string {
  const count = (verdict: PipelineVerdict['verdict']): number =>
    report.pipelines.filter((pipeline) => pipeline.verdict === verdict).length;
  const verdicts = (['runnable', 'unsupported', 'invalid'] as const)
    .filter((verdict) => verdict === 'runnable' || count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${verdict}`);
  return [
    plural(report.resources, 'resource'),
    `${plural(report.pipelines.length, 'pipeline')}: ${verdicts.join(', ')}`,
    `${plural(report.errors.length, 'error')}, ${plural(report.warnings.length, 'warning')}`,
  ].join(' · ');
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
