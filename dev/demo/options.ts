// The demo's command line.
import { Command } from 'commander';

export interface DemoOptions {
  readonly keep: boolean;
  readonly killWorker: boolean;
  readonly seed: number;
  readonly world: string;
}

export function parseDemoOptions(argv: readonly string[]): DemoOptions {
  const options = new Command('npm run demo --')
    .description(
      'the main job on real engines: copy, lake, load back, marts and tests of dbt, optimise, check',
    )
    .option('--keep', 'leave the world up afterwards, to look around', false)
    .option(
      '--kill-worker',
      'kill the worker (SIGKILL) at a random moment of the copy, and again during the Spark steps',
      false,
    )
    .option(
      '--seed <number>',
      'the random moments: the same seed, the same moments',
      String(Date.now() % 1_000_000),
    )
    .option('--world <name>', 'the name of the local world', 'demo')
    .parse(argv as string[])
    .opts<{ keep: boolean; killWorker: boolean; seed: string; world: string }>();
  return { ...options, seed: Number(options.seed) };
}

/** Small seeded generator (mulberry32), so that a run that went wrong can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
