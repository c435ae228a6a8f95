// The demo's closing report: per stage and table what moved, every check, where to look further.

import { formatBytes, formatCount, formatDuration, formatTable } from '../../src/client/format.ts';
import { paletteFor } from '../../src/client/render.ts';
import type { CopyOutput } from '../../src/core/copy.ts';
import type { Check, RunLakehouseOutput } from '../../src/core/run.ts';

export interface ReportedCopy {
  readonly stage: string;
  readonly workflowId: string;
  readonly output: CopyOutput;
}

export interface DemoReport {
  readonly copies: readonly ReportedCopy[];
  readonly lakehouse: RunLakehouseOutput;
  readonly checks: readonly Check[];
  readonly workflowIds: readonly string[];
  readonly uiUrl: string;
  readonly namespace: string;
  readonly milliseconds: number;
  readonly killings: readonly string[];
}

const tableOf = (name: string): string => name.split(/\s+/).pop() ?? name;

function copyRow({ stage, output }: ReportedCopy, green: (text: string) => string): string[] {
  const { VerificationResult } = output.dataConsistencyVerification;
  const verified = VerificationResult === 'Verified' ? green('✔ rows  ✔ content') : VerificationResult;
  return [
    stage,
    `${tableOf(output.waybill.from)} → ${output.waybill.to}`,
    formatCount(output.rowsCopied),
    formatBytes(output.dataWritten),
    output.copyDuration.toFixed(1),
    verified,
  ];
}

/** The report's lines. */
export function renderReport(report: DemoReport, colour: boolean): string[] {
  const palette = paletteFor(colour);
  const rows: string[][] = [['stage', 'table', 'rows', 'bytes', 'seconds', 'checks']];
  for (const copy of report.copies.filter(({ stage }) => stage === 'copy'))
    rows.push(copyRow(copy, palette.green));
  for (const stage of report.lakehouse.stages) {
    for (const copy of report.copies.filter((one) => one.stage === stage.stage))
      rows.push(copyRow(copy, palette.green));
    const seconds =
      stage.start !== undefined && stage.end !== undefined
        ? ((stage.end - stage.start) / 1000).toFixed(1)
        : '';
    const copied = new Set(report.copies.map(({ output }) => output.waybill.to));
    for (const table of stage.tables) {
      if ([...copied].some((name) => name.endsWith(table.table))) continue;
      const files = table.files === undefined ? '' : `${formatCount(table.files)} files`;
      rows.push([
        stage.stage,
        table.table,
        formatCount(table.rows),
        table.bytes === undefined ? '' : formatBytes(table.bytes),
        '',
        files,
      ]);
    }
    const passed = stage.checks.filter((check) => check.passed).length;
    const mark = passed === stage.checks.length ? palette.green('✔') : palette.red('✖');
    rows.push([
      stage.stage,
      palette.dim('whole stage'),
      '',
      '',
      seconds,
      `${mark} ${passed} of ${stage.checks.length} checks`,
    ]);
  }
  for (const copy of report.copies.filter(({ stage }) => stage === 'back'))
    rows.push(copyRow(copy, palette.green));
  const { cluster } = report.lakehouse;
  if (cluster !== undefined) {
    rows.push([
      'cluster',
      `${cluster.id} ${cluster.state.toLowerCase()}`,
      '',
      '',
      cluster.seconds.toFixed(1),
      '',
    ]);
  }
  const failed = report.checks.filter((check) => !check.passed);
  const summary =
    failed.length === 0
      ? palette.green(`all ${report.checks.length} checks passed in ${formatDuration(report.milliseconds)}`)
      : palette.red(`${failed.length} of ${report.checks.length} checks FAILED`);
  return [
    '',
    ...formatTable(rows, [2, 3, 4]).map((line) => `  ${line}`),
    '',
    ...report.killings.map((killing) => `  ${killing}`),
    ...report.checks.map(
      (check) =>
        `  ${check.passed ? palette.green('✔') : palette.red('✖')} ${check.name}   ${palette.dim(check.detail)}`,
    ),
    '',
    summary,
    ...report.workflowIds.map(
      (id) => `  ${report.uiUrl}/namespaces/${report.namespace}/workflows/${encodeURIComponent(id)}`,
    ),
  ];
}
