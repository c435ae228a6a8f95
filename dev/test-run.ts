// `npm test`: sets up what the tests need, runs every tier with progress, and closes with "N passed, N failed".
//
// Two lanes: in the first the tiers, one after the other; beside it, at low priority, what is mostly one JVM busy with
// itself. The tests of the first lane wait much (for servers, timers, killed processes), and leave about 40 % of two cores.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ensureAll } from './setup/ensure-all.ts';
import { ensureKafka } from './setup/jars.ts';
import type { PythonHome } from './setup/python.ts';

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

/** Tests without real servers or time. */
const EXACT = /test\/(unit|replay)\//;

/** End-to-end files that run beside the tiers: Spark or dbt at work, and nothing that is timed to seconds. */
const BESIDE = [
  'data-flow',
  'dbt-profiles',
  'dbt-spark',
  'delta-copy',
  'lakehouse-databricks',
  'lakehouse-spark',
  'migrate-to-databricks',
];
const isBeside = (file: string): boolean =>
  BESIDE.some((name) => file.endsWith(join('e2e', `${name}.test.js`)));

/** ms that a file may take, several times what the longest takes: what hangs fails, and the others still run. */
const FILE_LIMIT = 20 * 60_000;

/** Where each tier leaves its whole report, with what the tests wrote. */
const LOGS = join('build', 'test-logs');

const scratch = mkdtempSync(join(tmpdir(), 'waybill-test-'));
let count = 0;
const total: Tally = { passed: 0, failed: 0, skipped: 0 };

/**
 * Failures by file, of tests with real servers, real processes and real time: these files run once more, alone, when
 * everything else is over. What passes then is counted as flaky and named: a bug to mend, and not a reason to think
 * that the product is broken. Unit and replay tests have no such excuse.
 */
const again = new Map<string, number>();
const AGAIN_AT_MOST = 3;
let flaky = 0;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Runs a command; beside the tiers its output comes when it has ended, in one piece. */
function run(
  command: string,
  args: readonly string[],
  { env = process.env, beside = false }: { env?: NodeJS.ProcessEnv; beside?: boolean } = {},
): Promise<number> {
  const output = join(scratch, `output-${count++}`);
  const sink = beside ? openSync(output, 'w') : 'inherit';
  return new Promise<number>((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', sink, sink], env });
    if (beside && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  }).finally(() => {
    if (typeof sink !== 'number') return;
    closeSync(sink);
    say(readFileSync(output, 'utf8').trimEnd());
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
  const [closing = ''] = text.split('\n');
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(closing)?.[1] ?? 0);
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

async function nodeTests(
  name: string,
  files: readonly string[],
  { parallel = 1, beside = false }: { parallel?: number; beside?: boolean } = {},
): Promise<void> {
  const summary = join(scratch, `summary-${count++}`);
  const log = join(LOGS, `${name.replaceAll(' ', '-')}.txt`);
  const code = await run(
    process.execPath,
    [
      // Three reporters listen to one stream, which is no leak.
      '--disable-warning=MaxListenersExceededWarning',
      '--test',
      `--test-concurrency=${parallel}`,
      `--test-timeout=${FILE_LIMIT}`,
      '--test-reporter=./test/support/progress.js',
      '--test-reporter-destination=stdout',
      '--test-reporter=spec',
      `--test-reporter-destination=${log}`,
      '--test-reporter=./test/support/summary.js',
      `--test-reporter-destination=${summary}`,
      ...files,
    ],
    { beside },
  );
  const text = readFileSync(summary, 'utf8');
  add(parseTally(text), code);
  for (const [, failed = '', file = ''] of text.matchAll(/^(\d+) failed in (.*)$/gm)) {
    const known = files.find((each) => file.endsWith(each));
    if (known !== undefined && !EXACT.test(known)) again.set(known, Number(failed));
  }
}

/** Another look at what failed, when it is little: many failures are no accident. */
async function secondLook(): Promise<void> {
  if (again.size === 0 || again.size > AGAIN_AT_MOST) return;
  for (const [file, failed] of [...again]) {
    say(`\n== once more, alone: ${relative(join('build', 'test'), file)}`);
    const before = { ...total };
    await nodeTests(`again-${file.replace(/.*\/(.*)\.test\.js$/, '$1')}`, [file]);
    const passes = total.failed === before.failed && total.passed > before.passed;
    Object.assign(total, before);
    if (!passes) continue;
    total.failed -= failed;
    total.passed += failed;
    flaky += failed;
    say(`! ${relative(join('build', 'test'), file)} is flaky: ${failed} failed above and passed now`);
  }
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

async function pythonTests(python: PythonHome): Promise<void> {
  const report = join(scratch, 'pytest.xml');
  const kafka = await ensureKafka(say, Promise.resolve(python));
  const args = ['-m', 'pytest', '-q', `--junitxml=${report}`, 'jobs/tests'];
  const code = await run(python.python, args, {
    env: { ...process.env, WAYBILL_KAFKA_JARS: kafka },
    beside: true,
  });
  const attribute = (name: string): number =>
    Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`).exec(readFileSync(report, 'utf8'))?.[1] ?? 0);
  const failed = attribute('failures') + attribute('errors');
  const skipped = attribute('skipped');
  add({ passed: attribute('tests') - failed - skipped, failed, skipped }, code);
}

/** The second lane, one thing at a time. */
async function runBeside(python: PythonHome, withJobs: boolean, files: readonly string[]): Promise<void> {
  if (withJobs) {
    say('== PySpark jobs, beside the tiers: reported at their end');
    await pythonTests(python);
  }
  for (const file of files) {
    say(`== ${relative(join('build', 'test'), file)}, beside the tiers`);
    await nodeTests(file.replace(/.*\/(.*)\.test\.js$/, '$1'), [file], { beside: true });
  }
}

async function main(): Promise<void> {
  // `npm test -- unit contract` runs only those tiers or files; without words, everything.
  const wanted = process.argv.slice(2);
  const wants = (name: string): boolean => wanted.length === 0 || wanted.some((word) => name.includes(word));
  const { python } = await ensureAll(say);
  mkdirSync(LOGS, { recursive: true });
  if (wants('check')) {
    say('\n== checks');
    await staticChecks();
  }
  const beside = runBeside(
    python,
    wants('jobs'),
    testFiles('e2e').filter(hasSource).filter(wants).filter(isBeside),
  );
  // Awaited below: a failure to start must not end the process before.
  beside.catch(() => undefined);
  for (const { name, directories, parallel } of TIERS) {
    const files = directories
      .flatMap(testFiles)
      .filter(hasSource)
      .filter(wants)
      .filter((file) => !isBeside(file));
    if (files.length === 0) continue;
    say(`\n== ${name}: ${files.length} files`);
    await nodeTests(name, files, { parallel });
  }
  await beside;
  await secondLook();
}

try {
  await main();
} catch (error) {
  say(`✖ ${error instanceof Error ? error.message : String(error)}`);
  total.failed += 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const more = [
  total.skipped > 0 ? `, ${total.skipped} skipped` : '',
  flaky > 0 ? `, ${flaky} flaky (passed when run again)` : '',
].join('');
say(`\n${total.passed} passed, ${total.failed} failed${more}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
