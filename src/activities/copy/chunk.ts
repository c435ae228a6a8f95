// Copies one chunk: finds it committed, or reads, loads, verifies and commits it under this attempt's generation.
import { Context } from '@temporalio/activity';
import { measureRows } from '../../connectors/common/measured-rows.ts';
import type { ChunkInput, ChunkResult } from '../../core/copy/activities.ts';
import type { ChunkHeartbeat } from '../../core/copy.ts';
import { type CopyDependencies, withSink, withSource } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';

/** More attempts of one chunk within one planning than any retry policy allows. */
const ATTEMPTS_PER_EPOCH = 100_000;

/** Idempotent: the second call returns the first one's figures. Heartbeats `ChunkHeartbeat` every second. */
export const copyChunk = (dependencies: CopyDependencies, input: ChunkInput): Promise<ChunkResult> => {
  const { copy, chunk, epoch } = input;
  const { attempt } = Context.current().info;
  const generation = epoch * ATTEMPTS_PER_EPOCH + attempt;
  let beat: ChunkHeartbeat = { chunk, rows: 0, bytes: 0 };
  return withHeartbeat(
    () => beat,
    () =>
      withSink(dependencies, copy, async (sink) => {
        const claim = await sink.claimChunk(chunk, generation);
        if (claim.state === 'committed') return { chunk, ...claim.figures, resumed: true };
        const { plan, range } = claim;
        return withSource(dependencies, copy, async (source) => {
          const columns = plan.columns.map((column) => column.source);
          const rows = measureRows(
            source.read(columns, range, plan.sourceState),
            plan.columns,
            plan.verify,
            (count, bytes) => {
              beat = { chunk, rows: count, bytes };
            },
          );
          const figures = await sink.writeChunk(chunk, generation, plan, rows);
          return { chunk, ...figures, resumed: false };
        });
      }),
  );
};
