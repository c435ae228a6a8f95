// What a run's lines say of a copy: what is committed, what is in flight, how fast, how long yet.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { paletteFor, renderCopy } from '../../src/client/render.ts';
import type { CopySnapshot } from '../../src/client/snapshot.ts';
import type { CopyProgress } from '../../src/core/copy.ts';

const progress: CopyProgress = {
  kind: 'copy',
  activity: 'flights',
  from: 'SQL Server dbo.flights',
  to: 'Snowflake PUBLIC.FLIGHTS',
  state: 'copying',
  verified: true,
  chunksTotal: 8,
  chunksDone: 3,
  rowsTotal: 800_000,
  rowsDone: 300_000,
  bytesDone: 30_000_000,
  startedAt: 1_000,
};
const copy = (more: Partial<CopySnapshot> = {}): CopySnapshot => ({
  workflowId: 'pipeline/p/1/copy/flights',
  progress,
  inFlight: [],
  rowsInFlight: 0,
  bytesInFlight: 0,
  ...more,
});
const line = (snapshot: CopySnapshot): string => renderCopy(snapshot, 11_000, 7, paletteFor(false));

test('rows in flight count for share, rate and time left', () => {
  assert.match(line(copy()), / 37 % {3}300,000 rows · 30\.0 MB · 30 k rows\/s · eta 16\.7 s · chunk 3 of 8$/);
  const inFlight = [
    { chunk: 3, rows: 60_000, bytes: 6_000_000, attempt: 1 },
    { chunk: 4, rows: 40_000, bytes: 4_000_000, attempt: 2 },
  ];
  const moving = line(copy({ inFlight, rowsInFlight: 100_000, bytesInFlight: 10_000_000 }));
  assert.match(
    moving,
    / 50 % {3}400,000 rows · 40\.0 MB · 40 k rows\/s · eta 10\.0 s · chunk 3 of 8 · 2 in flight \(100,000 rows\)$/,
  );
});

test('skipped rows are told while copying and at the end', () => {
  const skipping = copy({ progress: { ...progress, rowsSkipped: 1_234 } });
  assert.match(line(skipping), / · 1,234 skipped$/);
  const done = copy({ progress: { ...progress, state: 'done', rowsDone: 798_766, rowsSkipped: 1_234 } });
  assert.match(line(done), /✔ 798,766 rows · 30\.0 MB · verified · 1,234 skipped/);
  const older = copy({ progress: { ...progress, state: 'done' } });
  assert.ok(!line(older).includes('skipped'), 'a worker of an older version says nothing of it');
});
