// The report on a rehearsal, for people.
import type { PipelineReport, RehearsalReport } from './rehearse.ts';

export interface Summary {
  readonly pipelines: number;
  readonly right: number;
  readonly ran: number;
  readonly failedAsTheyShould: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly invalid: number;
}

/** Counts by outcome. */
export function summaryOf({ pipelines }: RehearsalReport): Summary {
  const count = (...outcomes: PipelineReport['outcome'][]): number =>
    pipelines.filter(({ outcome }) => outcomes.includes(outcome)).length;
  return {
    pipelines: pipelines.length,
    right: count('ran', 'failed-as-it-should'),
    ran: count('ran'),
    failedAsTheyShould: count('failed-as-it-should'),
    failed: count('failed', 'timed-out'),
    unsupported: count('unsupported'),
    invalid: count('invalid'),
  };
}

/** Prints what did not run with its reasons, what was different from a real run, and the counts. */
export function printReport(report: RehearsalReport): void {
  const { pipelines, seed, seconds } = report;
  for (const pipeline of pipelines) {
    if (pipeline.outcome === 'ran' || pipeline.outcome === 'failed-as-it-should') continue;
    console.log(`\n${pipeline.name}: ${pipeline.outcome.replaceAll('-', ' ')}`);
    for (const reason of pipeline.reasons.slice(0, 5)) console.log(`  ${reason}`);
    if (pipeline.reasons.length > 5) console.log(`  and ${pipeline.reasons.length - 5} more`);
    for (const note of pipeline.notes) if (note.startsWith('could not')) console.log(`  ${note}`);
  }
  const notes = pipelines.flatMap(({ name, notes: list }) =>
    list.filter((note) => !note.startsWith('could not')).map((note) => `${name}: ${note}`),
  );
  if (notes.length > 0) console.log('\nDifferent from a real run:');
  for (const note of notes.slice(0, 20)) console.log(`  ${note}`);
  if (notes.length > 20) console.log(`  and ${notes.length - 20} more (--json has all)`);
  const { right, ran, failedAsTheyShould, failed, unsupported, invalid } = summaryOf(report);
  const share = pipelines.length === 0 ? 0 : Math.round((1000 * right) / pipelines.length) / 10;
  console.log(
    `\n${right} of ${pipelines.length} pipelines (${share} %) ended as they should: ${ran} ran, ${failedAsTheyShould} failed as they should · ` +
      `${failed} failed · ${unsupported} unsupported · ${invalid} invalid · ${seconds.toFixed(0)} s · seed ${seed}`,
  );
}
