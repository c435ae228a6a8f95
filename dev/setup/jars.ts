// The jars Spark needs beside its own, fetched from Maven's repository and checked file by file.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, projectPath, shortHash } from '../cache.ts';
import { buildOnce } from './build-once.ts';
import type { PythonHome } from './python.ts';
import { doneLine, formatBytes, type Report, SetupError } from './report.ts';
import { runCommand } from './run-command.ts';

/**
 * Fetches the jars that dev/jars/jars.sha256 lists (37 MB) and returns their directory, which holds nothing else:
 * Spark takes it whole as `--driver-class-path '<directory>/*'`.
 * @param python the Python environment, once it is there: without Maven, the Ivy that comes with PySpark does the work
 */
export async function ensureJars(report: Report, python: Promise<PythonHome>): Promise<string> {
  const [pom, list] = await Promise.all([readFile(pomFile), readFile(listFile, 'utf8')]);
  return buildOnce({
    target: join(cacheDirectory(), `jars-${shortHash(pom, list)}`),
    label: 'Spark and S3 jars',
    report,
    build: (directory) => fetchJars(directory, parseList(list), report, python),
  });
}

async function fetchJars(
  directory: string,
  wanted: Map<string, string>,
  report: Report,
  python: Promise<PythonHome>,
): Promise<void> {
  const startedAt = Date.now();
  const hasMaven = await promisify(execFile)('mvn', ['--version']).then(
    () => true,
    () => false,
  );
  report(
    `    Spark and S3 jars: ${wanted.size} files ${hasMaven ? 'by Maven' : 'by Ivy, once PySpark is there'}`,
  );
  if (hasMaven) await fetchByMaven(directory);
  else await fetchByIvy(directory, await python);
  let bytes = 0;
  for (const name of await readdir(directory)) {
    const file = join(directory, name);
    // What is not on the list Spark ships itself, mostly newer: a second copy on the class path would break it.
    if (!wanted.has(name)) await rm(file, { recursive: true });
    else bytes += (await stat(file)).size;
  }
  for (const [name, expected] of wanted) await verify(join(directory, name), expected);
  report(doneLine('Spark and S3 jars', startedAt, `${wanted.size} files, ${formatBytes(bytes)}`));
}

async function fetchByMaven(directory: string): Promise<void> {
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${directory}`];
  await runCommand('mvn', ['--batch-mode', '--no-transfer-progress', '--quiet', '-f', pomFile, ...goal], {
    doing: 'fetching the Spark and S3 jars by Maven',
    advice,
  });
}

/** Slower than Maven (a minute), and the same files. */
async function fetchByIvy(directory: string, python: PythonHome): Promise<void> {
  const shipped = join(python.sparkHome, 'jars');
  const ivy = (await readdir(shipped)).find((name) => /^ivy-[\d.]+\.jar$/.test(name));
  const cache = `${directory}.ivy`;
  try {
    const what = ['-ivy', pomFile, '-confs', 'runtime', '-types', 'jar', 'bundle', '-cache', cache];
    const where = ['-retrieve', join(directory, '[artifact]-[revision].[ext]')];
    await runCommand('java', ['-cp', join(shipped, ivy ?? ''), 'org.apache.ivy.Main', ...what, ...where], {
      doing: 'fetching the Spark and S3 jars by Ivy',
      advice,
    });
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

async function verify(file: string, expected: string): Promise<void> {
  const content = await readFile(file).catch((error: Error) => {
    throw new SetupError(
      `a jar on the list of dev/jars/jars.sha256 was not fetched: ${error.message}`,
      advice,
    );
  });
  const actual = createHash('sha256').update(content).digest('hex');
  if (actual === expected) return;
  throw new SetupError(
    `${file} is not the file that was pinned: SHA-256 ${actual}, expected ${expected}`,
    'delete that artifact from ~/.m2/repository and run again; if it stays different, the repository serves another file: do not use it.',
  );
}

function parseList(list: string): Map<string, string> {
  return new Map([...list.matchAll(/^([0-9a-f]{64}) {2}(\S+)$/gm)].map((m) => [String(m[2]), String(m[1])]));
}

const advice =
  'check that Maven’s repository can be reached (~/.m2/settings.xml, proxy), then run the same command again.';
const pomFile = projectPath('dev', 'jars', 'pom.xml');
const listFile = projectPath('dev', 'jars', 'jars.sha256');
