// The jars Spark needs beside its own, and Kafka's, fetched from Maven's repository and checked file by file.
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
export const ensureJars = (report: Report, python: Promise<PythonHome>): Promise<string> =>
  ensureJarSet({ label: 'Spark and S3 jars', name: 'jars', folder: 'jars' }, report, python);

/** Kafka's broker and command-line clients (30 MB), fetched when somebody wants a Kafka; see dev/kafka. */
export const ensureKafka = (report: Report, python: Promise<PythonHome>): Promise<string> =>
  ensureJarSet({ label: 'Kafka', name: 'kafka', folder: 'kafka' }, report, python);

/** Jars that `dev/<folder>/pom.xml` resolves and `dev/<folder>/jars.sha256` lists. */
interface JarSet {
  readonly label: string;
  /** Of the directory in the cache. */
  readonly name: string;
  readonly folder: string;
}

async function ensureJarSet(set: JarSet, report: Report, python: Promise<PythonHome>): Promise<string> {
  const pomFile = projectPath('dev', set.folder, 'pom.xml');
  const listFile = projectPath('dev', set.folder, 'jars.sha256');
  const [pom, list] = await Promise.all([readFile(pomFile), readFile(listFile, 'utf8')]);
  return buildOnce({
    target: join(cacheDirectory(), `${set.name}-${shortHash(pom, list)}`),
    label: set.label,
    report,
    build: (directory) =>
      fetchJars({ directory, label: set.label, pomFile, listFile, wanted: parseList(list) }, report, python),
  });
}

interface Fetch {
  readonly directory: string;
  readonly label: string;
  readonly pomFile: string;
  readonly listFile: string;
  readonly wanted: Map<string, string>;
}

async function fetchJars(fetch: Fetch, report: Report, python: Promise<PythonHome>): Promise<void> {
  const { directory, label, wanted } = fetch;
  const startedAt = Date.now();
  const hasMaven = await promisify(execFile)('mvn', ['--version']).then(
    () => true,
    () => false,
  );
  report(`    ${label}: ${wanted.size} files ${hasMaven ? 'by Maven' : 'by Ivy, once PySpark is there'}`);
  if (hasMaven) await fetchByMaven(fetch);
  else await fetchByIvy(fetch, await python);
  let bytes = 0;
  for (const name of await readdir(directory)) {
    const file = join(directory, name);
    // What is not on the list Spark ships itself, mostly newer (a second copy on the class path would break it), or
    // nothing here needs.
    if (!wanted.has(name)) await rm(file, { recursive: true });
    else bytes += (await stat(file)).size;
  }
  for (const [name, expected] of wanted) await verify(join(directory, name), expected, fetch);
  report(doneLine(label, startedAt, `${wanted.size} files, ${formatBytes(bytes)}`));
}

async function fetchByMaven({ directory, label, pomFile }: Fetch): Promise<void> {
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${directory}`];
  await runCommand('mvn', ['--batch-mode', '--no-transfer-progress', '--quiet', '-f', pomFile, ...goal], {
    doing: `fetching by Maven: ${label}`,
    advice,
  });
}

/** Slower than Maven (a minute), and the same files. */
async function fetchByIvy({ directory, label, pomFile }: Fetch, python: PythonHome): Promise<void> {
  const shipped = join(python.sparkHome, 'jars');
  const ivy = (await readdir(shipped)).find((name) => /^ivy-[\d.]+\.jar$/.test(name));
  const cache = `${directory}.ivy`;
  try {
    const what = ['-ivy', pomFile, '-confs', 'runtime', '-types', 'jar', 'bundle', '-cache', cache];
    const where = ['-retrieve', join(directory, '[artifact]-[revision].[ext]')];
    await runCommand('java', ['-cp', join(shipped, ivy ?? ''), 'org.apache.ivy.Main', ...what, ...where], {
      doing: `fetching by Ivy: ${label}`,
      advice,
    });
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

async function verify(file: string, expected: string, { listFile }: Fetch): Promise<void> {
  const content = await readFile(file).catch((error: Error) => {
    throw new SetupError(`a jar on the list ${listFile} was not fetched: ${error.message}`, advice);
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
