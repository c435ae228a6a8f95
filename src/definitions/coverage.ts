// What a factory uses and how much of that runs here: activity types and types of stores, with how often each occurs.
import type { CompiledFactory } from './compile-factory.ts';
import { isRunnableActivity, storeType } from './types.ts';

interface CoverageLine {
  readonly type: string;
  readonly count: number;
  readonly runs: boolean;
}

export interface Coverage {
  readonly activities: readonly CoverageLine[];
  readonly datasets: readonly CoverageLine[];
  readonly linkedServices: readonly CoverageLine[];
}

/** Counts of every type, the most frequent first. */
export function coverageOf(compiled: CompiledFactory): Coverage {
  return {
    activities: count(
      compiled.pipelines.flatMap(({ activityTypes }) => [...activityTypes]),
      isRunnableActivity,
    ),
    datasets: count(
      [...compiled.datasets.values()].map(({ type }) => type),
      (type) => storeType('dataset', type).verdict === 'supported',
    ),
    linkedServices: count(
      [...compiled.linkedServices.values()].map(({ type }) => type),
      (type) => storeType('linkedService', type).verdict === 'supported' || type === 'AzureKeyVault',
    ),
  };
}

function count(types: readonly string[], runs: (type: string) => boolean): CoverageLine[] {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts]
    .map(([type, count]) => ({ type, count, runs: runs(type) }))
    .sort((a, b) => b.count - a.count || (a.type < b.type ? -1 : 1));
}

/** The table for people: nothing where the factory holds nothing. */
export function printCoverage(coverage: Coverage): string {
  const sections: [string, readonly CoverageLine[]][] = [
    ['activity', coverage.activities],
    ['dataset', coverage.datasets],
    ['linked service', coverage.linkedServices],
  ];
  const width = Math.max(0, ...sections.flatMap(([, lines]) => lines.map(({ type }) => type.length)));
  return sections
    .flatMap(([title, lines]) =>
      lines.map(
        ({ type, count, runs }, index) =>
          `${(index === 0 ? title : '').padEnd(15)}${type.padEnd(width + 2)}${String(count).padStart(5)}  ${runs ? 'runs' : 'unsupported'}\n`,
      ),
    )
    .join('');
}
