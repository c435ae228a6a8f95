// Shapes a copy's figures as ADF's Copy activity output.
import type { CopyInput, CopyOutput } from '../copy.ts';
import type { CopyPlan, PublishResult } from './activities.ts';
import { parallelCopies } from './options.ts';

export interface CopyTimes {
  /** ms since epoch. */
  readonly started: number;
  readonly copyingFrom: number;
  readonly publishingFrom: number;
  readonly ended: number;
}

const seconds = (from: number, to: number): number => Math.max(0, Math.round((to - from) / 1000));

export const copyOutput = (
  input: CopyInput,
  plan: CopyPlan,
  result: PublishResult,
  times: CopyTimes,
): CopyOutput => {
  // ADF counts whole seconds and never reports a duration of 0.
  const duration = Math.max(1, seconds(times.started, times.ended));
  const type = (end: CopyInput['source']): string => String(end.settings['type'] ?? end.datasetType);
  const used = Math.min(parallelCopies(input.options), plan.chunks);
  return {
    dataRead: result.bytesRead,
    dataWritten: result.bytesWritten,
    rowsRead: result.rows,
    rowsCopied: result.rows,
    rowsSkipped: 0,
    ...(result.files > 0 ? { filesWritten: result.files } : {}),
    copyDuration: duration,
    throughput: Math.round((result.bytesRead / 1024 / duration) * 1000) / 1000,
    usedParallelCopies: used,
    errors: [],
    executionDetails: [
      {
        source: { type: type(input.source) },
        sink: { type: type(input.sink) },
        status: 'Succeeded',
        start: new Date(times.started).toISOString(),
        duration,
        usedParallelCopies: used,
        profile: {
          queue: { status: 'Completed', duration: 0 },
          transfer: { status: 'Completed', duration: seconds(times.copyingFrom, times.ended) },
        },
        detailedDurations: {
          queuingDuration: 0,
          planningDuration: seconds(times.started, times.copyingFrom),
          transferDuration: seconds(times.copyingFrom, times.publishingFrom),
          publishingDuration: seconds(times.publishingFrom, times.ended),
        },
        notes: [...plan.notes],
      },
    ],
    dataConsistencyVerification: {
      VerificationResult: plan.verified ? 'Verified' : 'NotVerified',
      InconsistentData: 'None',
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
