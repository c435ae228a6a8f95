// The `validate` command: every problem of a factory at once.
import { loadSettings } from '../config/settings.ts';
import { printReport } from '../definitions/print-report.ts';
import { validateFactory } from '../definitions/validate.ts';

export function validateCommand(directory: string | undefined, options: { json?: boolean }): void {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const report = validateFactory(directory ?? settings.factoryDirectory, settings);
  if (options.json === true) console.log(JSON.stringify(report, null, 2));
  else process.stdout.write(printReport(report));
  if (report.errors.length > 0) process.exitCode = 1;
}
