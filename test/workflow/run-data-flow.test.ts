// What runDataFlow does around its Spark job: staging, loading in order, and that nothing is left behind however it ends.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { timeSkippingExecutable } from '../../dev/setup/temporal.ts';
import { createDataFlowActivities } from '../../src/activities/data-flow.ts';
import { createLakehouseActivities } from '../../src/activities/lakehouse.ts';
import { createSparkActivities } from '../../src/activities/spark.ts';
import type { CopyInput } from '../../src/core/copy.ts';
import type { DataFlowInput } from '../../src/core/dataflow/run.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { TaskInput } from '../../src/core/pipeline/task.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { eventually } from '../support/emr-stand-in.ts';
import { MemoryLake } from '../support/memory-lake.ts';
import { MemorySpark } from '../support/memory-spark.ts';

const SCRIPT = `parameters{ region as string, since as date (toDate('2024-01-01')) }
source(output(id as integer, region as string), query: (concat("select * from orders where region = '", $region, "'")), format: 'table') ~> Orders
source(output(id as integer), ignoreNoFilesFound: true, format: 'delimited', container: 'in', wildcardPaths: ['a/*.csv', 'b/*.csv']) ~> Late
Orders filter(region == $region && toDate('2024-02-01') > $since) ~> Some
Some, Late union(byName: true) ~> All
All sink(saveOrder: 2, preCommands: ['delete from log'], postCommands: ['insert into log values (1)'], format: 'table') ~> Last
Some sink(saveOrder: 1, recreate: true, format: 'table') ~> First
`;

const table = (name: string): DataFlowInput['sinks'][number]['dataset'] => ({ schema: 'dbo', table: name });

const flow: Omit<DataFlowInput, 'flowId'> = {
  pipeline: 'pl',
  activity: 'Flow',
  name: 'df',
  script: SCRIPT,
  sources: [
    { name: 'Orders', linkedService: 'sql', datasetType: 'AzureSqlTable', dataset: {} },
    { name: 'Late', linkedService: 'blob', dataset: {} },
  ],
  sinks: [
    { name: 'First', linkedService: 'sql', datasetType: 'AzureSqlTable', dataset: table('first') },
    { name: 'Last', linkedService: 'sql', datasetType: 'AzureSqlTable', dataset: table('last') },
  ],
  parameters: { region: "'north'" },
  run: { runId: 'r', pipelineWorkflowId: 'pipeline/pl/k' },
};

