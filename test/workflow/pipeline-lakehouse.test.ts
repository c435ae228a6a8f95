// WaybillLakehouse in a pipeline: a window is one run however it is asked for. The workflows are real; Spark, the lake
// and what a copy does are in memory.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { projectPath } from '../../dev/cache.ts';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createMigrationActivities } from '../../src/activities/migration.ts';
import { createMonitoringActivities } from '../../src/activities/monitoring.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import { TemporalLakehouseRuns } from '../../src/client/lakehouse-runs.ts';
import { readPrices } from '../../src/config/prices.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { locationUri } from '../../src/core/lakehouse/location.ts';
import { pipelineOf, type TemporaryFactory, writeFactory } from '../support/factory-files.ts';
import { keepHistory } from '../support/keep-history.ts';
import { MemoryLake } from '../support/memory-lake.ts';
import { MemorySpark, type Outcome } from '../support/memory-spark.ts';
import { after1, failureOf, PipelineHarness, type Script, setVariable } from '../support/pipeline-harness.ts';

const TINY = JSON.parse(readFileSync(projectPath('test', 'fixtures', 'lakehouse', 'tiny.json'), 'utf8'));
const FILES = {
  'lakehouse/tiny.json': TINY,
  'linkedService/ls.json': { name: 'ls', properties: { type: 'AmazonS3', typeProperties: {} } },
};
const ROWS = { 'silver/a': 90, 'quarantine/a': 10 };

const windowOf = (typeProperties: object, more: object = {}): object => ({
  name: 'Window',
  type: 'WaybillLakehouse',
  typeProperties: { lakehouse: { referenceName: 'tiny', type: 'LakehouseReference' }, ...typeProperties },
  ...more,
});

