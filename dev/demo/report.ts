// The demo's closing report: per stage and table what moved, every check, where to look further.

import { formatBytes, formatCount, formatDuration, formatTable } from '../../src/client/format.ts';
import { type Palette, paletteFor } from '../../src/client/render.ts';
import { nodeName } from '../../src/client/render-dbt.ts';
import type { CopyOutput } from '../../src/core/copy.ts';
import type { DbtProgress } from '../../src/core/dbt.ts';
import type { Check, RunLakehouseOutput } from '../../src/core/run.ts';

export interface ReportedCopy {
  readonly stage: string;
  readonly workflowId: string;
  readonly output: CopyOutput;
}

/** A run of dbt within a stage. */
export interface ReportedDbt {
  readonly stage: string;
  readonly progress: DbtProgress;
}

export interface DemoReport {
  readonly copies: readonly ReportedCopy[];
  readonly dbts: readonly ReportedDbt[];
  /** Rows of what dbt built, counted in the warehouse itself, by the node's name. */
  readonly martRows: Readonly<Record<string, number>>;
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

/**
 * What failed, in full; of what passed, the checks against something outside the workflows, and how many of the others.
 * The table above counts those by stage already.
 */
function renderChecks(checks: readonly Check[], palette: Palette): string[] {
  const byWorkflows = /^(copy|ingest|process|load|serve|optimize|back): /;
  const inside = checks.filter((check) => check.passed && byWorkflows.test(check.name)).length;
  const outside = checks.filter((check) => !check.passed || !byWorkflows.test(check.name));
  return [
    `  ${palette.green('✔')} ${inside} checks by the workflows   ${palette.dim('rows and content of every copy, rows and invariants of every stage')}`,
    ...outside.map(
      (check) =>
        `  ${check.passed ? palette.green('✔') : palette.red('✖')} ${check.name}   ${palette.dim(check.detail)}`,
    ),
  ];
}

/** What dbt built, each by name, and its tests in one line for each call. */
function dbtRows({ stage, progress }: ReportedDbt, report: DemoReport, palette: Palette): string[][] {
  return progress.calls.flatMap(({ command, nodes }) => {
    const built = nodes.filter(({ node }) => /^(model|seed|snapshot)\./.test(node));
    const others = nodes.filter((node) => !built.includes(node));
    const passed = others.filter(({ status }) => status === 'pass' || status === 'success');
    const seconds = others.reduce((sum, node) => sum + node.seconds, 0);
    const mark = passed.length === others.length ? palette.green('✔') : palette.red('✖');
    const kind = others.some(({ node }) => node.startsWith('source.')) ? 'sources fresh' : 'tests passed';
    return [
      ...built.map(({ node, status, seconds: took }) => {
        const rows = report.martRows[nodeName(node).split(' ')[1] ?? ''];
        const good = status === 'success' ? palette.green('✔') : palette.red('✖');
        return [
          stage,
          `dbt ${nodeName(node)}`,
          rows === undefined ? '' : formatCount(rows),
          '',
          took.toFixed(1),
          `${good} ${status}`,
        ];
      }),
      ...(others.length === 0
        ? []
        : [
            [
              stage,
              palette.dim(`dbt ${command}`),
              '',
              '',
              seconds.toFixed(1),
              `${mark} ${passed.length} of ${others.length} ${kind}`,
            ],
          ]),
    ];
  });
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
    const copies = new Set(report.copies.map(({ workflowId }) => workflowId.split('/').pop()));
    for (const table of stage.tables) {
      // A copy is in the table above, with both of its ends.
      if (copies.has(table.table)) continue;
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
    for (const dbt of report.dbts.filter((one) => one.stage === stage.stage))
      rows.push(...dbtRows(dbt, report, palette));
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
    ...renderChecks(report.checks, palette),
    '',
    summary,
    ...report.workflowIds.map(
      (id) => `  ${report.uiUrl}/namespaces/${report.namespace}/workflows/${encodeURIComponent(id)}`,
    ),
  ];
}
