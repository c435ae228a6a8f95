// What migrateToDatabricks does from replication to the last window it watches: approval, rejection, the way back by hand and
// by itself, failed runs, cancellation, and going on as new at any point. Real activities; Spark and the lake are in memory.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Client, type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { temporalExecutable, timeSkippingExecutable } from '../../dev/setup/temporal.ts';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createMigrationActivities } from '../../src/activities/migration.ts';
import { createMonitoringActivities } from '../../src/activities/monitoring.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import { TemporalLakehouseRuns } from '../../src/client/lakehouse-runs.ts';
import { readPrices } from '../../src/config/prices.ts';
import type { CopyInput, CopyOutput } from '../../src/core/copy.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { locationUri } from '../../src/core/lakehouse/location.ts';
import type { DatasetPointer, MigrationInput, MigrationStatus } from '../../src/core/migration.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { eventually } from '../support/emr-stand-in.ts';
import { keepHistory } from '../support/keep-history.ts';
import { MemoryLake } from '../support/memory-lake.ts';
import { MemorySpark } from '../support/memory-spark.ts';

const CLUSTER = { sparkVersion: '17.3.x-scala2.13', nodeTypeId: 'i3.xlarge', workers: 1 };

const definition = (more: JsonObject = {}): JsonObject => ({
  name: 'move',
  lakehouse: 'tiny',
  databricks: {
    engine: { name: 'tiny', cluster: CLUSTER },
    locations: [{ emr: 's3://lake/tables', databricks: 's3://lake/databricks' }],
  },
  storage: { state: 's3://lake/migration/move' },
  datasets: ['a', 'b'].map((name) => ({
    name,
    emr: { format: 'delta', location: `s3://lake/tables/silver/${name}` },
    databricks: { location: `s3://lake/databricks/silver/${name}`, table: `main.silver.${name}` },
    keys: ['id'],
  })),
  windows: ['w1'],
  afterCutOver: { windows: 1 },
  ...more,
});

