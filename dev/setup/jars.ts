// The jars Spark needs beside its own, fetched by Maven and checked file by file.
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, projectPath, shortHash } from '../cache.ts';
import { buildOnce } from './build-once.ts';
import { doneLine, formatBytes, type Report, SetupError } from './report.ts';
import { runCommand } from './run-command.ts';

/**
 * Fetches the jars that dev/jars/jars.sha256 lists (37 MB) and returns their directory, which holds nothing else:
 * Spark takes it whole as `--driver-class-path '<directory>/*'`.
 */
export async function ensureJars(report: Report): Promise<string> {
  const [pom, list] = await Promise.all([readFile(pomFile), readFile(listFile, 'utf8')]);
  return buildOnce({
    target: join(cacheDirectory(), `jars-${shortHash(pom, list)}`),
    label: 'Spark and S3 jars',
    report,
    build: (directory) => fetchJars(directory, parseList(list), report),
  });
}

async function fetchJars(directory: string, wanted: Map<string, string>, report: Report): Promise<void> {
  const startedAt = Date.now();
  report(`    Spark and S3 jars: ${wanted.size} files by Maven`);
  const advice =
    'check that `mvn` (3.8 or newer) is installed and reaches its repository (~/.m2/settings.xml, proxy), then run the same command again.';
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${directory}`];
  await runCommand('mvn', ['--batch-mode', '--no-transfer-progress', '--quiet', '-f', pomFile, ...goal], {
    doing: 'fetching the Spark and S3 jars',
    advice,
  });
  let bytes = 0;
  for (const name of await readdir(directory)) {
    const file = join(directory, name);
    // What is not on the list Spark ships itself, mostly newer: a second copy on the class path would break it.
    if (!wanted.has(name)) await rm(file, { recursive: true });
    else bytes += (await stat(file)).size;
  }
  for (const [name, expected] of wanted) await verify(join(directory, name), expected, advice);
  report(doneLine('Spark and S3 jars', startedAt, `${wanted.size} files, ${formatBytes(bytes)}`));
}

async function verify(file: string, expected: string, advice: string): Promise<void> {
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

const pomFile = projectPath('dev', 'jars', 'pom.xml');
const listFile = projectPath('dev', 'jars', 'jars.sha256');
