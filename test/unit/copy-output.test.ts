// The figures of a copy in ADF's output: what is counted, what is left out, and that nothing is made up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CopyPlan, PublishResult } from '../../src/core/copy/activities.ts';
import { copyOutput } from '../../src/core/copy/output.ts';
import type { CopyInput } from '../../src/core/copy.ts';
import type { JsonObject } from '../../src/core/json.ts';

const end = (type: string) => ({ linkedService: 'ls', datasetType: 'T', dataset: {}, settings: { type } });
const input = (options: JsonObject = {}): CopyInput => ({
  copyId: 'pipeline/p/1/copy/c',
  pipeline: 'p',
  activity: 'c',
  source: end('SqlServerSource'),
  sink: end('SnowflakeV2Sink'),
  options,
});
const plan = (more: Partial<CopyPlan> = {}): CopyPlan => ({
  chunks: 8,
  rows: 1000,
  epoch: 1,
  from: 'SQL Server dbo.t',
  to: 'Snowflake PUBLIC.T',
  published: false,
  notes: [],
  verified: true,
  parallelCopies: 4,
  ...more,
});
const result = (more: Partial<PublishResult> = {}): PublishResult => ({
  rows: 1000,
  bytesRead: 2_048_000,
  bytesWritten: 1_024_000,
  sourceChecksum: '12',
  sinkChecksum: '12',
  files: 0,
  ...more,
});
const times = { started: 0, copyingFrom: 2_000, publishingFrom: 8_000, ended: 10_000 };

test('rows read are rows copied and rows skipped, and what was skipped is not called inconsistent', () => {
  const logged = plan({ logPath: 'logs/copyactivity-logs/c/1' });
  const output = copyOutput(input({ logSettings: {} }), logged, result({ rows: 990, skipped: 10 }), times);
  assert.deepEqual([output.rowsRead, output.rowsCopied, output.rowsSkipped], [1000, 990, 10]);
  assert.equal(output.logFilePath, 'logs/copyactivity-logs/c/1');
  assert.equal(output.redirectRowPath, undefined);
  assert.deepEqual(output.dataConsistencyVerification, {
    VerificationResult: 'Verified',
    InconsistentData: 'Skipped',
  });
  const older = copyOutput(input(), logged, result({ skipped: 1 }), times);
  assert.equal(older.redirectRowPath, 'logs/copyactivity-logs/c/1');
  const none = copyOutput(input({ logSettings: {} }), logged, result(), times);
  assert.equal(none.logFilePath, undefined, 'no row was skipped, so no log was written');
  assert.deepEqual([none.rowsSkipped, none.dataConsistencyVerification.InconsistentData], [0, 'None']);
});

test('durations are in seconds, bytes in KB a second, connections as many as were at work', () => {
  const output = copyOutput(input(), plan({ files: 3 }), result({ files: 8, preCopyScriptMs: 1_400 }), {
    ...times,
    firstRowsAfter: 2_600,
  });
  assert.equal(output.copyDuration, 10);
  assert.equal(output.throughput, 200);
  assert.deepEqual([output.filesRead, output.filesWritten], [3, 8]);
  assert.deepEqual(
    [output.usedParallelCopies, output.sourcePeakConnections, output.sinkPeakConnections],
    [4, 4, 4],
  );
  const billed = [{ meterType: 'SelfhostedIR', duration: 10 / 3600, unit: 'Hours' }];
  assert.deepEqual(output.billingReference, {
    ...{ activityType: 'DataMovement', billableDuration: billed, totalBillableDuration: billed },
  });
  const [details] = output.executionDetails as JsonObject[];
  assert.deepEqual(details?.['detailedDurations'], {
    queuingDuration: 0,
    preCopyScriptDuration: 1,
    timeToFirstByte: 3,
    planningDuration: 2,
    transferDuration: 6,
    publishingDuration: 2,
  });
  assert.deepEqual(details?.['source'], { type: 'SqlServerSource' });
});

test('a copy that was cut has no advice; a large one in one piece is told how to be cut', () => {
  assert.equal(copyOutput(input(), plan(), result({ rows: 5_000_000 }), times).perfRecommendation, undefined);
  assert.equal(copyOutput(input(), plan({ chunks: 1 }), result(), times).perfRecommendation, undefined);
  const output = copyOutput(input(), plan({ chunks: 1 }), result({ rows: 5_000_000 }), times);
  const [advice] = (output.perfRecommendation ?? []) as JsonObject[];
  assert.equal(advice?.['RuleName'], 'SourceNotPartitioned');
  assert.equal(output.usedParallelCopies, 1);
});

test('a plan of an older version, without its own parallelism, is still reported', () => {
  const { parallelCopies: _, ...older } = plan();
  assert.equal(copyOutput(input({ parallelCopies: 3 }), older, result(), times).usedParallelCopies, 3);
  const [details] = copyOutput(input(), older, result(), times).executionDetails as JsonObject[];
  assert.ok(!JSON.stringify(details).includes('preCopyScript'));
});