describe('runDataFlow', () => {
  let directory: string;
  let environment: TestWorkflowEnvironment;
  let bundle: { code: string };
  let lake: MemoryLake;
  let spark: MemorySpark;
  /** What was done to the outside, in order. */
  let events: string[];
  let copies: CopyInput[];
  let deleted: { location: unknown; storeSettings: unknown }[];
  /** Codes with which copies fail, by their summary. */
  let failures: Record<string, string>;
  /** The plan of the Spark job, as it was when the job began. */
  let plan: JsonObject;
  let number = 0;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'waybill-run-data-flow-'));
    environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: await timeSkippingExecutable() },
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
    copies = [];
    deleted = [];
    failures = {};
    plan = {};
    lake = new MemoryLake();
    spark = new MemorySpark(lake, events);
    spark.outcomes['dataflow'] = { 'source:Orders': 7, 'sink:First': 3, 'sink:Last': 5 };
  });

  async function copyAll(input: CopyInput): Promise<unknown> {
    const summary = input.activity.replace('Flow ', '');
    events.push(summary);
    copies.push(input);
    const written = lake.under('s3://waybill-data-flows/staging/').find((uri) => uri.endsWith('plan.json'));
    if (written !== undefined) plan = JSON.parse(lake.objects.get(written)?.toString() ?? '') as JsonObject;
    const code = failures[summary] ?? failures[input.copyId.split('/').slice(-2).join('/')];
    if (code !== undefined) throw ApplicationFailure.nonRetryable('no', code);
    return { rowsRead: 7, rowsCopied: 7, copyDuration: 2 };
  }

  const task = (type: string) => async (input: TaskInput) => {
    const scripts = input.typeProperties['scripts'] as { text: string }[] | undefined;
    events.push(scripts === undefined ? type : scripts.map(({ text }) => text).join());
    const location = input.datasets['dataset']?.typeProperties['location'];
    if (type === 'Delete') deleted.push({ location, storeSettings: input.typeProperties['storeSettings'] });
    return { output: {} };
  };

  async function withWorker(
    use: (handle: WorkflowHandle) => Promise<void>,
    given: object = {},
  ): Promise<void> {
    const taskQueue = `data-flow-${number}`;
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowBundle: bundle,
      activities: {
        ...createDataFlowActivities({
          resolveLinkedService: async (name) => ({ name, type: 'AzureBlobStorage', properties: {} }),
          storage: lake,
          factoryDirectory: directory,
          settings: {
            staging: 's3://waybill-data-flows/staging',
            definition: projectPath('dev', 'world', 'data-flows.json'),
            parameters: {},
          },
        }),
        ...createSparkActivities({
          runners: { emr: spark, 'emr-serverless': spark, databricks: spark },
          storage: lake,
          pollInterval: 20,
        }),
        ...createLakehouseActivities({
          storage: lake,
          factoryDirectory: directory,
          jobsDirectory: projectPath('jobs'),
        }),
        copyAll,
        cleanUpCopy: async ({ copyId }: CopyInput) => {
          events.push(`clean up ${copyId.split('/').slice(-3, -1).join('/')}`);
        },
        performScript: task('Script'),
        performDelete: task('Delete'),
      },
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
    });
    const flowId = `pipeline/pl/k${number}/dataflow/Flow`;
    await worker.runUntil(async () => {
      const handle = await environment.client.workflow.start('runDataFlow', {
        workflowId: flowId,
        taskQueue,
        args: [{ ...flow, flowId, ...given }],
      });
      await use(handle);
    });
    assert.deepEqual(lake.under('s3://waybill-data-flows/staging/'), [], 'staged files are gone');
    assert.deepEqual(spark.active, [], 'no cluster goes on');
  }

  /** The code at the root of a failure. */
  const codeOf = async (handle: WorkflowHandle): Promise<string> => {
    const error: unknown = await handle.result().then(
      () => undefined,
      (problem: unknown) => problem,
    );
    let inner = error as Error | undefined;
    while (inner?.cause instanceof Error) inner = inner.cause;
    return inner instanceof ApplicationFailure ? (inner.type ?? '') : String(inner);
  };

  it('stages sources, runs one job, loads sinks in their order', async () => {
    await withWorker(async (handle) => {
      const output = (await handle.result()) as { runStatus: { metrics: Record<string, JsonObject> } };
      const { First, Last } = output.runStatus.metrics;
      assert.deepEqual([First?.['rowsWritten'], Last?.['rowsWritten']], [3, 5]);
      assert.deepEqual(First?.['sources'], { Orders: { rowsRead: 7 } });
      assert.deepEqual(Last?.['sources'], { Late: { rowsRead: 14 }, Orders: { rowsRead: 7 } });
    });
    assert.deepEqual(events.slice(0, 3).sort(), ['stage Late', 'stage Late', 'stage Orders']);
    assert.deepEqual(events.slice(3), [
      'open cluster',
      'run dataflow',
      'end cluster',
      'DROP TABLE IF EXISTS [dbo].[first]',
      'load First',
      'load Last',
      'insert into log values (1)',
    ]);
    const read = copies.find(({ activity }) => activity === 'Flow stage Orders');
    assert.equal(read?.source.settings['sqlReaderQuery'], "select * from orders where region = 'north'");
    const last = copies.at(-1);
    assert.deepEqual(last?.sink.settings, {
      type: 'AzureSqlSink',
      writeBehavior: 'insert',
      tableOption: 'autoCreate',
      preCopyScript: 'delete from log',
    });
    assert.deepEqual(plan['parameters'], { region: 'north' });
    const program = plan['program'] as { parameters: JsonObject[] };
    assert.deepEqual(program.parameters[1]?.['default'], {
      type: 'call',
      name: 'toDate',
      arguments: [{ type: 'literal', value: '2024-01-01', kind: 'string' }],
      line: 1,
    });
  });

  it('deletes files when the sinks have their rows, and those only that it read', async () => {
    const script = SCRIPT.replace('ignoreNoFilesFound: true,', 'ignoreNoFilesFound: true, purgeFiles: true,');
    // Of one of the two patterns nothing is there.
    failures['Late/1'] = 'OBJECT_MISSING';
    await withWorker(
      async (handle) => {
        await handle.result();
      },
      { script },
    );
    assert.deepEqual(events.slice(-2), ['insert into log values (1)', 'Delete']);
    const [read] = copies.filter(({ copyId }) => copyId.endsWith('Late/0'));
    const settings = read?.source.settings['storeSettings'] as JsonObject;
    assert.match(String(settings['modifiedDatetimeEnd']), /^\d{4}-\d\d-\d\dT/);
    assert.deepEqual(deleted, [{ location: read?.source.dataset['location'], storeSettings: settings }]);
    // Where rows are missing in a sink, nothing goes.
    deleted = [];
    number += 1;
    failures = { 'load Last': 'QUERY_FAILED' };
    await withWorker(async (handle) => assert.equal(await codeOf(handle), 'QUERY_FAILED'), { script });
    assert.deepEqual(deleted, []);
  });

  it('goes on without files that need not be there', async () => {
    failures['stage Late'] = 'OBJECT_MISSING';
    await withWorker(async (handle) => {
      await handle.result();
    });
    assert.ok(events.includes('load Last'));
  });

  it('fails with what a source says, and runs nothing', async () => {
    failures['stage Orders'] = 'OBJECT_MISSING';
    await withWorker(async (handle) => assert.equal(await codeOf(handle), 'OBJECT_MISSING'));
    assert.ok(!events.includes('run dataflow'));
  });

  it('runs a job that failed once more, and then fails', async () => {
    spark.outcomes['dataflow'] = ['fail', 'fail', {}];
    await withWorker(async (handle) => assert.equal(await codeOf(handle), 'STEP_FAILED'));
    assert.equal(events.filter((event) => event === 'run dataflow').length, 2);
    assert.ok(!events.some((event) => event.startsWith('load')));
  });

  it('clears what a failed load left, and loads nothing after it', async () => {
    failures['load First'] = 'QUERY_FAILED';
    await withWorker(async (handle) => assert.equal(await codeOf(handle), 'QUERY_FAILED'));
    assert.deepEqual(events.slice(-2), ['load First', 'clean up First/insert']);
  });

  it('ends the job and the cluster when it is cancelled', async () => {
    spark.outcomes['dataflow'] = 'hang';
    await withWorker(async (handle) => {
      await eventually('the job runs', async () => (events.includes('run dataflow') ? true : undefined));
      await handle.cancel();
      await handle.result().catch(() => undefined);
    });
    assert.deepEqual(events.slice(-2), ['cancel dataflow', 'end cluster']);
  });

  it('says which parameter has no value', async () => {
    await withWorker(async (handle) => assert.equal(await codeOf(handle), 'PARAMETER_MISSING'), {
      parameters: {},
    });
  });
});
