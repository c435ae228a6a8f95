// Small rules of the lakehouse runtime: windows, durations, counts that checks compare, the archive of job code.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { unzipSync } from 'fflate';
import { packJobs } from '../../src/activities/job-package.ts';
import type { CopyOutput } from '../../src/core/copy.ts';
import { parseTimespan } from '../../src/core/lakehouse/duration.ts';
import { locationUri } from '../../src/core/lakehouse/location.ts';
import { copyChecks, jobChecks, Measures } from '../../src/core/lakehouse/measures.ts';
import { WINDOW_PATTERN, windowOf } from '../../src/core/lakehouse/window.ts';
import type { JobResult } from '../../src/core/spark.ts';

test('a window is given, or the time the schedule meant, in letters that a path may hold', () => {
  const id = 'lakehouse/nycflights/scheduled-2026-11-22T20:05:00Z';
  assert.deepEqual(windowOf('2013', new Date(0), id), { window: '2013' });
  const scheduled = { window: '20261122T200500Z', start: '2026-11-22T20:05:00Z' };
  assert.deepEqual(windowOf('', undefined, id), scheduled);
  assert.deepEqual(windowOf('schedule', new Date('2026-11-22T20:05:00.000Z'), 'any'), scheduled);
  assert.match(scheduled.window, WINDOW_PATTERN);
  assert.equal(windowOf('', undefined, 'lakehouse/nycflights/2013'), undefined);
  for (const bad of ['', '../x', 'a/b', 'a b', '.hidden', '$(x)', 'x'.repeat(101)])
    assert.doesNotMatch(bad, WINDOW_PATTERN);
});

test('durations are read as Data Factory writes them', () => {
  assert.equal(parseTimespan('0.12:00:00'), 43_200_000);
  assert.equal(parseTimespan('00:00:30'), 30_000);
  assert.equal(parseTimespan('7.00:00:01'), 604_801_000);
  for (const bad of ['', '12h', '24:00:00', '00:60:00', '1:00:00', '-1.00:00:00'])
    assert.equal(parseTimespan(bad), undefined);
});

const copied = (
  changes: Partial<CopyOutput['waybill']> & { rowsRead?: number; rowsSkipped?: number },
  VerificationResult: 'Verified' | 'NotVerified' = 'Verified',
): CopyOutput =>
  ({
    rowsRead: changes.rowsRead ?? 100,
    rowsCopied: 100,
    rowsSkipped: changes.rowsSkipped ?? 0,
    dataConsistencyVerification: { VerificationResult, InconsistentData: 'None' },
    waybill: { sourceChecksum: '7', sinkChecksum: '7', sinkRows: 100, ...changes },
  }) as unknown as CopyOutput;

const result = (tables: JobResult['tables'], more: object = {}): JobResult => ({
  job: 'silver',
  tables,
  ...more,
});

test('a check adds counts on both sides, and fails on one that nobody counted', () => {
  const measures = new Measures();
  measures.addCopy('flights', copied({}));
  measures.addJob('silver', result([{ table: 'silver/flights', rows: 95, rowsQuarantined: 5, note: 'x' }]));
  const check = (sum: string[], equals: string[]) => measures.check({ name: 'n', sum, equals });
  const both = ['silver:silver/flights.rows', 'silver:silver/flights.rowsQuarantined'];
  assert.deepEqual(check(both, ['flights:sink']), { name: 'n', passed: true, detail: '100' });
  assert.deepEqual(check(both.slice(0, 1), ['flights:copied']), {
    name: 'n',
    passed: false,
    detail: '95, not 100',
  });
  for (const unknown of ['silver:silver/planes.rows', 'silver:silver/flights.note', 'toString:x']) {
    const { passed, detail } = check([unknown], [unknown]);
    assert.equal(passed, false, unknown);
    assert.match(detail, /nothing counted/);
  }
});

test('a copy is believed when counts and contents are equal', () => {
  const passed = (output: CopyOutput) => copyChecks('a', output).map((check) => check.passed);
  assert.deepEqual(passed(copied({})), [true, true]);
  assert.deepEqual(passed(copied({ rowsRead: 103, rowsSkipped: 3 })), [true, true]);
  assert.deepEqual(passed(copied({ sinkRows: 99 })), [false, true]);
  assert.deepEqual(passed(copied({ sinkChecksum: '8' })), [true, false]);
  assert.deepEqual(
    passed(copied({}, 'NotVerified')),
    [true, false],
    'what nobody compared is not called equal',
  );
});

test('a job is believed when it reports its tables and no fault', () => {
  const job = { name: 'check', job: 'check', arguments: {}, configuration: {}, resultTables: ['silver/a'] };
  const passed = (given: JobResult) => jobChecks(job, given).map((check) => check.passed);
  assert.deepEqual(passed(result([{ table: 'silver/a', rows: 1 }])), [true]);
  assert.deepEqual(passed(result([])), [false]);
  assert.deepEqual(passed(result([{ table: 'silver/a', rows: 1 }], { faults: ['two current rows'] })), [
    true,
    false,
  ]);
  assert.deepEqual(passed(result([{ table: 'silver/a', rows: 1 }], { faults: [] })), [true, true]);
});

test('a folder dataset has an address, anything else has none', () => {
  const location = { type: 'AmazonS3Location', bucketName: 'lake', folderPath: '/landing/a/' };
  assert.equal(locationUri({ location }), 's3://lake/landing/a');
  assert.equal(locationUri({ location: { bucketName: 'lake' } }), '');
  assert.equal(locationUri({}), '');
});

test('the same job code makes the same bytes; a changed line makes another key', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'waybill-jobs-'));
  try {
    const source = join(directory, 'waybill_jobs', 'sub');
    await mkdir(join(directory, 'waybill_jobs', '__pycache__'), { recursive: true });
    await mkdir(source, { recursive: true });
    await writeFile(join(directory, 'main.py'), 'import waybill_jobs\n');
    await writeFile(join(directory, 'waybill_jobs', '__init__.py'), '');
    await writeFile(join(directory, 'waybill_jobs', '__pycache__', 'x.pyc'), 'compiled');
    await writeFile(join(source, 'a.py'), 'A = 1\n');
    const first = await packJobs(directory);
    await utimes(join(source, 'a.py'), new Date(1e12), new Date(1e12));
    const second = await packJobs(directory);
    assert.equal(first.hash, second.hash);
    assert.deepEqual(first.archive, second.archive);
    assert.deepEqual(Object.keys(unzipSync(first.archive)), [
      'waybill_jobs/__init__.py',
      'waybill_jobs/sub/a.py',
    ]);
    assert.equal(first.main.toString(), await readFile(join(directory, 'main.py'), 'utf8'));
    await writeFile(join(source, 'a.py'), 'A = 2\n');
    assert.notEqual((await packJobs(directory)).hash, first.hash);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