describe('migrateToDatabricks', () => {
  let directory: string;
  let factory: string;
  let environment: TestWorkflowEnvironment;
  let client: Client;
  let bundle: { code: string };
  let lake: MemoryLake;
  let emr: MemorySpark;
  let databricks: MemorySpark;
  let events: string[];
  /** What the comparison finds, by "<window>/<dataset>"; equal otherwise. */
  let differing: Map<string, string>;
  let jobs: { name: string; settings: JsonObject }[];
  let number = 0;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'waybill-migrate-'));
    factory = join(directory, 'factory');
    await mkdir(join(factory, 'lakehouse'), { recursive: true });
    await mkdir(join(factory, 'linkedService'), { recursive: true });
    await cp(
      projectPath('test', 'fixtures', 'lakehouse', 'tiny.json'),
      join(factory, 'lakehouse', 'tiny.json'),
    );
    const service = { properties: { type: 'AmazonS3', typeProperties: {} } };
    await writeFile(join(factory, 'linkedService', 'ls.json'), JSON.stringify({ name: 'ls', ...service }));
    environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: await timeSkippingExecutable() },
    });
    client = environment.client;
    await environment.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: { WaybillStage: 2, WaybillPipeline: 2, WaybillTrigger: 2, WaybillWindowStart: 6 },
    });
    bundle = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('../support/lakehouse-workflows.js', import.meta.url)),
    });
  });

  after(async () => {
    await environment?.teardown();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  beforeEach(() => {
    number += 1;
    events = [];
    jobs = [];
    differing = new Map();
    lake = new MemoryLake();
    lake.put('s3://lake/landing/weather/1.json');
    emr = new MemorySpark(lake, events);
    const theirs: string[] = [];
    theirs.push = (...items) => events.push(...items.map((one) => `${one} on Databricks`));
    databricks = new MemorySpark(lake, theirs, 'databricks');
    for (const spark of [emr, databricks]) {
      spark.outcomes['silver'] = { 'silver/a': 90, 'quarantine/a': 10 };
      spark.outcomes['compact'] = {};
    }
    databricks.outcomes['replicate'] = { a: 1, b: 1 };
    databricks.outcomes['parity'] = { a: 1, b: 1 };
    databricks.facts['parity'] = (given) => {
      const spec = lake.objects.get(argument(given, '--spec'))?.toString() ?? '';
      const { tables } = JSON.parse(spec) as { tables: { name: string; window: string }[] };
      lake.put(argument(given, '--report'), JSON.stringify({ tables: tables.map(compared) }));
      return { datasets: tables.map(compared) };
    };
  });

  const argument = (given: readonly string[], name: string): string => given[given.indexOf(name) + 1] ?? '';
  const both = (emr: number, databricks: number) => ({ emr, databricks });
  const compared = ({ name, window }: { name: string; window: string }) => {
    const reason = differing.get(`${window}/${name}`);
    return {
      name,
      equal: reason === undefined,
      reasons: reason === undefined ? [] : [reason],
      rows: both(9, reason === undefined ? 9 : 8),
      missing: reason === undefined ? 0 : 1,
      extra: 0,
      differing: 0,
      named: { missing: reason === undefined ? [] : ['id=7'], extra: [], differing: [] },
      // As the whole report has it.
      locations: { emr: 'x', databricks: 'y' },
      versions: both(1, 1),
      keys: ['id'],
      window: '',
      schema: { missing: [], extra: [], types: [], sameOrder: true, columns: 2 },
      columns: [],
      rowsByKey: {
        missing: 0,
        extra: 0,
        differing: 0,
        keys: 9,
        nullKeys: 0,
        repeated: both(0, 0),
        columns: {},
      },
      sample: {},
      seconds: 1,
    };
  };

  async function copyAll(input: CopyInput): Promise<CopyOutput> {
    events.push(`copy ${input.activity}`);
    const folder = locationUri(input.sink.dataset);
    if (folder !== '') lake.put(`${folder}/part-00000.csv.gz`);
    return {
      ...{ dataRead: 1, dataWritten: 1, rowsRead: 100, rowsCopied: 100, rowsSkipped: 0, copyDuration: 1 },
      ...{ throughput: 1, usedParallelCopies: 1, errors: [], executionDetails: [] },
      dataConsistencyVerification: { VerificationResult: 'Verified', InconsistentData: 'None' },
      waybill: {
        ...{ copyId: input.copyId, chunks: 1, sourceChecksum: '4', sinkChecksum: '4', sinkRows: 100 },
        ...{ from: 'source', to: 'sink' },
      },
    };
  }

  /** Runs a migration under a worker; afterwards its histories are replayed. */
  async function migrate<T>(
    work: (migration: Migration) => Promise<T>,
    options: { change?: JsonObject; historyEvents?: number } = {},
  ): Promise<T> {
    const taskQueue = `migration-${number}`;
    const lakehouse = createLakehouseActivities({
      storage: lake,
      factoryDirectory: factory,
      jobsDirectory: projectPath('jobs'),
    });
    const runs = new TemporalLakehouseRuns(client);
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowBundle: bundle,
      activities: {
        copyAll,
        ...createSparkActivities({
          runners: { emr, 'emr-serverless': emr, databricks },
          storage: lake,
          pollInterval: 20,
        }),
        ...lakehouse,
        ...createMonitoringActivities({
          runners: { emr, 'emr-serverless': emr, databricks },
          storage: lake,
          prices: readPrices(undefined),
          metrics: { hdfsUtilization: async () => undefined },
          interval: 20,
        }),
        ...createMigrationActivities({
          storage: lake,
          factoryDirectory: factory,
          uploadJobs: lakehouse.uploadJobs,
          putJob: async (settings) => {
            jobs.push({ name: settings.name, settings });
            return { id: 11, created: jobs.length === 1 };
          },
          findLakehouseRun: (id) => runs.find(id),
        }),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
      maxHeartbeatThrottleInterval: '50ms',
    });
    return worker.runUntil(async () => {
      // Windows are runs of their own: each test has others.
      const windows = [`w${number}`];
      const { historyEvents, change } = options;
      const input: MigrationInput = {
        definition: definition({ windows, ...change }),
        trigger: 'client',
        ...(historyEvents === undefined ? {} : { historyEvents }),
      };
      const handle = await client.workflow.start('migrateToDatabricks', {
        workflowId: `migration/move${number}`,
        taskQueue,
        args: [input],
      });
      const migration = new Migration(handle, `w${number}`);
      const result = await work(migration);
      for (const { execution } of await executions(handle)) {
        const history = await client.workflow.getHandle(handle.workflowId, execution).fetchHistory();
        await Worker.runReplayHistory({ workflowBundle: bundle }, history, handle.workflowId);
      }
      return result;
    });
  }

  /** The run ids of a workflow and of those that it continued as. */
  async function executions(handle: WorkflowHandle): Promise<{ execution: string }[]> {
    const found: { execution: string }[] = [];
    let runId = (handle as WorkflowHandle & { firstExecutionRunId: string }).firstExecutionRunId;
    while (runId) {
      found.push({ execution: runId });
      const { events: all } = await client.workflow.getHandle(handle.workflowId, runId).fetchHistory();
      runId = all?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? '';
    }
    return found;
  }

  class Migration {
    readonly handle: WorkflowHandle;
    readonly window: string;
    constructor(handle: WorkflowHandle, window: string) {
      this.handle = handle;
      this.window = window;
    }
    status(): Promise<MigrationStatus> {
      return client.workflow.getHandle(this.handle.workflowId).query<MigrationStatus>('status');
    }
    ask(name: string, request: object = {}): Promise<MigrationStatus> {
      return client.workflow
        .getHandle(this.handle.workflowId)
        .executeUpdate<MigrationStatus, [object]>(name, { args: [request] });
    }
    /** The status once it waits for something, as told. */
    waits(what: RegExp): Promise<MigrationStatus> {
      return eventually(
        `waits: ${what}`,
        async () => {
          // Before its first task has ended there is nobody to ask.
          const status = await this.status().catch(() => undefined);
          return status?.status === 'Waiting' && what.test(status.doing) ? status : undefined;
        },
        90,
      );
    }
    async refusal(name: string, request?: object): Promise<string> {
      return this.ask(name, request).then(
        () => assert.fail(`${name} was granted`),
        (error: unknown) => {
          assert.ok(error instanceof WorkflowUpdateFailedError);
          return (error.cause as Error).message;
        },
      );
    }
    result(): Promise<MigrationStatus> {
      return this.handle.result() as Promise<MigrationStatus>;
    }
    phases(status: MigrationStatus): string {
      return status.datasets.map(({ name, phase }) => `${name} ${phase}`).join(', ');
    }
  }

  const pointer = (dataset: string): DatasetPointer =>
    JSON.parse(
      lake.objects.get(`s3://lake/migration/move/pointers/${dataset}.json`)?.toString() ?? '',
    ) as DatasetPointer;

  it('replicates, runs both sides, compares, waits, cuts over what is approved, watches, and ends', async () => {
    const status = await migrate(async (migration) => {
      const waiting = await migration.waits(/approved or rejected/);
      assert.equal(migration.phases(waiting), 'a compared, b compared');
      assert.equal(pointer('a').engine, 'emr');
      assert.deepEqual(waiting.job, { id: 11, name: 'waybill tiny', created: true });
      assert.equal(
        await migration.refusal('approve', { dataset: 'A1', by: 'x' }),
        'There is no dataset "A1". Did you mean "a"?',
      );
      await migration.ask('approve', { dataset: 'a', by: 'ada', comment: 'looks well' });
      await migration.ask('reject', { dataset: 'b', by: 'ada', reason: 'not this quarter' });
      await migration.waits(/next window/);
      assert.equal(pointer('a').engine, 'databricks');
      assert.equal(pointer('a').table, 'main.silver.a');
      assert.match(await migration.refusal('addWindow', { window: 'a/b' }), /cannot be a window/);
      await migration.ask('addWindow', { window: `${migration.window}-next` });
      const ended = await migration.result();
      await keepHistory('migrateToDatabricks', migration.handle);
      return ended;
    });
    assert.equal(
      status.datasets.map(({ name, phase }) => `${name} ${phase}`).join(', '),
      'a confirmed, b rejected',
    );
    assert.equal(pointer('b').engine, 'emr');
    assert.deepEqual(
      events.filter((one) => !/cluster/.test(one)),
      [
        'run replicate on Databricks',
        ...['copy a', 'run silver', 'copy out', 'run compact'],
        ...['run silver on Databricks', 'run compact on Databricks', 'run parity on Databricks'],
        ...['copy a', 'run silver', 'copy out', 'run compact'],
        ...['run silver on Databricks', 'run compact on Databricks', 'run parity on Databricks'],
      ],
    );
    assert.deepEqual([emr.active, databricks.active], [[], []]);
    assert.equal(status.reports.length, 2);
    const html = lake.objects.get(status.reports[0]?.html ?? '')?.toString() ?? '';
    assert.match(html, /All 2 datasets are the same/);
    // Both sides took the same moment for theirs.
    const [one] = status.windows;
    assert.equal(one?.emr?.ours, true);
    assert.ok((one?.emr?.cost?.amount ?? 0) > 0, 'the ledger tells what EMR cost');
    assert.match(one?.triggerTime ?? '', /^\d{4}-\d\d-\d\dT/);
    // The job has the lakehouse's tasks, for any window.
    const settings = jobs[0]?.settings as { tasks: { spark_python_task: { parameters: string[] } }[] };
    assert.deepEqual(settings.tasks[0]?.spark_python_task.parameters.slice(0, 3), [
      'silver',
      '--run',
      '{{job.parameters.window}}',
    ]);
  });

  it('approves by itself what is within tolerances, and leaves the rest to people, who may insist', async () => {
    const window = `w${number}`;
    differing.set(`${window}/b`, '1 rows missing on databricks');
    await migrate(
      async (migration) => {
        const waiting = await migration.waits(/approved or rejected/);
        assert.equal(migration.phases(waiting), 'a confirmed, b compared');
        assert.equal(waiting.datasets[0]?.decision?.by, 'tolerances');
        const found = waiting.datasets[1]?.comparisons[0];
        assert.deepEqual(
          [found?.reasons, found?.named.missing],
          [['1 rows missing on databricks'], ['id=7']],
        );
        assert.match(
          await migration.refusal('approve', { dataset: 'b', by: 'x' }),
          /b differs in window w\d+ \(1 rows missing/,
        );
        // Mended, it is compared again; then it is approved by itself.
        differing.clear();
        await migration.ask('compare', { window });
        const status = await migration.result();
        assert.equal(migration.phases(status), 'a confirmed, b confirmed');
        assert.equal(status.windows[0]?.comparisons, 2);
      },
      { change: { approval: 'withinTolerances', afterCutOver: { windows: 0 } } },
    );
  });

  it('cuts over what differs where somebody insists, and tells that', async () => {
    differing.set(`w${number}/b`, 'price is decimal(10,2) on emr and double on databricks');
    await migrate(
      async (migration) => {
        await migration.waits(/approved or rejected/);
        await migration.ask('approve', { dataset: 'b', by: 'ada', force: true, comment: 'known' });
        await migration.ask('reject', { dataset: 'a', by: 'ada', reason: 'no' });
        const status = await migration.result();
        assert.deepEqual(status.datasets[1]?.decision, { by: 'ada', comment: 'known', forced: true });
        assert.equal(pointer('b').engine, 'databricks');
      },
      { change: { afterCutOver: { windows: 0 } } },
    );
  });

  it('takes back by itself what differs after the cut-over', async () => {
    differing.set(`w${number}-next/a`, '1 rows differ in price');
    await migrate(
      async (migration) => {
        await migration.waits(/next window/);
        assert.deepEqual([pointer('a').engine, pointer('b').engine], ['databricks', 'databricks']);
        await migration.ask('addWindow', { window: `${migration.window}-next` });
        const status = await migration.result();
        assert.equal(migration.phases(status), 'a rolledBack, b confirmed');
        assert.equal(status.datasets[0]?.reason, `window ${migration.window}-next: 1 rows differ in price`);
        assert.deepEqual([pointer('a').engine, pointer('a').generation], ['emr', 3]);
        assert.match(pointer('a').reason, /1 rows differ in price/);
      },
      { change: { approval: 'withinTolerances' } },
    );
  });

  it('takes back by itself what was cut over when Databricks fails a window, and waits for someone', async () => {
    await migrate(
      async (migration) => {
        await migration.waits(/next window/);
        databricks.outcomes['silver'] = 'fail';
        await migration.ask('addWindow', { window: `${migration.window}-next` });
        const waiting = await migration.waits(/resume/);
        assert.equal(migration.phases(waiting), 'a rolledBack, b rolledBack');
        assert.equal(waiting.problem?.code, 'STEP_FAILED');
        assert.match(waiting.problem?.step ?? '', /w\d+-next on Databricks/);
        assert.equal(pointer('a').engine, 'emr');
        await migration.ask('resume');
        assert.equal((await migration.result()).status, 'Succeeded');
        assert.deepEqual(databricks.active, []);
      },
      { change: { approval: 'withinTolerances' } },
    );
  });

  it('goes back when asked to, at once', async () => {
    await migrate(
      async (migration) => {
        await migration.waits(/next window/);
        assert.match(
          await migration.refusal('rollBack', { dataset: 'a', by: 'ada', reason: ' ' }),
          /needs a reason/,
        );
        await migration.ask('rollBack', { dataset: 'a', by: 'ada', reason: 'dashboards are slow' });
        await eventually('a is read from EMR', async () => pointer('a').engine === 'emr' || undefined);
        assert.match(
          await migration.refusal('rollBack', { dataset: 'a', by: 'ada', reason: 'again' }),
          /rolledBack/,
        );
        await migration.ask('rollBack', { dataset: 'b', by: 'ada', reason: 'all or none' });
        assert.equal(migration.phases(await migration.result()), 'a rolledBack, b rolledBack');
      },
      { change: { approval: 'withinTolerances' } },
    );
  });

  it('waits when a run fails, and tries it again when told to', async () => {
    emr.outcomes['silver'] = ['fail', 'fail', { 'silver/a': 90, 'quarantine/a': 10 }];
    await migrate(async (migration) => {
      const waiting = await migration.waits(/resume/);
      assert.deepEqual(
        [waiting.problem?.code, waiting.problem?.step],
        ['STEP_FAILED', `run window ${migration.window} on EMR`],
      );
      assert.match(
        await migration.refusal('compare', { window: migration.window }),
        /not been run on both sides/,
      );
      await migration.ask('resume');
      await migration.waits(/approved or rejected/);
      assert.match(await migration.refusal('resume'), /nothing to resume/);
      await migration.handle.cancel();
      await assert.rejects(migration.result());
    });
  });

  it('is cancelled while a side runs: the run and its cluster end, pointers stay', async () => {
    databricks.outcomes['silver'] = 'hang';
    await migrate(async (migration) => {
      await eventually(
        'Databricks runs',
        async () => events.includes('run silver on Databricks') || undefined,
      );
      await migration.handle.cancel();
      await assert.rejects(migration.result(), /cancelled/i);
      assert.deepEqual([emr.active, databricks.active], [[], []]);
      assert.ok(events.includes('cancel silver on Databricks'));
      assert.equal(pointer('a').engine, 'emr');
    });
  });

  it('takes a window that EMR has run already, with its moment', async () => {
    await migrate(async (migration) => {
      await migration.waits(/approved or rejected/);
      await migration.handle.cancel();
      await assert.rejects(migration.result());
      const again = await client.workflow.start('migrateToDatabricks', {
        workflowId: `migration/move${number}-again`,
        taskQueue: `migration-${number}`,
        args: [{ definition: definition({ windows: [migration.window] }), trigger: 'client' }],
      });
      const second = new Migration(again, migration.window);
      const status = await second.waits(/approved or rejected/);
      const began = (await client.workflow.getHandle(`lakehouse/tiny/${migration.window}`).describe())
        .startTime;
      assert.deepEqual(
        [status.windows[0]?.emr?.ours, status.windows[0]?.triggerTime],
        [false, began.toISOString()],
      );
      assert.equal(events.filter((one) => one === 'run silver').length, 1);
      await again.cancel();
      await assert.rejects(second.result());
    });
  });

  it('refuses a definition that it cannot carry out, with the place of what is wrong', async () => {
    await migrate(
      async (migration) => {
        await assert.rejects(migration.result(), (error: Error) => {
          const { type, message } = error.cause as Error & { type: string };
          assert.equal(type, 'REFERENCE_MISSING');
          assert.match(message, /no lakehouse "tinny". Did you mean "tiny"/);
          return true;
        });
      },
      { change: { lakehouse: 'tinny' } },
    );
  });
  it('goes on as new after every step, and loses nothing', async () => {
    // The server that skips time loses updates which arrive while a run goes on as new.
    const skipping = environment;
    environment = await TestWorkflowEnvironment.createLocal({
      server: {
        executable: await temporalExecutable(),
        searchAttributes: [
          ...(['WaybillStage', 'WaybillPipeline', 'WaybillTrigger'] as const).map((name) =>
            defineSearchAttributeKey(name, 'KEYWORD'),
          ),
          defineSearchAttributeKey('WaybillWindowStart', 'DATETIME'),
        ],
      },
    });
    client = environment.client;
    try {
      await migrate(
        async (migration) => {
          await migration.waits(/approved or rejected/);
          await migration.ask('approve', { dataset: 'a', by: 'ada' });
          await migration.ask('approve', { dataset: 'b', by: 'ada' });
          await migration.waits(/next window/);
          await migration.ask('addWindow', { window: `${migration.window}-next` });
          const status = await migration.result();
          assert.equal(migration.phases(status), 'a confirmed, b confirmed');
          assert.ok((await executions(migration.handle)).length > 5);
          assert.equal(events.filter((one) => one === 'run parity on Databricks').length, 2);
          assert.equal(events.filter((one) => one === 'run silver').length, 2);
        },
        { historyEvents: 1 },
      );
    } finally {
      await environment.teardown();
      environment = skipping;
      client = environment.client;
    }
  });
});
