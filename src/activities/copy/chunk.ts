// Copies one chunk: finds it committed, or reads, loads, verifies and commits it under this attempt's generation.
import { Context } from '@temporalio/activity';
import { type MeasureOptions, measureRows } from '../../connectors/common/measured-rows.ts';
import type { CopySource, FrameBatch } from '../../connectors/connector.ts';
import type { ChunkInput, ChunkResult } from '../../core/copy/activities.ts';
import type { ChunkHeartbeat } from '../../core/copy.ts';
import { WaybillError } from '../../core/errors.ts';
import { typeSettings } from '../../core/types/type-settings.ts';
import { type CopyDependencies, skippedFiles, withSink, withSource } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';
import { partOfChunk } from './incremental.ts';
import { SkippedRows } from './session-log.ts';

/** More attempts of one chunk within one planning than any retry policy allows. */
const ATTEMPTS_PER_EPOCH = 100_000;

/** Counts what passes, for the heartbeat. */
async function* countFrames(
  frames: AsyncIterable<FrameBatch>,
  progress: (rows: number, bytes: number) => void,
): AsyncGenerator<FrameBatch> {
  let rows = 0;
  let bytes = 0;
  for await (const batch of frames) {
    rows += batch.rows;
    bytes += batch.data.length;
    progress(rows, bytes);
    yield batch;
  }
}

/** What the source itself left out, counted and logged. `finishes` says that somebody else writes the log. */
const rejectedInto = (
  log: SkippedRows | undefined,
  source: CopySource,
  finishes: boolean,
): NonNullable<MeasureOptions['rejected']> => {
  const count = { rows: 0, files: 0 };
  return {
    count: () => count,
    finish: async () => {
      const { rows, files } = source.rejected?.() ?? { rows: [], files: [] };
      count.rows += rows.length;
      count.files += files.length;
      for (const { row, error } of rows) log?.add(row, `${error.code}: ${error.message}`);
      for (const { key, error } of files) log?.addFile(key, `${error.code}: ${error.message}`);
      if (!finishes) await log?.finish();
    },
  };
};

const planOfAnother = (wire: string): WaybillError =>
  new WaybillError(
    'SOURCE_CHANGED',
    `This copy was planned to travel as ${wire}, which its ends no longer speak.`,
    {
      wire,
    },
  );

/** Idempotent: the second call returns the first one's figures. Heartbeats `ChunkHeartbeat` every second. */
export const copyChunk = (dependencies: CopyDependencies, input: ChunkInput): Promise<ChunkResult> => {
  const { copy, chunk, epoch } = input;
  const { attempt } = Context.current().info;
  const generation = epoch * ATTEMPTS_PER_EPOCH + attempt;
  const started = Date.now();
  let firstRowsAfter: number | undefined;
  let beat: ChunkHeartbeat = { chunk, rows: 0, bytes: 0 };
  return withHeartbeat(
    () => beat,
    () =>
      withSink(dependencies, copy, async (sink) => {
        const claim = await sink.claimChunk(chunk, generation);
        if (claim.state === 'committed') return { chunk, ...claim.figures, resumed: true };
        const { plan, range } = claim;
        const { filter, memory } = await partOfChunk(sink, plan, range);
        return withSource(
          dependencies,
          copy,
          async (source) => {
            if (plan.wire !== undefined) {
              const columns = plan.columns.map((column) => column.source);
              const { readFrames } = source;
              const { writeFrames } = sink;
              if (readFrames === undefined || writeFrames === undefined) throw planOfAnother(plan.wire);
              const frames = readFrames.call(source, plan.wire, columns, range, plan.sourceState);
              const counted = countFrames(frames, (rows, bytes) => {
                firstRowsAfter ??= Date.now() - started;
                beat = { chunk, rows, bytes };
              });
              const figures = await writeFrames.call(sink, chunk, generation, plan, counted);
              return {
                chunk,
                ...figures,
                ...(firstRowsAfter === undefined ? {} : { firstRowsAfter }),
                resumed: false,
              };
            }
            const read = plan.columns.filter(({ given }) => given === undefined);
            const keyColumn = plan.sourceState['partitionColumn'];
            const log =
              plan.skips === true || skippedFiles(copy.options) !== undefined
                ? new SkippedRows(dependencies, copy, `chunk ${chunk}`)
                : undefined;
            const batches = source.read(
              read.map((column) => column.source),
              range,
              plan.sourceState,
            );
            const rows = measureRows(memory?.watch(batches) ?? batches, plan.columns, {
              verify: plan.verify,
              settings: typeSettings(copy.options['translator']),
              progress: (count, bytes) => {
                firstRowsAfter ??= Date.now() - started;
                beat = { chunk, rows: count, bytes };
              },
              place: { chunk, ...(typeof keyColumn === 'string' ? { keyColumn } : {}) },
              filePath: () => source.filePath?.(),
              rejected: rejectedInto(log, source, plan.skips === true),
              ...(log === undefined || plan.skips !== true
                ? {}
                : {
                    skip: {
                      add: ({ row, error }) => log.add(row, `${error.code}: ${error.message}`),
                      finish: () => log.finish(),
                    },
                  }),
            });
            const kept = memory === undefined ? rows : { ...rows, remembered: () => memory.counts() };
            const figures = await sink.writeChunk(chunk, generation, plan, kept);
            const { skipped, filesSkipped } = rows.figures();
            return {
              chunk,
              ...figures,
              ...(skipped === undefined ? {} : { skipped }),
              ...(filesSkipped === undefined ? {} : { filesSkipped }),
              ...(firstRowsAfter === undefined ? {} : { firstRowsAfter }),
              resumed: false,
            };
          },
          filter,
        );
      }),
  );
};
