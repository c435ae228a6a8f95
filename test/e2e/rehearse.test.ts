// A whole factory rehearsed on real engines: control tables, watermarks, files, a framework of procedures, a refusal.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { rehearse } from '../../dev/rehearse/rehearse.ts';
import { summaryOf } from '../../dev/rehearse/report.ts';
import { sharedWorld } from '../support/world.ts';

const directory = fileURLToPath(new URL('../../../test/fixtures/rehearse', import.meta.url));

test('every pipeline of the example is given what it needs and ends as it should', async () => {
  const report = await rehearse({
    directory,
    seed: 1,
    timeout: 60_000,
    width: 3,
    report: (line) => console.error(line),
    world: () => sharedWorld(['temporal', 'sqlserver', 'azure-blob']),
  });
  const by = Object.fromEntries(report.pipelines.map((pipeline) => [pipeline.name, pipeline]));
  const told = report.pipelines
    .map(({ name, outcome, reasons }) => `${name}: ${outcome} ${reasons.join(' ')}`)
    .join('\n');
  assert.deepEqual(
    Object.fromEntries(report.pipelines.map(({ name, outcome }) => [name, outcome])),
    {
      PL_Framework: 'ran',
      PL_Framework_Stage: 'ran',
      PL_Guard: 'failed-as-it-should',
      PL_Incremental: 'ran',
      PL_Land_Files: 'ran',
      PL_Metadata_Copy: 'ran',
      PL_Refresh: 'ran',
      PL_Rest: 'ran',
      PL_Unsupported: 'unsupported',
    },
    told,
  );
  // Three tables of a hundred rows, by the control table's three rows.
  assert.equal(by['PL_Metadata_Copy']?.figures.rowsIn, 300);
  assert.equal(by['PL_Metadata_Copy']?.figures.rowsOut, 300);
  // All hundred rows are newer than the old watermark and none is newer than the new one.
  assert.equal(by['PL_Incremental']?.figures.rowsIn, 100);
  assert.equal(by['PL_Land_Files']?.figures.rowsOut, 300);
  // Two sheets of one workbook, and a status with which the loop that polls for it ends at once.
  const polled =
    by['PL_Refresh']?.calls.map(({ method, url }) => `${method} ${decodeURIComponent(url)}`) ?? [];
  assert.equal(polled.length, 2, polled.join('\n'));
  assert.match(polled[0] ?? '', /^POST \S+\/ModelName_1\/refreshes\?owner=OwnerName_1$/);
  assert.match(by['PL_Guard']?.reasons[0] ?? '', /Fail activity "Refuse".*No kind other/);
  assert.match(by['PL_Unsupported']?.reasons.join(' ') ?? '', /AzureMLExecutePipeline/);
  const [call] = by['PL_Framework_Stage']?.calls ?? [];
  assert.equal(call?.method, 'POST');
  assert.match(decodeURIComponent(call?.url ?? ''), /^https:\/\/worker\.example\.com\/api\/1$/);
  // A Lookup and a page of a hundred rows, from an endpoint that recorded both calls.
  const asked = by['PL_Rest'];
  assert.equal(asked?.figures.rowsOut, 100);
  assert.deepEqual(
    asked?.calls.map(({ key, url }) => `${key} ${url}`),
    ['pl_rest/first order /stub/v1/status', 'pl_rest/load orders /stub/v1/orders'],
  );
  assert.match(
    asked?.notes.join(' ') ?? '',
    /"Load orders" read one page of made-up rows from a recording endpoint/,
  );
  assert.equal(summaryOf(report).right, 8);
});
