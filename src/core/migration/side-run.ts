// What a migration keeps of a lakehouse run: how long it and its cluster took.
import type { SideRun } from '../migration.ts';
import type { RunLakehouseOutput } from '../run.ts';

export function sideRun(
  workflowId: string,
  { stages, cluster, cost }: RunLakehouseOutput,
  ours: boolean,
): SideRun {
  const seconds = (start: number | undefined, end: number | undefined): number =>
    start === undefined || end === undefined ? 0 : Math.round((end - start) / 100) / 10;
  const starts = stages.flatMap(({ start }) => start ?? []);
  const ends = stages.flatMap(({ end }) => end ?? []);
  return {
    workflowId,
    ours,
    seconds: starts.length === 0 ? 0 : seconds(Math.min(...starts), Math.max(...ends)),
    ...(cluster === undefined ? {} : { clusterId: cluster.id, clusterSeconds: cluster.seconds }),
    ...(cost === undefined ? {} : { cost }),
    stages: stages.map(({ stage, start, end }) => ({ stage, seconds: seconds(start, end) })),
  };
}
