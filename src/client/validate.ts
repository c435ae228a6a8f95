// The `validate` command: every problem of a factory at once.
import { loadSettings } from '../config/settings.ts';
import { printCoverage } from '../definitions/coverage.ts';
import { printReport } from '../definitions/print-report.ts';
import { examineFactory } from '../definitions/validate.ts';

export function validateCommand(directory: string | undefined, options: { json?: boolean }): void {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const { report, coverage } = examineFactory(directory ?? settings.factoryDirectory, settings);
  if (options.json === true) console.log(JSON.stringify(report, null, 2));
  else process.stdout.write(`${printCoverage(coverage)}\n${printReport(report)}`);
  if (report.errors.length > 0) process.exitCode = 1;
}
