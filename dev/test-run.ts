// `npm test`: sets up what the tests need, runs every tier with progress, and closes with "N passed, N failed".
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ensureAll } from './setup/ensure-all.ts';

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/** Tiers in order: quick ones first, so that a mistake shows early. `parallel` is files at a time. */
const TIERS: readonly { name: string; directories: readonly string[]; parallel: number }[] = [
  { name: 'unit', directories: ['unit'], parallel: 2 },
  { name: 'workflow and replay', directories: ['workflow', 'replay'], parallel: 2 },
  { name: 'stand-ins', directories: ['stand-ins'], parallel: 2 },
  { name: 'contract', directories: ['contract'], parallel: 2 },
  { name: 'end to end', directories: ['e2e'], parallel: 1 },
];

const scratch = mkdtempSync(join(tmpdir(), 'waybill-test-'));
const total: Tally = { passed: 0, failed: 0, skipped: 0 };

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function add(tally: Tally, code: number): void {
  // A runner that dies without counting a failure has failed all the same.
  if (code !== 0 && tally.failed === 0) tally.failed = 1;
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
}

function parseTally(text: string): Tally {
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(text)?.[1] ?? 0);
  return { passed: count('passed'), failed: count('failed') + count('error'), skipped: count('skipped') };
}

function testFiles(directory: string): string[] {
  const root = join('build', 'test', directory);
  try {
    return readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.js'))
      .sort()
      .map((name) => join(root, name));
  } catch {
    return [];
  }
}

/** Compiled tests whose source is gone would still run. */
const hasSource = (file: string): boolean => {
  try {
    readFileSync(relative('build', file).replace(/\.js$/, '.ts'));
    return true;
  } catch {
    return false;
  }
};

async function nodeTests(files: readonly string[], parallel: number): Promise<void> {
  const summary = join(scratch, 'summary');
  const code = await run(process.execPath, [
    '--test',
    `--test-concurrency=${parallel}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./test/support/summary.js',
    `--test-reporter-destination=${summary}`,
    ...files,
  ]);
  add(parseTally(readFileSync(summary, 'utf8')), code);
}

async function staticChecks(): Promise<void> {
  const checks: [string, string[]][] = [
    ['biome', ['check', '.']],
    ['knip', []],
  ];
  for (const [name, args] of checks) {
    const code = await run(join('node_modules', '.bin', name), args);
    say(code === 0 ? `✔ ${name}` : `✖ ${name}`);
    add({ passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 }, code);
  }
}

async function pythonTests(python: string): Promise<void> {
  const report = join(scratch, 'pytest.xml');
  const code = await run(python, ['-m', 'pytest', '-q', `--junitxml=${report}`, 'jobs/tests']);
  const attribute = (name: string): number =>
    Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`).exec(readFileSync(report, 'utf8'))?.[1] ?? 0);
  const failed = attribute('failures') + attribute('errors');
  const skipped = attribute('skipped');
  add({ passed: attribute('tests') - failed - skipped, failed, skipped }, code);
}

async function main(): Promise<void> {
  // `npm test -- unit contract` runs only those tiers or files; without words, everything.
  const wanted = process.argv.slice(2);
  const wants = (name: string): boolean => wanted.length === 0 || wanted.some((word) => name.includes(word));
  const { python } = await ensureAll(say);
  if (wants('check')) {
    say('\n== checks');
    await staticChecks();
  }
  for (const { name, directories, parallel } of TIERS) {
    const files = directories.flatMap(testFiles).filter(hasSource).filter(wants);
    if (files.length === 0) continue;
    say(`\n== ${name}: ${files.length} files`);
    await nodeTests(files, parallel);
  }
  if (wants('jobs')) {
    say('\n== PySpark jobs');
    await pythonTests(python.python);
  }
}

try {
  await main();
} catch (error) {
  say(`✖ ${error instanceof Error ? error.message : String(error)}`);
  total.failed += 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
say(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
