// A migration's state as people and programs read it.
import type { MigrationPlan, MigrationState, MigrationStatus } from '../migration.ts';
import type { ClusterStatus } from '../spark.ts';

export function migrationStatus(
  plan: MigrationPlan,
  state: MigrationState,
  now: {
    readonly status: MigrationStatus['status'];
    readonly doing: string;
    readonly cluster: ClusterStatus | undefined;
  },
): MigrationStatus {
  return {
    kind: 'migration',
    name: plan.name,
    lakehouse: plan.lakehouse,
    status: now.status,
    doing: now.doing,
    datasets: state.datasets.map(({ generation: _, ...dataset }) => ({
      ...dataset,
      comparisons: [...dataset.comparisons],
      needed: plan.afterCutOver.windows,
    })),
    windows: state.windows.map((window) => ({ ...window })),
    ...(state.job === undefined ? {} : { job: state.job }),
    ...(state.problem === undefined ? {} : { problem: state.problem }),
    reports: [...state.reports],
    ...(now.cluster === undefined ? {} : { cluster: now.cluster }),
  };
}

/** The small table that Temporal's UI shows. */
export function migrationDetails({ datasets, doing, problem }: MigrationStatus): string {
  const rows = datasets.map(({ name, phase, comparisons, reason }) => {
    const equal = comparisons.filter((one) => one.equal).length;
    return `| ${name} | ${phase} | ${equal} of ${comparisons.length} windows equal | ${reason ?? ''} |`;
  });
  return [
    `**${doing}**`,
    '',
    '| dataset | phase | compared | why |',
    '|---|---|---|---|',
    ...rows,
    ...(problem === undefined ? [] : ['', `${problem.step}: ${problem.code}`]),
  ].join('\n');
}
