// The output of an ExecuteDataFlow activity as Data Factory shows it, made of what was staged, counted and loaded.
import type { CopyOutput } from '../copy.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { JobResult } from '../spark.ts';
import type { SinkFigures } from './run.ts';

export interface DataFlowOutcome {
  readonly result: JobResult;
  /** The copies of each source. */
  readonly staged: readonly (readonly [string, readonly CopyOutput[]])[];
  /** The copies of each sink. */
  readonly loaded: readonly (readonly [string, readonly CopyOutput[]])[];
  /** For each sink, the sources that its rows come from. */
  readonly streams: Readonly<Record<string, readonly string[]>>;
  /** ms since epoch. */
  readonly startedAt: number;
  readonly stagedAt: number;
  readonly transformedAt: number;
  readonly endedAt: number;
  readonly compute: string;
}

/** What the Spark job counted of a sink. */
export function sinkFigures(result: JobResult, name: string): SinkFigures {
  const row = result.tables.find(({ table }) => table === `sink:${name}`);
  const count = (key: string): number => Number(row?.[key] ?? 0);
  const [rows, changes] = [count('rows'), count('updates') + count('upserts') + count('deletes')];
  return { rows, inserts: Number(row?.['inserts'] ?? rows - changes), changes };
}

/** `runStatus.metrics.<sink>.rowsWritten` and the like; times in ms, as there. */
export function dataFlowOutput(outcome: DataFlowOutcome): JsonObject {
  const { result, staged, loaded, streams, startedAt, stagedAt, transformedAt, endedAt, compute } = outcome;
  const rowsRead = (name: string): number =>
    result.tables.find(({ table }) => table === `source:${name}`)?.rows ??
    sum(staged.find(([source]) => source === name)?.[1] ?? [], ({ rowsCopied }) => rowsCopied ?? 0);
  const metrics: JsonObject = {};
  for (const [sink, copies] of loaded) {
    const figures = sinkFigures(result, sink);
    const sources: JsonObject = Object.fromEntries(
      (streams[sink] ?? []).map((source): [string, JsonValue] => [source, { rowsRead: rowsRead(source) }]),
    );
    metrics[sink] = {
      rowsWritten: figures.rows,
      sinkProcessingTime: sum(copies, ({ copyDuration }) => copyDuration) * 1000,
      sources,
      stages: [],
    };
  }
  return {
    runStatus: {
      computeAcquisitionDuration: 0,
      version: 1,
      dsl: '',
      profile: {
        statistics: {},
        staging: stagedAt - startedAt,
        transformation: transformedAt - stagedAt,
        loading: endedAt - transformedAt,
      },
      metrics,
    },
    effectiveIntegrationRuntime: `waybill (${compute})`,
    billingReference: { activityType: 'executedataflow', billableDuration: [] },
    reportLineageToPurview: { status: 'NotReported' },
  };
}

const sum = (copies: readonly CopyOutput[], of: (copy: CopyOutput) => number): number =>
  copies.reduce((total, copy) => total + of(copy), 0);
