// dbt in an environment of its own, pinned by hash, made where dbt is first run.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, projectPath, shortHash } from '../cache.ts';
import { buildOnce } from './build-once.ts';
import { findInterpreter, pythonVersion } from './python.ts';
import { doneLine, type Report } from './report.ts';
import { runCommand } from './run-command.ts';

const requirements = projectPath('dev', 'python', 'dbt.txt');
const buildRequirements = projectPath('dev', 'python', 'requirements-build.txt');

/** Installs the packages of dev/python/dbt.txt (0.25 GB to download, once) and returns the path of `dbt`. */
export async function ensureDbt(report: Report): Promise<string> {
  const home = await dbtHome();
  await buildOnce({
    target: home,
    label: 'dbt',
    report,
    inPlace: true,
    build: (directory) => install(directory, report),
  });
  return dbtPath();
}

/** Where the program is, or will be. */
export const dbtPath = async (): Promise<string> => join(await dbtHome(), 'bin', 'dbt');

async function dbtHome(): Promise<string> {
  const pins = await Promise.all([readFile(buildRequirements), readFile(requirements)]);
  return join(cacheDirectory(), `dbt-${shortHash(pythonVersion, ...pins)}`);
}

async function install(directory: string, report: Report): Promise<void> {
  const startedAt = Date.now();
  report('    dbt: about 0.25 GB to download');
  const base = await findInterpreter();
  await runCommand(base, ['-m', 'venv', directory], {
    doing: 'creating the environment of dbt',
    advice: `check that ${base} has its venv module (Debian: apt-get install python3-venv).`,
  });
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-deps', '--require-hashes'];
  for (const file of [buildRequirements, requirements]) {
    const quiet = ['--no-build-isolation', '--no-compile', '--progress-bar', 'off', '-r', file];
    await runCommand(join(directory, 'bin', 'python'), [...pip, ...quiet], {
      doing: 'installing dbt',
      advice:
        'check that pip can reach its package index (pip config, proxy), then run the same command again; it starts over cleanly.',
    });
  }
  report(
    doneLine(
      'dbt',
      startedAt,
      'dbt-core with adapters for Snowflake, Databricks, Redshift, Spark and PostgreSQL',
    ),
  );
}