describe('WaybillLakehouse', () => {
  let harness: PipelineHarness;
  let factory: TemporaryFactory;
  before(async () => {
    harness = await PipelineHarness.start('skipping');
    factory = writeFactory(FILES);
  });
  after(async () => {
    await harness?.stop();
    factory?.remove();
  });

  /** A lake and a Spark of their own; `silver` is what the job `silver` comes to, attempt by attempt. */
  function world(silver: Outcome | Outcome[] = ROWS) {
    const events: string[] = [];
    const lake = new MemoryLake();
    lake.put('s3://lake/landing/weather/1.json');
    const emr = new MemorySpark(lake, events);
    emr.outcomes['silver'] = silver;
    emr.outcomes['compact'] = {};
    emr.outcomes['restore'] = {};
    const lakehouse = createLakehouseActivities({
      storage: lake,
      factoryDirectory: factory.directory,
      jobsDirectory: projectPath('jobs'),
    });
    const runs = new TemporalLakehouseRuns(harness.environment.client);
    const compute = { runners: { emr, 'emr-serverless': emr, databricks: emr }, storage: lake };
    const script: Script = (input) => {
      const folder = locationUri(input.sink.dataset);
      if (folder !== '') lake.put(`${folder}/part-00000.csv.gz`);
      return { output: { ...COPIED, waybill: { ...COPIED.waybill, copyId: input.copyId } } };
    };
    const activities = {
      ...createSparkActivities({ ...compute, pollInterval: 20 }),
      ...lakehouse,
      ...createMonitoringActivities({
        ...compute,
        prices: readPrices(undefined),
        metrics: { hdfsUtilization: async () => undefined },
        interval: 20,
      }),
      ...createMigrationActivities({
        storage: lake,
        factoryDirectory: factory.directory,
        uploadJobs: lakehouse.uploadJobs,
        putJob: () => Promise.reject(new Error('nothing is migrated here')),
        findLakehouseRun: (id) => runs.find(id),
      }),
    };
    const jobs = (): string[] => events.filter((event) => event.startsWith('run '));
    return { events, jobs, emr, options: { activities, script, files: FILES } };
  }

  test('runs the window it evaluates; asked for again, that run is taken', async () => {
    const { jobs, emr, options } = world();
    const pl = pipelineOf(
      [
        windowOf({ window: "@concat('day-', pipeline().parameters.day)" }),
        setVariable(
          'Note',
          'noted',
          "@string(activity('Window').output.stages[1].stage)",
          after1('Window', 'Succeeded'),
        ),
      ],
      { parameters: { day: { type: 'string' } }, variables: { noted: { type: 'String' } } },
    );
    const seen: JsonObject[] = [];
    for (const ours of [true, false]) {
      await harness.withRun({ pl }, { ...options, parameters: { day: '1' } }, async (run) => {
        const { activityRuns } = await run.result();
        if (ours) await keepHistory('runPipeline.lakehouse', run.handle);
        const output = activityRuns.find(({ activityName }) => activityName === 'Window')
          ?.output as JsonObject;
        assert.equal(output['workflowId'], 'lakehouse/tiny/day-1');
        assert.equal(output['ours'], ours);
        assert.deepEqual(
          (output['stages'] as JsonObject[]).map(({ stage }) => stage),
          ['ingest', 'process', 'load', 'optimize'],
        );
        seen.push(output);
      });
    }
    assert.equal(seen.length, 2);
    assert.deepEqual(jobs(), ['run silver', 'run compact']);
    assert.deepEqual(
      emr.clusters.map(({ state }) => state),
      ['terminated'],
    );
  });

  test('a window that failed is done again by the policy, after it was undone', async () => {
    // The stage's own retry fails too, so the first run fails as a whole.
    const { jobs, emr, options } = world(['fail', 'fail', ROWS]);
    const pl = pipelineOf([
      windowOf({ window: 'again' }, { policy: { retry: 1, retryIntervalInSeconds: 30 } }),
    ]);
    await harness.withRun({ pl }, options, async (run) => {
      const { activityRuns } = await run.result();
      assert.equal(activityRuns[0]?.status, 'Succeeded');
      assert.equal(activityRuns[0]?.retryAttempt, 1);
    });
    assert.deepEqual(
      jobs().filter((job) => job === 'run silver'),
      ['run silver', 'run silver', 'run silver'],
    );
    assert.ok(emr.clusters.every(({ state }) => state === 'terminated'));
    assert.equal(emr.clusters.length, 2);
  });

  test('what the run fails with is what the activity fails with', async () => {
    const { options } = world('fail');
    const pl = pipelineOf([windowOf({ window: 'broken' })]);
    await harness.withRun({ pl }, options, async (run) => {
      assert.match((await failureOf(run)).message, /STEP_FAILED|silver/);
    });
  });

  for (const [what, typeProperties, words] of [
    [
      'a window that is no name',
      { window: '../x' },
      /"window" of WaybillLakehouse must be a text of letters/,
    ],
    [
      'a property that is not there',
      { window: 'w', waitOnCompletion: false },
      /no property "waitOnCompletion": lakehouse, window, parameters/,
    ],
    ['parameters that are a text', { window: 'w', parameters: 'x' }, /"parameters" of .* must be an object/],
  ] as const) {
    test(`${what} is refused by name before anything runs`, async () => {
      const { events, options } = world();
      const pl = pipelineOf([windowOf(typeProperties)]);
      await harness.withRun({ pl }, options, async (run) => {
        assert.match((await failureOf(run)).message, words);
        assert.deepEqual(events, []);
      });
    });
  }

  test('a lakehouse pipeline that is not there is named before the run', async () => {
    const { options } = world();
    const pl = pipelineOf([
      windowOf({ window: 'w', lakehouse: { referenceName: 'tyni', type: 'LakehouseReference' } }),
    ]);
    await harness.withRun({ pl }, options, async (run) => {
      assert.match((await failureOf(run)).message, /There is no lakehouse "tyni".*"tiny"/s);
    });
  });
});

const COPIED = {
  ...{ dataRead: 1, dataWritten: 1, rowsRead: 100, rowsCopied: 100, rowsSkipped: 0, copyDuration: 1 },
  ...{ throughput: 1, usedParallelCopies: 1, errors: [], executionDetails: [] },
  dataConsistencyVerification: { VerificationResult: 'Verified', InconsistentData: 'None' },
  waybill: {
    ...{ chunks: 1, sourceChecksum: '4', sinkChecksum: '4', sinkRows: 100 },
    ...{ from: 'source', to: 'sink' },
  },
};
