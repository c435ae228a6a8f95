// Shapes a copy's figures as ADF's Copy activity output.
import type { CopyInput, CopyOutput } from '../copy.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { CopyPlan, PublishResult } from './activities.ts';
import { parallelCopies } from './options.ts';

export interface CopyTimes {
  /** ms since epoch. */
  readonly started: number;
  readonly copyingFrom: number;
  readonly publishingFrom: number;
  readonly ended: number;
  /** ms from the first chunk's start to its first rows, where that was seen. */
  readonly firstRowsAfter?: number;
}

const seconds = (from: number, to: number): number => Math.max(0, Math.round((to - from) / 1000));

/** A copy of so many rows in one piece would gain by being cut. */
const WORTH_SPLITTING = 1_000_000;

const typeOf = (end: CopyInput['source']): string => String(end.settings['type'] ?? end.datasetType);

/** Advice that this copy's own figures support; none where there is none. */
const recommendations = (input: CopyInput, plan: CopyPlan, rows: number): JsonValue[] =>
  plan.chunks > 1 || rows < WORTH_SPLITTING || plan.files !== undefined
    ? []
    : [
        {
          Tip:
            `${plan.from} was read in one piece of ${rows} rows. With "partitionOption": "DynamicRange" and a ` +
            '"partitionColumnName" of an integer, decimal, date or date-time type its parts are read at once.',
          ReferUrl: 'docs/copy.md#chunks',
          RuleName: 'SourceNotPartitioned',
          Activity: input.activity,
        },
      ];

/** Where skipped rows were logged, under the name that the definition's own settings have in ADF. */
const logPath = (input: CopyInput, plan: CopyPlan, skipped: number): JsonObject => {
  if (plan.logPath === undefined || skipped === 0) return {};
  return input.options['logSettings'] === undefined
    ? { redirectRowPath: plan.logPath }
    : { logFilePath: plan.logPath };
};

/** Of files copied as they are, files are counted and no rows, as in ADF. */
const countsOf = (plan: CopyPlan, result: PublishResult): Counts => {
  const skipped = result.skipped ?? 0;
  if (plan.binary === true)
    return {
      filesRead: result.rows,
      filesWritten: result.files,
      filesSkipped: skipped,
    } as Counts;
  return {
    ...(plan.files === undefined ? {} : { filesRead: plan.files - (result.filesSkipped ?? 0) }),
    ...(result.filesSkipped === undefined ? {} : { filesSkipped: result.filesSkipped }),
    ...(result.files > 0 ? { filesWritten: result.files } : {}),
    rowsRead: result.rows + skipped,
    rowsCopied: result.rows,
    rowsSkipped: skipped,
  };
};

type Counts = Pick<
  CopyOutput,
  'filesRead' | 'filesWritten' | 'filesSkipped' | 'rowsRead' | 'rowsCopied' | 'rowsSkipped'
>;

/** What Data Factory says of the runtime: a worker is to it what a self-hosted integration runtime is, billed by time. */
const runFigures = (duration: number, used: number): JsonObject => {
  const billed = [{ meterType: 'SelfhostedIR', duration: duration / 3600, unit: 'Hours' }];
  return {
    effectiveIntegrationRuntime: 'waybill',
    usedDataIntegrationUnits: used,
    billingReference: {
      activityType: 'DataMovement',
      billableDuration: billed,
      totalBillableDuration: billed,
    },
    durationInQueue: { integrationRuntimeQueue: 0 },
  };
};

export const copyOutput = (
  input: CopyInput,
  plan: CopyPlan,
  result: PublishResult,
  times: CopyTimes,
): CopyOutput => {
  // ADF counts whole seconds and never reports a duration of 0.
  const duration = Math.max(1, seconds(times.started, times.ended));
  const used = Math.min(plan.parallelCopies ?? parallelCopies(input.options), plan.chunks);
  const skipped = (result.skipped ?? 0) + (result.filesSkipped ?? 0);
  const transfer = seconds(times.copyingFrom, times.publishingFrom);
  const advice = recommendations(input, plan, result.rows);
  const firstByte =
    times.firstRowsAfter === undefined ? {} : { timeToFirstByte: Math.round(times.firstRowsAfter / 1000) };
  const script = result.preCopyScriptMs === undefined ? undefined : Math.round(result.preCopyScriptMs / 1000);
  return {
    dataRead: result.bytesRead,
    dataWritten: result.bytesWritten,
    ...countsOf(plan, result),
    copyDuration: duration,
    throughput: Math.round((result.bytesRead / 1024 / duration) * 1000) / 1000,
    sourcePeakConnections: used,
    sinkPeakConnections: used,
    usedParallelCopies: used,
    ...runFigures(duration, used),
    ...logPath(input, plan, skipped),
    ...(advice.length === 0 ? {} : { perfRecommendation: advice }),
    errors: [],
    executionDetails: [
      {
        source: { type: typeOf(input.source) },
        sink: { type: typeOf(input.sink) },
        status: 'Succeeded',
        start: new Date(times.started).toISOString(),
        duration,
        usedParallelCopies: used,
        profile: {
          queue: { status: 'Completed', duration: 0 },
          ...(script === undefined ? {} : { preCopyScript: { status: 'Completed', duration: script } }),
          transfer: {
            status: 'Completed',
            duration: seconds(times.copyingFrom, times.ended),
            details: {
              readingFromSource: { type: typeOf(input.source), workingDuration: transfer, ...firstByte },
              writingToSink: {
                type: typeOf(input.sink),
                workingDuration: seconds(times.copyingFrom, times.ended),
              },
            },
          },
        },
        detailedDurations: {
          queuingDuration: 0,
          ...(script === undefined ? {} : { preCopyScriptDuration: script }),
          ...firstByte,
          planningDuration: seconds(times.started, times.copyingFrom),
          transferDuration: transfer,
          publishingDuration: seconds(times.publishingFrom, times.ended),
        },
        notes: [...plan.notes],
      },
    ],
    dataConsistencyVerification: {
      VerificationResult: plan.verified ? 'Verified' : 'NotVerified',
      InconsistentData: skipped > 0 ? 'Skipped' : 'None',
    },
    waybill: {
      copyId: input.copyId,
      chunks: plan.chunks,
      sourceChecksum: result.sourceChecksum,
      sinkChecksum: result.sinkChecksum,
      sinkRows: result.rows,
      from: plan.from,
      to: plan.to,
    },
  };
};
