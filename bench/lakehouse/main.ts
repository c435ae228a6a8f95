// `npm run bench -- lakehouse`: compaction of 10,000 small files, appends, MERGE and a skewed join, before and after the
// profile and the jobs. Prints medians and ratios; keeps them in bench/results/lakehouse.json.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { projectPath } from '../../dev/cache.ts';
import { ensureAll } from '../../dev/setup/ensure-all.ts';
import { sparkProfile } from '../../src/core/lakehouse/spark-profiles.ts';
import { median } from '../copy/figures.ts';

/** One line of measure.py. */
interface Measurement {
  readonly case: string;
  readonly contender: string;
  readonly seconds: number;
  readonly [fact: string]: string | number;
}

const { values: options } = parseArgs({
  args: process.argv.slice(process.argv[2] === 'lakehouse' ? 3 : 2),
  options: {
    rounds: { type: 'string', default: '3' },
    files: { type: 'string', default: '10000' },
    rows: { type: 'string', default: '4000000' },
    /** small, append, merge, skew. */
    only: { type: 'string', default: 'small,append,merge,skew' },
    profile: { type: 'string', default: 'small' },
  },
});

const profile = sparkProfile(options.profile, 'databricks');
if (profile === undefined) throw new Error(`There is no profile "${options.profile}".`);
const { python, jars } = await ensureAll(console.log);
const root = await mkdtemp(join(tmpdir(), 'waybill-bench-lakehouse-'));
try {
  const found = await measure();
  const cases = summarise(found);
  print(cases);
  const file = projectPath('bench/results/lakehouse.json');
  const { rounds, files, rows } = options;
  const facts = { taken: new Date().toISOString(), cpus: cpus().length, rounds, files, rows, profile };
  await writeFile(file, `${JSON.stringify({ ...facts, cases: Object.fromEntries(cases) }, null, 2)}\n`);
  console.log(`\nkept in ${file}`);
} finally {
  await rm(root, { recursive: true, force: true });
}

async function measure(): Promise<Measurement[]> {
  const script = projectPath('bench/lakehouse/measure.py');
  const values = { root: `file://${root}`, jars, profile: JSON.stringify(profile) };
  const given = {
    ...values,
    rounds: options.rounds,
    files: options.files,
    rows: options.rows,
    only: options.only,
  };
  const args = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(python.python, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const found: Measurement[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('bench ')) continue;
    const one = JSON.parse(line.slice('bench '.length)) as Measurement;
    found.push(one);
    const { case: _case, contender: _contender, seconds: _seconds, ...facts } = one;
    console.log(
      `  ${one.case.padEnd(24)} ${one.contender.padEnd(28)} ${one.seconds.toFixed(1)} s  ${tell(facts)}`,
    );
  }
  const code =
    child.exitCode ?? (await new Promise<number | null>((resolve) => child.once('close', resolve)));
  if (code !== 0) throw new Error(`measure.py ended with ${code}.`);
  return found;
}

function tell(facts: Readonly<Record<string, unknown>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

interface Summary {
  /** Median seconds. */
  readonly seconds: number;
  /** Over the case's first contender. */
  readonly ratio: number;
  readonly facts: Readonly<Record<string, number>>;
}

function summarise(found: readonly Measurement[]): [string, Record<string, Summary>][] {
  const cases = groupBy(found, (one) => one.case);
  return [...cases].map(([name, runs]) => {
    const contenders = groupBy(runs, (one) => one.contender);
    const times = [...contenders].map(
      ([who, each]) => [who, median(each.map((one) => one.seconds))] as const,
    );
    const first = times[0]?.[1] ?? Number.NaN;
    const of = ([who, seconds]: readonly [string, number]): [string, Summary] => {
      const last = contenders.get(who)?.at(-1) ?? {};
      const facts = Object.entries(last).filter(
        ([key, value]) => typeof value === 'number' && key !== 'seconds',
      );
      return [
        who,
        { seconds, ratio: seconds / first, facts: Object.fromEntries(facts) as Record<string, number> },
      ];
    };
    return [name, Object.fromEntries(times.map(of))];
  });
}

function print(cases: readonly [string, Record<string, Summary>][]): void {
  for (const [name, contenders] of cases) {
    console.log(`\n${name}`);
    for (const [who, { seconds, ratio, facts }] of Object.entries(contenders))
      console.log(
        `  ${who.padEnd(28)} ${seconds.toFixed(2).padStart(8)} s  ${ratio.toFixed(2)}×  ${tell(facts)}`,
      );
  }
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}
